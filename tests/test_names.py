"""Names of all languages, narrow encodings, and machines without a home."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
import tiny
from PIL import Image

from pippin.host import user_cache
from pippin.pictures import Preparation, prepare
from pippin.pictures.preparing import cache

NAMES = (
    "写真",
    "사진",
    "écoliers à l'été",
    "Äpfel & Öl",
    "🍎 apples",
    "con",
    "aux.jpg",
    "] [red] [bold",
    "full\u3000width",
)


def save(folder):
    """Write a picture in each of several folders with names of many languages, and return the folder."""
    for n, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for k in range(2):
            Image.fromarray(tiny.pictures(seed=2 * n + k)[0]).save(folder / name / f"{name}{k}.png")
    return folder


def run(*words, **environment):
    """Run the command line with nothing else in the environment; return the exit code and the output."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "PYTHONPATH") if name in os.environ}
    program = "import sys; from pippin.cli import main; sys.argv[0] = 'pippin'; main()"
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, env={**kept, **environment})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("archive", [False, True], ids=["folder", "zip"])
def test_names_of_all_languages_are_pictures_labels_and_paths(tmp_path, archive):
    source = save(tmp_path / "画像 é")
    source = shutil.make_archive(str(tmp_path / "画像 é"), "zip", source) if archive else source
    dataset = prepare(source, 16, preparation=Preparation(labels="folders"))
    assert dataset.labels.names == tuple(sorted(NAMES))
    assert len(dataset) == 2 * len(NAMES)
    assert dataset.name == "画像 é"
    assert prepare(source, 16, preparation=Preparation(labels="folders")).fingerprint == dataset.fingerprint


def test_names_that_are_not_utf_8_are_read_and_printed(tmp_path):
    folder = save(tmp_path / "in")
    for name in (b"caf\xe9.png", b"\xff\xfe.png"):
        shutil.copy(folder / "con" / "con0.png", os.fsencode(folder) + b"/" + name)
    (tmp_path / "list.txt").write_bytes(b"in/caf\xe9.png\nin/con/con1.png\n")
    with zipfile.ZipFile(tmp_path / "latin.zip", "w") as archive:
        for name in ("con0", "con1"):
            archive.write(folder / "con" / f"{name}.png", f"caf\u00e9{name}.png")
    assert len(prepare(folder, 16)) == 2 * len(NAMES)
    assert len(prepare(tmp_path / "list.txt", 16)) == 2
    assert len(prepare(tmp_path / "latin.zip", 16)) == 2
    prepare(folder, 16).summary().encode()


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C.UTF-8"},
    ],
    ids=["C", "ascii", "UTF-8"],
)
def test_the_command_line_works_in_every_locale_and_without_a_home(tmp_path, locale):
    folder = save(tmp_path / "in")
    (folder / "写真.txt").write_text("x")
    shutil.copy(folder / "con" / "con0.png", os.fsencode(folder) + b"/caf\xe9.png")
    words = ("audit", str(folder), "--quick", "--report", str(tmp_path / "audit.html"))
    code, output = run(*words, XDG_CACHE_HOME=str(tmp_path), **locale)
    assert code == 0, output
    assert output.splitlines()[0] == b"20 files: 18 kept, 0 mended, 2 refused"
    assert (tmp_path / "pippin").is_dir()
    page = (tmp_path / "audit.html").read_text("utf-8")
    assert "写真.txt" in page or r"\xe5\x86\x99\xe7\x9c\x9f.txt" in page  # the locale C does not know the name


def test_without_any_home_prepared_pictures_go_to_the_folder_of_temporary_files(monkeypatch, tmp_path):
    monkeypatch.delenv("PIPPIN_CACHE")
    monkeypatch.setattr(user_cache.platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")
    monkeypatch.setattr(user_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    assert cache.cache_folder(None) == tmp_path / "pippin"
