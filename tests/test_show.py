import numpy as np
import pytest
from PIL import Image

from pippin.errors import PippinError, SettingsError
from pippin.show import GAP, grid, save_picture, timeline
from pippin.show.timeline import TEXT


def plain(count, height=3, width=5):
    """Return images of one colour each: uint8 (count, height, width, 3), image n filled with n + 1."""
    colours = np.arange(1, count + 1, dtype=np.uint8)
    return np.broadcast_to(colours[:, None, None, None], (count, height, width, 3))


def test_a_grid_is_filled_row_by_row():
    sheet = grid(plain(5), columns=2)
    expected = np.full((3 * 3 + 2 * GAP, 2 * 5 + GAP, 3), 255, np.uint8)
    for n, (top, left) in enumerate([(0, 0), (0, 7), (5, 0), (5, 7), (10, 0)]):
        expected[top : top + 3, left : left + 5] = n + 1
    np.testing.assert_array_equal(sheet, expected)
    assert sheet.dtype == np.uint8


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (5, 3, 2), (9, 3, 3), (64, 8, 8)])
def test_a_grid_is_as_square_as_possible_by_default(count, columns, rows):
    assert grid(plain(count)).shape == (rows * (3 + GAP) - GAP, columns * (5 + GAP) - GAP, 3)


def test_a_grid_of_one_image_is_that_image():
    np.testing.assert_array_equal(grid(plain(1)), plain(1)[0])


def test_a_saved_picture_has_the_same_pixels_and_missing_folders_are_created(tmp_path):
    sheet = grid(plain(5))
    path = save_picture(sheet, tmp_path / "new" / "folder" / "sheet.png")
    assert path == tmp_path / "new" / "folder" / "sheet.png"
    np.testing.assert_array_equal(np.asarray(Image.open(path)), sheet)


@pytest.mark.parametrize("name", ["a.PNG", "a.jpg", "a.webp"])
def test_the_suffix_determines_the_format(tmp_path, name):
    path = save_picture(np.zeros((8, 8, 3), np.uint8), tmp_path / name)
    expected = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}[path.suffix.lower()]
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == (expected, (8, 8))


@pytest.mark.parametrize("name", ["a.xyz", "a", "png"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match=r"must end in one of \.png, \.jpg, \.webp\. Received: .*" + name):
        save_picture(np.zeros((8, 8, 3), np.uint8), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(PippinError, match=r"The picture cannot be written: .*Received: .*a.png"):
        save_picture(np.zeros((8, 8, 3), np.uint8), tmp_path / "file" / "a.png")


def test_a_failed_write_leaves_no_temporary_file(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(PippinError, match="The picture cannot be written"):
        save_picture(np.zeros((8, 8, 3), np.uint8), tmp_path / "a.png")
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def test_the_old_picture_survives_a_failed_write(tmp_path, monkeypatch):
    old = save_picture(plain(1)[0], tmp_path / "a.png")

    def fail_halfway(self, target, *args, **kwargs):
        target.write_bytes(b"\x89PNG half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail_halfway)
    with pytest.raises(PippinError, match="No space left on device"):
        save_picture(plain(2)[1], old)
    np.testing.assert_array_equal(np.asarray(Image.open(old)), plain(1)[0])
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def columns_of(picture):
    """Return where the image columns of a timeline begin and end, found from the pixels that are not white."""
    dark = (np.asarray(picture)[TEXT + 8 :] != 255).any(axis=(0, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], dark.view(np.int8), [0]])))
    return edges.reshape(-1, 2)


def test_a_timeline_has_a_labelled_column_for_each_snapshot_in_order():
    sheets = {5000: plain(64, 80, 80) + 100, 0: plain(64, 80, 80), 50: plain(64, 80, 80) + 50}
    picture = timeline(sheets, rows=3)
    pixels = np.asarray(picture)
    assert picture.mode == "RGB"
    wide, high = 2 * 80 + GAP, 3 * (80 + GAP) - GAP
    gutter = 6 * GAP
    assert picture.size == (3 * (wide + gutter) + gutter, TEXT + 8 + high + gutter)
    header = TEXT + 8
    for n, first in enumerate((1, 51, 101)):
        left = gutter + n * (wide + gutter)
        sheet = pixels[header : header + high, left : left + wide]
        np.testing.assert_array_equal(sheet, grid(plain(6, 80, 80) + (first - 1), columns=2))
        caption = pixels[:header, left : left + wide]
        assert (caption < 128).any(), "each column has a label"
    assert (pixels[:header, :gutter] == 255).all()


def test_the_labels_of_a_timeline_of_small_images_do_not_overlap():
    picture = timeline({0: plain(64, 16, 16), 1_000_000: plain(64, 16, 16)})
    pixels = np.asarray(picture)
    starts = [int(start) for start, end in columns_of(picture)][::2]  # two images in each row of a column
    assert len(starts) == 2
    labels = (pixels[: TEXT + 8] < 128).any(axis=(0, 2))
    assert labels[: starts[1] - 1].any()
    assert not labels[starts[1] - 3 * GAP : starts[1]].any(), "the labels do not overlap"
    assert labels[starts[1] :].any()


def test_the_labels_of_a_timeline_are_batch_numbers():
    from pippin.show.timeline import label

    assert [label(batch) for batch in (0, 50, 5000, 1_000_000)] == [
        "batch 0",
        "batch 50",
        "batch 5,000",
        "batch 1,000,000",
    ]


def test_labels_are_below_the_unchanged_images():
    images = plain(3, 40, 40) + 100
    sheet = grid(images, columns=3, labels=["1", "22", "333"])
    height, width = sheet.shape[:2]
    assert (height, width) == (40 + 15, 3 * 42 - GAP)
    for n in range(3):
        left = n * 42
        np.testing.assert_array_equal(sheet[:40, left : left + 40], images[n])
        assert (sheet[40:, left : left + 40] < 128).any(), "each has a label"
    ink = [(sheet[40:, n * 42 : n * 42 + 40] < 128).sum() for n in range(3)]
    assert ink == sorted(ink)


def test_columns_are_as_wide_as_the_widest_label():
    sheet = grid(plain(2, 16, 16), columns=2, labels=["1", "9223372036854775807"])
    wide = (sheet.shape[1] - GAP) // 2
    assert wide > 100
    assert (sheet[:, wide : wide + GAP] == 255).all()
    np.testing.assert_array_equal(sheet[:16, (wide - 16) // 2 : (wide - 16) // 2 + 16], plain(1, 16, 16)[0])
    assert (sheet[16:, wide + GAP :] < 128).any(axis=(0, 2)).sum() > 60, "all digits are visible"
