"""A module imports only from its own room of the house, or from one before it."""

import ast
from pathlib import Path

import pytest

import pippin

HOUSE = Path(pippin.__file__).parent
ORDER = [
    {"errors"},
    {"host", "settings"},
    {"engines", "networks", "pictures"},
    {"show", "measure", "training"},
    {"sampling", "export", "auditing"},
    {"runs", "collecting"},
    {"session"},
    {"cli"},
]
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
FREE = {"__init__.py", "__main__.py"}  # of the house itself: the public names, and `python -m pippin`
MODULES = [
    path.relative_to(HOUSE) for path in sorted(HOUSE.rglob("*.py")) if path.parent != HOUSE or path.name not in FREE
]


def imported_rooms(source):
    """The rooms of Pippin that a module imports from, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide the room"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "pippin" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_from_its_own_room_or_an_earlier_one(module):
    own = module.parts[0].removesuffix(".py")
    assert own in LEVELS, f"{own} has no place in ORDER yet"
    for room in imported_rooms((HOUSE / module).read_text(encoding="utf-8")):
        assert room == own or LEVELS[room] < LEVELS[own], f"{module} imports from {room}"


def test_the_test_sees_every_way_to_import():
    source = """
import pippin
import pippin.runs.run
from pippin import engines
from pippin.training import draws
from keras import layers
def late():
    from pippin.cli import main
"""
    assert list(imported_rooms(source)) == ["runs", "engines", "training", "cli"]
