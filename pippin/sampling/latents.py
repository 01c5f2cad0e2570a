"""Seeds → latents: each seed stands for one latent, the same in every run; and paths between latents."""

from collections.abc import Sequence

import numpy as np

from pippin.errors import SettingsError
from pippin.pictures import cycle_labels, one_hot
from pippin.sampling.seeds import check_seeds
from pippin.training import draws

TRUNCATIONS = 0.0, 2.0
"""What `truncation` may be, at the least and at the most."""


def latents_of(seeds: Sequence[int], latent_dim: int, truncation: float = 1.0) -> np.ndarray:
    """Return the latents that seeds stand for, drawn towards the mean latent.

    The truncation trick with psi (Karras et al. 2019, arXiv 1812.04948): z̄ + ψ (z − z̄). Pippin's latents are standard
    normal, so z̄ is 0 and this is ψ z. (BigGAN's truncation, arXiv 1809.11096, draws again what is too far out instead;
    scaling keeps what a seed shows.)

    Args:
        seeds: from 0 to 2⁶³ − 1.
        latent_dim: numbers of each latent.
        truncation: ψ, from 0 (every picture the average one) to 2; 1 changes nothing, below 1 is more usual and less
            varied.

    Returns:
        float32 (len(seeds), latent_dim).

    Raises:
        SettingsError: a seed or `truncation` is out of range.
    """
    low, high = TRUNCATIONS
    if not low <= truncation <= high:
        raise SettingsError(f"truncation must be from {low:g} to {high:g}. Received: truncation={truncation:g}")
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


def labels_between(labels: np.ndarray, frames: int) -> np.ndarray:
    """Lead from label to label along `closed_path`, in straight lines: (K, L) → (K · frames, L)."""
    t = (np.arange(frames) / frames)[None, :, None]
    between = (1 - t) * labels[:, None] + t * np.roll(labels, -1, axis=0)[:, None]
    return between.reshape(-1, labels.shape[1])


def closed_path(keys: np.ndarray, frames: int) -> np.ndarray:
    """Lead a smooth loop through latents: it starts at the first, passes each, and comes back.

    Normal latents of many dimensions lie near a sphere, and a straight line between two of them passes through its
    inside, where the generator was never trained. So directions and lengths are interpolated apart, both by a closed
    Catmull–Rom spline, and directions are brought back to the sphere. Unlike spherical interpolation from one key to
    the next, it has no corners where keys meet.

    Args:
        keys: (K, latent_dim), K ≥ 2.
        frames: steps from each to the next.

    Returns:
        float32 (K · frames, latent_dim); the key n is at n · frames. After the last comes the first again.

    Raises:
        SettingsError: too few keys or frames.
    """
    if len(keys) < 2:
        raise SettingsError(f"A walk needs at least two seeds. Received: {len(keys)}")
    if frames < 1:
        raise SettingsError(f"frames must be from 1. Received: frames={frames}")
    keys = np.asarray(keys, np.float64)
    lengths = np.linalg.norm(keys, axis=1, keepdims=True)
    directions = _spline(keys / np.maximum(lengths, 1e-12), frames)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    return (directions * np.maximum(_spline(lengths, frames), 0)).astype(np.float32)


def _spline(points: np.ndarray, frames: int) -> np.ndarray:
    """A closed Catmull–Rom spline through points (K, D), sampled at (K · frames, D)."""
    t = (np.arange(frames) / frames)[None, :, None]
    before, here, there, after = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    curve = here + t / 2 * (
        (there - before) + t * (2 * before - 5 * here + 4 * there - after + t * (3 * (here - there) + after - before))
    )
    return curve.reshape(-1, points.shape[1])
