"""The verbs that invert, edit and mix: `find`, `directions` and `mix`."""

from pathlib import Path
from typing import Annotated

import typer

import pippin
from pippin.cli.arguments import RunFolder
from pippin.cli.console import console_reporter
from pippin.cli.printing import print_line
from pippin.cli.sample import Truncation

STRENGTHS = (-4, -2, 0, 2, 4)
"""Strengths of the edits that `directions` shows, in standard deviations of the latents."""


def find(
    run: RunFolder,
    photo: Annotated[Path, typer.Argument(help="A picture file.", metavar="PHOTO")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File for the generated picture: PNG, JPEG or WebP.")
    ] = Path("found.png"),
    steps: Annotated[int | None, typer.Option(help="Optimisation steps. Default: 200.")] = None,
) -> None:
    """Find the latent from which RUN generates the picture nearest to PHOTO, and say how near it is.

    The result can be edited with `pippin sample --from` and used in `pippin walk --from`.
    """
    from pippin.show import NOTE_SUFFIXES, check_suffix, save_picture

    check_suffix(output, NOTE_SUFFIXES)
    opened = pippin.open_run(run)
    from pippin.runs.provenance import Provenance
    from pippin.sampling.inversion import STEPS

    steps = STEPS if steps is None else steps
    with console_reporter() as reporter:
        inversion = opened.find(photo, steps=steps, progress=reporter.progress("searching"))
    Provenance.of(opened, latents=inversion.latent[None]).save(output, opened)
    sheet = save_picture(inversion.sheet(), output.with_stem(f"{output.stem}-beside"))
    print_line(inversion.verdict)
    print_line(f"Generated picture:  {output} (to edit it: pippin sample {run} --from {output} --edit 1=+2)")
    print_line(f"Next to the photo:  {sheet}")


def directions(
    run: RunFolder,
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the overview: PNG, JPEG or WebP.")] = Path(
        "directions.png"
    ),
    name: Annotated[
        list[str] | None, typer.Option(help="Name a direction, such as 3=redder. Can be given several times.")
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Seeds of the pictures that are shown edited, such as 1,2,3 or 10-20.")
    ] = "0,1",
    recompute: Annotated[
        bool,
        typer.Option(
            "--recompute", help="Compute the directions again, such as after more training. Removes their names."
        ),
    ] = False,
) -> None:
    """Show the directions in which pictures of RUN can be edited, each with its number, its name and examples."""
    from pippin.sampling.edits import parse_naming
    from pippin.sampling.seeds import parse_seeds
    from pippin.show import save_picture, titled_rows

    chosen, namings = parse_seeds(seeds), [parse_naming(text) for text in name or []]
    opened = pippin.open_run(run)
    import numpy as np  # only now, so that `--help` starts fast

    found = opened.directions(recompute)
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
    print_line(
        f"{len(rows)} directions in {output}; name one with --name 1=WORD, use one with pippin sample --edit 1=+2"
    )
    if found.names:
        print_line("Named: " + ", ".join(f"{number} {word}" for word, number in found.names.items()))


def mix(
    run: RunFolder,
    coarse: Annotated[str, typer.Option(help="Seeds that determine the layout, such as 1,2,3 or 10-20.")] = "0-3",
    fine: Annotated[str, typer.Option(help="Seeds that determine the style: colours, light and texture.")] = "4-7",
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the grid: PNG, JPEG or WebP.")] = Path(
        "mix.png"
    ),
    side: Annotated[
        int | None,
        typer.Option(
            help="Side of the smallest feature maps whose style is exchanged: 4, 8, 16, … "
            "Default: an eighth of the image's side."
        ),
    ] = None,
    truncation: Truncation = 1.0,
) -> None:
    """Generate a picture for each pair of seeds, with the layout of one and the style of the other."""
    from pippin.sampling.seeds import parse_seeds
    from pippin.show import NOTE_SUFFIXES, check_suffix

    check_suffix(output, NOTE_SUFFIXES)
    layouts, styles = parse_seeds(coarse), parse_seeds(fine)
    opened = pippin.open_run(run)
    from pippin.runs.provenance import Provenance
    from pippin.sampling.mixing import choose_side

    side = choose_side(opened.generator, side)
    with console_reporter() as reporter:
        progress = reporter.progress("generating")
        images = opened.mix(layouts, styles, side=side, truncation=truncation, progress=progress)
    Provenance.of(opened, layouts, truncation, fine=styles, side=side).save(output, opened, images)
    print_line(
        f"{len(layouts)} × {len(styles)} pictures in {output}; style exchanged in maps of {side}×{side} and larger"
    )
