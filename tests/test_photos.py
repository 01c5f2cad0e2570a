"""Tests that need real photographs."""

import json

import numpy as np
import pytest
from PIL import Image

from pippin.pictures import prepare
from pippin.pictures.framing.bars import find_bars


def bars_of(path):
    with Image.open(path) as picture:
        return find_bars(np.asarray(picture.convert("RGB")))


def test_all_messy_photos_are_prepared(photos, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    for path in sorted((photos / "apples-messy").glob("*.jpg"))[::4]:
        (folder / path.name).symlink_to(path)
    dataset = prepare(folder, 32)
    assert len(dataset) == len(list(folder.iterdir()))
    mended = {reason for entry in dataset.audit.entries for reason in entry.reasons}
    assert "wrong extension (named .jpg, but PNG)" in mended
    assert json.loads(json.dumps(dataset.manifest)) == dataset.manifest


# Checked by inspection: a photograph between two white bars, vertical or horizontal.
@pytest.mark.parametrize("name", ["1046.jpg", "1129.jpg", "1174.jpg", "627.jpg", "915.jpg", "1187.jpg"])
def test_white_bars_are_trimmed(photos, name):
    path = photos / "apples" / name
    bars = bars_of(path)
    assert any(bars)
    assert abs(bars.top - bars.bottom) <= 3
    assert abs(bars.left - bars.right) <= 3


# Checked by inspection: whole apples on a white ground.
@pytest.mark.parametrize("name", ["1013.jpg", "1099.jpg", "411.jpg", "25.jpg", "461.jpg", "577.jpg", "299.jpg"])
def test_a_white_ground_is_kept(photos, name):
    assert not any(bars_of(photos / "apples" / name))


def test_bars_are_found_in_the_expected_share_of_a_folder(photos):
    files = sorted((photos / "apples").glob("*.jpg"))[::10]
    trimmed = sum(any(bars_of(path)) for path in files)
    assert 0.50 < trimmed / len(files) < 0.70  # 714 of all 1,203
