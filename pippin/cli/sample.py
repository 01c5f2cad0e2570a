"""The verbs that generate: `sample`, `again`, `walk` and `story`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import pippin
from pippin.cli.arguments import RunFolder
from pippin.cli.console import console_reporter, format_duration
from pippin.cli.printing import print_line
from pippin.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np

    from pippin.runs.provenance import Provenance
    from pippin.runs.run import Run

DEFAULT_SEEDS = "0-4"
GRID, WALK, STORY = Path("grid.png"), Path("walk.mp4"), Path("story.mp4")

From = typer.Option("--from", help="Use the latents of a picture file of RUN, such as one that `pippin find` wrote.")
Edit = typer.Option(
    help="Edit along a direction of `pippin directions`: redder=+1.5 or 3=-2. Can be given several times."
)
Truncation = Annotated[
    float, typer.Option(help="Factor on the latents, 0 to 2. Below 1: more typical and less varied pictures.")
]
Label = Annotated[
    str | None, typer.Option(help="Label of the pictures, for a run with labels. Default: all labels in turn.")
]
FramesPerSecond = Annotated[float, typer.Option("--fps", help="Frames per second, 1 to 60.")]


def sample(
    run: RunFolder,
    n: Annotated[int | None, typer.Option("-n", "--number", help="Number of pictures. Default: 64.")] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File for the grid: PNG, JPEG or WebP; or the folder for --separate.")
    ] = GRID,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the first picture; the others have the following seeds. Default: 0.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of all pictures instead, such as 1,2,3 or 10-20.")] = None,
    truncation: Truncation = 1.0,
    start: Annotated[Path | None, From] = None,
    edit: Annotated[list[str] | None, Edit] = None,
    label: Label = None,
    curate: Annotated[
        bool, typer.Option("--curate", help="Generate four times as many pictures and keep the best.")
    ] = False,
    labels: Annotated[
        bool | None,
        typer.Option(
            "--labels/--no-labels", help="Print each seed below its picture. Default: with --seeds or --curate."
        ),
    ] = None,
    separate: Annotated[bool, typer.Option("--separate", help="Write each picture to its own file.")] = False,
) -> None:
    """Generate new pictures with RUN. Each file stores how it was made, so that `pippin again` can reproduce it."""
    from pippin.pictures.entries import plural
    from pippin.sampling.edits import parse_edits
    from pippin.sampling.seeds import parse_seeds, seeds_from
    from pippin.show import NOTE_SUFFIXES, check_suffix

    edits = parse_edits(edit or [])
    if curate and edits:
        raise SettingsError(
            "Use --curate first, then edit its choice with --seeds and --edit. Received: --curate --edit"
        )
    if start is not None:
        if not (n is seed is seeds is labels is None and truncation == 1 and not curate and not separate):
            raise SettingsError(f"--from can only be combined with --edit and -o. Received: --from {start}")
        _sample_from(run, start, edits, check_suffix(output, NOTE_SUFFIXES))
        return
    if seeds is not None and (n is not None or seed is not None or curate):
        raise SettingsError(f"--seeds cannot be combined with -n, --seed or --curate. Received: --seeds {seeds}")
    if output.suffix or not separate:
        check_suffix(output, NOTE_SUFFIXES)
    summary, count, first = "", 64 if n is None else n, seed or 0
    if not curate:
        chosen = seeds_from(first, count) if seeds is None else parse_seeds(seeds)
    opened = pippin.open_run(run)
    from pippin.runs.provenance import Provenance  # after `open_run`, which loads Keras without its log messages

    with console_reporter() as reporter:
        progress = reporter.progress("generating and scoring" if curate else "generating")
        if curate:
            curated = pippin.curate(opened, count, first, truncation=truncation, label=label, progress=progress)
            chosen, images, summary = curated.seeds, curated.images, curated.summary
        else:
            images = opened.sample(seeds=chosen, truncation=truncation, edits=edits, label=label, progress=progress)
    if labels is None:
        labels = not separate and (curate or seeds is not None)
    provenance = Provenance.of(opened, chosen, truncation, labels, summary, label, edits=edits)
    if separate:
        output = _save_each(provenance, opened, images, output)
    else:
        provenance.save(output, opened, images)
    if summary:
        print_line(summary)
    print_line(f"{plural(len(chosen), 'picture')} in {output}")


def _sample_from(run: Path, picture: Path, edits: dict[str, float], output: Path) -> None:
    """Generate pictures from the latents of a picture file, edited."""
    opened = pippin.open_run(run)
    from pippin.pictures.entries import plural

    provenance = edited_provenance(opened, picture, edits, "give the seeds with --seeds instead")
    latents = provenance.generator_inputs(opened)
    with console_reporter() as reporter:
        provenance.save(output, opened, opened.generate(latents, reporter.progress("generating")))
    print_line(f"{plural(len(latents), 'picture')} in {output}")


def edited_provenance(run: "Run", picture: Path, edits: dict[str, float], advice: str) -> "Provenance":
    """Return the provenance of a picture file of a run, edited.

    Args:
        run: the run.
        picture: the file that `--from` names.
        edits: direction → strength.
        advice: what to do instead if the file has too many images.
    """
    from pippin.runs.provenance import MAX_IMAGES, Provenance

    provenance = Provenance.read(picture)
    provenance.check_count(run, MAX_IMAGES, advice)
    provenance.check_weights(run)
    return provenance.edited(run, edits)


def _save_each(provenance: "Provenance", run: "Run", images: "np.ndarray", output: Path) -> Path:
    """Write each picture with its provenance to its own file, and return the folder."""
    folder, ending = output.with_suffix(""), output.suffix or ".png"
    digits = len(str(max(provenance.seeds)))
    for seed, image in zip(provenance.seeds, images, strict=True):
        alone = dataclasses.replace(provenance, seeds=(seed,))
        alone.save(folder / f"seed-{seed:0{digits}d}{ending}", run, image[None])
    return folder


def again(
    picture: Annotated[
        Path, typer.Argument(help="A picture file that `pippin sample`, `find` or `mix` wrote.", metavar="PICTURE")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File for the result. Default: NAME-again in the same folder.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of the run. Default: the one stored in PICTURE, if it is below the current folder."),
    ] = None,
    max_images: Annotated[
        int | None, typer.Option(help="Largest number of images that PICTURE may consist of. Default: 1024.")
    ] = None,
) -> None:
    """Generate PICTURE again from the information stored in it, and say whether the file is identical."""
    with console_reporter() as reporter:
        progress = reporter.progress("generating")
        result = pippin.again(picture, output, run, progress=progress, max_images=max_images)
    differences = f" ({result.differences})" if result.differences else ""
    print_line(f"{result.path}: {'identical to the byte' if result.same else 'not identical'}" + differences)


def walk(
    run: RunFolder,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds of the pictures on the path, such as 1,2,3 or 10-20. Default: 0-4.")
    ] = None,
    start: Annotated[list[Path] | None, From] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the video: MP4, WebP or GIF.")] = WALK,
    frames: Annotated[int, typer.Option(help="Frames from each picture to the next.")] = 48,
    fps: FramesPerSecond = 24,
    truncation: Truncation = 1.0,
    label: Label = None,
) -> None:
    """Make a video that interpolates between pictures of RUN and returns to the first."""
    from pippin.sampling.seeds import parse_seeds
    from pippin.show import check_video, save_video

    chosen = [] if seeds is None else parse_seeds(seeds)
    check_video(output, fps)
    opened = pippin.open_run(run)
    latents = _latents_from(opened, start) if start else None
    if seeds is None and (latents is None or len(latents) < 2):
        chosen = parse_seeds(DEFAULT_SEEDS)
    with console_reporter() as reporter:
        progress = reporter.progress("generating")
        images = opened.walk(chosen, frames, truncation=truncation, label=label, latents=latents, progress=progress)
    save_video(images, output, fps)
    print_line(f"{len(images)} frames, {format_duration(len(images) / fps)}, in {output}")


def _latents_from(run: "Run", pictures: list[Path]) -> "np.ndarray":
    """Return the concatenated latents of picture files of a run."""
    import numpy as np

    from pippin.runs.provenance import MAX_IMAGES, Provenance

    provenances = [Provenance.read(picture) for picture in pictures]
    for provenance in provenances:
        provenance.check_count(run, MAX_IMAGES, "give the seeds with --seeds instead")
        provenance.check_weights(run)
    return np.concatenate([provenance.generator_inputs(run) for provenance in provenances])


def story(
    run: RunFolder,
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the video: MP4, WebP or GIF.")] = STORY,
    seconds: Annotated[float, typer.Option(help="Seconds from each snapshot to the next.")] = 1.5,
    fps: FramesPerSecond = 24,
) -> None:
    """Make a video of RUN's snapshots: images generated from the same latents, from batch 0 to the last."""
    from pippin.show import check_video, film, save_video

    check_video(output, fps)
    snapshots = pippin.open_run(run).snapshots()
    save_video(film(snapshots, fps, seconds), output, fps)
    print_line(f"{len(snapshots)} snapshots, from batch {min(snapshots):,} to {max(snapshots):,}, in {output}")
