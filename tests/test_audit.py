"""`pippin audit`: what it says, the page, and the pictures that do not belong."""

import re
import subprocess
import sys

import numpy as np
import odd_files
import pytest
from PIL import Image
from typer.testing import CliRunner

import pippin
from pippin import cli, measure
from pippin.auditing import unlikeness, write_page
from pippin.errors import PippinError
from pippin.pictures.verdicts import size_class


@pytest.fixture
def folder(tmp_path):
    """Sixty soft pictures, a copy, a blank one, a small one and two that cannot be read."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for n in range(60):
        spots = Image.fromarray(draw.integers(0, 256, (6, 6, 3), np.uint8))
        spots.resize((40, 40), Image.Resampling.BICUBIC).save(folder / f"{n:02}.png")
    (folder / "copy.png").write_bytes((folder / "00.png").read_bytes())
    Image.new("RGB", (40, 40), "white").save(folder / "blank.png")
    odd_files.split(20, 20).save(folder / "small.png")
    (folder / "cut.jpg").write_bytes(odd_files.bad_files()["cut.jpg"][0])
    (folder / "<b>letter.txt").write_text("x")
    return folder


@pytest.fixture
def seen(monkeypatch):
    """Features without a network: all nearly as far from each other, but one."""

    def extract(images, network="efficientnet-lite0"):
        features = 1 + np.diag(np.linspace(0.9, 1.1, len(images)))
        features[7] = -1
        return features

    monkeypatch.setattr(measure, "extract", extract)


def test_what_it_says(folder, seen):
    found = pippin.audit(folder, image_size=32)
    assert found.lines() == [
        "65 files: 62 kept, 0 mended, 3 refused",
        "copies: 1 the same as another picture (left out)",
        "odd: 1 blank: nothing is to be seen, 1 smaller than the side asked for: enlarged",
        "refused: <b>letter.txt (not a picture), cut.jpg (truncated: the end of the file is missing)",
        "format: 63 PNG",
        "colour mode: 63 RGB",
        "shorter side: 62 32 to 63, 1 16 to 31",
        "alike: 00.png (the one to keep), copy.png",
        "unlike the others, worth a look: 07.png",
        "62 different pictures: few; expect little more than these again, slightly changed. 1,000 are enough",
    ]
    assert (found.unlike[0][0].path, found.looked_at) == ("07.png", 62)


def test_the_page_opens_without_a_network(folder, tmp_path, seen):
    path = write_page(pippin.audit(folder, image_size=32), tmp_path / "new" / "audit.html")
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<b>letter" not in page
    assert "&lt;b&gt;letter.txt" in page
    for said in (
        "Copies",
        "Unlike the others",
        "Odd",
        "Refused",
        "00.png",
        "exact copy, left out",
        "truncated: the end",
    ):
        assert said in page
    refused = page[page.index("<h2>Refused") :]
    assert refused.count("<img") == 1  # what is left of the truncated photograph; of the letter there is nothing
    assert refused.count('class="nothing"') == 1


def test_without_looking_for_what_does_not_belong_no_engine_is_loaded(folder):
    script = "import sys, pippin; pippin.audit(sys.argv[1], outliers=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    assert "pippin.auditing" in done.stdout.split()
    assert not {"keras", "tensorflow", "jax", "torch"} & set(done.stdout.split())


def test_a_page_that_cannot_be_written(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PippinError, match="The report cannot be written"):
        write_page(pippin.audit(folder, image_size=32, outliers=False), tmp_path / "file" / "audit.html")


def test_unlike_is_who_has_no_neighbours():
    draw = np.random.default_rng(0)
    usual = draw.normal(size=(1, 20)) + 0.3 * draw.normal(size=(200, 20))
    kind = draw.normal(size=(1, 20)) + 0.3 * draw.normal(size=(8, 20))  # a kind of its own, of more than five
    scores = unlikeness(np.concatenate([usual, kind, draw.normal(size=(1, 20))]))
    assert scores.argmax() == 208
    assert scores[208] > 3
    assert scores[200:208].max() < scores[208] / 2
    assert (unlikeness(np.ones((50, 4))) == 0).all()


@pytest.mark.parametrize(
    ("side", "named"), [(64, "64 to 127"), (127, "64 to 127"), (1500, "1,024 to 2,047"), (1, "1 to 1")]
)
def test_size_classes(side, named):
    assert size_class(side) == named


def test_the_command(folder, tmp_path):
    words = ["audit", str(folder), "--image-size", "32", "--quick", "--duplicates", "near", "--fit", "pad"]
    done = CliRunner().invoke(cli.app, [*words, "--background", "black", "--report", str(tmp_path / "audit.html")])
    assert done.exit_code == 0, done.output
    assert "65 files: 62 kept, 0 mended, 3 refused" in done.output
    assert f"The report: {tmp_path / 'audit.html'}" in done.output.replace("\n", "")
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "prepared at 32×32, background black, fit pad, duplicates near<" in page
