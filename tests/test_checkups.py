"""Validation passes during training."""

import keras
import numpy as np
import pytest
import tiny

from pippin import engines, measure, networks
from pippin.networks.groups import group_statistics
from pippin.pictures import Subset
from pippin.session.checkups import IMAGES, Validator, is_checkup, reference_note
from pippin.settings import choose
from pippin.training.trainer import Trainer


def new_validator(players=None, training=12, held_out=12, **settings):
    """A validator of a tiny trainer that has not trained yet."""
    players = players or tiny.build("standard", tiny.SIZE, tiny.LATENT_DIM)
    options = {"features": "none", "batches": 10, "batch_size": 4, "latent_dim": tiny.LATENT_DIM, **settings}
    trainer = Trainer(engines.current(), choose("standard", tiny.SIZE, **options).settings, players, tiny.pictures())
    images = tiny.pictures(training + held_out)
    training_set = Subset(images, np.arange(training))
    return Validator(trainer, training_set, Subset(images, np.arange(training, len(images))))


def test_the_mean_logit_is_that_of_the_discriminator_without_augmentation():
    validator = new_validator()
    images = tiny.pictures(count=6)
    discriminator = validator.trainer.networks.discriminator
    expected = keras.ops.convert_to_numpy(discriminator(images / np.float32(127.5) - 1)).mean()
    assert validator.mean_logit(images) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.slow
def test_the_mean_logit_includes_the_projector():
    players = networks.build("standard", 16, tiny.LATENT_DIM, features="efficientnet-lite0")
    validator = new_validator(players, features=None)
    images = tiny.pictures(count=3)
    maps = players.projector(images / np.float32(127.5) - 1)
    statistics = group_statistics(maps[: players.group_heads])
    expected = keras.ops.convert_to_numpy(players.discriminator([*maps, *statistics], training=False)[0]).mean()
    assert validator.mean_logit(images) == pytest.approx(float(expected), rel=1e-3)


def test_images_come_from_the_current_averaged_generator():
    validator = new_validator()
    trainer = validator.trainer
    before = validator.generate(validator.latents)
    for _ in range(3):
        trainer.step()
    after = validator.generate(validator.latents)
    assert (before != after).any()
    trainer.generator.set_weights(
        [*trainer.state_on_host()["ema_generator"]["weights"], *trainer.state_on_host()["ema_generator"]["stats"]]
    )
    plain = keras.ops.convert_to_numpy(trainer.generator(validator.latents[:5], training=False))
    np.testing.assert_allclose(after[:5] / 127.5 - 1, plain.clip(-1, 1), atol=1.01 / 127.5)


@pytest.fixture
def extracted(monkeypatch):
    """Replace the feature network by column means; return the list of (number of images, network) of each call."""
    calls = []

    def extract(images, network):
        calls.append((len(images), network))
        return images.mean(axis=(1, 3), dtype=np.float64)

    monkeypatch.setattr(measure, "extract", extract)
    return calls


def test_a_checkup_compares_with_the_held_out_images_from_32_on(extracted):
    validator = new_validator(training=40, held_out=32)
    np.testing.assert_array_equal(validator.references, tiny.pictures(72)[40:])
    checkup = validator.validate()
    generated, real = (
        images.mean(axis=(1, 3)) for images in (validator.generate(validator.latents), tiny.pictures(72)[40:])
    )
    assert checkup.kid == pytest.approx(measure.kid(generated, real)[0], rel=1e-6)
    assert checkup.diversity == pytest.approx(measure.diversity(generated) / measure.diversity(real), rel=1e-6)
    assert 0 <= checkup.overfitting <= 1


@pytest.mark.parametrize("held_out", [0, 1, 31])
def test_with_fewer_held_out_images_it_compares_with_training_images(extracted, held_out):
    validator = new_validator(training=40, held_out=held_out)
    np.testing.assert_array_equal(validator.references, tiny.pictures(40 + held_out)[:40])
    assert validator.possible
    assert validator.validate().overfitting is None, "so few logits are no estimate of overfitting"


def test_features_of_the_real_images_are_computed_once_and_not_by_the_discriminators_network(extracted):
    validator = new_validator(training=40, held_out=32)
    first, second = validator.validate(), validator.validate()
    assert first == second
    assert sorted(extracted) == [(32, "efficientnet-lite1"), *[(IMAGES, "efficientnet-lite1")] * 2]
    assert first.network == "efficientnet-lite1"


def test_31_training_images_are_too_few_for_checkups():
    assert not new_validator(training=31, held_out=0).possible
    assert new_validator(training=32, held_out=0).possible


@pytest.mark.parametrize(
    ("training", "held_out", "note"),
    [
        (500, 32, None),
        (
            500,
            31,
            "Checkups compare with training images: 31 pictures are held out, and at least 32 are needed",
        ),
        (
            250,
            1,
            "Checkups compare with training images: 1 picture is held out, and at least 32 are needed",
        ),
        (32, 0, "Checkups compare with training images: 0 pictures are held out, and at least 32 are needed"),
        (
            31,
            0,
            "There are no checkups, and the last state is kept instead of the best: they need 32 pictures, and the "
            "training set has 31",
        ),
    ],
)
def test_the_user_is_told_what_checkups_compare_with(training, held_out, note):
    assert reference_note(training, held_out) == note


def test_a_checkup_is_due_when_the_interval_has_passed():
    assert [n for n in range(1, 20) if is_checkup(n, batch_size=4, interval=10)] == [3, 5, 8, 10, 13, 15, 18]
    assert not any(is_checkup(n, 4, 0) for n in range(1, 20))
