"""Render an apple from its factors, in plain NumPy.

The shape of an apple is a torus whose hole closes into two dimples. It is stretched, tapered towards the bottom and has
five lobes. Ray marching finds its surface. The skin is textured in surface coordinates (around the core, and from stem
to calyx), so stripes and freckles follow the surface as they do on a real apple.

The unit of length is the apple's radius; x points right, y up and z towards the viewer. Colours are linear light until
the last step. Scalars are Python floats, so arrays stay float32.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pippin.pictures.built_in.brushes import (
    Array,
    Draws,
    cos_sin,
    counter_based_generator,
    linear,
    mix,
    noise,
    smooth,
    tint,
    unit,
)


@dataclass(frozen=True)
class AppleFactors:
    """Everything that determines one image. The comment of each field gives its meaning and its range."""

    skin: str  # one of SKINS
    hue: float  # warmer (1) or cooler (-1) than the skin's usual colour
    lightness: float  # lighter (1) or darker (-1) than usual
    blush: float  # how much more strongly the sunny side is coloured, 0 to 1
    freckles: float  # how clearly the lenticels show, 0 to 1
    background: str  # one of BACKGROUNDS
    background_hue: float  # its hue, 0 to 1 for the full colour wheel
    size: float  # the apple's radius, as a fraction of half the image side
    x: float  # horizontal centre, -1 (left edge) to 1 (right edge)
    y: float  # vertical centre, -1 (bottom edge) to 1 (top edge)
    tilt: float  # rotation in the image plane, to the left, in degrees
    pitch: float  # elevation of the viewpoint, in degrees
    turn: float  # rotation about its core, in degrees
    light: float  # direction of the light, in degrees: 0 right, 90 above, 180 left
    height: float  # stretch from stem to calyx; 1 is a round torus
    taper: float  # how much narrower the bottom is than the top
    dimple: float  # major radius of the torus, below 0.5; a larger one makes deeper dimples
    lobes: float  # depth of the five lobes at the bottom
    stem: float  # length of the stem above the dimple's floor
    stem_bend: float  # sideways reach of the stem's tip
    leaf: bool  # whether the stem carries a leaf
    leaf_angle: float  # direction of the leaf, in degrees: 0 right, 90 up, 180 left
    texture: int  # seed of the streaks, the freckles and the background's details, 0 to 2**32 - 1


class _Peel(NamedTuple):
    """The two colours of a skin (sRGB, 0 to 255), and how the over-colour covers the ground colour."""

    ground: tuple[int, int, int]
    over: tuple[int, int, int]
    cover: float  # covered fraction before streaks and blush
    streaks: float  # effect on the cover of the streaks from stem to calyx
    blush: float  # extra cover on the sunny side


_PEELS = {
    "red": _Peel((226, 148, 52), (172, 14, 24), cover=0.92, streaks=0.50, blush=0.12),
    "green": _Peel((128, 176, 34), (176, 200, 78), cover=0.35, streaks=0.20, blush=0.40),
    "yellow": _Peel((240, 200, 58), (236, 150, 50), cover=0.05, streaks=0.20, blush=0.45),
    "striped": _Peel((226, 194, 88), (186, 26, 28), cover=0.55, streaks=1.35, blush=0.40),
}


def render(factors: AppleFactors, image_size: int) -> Array:
    """Render one image; see `pippin.pictures.built_in.apples.render_apple`."""
    oversampling = max(2, -(-128 // image_size))  # at least 128 samples a side, so all sizes show the same apple
    side = image_size * oversampling
    across = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1
    x, y = np.meshgrid((across - factors.x) / factors.size, (-across - factors.y) / factors.size)
    pixel = 2 / side / factors.size

    cosine, sine = cos_sin(factors.light)
    light = unit(np.array([cosine, 0.35 + 0.6 * sine, 0.75]))
    image = _background(factors, x, y, counter_based_generator(factors.texture, 0))
    bounce = image[-1].mean(axis=0)  # the colour of the ground, which the underside of the apple reflects
    image *= _shadow(factors, x, y, light)[..., None]
    depth = _render_fruit(factors, image, x, y, pixel, light, bounce)
    _render_stem_and_leaf(factors, image, x, y, pixel, light, depth)

    encoded = np.clip(image, 0, 1) ** (1 / 2.2) * 255
    blocks = encoded.reshape(image_size, oversampling, image_size, oversampling, 3)
    return (blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


# The shape.


def _pose(factors: AppleFactors) -> Array:
    """Return the rotation matrix (3, 3) from the apple's axes (core along y) to the viewer's axes."""
    (ct, st), (cp, sp), (cr, sr) = cos_sin(factors.tilt), cos_sin(factors.pitch), cos_sin(factors.turn)
    tilt = np.array([[ct, -st, 0], [st, ct, 0], [0, 0, 1]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    return (tilt @ pitch @ turn).astype(np.float32)


def _distance(factors: AppleFactors, x: Array, y: Array, z: Array) -> Array:
    """Return the approximate signed distance to the skin, negative inside. Ray marching steps by it."""
    radius = np.sqrt(x * x + z * z) + 1e-6
    y = y / factors.height
    cosine = x / radius
    square = cosine * cosine
    five = cosine * (5 + square * (16 * square - 20))  # cos 5φ from cos φ
    low = np.clip(0.25 - y, 0, 1)
    widened = radius * (1 - factors.lobes * low * five) / (1 + factors.taper * y)
    return np.sqrt((widened - factors.dimple) ** 2 + y * y) - (1 - factors.dimple)


def _march(factors: AppleFactors, pose: Array, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Follow the rays through (x, y) to the point where they hit the skin, or to their nearest point to it.

    Returns the points (3, n) in the apple's axes, their depth towards the viewer (n,), and their distance from the skin
    (n,).
    """
    start = pose.T @ np.stack([x, y, np.zeros_like(x)])
    toward = pose[2][:, None]  # the viewer's z axis, in the apple's axes
    depth, nearest, miss = np.full_like(x, 1.15), np.full_like(x, 1.15), np.full_like(x, 9)
    active = np.arange(x.size)
    # Most rays converge within 10 steps. Rays that graze the rim converge slowly, so they are pushed past it.
    for steps, push in ((10, 0.0), (7, 0.03), (7, 0.03), (6, 0.0)):
        origin, at, best, least = start[:, active], depth[active], nearest[active], miss[active]
        for _ in range(steps):
            distance = _distance(factors, *(origin + toward * at))
            gap = np.abs(distance)
            np.copyto(best, at, where=gap < least)
            np.minimum(least, gap, out=least)
            at -= distance + push * (distance > 0.002)
        depth[active], nearest[active], miss[active] = at, best, least
        active = active[(gap > 0.002) & (at > -1.3)]
    return start + toward * nearest, nearest, miss


def _normals(factors: AppleFactors, points: Array) -> Array:
    """Return unit normals (3, n) of the skin, in the apple's axes, by differences at the corners of a tetrahedron."""
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)[..., None]
    return unit(sum(corner * _distance(factors, *(points + 0.004 * corner)) for corner in corners))


# The fruit.


def _render_fruit(
    factors: AppleFactors, image: Array, x: Array, y: Array, pixel: float, light: Array, bounce: Array
) -> Array:
    """Render the apple into `image` and return its depth towards the viewer, -9 outside the apple."""
    pose = _pose(factors)
    near = np.nonzero(x * x + y * y < 1.3**2)
    points, hit, miss = _march(factors, pose, x[near], y[near])
    cover = np.clip(1.5 - miss / pixel, 0, 1)
    seen = cover > 0
    where = tuple(axis[seen] for axis in near)
    points, cover = points[:, seen], cover[seen, None]

    normals = pose @ _normals(factors, points)
    radius = np.hypot(points[0], points[2])
    pit = smooth(0.5, 0.02, radius) * (points[1] > 0)  # depth within the dimple, which shades itself
    open_sky = 1 - 0.75 * pit
    upward = 0.5 + 0.5 * normals[1]
    key = np.clip(0.18 + 0.82 * (light @ normals), 0, None) ** 1.1 * open_sky  # wrapped diffuse: soft light
    ambient = (0.10 + 0.22 * upward * open_sky)[:, None] + 0.30 * (1 - upward)[:, None] ** 1.5 * bounce
    glint = np.clip(unit(light + np.array([0, 0, 1])) @ normals, 0, 1)
    gloss = 0.06 * glint**14 + 0.42 * smooth(0.965, 0.995, glint)
    rim = 0.16 * (1 - np.clip(normals[2], 0, 1)) ** 4 * upward

    diffuse = key[:, None] * np.array([1.05, 1.02, 0.97], np.float32) + ambient
    shaded = _skin(factors, points, radius, pit) * diffuse + ((gloss + rim) * (1 - pit))[:, None]
    image[where] += (shaded - image[where]) * cover
    depth = np.full_like(x, -9)
    depth[where] = hit[seen]
    return depth


def _skin(factors: AppleFactors, points: Array, radius: Array, pit: Array) -> Array:
    """Return the colour (n, 3) of the skin at points (3, n) on it."""
    peel, draws = _PEELS[factors.skin], counter_based_generator(factors.texture, 1)
    turn = np.arctan2(points[2], points[0]) / (2 * math.pi) + 0.5  # 0 to 1 around the core
    fall = np.arctan2(points[1], radius - factors.dimple) / (2 * math.pi) + 0.5  # 0 to 1 around the cross-section
    streaks = 0.5 * noise(draws, 110, 9, turn, fall) + 0.5 * noise(draws, 37, 5, turn, fall)
    clouds = noise(draws, 7, 7, turn, fall)
    sunny = np.cos(2 * math.pi * (turn - float(draws.random()))) * np.clip(radius, 0, 1)

    cover = peel.cover + peel.streaks * (streaks - 0.5) + peel.blush * factors.blush * sunny + 0.5 * (clouds - 0.5)
    skin = mix(linear(peel.ground), linear(peel.over), smooth(0, 1, cover - 0.55 * pit))
    skin *= (0.92 + 0.16 * streaks)[:, None]
    russet = 0.55 * smooth(0.62, 1, pit) * (0.4 + 0.6 * clouds)
    skin = mix(skin, linear((150, 120, 60)), russet)
    skin = mix(skin, linear((240, 222, 160)), 0.40 * factors.freckles * _freckles(draws, turn, fall, radius))

    warm = np.array([1 + 0.14 * factors.hue, 1 - 0.12 * factors.hue, 1 - 0.1 * factors.hue], np.float32)
    return skin * (warm * (1 + 0.18 * factors.lightness))


def _freckles(draws: Draws, turn: Array, fall: Array, radius: Array) -> Array:
    """Return the cover by lenticels. Each lattice cell has at most one, well inside it, so cells are independent."""
    columns, rows = 44, 34
    column, row = turn * columns, fall * rows
    cell = (row.astype(np.intp) % rows) * columns + column.astype(np.intp) % columns
    right, up, size, chance = draws.random((4, rows * columns), dtype=np.float32).take(cell, axis=1)
    away = np.hypot((column % 1 - 0.3 - 0.4 * right) * 0.14 * radius, (row % 1 - 0.3 - 0.4 * up) * 0.11)
    return smooth(0.019, 0.006, away / (0.5 + 0.7 * size)) * (chance < 0.55)


# Stem and leaf.


def _render_stem_and_leaf(
    factors: AppleFactors, image: Array, x: Array, y: Array, pixel: float, light: Array, depth: Array
) -> None:
    """Render the stem, and the leaf if there is one, into `image`, in front of an apple at `depth`."""
    core = _pose(factors)[:, 1]
    floor = factors.height * math.sqrt(1 - 2 * factors.dimple) - 0.05  # just below the deepest point of the dimple
    foot = floor * core
    tip = foot + factors.stem * core + np.array([factors.stem_bend, 0, 0], np.float32)
    along, aside = _lengthwise(x, y, foot, tip, -0.35 * factors.stem_bend)
    width = 0.030 + 0.022 * np.clip(along, 0, 1) ** 3
    inside = np.clip((width - np.abs(aside)) / pixel + 0.5, 0, 1)
    inside *= np.clip(np.minimum(along, 1 - along) * factors.stem / pixel + 0.5, 0, 1)
    inside *= np.clip((foot[2] + (tip - foot)[2] * along - depth) / 0.04 + 1, 0, 1)  # hidden by the rim of the dimple
    where = np.nonzero(inside > 0)
    lit = 0.72 - 0.65 * light[0] * (aside / width)[where] + 0.4 * along[where]
    bark = lit[:, None] * mix(linear((92, 62, 34)), linear((134, 122, 58)), along[where])
    image[where] += (bark - image[where]) * inside[where][:, None]
    if factors.leaf:
        _render_leaf(factors, image, x, y, pixel, light, depth, foot + 0.7 * (tip - foot))


def _render_leaf(
    factors: AppleFactors, image: Array, x: Array, y: Array, pixel: float, light: Array, depth: Array, foot: Array
) -> None:
    """Render a leaf that starts at `foot`, and its shadow on the apple, into `image`."""
    reach = np.array(cos_sin(factors.leaf_angle), np.float32)
    side = math.copysign(1, reach[0])

    def blade(x: Array, y: Array) -> tuple[Array, Array, Array]:
        along, aside = _lengthwise(x, y, foot, foot[:2] + 0.72 * reach, -0.10 * side)
        t = np.clip(along, 0, 1)
        return along, aside, 0.62 * t**0.75 * (1 - t) ** 0.9  # half of the width; 0 before the foot and past the tip

    _, aside, width = blade(x + 0.12 * light[0], y + 0.14)
    shade = 0.45 * smooth(-0.06, 0.10, width - np.abs(aside)) * (width > 0) * (depth > -9)
    image *= (1 - shade)[..., None]

    along, aside, width = blade(x, y)
    inside = np.clip((width - np.abs(aside)) / pixel + 0.5, 0, 1) * (width > 0)
    where = np.nonzero(inside > 0)
    along, aside, inside = along[where], aside[where], inside[where]
    fold = side * np.sign(aside) * smooth(0, 0.02, np.abs(aside))
    veins = 0.5 + 0.5 * np.cos(2 * math.pi * (9 * along - 16 * np.abs(aside)))
    lit = 0.62 + 0.22 * fold - 0.10 * veins**4 + 0.25 * (1 - along)
    green = lit[:, None] * mix(linear((74, 128, 36)), linear((120, 160, 52)), along)
    green = mix(green, linear((170, 190, 100)), 0.6 * smooth(0.016, 0.004, np.abs(aside)))
    image[where] += (green - image[where]) * inside[:, None]


def _lengthwise(x: Array, y: Array, foot: Array, tip: Array, bend: float) -> tuple[Array, Array]:
    """Return coordinates along (0 at `foot`, 1 at `tip`) and across a chord that is bent into a parabola."""
    chord = tip[:2] - foot[:2]
    length = math.hypot(*chord)
    cosine, sine = chord / length
    x, y = x - foot[0], y - foot[1]
    along = (x * cosine + y * sine) / length
    return along, y * cosine - x * sine + 4 * bend * along * (1 - along)


# Background and shadow.


def _background(factors: AppleFactors, x: Array, y: Array, draws: Draws) -> Array:
    """Return the image without the apple, (side, side, 3)."""
    x, y = factors.size * x + factors.x, factors.size * y + factors.y  # back to image coordinates, -1 to 1
    hue = factors.background_hue
    if factors.background == "white":
        tone = linear((250, 249, 246)) * (1 - 0.05 * hue)
        return tone * (1 - 0.07 * (x * x + y * y))[..., None]
    if factors.background == "pastel":
        return tint(hue, 0.30) * (0.74 + 0.07 * y - 0.06 * x * x)[..., None]
    if factors.background == "gradient":
        return mix(0.75 * tint(hue, 0.30), 0.34 * tint(hue + 0.12, 0.75), smooth(-1, 1.1, y + 0.3 * x))

    # A wooden table up to a soft edge, its grain stretched by perspective. Behind it is a wall or a garden.
    edge = 0.05 + 0.3 * float(draws.random())
    far = 1 / np.clip(edge + 0.45 - y, 0.3, None)
    grain = 0.6 * noise(draws, 60, 3, 0.9 * far, 0.15 * x + 0.5) + 0.4 * noise(draws, 17, 5, far, 0.3 * x + 0.5)
    table = mix(linear((122, 80, 46)), linear((214, 168, 116)), 0.25 + 0.75 * grain)
    if factors.background == "wood":
        behind = tint(hue, 0.25) * (0.42 + 0.12 * y)[..., None]
    else:
        foliage = noise(draws, 5, 4, 0.4 * x + 0.5, 0.5 * y + 0.5)
        gaps = np.zeros_like(x)  # sky between the leaves, far out of focus
        for right, up, radius, glow in draws.random((12, 4)).tolist():
            away = np.hypot(x - 2 * right + 1, y - 1.3 * up + 0.2) / (0.08 + 0.16 * radius)
            gaps += 0.28 * glow * smooth(1.1, 0.85, away)
        behind = mix(linear((60, 92, 38)), linear((176, 204, 120)), foliage)
        behind += linear((236, 240, 170)) * gaps[..., None]
    return mix(table, behind, smooth(-0.05, 0.05, y - edge))


def _shadow(factors: AppleFactors, x: Array, y: Array, light: Array) -> Array:
    """Return the light on the ground, 0 to 1: a small contact shadow within a wide soft shadow."""
    upright, slant = cos_sin(factors.pitch)
    rest = -(1 - factors.dimple) * factors.height * upright
    back = (y - rest) / (0.35 + slant)
    contact = np.exp(-(((x / 0.62) ** 2 + (back / 0.42) ** 2) ** 1.5))
    wide = np.exp(-((x + 0.75 * light[0]) ** 2) - ((back - 0.05) / 0.62) ** 2)
    return (1 - 0.60 * contact) * (1 - 0.42 * wide)
