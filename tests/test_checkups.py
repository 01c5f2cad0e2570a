"""Validation passes during training."""

import keras
import numpy as np
import pytest
import tiny

from pippin import engines, networks
from pippin.pictures import Subset
from pippin.session.checkups import Examiner
from pippin.settings import choose
from pippin.training.trainer import Trainer


def new_examiner(players=None, **settings):
    """An examiner of a tiny trainer that has not trained yet."""
    players = players or tiny.build("standard", tiny.SIZE, tiny.LATENT_DIM)
    options = {"features": "none", "batches": 10, "batch_size": 4, "latent_dim": tiny.LATENT_DIM, **settings}
    trainer = Trainer(engines.current(), choose("standard", tiny.SIZE, **options).settings, players, tiny.pictures())
    images = Subset(tiny.pictures(), np.arange(12))
    return Examiner(trainer, images, images)


def test_the_mean_logit_is_the_discriminators_for_images_that_are_not_augmented():
    examiner = new_examiner()
    images = tiny.pictures(count=6)
    discriminator = examiner.trainer.networks.discriminator
    expected = keras.ops.convert_to_numpy(discriminator(images / np.float32(127.5) - 1)).mean()
    assert examiner.mean_logit(images) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.slow
def test_the_mean_logit_goes_through_the_projector():
    players = networks.build("standard", 16, tiny.LATENT_DIM, features="efficientnet-lite0")
    examiner = new_examiner(players, features=None)
    images = tiny.pictures(count=3)
    maps = players.projector(images / np.float32(127.5) - 1)
    expected = keras.ops.convert_to_numpy(players.discriminator(list(maps), training=False)).mean()
    assert examiner.mean_logit(images) == pytest.approx(float(expected), rel=1e-3)


def test_images_come_from_the_averaged_generator_as_it_stands():
    examiner = new_examiner()
    trainer = examiner.trainer
    before = examiner.generate(examiner.latents)
    for _ in range(3):
        trainer.step()
    after = examiner.generate(examiner.latents)
    assert (before != after).any()
    trainer.generator.set_weights(
        [*trainer.state_on_host()["ema_generator"]["weights"], *trainer.state_on_host()["ema_generator"]["stats"]]
    )
    plain = keras.ops.convert_to_numpy(trainer.generator(examiner.latents[:5], training=False))
    np.testing.assert_allclose(after[:5] / 127.5 - 1, plain.clip(-1, 1), atol=1.01 / 127.5)
