import errno
import io
import json
import multiprocessing
import os
import shutil
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pippin.errors import SettingsError, SourceError
from pippin.host.limits import PIXEL_LIMIT
from pippin.pictures import Dataset, prepare, to_float, to_uint8, typical_side
from pippin.pictures.decoding.picture import read_picture
from pippin.pictures.framing.bars import find_bars
from pippin.pictures.framing.squares import Box, crop_boxes
from pippin.pictures.preparing.single import is_blank
from pippin.pictures.refused import Refused
from pippin.pictures.sources import files, open_source
from pippin.pictures.sources.built_in import BUILT_IN_COUNT, BuiltInSource
from pippin.pictures.sources.files import FileSource

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 30), (30, 30, 200), (255, 255, 255)


def noise(width=40, height=40, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def plain(colour, width=40, height=40):
    return Image.new("RGB", (width, height), colour)


def split(width=40, height=40):
    """Red above, blue below."""
    picture = plain(RED, width, height)
    picture.paste(BLUE, (0, height // 2, width, height))
    return picture


@pytest.fixture
def folder(tmp_path):
    """A folder with two good pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise(seed=1).save(folder / "a.png")
    noise(seed=2).save(folder / "b.png")
    return folder


def entries(dataset):
    return {entry.path: entry for entry in dataset.audit.entries}


def pixels(picture):
    return np.asarray(picture).astype(int)


# --- one file ---


def test_a_good_picture_is_kept(folder):
    entry = entries(prepare(folder, 16))["a.png"]
    assert (entry.verdict, entry.reasons, entry.index) == ("kept", (), 0)
    assert entry.bytes == (folder / "a.png").stat().st_size
    assert entry.mtime_ns == (folder / "a.png").stat().st_mtime_ns


def test_sixteen_bit_grey_is_scaled_by_its_range(tmp_path):
    deep = np.full((20, 20), 32896, np.uint16)  # 128 · 257
    deep[0, 0] = 65535
    Image.fromarray(deep).save(tmp_path / "deep.png")
    picture, reasons = read_picture(tmp_path / "deep.png", 999)[:2]
    assert picture.mode == "RGB"
    assert picture.getpixel((5, 5)) == (128, 128, 128)
    assert picture.getpixel((0, 0)) == WHITE
    assert reasons == ["16-bit grey turned into RGB"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 51.0, 255.0], [0, 51, 255]),
        ([-10.0, 0.0, 10.0], [0, 128, 255]),
        ([0, 257, 65535], [0, 1, 255]),
        ([0, 51, 200], [0, 51, 200]),
        ([0, 50_000, 100_000], [0, 128, 255]),
        ([7.0, 7.0, 7.0], [7, 7, 7]),
        ([-7.0, -7.0, -7.0], [0, 0, 0]),
    ],
)
def test_deep_grey_of_any_range(tmp_path, values, expected):
    dtype = np.float32 if isinstance(values[0], float) else np.int32
    Image.fromarray(np.tile(np.array(values, dtype), (9, 3))).save(tmp_path / "deep.tif")
    picture, _ = read_picture(tmp_path / "deep.tif", 999)[:2]
    assert pixels(picture)[0, :3, 0].tolist() == expected


def test_values_that_are_not_finite_are_refused(tmp_path):
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(Refused, match="holds values that are not finite"):
        read_picture(tmp_path / "nan.tif", 999)[:2]


def test_transparency_is_composited_over_white(tmp_path):
    clear = Image.new("RGBA", (20, 20), (*RED, 0))
    clear.paste((*RED, 255), (0, 0, 10, 20))
    clear.save(tmp_path / "rgba.png")
    Image.new("LA", (20, 20), (0, 0)).save(tmp_path / "la.png")
    palette = plain(RED, 20, 20).quantize(4)
    palette.save(tmp_path / "p.png", transparency=palette.getpixel((0, 0)))
    plain(GREEN, 20, 20).save(tmp_path / "key.png", transparency=GREEN)

    picture, reasons = read_picture(tmp_path / "rgba.png", 999)[:2]
    assert (picture.getpixel((5, 5)), picture.getpixel((15, 5))) == (RED, WHITE)
    assert reasons == ["transparency composited over white"]
    for name, mended in (("la", "grey turned into RGB"), ("p", "palette turned into RGB"), ("key", None)):
        picture, reasons = read_picture(tmp_path / f"{name}.png", 999)[:2]
        assert picture.getpixel((5, 5)) == WHITE
        assert reasons == [mended, "transparency composited over white"][mended is None :]


def test_an_opaque_alpha_channel_needs_no_repair(tmp_path):
    Image.new("RGBA", (20, 20), (*RED, 255)).save(tmp_path / "opaque.png")
    picture, reasons = read_picture(tmp_path / "opaque.png", 999)[:2]
    assert (picture.getpixel((5, 5)), reasons) == (RED, [])


@pytest.mark.parametrize(
    ("mode", "name", "reason"),
    [
        ("CMYK", "a.jpg", "CMYK turned into RGB"),
        ("L", "a.jpg", "grey turned into RGB"),
        ("1", "a.png", "black and white turned into RGB"),
        ("P", "a.png", "palette turned into RGB"),
    ],
)
def test_every_colour_mode_is_converted_to_rgb(tmp_path, mode, name, reason):
    picture = split().convert(mode)
    picture.save(tmp_path / name)
    read, reasons = read_picture(tmp_path / name, 999)[:2]
    assert reasons == [reason]
    assert np.abs(pixels(read) - pixels(picture.convert("RGB"))).max() <= 12


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_picture_is_turned_upright(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by a quarter to see it upright
    split(40, 24).save(tmp_path / f"a.{suffix}", exif=exif)
    picture, reasons = read_picture(tmp_path / f"a.{suffix}", 999)[:2]
    assert picture.size == (24, 40)
    assert np.abs(pixels(picture)[20, 20] - RED).max() < 12
    assert np.abs(pixels(picture)[20, 3] - BLUE).max() < 12
    assert reasons == ["turned upright"]


def test_the_content_decides_and_not_the_name(tmp_path):
    split().save(tmp_path / "a.jpg", format="PNG")
    split().save(tmp_path / "b", format="PNG")
    assert read_picture(tmp_path / "a.jpg", 999).reasons == ["wrong extension (named .jpg, but PNG)"]
    assert read_picture(tmp_path / "b", 999).reasons == []


def test_the_first_frame_of_an_animation_is_used(tmp_path):
    plain(RED).save(tmp_path / "a.gif", save_all=True, append_images=[plain(BLUE), plain(GREEN)])
    picture, reasons = read_picture(tmp_path / "a.gif", 999)[:2]
    assert picture.getpixel((5, 5)) == RED
    assert "first frame of an animation used" in reasons


def test_large_jpegs_are_decoded_small(tmp_path):
    split(2400, 1600).save(tmp_path / "large.jpg")
    picture, _ = read_picture(tmp_path / "large.jpg", 128)[:2]
    assert picture.size == (300, 200)  # an eighth, the least that Pillow's decoder offers, and above 128
    split(2400, 1600).save(tmp_path / "large.png")
    picture, _ = read_picture(tmp_path / "large.png", 128)[:2]
    assert picture.size == (200, 133)  # whole blocks of twelve; a row of four pixels is cut off


def broken_files():
    """Name → content and the reason it must be refused with."""
    buffer = io.BytesIO()
    noise(200, 200).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    buffer = io.BytesIO()
    noise(200, 200).save(buffer, "PNG")
    png = buffer.getvalue()
    buffer = io.BytesIO()
    plain(RED, 30, 5).save(buffer, "PNG")
    return {
        "cut.jpg": (jpeg[: len(jpeg) // 2], "truncated: the end of the file is missing"),
        "cut.png": (png[: len(png) // 2], "truncated: the end of the file is missing"),
        "stub.jpg": (jpeg[:2] + b"\xff", "damaged: its beginning cannot be read"),
        "empty.jpg": (b"", "the file is empty"),
        "garbage.png": (bytes(range(7, 200)), "not a picture"),
        "notes.txt": (b"Buy apples.", "not a picture"),
        "table.csv": (b"name,price\napple,3\n", "not a picture"),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "damaged: its beginning cannot be read"),
        "line.png": (buffer.getvalue(), "too small: 30×5 pixels, the least is 8×8"),
    }


@pytest.mark.parametrize("name", broken_files())
def test_broken_files_are_refused_with_a_reason(tmp_path, name):
    content, reason = broken_files()[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused) as refusal:
        read_picture(tmp_path / name, 999)[:2]
    assert str(refusal.value).startswith(reason)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as `prepare` does
@pytest.mark.parametrize(("height", "size"), [(3_100, "30000×3100 is more"), (6_200, "more")])
def test_a_decompression_bomb_is_refused(tmp_path, height, size):
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, height, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "bomb.png").write_bytes(bomb + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    with pytest.raises(Refused) as refusal:
        read_picture(tmp_path / "bomb.png", 999)[:2]
    assert str(refusal.value) == f"too large: {size} than {PIXEL_LIMIT:,} pixels"


# --- a folder ---


def test_bad_files_are_counted_and_named_but_never_fatal(folder):
    for name, (content, _) in broken_files().items():
        (folder / name).write_bytes(content)
    dataset = prepare(folder, 16)
    assert len(dataset) == 2
    assert dataset.audit.counts == {"kept": 2, "mended": 0, "refused": 9}
    for name, (_, reason) in broken_files().items():
        entry = entries(dataset)[name]
        assert (entry.verdict, entry.index) == ("refused", None)
        assert entry.reasons[0].startswith(reason)
    lines = dataset.summary().splitlines()
    assert lines[0] == "11 files: 2 kept, 0 mended, 9 refused"
    assert lines[1].startswith("refused: cut.jpg (truncated: the end of the file is missing), ")
    assert lines[1].endswith(" and 4 more")


def test_subfolders_hidden_files_and_unusual_names(folder):
    (folder / "within").mkdir()
    (folder / ".hidden").mkdir()
    for name in ("within/c.png", "Ä b\n'\".png", ".hidden/d.png", ".e.png"):
        noise(seed=len(name)).save(folder / name)
    noise(seed=9).save(os.fsdecode(os.fsencode(folder) + b"/\xff.png"), "PNG")
    (folder / "bad\n.txt").write_text("x")
    dataset = prepare(folder, 16)
    assert list(entries(dataset)) == ["a.png", "b.png", "bad\n.txt", "within/c.png", "Ä b\n'\".png", "\udcff.png"]
    assert r"bad\n.txt (not a picture)" in dataset.summary()
    dataset.summary().encode()
    assert prepare(folder, 16).fingerprint == dataset.fingerprint


def test_a_loop_of_links_ends(folder):
    (folder / "loop").symlink_to(folder)
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    dataset = prepare(folder, 16)
    assert list(entries(dataset)) == ["a.png", "b.png", "gone.png"]
    assert entries(dataset)["gone.png"].reasons == ("a broken link",)


def test_a_pipe_does_not_block(folder):
    os.mkfifo(folder / "pipe")
    assert entries(prepare(folder, 16))["pipe"].reasons == ("not a file but a pipe, socket or device",)


def test_an_array_file_and_an_array_in_memory(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (5, 20, 20, 3), np.uint8)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", images=array, labels=np.arange(5))
    datasets = [prepare(source, 16) for source in (array, tmp_path / "a.npy", str(tmp_path / "a.npz"))]
    assert len({dataset.fingerprint for dataset in datasets}) == 1
    assert datasets[1].name == "a"
    assert datasets[0].summary().splitlines()[0] == "5 pictures: 5 kept, 0 mended, 0 refused"


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_float_arrays(low):
    levels = np.array([0, 100, 255], np.uint8)
    array = np.ones((3, 16, 16, 1), np.float32) * (levels / 255 * (1 - low) + low)[:, None, None, None]
    assert prepare(array, 16).images[:, 3, 3].tolist() == [[level] for level in levels]


@pytest.mark.parametrize("shape", [(2, 16, 16), (2, 16, 16, 1), (2, 16, 16, 3), (2, 16, 16, 4)])
def test_array_shapes(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images = prepare(array, 16).images
    if shape[3:] == (4,):
        alpha = array[..., 3:] / 255
        expected = array[..., :3] * alpha + 255 * (1 - alpha)
    else:
        expected = np.broadcast_to(array.reshape((2, 16, 16, -1)), images.shape)
    assert np.abs(images - expected).max() <= 1


def test_the_built_in_apples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = open_source("apples")
    assert isinstance(source, BuiltInSource)
    assert len(source.items) == BUILT_IN_COUNT == 2048
    monkeypatch.setattr("pippin.pictures.sources.built_in.BUILT_IN_COUNT", 3)
    from pippin.pictures.built_in import render_apples

    assert (prepare("apples", 16).images == render_apples(3, 16)).all()


def test_a_folder_called_apples_takes_precedence(tmp_path, monkeypatch, folder):
    folder.rename(tmp_path / "apples")
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_source("apples"), FileSource)
    assert isinstance(open_source("./apples"), FileSource)
    monkeypatch.chdir("/")
    with pytest.raises(SourceError, match=r"no such folder; check its spelling\. Received: source='./apples'"):
        open_source("./apples")


# --- errors ---


@pytest.mark.parametrize("size", [48, 8, 1024, 0, -64])
def test_image_size_must_be_a_power_of_two(folder, size):
    with pytest.raises(SettingsError) as error:
        prepare(folder, size)
    assert str(error.value) == f"image_size must be a power of two from 16 to 512. Received: image_size={size}"


def test_unusable_sources_are_explained(tmp_path, folder):
    def message(source):
        with pytest.raises(SourceError) as error:
            prepare(source, 16)
        assert "\n" not in str(error.value)
        return str(error.value)

    empty = tmp_path / "empty"
    empty.mkdir()
    assert message(tmp_path / "none").startswith("There is no such folder; check its spelling. Received: source=")
    assert message(empty).startswith("The folder is empty; put at least two pictures into it.")
    assert message(folder / "a.png").startswith(
        "This is a single file, but not an archive, an array or a list of paths; give the folder"
    )
    assert "Received: source=7 of type int" in message(7)
    (empty / "notes.txt").write_text("x")
    assert message(empty).endswith("with 1 file: notes.txt (not a picture)")
    noise().save(empty / "a.png")
    assert message(empty).startswith("At least two different pictures are needed")
    assert message(empty).endswith("with 2 files: one picture")
    noise().save(empty / "b.png")
    assert message(empty).endswith("with 3 files: 2 pictures, all the same")
    (empty / "a.npy").write_bytes(b"nonsense")
    assert message(empty / "a.npy").startswith("This is not an array that NumPy can read")
    np.savez(empty / "a.npz", x=np.zeros(2), y=np.zeros(2))
    assert message(empty / "a.npz").endswith("with x, y")


@pytest.mark.parametrize(
    ("array", "received"),
    [
        (np.zeros((4, 4)), "shape=(4, 4)"),
        (np.zeros((4, 16, 16, 2), np.uint8), "shape=(4, 16, 16, 2)"),
        (np.zeros((4, 3, 16, 16), np.uint8), "shape=(4, 3, 16, 16)"),
        (np.zeros((4, 16, 16), np.int64), "dtype=int64"),
        (np.array(5), "shape=()"),
        (np.full((4, 16, 16), np.nan), "a value that is NaN or infinite among pictures 0 to 3"),
        (np.full((4, 16, 16), 200.0), "values from 0 to 200"),
        (np.zeros((0, 16, 16), np.uint8), "with 0 pictures"),
        (np.zeros((4, 16, 16), np.uint8), "with 4 pictures: 4 pictures, all the same"),
    ],
)
def test_arrays_that_do_not_do(array, received):
    with pytest.raises(SourceError) as error:
        prepare(array, 16)
    assert str(error.value).partition("Received: ")[2].endswith(received)


def test_nothing_is_left_behind_after_an_error(tmp_path, cache):
    noise().save(tmp_path / "only.png")
    with pytest.raises(SourceError):
        prepare(tmp_path, 16)
    assert [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_cache_below_a_file_cannot_be_written(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"cannot be written .*; name another folder in PIPPIN_CACHE"):
        prepare(folder, 16, cache=tmp_path / "file")


# --- errors of the system ---


def tree(cache):
    """Path → content of every file of the cache, except for the locks."""
    return {path: path.read_bytes() for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"}


def failing(function, number, name=None):
    """Return a function that raises an OSError of this number, for one file name only if it is given."""

    def fails(path, *arguments, **options):
        if name in (None, Path(path).name):
            raise OSError(number, os.strerror(number), str(path))
        return function(path, *arguments, **options)

    return fails


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_a_cache_that_cannot_be_read_now_is_kept(folder, cache, monkeypatch, number):
    first = prepare(folder, 16)
    before = tree(cache)
    with monkeypatch.context() as patch:
        patch.setattr("pippin.pictures.dataset.np.load", failing(np.load, number))
        with pytest.raises(SourceError) as error:
            prepare(folder, 16)
    assert str(error.value).startswith(f"The prepared pictures cannot be read ({os.strerror(number)}); nothing was")
    assert str(error.value).endswith(f"Received: {first.stored.filename}")
    assert tree(cache) == before
    monkeypatch.setattr("pippin.pictures.sources.files.read_picture", lambda *_: pytest.fail("decoded again"))
    assert prepare(folder, 16).fingerprint == first.fingerprint


def test_an_earlier_state_that_cannot_be_read_now_is_kept(folder, cache, monkeypatch):
    prepare(folder, 16)
    before = tree(cache)
    noise(seed=3).save(folder / "c.png")
    monkeypatch.setattr("pippin.pictures.dataset.np.load", failing(np.load, errno.EMFILE))
    with pytest.raises(SourceError, match=r"The prepared pictures cannot be read \(Too many open files\)"):
        prepare(folder, 16)
    assert tree(cache) == before


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ESTALE])
def test_a_source_that_cannot_be_read_now_is_named_and_not_recorded_as_damaged(folder, monkeypatch, number):
    read, steps = files.read_picture, []
    with monkeypatch.context() as patch:
        patch.setattr("pippin.pictures.decoding.picture.Image.open", failing(Image.open, number, "b.png"))
        with pytest.raises(SourceError) as error:
            prepare(folder, 16)
    assert str(error.value).startswith("Too many pictures could not be read now (1 of 2 files); check the drive and")
    assert str(error.value).endswith(f"with b.png (could not be read now: {os.strerror(number)})")
    monkeypatch.setattr(files, "read_picture", lambda path, *rest: (steps.append(path.name), read(path, *rest))[1])
    assert prepare(folder, 16).audit.counts == {"kept": 2, "mended": 0, "refused": 0}
    assert steps == ["b.png"]  # the preparation was resumed


def test_a_stamp_that_cannot_be_read_is_not_blamed_on_the_cache(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((2, 16, 16), np.uint8))
    source = open_source(tmp_path / "a.npy")
    monkeypatch.setattr(source, "stamp", lambda: (tmp_path / "gone.npy").stat())
    with pytest.raises(SourceError, match=r"The pictures cannot be read \(No such file.*Received: .*gone\.npy"):
        prepare(source, 16)


def test_a_file_that_is_deleted_meanwhile_is_refused(folder, monkeypatch):
    noise(seed=3).save(folder / "c.png")
    read = files.read_picture

    def deletes(path, *rest):
        decoded = read(path, *rest)
        if path.name == "b.png":
            path.unlink()
        return decoded

    monkeypatch.setattr(files, "read_picture", deletes)
    assert entries(prepare(folder, 16))["b.png"].reasons == ("deleted since the folder was listed",)


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "name another folder in PIPPIN_CACHE"), (errno.EMFILE, "close other")],
)
def test_an_error_of_writing_names_the_cache(folder, cache, monkeypatch, number, advice):
    def full(journal, entry, squares):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pippin.pictures.preparing.journal.Journal.add", full)
    with pytest.raises(SourceError) as error:
        prepare(folder, 16)
    assert str(error.value).startswith(f"The prepared pictures cannot be written ({os.strerror(number)}); {advice}")
    assert str(cache) in str(error.value)


def test_an_error_of_the_progress_callback_is_not_changed(folder):
    def closed(done, total):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        prepare(folder, 16, progress=closed)


def test_a_temporary_error_in_an_archive_is_not_recorded_as_damage(folder, tmp_path, monkeypatch):
    def fails(archive, *arguments):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    archive = shutil.make_archive(str(tmp_path / "set"), "zip", folder)
    with monkeypatch.context() as patch:
        patch.setattr("pippin.pictures.sources.archives.zipfile.ZipFile.open", fails)
        with pytest.raises(SourceError, match=r"Too many pictures could not be read now \(2 of 2 files\)"):
            prepare(archive, 16)
    assert prepare(archive, 16).audit.counts == {"kept": 2, "mended": 0, "refused": 0}


# --- opened sources ---


@pytest.mark.parametrize("source", ["folder", "apples"])
def test_an_opened_source_is_used_as_it_is(folder, monkeypatch, source):
    monkeypatch.setattr("pippin.pictures.sources.built_in.BUILT_IN_COUNT", 3)
    opened = open_source(folder if source == "folder" else "apples")
    assert open_source(opened) is opened
    assert typical_side(opened) == (40 if source == "folder" else None)
    assert prepare(opened, 16).fingerprint == prepare(opened.location, 16).fingerprint


# --- bars and squares ---


def barred(picture, colour, left=0, top=0, right=0, bottom=0):
    framed = plain(colour, picture.width + left + right, picture.height + top + bottom)
    framed.paste(picture, (left, top))
    buffer = io.BytesIO()
    framed.save(buffer, "JPEG", quality=70)
    with Image.open(buffer) as saved:
        return np.asarray(saved.convert("RGB"))


@pytest.mark.parametrize("colour", [WHITE, (0, 0, 0), (90, 120, 200)])
@pytest.mark.parametrize("scale", [1, 9])
def test_bars_in_pairs_are_trimmed(colour, scale):
    photo = split(100, 70).resize((100 * scale, 70 * scale))
    bars = find_bars(barred(photo, colour, top=20 * scale, bottom=20 * scale))
    assert 20 * scale <= bars.top <= 23 * scale
    assert 20 * scale <= bars.bottom <= 23 * scale
    assert (bars.left, bars.right) == (0, 0)
    bars = find_bars(barred(photo, colour, left=15 * scale, right=15 * scale))
    assert 15 * scale <= bars.left <= 18 * scale
    assert (bars.top, bars.bottom) == (0, 0)


def test_the_margins_of_an_object_on_a_plain_ground_are_kept():
    picture = plain(WHITE, 104, 128)
    ImageDraw.Draw(picture).ellipse((12, 24, 92, 104), fill=RED)
    assert not any(find_bars(np.asarray(picture)))


def test_a_bar_beside_a_white_sky_is_found_by_the_opposite_bar():
    photo = split(104, 80)
    photo.paste(WHITE, (0, 0, 104, 40))  # the sky, so that no edge shows above
    ImageDraw.Draw(photo).ellipse((22, 5, 82, 70), fill=GREEN)
    bars = find_bars(barred(photo, WHITE, top=24, bottom=24))
    assert bars.bottom == pytest.approx(25, abs=1)
    assert bars.top == pytest.approx(24, abs=1)


def test_bars_are_kept_if_little_would_remain():
    assert not any(find_bars(barred(split(100, 20), WHITE, top=40, bottom=40)))
    assert not any(find_bars(np.asarray(plain(WHITE, 50, 50))))


def test_a_picture_without_bars_is_untouched():
    assert not any(find_bars(np.asarray(noise())))


def test_trimmed_bars_count_as_mended_and_are_gone(folder):
    Image.fromarray(barred(split(100, 60), WHITE, top=20, bottom=20)).save(folder / "c.png")
    dataset = prepare(folder, 16)
    entry = entries(dataset)["c.png"]
    assert entry.verdict == "mended"
    assert entry.reasons[0].startswith("padding bars trimmed (2")
    assert dataset.images[entry.index].max() < 240
    assert "mended: 1 padding bars trimmed" in dataset.summary()


def test_a_picture_with_large_bars_is_decoded_at_a_larger_scale(tmp_path):
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    for n in range(2):  # at an eighth of the size, which would suffice without bars, the stripes vanish
        stripes[420:780] = 80 + 170 * ((np.arange(1200) + n) // 6 % 2)[None, :, None]
        Image.fromarray(stripes).save(tmp_path / f"{n}.jpg")
    dataset = prepare(tmp_path, 64)
    assert all("211 top" in entry.reasons[0] for entry in dataset.audit.entries)  # of 600 lines
    assert dataset.images[0].std() > 40


@pytest.mark.parametrize("turn", [1, 3])
def test_partial_pixels_of_a_reduced_scale_are_cut_off(tmp_path, turn):
    ramp = (np.arange(1039) // 8).astype(np.uint8)
    picture = Image.fromarray(np.broadcast_to(ramp[None, :, None], (1031, 1039, 3)))
    exif = Image.Exif()
    exif[0x0112] = turn
    picture.rotate(0 if turn == 1 else 180).save(tmp_path / "a.jpg", quality=100, exif=exif)
    line = pixels(read_picture(tmp_path / "a.jpg", 128)[0])[64, :, 0]
    expected = np.arange(129) if turn == 1 else np.arange(1039)[7:].reshape(129, 8).mean(axis=1) // 8
    assert np.abs(line - expected).max() <= 2


@pytest.mark.parametrize("box", [Box(0, 0, 10, 10), Box(0, 0, 400, 100), Box(3, 5, 13, 46)])
def test_a_single_crop_is_in_the_middle(box):
    square = crop_boxes(box, 1)[0]
    side = box.shorter_side
    assert (square.right - square.left, square.bottom - square.top) == (side, side)
    assert abs((square.left - box.left) - (box.right - square.right)) <= 1
    assert abs((square.top - box.top) - (box.bottom - square.bottom)) <= 1


# --- the dataset ---


def test_prepared_pictures_are_mapped_from_disk(folder, cache):
    dataset = prepare(folder, 32)
    (file,) = cache.rglob("pictures.npy")
    images = np.load(file, mmap_mode="r")
    assert isinstance(dataset.images, np.memmap)
    assert (images.shape, images.dtype) == ((2, 32, 32, 3), np.uint8)
    manifest = json.loads((file.parent / "manifest.json").read_text())
    assert manifest == {**dataset.manifest, "files": [entry.to_json() for entry in dataset.files]}
    assert manifest["files"][1]["path"] == "b.png"
    assert (dataset.name, dataset.image_size, len(dataset)) == ("pictures", 32, 2)
    assert [path.name for path in file.parent.parent.iterdir()] == [file.parent.name]


def test_a_new_dataset_equals_the_reopened_one(folder):
    new = prepare(folder, 16)
    read = Dataset.open(Path(new.stored.filename).parent)
    assert list(new.files) == list(read.files)
    assert (new.manifest, new.fingerprint) == (read.manifest, read.fingerprint)
    assert np.array_equal(new.stored, read.stored)


def test_a_preparation_is_reused_until_something_changes(folder, cache, monkeypatch):
    steps = []
    first = prepare(folder, 16, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    with monkeypatch.context() as patch:
        patch.setattr("pippin.pictures.sources.files.read_picture", lambda *_: pytest.fail("decoded again"))
        assert prepare(folder, 16).fingerprint == first.fingerprint
    assert prepare(folder, 32).fingerprint != first.fingerprint

    os.utime(folder / "a.png", (1, 1))
    assert prepare(folder, 16).fingerprint == first.fingerprint  # read again, but the same pictures
    noise(seed=7).save(folder / "a.png")
    assert prepare(folder, 16).fingerprint != first.fingerprint
    (folder / "c.txt").write_text("x")
    assert len(prepare(folder, 16).audit.entries) == 3
    assert len(list(cache.rglob("pictures.npy"))) == 3  # all earlier states but the last were cleared away


@pytest.mark.parametrize("file", ["pictures.npy", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_a_damaged_cache_is_prepared_again(folder, cache, file, content):
    first = prepare(folder, 16).fingerprint
    (path,) = cache.rglob(file)
    path.unlink() if content is None else path.write_bytes(content)
    assert prepare(folder, 16).fingerprint == first


def prepare_elsewhere(folder, cache):
    return prepare(folder, 16, cache=cache).fingerprint


def test_two_processes_prepare_the_same_folder_once(folder, tmp_path):
    for seed in range(30):
        noise(seed=seed).save(folder / f"{seed}.png")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(prepare_elsewhere, [(folder, tmp_path / "shared")] * 4)
    assert found == [prepare(folder, 16).fingerprint] * 4
    assert len(list((tmp_path / "shared").rglob("*.npy"))) == 1


def test_pictures_stream_to_disk(tmp_path):
    array = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (1200, 64, 64, 3))
    for n in range(len(array)):
        array[n] = np.random.default_rng(n).integers(0, 256, (64, 64, 3), np.uint8)
    tracemalloc.start()
    dataset = prepare(tmp_path / "a.npy", 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(dataset) == 1200
    assert peak < dataset.images.nbytes / 2


def test_pictures_and_manifest_must_belong_together(folder):
    dataset = prepare(folder, 16)
    with pytest.raises(ValueError, match="pictures and manifest differ"):
        Dataset(dataset.images[:1], dataset.manifest, dataset.files)


# --- uint8 and float ---


def test_every_level_survives_the_conversion_to_float_and_back():
    levels = np.arange(256, dtype=np.uint8)
    floats = to_float(levels)
    assert floats.dtype == np.float32
    assert (floats[0], floats[255]) == (-1, 1)
    assert (to_uint8(floats) == levels).all()


def test_to_uint8_rounds_and_clips():
    assert to_uint8(np.array([-3.0, -1.0, 0.0039, 0.0041, 1.0, 7.0])).tolist() == [0, 0, 128, 128, 255, 255]


@pytest.mark.parametrize("side", [16, 64, 128])
def test_a_picture_is_blank_if_less_than_a_five_hundredth_of_its_pixels_is_visible(side):
    draw = np.random.default_rng(side)
    limit = int(np.ceil(0.002 * side * side))  # this many visible pixels are enough, one less is not
    for spread in (0, 5, 16, 17, 40):
        for spots in (0, limit - 1, limit, 3 * limit):
            pixels = np.full((side * side, 3), 100, np.uint8)
            pixels[: side * side // 3, 1] += spread
            pixels[draw.permutation(side * side)[:spots]] = draw.integers(180, 256, 3)
            expected = spread <= 16 and spots < limit
            assert is_blank(draw.permutation(pixels).reshape(side, side, 3)) == expected, (spread, spots)
