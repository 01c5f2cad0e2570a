"""Sheets of a run, reduced for the studio's page."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pippin.errors import RunError
from pippin.runs.snapshots import SNAPSHOT_LATENTS, sheet_side
from pippin.settings import IMAGE_SIZES
from pippin.show import grid
from pippin.studio.sheets import encoded, reduced_sheet


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_a_sheet_is_reduced_to_the_width_asked_for(image_size):
    images = np.broadcast_to(np.uint8(200), (SNAPSHOT_LATENTS, image_size, image_size, 3))
    sheet = grid(images)
    assert sheet.shape == (sheet_side(image_size), sheet_side(image_size), 3)
    reduced = np.asarray(Image.open(io.BytesIO(reduced_sheet(encoded(sheet), 100))))
    assert reduced.shape == (100, 100, 3)
    assert reduced.min() >= 200


def test_a_narrow_sheet_stays_as_it_is():
    contents = encoded(np.zeros((8, 8, 3), np.uint8))
    assert reduced_sheet(contents, 8) is contents


@pytest.mark.parametrize("size", [(sheet_side(IMAGE_SIZES[-1]) + 1,) * 2, (8, 20_000_000)])
def test_a_larger_picture_is_refused_before_it_is_decoded(size):
    file = io.BytesIO()
    Image.new("1", (8, 8)).save(file, "PNG")
    contents = bytearray(file.getvalue())
    width, height = size
    contents[16:24] = struct.pack(">II", width, height)
    contents[29:33] = struct.pack(">I", zlib.crc32(contents[12:29]))
    with pytest.raises(RunError, match=r"too large"):
        reduced_sheet(bytes(contents), 4)


def test_a_damaged_sheet_is_refused():
    contents = encoded(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(RunError, match=r"A picture of the run is damaged"):
        reduced_sheet(contents[:60], 8)
