"""JSON documents with a long list of files, one a line, so that they are written and read file by file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

BEGINNING = ' "files": [\n'
END = "]}\n"


def write_listing(path: Path, about: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> None:
    """Writes a JSON document.

    Args:
        path: Where to.
        about: What the document says besides.
        files: What it says of each file; its last item, `"files"`.

    Raises:
        OSError: If it cannot be written there.
    """
    with path.open("w", encoding="utf-8") as document:
        document.write(json.dumps({**about, "files": []}, indent=1).removesuffix("]\n}"))
        for n, file in enumerate(files):
            document.write(f"{',' if n else ''}\n{json.dumps(file)}")
        document.write(f"\n{END}")


def read_about(path: Path) -> dict[str, Any]:
    """Reads what a document says besides its files; any layout will do.

    Raises:
        OSError: If there is no such file.
        ValueError: If it holds something else.
    """
    with path.open(encoding="utf-8") as document:
        return _read_about(document)


def read_files(path: Path) -> Iterator[dict[str, Any]]:
    """Reads what a document that `write_listing` wrote says of each file.

    Raises:
        OSError: If there is no such file.
        ValueError: If it holds something else, or its end is missing.
    """
    with path.open(encoding="utf-8") as document:
        _read_about(document)
        for line in document:
            if line == END:
                return
            yield json.loads(line.rstrip(",\n"))
    raise ValueError(f"the end of {path.name} is missing")


def _read_about(document: TextIO) -> dict[str, Any]:
    lines = []
    for line in document:
        lines.append(line)
        if line == BEGINNING:
            lines.append(END)
            break
    about = json.loads("".join(lines))
    if not isinstance(about, dict):
        raise ValueError(f"it holds a {type(about).__name__}")
    about.pop("files", None)
    return about
