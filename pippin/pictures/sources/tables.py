"""Labels in files beside the pictures.

`metadata.csv` and `metadata.jsonl` are those of Hugging Face's image folders: a row for each picture, with its path in
`file_name` and other columns. `dataset.json` is that of StyleGAN: pairs of a path and a label under "labels". All paths
are relative to the folder of the table, which may be the source itself or a folder in it, such as one for each split.
"""

import csv
import io
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pippin.errors import SourceError
from pippin.host.text import csv_field_limit
from pippin.pictures.os_errors import why
from pippin.pictures.refused import Refused
from pippin.pictures.sources.base import SourceItem

METADATA = ("metadata.csv", "metadata.jsonl")
STYLEGAN = "dataset.json"

PATH_COLUMNS = ("file_name", "filename", "file", "image", "path")
"""Names of the column with the path of the picture. The first one that a table has is used."""

STYLEGAN_COLUMN = "label"
"""Name of the column that `dataset.json` counts as."""

MAX_FIELD = 2**24
"""Largest length of a field in a CSV file, in characters. Captions may exceed Python's default of 131,072."""


class WithTables:
    """Base class of sources that consist of files, among which there may be tables of labels."""

    items: Sequence[SourceItem]
    location: str

    def content(self, item: SourceItem) -> bytes:
        """Return the content of the item's file. Raise `Refused` if it cannot be used."""
        raise NotImplementedError

    def label_columns(self) -> dict[str, str]:
        """Return the columns that may hold labels, each with the name of its table."""
        columns: dict[str, str] = {}
        for table in self._tables():
            for row in self._rows(table):
                for name in row.keys() - set(PATH_COLUMNS):
                    columns.setdefault(name, posixpath.basename(table.path))
        return columns

    def labels(self, column: str) -> Mapping[str, Any]:
        """Return path → value for the pictures that have a value in a column."""
        values: dict[str, Any] = {}
        for table in self._tables():
            folder = posixpath.dirname(table.path)
            for row in self._rows(table):
                path = next((row[name] for name in PATH_COLUMNS if isinstance(row.get(name), str)), None)
                if path is not None and column in row:
                    values[posixpath.normpath(posixpath.join(folder, path.replace("\\", "/")))] = row[column]
        return values

    def _tables(self) -> list[SourceItem]:
        """Return the files that are tables of labels."""
        return [item for item in self.items if item.problem is None and is_table(item.path)]

    def _rows(self, table: SourceItem) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table.

        Raises:
            SourceError: If it cannot be read.
        """
        try:
            text = self.content(table).decode("utf-8-sig")
            yield from _parsed(posixpath.basename(table.path), text)
        except (Refused, OSError, ValueError, TypeError, RecursionError, csv.Error) as error:
            raise SourceError(
                f"The table of labels cannot be read ({why(error)}); repair it, or remove it. "
                f"Received: source={self.location!r} with {table.path}"
            ) from None


def is_table(path: str) -> bool:
    """Return whether a file has the name of a table of labels."""
    return posixpath.basename(path) in (*METADATA, STYLEGAN)


def _parsed(name: str, text: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table."""
    if name.endswith(".csv"):
        with csv_field_limit(MAX_FIELD):
            rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        for row in rows:
            yield {key: value for key, value in row.items() if key}
    elif name.endswith(".jsonl"):
        for number, line in enumerate(text.splitlines(), 1):
            row = json.loads(line) if line.strip() else {}
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no object")
            yield row
    else:
        document = json.loads(text)
        pairs = document.get("labels") if isinstance(document, dict) else None
        for path, label in pairs or ():  # StyleGAN writes null for a dataset without labels
            yield {PATH_COLUMNS[0]: path, STYLEGAN_COLUMN: label}
