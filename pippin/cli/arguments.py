"""What verbs share: the arguments that several of them take, and the table that several of them print."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

if TYPE_CHECKING:
    from pippin.settings import Settings

Source = Annotated[
    str, typer.Argument(help="A folder of pictures, an archive, an array, a list, keras:NAME, or 'apples'.")
]
RunFolder = Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")]


def table(rows: Iterator[tuple[str, ...]]) -> Table:
    """Lay rows out in columns, the first in bold."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def explained(settings: "Settings", reasons: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield each setting that is in force: its name, its value and the reason for it."""
    for name, value in settings.to_dict().items():
        if value is not None:
            yield name, f"{value:,}" if isinstance(value, int) and value >= 1000 else f"{value}", reasons.get(name, "")
