"""Group heads: statistics of groups of images, their gradients, and the geometry that a group shares."""

import keras
import numpy as np
import pytest
from keras import ops

from pippin import engines, networks
from pippin.networks import standard
from pippin.networks.groups import group_count, group_statistics
from pippin.settings import choose
from pippin.training import draws
from pippin.training.augment import KINDS
from pippin.training.trainer import Trainer

FLOOR = 1e-3


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


@pytest.fixture(scope="module")
def built():
    return networks.build("standard", 16, 160, features="efficientnet-lite0")


# -- statistics --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "groups", "size"), [(2, 1, 2), (3, 1, 3), (4, 1, 4), (7, 1, 7), (8, 2, 4), (9, 2, 4), (64, 16, 4)]
)
def test_statistics_are_mean_and_deviation_of_every_gth_image(batch_size, groups, size):
    x = noise(batch_size, 2, 3, 5)
    (found,) = group_statistics([ops.convert_to_tensor(x)])
    assert found.shape == (group_count(batch_size), 2, 3, 10) == (groups, 2, 3, 10)
    for g in range(groups):
        members = x[g : g + groups * size : groups]
        assert len(members) == size
        np.testing.assert_allclose(numpy(found)[g, ..., :5], members.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(numpy(found)[g, ..., 5:], np.sqrt(members.var(axis=0) + FLOOR), atol=1e-5)


def test_the_gradient_of_an_image_is_that_of_the_mean_and_the_deviation_of_its_group():
    """∂D/∂xᵢ = (∂D/∂m + (xᵢ − m) / s · ∂D/∂s) / n."""
    engine, groups, size = engines.current(), 2, 4
    x, upstream = noise(groups * size, 2, 2, 3), noise(groups, 2, 2, 6, seed=1)
    _, pullback, _ = engine.vjp(lambda maps: (group_statistics(maps), ()), engine.to_device([x]))
    ((got,),) = engine.to_host(pullback(engine.to_device([upstream])))
    for i in range(len(x)):
        members = x[i % groups :: groups]
        mean, deviation = members.mean(axis=0), np.sqrt(members.var(axis=0) + FLOOR)
        by_mean, by_deviation = np.split(upstream[i % groups], 2, axis=-1)
        expected = (by_mean + (x[i] - mean) / deviation * by_deviation) / size
        np.testing.assert_allclose(got[i], expected, atol=1e-5)


def test_the_gradient_of_equal_images_is_finite():
    engine = engines.current()
    x, upstream = np.ones((4, 1, 1, 2), "float32"), np.ones((1, 1, 1, 4), "float32")
    _, pullback, _ = engine.vjp(lambda maps: (group_statistics(maps), ()), engine.to_device([x]))
    ((gradients,),) = engine.to_host(pullback(engine.to_device([upstream])))
    np.testing.assert_allclose(gradients, 1 / 4)


# -- heads -------------------------------------------------------------------------------------------------------------


def logits(built, maps):
    """Return the logits of images and of groups."""
    maps = [ops.convert_to_tensor(x) for x in maps]
    statistics = group_statistics(maps[: built.group_heads])
    return [numpy(each) for each in built.discriminator([*maps, *statistics], training=False)]


def random_maps(built, count):
    return [noise(count, *tensor.shape[1:], seed=n) for n, tensor in enumerate(built.projector.outputs)]


def test_the_finest_maps_have_group_heads(built):
    assert built.group_heads == standard.GROUP_HEADS == 3
    alone, grouped = logits(built, random_maps(built, 8))
    assert (alone.shape, grouped.shape) == ((8, 5), (2, 3))


def test_the_order_of_the_images_in_a_group_changes_no_group_logit(built):
    maps = random_maps(built, 8)
    order = [4, 3, 0, 5, 6, 7, 2, 1]  # even images stay in the first group, odd ones in the second
    alone, grouped = logits(built, maps)
    alone_reordered, grouped_reordered = logits(built, [x[order] for x in maps])
    np.testing.assert_allclose(grouped_reordered, grouped, atol=1e-5)
    np.testing.assert_allclose(alone_reordered, alone[order], atol=1e-5)


def test_only_group_heads_see_that_the_images_of_a_group_share_a_stamp(built):
    """Half of the images have a stamp: all of one group, or two of each. No image changes, only its neighbours."""
    maps = random_maps(built, 8)
    for x in maps:
        x[::2, :2, :2] = 3
    order = [0, 2, 1, 3, 4, 6, 5, 7]
    alone, grouped = logits(built, maps)
    alone_mixed, grouped_mixed = logits(built, [x[order] for x in maps])
    np.testing.assert_allclose(alone_mixed, alone[order], atol=1e-5)
    assert np.abs(grouped - grouped_mixed).min() > 1e-4


def test_the_discriminator_treats_groups_independently(built):
    assert networks.treats_images_independently(built.discriminator)


def test_a_discriminator_of_pixels_has_no_group_heads():
    assert networks.build("standard", 16, 160).group_heads == networks.build("classic", 16, 8).group_heads == 0


# -- geometry ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch_size", "groups"), [(8, 2), (9, 2), (3, 1)])
def test_the_images_of_a_group_share_flip_and_translation_with_their_pairs(batch_size, groups):
    before, shared = (draws.augmentation_draws(1, 2, 2 * batch_size) for _ in range(2))
    draws.share_geometry(shared, groups)
    flips, shifts = KINDS.index("flip"), KINDS.index("translation")
    for i in range(2 * batch_size):
        first = i % batch_size % groups
        assert shared["flip"][i] == before["flip"][first]
        np.testing.assert_array_equal(shared["translation"][i], before["translation"][first])
        np.testing.assert_array_equal(shared["gates"][i, [flips, shifts]], before["gates"][first, [flips, shifts]])
    others = [column for column in range(len(KINDS)) if column not in (flips, shifts)]
    np.testing.assert_array_equal(shared["gates"][:, others], before["gates"][:, others])
    for name in ("colour", "cutout", "blur"):
        np.testing.assert_array_equal(shared[name], before[name])


@pytest.mark.parametrize("features", ["efficientnet-lite0", "none"])
def test_geometry_is_shared_only_if_there_are_group_heads(features, built, monkeypatch):
    players = built if features != "none" else networks.build("standard", 16, 160)
    settings = choose("standard", 16, batches=1, batch_size=8, features=features, anchored=0.5).settings
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
    trainer, batches = Trainer(engines.current(), settings, players, images), []
    monkeypatch.setattr(trainer._runner, "_step", lambda state, batch: (batches.append(batch), (state, {}))[1])
    trainer.step()
    flips = engines.current().to_host(batches[0])["augment"]["flip"].tolist()
    assert len(set(flips)) == (2 if features != "none" else 12)  # the two of an anchored pair always share theirs
