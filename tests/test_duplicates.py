"""Copies: which pictures are equal or look the same, and how they are treated."""

import numpy as np
import pytest
from PIL import Image

from pippin.pictures import Preparation, prepare, split
from pippin.pictures.preparing.duplicates import near_groups, perceptual_hash


def smooth(seed, size=64):
    """Return a picture of soft spots, which differ as much as photographs do."""
    spots = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(spots).resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(4):
        smooth(n).save(folder / f"{n}.png")
    smooth(0).save(folder / "same.bmp")
    smooth(1).save(folder / "again.jpg", quality=60)
    smooth(2, 256).save(folder / "larger.png")
    return folder


def found(dataset):
    return {entry.path: (entry.copy, entry.copy_of, entry.index is not None) for entry in dataset.audit.entries}


def test_exact_copies_are_left_out_and_near_copies_are_marked(folder):
    dataset = prepare(folder, 64)
    assert found(dataset) == {
        "0.png": (None, None, True),
        "1.png": (None, None, True),
        "2.png": ("near", "larger.png", True),  # the larger picture is kept
        "3.png": (None, None, True),
        "again.jpg": ("near", "1.png", True),
        "larger.png": (None, None, True),
        "same.bmp": ("exact", "0.png", False),
    }
    assert len(dataset) == 6
    assert [[entry.path for entry in group] for group in dataset.audit.groups] == [
        ["larger.png", "2.png"],
        ["1.png", "again.jpg"],
        ["0.png", "same.bmp"],
    ]
    assert dataset.summary().splitlines()[1] == (
        "copies: 1 the same as another picture (left out), 2 nearly the same as another picture (kept)"
    )
    assert dataset.summary().endswith(
        "4 different pictures: few; generated pictures will mostly repeat these. 1,000 are enough"
    )


def test_near_copies_are_left_out_on_request(folder):
    whole, less = prepare(folder, 64), prepare(folder, 64, preparation=Preparation(duplicates="near"))
    kept = [entry.path for entry in less.audit.entries if entry.index is not None]
    assert kept == ["0.png", "1.png", "3.png", "larger.png"]
    rows = {entry.path: entry.index for entry in whole.audit.entries}
    np.testing.assert_array_equal(less.images, whole.images[[rows[path] for path in kept]])
    reasons = {entry.path: entry.reasons for entry in less.audit.entries}
    assert reasons["again.jpg"] == ("nearly the same picture (as 1.png)",)
    assert reasons["same.bmp"] == ("the same picture (as 0.png)",)


def test_all_copies_are_kept_on_request(folder):
    dataset = prepare(folder, 64, preparation=Preparation(duplicates="keep"))
    assert len(dataset) == 7
    assert found(dataset)["same.bmp"] == ("exact", "0.png", True)


def test_the_hash_ignores_brightness_and_compression_but_not_other_content():
    def apart(one, other):
        return bin(int(perceptual_hash(np.asarray(one)), 16) ^ int(perceptual_hash(np.asarray(other)), 16)).count("1")

    picture = smooth(5)
    assert apart(picture, picture.point(lambda value: value * 0.8)) <= 4
    assert apart(picture, picture.resize((40, 40)).resize((64, 64))) <= 4
    others = [apart(picture, smooth(seed)) for seed in range(100, 200)]
    assert min(others) > 10
    assert np.mean(others) == pytest.approx(32, abs=4)


@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_the_hash_holds_the_low_frequencies_of_the_picture_at_32_pixels(side):
    picture = smooth(3).resize((side, side), Image.Resampling.BOX)
    hashed = picture.convert("L").resize((32, 32), Image.Resampling.BOX)
    waves = np.cos(np.pi * np.outer(np.arange(1, 9), 2 * np.arange(32) + 1) / 64)
    strengths = waves @ np.asarray(hashed, float) @ waves.T
    expected = np.packbits(strengths > np.median(strengths)).tobytes().hex()
    apart = int(perceptual_hash(np.asarray(picture)), 16) ^ int(expected, 16)
    assert apart.bit_count() <= 2  # Pillow rounds the grey pixels


def test_groups_link_near_copies_and_exclude_pictures_of_another_colour():
    grey = np.asarray(smooth(1).convert("L"), int)
    bright = np.clip(grey[..., None] + np.array([0, 6, 12, 200])[:, None, None, None], 0, 255)
    images = np.repeat(bright, 3, axis=3).astype(np.uint8)  # small steps of brightness, and a last large one
    hashes = np.array([int(perceptual_hash(image), 16) for image in images[[0, 0, 0, 0]]], np.uint64)
    assert near_groups(hashes, np.arange(4), images) == [[0, 1, 2]]


def groups_by_comparing_all(hashes, rows, images):
    """Return the same groups by comparing every pair."""
    small = [Image.fromarray(image).resize((16, 16), Image.Resampling.BOX) for image in images]
    small = np.array([np.asarray(picture, np.float32) for picture in small]).reshape(len(images), -1)
    alike = np.array([np.sqrt(((small - one) ** 2).mean(axis=1)) <= 20 for one in small])
    linked = (np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= 10) & alike[rows][:, rows]
    groups, left = [], set(range(len(hashes)))
    while left:
        group, reached = set(), {min(left)}
        while reached:
            group |= reached
            reached = set(np.flatnonzero(linked[list(reached)].any(axis=0)).tolist()) - group
        left -= group
        groups.append(sorted(group))
    return [group for group in groups if len(group) > 1]


def flipped(hashes, count, draw, places=64):
    """Return each hash with `count` of its `places` lowest bits flipped, chosen at random for each."""
    turned = [sum(1 << int(bit) for bit in draw.choice(places, count, replace=False)) for _ in hashes]
    return hashes ^ np.array(turned, np.uint64)


@pytest.mark.parametrize("kind", ["random", "at the limit", "in one band", "spread", "equal", "a chain", "some of all"])
def test_the_groups_are_those_of_comparing_every_pair(kind):
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**64, 150, np.uint64)
    twins = {
        "random": hashes[:0],
        "at the limit": np.concatenate([flipped(hashes, count, draw) for count in (9, 10, 11)]),
        "in one band": np.concatenate([flipped(hashes, count, draw, 16) for count in (10, 11)]),
        "spread": hashes[:, None] ^ np.array([sum(b << (16 * n) for n, b in enumerate(bits)) for bits in SPREAD], "u8"),
        "equal": hashes[draw.integers(0, 4, 500)],
        "a chain": np.bitwise_xor.accumulate(np.uint64(1) << draw.integers(0, 64, 600, np.uint64)),
        "some of all": np.concatenate([hashes[:40], flipped(hashes, 10, draw), hashes[[7] * 300]]),
    }[kind]
    hashes = draw.permutation(np.concatenate([hashes, twins.ravel()]))
    plain = np.arange(0, 256, 12, dtype=np.uint8)  # only neighbouring shades look the same
    images = np.broadcast_to(plain[:, None, None, None], (len(plain), 16, 16, 3))
    for shades in (1, len(plain)):
        rows = draw.integers(0, shades, len(hashes))
        found = near_groups(hashes, rows, images)
        assert found == groups_by_comparing_all(hashes, rows, images)
        assert bool(found) == (kind != "random")


SPREAD = [(7, 7, 7, 1), (7, 7, 1, 7), (3, 3, 3, 15), (1, 7, 7, 7), (0, 0, 31, 31), (15, 15, 0, 3), (7, 7, 7, 3)]
"""Bits to flip in the four bands: 10 in total, in every way that just misses one band, or 11."""


def test_linked_pictures_stay_in_the_same_set():
    links = [[n, n + 1] for n in range(0, 300, 2)]
    training, held_out = split(1000, 0.1, links)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held_out])), np.arange(1000))
    assert len(held_out) == 100
    assert all((one in held_out) == (other in held_out) for one, other in links)
    assert any(one in held_out for one, _ in links)


def test_without_links_the_split_is_a_fixed_permutation():
    order = np.random.default_rng(0).permutation(1000)
    np.testing.assert_array_equal(split(1000, 0.1)[1], np.sort(order[:100]))


def test_a_group_that_is_too_large_goes_into_the_training_set():
    training, held_out = split(1000, 0.1, [list(range(950))])
    assert len(held_out) == 50
    assert held_out.min() >= 950
    assert len(training) == 950


def test_copies_in_a_dataset_stay_in_the_same_set(tmp_path):
    for n in range(150):
        smooth(n).save(tmp_path / f"{n}-a.png")
        smooth(n).point(lambda value: min(255, value + 3)).save(tmp_path / f"{n}-b.png")
    dataset = prepare(tmp_path, 32)
    names = [entry.path.partition("-")[0] for entry in dataset.audit.entries]
    training, held_out = dataset.split(0.2)
    assert len(held_out) == 60
    assert {names[row] for row in training.indices}.isdisjoint({names[row] for row in held_out.indices})
