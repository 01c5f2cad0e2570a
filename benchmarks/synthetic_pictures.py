"""Draw synthetic pictures: shaded shapes, heaps of shapes, textures and gradients, in random colours.

    python benchmarks/synthetic_pictures.py FOLDER COUNT

The start weights are trained on them (`start_weights.py`), so they should be as varied as photographs are: objects in
front of plain, graded and textured grounds, scenes with a horizon, heaps of similar objects, and "dead leaves" (many
overlapping shapes whose sizes follow a power law, a classic model of natural images). Picture n depends on n alone.
"""

import argparse
import multiprocessing
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 128
"""Side of the pictures in pixels."""

Y, X = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
"""Coordinates of the pixels, from −0.5 to 0.5."""

Array = np.ndarray
Generator = np.random.Generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write the pictures")
    parser.add_argument("count", type=int, help="how many pictures to draw")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool() as pool:
        pool.starmap(_save, ((arguments.folder, number) for number in range(arguments.count)), chunksize=50)


def _save(folder: Path, number: int) -> None:
    Image.fromarray(draw(number)).save(folder / f"{number:05d}.png")


def draw(number: int) -> Array:
    """Return picture `number` (SIDE, SIDE, 3), uint8."""
    rng = np.random.default_rng(number)
    kind = rng.random()
    picture = _background(rng)
    if kind < 0.4:
        picture = _single_object(picture, rng)
    elif kind < 0.65:
        radius = rng.uniform(0.06, 0.22)
        for _ in range(rng.integers(4, 30)):
            place = rng.uniform(-0.55, 0.55), rng.uniform(-0.55, 0.55)
            picture = _paste(picture, rng, _shape(rng, *place, radius * rng.uniform(0.7, 1.4)))
    elif kind < 0.85:
        for _ in range(40):
            radius = min(0.5, 0.05 * rng.random() ** -0.7)
            place = rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6)
            picture = _paste(picture, rng, _shape(rng, *place, radius), softness=0.02)
    else:
        for _ in range(rng.integers(1, 4)):
            place = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)
            picture = _paste(picture, rng, _shape(rng, *place, rng.uniform(0.1, 0.4)))
    picture = np.clip(picture, 0, 1) ** rng.choice([0.8, 1, 1.25])
    return (picture * 255).round().astype("uint8")


def _background(rng: Generator) -> Array:
    kind = rng.random()
    if kind < 0.3:
        picture = np.ones((SIDE, SIDE, 3)) * rng.choice([1, 1, 0.97, 0, 0.05])
    else:
        picture = _gradient(rng) if kind < 0.5 else _texture(rng)
    if kind > 0.75:
        horizon = rng.uniform(-0.2, 0.3)
        ground = _texture(rng)
        mask = np.clip((Y - horizon) * rng.choice([10, 60]), 0, 1)[..., None]
        picture = picture * (1 - mask) + ground * mask
    return picture


def _single_object(picture: Array, rng: Generator) -> Array:
    """Draw one large shape near the middle, with up to four small ones near it."""
    place = rng.normal(0, 0.08), rng.normal(0, 0.08)
    picture = _paste(picture, rng, _shape(rng, *place, rng.uniform(0.18, 0.42)))
    x, y = rng.normal(0, 0.1, 2)
    for _ in range(rng.integers(0, 5)):
        place = x + rng.normal(0, 0.16), y + rng.normal(0, 0.16)
        picture = _paste(picture, rng, _shape(rng, *place, rng.uniform(0.03, 0.14)))
    return picture


def _noise(rng: Generator, exponent: float, channels: int) -> Array:
    """Return directional noise (SIDE, SIDE, channels) whose amplitude falls with a power of the frequency."""
    fx, fy = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE))
    angle, stretch = rng.uniform(0, np.pi), 2 ** rng.uniform(-1.2, 1.2)
    u = (fx * np.cos(angle) + fy * np.sin(angle)) * stretch
    v = (-fx * np.sin(angle) + fy * np.cos(angle)) / stretch
    frequency = np.sqrt(u * u + v * v)
    frequency[0, 0] = 1
    amplitude = frequency**-exponent
    amplitude[0, 0] = 0
    if rng.random() < 0.4:  # a preferred frequency makes waves and cells
        peak = rng.uniform(0.02, 0.25)
        amplitude *= np.exp(-(((frequency - peak) / (0.3 * peak)) ** 2)) * 8 + 0.15
    phases = [np.exp(2j * np.pi * rng.random((SIDE, SIDE))) for _ in range(channels)]
    noise = np.stack([np.real(np.fft.ifft2(amplitude * phase)) for phase in phases], -1)
    return noise / (noise.std((0, 1)) + 1e-9)


def _palette(rng: Generator, count: int | np.integer) -> Array:
    """Return `count` related colours (count, 3) from 0 to 1."""
    base = rng.random(3)
    base = base.mean() + rng.uniform(0.2, 1) * (base - base.mean())
    spread = rng.choice([0.08, 0.2, 0.45])
    lightness, hue = rng.standard_normal((count, 1)), rng.standard_normal((count, 3))
    return np.clip(base + spread * (lightness * 0.7 + hue * 0.5), 0, 1)


def _texture(rng: Generator) -> Array:
    noise = _noise(rng, rng.choice([0.8, 1.2, 1.6, 2.2]), 3)
    mixing = rng.standard_normal((3, 3))
    mixing[:, 0] *= 2.0
    noise = noise @ mixing.T
    noise /= noise.std()
    colour = _palette(rng, 1)[0]
    contrast = rng.choice([0.01, 0.04, 0.1, 0.2], p=[0.35, 0.3, 0.25, 0.1])
    if rng.random() >= 0.25:
        return colour + contrast * noise
    levels = _noise(rng, rng.choice([1.4, 2]), 1)[..., 0]  # bands and cells of a few colours
    count = rng.integers(2, 6)
    colours = _palette(rng, count)
    band = np.digitize(levels, np.quantile(levels, np.linspace(0, 1, count + 1)[1:-1]))
    return colours[band] + contrast * 0.3 * noise


def _gradient(rng: Generator) -> Array:
    angle = rng.uniform(0, 2 * np.pi)
    position = ((X * np.cos(angle) + Y * np.sin(angle)) + 0.5)[..., None]
    start, end = _palette(rng, 2)
    return start * (1 - position) + end * position


def _shape(rng: Generator, x: float, y: float, radius: float) -> Array:
    """Return a distance (SIDE, SIDE) from the middle of a shape: below 1 inside of it, above 1 outside."""
    angles = np.arctan2(Y - y, X - x)
    kind = rng.random()
    stretch, turn = 2 ** rng.uniform(-0.8, 0.8), rng.uniform(0, np.pi)
    u = ((X - x) * np.cos(turn) + (Y - y) * np.sin(turn)) * stretch**0.5
    v = (-(X - x) * np.sin(turn) + (Y - y) * np.cos(turn)) / stretch**0.5
    if kind < 0.45:  # a blob
        outline = np.ones_like(angles)
        for k in range(1, 6):
            outline += rng.normal(0, 0.12 / k**0.7) * np.cos(k * angles + rng.uniform(0, 6.3))
        return np.sqrt(u * u + v * v) / (radius * np.maximum(outline, 0.2))
    if kind < 0.6:  # a flower
        petals, depth = rng.integers(5, 14), rng.uniform(0.15, 0.45)
        return np.sqrt(u * u + v * v) / (radius * (1 + depth * np.cos(petals * angles + rng.uniform(0, 6.3))))
    if kind < 0.8:  # a diamond, an ellipse or a rounded rectangle
        power = rng.choice([1, 2, 4, 8])
        return (np.abs(u / radius) ** power + np.abs(v / radius) ** power) ** (1 / power)
    corners = rng.integers(3, 8)  # a polygon
    distance = np.full_like(angles, -1e9)
    start = rng.uniform(0, 6.3)
    for k in range(corners):
        side = start + 2 * np.pi * k / corners
        distance = np.maximum(distance, (u * np.cos(side) + v * np.sin(side)) / radius)
    return distance


def _paste(picture: Array, rng: Generator, distance: Array, softness: float | None = None) -> Array:
    """Return the picture with a shape in front of it, sometimes with a shadow."""
    softness = softness or rng.choice([0.02, 0.05, 0.15])
    mask = np.clip((1 - distance) / softness + 0.5, 0, 1)[..., None]
    if rng.random() < 0.4:
        offset = rng.integers(0, 12), rng.integers(-10, 11)
        shadow = np.roll(np.clip((1.15 - distance) / 0.5, 0, 1), offset, (0, 1))[..., None]
        picture = picture * (1 - 0.45 * shadow * (1 - mask))
    surface = _texture(rng) if rng.random() < 0.7 else _gradient(rng)
    return picture * (1 - mask) + _shaded(rng, surface, distance) * mask


def _shaded(rng: Generator, surface: Array, distance: Array) -> Array:
    """Return a surface lit from one side as if the shape was round, sometimes with a highlight."""
    light = rng.uniform(0, 2 * np.pi)
    height = np.clip(1 - distance * distance, 0, 1) ** 0.5
    slope_y, slope_x = np.gradient(height)
    brightness = (slope_x * np.cos(light) + slope_y * np.sin(light)) * SIDE * 0.12
    depth = rng.choice([0, 0.25, 0.5, 0.8])
    lit = surface * (1 - depth * 0.5 + depth * height[..., None])
    lit = lit + depth * 0.35 * np.clip(brightness, -1, 1)[..., None]
    if rng.random() < 0.3:
        offset = (X - rng.uniform(-0.3, 0.3)) ** 2 + (Y - rng.uniform(-0.3, 0.3)) ** 2
        lit = lit + np.exp(-offset / rng.uniform(0.0005, 0.01))[..., None] * rng.uniform(0.2, 0.9)
    return lit


if __name__ == "__main__":
    main()
