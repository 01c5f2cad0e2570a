"""`CREDITS.csv`: whose the pictures of a folder are, and under which licence. It is also what tells which are there."""

import csv
import io
from pathlib import Path

from pippin.collecting.openverse import Result
from pippin.errors import SourceError
from pippin.pictures.sources.files import CREDITS_FILE

COLUMNS = ("file", "title", "author", "licence", "licence address", "source page", "original address", "search")

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula: a title may be written by anybody."""


class Credits:
    """The file, written line by line: each picture is credited from the moment it is there.

    Args:
        folder: That of the pictures.

    Attributes:
        rows: What is in it, column → text.

    Raises:
        SourceError: If there is a file of that name which is not Pippin's.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CREDITS_FILE
        self.rows: list[dict[str, str]] = []
        if not self.path.exists():
            self.path.write_text(_line(COLUMNS), encoding="utf-8-sig", newline="")  # the mark tells Excel what it is
            return
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]  # a kill may have torn the last line
        try:
            first, *lines = csv.reader(io.StringIO(whole.decode("utf-8-sig"), newline=""), strict=True)
            if tuple(first) != COLUMNS:
                raise ValueError
            self.rows = [dict(zip(COLUMNS, line, strict=True)) for line in lines if line]
        except (ValueError, csv.Error):
            raise SourceError(
                f"This {CREDITS_FILE} is not as Pippin writes it; move it away, or give another folder. "
                f"Received: {str(self.path)!r}"
            ) from None
        if whole != content:
            self.path.write_bytes(whole)

    def add(self, file: str, result: Result, search: str) -> None:
        """Credit a picture."""
        about = (result.title, result.author, result.licence_name, result.licence_address, result.page, result.address)
        cells = [_harmless(cell) for cell in (file, *about, search)]
        with self.path.open("a", encoding="utf-8", newline="") as opened:
            opened.write(_line(cells))
        self.rows.append(dict(zip(COLUMNS, cells, strict=True)))

    def pictures(self, search: str) -> list[str]:
        """Return the files that a search brought and that are there."""
        there = (row["file"] for row in self.rows if row["search"] == _harmless(search))
        return [file for file in there if (self.path.parent / file).is_file()]


def _line(cells: tuple[str, ...] | list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
