"""The latents assigned to training images, and batches that are generated from them."""

import numpy as np
import pytest

from pippin import networks
from pippin.networks import Networks
from pippin.training import anchors, draws
from pippin.training.anchors import Anchors

NO_PROJECTOR = Networks(None, None)  # anchors need no other network


def pictures(count, seed=0, size=32):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def half_dark(count):
    """Noise, the second half of it dark."""
    images = pictures(count) // 2 + 100
    images[count // 2 :] -= 100
    return images


def test_each_dimension_is_distributed_like_a_standard_normal_variable():
    found = anchors.assign(NO_PROJECTOR, pictures(400), 256)
    assert (found.latents.shape, found.latents.dtype) == ((400, 128), np.float32)
    np.testing.assert_array_equal(found.pictures, np.arange(400))
    assert found.latents.mean(axis=0) == pytest.approx(np.zeros(128), abs=1e-6)
    assert found.latents.std(axis=0) == pytest.approx(np.ones(128), abs=0.02)
    assert (found.latents**4).mean() == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(("count", "latent_dim", "dimensions"), [(20, 64, 19), (2, 64, 1), (50, 8, 8)])
def test_few_images_and_few_latents_fix_fewer_dimensions(count, latent_dim, dimensions):
    assert anchors.assign(NO_PROJECTOR, pictures(count), latent_dim).latents.shape == (count, dimensions)


@pytest.mark.slow
@pytest.mark.parametrize("features", ["none", "efficientnet-lite0"])
def test_the_first_dimension_is_what_differs_most_between_images(features):
    built = NO_PROJECTOR if features == "none" else networks.build("standard", 32, 4, features=features)
    first = anchors.assign(built, half_dark(40), 4).latents[:, 0]
    assert (first[:20] > 0).all() != (first[20:] > 0).all()


def test_equal_images_have_reproducible_anchors():
    once, again = (anchors.assign(NO_PROJECTOR, np.zeros((6, 16, 16, 3), np.uint8), 8).latents for _ in range(2))
    assert np.isfinite(once).all()
    np.testing.assert_array_equal(once, again)


def test_a_random_subset_of_a_large_dataset_has_anchors(monkeypatch):
    monkeypatch.setattr(anchors, "MAX_IMAGES", 30)
    found = anchors.assign(NO_PROJECTOR, pictures(100), 8)
    assert len(found.pictures) == len(set(found.pictures)) == len(found.latents) == 30
    assert (np.diff(found.pictures) > 0).all()
    assert found.pictures.max() > 30


def test_principal_components_are_those_of_a_singular_value_decomposition():
    features = np.random.default_rng(1).normal(size=(12, 40))
    features -= features.mean(axis=0)
    expected = np.linalg.svd(features, full_matrices=False)[0][:, :11]
    got = anchors.principal_components(features)
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=1e-9)
    assert (got.max(axis=0) == np.abs(got).max(axis=0)).all()


def test_normal_scores_keep_the_order():
    values = np.random.default_rng(2).normal(size=(50, 3)) ** 3
    np.testing.assert_array_equal(anchors.normal_scores(values).argsort(axis=0), values.argsort(axis=0))


def test_only_the_first_latents_of_a_batch_are_replaced_by_anchors():
    latents = np.arange(20, dtype="float32").reshape(10, 2) + 100
    some = Anchors(np.arange(10) * 7, latents)
    free, drawn = (draws.step_draws(3, 5, 8, 6) for _ in range(2))
    chosen = anchors.insert(some, 3, 3, 5, drawn)
    np.testing.assert_array_equal(drawn["latents"][:3, :2], latents[chosen // 7])
    np.testing.assert_array_equal(drawn["latents"][:3, 2:], free["latents"][:3, 2:])
    np.testing.assert_array_equal(drawn["latents"][3:], free["latents"][3:])
    for kind, values in drawn["augment"].items():
        np.testing.assert_array_equal(values[8:11], values[:3])
        np.testing.assert_array_equal(values[11:], free["augment"][kind][11:])
        np.testing.assert_array_equal(values[:8], free["augment"][kind][:8])


def test_each_anchor_is_used_once_per_epoch():
    some = Anchors(np.arange(12), np.zeros((12, 2), "float32"))
    seen = [anchors.insert(some, 4, 0, n, draws.step_draws(0, n, 8, 4)) for n in range(3)]
    assert sorted(np.concatenate(seen)) == list(range(12))
