"""The command line in Japanese: what it prints holds no English sentence, and its files stay English."""

import json
import re
import sys
from itertools import chain

import pytest
import tiny
from PIL import Image

from pippin import cli
from pippin.cli import VERBS, printing
from pippin.translation import Translator, catalogue

ENGLISH = re.compile(r"(?<![\w./\-`×=@$])[A-Za-z]?[a-z]+(?: [a-z]+(?![\w=]))+")
"""Two English words or more in a row."""

COMMANDS = re.compile(r"`[^`]*`|pippin [a-z].*|KERAS_BACKEND=.*|tensorboard --logdir.*|\([^)]*arXiv[^)]*\)|d_loss .*")
"""Commands and references, which are not translated."""

TRAIN = ("--image-size", "16", "--batch-size", "4", "--run", "run")

pytestmark = pytest.mark.usefixtures("tiny_networks")


def english_in(text):
    """Return the English sentences in an output."""
    return [found.group() for line in text.splitlines() for found in ENGLISH.finditer(COMMANDS.sub("", line))]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures of all kinds, some of which are refused."""
    place = tmp_path_factory.mktemp("place")
    photos = place / "photos"
    photos.mkdir()
    for number, picture in enumerate(tiny.pictures(8)):
        Image.fromarray(picture).save(photos / f"{number}.png")
    Image.fromarray(tiny.pictures(1)[0]).save(photos / "copy.bmp")
    Image.new("L", (20, 16), 90).save(photos / "grey.png")
    Image.new("RGB", (8, 8), "red").save(photos / "small.png")
    Image.new("RGBA", (16, 16)).save(photos / "clear.png")
    (photos / "letter.txt").write_text("Dear all")
    (photos / "empty.png").touch()
    (photos / "cut.png").write_bytes((photos / "0.png").read_bytes()[:200])
    (place / "empty").mkdir()
    return place


@pytest.fixture
def call(capfd, monkeypatch, place):
    """A function that runs `pippin` in Japanese, and returns exit code, standard output and standard error."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("PIPPIN_CACHE", str(place / "cache"))
    monkeypatch.setenv("LANGUAGE", "ja")
    monkeypatch.setattr(printing, "_translate", str)  # restored at the end

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["pippin", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capfd.readouterr()

    return call


@pytest.mark.parametrize("verb", [[], *([verb.__name__] for verb in VERBS)], ids=str)
def test_help_is_japanese_and_fits_into_the_terminal(verb, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = call(*verb, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("使い方：pippin")
    assert "この説明を表示して終わります" in out
    assert english_in(out) == []
    widths = [sum(1 + (character > "\u2fff") for character in line) for line in out.splitlines()]
    assert max(widths) <= 80


def test_an_audit_is_japanese(call):
    code, out, err = call("audit", "photos", "--image-size", "16", "--report", "audit.html")
    assert (code, err) == (0, "")
    assert english_in(out) == []
    assert "letter.txt（画像ではありません）" in out
    assert "audit.html" in out


def test_planning_and_training_are_japanese(call, place):
    code, out, err = call("plan", "photos", "--minutes", "1", *TRAIN[:4])
    assert (code, err) == (0, "")
    assert english_in(out) == []
    assert re.search("^batch_size +4 +指定された値です$", out, re.MULTILINE)

    for minutes in ("--batches=4", "--batches=6"):
        code, out, err = call("train", "photos", minutes, *TRAIN)
        assert (code, err) == (0, "")
        assert english_in(out) == []
    assert "バッチ 4 から再開します" in out
    assert "終わりました：バッチ 6" in out

    assert json.loads((place / "run" / "settings.json").read_text())
    written = chain.from_iterable(place.joinpath("run").glob(name) for name in ("*.json", "*.jsonl"))
    assert not re.search("[\u3040-\u30ff]|\\\\u30", "".join(file.read_text("utf-8") for file in written))

    for words in (
        ("info", "run"),
        ("sample", "run", "-n", "2", "-o", "grid.png"),
        ("again", "grid.png"),
        ("walk", "run", "--seeds", "1,2", "--frames", "2", "-o", "walk.gif"),
        ("diagram", "run"),
        ("train", "photos", "--batches", "6", *TRAIN),
        ("plan", "photos", "--batches", "5", *TRAIN[:4]),
    ):
        code, out, err = call(*words)
        assert (code, err) == (0, ""), words
        assert english_in(out) == [], words


@pytest.mark.parametrize(
    "words",
    [
        ["plan"],
        ["plan", "photos", "--batchs", "3"],
        ["plan", "photos", "--batches", "many"],
        ["plan", "photos", "--minutes", "1x"],
        ["plan", "photos", "--preset", "new"],
        ["plan", "photos", "--batches", "1", "--minutes", "1"],
        ["plan", "photos", "--set", "blurr=1"],
        ["plan", "photos", "--image-size", "20"],
        ["plan", "photos", "--seed", "-1"],
        ["plan", "photos", "--labels", "folders"],
        ["plan", "photos", "--labels", "kind"],
        ["train", "photos", "--seed"],
        ["train", "nowhere"],
        ["train", "empty"],
        ["train", "photos/0.png"],
        ["train", "photos/0.png", "photos/1.png"],
        ["train", "keras:apples"],
        ["audit", "https://example.com/a.zip"],
        ["audit", "photos", "--crops", "3", "--fit", "pad"],
        ["prepare", "photos", "--shard", "3"],
        ["sample", "nowhere"],
        ["sample", "photos", "--seeds", "x"],
        ["sample", "photos", "-o", "grid.txt"],
        ["walk", "photos", "--fps", "0"],
        ["again", "photos/0.png"],
        ["evaluate", "nowhere"],
        ["export", "photos", "--to", "gif"],
        ["export", "photos"],
        ["export", "photos", "--to", "onnx", "--push", ""],
        ["studio", "nowhere"],
        ["studio", "--host", "0.0.0.0"],
        ["collect", "", "-o", "new"],
        ["grow"],
        ["info", "a", "b"],
    ],
    ids=" ".join,
)
def test_errors_are_japanese(words, call):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert re.match("pippin: .*[\u3040-\u30ff]", err)
    assert english_in(err) == []


def test_the_bar_and_plain_lines_of_progress_are_japanese():
    translate = Translator(catalogue("ja"))
    assert translate("generating: 32 of 64, 5 s left") == "生成：32/64、残り5秒"
    assert translate("batch 50/60") == "バッチ 50/60"
    line = "batch 50/60  1234 images/s  3 min 05 s left  d_loss 0.123 g_loss 0.456  runs/a/latest.png"
    assert translate(line) == "バッチ 50/60  毎秒1234枚  残り3分05秒  d_loss 0.123 g_loss 0.456  runs/a/latest.png"


def test_an_output_that_cannot_hold_japanese_is_english(call, monkeypatch):
    class Ascii:
        encoding = "ascii"

    monkeypatch.setenv("LANGUAGE", "ja")
    monkeypatch.setattr(printing.sys, "stderr", Ascii())
    printing.choose_language()
    assert not printing.is_translated()
