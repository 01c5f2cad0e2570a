"""Building blocks of the renderer: seeded random draws, colours, smooth steps and noise, in float32."""

import math

import numpy as np

Array = np.ndarray  # float32, unless documented otherwise
Draws = np.random.Generator


def counter_based_generator(first: int, second: int) -> Draws:
    """Return a counter-based random generator. Each pair of keys has its own, independent stream of draws."""
    return np.random.Generator(np.random.Philox(key=np.array([first, second], np.uint64)))


def cos_sin(degrees: float) -> tuple[float, float]:
    """Return the cosine and sine of an angle in degrees."""
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def unit(vectors: Array) -> Array:
    """Return vectors (d, ...) scaled to length 1."""
    return (vectors / np.sqrt((vectors**2).sum(axis=0))).astype(np.float32)


def smooth(low: float, high: float, x: Array) -> Array:
    """Return a smooth step from 0 at `low` to 1 at `high`, which falls if `low` is greater than `high`."""
    t = np.clip((x - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def mix(first: Array, second: Array, share: Array) -> Array:
    """Return colours (..., 3) interpolated linearly, from `first` at `share` 0 to `second` at `share` 1."""
    return first + (second - first) * share[..., None]


def linear(srgb: tuple[int, int, int]) -> Array:
    """Return a colour (3,) in linear light, from sRGB values of 0 to 255."""
    return (np.array(srgb, np.float32) / 255) ** 2.2


def tint(hue: float, strength: float) -> Array:
    """Return a colour (3,) of the colour wheel, mixed with white; `strength` 0 is white."""
    wheel = 0.5 + 0.5 * np.cos(2 * math.pi * (hue - np.array([0, 1 / 3, 2 / 3], np.float32)))
    return 1 - strength * (1 - wheel)


def noise(draws: Draws, columns: int, rows: int, u: Array, v: Array) -> Array:
    """Return smooth value noise, 0 to 1, over u (periodic with period 1) and v (0 to 1)."""
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
