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
        `pippin.auditing.Inspection`; `thumbnails`: path → PNG of refused files; `can_leave_out`: whether the source is
        a folder of files, of which some can be left out.
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
