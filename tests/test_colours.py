"""Colour statistics of images with known colours."""

import numpy as np
import pytest

from pippin.errors import SettingsError
from pippin.measure import colours
from pippin.measure.colours import comparison_lines
from pippin.pictures.built_in import apple_factors, render_apples


def plain(*rgb, size=8):
    return np.full((1, size, size, 3), rgb, np.uint8)


def test_mean_and_spread_are_over_all_pixels():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    found = colours(images)
    np.testing.assert_allclose(found.mean, images.mean((0, 1, 2)))
    np.testing.assert_allclose(found.spread, images.astype("float64").std((0, 1, 2)))
    assert sum(found.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((200, 20, 30), "red"),
        ((200, 20, 60), "red"),
        ((230, 120, 20), "orange"),
        ((230, 210, 40), "yellow"),
        ((60, 180, 50), "green"),
        ((40, 60, 200), "blue"),
        ((160, 40, 200), "purple"),
        ((128, 128, 128), "grey"),
        ((255, 255, 255), "grey"),
    ],
)
def test_the_main_colour_of_a_plain_image_is_its_own(rgb, name):
    assert colours(plain(*rgb)).shares[name] == 1


def test_a_small_object_on_white_determines_the_main_colour():
    image = plain(255, 255, 255, size=16)
    image[0, 4:9, 4:9] = 40, 160, 50
    assert colours(image).shares["green"] == 1


def test_the_built_in_apples_on_white_have_the_colour_of_their_skin():
    factors = [apple_factors(index) for index in range(200)]
    images = render_apples(200, 32)
    plain_skins = [n for n, it in enumerate(factors) if it.background == "white" and it.skin != "striped"]
    right = [colours(images[n : n + 1]).shares[factors[n].skin] for n in plain_skins]
    assert len(right) > 30
    assert np.mean(right) > 0.85


def test_the_text_shows_both_sets_of_images():
    lines = comparison_lines(colours(plain(200, 20, 30)), colours(plain(60, 180, 50)))
    assert lines == [
        "Colours (reference images in brackets): mean R G B 200 20 30 (60 180 50), standard deviation 0 0 0 (0 0 0)",
        "Main colour: red 100% (0%), green 0% (100%)",
    ]


def test_no_images_are_an_error():
    with pytest.raises(SettingsError, match=r"Colour statistics need at least 1 image; give some\. Received: images=0"):
        colours(plain(0, 0, 0)[:0])
