"""Values of 10, 12 or 14 bits in files of 16: one scale for a whole set, and a warning for dark sets."""

import numpy as np
import odd_files
import pytest
import tifffile
import tiny
from PIL import Image

from pippin.errors import SettingsError
from pippin.host.limits import PIXEL_LIMIT
from pippin.pictures import Preparation, prepare
from pippin.pictures.decoding.depth import bits_for, to_levels
from pippin.pictures.decoding.picture import read_picture

COUNT = 6


def values(bits, count=COUNT, channels=None):
    """Return pictures whose values use all of some bits: uint16 (count, 40, 40[, channels])."""
    shape = (count, 5, 5) if channels is None else (count, 5, 5, channels)
    small = np.random.default_rng(0).integers(0, 2**bits, shape)
    small[:, 0, 0], small[:, 1, 1] = 0, 2**bits - 1
    return np.kron(small, np.ones((1, 8, 8) if channels is None else (1, 8, 8, 1), int)).astype(np.uint16)


def save(folder, pictures, kind):
    """Write pictures into a folder in some format, and return what is to be prepared."""
    folder.mkdir()
    if kind in ("npy", "npz"):
        path = folder / f"set.{kind}"
        np.save(path, pictures) if kind == "npy" else np.savez_compressed(path, images=pictures)
        return path
    for n, picture in enumerate(pictures):
        if kind.endswith("tif"):
            options = {"photometric": "rgb" if picture.ndim == 3 else "minisblack"}
            options |= {"planarconfig": "separate"} if kind == "planes.tif" else {}
            options |= {"compression": "zlib"} if kind == "compressed.tif" else {}
            options |= {"byteorder": ">"} if kind == "big-endian.tif" else {}
            stored = np.moveaxis(picture, -1, 0) if kind == "planes.tif" else picture
            tifffile.imwrite(folder / f"{n}.tif", stored, **options)
        elif picture.ndim == 3:
            rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in picture)
            (folder / f"{n}.png").write_bytes(odd_files.png(40, 40, rows, depth=16))
        else:
            Image.fromarray(picture).save(folder / f"{n}.png")
    return folder


@pytest.mark.parametrize("kind", ["png", "tif", "npy", "npz"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_highest_value_of_the_set_decides_on_the_scale(tmp_path, kind, bits):
    source = save(tmp_path / "in", values(bits), kind)
    dataset = prepare(source, 16)
    eight = np.rint(values(bits) * (255 / (2**bits - 1))).astype(np.uint8)
    expected = prepare(save(tmp_path / "eight", eight, "png"), 16)
    assert np.abs(dataset.images.astype(int) - expected.images).max() <= 1
    line = f"read as {bits} bits, so that {2**bits - 1:,} is white (the highest is {2**bits - 1:,}); --bits sets"
    assert line in dataset.summary()
    assert dataset.manifest["bits"] == dataset.preparation.bits == bits
    assert "dark" not in dataset.summary()


@pytest.mark.parametrize("kind", ["png", "tif", "planes.tif", "compressed.tif", "big-endian.tif"])
@pytest.mark.parametrize("bits", [8, 12, 14, 16])
def test_colours_of_more_than_8_bits_are_rounded_and_share_the_scale_of_the_set(tmp_path, kind, bits):
    dataset = prepare(save(tmp_path / "in", values(bits, channels=3), kind), 16)
    white = 2**bits - 1
    assert f"read as {bits} bits, so that {white:,} is white (the highest is {white:,})" in dataset.summary()
    reference = prepare(np.rint(values(bits, channels=3) * (255 / white)).astype(np.uint8), 16)
    np.testing.assert_array_equal(dataset.images, reference.images)


def test_opacity_of_16_bits_is_rounded_and_has_no_part_in_the_scale(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 2**12, (40, 40, 4)).astype(np.uint16)
    pixels[0, 0] = 2**12 - 1
    pixels[..., 3] *= 16
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    (tmp_path / "colour.png").write_bytes(odd_files.png(40, 40, rows, depth=16, colour=6))
    rows = b"".join(b"\0" + row[:, 2:].astype(">u2").tobytes() for row in pixels)
    (tmp_path / "grey.png").write_bytes(odd_files.png(40, 40, rows, depth=16, colour=4))
    for name, channels in (("colour.png", pixels), ("grey.png", pixels[..., [2, 2, 2, 3]])):
        decoded = read_picture(tmp_path / name, 999, Preparation(channels=4))
        assert decoded.highest == channels[..., :3].max()
        expected = np.rint(channels * (255 / np.array([4095, 4095, 4095, 65535])))
        np.testing.assert_array_equal(np.asarray(decoded.image), expected)


def test_colours_of_16_bits_keep_their_profile_and_their_orientation(tmp_path):
    pixels = np.zeros((40, 40, 3), np.uint16)
    pixels[:20, :, 0] = 4095
    profile, upside_down = odd_files.exchanging_profile(), [(274, 3, 1, 3, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", iccprofile=profile, extratags=upside_down)
    decoded = read_picture(tmp_path / "a.tif", 999)
    assert decoded.reasons == ["turned upright", "colours converted from their profile to sRGB"]
    assert np.abs(np.subtract(decoded.image.getpixel((5, 35)), (0, 0, 255))).max() <= 2
    assert decoded.image.getpixel((5, 5)) == (0, 0, 0)


def test_pictures_of_one_set_share_one_scale(tmp_path):
    pictures = values(14)
    pictures[1:] //= 8
    dataset = prepare(save(tmp_path / "in", pictures, "png"), 16)
    assert dataset.images[0].max() > 7 * dataset.images[1].max()


def test_the_number_of_bits_can_be_given(tmp_path):
    source = save(tmp_path / "in", values(12), "png")
    dark = prepare(source, 16, preparation=Preparation(bits=16))
    assert dark.images.max() < 20
    assert "read as 16 bits" in dark.summary()
    assert any(
        note.startswith("dark: nearly all values of nearly all pictures are below 64 of 255") for note in dark.notes
    )
    clipped = prepare(source, 16, preparation=Preparation(bits=10))
    assert (clipped.images == 255).mean() > 0.5
    for wrong in (9, 0, True, "12"):
        with pytest.raises(SettingsError, match=r"bits must be one of 8, 10, 12, 14, 16\. Received: bits="):
            Preparation(bits=wrong)


def test_a_second_preparation_and_a_changed_set_have_the_right_scale(tmp_path, monkeypatch):
    folder = save(tmp_path / "in", values(12), "png")
    first = prepare(folder, 16)
    with monkeypatch.context() as patch:
        patch.setattr("pippin.pictures.sources.files.read_picture", lambda *_: pytest.fail("decoded again"))
        assert prepare(folder, 16).fingerprint == first.fingerprint
    Image.fromarray(values(14, 1)[0]).save(folder / "brighter.png")
    changed = prepare(folder, 16)
    assert changed.manifest["bits"] == 14
    assert changed.fingerprint == prepare(folder, 16, cache=tmp_path / "fresh").fingerprint
    (folder / "brighter.png").unlink()
    again = prepare(folder, 16)
    assert (again.manifest["bits"], again.fingerprint) == (12, first.fingerprint)


def test_an_interrupted_preparation_is_resumed_in_either_pass(tmp_path):
    folder = save(tmp_path / "in", values(12), "png")
    expected = prepare(folder, 16, cache=tmp_path / "whole")

    class Killed(BaseException):
        pass

    for stop in range(1, 2 * COUNT):
        steps = []

        def progress(done, total, stop=stop, steps=steps):
            steps.append(done)
            if len(steps) == stop:
                raise Killed

        cache = tmp_path / f"cache{stop}"
        with pytest.raises(Killed):
            prepare(folder, 16, cache=cache, progress=progress)
        dataset = prepare(folder, 16, cache=cache)
        assert dataset.images.tobytes() == expected.images.tobytes()
        assert dataset.audit.to_dict() == expected.audit.to_dict()


def test_parts_of_a_set_are_joined_with_the_scale_of_the_set(tmp_path):
    pictures = values(14)
    pictures[COUNT // 2 :] //= 16
    folder = save(tmp_path / "in", pictures, "png")
    expected = prepare(folder, 16, cache=tmp_path / "whole")
    for part in ("1/2", "2/2"):
        prepare(folder, 16, cache=tmp_path / "parts", shard=part)
    joined = prepare(folder, 16, cache=tmp_path / "parts")
    assert (joined.fingerprint, joined.manifest["bits"]) == (expected.fingerprint, 14)


def test_copies_at_a_coarse_scale_are_different_pictures_at_the_right_one(tmp_path):
    pictures = np.stack([np.full((40, 40), 500 + n, np.uint16) for n in range(4)])
    pictures[:, :20, :20] = 1023
    pictures[:, 30:, 30:] = np.arange(4)[:, None, None] * 8
    dataset = prepare(save(tmp_path / "in", pictures, "png"), 16)
    assert len(dataset) == 4


def test_pictures_of_8_bits_are_not_changed_by_deep_ones_beside_them(tmp_path):
    folder = save(tmp_path / "in", values(12), "png")
    Image.fromarray(tiny.pictures(1)[0]).save(folder / "plain.png")
    dataset = prepare(folder, 16)
    (entry,) = (entry for entry in dataset.audit.entries if entry.path == "plain.png")
    assert dataset.images[entry.index].tolist() == tiny.pictures(1)[0].tolist()
    assert "in 6 pictures: read as 12 bits" in dataset.summary()


def test_dark_sets_of_8_bits_are_named_and_dark_pictures_in_bright_sets_are_not(tmp_path):
    masks = (np.random.default_rng(0).integers(0, 2, (COUNT, 16, 16))).astype(np.uint8)
    assert any(note.startswith("dark: ") for note in prepare(masks, 16).notes)
    bright = np.concatenate([tiny.pictures(COUNT), tiny.pictures(2, 1) // 8])
    assert prepare(bright, 16).notes == ()


def test_ranges_and_levels():
    assert [bits_for(value) for value in (0, 255, 256, 1023, 4096, 16383, 16384, 65535)] == [
        8,
        8,
        10,
        10,
        14,
        14,
        16,
        16,
    ]
    assert to_levels(np.array([0, 2048, 4095, 9000]), 12).tolist() == [0, 128, 255, 255]
    assert to_levels(np.array([0.0, 0.5, 1.0]), 12).tolist() == [0, 128, 255]


def test_the_deep_pictures_of_the_shared_cases(cases):
    dataset = prepare(cases / "sixteen-bit", 64)
    assert "read as 14 bits, so that 16,383 is white (the highest is 13,633)" in dataset.summary()
    assert dataset.images.max() > 200


def test_large_scans_are_read_if_the_limit_is_raised(tmp_path):
    for n in range(2):
        Image.fromarray(tiny.pictures(seed=n)[0]).resize((300, 200)).save(tmp_path / f"{n}.png")
    assert len(prepare(tmp_path, 16, preparation=Preparation(max_pixels=60_000))) == 2
    Image.fromarray(tiny.pictures(seed=3)[0]).resize((300, 201)).save(tmp_path / "large.png")
    (refused,) = prepare(tmp_path, 16, preparation=Preparation(max_pixels=60_000)).audit.refused
    assert refused.reasons == ("too large: 300×201 is more than 60,000 pixels",)
    Image.new("L", (15_000, 6_200)).save(tmp_path / "scan.png")
    assert prepare(tmp_path, 16).audit.refused[0].reasons[0].startswith("too large: 15000×6200 is more than")
    assert not prepare(tmp_path, 16, preparation=Preparation(max_pixels=100_000_000)).audit.refused
    assert PIXEL_LIMIT == Image.MAX_IMAGE_PIXELS  # Pillow's limit is global, and the user's again
    with pytest.raises(SettingsError, match=r"max_pixels must be a whole number from 1\. Received: max_pixels=0"):
        Preparation(max_pixels=0)
