"""Seeds → latents, and smooth paths between latents. A seed stands for one latent, the same in every run."""

from collections.abc import Sequence

import numpy as np

from pippin.errors import SettingsError
from pippin.pictures import cycle_labels, one_hot
from pippin.sampling.seeds import check_seeds
from pippin.settings import check_integer, check_number
from pippin.training import draws

TRUNCATIONS = 0.0, 2.0
"""Smallest and largest value of `truncation`. Beyond 2, latents lie far outside those that were trained."""


def latents_of(seeds: Sequence[int], latent_dim: int, truncation: float = 1.0) -> np.ndarray:
    """Return the latents of seeds, scaled by the truncation ψ.

    The truncation trick (Karras et al. 2019, arXiv 1812.04948) is z̄ + ψ (z − z̄). Pippin's latents are standard normal,
    so the mean z̄ is 0 and this is ψ z. (BigGAN, arXiv 1809.11096, resamples values that are too large instead. Scaling
    keeps the content that a seed stands for.)

    Args:
        seeds: integers from 0 to 2⁶³ − 1.
        latent_dim: length of a latent.
        truncation: ψ, from 0 (every image is the mean image) to 2. At 1 nothing changes; below 1, images are more
            typical and less varied.

    Returns:
        float32 (len(seeds), latent_dim).

    Raises:
        SettingsError: a seed or `truncation` has the wrong type or is out of range.
    """
    truncation = check_number("truncation", truncation, *TRUNCATIONS)
    return np.float32(truncation) * draws.seed_latents(check_seeds(seeds), latent_dim)


def label_vectors(names: Sequence[str], seeds: Sequence[int], label: str | Sequence[str] | None) -> np.ndarray:
    """Return the one-hot labels of images: float32 (len(seeds), len(names)).

    Args:
        names: the names of the labels, in the order of the encoding; empty for a generator without labels.
        seeds: the seeds of the images.
        label: the label of all images, or one per image; None assigns the labels to the seeds in turn.

    Raises:
        SettingsError: there is no such label, or the number of labels differs from the number of seeds.
    """
    if label is None:
        return one_hot(cycle_labels(seeds, len(names)), len(names)) if names else np.zeros((len(seeds), 0), np.float32)
    if not names:
        raise SettingsError(f"This run has no labels; train with --labels to use them. Received: label={label}")
    labels = [label] * len(seeds) if isinstance(label, str) else list(label)
    if unknown := [name for name in labels if name not in names]:
        raise SettingsError(f"label must be one of {', '.join(names)}. Received: label={unknown[0]}")
    if len(labels) != len(seeds):
        raise SettingsError(
            f"Give one label, or one for each picture. Received: {len(labels)} for {len(seeds)} pictures"
        )
    return one_hot([names.index(name) for name in labels], len(names))


def with_labels(latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the inputs of a generator: latents (N, latent_dim) with labels (N, K) appended, float32."""
    return np.concatenate([latents, labels.astype(np.float32)], axis=1)


def check_latents(latents: np.ndarray, length: int) -> np.ndarray:
    """Return latents as a float32 array (N, length).

    Raises:
        SettingsError: they have another shape, or there are none.
    """
    latents = np.asarray(latents, np.float32)
    if latents.ndim != 2 or latents.shape[1] != length or not len(latents):
        raise SettingsError(f"latents must have the shape (N, {length}), N from 1. Received: {latents.shape}")
    return latents


def labels_between(labels: np.ndarray, frames: int) -> np.ndarray:
    """Return labels linearly interpolated along `closed_path`: (K, L) → (K · frames, L)."""
    t = (np.arange(frames) / frames)[None, :, None]
    between = (1 - t) * labels[:, None] + t * np.roll(labels, -1, axis=0)[:, None]
    return between.reshape(-1, labels.shape[1])


def closed_path(keys: np.ndarray, frames: int) -> np.ndarray:
    """Return a smooth closed path through latents, which starts at the first.

    Normal latents of many dimensions lie near a sphere, and a straight line between two of them passes through its
    inside, where the generator was not trained. So directions and lengths are interpolated separately, both with a
    closed Catmull–Rom spline, and directions are normalised. Unlike spherical interpolation from one key to the next,
    this has no corners at the keys.

    Args:
        keys: (K, latent_dim), K ≥ 2.
        frames: steps from each key to the next, from 1.

    Returns:
        float32 (K · frames, latent_dim); key n is at n · frames. The last step leads back to the first key.

    Raises:
        SettingsError: there are fewer than two keys, or `frames` is not an integer from 1.
    """
    if len(keys) < 2:
        raise SettingsError(f"A walk needs at least two seeds. Received: {len(keys)}")
    frames = check_integer("frames", frames, 1)
    keys = np.asarray(keys, np.float64)
    lengths = np.linalg.norm(keys, axis=1, keepdims=True)
    directions = _spline(keys / np.maximum(lengths, 1e-12), frames)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    return (directions * np.maximum(_spline(lengths, frames), 0)).astype(np.float32)


def _spline(points: np.ndarray, frames: int) -> np.ndarray:
    """Return a closed Catmull–Rom spline through points (K, D), sampled at (K · frames, D)."""
    t = (np.arange(frames) / frames)[None, :, None]
    before, here, there, after = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    curve = here + t / 2 * (
        (there - before) + t * (2 * before - 5 * here + 4 * there - after + t * (3 * (here - there) + after - before))
    )
    return curve.reshape(-1, points.shape[1])
