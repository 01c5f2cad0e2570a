"""Arguments that several verbs share, and the settings as rows of a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pippin.settings import Settings

Source = Annotated[
    str,
    typer.Argument(
        help="A folder of pictures, an archive, an array file, a list of files, keras:NAME, or apples (built in)."
    ),
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]


def setting_rows(settings: "Settings", reasons: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the value and the reason of each setting that is used."""
    for name, value in settings.to_dict().items():
        if value is not None:
            yield name, f"{value:,}" if isinstance(value, int) and value >= 1000 else f"{value}", reasons.get(name, "")
