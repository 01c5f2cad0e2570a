"""The verb that fetches pictures to learn from: `collect`."""

from pathlib import Path
from typing import Annotated

import typer

import pippin
from pippin.cli.narrator import Narrator


def collect(
    query: Annotated[str, typer.Argument(help="What to look for, such as apple.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for the pictures.")],
    count: Annotated[int, typer.Option(help="How many pictures of it the folder shall hold.")] = 300,
    licence: Annotated[
        str, typer.Option(help="Only those for: commercial, modification; or of: cc0, pdm, by, by-sa ..., with commas.")
    ] = "",
    min_side: Annotated[int, typer.Option(help="Pixels of the shorter side, at least.")] = 128,
    api: Annotated[str | None, typer.Option(help="Address of another search like Openverse's.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not audit the folder at the end.")] = False,
) -> None:
    """Collect openly licensed pictures of QUERY with their credits. The same command again goes on where it stopped."""
    with Narrator.choose() as reporter:
        try:
            found = pippin.collect(
                query,
                output,
                count=count,
                licence=licence,
                min_side=min_side,
                api=api,
                inspect=not quick,
                progress=reporter.working("collecting"),
                notice=reporter.say,
            )
        except KeyboardInterrupt:
            reporter.say("Stopped; what was collected is whole and credited. The same command goes on.")
            raise typer.Exit(130) from None
    print("\n".join(found.lines()))
