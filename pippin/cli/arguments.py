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
"""The source of a command with the options of a preparation, which gets several names from the shell as one argument
each; see `one_source`."""


def one_source(names: list[str]) -> str:
    """Return the only source that was given.

    Raises:
        SourceError: If there are several: the shell replaces a pattern by the names of files.
    """
    from pippin.errors import SourceError
    from pippin.pictures.sources.wrong_names import explain_several

    if len(names) > 1:
        raise SourceError(explain_several(names))
    return names[0]


RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]


def setting_rows(settings: "Settings", reasons: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the value and the reason of each setting that is used."""
    for name, value in settings.to_dict().items():
        if value is not None:
            yield name, f"{value:,}" if isinstance(value, int) and value >= 1000 else f"{value}", reasons.get(name, "")
