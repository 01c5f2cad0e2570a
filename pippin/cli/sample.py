"""The verbs that paint: `sample`, `again`, `walk` and `story`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import pippin
from pippin.cli.arguments import RunFolder
from pippin.cli.console import console_reporter, format_duration
from pippin.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np

    from pippin.runs.provenance import Recipe
    from pippin.runs.run import Run

SEEDS = "0-4"
GRID, WALK, STORY = Path("grid.png"), Path("walk.mp4"), Path("story.mp4")

From = typer.Option(
    "--from", help="A picture file of RUN, such as `pippin find` wrote: begin with what it was painted from."
)
Truncation = Annotated[
    float, typer.Option(help="ψ, 0 to 2: latents are scaled by it; below 1 more usual and less varied.")
]
Label = Annotated[str | None, typer.Option(help="Kind of picture, of a run with labels; in turn if not said.")]
FramesPerSecond = Annotated[float, typer.Option("--fps", help="Frames a second, 1 to 60.")]


def sample(
    run: RunFolder,
    n: Annotated[int | None, typer.Option("-n", "--number", help="How many pictures to paint; 64 if not said.")] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The grid's file, PNG, JPEG or WebP; a folder with --separate.")
    ] = GRID,
    seed: Annotated[
        int | None, typer.Option(help="Of the first picture; the others have the seeds after it. 0 if not said.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Of each picture instead, as 1,2,3 or 10-20.")] = None,
    truncation: Truncation = 1.0,
    start: Annotated[Path | None, From] = None,
    edit: Annotated[
        list[str] | None,
        typer.Option(help="Go along a direction: redder=+1.5, or 3=-2; see `pippin directions`. As often as you like."),
    ] = None,
    label: Label = None,
    curate: Annotated[bool, typer.Option("--curate", help="Paint four times as many and keep the best.")] = False,
    labels: Annotated[
        bool | None,
        typer.Option("--labels/--no-labels", help="Seeds below the pictures; with --seeds and --curate if not said."),
    ] = None,
    separate: Annotated[bool, typer.Option("--separate", help="A file for each picture.")] = False,
) -> None:
    """Paint new pictures with what RUN learnt. Each file says how it was made; `pippin again` makes it again."""
    from pippin.sampling.edits import parse_edits
    from pippin.sampling.seeds import parse_seeds, seeds_from
    from pippin.show import NOTE_SUFFIXES, check_suffix

    edits = parse_edits(edit or [])
    if curate and edits:
        raise SettingsError("Curate first, then edit what was chosen, by its --seeds. Received: --curate --edit")
    if start is not None:
        if not (n is seed is seeds is labels is None and truncation == 1 and not curate and not separate):
            raise SettingsError(f"With --from go --edit and -o, and nothing else. Received: --from {start}")
        _sample_from(run, start, edits, check_suffix(output, NOTE_SUFFIXES))
        return
    if seeds is not None and (n is not None or seed is not None or curate):
        raise SettingsError(f"Give --seeds, or what chooses them: -n, --seed, --curate. Received: --seeds {seeds}")
    if output.suffix or not separate:
        check_suffix(output, NOTE_SUFFIXES)
    how, count, first = "", 64 if n is None else n, seed or 0
    if not curate:
        chosen = seeds_from(first, count) if seeds is None else parse_seeds(seeds)
    opened = pippin.open_run(run)
    from pippin.runs.provenance import Recipe  # loads Keras, which an opened run has already loaded without a sound

    with console_reporter() as reporter:
        progress = reporter.progress("generating and scoring" if curate else "generating")
        if curate:
            curated = pippin.curate(opened, count, first, truncation=truncation, label=label, progress=progress)
            chosen, images, how = curated.seeds, curated.images, curated.how
        else:
            images = opened.sample(seeds=chosen, truncation=truncation, edits=edits, label=label, progress=progress)
    if labels is None:
        labels = not separate and (curate or seeds is not None)
    recipe = Recipe.of(opened, chosen, truncation, labels, how, label, edits=edits)
    if separate:
        output = _save_each(recipe, opened, images, output)
    else:
        recipe.save(output, opened, images)
    if how:
        print(how)
    print(f"{len(chosen)} pictures in {output}")


def _sample_from(run: Path, picture: Path, edits: dict[str, float], output: Path) -> None:
    """Paint once more what a picture file of a run was painted from, edited."""
    opened = pippin.open_run(run)
    from pippin.runs.provenance import Recipe

    recipe = Recipe.read(picture)
    recipe.check(opened)
    recipe = recipe.edited(opened, edits)
    latents = recipe.painted_from(opened)
    with console_reporter() as reporter:
        recipe.save(output, opened, opened.generate(latents, reporter.progress("generating")))
    print(f"{len(latents)} pictures in {output}")


def _save_each(recipe: "Recipe", run: "Run", images: "np.ndarray", output: Path) -> Path:
    """Write each picture into a file of its own, with a recipe of its own, and return their folder."""
    from pippin.sampling.seeds import parse_seeds

    folder, ending = output.with_suffix(""), output.suffix or ".png"
    seeds = parse_seeds(recipe.seeds)
    digits = len(str(max(seeds)))
    for seed, image in zip(seeds, images, strict=True):
        alone = dataclasses.replace(recipe, seeds=str(seed))
        alone.save(folder / f"seed-{seed:0{digits}d}{ending}", run, image[None])
    return folder


def again(
    picture: Annotated[
        Path, typer.Argument(help="A file that `pippin sample`, `find` or `mix` wrote.", metavar="PICTURE")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to; NAME-again beside it if not said.")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the run, where it has moved since.")] = None,
) -> None:
    """Paint PICTURE again from what it says about itself, and say whether it is the same to the byte."""
    with console_reporter() as reporter:
        made = pippin.again(picture, output, run, progress=reporter.progress("generating"))
    verdict = "the same to the byte" if made.same else "not the same to the byte"
    print(f"{made.path}: {verdict}" + (f" ({made.why})" if made.why else ""))


def walk(
    run: RunFolder,
    seeds: Annotated[
        str | None, typer.Option(help="Of the pictures to pass, as 1,2,3 or 10-20; 0-4 if not said.")
    ] = None,
    start: Annotated[list[Path] | None, From] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The video's file: MP4, WebP or GIF.")] = WALK,
    frames: Annotated[int, typer.Option(help="From one picture to the next.")] = 48,
    fps: FramesPerSecond = 24,
    truncation: Truncation = 1.0,
    label: Label = None,
) -> None:
    """Walk in a smooth loop through pictures of RUN, from one to the next and back to the first."""
    from pippin.sampling.seeds import parse_seeds
    from pippin.show import check_video, save_video

    chosen = [] if seeds is None else parse_seeds(seeds)
    check_video(output, fps)
    opened = pippin.open_run(run)
    latents = _latents_from(opened, start) if start else None
    if seeds is None and (latents is None or len(latents) < 2):
        chosen = parse_seeds(SEEDS)
    with console_reporter() as reporter:
        progress = reporter.progress("generating")
        painted = opened.walk(chosen, frames, truncation=truncation, label=label, latents=latents, progress=progress)
    save_video(painted, output, fps)
    print(f"{len(painted)} frames, {format_duration(len(painted) / fps)}, in {output}")


def _latents_from(run: "Run", pictures: list[Path]) -> "np.ndarray":
    """Return the latents of picture files of a run, one after the other."""
    import numpy as np

    from pippin.runs.provenance import Recipe

    recipes = [Recipe.read(picture) for picture in pictures]
    for recipe in recipes:
        recipe.check(run)
    return np.concatenate([recipe.painted_from(run) for recipe in recipes])


def story(
    run: RunFolder,
    output: Annotated[Path, typer.Option("-o", "--output", help="The video's file: MP4, WebP or GIF.")] = STORY,
    seconds: Annotated[float, typer.Option(help="From one moment to the next.")] = 1.5,
    fps: FramesPerSecond = 24,
) -> None:
    """Show how the same latents' pictures grew while RUN learnt, from batch 0 to now."""
    from pippin.show import check_video, film, save_video

    check_video(output, fps)
    moments = pippin.open_run(run).story()
    save_video(film(moments, fps, seconds), output, fps)
    print(f"{len(moments)} moments, from batch {min(moments):,} to {max(moments):,}, in {output}")
