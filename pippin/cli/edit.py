"""The verbs that find and edit: `find`, `directions` and `mix`."""

from pathlib import Path
from typing import Annotated

import typer

import pippin
from pippin.cli.arguments import RunFolder
from pippin.cli.console import console_reporter
from pippin.cli.sample import Truncation

STRENGTHS = (-4, -2, 0, 2, 4)
"""Of the pictures of a direction's strip, in deviations."""


def find(
    run: RunFolder,
    photo: Annotated[Path, typer.Argument(help="A picture file of any kind.", metavar="PHOTO")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The found picture's file, PNG, JPEG or WebP.")] = Path(
        "found.png"
    ),
    steps: Annotated[int | None, typer.Option(help="Of the search; 200 if not said.")] = None,
) -> None:
    """Find PHOTO among all that RUN can paint, and say how near that came. What was found can be edited and walked."""
    from pippin.show import NOTE_SUFFIXES, check_suffix, save_picture

    check_suffix(output, NOTE_SUFFIXES)
    opened = pippin.open_run(run)
    from pippin.runs.provenance import Recipe
    from pippin.sampling.inversion import STEPS

    steps = STEPS if steps is None else steps
    with console_reporter() as reporter:
        found = opened.find(photo, steps=steps, progress=reporter.progress("searching"))
    Recipe.of(opened, latents=found.latent[None]).save(output, opened)
    beside = save_picture(found.sheet(), output.with_stem(f"{output.stem}-beside"))
    print(found.verdict)
    print(f"The found picture:  {output} (pippin sample {run} --from {output} --edit 1=+2; pippin walk takes it, too)")
    print(f"Beside the photo:   {beside}")


def directions(
    run: RunFolder,
    output: Annotated[Path, typer.Option("-o", "--output", help="The sheet's file.")] = Path("directions.png"),
    name: Annotated[
        list[str] | None, typer.Option(help="Give a direction a name, as 3=redder. As often as you like.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Of the pictures that are shown edited.")] = "0,1",
    anew: Annotated[
        bool, typer.Option("--anew", help="Find them again, after more training; forgets their names.")
    ] = False,
) -> None:
    """Show in which directions RUN's pictures can be edited: a strip each, with its number and its name."""
    from pippin.sampling.edits import parse_naming
    from pippin.sampling.seeds import parse_seeds
    from pippin.show import save_picture, titled_rows

    chosen, namings = parse_seeds(seeds), [parse_naming(text) for text in name or []]
    opened = pippin.open_run(run)
    import numpy as np  # an opened run has loaded it

    found = opened.directions(anew)
    for number, word in namings:
        found = opened.name_direction(number, word)
    latents = opened.latents(chosen)
    moved = [
        found.apply(latent[None], {str(number): strength})
        for number in range(1, len(found.vectors) + 1)
        for latent in latents
        for strength in STRENGTHS
    ]
    with console_reporter() as reporter:
        images = opened.generate(np.concatenate(moved), reporter.progress("generating"))
    rows = images.reshape(len(found.vectors), -1, *images.shape[1:])
    headings = [f"{strength:+d}" if strength else f"seed {seed}" for seed in chosen for strength in STRENGTHS]
    save_picture(titled_rows(rows, found.titles(), headings), output)
    print(f"{len(rows)} directions in {output}; name one with --name 1=WORD, go along with pippin sample --edit 1=+2")
    if found.names:
        print("Named: " + ", ".join(f"{number} {word}" for word, number in found.names.items()))


def mix(
    run: RunFolder,
    coarse: Annotated[str, typer.Option(help="Seeds of the arrangement, as 1,2,3 or 10-20.")] = "0-3",
    fine: Annotated[str, typer.Option(help="Seeds of the looks: colours, light and texture.")] = "4-7",
    output: Annotated[Path, typer.Option("-o", "--output", help="The grid's file, PNG, JPEG or WebP.")] = Path(
        "mix.png"
    ),
    side: Annotated[
        int | None, typer.Option(help="Side of the maps from which on looks are exchanged: 4, 8, 16, …")
    ] = None,
    truncation: Truncation = 1.0,
) -> None:
    """Paint each pair of two seeds: the arrangement of the one, the looks of the other."""
    from pippin.sampling.seeds import parse_seeds
    from pippin.show import NOTE_SUFFIXES, check_suffix

    check_suffix(output, NOTE_SUFFIXES)
    places, looks = parse_seeds(coarse), parse_seeds(fine)
    opened = pippin.open_run(run)
    from pippin.runs.provenance import Recipe
    from pippin.sampling.mixing import choose_side

    side = choose_side(opened.generator, side)
    with console_reporter() as reporter:
        progress = reporter.progress("generating")
        images = opened.mix(places, looks, side=side, truncation=truncation, progress=progress)
    Recipe.of(opened, places, truncation, fine=looks, side=side).save(output, opened, images)
    print(f"{len(places)} × {len(looks)} pictures in {output}; looks exchanged from maps of {side}×{side} on")
