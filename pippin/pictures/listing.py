"""JSON documents with a long list of files, one on each line, so that they are written and read file by file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

FIRST_LINE = ' "files": [\n'
LAST_LINE = "]}\n"


def write_listing(path: Path, header: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON document.

    Args:
        path: The file to write.
        header: Everything that the document holds before its list of files.
        files: One object for each file. They are the document's last item, `"files"`.

    Raises:
        OSError: If it cannot be written there.
    """
    with path.open("w", encoding="utf-8") as document:
        document.write(json.dumps({**header, "files": []}, indent=1).removesuffix("]\n}"))
        for n, file in enumerate(files):
            document.write(f"{',' if n else ''}\n{json.dumps(file)}")
        document.write(f"\n{LAST_LINE}")


def read_header(path: Path) -> dict[str, Any]:
    """Return what a document holds besides its files. Its layout does not matter.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it holds something else.
    """
    with path.open(encoding="utf-8") as document:
        return _read_header(document)


def read_files(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object of each file in a document that `write_listing` wrote.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it holds something else, or its end is missing.
    """
    with path.open(encoding="utf-8") as document:
        _read_header(document)
        for line in document:
            if line == LAST_LINE:
                return
            yield json.loads(line.rstrip(",\n"))
    raise ValueError(f"the end of {path.name} is missing")


def _read_header(document: TextIO) -> dict[str, Any]:
    """Read up to the list of files, or to the end in another layout, and return the object without the list."""
    lines = []
    for line in document:
        lines.append(line)
        if line == FIRST_LINE:
            lines.append(LAST_LINE)
            break
    header = json.loads("".join(lines))
    if not isinstance(header, dict):
        raise ValueError(f"it holds a {type(header).__name__}")
    header.pop("files", None)
    return header
