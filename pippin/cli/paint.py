"""The verbs that paint: `sample`."""

from pathlib import Path
from typing import Annotated

import typer

import pippin
from pippin.cli.words import RunFolder

GRID = Path("grid.png")


def sample(
    run: RunFolder,
    n: Annotated[int, typer.Option("-n", "--number", help="How many pictures to paint.")] = 64,
    output: Annotated[Path, typer.Option("-o", "--output", help="The grid's file; a folder with --separate.")] = GRID,
    seed: Annotated[int, typer.Option(help="The same seed paints the same pictures.")] = 0,
    separate: Annotated[bool, typer.Option("--separate", help="A file for each picture.")] = False,
) -> None:
    """Paint new pictures with what RUN learnt."""
    from pippin.show import grid, save_picture

    images = pippin.open_run(run).sample(n, seed)
    if not separate:
        print(f"{n} pictures in {save_picture(grid(images), output)}")
        return
    folder = output.with_suffix("") if output.suffix else output
    digits = max(3, len(str(n - 1)))
    for index, image in enumerate(images):
        save_picture(image, folder / f"seed{seed}-{index:0{digits}d}.png")
    print(f"{n} pictures in {folder}")
