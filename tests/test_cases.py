"""Files that other tools get wrong: thin pictures, camera raws, and pages of TIFFs."""

import io
import zipfile

import numpy as np
import odd_files
import pytest
import tifffile
import tiny
from PIL import Image

from pippin.errors import SourceError
from pippin.pictures import Preparation, prepare, prepare_one_photo, typical_side
from pippin.pictures.decoding.picture import MAX_RATIO
from pippin.pictures.framing.bars import find_bars
from pippin.pictures.framing.focus import focus_position
from pippin.pictures.preparing import single

RAW = "camera raw; save it as JPEG or PNG"


def save_good(folder, count=2):
    """Write some good pictures into a folder, and return the folder."""
    folder.mkdir(exist_ok=True)
    for n in range(count):
        Image.fromarray(tiny.pictures(seed=n)[0]).resize((64, 64)).save(folder / f"good{n}.png")
    return folder


def reasons(dataset):
    """Return path → reasons of the files that were refused."""
    return {entry.path: entry.reasons[0] for entry in dataset.audit.refused}


# --- thin pictures ---


@pytest.mark.parametrize("size", [(8, 4100), (4100, 8), (9, 3000), (16, 5000), (8, 400_000), (10, 501)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "GIF"])
def test_a_thin_picture_is_refused_by_name_and_the_others_are_prepared(tmp_path, size, kind):
    if max(size) > 65_000 and kind != "PNG":
        pytest.skip("this format holds no such picture")
    save_good(tmp_path)
    Image.linear_gradient("L").resize(size).convert("RGB").save(tmp_path / "thin", kind)
    dataset = prepare(tmp_path, 64)
    assert reasons(dataset) == {
        "thin": f"too thin: {size[0]}×{size[1]} pixels, the longer side is more than {MAX_RATIO} times the shorter"
    }
    assert len(dataset) == 2


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("size", [(8, 8 * MAX_RATIO), (9 * MAX_RATIO, 9), (50, 50 * MAX_RATIO)])
def test_the_thinnest_accepted_pictures_are_prepared(tmp_path, size, fit):
    save_good(tmp_path)
    Image.linear_gradient("L").resize(size).save(tmp_path / "thin.png")
    dataset = prepare(tmp_path, 64, preparation=Preparation(fit=fit, crops=16 if fit == "crop" else 1))
    assert reasons(dataset) == {}


def test_no_picture_is_enlarged_to_find_its_content(monkeypatch):
    sizes, resize = [], Image.Image.resize

    def recorded(image, size, *rest):
        sizes.append((image.size, size))
        return resize(image, size, *rest)

    monkeypatch.setattr(Image.Image, "resize", recorded)
    strip = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 320, 3), np.uint8))
    focus_position(strip, (0, 0, 320, 8))
    focus_position(Image.new("RGB", (4000, 2)), (0, 0, 4000, 2))
    assert sizes == [((320, 8), (320, 8)), ((4000, 2), (4000, 2))]


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (8, 4100)])
def test_bars_are_searched_in_strips_of_any_width(size):
    strip = np.asarray(Image.linear_gradient("L").resize(size).convert("RGB"))
    assert find_bars(strip).left + find_bars(strip).right < size[0]


def test_an_array_of_thin_pictures_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"must not be thinner than 50 to 1\. Received: shape=\(3, 8, 4100\)"):
        prepare(np.zeros((3, 8, 4100), np.uint8), 16)


def test_whatever_goes_wrong_in_one_file_refuses_this_file(tmp_path, monkeypatch):
    save_good(tmp_path, 3)
    make = single.make_squares

    def fails(picture, box, *rest):
        if picture.getpixel((0, 0)) == tuple(tiny_corner):
            raise ZeroDivisionError("division\nby zero")
        return make(picture, box, *rest)

    with Image.open(tmp_path / "good1.png") as picture:
        tiny_corner = picture.getpixel((0, 0))
    monkeypatch.setattr(single, "make_squares", fails)
    dataset = prepare(tmp_path, 64)
    assert reasons(dataset) == {"good1.png": "cannot be prepared: ZeroDivisionError: division by zero"}


def test_the_thin_picture_of_the_shared_cases(cases):
    dataset = prepare(cases / "thin-picture", 64)
    assert list(reasons(dataset)) == ["thin.png"]
    assert len(dataset) == 2


# --- camera raws and pages ---


def raw(sensor=True, version=True, order="<", big=False, subfile=1, photometric=32803):
    """Return a TIFF with a preview as its first page, and a larger page below it."""
    file = io.BytesIO()
    preview = np.asarray(odd_files.split(160, 120))
    extra = [(50706, "B", 4, (1, 4, 0, 0), True)] if version else []
    pixels = np.arange(400 * 600, dtype=np.uint16).reshape(400, 600)
    with tifffile.TiffWriter(file, byteorder=order, bigtiff=big) as writer:
        writer.write(preview, photometric="rgb", subfiletype=subfile, subifds=1, extratags=extra, metadata=None)
        pixels = np.stack([pixels] * 3, axis=-1) if photometric == 34892 else pixels
        writer.write(pixels, photometric=photometric if sensor else "minisblack", subfiletype=0, metadata=None)
    return file.getvalue()


@pytest.mark.parametrize("name", ["a.dng", "a.tif", "a.jpg", "noname"])
@pytest.mark.parametrize(
    "options",
    [{}, {"version": False}, {"sensor": False}, {"order": ">"}, {"big": True}, {"photometric": 34892}],
    ids=["dng", "no version", "finished dng", "big-endian", "BigTIFF", "linear"],
)
def test_a_camera_raw_is_refused_by_its_tags_under_any_name(tmp_path, name, options):
    save_good(tmp_path)
    (tmp_path / name).write_bytes(raw(**options))
    assert reasons(prepare(tmp_path, 64)) == {name: RAW}


@pytest.mark.parametrize("suffix", ["nef", "NEF", "cr2", "arw", "orf", "rw2", "pef", "srw", "dng", "3fr", "raf"])
def test_a_tiff_with_the_extension_of_a_raw_is_refused(tmp_path, suffix):
    save_good(tmp_path)
    (tmp_path / f"a.{suffix}").write_bytes(raw(sensor=False, version=False))
    assert reasons(prepare(tmp_path, 64)) == {f"a.{suffix}": RAW}


@pytest.mark.parametrize(
    "start",
    [
        b"II*\0\x10\0\0\0CR\x02\0",
        b"\0\0\0\x18ftypcrx \0\0\0\x01",
        b"IIU\0\x18\0\0\0",
        b"IIRO\x08\0\0\0",
        b"IIRS\x08\0\0\0",
        b"MMOR\0\0\0\x08",
        b"FUJIFILMCCD-RAW 0201",
        b"FOVb\0\0\x02\0",
        b"\0MRM\0\0\0\0",
        b"II\x1a\0\0\0HEAPCCDR",
    ],
)
@pytest.mark.parametrize("name", ["a.raw", "a.png", "a"])
def test_a_raw_is_recognised_by_its_first_bytes(tmp_path, start, name):
    save_good(tmp_path)
    (tmp_path / name).write_bytes(start + bytes(range(200)) * 3)
    assert reasons(prepare(tmp_path, 64)) == {name: RAW}


def test_a_jpeg_with_the_extension_of_a_raw_is_used(tmp_path):
    save_good(tmp_path)
    odd_files.split().save(tmp_path / "a.nef", "JPEG")
    assert reasons(prepare(tmp_path, 64)) == {}


def test_raws_are_refused_in_archives_and_as_photographs_and_do_not_count_for_the_typical_side(tmp_path):
    folder = save_good(tmp_path / "folder")
    (folder / "a.dng").write_bytes(raw())
    (folder / "b.dng").write_bytes(raw(order=">"))
    (folder / "c.dng").write_bytes(raw(big=True))
    assert typical_side(folder) == 64
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    assert set(reasons(prepare(tmp_path / "a.zip", 64)).values()) == {RAW}
    with pytest.raises(SourceError, match=f"The photograph cannot be read: {RAW}"):
        prepare_one_photo(folder / "a.dng", 64)


def test_a_plain_tiff_is_no_raw(tmp_path):
    pages = {"save_all": True, "append_images": [odd_files.split()]}
    for n, options in enumerate(({}, {"compression": "tiff_lzw"}, pages)):
        Image.fromarray(tiny.pictures(seed=n)[0]).save(tmp_path / f"{n}.tif", **options)
    dataset = prepare(tmp_path, 16)
    assert (reasons(dataset), len(dataset)) == ({}, 3)


@pytest.mark.parametrize("below", [True, False], ids=["below the first page", "as the second page"])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_the_full_page_of_a_tiff_is_used_and_not_its_reduced_first_page(tmp_path, below, order, big):
    save_good(tmp_path)
    full = np.asarray(Image.fromarray(tiny.pictures(seed=9)[0]).resize((200, 200)))
    with tifffile.TiffWriter(tmp_path / "pages.tif", byteorder=order, bigtiff=big) as writer:
        writer.write(full[::5, ::5] // 2, photometric="rgb", subfiletype=1, subifds=1 if below else None, metadata=None)
        writer.write(full, photometric="rgb", subfiletype=0, metadata=None)
    dataset = prepare(tmp_path, 64)
    (entry,) = (entry for entry in dataset.audit.entries if entry.path == "pages.tif")
    assert (entry.width, entry.height) == (200, 200)
    assert entry.reasons == ("full page of a TIFF used, and not its reduced first page",)
    Image.fromarray(full).save(tmp_path / "pages.tif")
    assert prepare(tmp_path, 64).fingerprint == dataset.fingerprint


def test_a_pyramid_whose_reduced_pages_come_later_is_used_as_it_is(tmp_path):
    save_good(tmp_path)
    full = np.asarray(odd_files.split(200, 200))
    with tifffile.TiffWriter(tmp_path / "pages.tif") as writer:
        writer.write(full, photometric="rgb", subifds=1, metadata=None)
        writer.write(full[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
    (entry,) = (entry for entry in prepare(tmp_path, 64).audit.entries if entry.path == "pages.tif")
    assert (entry.width, entry.reasons) == (200, ())


def test_damaged_raws_are_refused_without_a_traceback(tmp_path):
    draw, content = np.random.default_rng(0), raw(version=False)
    save_good(tmp_path)
    for n in range(40):
        damaged = bytearray(content)
        for place in draw.integers(0, len(content) if n % 2 else 400, 30):
            damaged[place] = draw.integers(256)
        (tmp_path / f"{n:02}.tif").write_bytes(damaged[: draw.integers(10, len(damaged))])
    dataset = prepare(tmp_path, 64)
    assert len(dataset.audit.entries) == 42
    assert all(not reason.startswith("cannot be prepared") for reason in reasons(dataset).values())


def test_the_camera_raws_of_the_shared_cases(cases):
    dataset = prepare(cases / "raw-thumbnail", 64)
    assert reasons(dataset) == {"shot0.dng": RAW, "shot1.dng": RAW}
    assert typical_side(cases / "raw-thumbnail") == 600
