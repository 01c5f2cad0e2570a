"""The command `collect`, which downloads training images."""

from pathlib import Path
from typing import Annotated

import typer

import pippin
from pippin.cli.console import console_reporter
from pippin.cli.printing import print_lines


def collect(
    query: Annotated[str, typer.Argument(help="Search terms, such as apple.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures.")],
    count: Annotated[int, typer.Option(help="Number of pictures of QUERY that the folder should hold.")] = 300,
    licence: Annotated[
        str,
        typer.Option(help="Required uses (commercial, modification) and permitted licences (cc0, by, …), with commas."),
    ] = "",
    min_side: Annotated[int, typer.Option(help="Smallest shorter side of a picture, in pixels.")] = 128,
    api: Annotated[str | None, typer.Option(help="URL of another search with Openverse's interface.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not audit the folder at the end.")] = False,
) -> None:
    """Collect openly licensed pictures of QUERY with their credits. The same command resumes after an interruption."""
    with console_reporter() as reporter:
        try:
            collection = pippin.collect(
                query,
                output,
                count=count,
                licence=licence,
                min_side=min_side,
                api=api,
                inspect=not quick,
                progress=reporter.progress("collecting"),
                notice=reporter.print_line,
            )
        except KeyboardInterrupt:
            reporter.print_line("Stopped. All pictures so far are complete and credited; the same command resumes.")
            raise typer.Exit(130) from None
    print_lines(collection.lines())
