"""Anchors: the latents assigned to training images, from which the generator learns to reconstruct them.

A discriminator only says that an image is wrong. In the minutes that a processor has, that alone leaves whole kinds of
images out. So each training image is assigned a latent, its anchor: similar images have near anchors, and all anchors
together are distributed like the latents that training draws. A share of every batch is generated from the anchors of
the real images at the same indices, and the difference between the two is added to the generator's loss. The idea is
GLO's (Bojanowski et al. 2018, arXiv 1707.05776), whose latents are learnt; here they are principal components of pixels
and features.
"""

from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple

import keras
import numpy as np

from pippin.engines.inference import model_inference, parameters_of
from pippin.networks import Networks
from pippin.pictures import Labels, Subset, to_float
from pippin.training import draws
from pippin.training.draws import Purpose

MAX_IMAGES = 4096
"""Most images with an anchor; of a larger dataset a random subset is used. The principal components need a square
matrix of this side, 128 MB in float64."""

CHUNK_SIZE = 8
"""Images whose features are computed at a time, no more than a training step has in memory."""

DIMENSIONS = 128
"""Most latent dimensions that an anchor fixes; the others stay random. Of photos/apples 32 principal components hold
73% of the variance and 64 hold 82%. With 32, all heaps of apples had the same layout."""

PIXEL_SIDE, FEATURE_SIDE = 16, 4
"""Sides in pixels to which images and the projector's maps are averaged before they are compared."""


class Anchors(NamedTuple):
    """The latents assigned to training images.

    Attributes:
        pictures: int64 (M,), sorted indices of the images that have an anchor.
        latents: float32 (M, D), the first D dimensions of their latents; each column is distributed like a standard
            normal variable.
    """

    pictures: np.ndarray
    latents: np.ndarray


def assign(networks: Networks, images: Subset | np.ndarray, latent_dim: int, labels: Labels | None = None) -> Anchors:
    """Assign anchors to training images.

    Args:
        networks: With a projector, its features count as much as the pixels do.
        images: uint8 (N, S, S, C), or an object that returns such images for `images[indices]`.
        latent_dim: Dimensions of the generator's latents, without noise maps and labels.
        labels: Labels of the images. The generator takes them beside the latents, so anchors describe what differs
            between images with the same label: those of each label are distributed like a standard normal variable.

    Returns:
        Anchors of M = min(N, `MAX_IMAGES`) images with D = min(`DIMENSIONS`, latent_dim, M − 1) dimensions.
    """
    chosen = np.sort(np.random.default_rng(0).permutation(len(images))[:MAX_IMAGES])
    chunks = [chosen[start : start + CHUNK_SIZE] for start in range(0, len(chosen), CHUNK_SIZE)]
    maps_of = _coarse_maps(networks.projector)
    parts = [_describe(maps_of, images[chunk]) for chunk in chunks]
    views = [_standardised(np.concatenate(view)) for view in zip(*parts, strict=True)]
    features = np.concatenate(views, axis=1)
    groups = labels[chosen].members if labels is not None else (np.arange(len(chosen)),)
    if labels is not None:
        for group in groups:
            features[group] -= features[group].mean(axis=0)
    components = principal_components(features)[:, : min(DIMENSIONS, latent_dim)]
    latents = np.empty(components.shape, "float32")
    for group in groups:
        latents[group] = normal_scores(components[group])
    return Anchors(chosen, latents)


def insert(
    anchors: Anchors, count: int, seed: int, step: int, drawn: dict[str, Any], labels: Labels | None = None
) -> np.ndarray:
    """Replace the first latents of a batch by anchors.

    The generated images at those indices are augmented like the real ones, so that they can be compared.

    Args:
        anchors: See `assign`.
        count: Number of latents to replace, at most the batch size.
        seed: Seed of the run.
        step: Number of the step, from 0.
        drawn: Draws of the step, see `pippin.training.draws.step_draws`; changed in place.
        labels: Labels of all training images.

    Returns:
        int64 (count,), the indices of the images whose anchors were inserted.
    """
    if labels is None:
        which = draws.batch_indices(seed, step, count, len(anchors.pictures), Purpose.ANCHORED)
    else:
        which = draws.labelled_batch_indices(seed, step, count, labels[anchors.pictures], Purpose.LABELLED_ANCHORED)
    drawn["latents"][:count, : anchors.latents.shape[1]] = anchors.latents[which]
    for values in drawn["augment"].values():
        half = len(values) // 2
        values[half : half + count] = values[:count]
    return anchors.pictures[which]


def principal_components(features: np.ndarray) -> np.ndarray:
    """Return the scores of samples on their principal components, largest variance first.

    Args:
        features: float (N, F), centred.

    Returns:
        float (N, N − 1), columns of length 1, each with the sign that makes its largest absolute value positive.
    """
    vectors = np.linalg.eigh(features @ features.T).eigenvectors  # the scores, up to the length of each column
    scores = vectors[:, ::-1][:, : max(1, len(features) - 1)]
    return scores * np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])])


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Replace each value by the standard normal quantile of its rank in its column: (N, D) → float64 (N, D)."""
    count = len(values)
    quantiles = np.array([NormalDist().inv_cdf((rank + 0.5) / count) for rank in range(count)])
    return quantiles[values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")]


def _coarse_maps(projector: keras.Model | None) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return a function of images, float32 (B, S, S, C), to the projector's two coarsest maps; [] without one."""
    if projector is None:
        return lambda images: []
    inference, parameters = model_inference(projector, CHUNK_SIZE), parameters_of(projector)
    return lambda images: inference(parameters, images)[-2:]


def _describe(maps_of: Callable[[np.ndarray], list[np.ndarray]], images: np.ndarray) -> list[np.ndarray]:
    """Return the downsampled pixels of a few images (B, F), and those of their coarsest maps (B, G)."""
    floats = to_float(images)
    maps = [_downsampled(x, FEATURE_SIDE) for x in maps_of(floats)]
    return [_downsampled(floats, PIXEL_SIDE), *([np.concatenate(maps, axis=1)] if maps else [])]


def _downsampled(x: np.ndarray, side: int) -> np.ndarray:
    """Average maps (B, H, W, C) to at most `side` × `side` pixels and flatten them to (B, F)."""
    side = min(side, x.shape[1])
    return x.reshape(len(x), side, x.shape[1] // side, side, x.shape[1] // side, -1).mean((2, 4)).reshape(len(x), -1)


def _standardised(view: np.ndarray) -> np.ndarray:
    """Centre a view (N, F) and scale it to a total variance of 1."""
    centred = view.astype("float64") - view.mean(axis=0)
    return centred / max(np.sqrt((centred**2).sum(axis=1).mean()), 1e-12)
