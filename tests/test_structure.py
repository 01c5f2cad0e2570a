"""A module imports only from its own room, a top-level package or module, or from a lower one.

`python tests/test_structure.py [PACKAGE_FOLDER]` prints the counts of rooms, floors and import arrows.
"""

import ast
import sys
from pathlib import Path

import pytest

import pippin

HOUSE = Path(pippin.__file__).parent
ORDER = [
    {"errors"},
    {"host", "settings", "translation"},
    {"engines", "networks", "pictures"},
    {"show", "measure", "training"},
    {"sampling", "export", "auditing"},
    {"runs", "collecting"},
    {"session"},
    {"studio"},
    {"cli"},
]
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
FREE = {"__init__.py", "__main__.py"}
"""At the top level: the public names, and `python -m pippin`. They may import from any room."""


def modules(house):
    """Return the modules below a package's folder, relative to it, without those that are free."""
    every = (path.relative_to(house) for path in sorted(house.rglob("*.py")))
    return [path for path in every if len(path.parts) > 1 or path.name not in FREE]


def room_of(module):
    return module.parts[0].removesuffix(".py")


def imported_rooms(source):
    """Yield the rooms that a module imports from, anywhere in it."""
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


def import_arrows(house):
    """Return the pairs (room, room that it imports from), each once."""
    rooms = {room_of(module) for module in modules(house)}
    return {
        (room_of(module), imported)
        for module in modules(house)
        for imported in imported_rooms((house / module).read_text(encoding="utf-8"))
        if imported in rooms and imported != room_of(module)
    }


def floors(arrows):
    """Return room → floor, the lowest that its imports allow, from 0; fail on a cycle."""
    rooms, placed = {room for arrow in arrows for room in arrow}, {}
    while len(placed) < len(rooms):
        ready = [
            room for room in rooms - placed.keys() if all(below in placed for above, below in arrows if above == room)
        ]
        assert ready, f"these rooms import each other: {sorted(rooms - placed.keys())}"
        placed |= {
            room: 1 + max((placed[below] for above, below in arrows if above == room), default=-1) for room in ready
        }
    return placed


@pytest.mark.parametrize("module", modules(HOUSE), ids=str)
def test_a_module_imports_from_its_own_room_or_a_lower_one(module):
    own = room_of(module)
    assert own in LEVELS, f"{own} has no place in ORDER yet"
    for room in imported_rooms((HOUSE / module).read_text(encoding="utf-8")):
        assert room == own or LEVELS[room] < LEVELS[own], f"{module} imports from {room}"


def test_every_way_to_import_is_counted():
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


def test_floors_follow_the_longest_chain_of_imports():
    arrows = {("cli", "runs"), ("cli", "errors"), ("runs", "networks"), ("networks", "errors"), ("runs", "errors")}
    assert floors(arrows) == {"errors": 0, "networks": 1, "runs": 2, "cli": 3}
    with pytest.raises(AssertionError, match="import each other"):
        floors({("runs", "cli"), ("cli", "runs")})


if __name__ == "__main__":
    house = Path(sys.argv[1]) if len(sys.argv) > 1 else HOUSE
    arrows = import_arrows(house)
    rooms = {room_of(module) for module in modules(house)}
    files = {room for room in rooms if (house / f"{room}.py").exists()}
    print(f"{len(rooms)} rooms: {len(rooms - files)} packages and {len(files)} modules at the top level")
    print(f"{1 + max(floors(arrows).values())} floors, {len(arrows)} import arrows between rooms")
    print(f"{len(modules(house))} modules in all")
