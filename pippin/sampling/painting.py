"""Seeds → latents → pictures. Each seed makes one picture, whichever others are painted beside it."""

import hashlib
from collections.abc import Callable, Sequence

import keras
import numpy as np

from pippin.errors import SettingsError
from pippin.pictures import to_uint8
from pippin.sampling.seeds import check_seeds
from pippin.training import draws
from pippin.training.trainer import sample_batch

TRUNCATIONS = 0.0, 2.0
"""What `truncation` may be, at the least and at the most."""

Progress = Callable[[int, int], None]
"""Told how many pictures are done, of how many."""

Painter = Callable[[np.ndarray], np.ndarray]
"""Latents (B, latent_dim) → images (B, S, S, C) in [−1, 1], both float32."""


def silent(done: int, total: int) -> None:
    """Tell nobody."""


# -- latents -------------------------------------------------------------------------------------------------------


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


def with_labels(latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return what a generator that knows labels takes, them behind the latents: float32 (N, latent_dim + K)."""
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


# -- pictures ------------------------------------------------------------------------------------------------------


def by_engine(generator: keras.Model) -> Painter:
    """Return what paints with the engine."""
    return lambda latents: keras.ops.convert_to_numpy(generator(keras.ops.convert_to_tensor(latents), training=False))


def paint(
    generator: keras.Model, latents: np.ndarray, progress: Progress = silent, painter: Painter | None = None
) -> np.ndarray:
    """Paint latents.

    Always so many at a time as fit a fixed size, filled up with zeros at the end: engines compute other last digits for
    another number of pictures, and a picture must not depend on its neighbours.

    Args:
        generator: latents (B, latent_dim) → images (B, S, S, C) in [−1, 1].
        latents: float32 (N, latent_dim), N ≥ 1.
        progress: told after each few.
        painter: what paints as the generator does; None: the engine.

    Returns:
        uint8 (N, S, S, C): grey, RGB or RGBA.
    """
    at_once = max(1, sample_batch(generator.output_shape[1]) // 4)  # a quarter, so that one picture alone is soon there
    painter, painted = painter or by_engine(generator), []
    for start in range(0, len(latents), at_once):
        chunk = latents[start : start + at_once]
        filled = np.pad(chunk, ((0, at_once - len(chunk)), (0, 0)))
        painted.append(to_uint8(painter(filled))[: len(chunk)])
        progress(start + len(chunk), len(latents))
    return np.concatenate(painted)


def fingerprint(model: keras.Model) -> str:
    """Return 16 hexadecimal digits that stand for a model's weights, to the last bit."""
    found = hashlib.sha256()
    for weights in model.get_weights():
        found.update(f"{weights.shape} {weights.dtype}".encode())
        found.update(np.ascontiguousarray(weights).tobytes())
    return found.hexdigest()[:16]
