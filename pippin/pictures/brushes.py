"""What the renderer paints with: seeded draws, colours and smooth shapes, in float32."""

import math

import numpy as np

Array = np.ndarray  # float32 unless said otherwise
Draws = np.random.Generator


def counted_draws(first: int, second: int) -> Draws:
    """A counter-based generator: the same pair always gives the same draws, unrelated to any other pair's."""
    return np.random.Generator(np.random.Philox(key=np.array([first, second], np.uint64)))


def cos_sin(degrees: float) -> tuple[float, float]:
    """The cosine and sine of an angle."""
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def unit(vectors: Array) -> Array:
    """Vectors (d, ...) of the same directions and length 1."""
    return (vectors / np.sqrt((vectors**2).sum(axis=0))).astype(np.float32)


def smooth(low: float, high: float, x: Array) -> Array:
    """Rises smoothly from 0 at `low` to 1 at `high` (falls where `low` is the greater)."""
    t = np.clip((x - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def mix(first: Array, second: Array, share: Array) -> Array:
    """Colours (..., 3) between two, at `share` (...) of the way to the second."""
    return first + (second - first) * share[..., None]


def linear(srgb: tuple[int, int, int]) -> Array:
    """A colour (3,) in linear light, from sRGB's 0 to 255."""
    return (np.array(srgb, np.float32) / 255) ** 2.2


def tint(hue: float, strength: float) -> Array:
    """A colour (3,) of the circle, washed out with white."""
    wheel = 0.5 + 0.5 * np.cos(2 * math.pi * (hue - np.array([0, 1 / 3, 2 / 3], np.float32)))
    return 1 - strength * (1 - wheel)


def noise(draws: Draws, columns: int, rows: int, u: Array, v: Array) -> Array:
    """Smooth noise, 0 to 1, over u (joined at 0 and 1) and v (0 to 1)."""
    lattice = draws.random((rows + 1, columns), dtype=np.float32)
    lattice = np.concatenate([lattice, lattice[:, :1]], axis=1).ravel()
    u, v = (u - np.floor(u)) * (columns - 1e-3), np.clip(v, 0, 1) * (rows - 1e-3)
    left, low = u.astype(np.intp), v.astype(np.intp)
    u, v = u - left.astype(np.float32), v - low.astype(np.float32)
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    cell, above = low * (columns + 1) + left, columns + 1
    bottom, top = lattice.take(cell), lattice.take(cell + above)
    bottom += (lattice.take(cell + 1) - bottom) * u
    top += (lattice.take(cell + above + 1) - top) * u
    return bottom + (top - bottom) * v
