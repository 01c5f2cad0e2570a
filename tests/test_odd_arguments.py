"""Every verb with odd arguments: never a traceback, but one line that says what was wrong, and exit code 2."""

import inspect
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import tiny
import typer

import pippin
from pippin import cli, networks

COMMANDS = typer.main.get_command(cli.app).commands

VALID = {
    "collect": ("apple", "-o", "new", "--count", "1", "--api", "http://127.0.0.1:9/"),
    "audit": ("photos",),
    "prepare": ("photos",),
    "plan": ("photos", "--image-size", "16"),
    "train": ("photos", "--image-size", "16", "--batches", "2", "--batch-size", "4", "--run", "new"),
    "sample": ("run", "-n", "1"),
    "again": ("grid.png",),
    "walk": ("run", "--frames", "1"),
    "story": ("run",),
    "find": ("run", "photos/000.png", "--steps", "1"),
    "directions": ("run",),
    "mix": ("run",),
    "evaluate": ("run",),
    "nearest": ("run",),
    "report": ("run",),
    "info": ("run",),
    "diagram": ("run",),
    "export": ("run", "--to", "keras"),
    "studio": ("photos", "--no-browser"),
}
"""Valid arguments of each verb. The first is its subject."""


def replaced(words, option, value):
    """Return arguments with the value of an option replaced or added."""
    words = list(words)
    if option in words:
        words[words.index(option) + 1] = value
        return words
    return [*words, f"{option}={value}"] if option.startswith("--") else [*words, option, value]


def test_there_are_options_that_take_numbers():
    assert len(numeric_options()) > 25


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures, a run, a generated picture, and things that are none of these."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        patch.setattr(networks, "build", tiny.build)
        tiny.save(place / "photos", tiny.pictures(4))
        run = pippin.train("photos", "run", image_size=16, batches=2, batch_size=4)
        tiny.save(place / "empty", [])
        (place / "file.txt").write_text("a text")
        (place / "folder.png").mkdir()
        (place / "broken").mkdir()
        (place / "broken" / "settings.json").write_text("{}")
        from pippin.runs.provenance import Provenance

        Provenance.of(run, (0,)).save(place / "grid.png", run)
        yield place


@pytest.fixture
def call(place, capfd, monkeypatch):
    """A function that runs `pippin` with arguments in a folder, and returns exit code and standard error."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("PIPPIN_CACHE", str(place / "cache"))
    monkeypatch.setattr(networks, "build", tiny.build)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["pippin", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return SimpleNamespace(code=end.value.code or 0, out=out, err=err)

    return call


def check(answer, words):
    """Assert that the answer is one line that says something, and that nothing was written over."""
    assert answer.code == 2, (words, answer)
    assert answer.err.startswith("pippin: "), (words, answer)
    assert answer.err.count("\n") == 1, answer.err
    assert len(answer.err) < 1100
    assert "Traceback" not in answer.err


def test_every_verb_has_valid_arguments():
    assert list(VALID) == list(COMMANDS)


SUBJECTS = {
    "missing": "nowhere",
    "a file": "file.txt",
    "an empty folder": "empty",
    "an empty text": "",
    "a name that is too long": "a" * 5000,
    "a path that is too deep": "a/" * 3000,
    "a damaged run": "broken",
    "a name that is not UTF-8": "\udcff\udcfe",
    "escape sequences": "\x1b[31m\u202e",
    "markup": "photos[/beach]",
    "below a file": "file.txt/a",
    "an address": "https://example.org/photos",
    "a device": os.devnull,
}


@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.parametrize("verb", [verb for verb in VALID if verb not in ("collect", "studio")])
def test_a_subject_that_is_none_is_one_line(call, verb, kind):
    words = [verb, SUBJECTS[kind], *VALID[verb][1:]]
    answer = call(*words)
    check(answer, words)
    assert "\x1b" not in answer.err
    if verb in ("audit", "prepare", "plan", "train") and kind == "a damaged run":
        return
    assert "Received" in answer.err, answer.err


@pytest.mark.parametrize("verb", [verb for verb in VALID if verb != "studio"])
def test_no_argument_is_one_line(call, verb):
    answer = call(verb)
    check(answer, verb)
    assert "Missing argument" in answer.err


def numeric_options():
    """Return (verb, option) for each option that takes a number."""
    found = []
    for verb in cli.VERBS:
        kinds = {name: get_args(each.annotation)[0] for name, each in inspect.signature(verb).parameters.items()}
        for parameter in COMMANDS[verb.__name__].params:
            kind = kinds.get(parameter.name)
            if parameter.param_type_name == "option" and {int, float}.intersection([kind, *get_args(kind)]):
                found.append((verb.__name__, parameter.opts[-1]))
    return found


NUMBERS = [
    *("nan", "-1", "9" * 5000),
    *(
        pytest.param(text, marks=pytest.mark.slow)
        for text in ("inf", "-inf", "1e400", "", "1 0", "0x10", "٣.٣.٣", "one")
    ),
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:10])
@pytest.mark.parametrize(("verb", "option"), numeric_options())
def test_odd_numbers_are_one_line(call, verb, option, number):
    words = replaced((verb, *VALID[verb]), option, number)
    check(call(*words), words)


OUTPUTS = {
    "a folder": {"png": "folder.png", "mp4": "folder.mp4", "svg": "folder.svg", "keras": "folder.keras"},
    "below a file": {suffix: f"file.txt/a.{suffix}" for suffix in ("png", "mp4", "svg", "keras")},
    "a name that is too long": {suffix: f"{'a' * 300}.{suffix}" for suffix in ("png", "mp4", "svg", "keras")},
    "another suffix": dict.fromkeys(("png", "mp4", "svg", "keras"), "a.xyz"),
    "an empty text": dict.fromkeys(("png", "mp4", "svg", "keras"), ""),
}
WRITES = {
    "sample": "png",
    "again": "png",
    "walk": "mp4",
    "story": "mp4",
    "find": "png",
    "directions": "png",
    "mix": "png",
    "nearest": "png",
    "diagram": "svg",
    "export": "keras",
}


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("verb", WRITES)
def test_an_output_that_cannot_be_written_is_one_line(call, place, verb, kind):
    for suffix in ("mp4", "svg", "keras"):
        (place / f"folder.{suffix}").mkdir(exist_ok=True)
    words = (verb, *VALID[verb], "-o", OUTPUTS[kind][WRITES[verb]])
    check(call(*words), words)
    assert not [path for path in place.rglob("*") if ".part" in path.name]


OTHERS = {
    "seeds": ("sample", "run", "--seeds", "9" * 5000),
    "a range of seeds": ("sample", "run", "--seeds", f"0-{'9' * 5000}"),
    "many seeds": ("sample", "run", "--seeds", "0-99999999999"),
    "no seeds": ("sample", "run", "--seeds", ""),
    "many pictures": ("sample", "run", "-n", "99999999999"),
    "an edit": ("sample", "run", "--edit", "1=nan"),
    "an edit by 5,000 digits": ("sample", "run", "--edit", f"1={'9' * 5000}"),
    "an edit along 5,000 digits": ("sample", "run", "--edit", f"{'9' * 5000}=1"),
    "an edit without a name": ("sample", "run", "--edit", "=1"),
    "a label": ("sample", "run", "--label", "red"),
    "latents of a text": ("sample", "run", "--from", "file.txt"),
    "latents of a folder": ("sample", "run", "--from", "folder.png"),
    "latents of a folder for a walk": ("walk", "run", "--from", "folder.png"),
    "many frames": ("walk", "run", "--frames", "999999999999"),
    "many layouts": ("mix", "run", "--coarse", "0-99999"),
    "a name for 5,000 digits": ("directions", "run", "--name", f"{'9' * 5000}=red"),
    "a name that controls the terminal": ("directions", "run", "--name", "1=\x1b[31mred"),
    "a name that is a number": ("directions", "run", "--name", "1=2"),
    "a photo that is a text": ("find", "run", "file.txt"),
    "a photo that is a folder": ("find", "run", "photos"),
    "no photo": ("find", "run", "nowhere.png"),
    "a setting that is not finite": ("train", "photos", "--set", "gamma=nan"),
    "a setting of 5,000 digits": ("train", "photos", "--set", f"gamma={'9' * 5000}"),
    "a whole setting of 5,000 digits": ("train", "photos", "--set", f"warmup={'9' * 5000}"),
    "a setting without a name": ("train", "photos", "--set", "=1"),
    "a parent that is no run": ("train", "photos", "--from", "photos"),
    "an empty parent": ("train", "photos", "--from", ""),
    "an empty run": ("train", "photos", "--run", ""),
    "a run with too long a name": ("train", "photos", *VALID["train"][1:5], "--run", "a" * 300),
    "a background": ("audit", "photos", "--background", "\x1b[31m"),
    "frames": ("audit", "photos", "--frames", "9" * 5000),
    "a shard": ("prepare", "photos", "--shard", f"1/{'9' * 5000}"),
    "a shard of none": ("prepare", "photos", "--shard", "0/0"),
    "a report that is a folder": ("audit", "photos", "--quick", "--report", "empty"),
    "a report below a file": ("audit", "photos", "--quick", "--report", "file.txt/a.html"),
    "against nothing": ("evaluate", "run", "--against", "nowhere"),
    "against an empty text": ("evaluate", "run", "--against", ""),
    "the run of another picture": ("again", "grid.png", "--run", "photos"),
    "an address that is none": ("collect", "apple", "-o", "new", "--api", "ftp://example.org"),
    "a half address": ("collect", "apple", "-o", "new", "--api", "http://[::1"),
    "a licence": ("collect", "apple", "-o", "new", "--licence", "mine"),
    "no search terms": ("collect", " ", "-o", "new"),
    "a folder that is a file": ("collect", "apple", "-o", "file.txt", "--api", "http://127.0.0.1:9/"),
    "an upload without a name": ("export", "run", "--to", "keras", "--push", ""),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_odd_arguments_are_one_line(call, kind):
    check(call(*OTHERS[kind]), OTHERS[kind])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write into read-only folders")
@pytest.mark.parametrize("words", [("report", "run"), ("directions", "run"), ("export", "run", "--to", "keras")])
def test_a_run_that_cannot_be_written_is_one_line(call, place, tmp_path, words):
    copied = shutil.copytree(place / "run", tmp_path / "run")
    copied.chmod(0o555)
    words = (words[0], str(copied), *words[2:])
    try:
        answer = call(*words)
    finally:
        copied.chmod(0o755)
    check(answer, words)
    assert str(copied) in answer.err


def test_evaluate_after_the_pictures_moved_names_the_option(call, place):
    (place / "photos").rename(place / "moved")
    try:
        answer = call("evaluate", "run")
        check(answer, "evaluate")
        assert "if they have moved, name their new place with --against" in answer.err
    finally:
        (place / "moved").rename(place / "photos")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems accept no file names that are not text")
def test_names_that_are_not_utf_8_work_in_every_verb(call, tmp_path):
    source, run, output = (os.path.join(tmp_path, os.fsdecode(name)) for name in (b"ph\xffotos", b"r\xffun", b"\xfe"))
    tiny.save(Path(source), tiny.pictures(4))
    size = ("--image-size", "16")
    for words in (
        ("audit", source, *size, "--quick", "--report", f"{output}.html"),
        ("train", source, *size, "--batches", "2", "--batch-size", "4", "--run", run),
        ("train", source, *size, "--batches", "2", "--batch-size", "4", "--run", run),
        ("info", run),
        ("sample", run, "-n", "1", "-o", f"{output}.png"),
        ("again", f"{output}.png", "--run", run),
        ("story", run, "--fps", "2", "-o", f"{output}.mp4"),
        ("directions", run, "--name", "1=redder", "-o", f"{output}.jpg"),
        ("diagram", run, "-o", f"{output}.svg"),
        ("export", run, "--to", "web"),
        ("export", run, "--to", "huggingface"),
    ):
        answer = call(*words)
        assert (answer.code, answer.err) == (0, ""), (words, answer)
        assert "\x1b" not in answer.out
    assert os.path.isfile(os.path.join(run, "report.html"))
