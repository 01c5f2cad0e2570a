"""An inspection as one HTML file that opens anywhere, without a network."""

import base64
import contextlib
import io
import os
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader
from PIL import Image, ImageFile

from pippin.auditing.inspection import Inspection
from pippin.errors import PippinError
from pippin.pictures.decoding import PIXEL_LIMIT
from pippin.pictures.verdicts import Entry, printable
from pippin.show import grid

SHOWN = 144
"""Pictures on the sheet of what training sees."""

LISTED = 500
"""Files that a table lists at the most, groups of copies, and unlike pictures: a page must open."""

THUMB = 64
"""Pixels of a refused file's picture."""


def write_page(inspection: Inspection, path: str | os.PathLike[str]) -> Path:
    """Write an inspection as a page.

    Args:
        inspection: what `audit` found.
        path: where to.

    Returns:
        The file.

    Raises:
        PippinError: it cannot be written there.
    """
    path, dataset = Path(path), inspection.dataset
    audit = dataset.audit
    shown = np.sort(np.random.default_rng(0).permutation(len(dataset))[:SHOWN])
    folder = Path(dataset.manifest["source"])
    odd = (entry for entry in audit.entries if entry.warnings)
    templates = Environment(loader=PackageLoader("pippin.auditing", "."), autoescape=True, trim_blocks=True)
    templates.filters["name"] = printable
    page = templates.get_template("page.html").render(
        dataset=dataset,
        audit=audit,
        lines=audit.lines(),
        sheet=_inline(grid(dataset.images[shown], 16)),
        shown=len(shown),
        unlike=[(_squares(dataset.images, [entry]), entry, score) for entry, score in inspection.unlike[:LISTED]],
        looked_at=inspection.looked_at,
        groups=[(_squares(dataset.images, group), group) for group in audit.groups[:LISTED]],
        refused=[(_glimpse(folder / entry.path), entry) for entry in audit.refused[:LISTED]],
        odd=[(_squares(dataset.images, [entry]), entry) for entry in islice(odd, LISTED)],
        options=dataset.preparation.unusual(),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as problem:
        raise PippinError(f"The report cannot be written: {problem.strerror}. Received: {path}") from None
    return path


def _squares(images: np.ndarray, entries: Sequence[Entry]) -> str | None:
    """Return the first squares of some pictures side by side; None where none of them was prepared."""
    rows = [entry.index for entry in entries if entry.index is not None]
    return _inline(grid(images[rows], len(rows))) if rows else None


def _glimpse(path: Path) -> str | None:
    """Return what can still be seen of a refused file; None where that is nothing."""
    with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"), Image.open(path) as image:
        if image.format == "EPS" or image.width * image.height > PIXEL_LIMIT:
            return None
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
        try:
            image.draft("RGB", (THUMB, THUMB))
            image.thumbnail((THUMB, THUMB))
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
        return _inline(np.asarray(image.convert("RGB")))
    return None


def _inline(image: np.ndarray) -> str:
    """A picture as what an `img` can hold."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
