from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pippin.errors import SettingsError
from pippin.pictures.built_in.apples import (
    BACKGROUND_SHARES,
    BACKGROUNDS,
    SKIN_SHARES,
    SKINS,
    apple_factors,
    render_apple,
    render_apples,
)

CORNERS = np.ix_([0, -1], [0, -1])


def centre_colour(factors, image_size=48):
    """Return the mean colour, 0 to 255, of a square in the middle of the apple."""
    image = render_apple(factors, image_size)
    column = round((1 + factors.x) / 2 * image_size)
    row = round((1 - factors.y) / 2 * image_size)
    reach = round(0.4 * factors.size * image_size / 2)
    return image[row - reach : row + reach, column - reach : column + reach].mean(axis=(0, 1))


def shrink(image, factor):
    side = len(image) // factor
    return image.reshape(side, factor, side, factor, 3).mean(axis=(1, 3))


def test_the_first_apples_do_not_change():
    """Mean colours rather than digests, because float32 functions differ in the last bit between processors."""
    means = [
        [154.863, 120.242, 77.687],
        [170.398, 164.558, 143.668],
        [194.057, 138.174, 149.127],
        [203.564, 210.559, 181.490],
        [154.174, 153.489, 85.372],
        [154.544, 124.537, 80.194],
        [209.934, 220.360, 188.104],
        [160.517, 115.114, 75.597],
    ]
    np.testing.assert_allclose(render_apples(8, 32).mean(axis=(1, 2)), means, atol=0.02)


def test_an_image_depends_only_on_its_seed_and_index():
    few, many = render_apples(2, 32, seed=7), render_apples(5, 32, seed=7)
    assert few.dtype == np.uint8
    assert few.shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(few, many[:2])
    np.testing.assert_array_equal(many[4], render_apple(apple_factors(4, seed=7), 32))


def test_different_indices_and_seeds_give_different_apples():
    factors = [apple_factors(index, seed) for seed in range(20) for index in range(20)]
    assert len(set(factors)) == 400
    assert (render_apples(1, 32, seed=0) != render_apples(1, 32, seed=1)).mean() > 0.5


@pytest.mark.parametrize("image_size", [16, 17, 32, 64])
def test_every_size_shows_the_same_apple(image_size):
    for index in range(3):
        factors = apple_factors(index)
        small = render_apple(factors, image_size).astype(float)
        large = shrink(render_apple(factors, 2 * image_size), 2)
        assert np.abs(small - large).mean() < 1.5


def test_a_small_image_is_the_large_one_downsampled():
    for index in range(6):
        factors = apple_factors(index, seed=3)
        difference = np.abs(render_apple(factors, 32) - shrink(render_apple(factors, 128), 4))
        assert difference.mean() < 1.5


@pytest.mark.parametrize(
    ("names", "shares", "field"), [(SKINS, SKIN_SHARES, "skin"), (BACKGROUNDS, BACKGROUND_SHARES, "background")]
)
def test_skins_and_backgrounds_have_their_documented_probabilities(names, shares, field):
    count = 3000
    counts = Counter(getattr(apple_factors(index), field) for index in range(count))
    assert set(counts) == set(names)
    assert sum(shares) == pytest.approx(1)
    for name, share in zip(names, shares, strict=True):
        deviation = (share * (1 - share) / count) ** 0.5
        assert abs(counts[name] / count - share) < 4 * deviation


def test_the_apple_lies_within_the_image():
    for index in range(500):
        factors = apple_factors(index)
        assert abs(factors.x) + factors.size < 1
        assert abs(factors.y) + factors.size < 1
        assert 0.38 <= factors.dimple < 0.5  # at 0.5 the dimples would meet


@pytest.mark.parametrize("index", range(8))
def test_the_skin_has_its_colour(index):
    factors = apple_factors(index, seed=1)
    red, green, yellow, striped = (centre_colour(replace(factors, skin=skin)) for skin in SKINS)
    assert red[0] > 1.8 * red[1]
    assert red[0] > 1.8 * red[2]
    assert green[1] > 1.05 * green[0]
    assert green[1] > 1.4 * green[2]
    assert 1.0 < yellow[0] / yellow[1] < 1.5
    assert yellow[1] > 1.4 * yellow[2]
    assert yellow[1] > striped[1] > red[1]  # red stripes over yellow lie between the two


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_corners_show_only_background(background):
    for index in range(4):
        factors = replace(apple_factors(index), background=background)
        image, other = render_apple(factors, 32), render_apple(replace(factors, skin="red", hue=1, freckles=0), 32)
        np.testing.assert_array_equal(image[CORNERS], other[CORNERS])
        if background == "white":
            assert image[CORNERS].min() > 200


def test_the_background_hardly_changes_the_apple():
    factors = apple_factors(3)
    white, wood = (centre_colour(replace(factors, background=name)) for name in ("white", "wood"))
    np.testing.assert_allclose(white, wood, atol=12)  # only the light reflected by the ground differs


def test_the_side_towards_the_light_is_brighter():
    factors = replace(apple_factors(2), x=0, tilt=0, leaf=False)
    lit_right, lit_left = (render_apple(replace(factors, light=light), 32).astype(int) for light in (30, 150))
    right = (lit_right - lit_left)[12:24, 20:24].mean()
    left = (lit_right - lit_left)[12:24, 8:12].mean()
    assert right > 10
    assert left < -10


def test_the_background_does_not_show_through_the_dimple():
    for index in range(6):
        factors = replace(apple_factors(index), background="white", skin="red", freckles=0, leaf=False)
        image = render_apple(factors, 128).astype(int)
        column = round((1 + factors.x) / 2 * 128)
        rows = slice(round((1 - factors.y - 0.5 * factors.size) / 2 * 128), round((1 - factors.y) / 2 * 128))
        assert image[rows, column - 4 : column + 4, 1].max() < 220


@pytest.mark.parametrize("image_size", [8, 15, 513])
def test_an_image_size_out_of_range_is_refused(image_size):
    message = rf"between 16 and 512 pixels\. Received: image_size={image_size}$"
    with pytest.raises(SettingsError, match=message):
        render_apples(1, image_size)
    with pytest.raises(SettingsError, match=message):
        render_apple(apple_factors(0), image_size)


def test_other_arguments_out_of_range_are_refused():
    with pytest.raises(SettingsError, match=r"1 or more\. Received: count=0$"):
        render_apples(0, 32)
    with pytest.raises(SettingsError, match=r"0 or more\. Received: index=-1, seed=0$"):
        apple_factors(-1)
    with pytest.raises(SettingsError, match=r"Received: index=0, seed=-2$"):
        render_apples(1, 32, seed=-2)
