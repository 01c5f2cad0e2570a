"""The position of a square in a wide or high picture: off the centre only if that is evident."""

import numpy as np
import pytest
from PIL import Image

from pippin.pictures import Preparation
from pippin.pictures.framing.focus import focus_position
from pippin.pictures.framing.squares import Box, make_squares


def spotted(width, height, *spots, ground=230):
    """Return noise in boxes on a plain ground."""
    pixels = np.full((height, width, 3), ground, np.uint8)
    for left, top, right, bottom in spots:
        pixels[top:bottom, left:right] = np.random.default_rng(0).integers(0, 180, (bottom - top, right - left, 3))
    return Image.fromarray(pixels)


def of(picture):
    return focus_position(picture, (0, 0, *picture.size))


@pytest.mark.parametrize(
    ("spot", "where"),
    [((0, 10, 60, 90), 0.0), ((140, 10, 200, 90), 1.0), ((70, 10, 130, 90), 0.5), ((90, 10, 160, 90), 0.75)],
)
def test_the_square_follows_the_content(spot, where):
    wide = spotted(200, 100, spot)
    assert of(wide) == pytest.approx(where, abs=0.22 if where in (0.0, 1.0) else 0.05)
    left = round(of(wide) * 100)
    assert left <= spot[0]
    assert spot[2] <= left + 100  # all of it is in the square
    assert of(wide.transpose(Image.Transpose.TRANSPOSE)) == of(wide)
    assert of(wide.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == pytest.approx(1 - of(wide), abs=0.03)


@pytest.mark.parametrize(
    "picture",
    [
        spotted(200, 100),
        spotted(200, 100, (0, 0, 200, 100)),  # edges everywhere
        spotted(200, 100, (0, 20, 50, 80), (150, 20, 200, 80)),  # something at both ends
        spotted(110, 100, (20, 10, 90, 90)),
        spotted(100, 100, (0, 10, 40, 90)),
        spotted(400, 9, (380, 0, 400, 9), ground=0).resize((400, 9)).point(lambda value: 0),
    ],
)
def test_the_square_is_central_if_nothing_else_is_evident(picture):
    assert of(picture) == 0.5


def test_only_the_content_of_the_box_counts():
    picture = spotted(300, 100, (0, 0, 100, 100), (120, 10, 170, 90))
    assert focus_position(picture, (100, 0, 300, 100)) < 0.3


def test_moved_squares_are_reported_and_can_be_switched_off():
    wide = spotted(200, 100, (140, 10, 200, 90))
    whole = Box(0, 0, 200, 100)
    (moved,), reasons = make_squares(wide, whole, 32, Preparation())
    (centre,), none = make_squares(wide, whole, 32, Preparation(focus="centre"))
    assert reasons == ["square moved off the centre, to where most of the content is"]
    assert none == []
    assert (np.abs(moved.astype(int) - 230) > 30).mean() > 1.4 * (np.abs(centre.astype(int) - 230) > 30).mean()
    assert len(make_squares(wide, whole, 32, Preparation(crops=3))[0]) == 3
    assert make_squares(wide, whole, 32, Preparation(fit="pad"))[1] == []
