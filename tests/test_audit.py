"""`pippin audit`: its summary, its report and the search for outliers."""

import os
import re
import socket
import subprocess
import sys

import numpy as np
import odd_files
import pytest
import test_sources
from PIL import Image
from typer.testing import CliRunner

import pippin
from pippin import cli, measure
from pippin.auditing import outlier_scores, write_page
from pippin.errors import PippinError
from pippin.pictures.entries import size_class


@pytest.fixture
def folder(tmp_path):
    """Return a folder of 60 soft pictures, a copy, a blank one, a small one and two unreadable files."""
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
def fake_features(monkeypatch):
    """Replace the feature network. All features are nearly equidistant, except those of picture 7."""

    def extract(images, network="efficientnet-lite0"):
        features = 1 + np.diag(np.linspace(0.9, 1.1, len(images)))
        features[7] = -1
        return features

    monkeypatch.setattr(measure, "extract", extract)


def test_the_summary_names_refused_files_duplicates_and_outliers(folder, fake_features):
    found = pippin.audit(folder, image_size=32)
    assert found.lines() == [
        "65 files: 62 kept, 0 mended, 3 refused",
        "copies: 1 the same as another picture (left out)",
        "unusual: 1 blank: nearly all of it has one colour, 1 smaller than the image size: enlarged",
        "refused: <b>letter.txt (not a picture), cut.jpg (truncated: the end of the file is missing)",
        "format: 63 PNG",
        "colour mode: 63 RGB",
        "shorter side: 62 32 to 63, 1 16 to 31",
        "duplicates: 00.png (the one to keep), copy.png",
        "outliers, worth checking: 07.png",
        "62 different pictures: few; generated pictures will mostly repeat these. 1,000 are enough",
    ]
    assert (found.outliers[0][0].path, found.compared) == ("07.png", 62)


def test_the_report_is_self_contained(folder, tmp_path, fake_features):
    path = write_page(pippin.audit(folder, image_size=32), tmp_path / "new" / "audit.html")
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<b>letter" not in page
    assert "&lt;b&gt;letter.txt" in page
    for text in (
        "Duplicates",
        "Outliers",
        "62 pictures were compared",
        "Warnings",
        "Refused",
        "00.png",
        "exact copy, left out",
        "truncated: the end",
    ):
        assert text in page
    refused = page[page.index("<h2>Refused") :]
    assert refused.count("<img") == 1  # the truncated photograph has a thumbnail, the text file has none
    assert refused.count('class="nothing"') == 1


@pytest.mark.parametrize("make", ["zip", "tar"])
def test_the_report_shows_nothing_that_is_not_in_the_source(tmp_path, make):
    private = tmp_path / "private.png"
    odd_files.split(40, 40).save(private)
    contents = {"a.png": odd_files.encoded(odd_files.split(32, 32), "PNG")}
    contents["b.png"] = odd_files.encoded(odd_files.split(32, 32).rotate(90), "PNG")
    contents |= {str(private): b"x", "../private.png": b"x", f"/..{private}": b"x"}
    contents["cut.jpg"] = odd_files.bad_files()["cut.jpg"][0]
    archive = tmp_path / f"set.{make}"
    (test_sources.zipped if make == "zip" else test_sources.tarred)(archive, contents)
    page = write_page(pippin.audit(archive, image_size=16, outliers=False), tmp_path / "audit.html").read_text("utf-8")
    refused = page[page.index("<h2>Refused") :]
    assert refused.count("<tr>") == 4
    assert refused.count("<img") == 1  # that of cut.jpg, from the archive
    assert refused.index("cut.jpg") > refused.index("<img")


def test_a_pipe_and_a_socket_in_a_folder_do_not_block_the_report(folder, tmp_path):
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(folder)  # the path of a socket must be short
        try:
            listener.bind("socket.jpg")
        finally:
            os.chdir(before)
        (folder / "device.png").symlink_to("/dev/zero")
        inspection = pippin.audit(folder, image_size=16, outliers=False)
        write_page(inspection, tmp_path / "audit.html")
    named = {entry.path for entry in inspection.dataset.audit.refused if "pipe, socket or device" in entry.reasons[0]}
    assert named == {"pipe.png", "socket.jpg", "device.png"}


@pytest.mark.parametrize("name", ["set.npy", "set.zip", "set.tar", "set.parquet", "set.txt", "set.png"])
def test_a_pipe_is_no_source(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(PippinError, match="This is no file, but a pipe, socket or device"):
        pippin.audit(tmp_path / name)


def test_without_the_search_for_outliers_no_engine_is_loaded(folder):
    script = "import sys, pippin; pippin.audit(sys.argv[1], outliers=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    assert "pippin.auditing" in done.stdout.split()
    assert not {"keras", "tensorflow", "jax", "torch"} & set(done.stdout.split())


def test_a_report_that_cannot_be_written_is_named_and_leaves_nothing(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PippinError, match="The report cannot be written"):
        write_page(pippin.audit(folder, image_size=32, outliers=False), tmp_path / "file" / "audit.html")
    (tmp_path / "taken.html").mkdir()
    with pytest.raises(PippinError, match=r"The report cannot be written: .*Received: .*taken\.html"):
        write_page(pippin.audit(folder, image_size=32, outliers=False), tmp_path / "taken.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pictures", "taken.html"]


def test_an_outlier_is_an_image_without_near_neighbours():
    draw = np.random.default_rng(0)
    cluster = draw.normal(size=(1, 20)) + 0.3 * draw.normal(size=(200, 20))
    small_cluster = draw.normal(size=(1, 20)) + 0.3 * draw.normal(size=(8, 20))  # more than the five neighbours
    scores = outlier_scores(np.concatenate([cluster, small_cluster, draw.normal(size=(1, 20))]))
    assert scores.argmax() == 208
    assert scores[208] > 3
    assert scores[200:208].max() < scores[208] / 2
    assert (outlier_scores(np.ones((50, 4))) == 0).all()


@pytest.mark.parametrize(
    ("side", "named"), [(64, "64 to 127"), (127, "64 to 127"), (1500, "1,024 to 2,047"), (1, "1 to 1")]
)
def test_size_classes_are_powers_of_two(side, named):
    assert size_class(side) == named


def test_the_command_writes_a_report(folder, tmp_path):
    words = ["audit", str(folder), "--image-size", "32", "--quick", "--duplicates", "near", "--fit", "pad"]
    done = CliRunner().invoke(cli.app, [*words, "--background", "black", "--report", str(tmp_path / "audit.html")])
    assert done.exit_code == 0, done.output
    assert "65 files: 62 kept, 0 mended, 3 refused" in done.output
    assert f"The report: {tmp_path / 'audit.html'}" in done.output.replace("\n", "")
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "prepared at 32×32, background black, fit pad, duplicates near<" in page
