"""What needs real photographs."""

import json

import numpy as np
import pytest
from PIL import Image

from pippin.pictures import prepare
from pippin.pictures.bars import find_bars


def bars_of(path):
    with Image.open(path) as picture:
        return find_bars(np.asarray(picture.convert("RGB")))


def test_messy_photos_all_become_pictures(photos, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    for path in sorted((photos / "apples-messy").glob("*.jpg"))[::4]:
        (folder / path.name).symlink_to(path)
    dataset = prepare(folder, 32)
    assert len(dataset) == len(list(folder.iterdir()))
    mended = {reason for entry in dataset.audit.entries for reason in entry.reasons}
    assert "wrong extension (named .jpg, but PNG)" in mended
    assert json.loads(json.dumps(dataset.manifest)) == dataset.manifest


# Seen by eye: a full-bleed photograph between two white bars, upright and lying.
@pytest.mark.parametrize("name", ["1046.jpg", "1129.jpg", "1174.jpg", "627.jpg", "915.jpg", "1187.jpg"])
def test_white_bars_are_trimmed(photos, name):
    path = photos / "apples" / name
    bars = bars_of(path)
    assert any(bars)
    assert abs(bars.top - bars.bottom) <= 3
    assert abs(bars.left - bars.right) <= 3


# Seen by eye: whole apples on a white ground.
@pytest.mark.parametrize("name", ["1013.jpg", "1099.jpg", "411.jpg", "25.jpg", "461.jpg", "577.jpg", "299.jpg"])
def test_white_ground_stays(photos, name):
    assert not any(bars_of(photos / "apples" / name))


def test_bars_of_the_whole_folder(photos):
    files = sorted((photos / "apples").glob("*.jpg"))[::10]
    trimmed = sum(any(bars_of(path)) for path in files)
    assert 0.50 < trimmed / len(files) < 0.70  # 714 of all 1,203
