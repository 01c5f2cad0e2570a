"""Arguments and tables that several verbs share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

if TYPE_CHECKING:
    from pippin.settings import Settings

Source = Annotated[
    str,
    typer.Argument(
        help="A folder of pictures, an archive, an array file, a list of files, keras:NAME, or apples (built in)."
    ),
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]


def table(rows: Iterator[tuple[str, ...]]) -> Table:
    """Return a table of rows with the first column in bold."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def setting_rows(settings: "Settings", reasons: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the value and the reason of each setting that is used."""
    for name, value in settings.to_dict().items():
        if value is not None:
            yield name, f"{value:,}" if isinstance(value, int) and value >= 1000 else f"{value}", reasons.get(name, "")
