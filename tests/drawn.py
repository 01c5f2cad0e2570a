"""Small synthetic data sets: transparent sprites, grey digits, and labelled folders."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SUPERSAMPLING = 4
"""Shapes are drawn at this multiple of their size and downsampled, so that their edges are smooth."""

KINDS = {"disc": (214, 62, 48), "square": (58, 110, 200), "star": (240, 180, 40)}
"""Shape → mean colour of its sprites."""


def sprite(kind, rng, size=32):
    """Return a shape with smooth edges as RGBA, uint8 (size, size, 4). Transparent pixels have random colours."""
    side = SUPERSAMPLING * size
    cover = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(cover)
    radius = side * rng.uniform(0.26, 0.4)
    x, y = side / 2 + rng.uniform(-0.06, 0.06, 2) * side
    turn = rng.uniform(-0.3, 0.3)
    if kind == "disc":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    elif kind == "square":
        corners = [turn + np.pi * (0.25 + n / 2) for n in range(4)]
        draw.polygon([(x + radius * np.cos(a), y + radius * np.sin(a)) for a in corners], fill=255)
    else:
        points = []
        for n in range(10):
            a, reach = turn - np.pi / 2 + np.pi * n / 5, radius * (1 if n % 2 == 0 else 0.45)
            points.append((x + reach * np.cos(a), y + reach * np.sin(a)))
        draw.polygon(points, fill=255)
    cover = np.asarray(cover.resize((size, size), Image.Resampling.BOX))
    shade = np.linspace(1.15, 0.75, size)[:, None, None]  # lit from above
    colours = np.clip((np.array(KINDS[kind]) + rng.uniform(-25, 25, 3)) * shade, 0, 255)
    colours = np.broadcast_to(colours, (size, size, 3)).astype(np.uint8).copy()
    colours[cover == 0] = rng.integers(0, 256, ((cover == 0).sum(), 3))
    return np.concatenate([colours, cover[..., None]], axis=2)


def digit(number, rng, size=32):
    """Return a light digit on a dark background, uint8 (size, size)."""
    side = SUPERSAMPLING * size
    canvas = Image.new("L", (side, side), 0)
    font = ImageFont.load_default(round(side * rng.uniform(0.7, 0.95)))
    at = side / 2 + rng.uniform(-0.05, 0.05, 2) * side
    ImageDraw.Draw(canvas).text(tuple(at), str(number), fill=255, font=font, anchor="mm")
    turned = canvas.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC)
    return np.asarray(turned.resize((size, size), Image.Resampling.BOX))


def save_sprites(folder, count=300, kinds=tuple(KINDS), seed=0):
    """Write a folder of transparent PNG files and return the folder."""
    rng, folder = np.random.default_rng(seed), Path(folder)
    folder.mkdir(parents=True)
    for n in range(count):
        Image.fromarray(sprite(kinds[n % len(kinds)], rng)).save(folder / f"{n:04}.png")
    return folder


def save_digits(folder, count=300, seed=0):
    """Write a folder of grey PNG files and return the folder."""
    rng, folder = np.random.default_rng(seed), Path(folder)
    folder.mkdir(parents=True)
    for n in range(count):
        Image.fromarray(digit(n % 10, rng)).save(folder / f"{n:04}.png")
    return folder


def save_kinds(folder, counts, seed=0):
    """Write a subfolder of opaque PNG files, on white, for each kind, and return the folder.

    Args:
        folder: the folder to write to.
        counts: kind → number of pictures.
        seed: seed of the random numbers.
    """
    rng, folder = np.random.default_rng(seed), Path(folder)
    for kind, count in counts.items():
        (folder / kind).mkdir(parents=True)
        for n in range(count):
            picture = Image.new("RGB", (32, 32), "white")
            drawn = Image.fromarray(sprite(kind, rng))
            picture.paste(drawn, mask=drawn)
            picture.save(folder / kind / f"{n:04}.png")
    return folder
