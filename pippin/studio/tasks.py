"""Tasks of the worker that read a source: the audit, the plan, and the reduced picture of an original.

Each is called as `task(progress, …)` in the process of a `Worker`.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

import pippin
from pippin.auditing.page import reduced_picture, refused_thumbnails
from pippin.errors import SettingsError
from pippin.pictures import Preparation
from pippin.pictures.sources.files import FileSource

Progress = Callable[[int, int], None]

MAX_THUMBNAILS = 500
"""Largest number of refused files that get a thumbnail."""

ORIGINAL_SIDE = 1024
"""Longest side of the reduced picture of an original, in pixels."""


def audit(
    progress: Progress, source: str, image_size: int, preparation: dict[str, Any], outliers: bool
) -> dict[str, Any]:
    """Audit a source.

    Returns:
        `folder`: where the prepared pictures are; `outliers`: path → score; `lines`, `outlook` and `compared`: see
        `pippin.auditing.Inspection`; `searched`: whether outliers were searched; `thumbnails`: path → PNG of refused
        files; `can_leave_out`: whether the source is a folder of files, of which some can be left out.
    """
    inspection = pippin.audit(
        source, image_size=image_size, preparation=Preparation(**preparation), outliers=outliers, progress=progress
    )
    dataset = inspection.dataset
    return {
        "folder": str(Path(str(dataset.stored.filename)).parent),  # type: ignore[attr-defined]
        "outliers": {entry.path: score for entry, score in inspection.outliers},
        "lines": inspection.lines()[:-1],
        "outlook": dataset.audit.outlook(),
        "compared": inspection.compared,
        "searched": outliers,
        "thumbnails": refused_thumbnails(inspection.source, dataset.audit.refused[:MAX_THUMBNAILS]),
        "can_leave_out": isinstance(inspection.source, FileSource),
    }


def original(progress: Progress, path: str) -> bytes | None:
    """Return a picture file reduced to `ORIGINAL_SIDE`, as a JPEG; None if it cannot be shown."""
    picture = reduced_picture(Path(path), ORIGINAL_SIDE)
    if picture is None:
        return None
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=88)
    return file.getvalue()


def plan(
    progress: Progress,
    source: str,
    run: str | None,
    preset: str,
    image_size: int | None,
    settings: dict[str, Any],
    preparation: dict[str, Any],
    speed: bool,
) -> dict[str, Any]:
    """Plan a training.

    Args:
        progress: called while the pictures are prepared.
        source, preset, image_size, settings, preparation: see `pippin.train`.
        run: the folder of the run; None: the default one.
        speed: whether to measure the speed.

    Returns:
        What the page shows of the plan, besides what `pippin.studio.speeds` adds. `inputs`: the number of channels, and
        of labels.
    """
    from pippin import engines
    from pippin.session import memory
    from pippin.session.plan import usable_memory
    from pippin.session.train import default_path

    made = pippin.plan(
        source,
        preset=preset,
        image_size=image_size,
        preparation=Preparation(**preparation),
        progress=progress,
        **settings,
    )
    chosen, engine = made.settings, engines.current()
    training_set, held_out = made.dataset.split(chosen.held_out)
    usable = usable_memory()
    try:
        made.check_memory()
        advice = None
    except SettingsError as problem:
        advice = str(problem)
    rate = made.measure_speed() if speed and advice is None else None
    path = Path(run) if run is not None else default_path(made.dataset, chosen)
    return {
        "settings": [
            {"name": name, "value": value, "reason": made.choice.reasons.get(name, ""), "given": name in settings}
            for name, value in chosen.to_dict().items()
            if value is not None
        ],
        "training_images": len(training_set),
        "held_out": len(held_out),
        "memory_bytes": made.memory if usable is not None else None,
        "free_bytes": memory.free_memory() if usable is not None else None,
        "fits": advice is None,
        "advice": advice,
        "images_per_second": rate,
        "inputs": [made.dataset.channels, len(made.dataset.labels.names) if made.dataset.labels else 0],
        "run": str(path),
        "notes": [*made.dataset.notes, made.dataset.audit.outlook()],
        "engine": engine.name,
        "device": engine.device(),
    }
