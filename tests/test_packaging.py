"""What is published: the wheel and the sdist hold the package and its data, and the metadata agree with each other."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import pippin

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the built wheel and sdist."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def package_files():
    """Return every file of the package, relative to the repository."""
    files = (path for path in (ROOT / "pippin").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_the_wheel_holds_the_whole_package_and_nothing_else(built):
    with zipfile.ZipFile(built / f"pippin-{pippin.__version__}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(f"pippin-{pippin.__version__}.dist-info/METADATA").decode()
        entry_points = wheel.read(f"pippin-{pippin.__version__}.dist-info/entry_points.txt").decode()
    assert {name for name in names if ".dist-info/" not in name} == package_files()
    assert "pippin/py.typed" in names
    assert "pippin = pippin.cli:main" in entry_points
    assert f"\nVersion: {pippin.__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"^Provides-Extra: (\S+)$", metadata, flags=re.MULTILINE)) == set(extras)


def test_the_sdist_holds_the_package_and_its_papers(built):
    with tarfile.open(built / f"pippin-{pippin.__version__}.tar.gz") as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames()}
    assert package_files() <= names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"} <= names


def test_the_citation_has_the_version_and_the_licence_of_the_package():
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == pippin.__version__
    assert citation["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors", "date-released"} <= set(citation)


def test_the_changelog_has_a_heading_for_what_is_not_released():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (Unreleased|\d+\.\d+\.\d+)", text, flags=re.MULTILINE)
