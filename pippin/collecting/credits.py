"""`CREDITS.csv`: author, licence and origin of each picture of a folder. It also records what was downloaded."""

import csv
import io
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from pippin.collecting.openverse import Result
from pippin.errors import SourceError
from pippin.host.files import append_line, atomic_path
from pippin.host.text import csv_field_limit
from pippin.pictures.sources.files import CREDITS_FILE

COLUMNS = ("file", "title", "author", "licence", "licence address", "source page", "original address", "search")

FORMULA = frozenset("=+-@−")
"""First characters that make a spreadsheet read a cell as a formula; their full-width and other variants do so too.
Titles come from strangers, so such cells are escaped with an apostrophe."""


class Credits:
    """The credits file of a folder. A line is appended for each picture as soon as the picture is written.

    Args:
        folder: the folder of the pictures.

    Attributes:
        rows: the rows of the file, each as column → text.

    Raises:
        SourceError: there is a file of that name which Pippin did not write.
        OSError: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CREDITS_FILE
        self.rows: list[dict[str, str]] = []
        if not self.path.exists():
            self._write(f"{_csv_line(COLUMNS)}\n".encode("utf-8-sig"))  # Excel recognises UTF-8 by the byte order mark
            return
        content = self.path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]  # a killed process may have left an incomplete last line
        try:
            header, *lines = _csv_cells(complete.decode("utf-8-sig"))
            if tuple(header) != COLUMNS:
                raise ValueError
            self.rows = [dict(zip(COLUMNS, line, strict=True)) for line in lines if line]
        except (ValueError, csv.Error):
            raise SourceError(
                f"This {CREDITS_FILE} was not written by Pippin; move it away, or give another folder. "
                f"Received: {str(self.path)!r}"
            ) from None
        if complete != content:
            self._write(complete)

    def _write(self, content: bytes) -> None:
        """Write the whole file atomically."""
        with atomic_path(self.path) as part:
            part.write_bytes(content)

    def add(self, file: str, result: Result, query: str) -> None:
        """Append the credits of a picture."""
        about = (result.title, result.author, result.licence_name, result.licence_url, result.page_url, result.url)
        cells = [escaped(cell) for cell in (file, *about, query)]
        append_line(self.path, _csv_line(cells))
        self.rows.append(dict(zip(COLUMNS, cells, strict=True)))

    def files(self, query: str) -> list[str]:
        """Return the names of the files that were found with a query and still exist."""
        names = (row["file"] for row in self.rows if row["search"] == escaped(query))
        return [name for name in names if os.path.isfile(self.path.parent / name)]  # False for impossible names


def _csv_line(cells: Sequence[str]) -> str:
    """Return cells as one line of CSV, without a line break."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
    return line.getvalue()


def _csv_cells(text: str) -> list[list[str]]:
    """Return the cells of each line of CSV, however long they are: earlier versions wrote links of any length."""
    with csv_field_limit(max(csv.field_size_limit(), len(text))):
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def escaped(cell: str) -> str:
    """Return a cell that no spreadsheet reads as a formula.

    Spreadsheets skip white space and invisible characters at the beginning, and some read full-width characters as
    their ordinary forms.
    """
    if cell[:1] in ("\t", "\r", "\n"):
        return f"'{cell}"
    visible = (character for character in cell if unicodedata.category(character)[0] not in "ZC")
    first = unicodedata.normalize("NFKC", next(visible, ""))
    return f"'{cell}" if FORMULA.intersection(first[:1]) else cell
