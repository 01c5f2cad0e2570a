"""The report of an audit: one self-contained HTML file."""

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
from pippin.host.files import output_path
from pippin.host.limits import PIXEL_LIMIT
from pippin.host.text import printable
from pippin.pictures import Source
from pippin.pictures.entries import Entry
from pippin.pictures.sources.base import EncodedSource, Sharing, SourceItem
from pippin.pictures.sources.files import FileSource
from pippin.show import grid

SHEET_IMAGES = 144
"""Largest number of prepared pictures on the sheet at the top: 9 rows of 16."""

MAX_ROWS = 500
"""Largest number of rows of each table, so that a browser can open the report of a large source."""

THUMBNAIL = 64
"""Longest side of the thumbnail of a refused file, in pixels."""


def write_page(inspection: Inspection, path: str | os.PathLike[str]) -> Path:
    """Write the report of an audit as an HTML file.

    Args:
        inspection: the result of `audit`.
        path: the file to write. Missing folders are created.

    Returns:
        The path.

    Raises:
        PippinError: the file cannot be written there.
    """
    path, dataset = Path(path), inspection.dataset
    audit = dataset.audit
    shown = np.sort(np.random.default_rng(0).permutation(len(dataset))[:SHEET_IMAGES])
    refused = audit.refused[:MAX_ROWS]
    thumbnails = {path: _png_url(png) for path, png in refused_thumbnails(inspection.source, refused).items()}
    warned = (entry for entry in audit.entries if entry.warnings)
    templates = Environment(loader=PackageLoader("pippin.auditing", "."), autoescape=True, trim_blocks=True)
    templates.filters["name"] = printable
    page = templates.get_template("page.html").render(
        dataset=dataset,
        audit=audit,
        lines=audit.lines(),
        sheet=_data_url(grid(dataset.images[shown], 16)),
        shown=len(shown),
        outliers=[(_strip(dataset.images, [entry]), entry, score) for entry, score in inspection.outliers[:MAX_ROWS]],
        compared=inspection.compared,
        groups=[(_strip(dataset.images, group), group) for group in audit.groups[:MAX_ROWS]],
        refused=[(thumbnails.get(entry.file or entry.path), entry) for entry in refused],
        warned=[(_strip(dataset.images, [entry]), entry) for entry in islice(warned, MAX_ROWS)],
        options=dataset.preparation.non_default(),
    )
    with output_path(path, "report") as part:
        part.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def _strip(images: np.ndarray, entries: Sequence[Entry]) -> str | None:
    """Return the first crops of some pictures side by side as a data URL, or None if none of them was prepared."""
    rows = [entry.index for entry in entries if entry.index is not None]
    return _data_url(grid(images[rows], len(rows))) if rows else None


def refused_thumbnails(source: Source | None, entries: Sequence[Entry]) -> dict[str, bytes]:
    """Return path → thumbnail, a PNG, of the refused files that can be decoded. Only the source is read."""
    if source is None or source.sharing is Sharing.SEQUENTIAL:  # going back would unpack everything again
        return {}
    paths = {entry.file or entry.path for entry in entries}
    found = ((item.path, _thumbnail(source, item)) for item in source.items if item.path in paths)
    return {path: thumbnail for path, thumbnail in found if thumbnail}


def _original(source: Source, item: SourceItem) -> Path | io.BytesIO | None:
    """Return the file of an item, or its content; None if there is no file that can be opened."""
    if item.problem is not None:
        return None
    if isinstance(source, FileSource):
        path = source.folder / item.path
        return path if path.is_file() else None  # opening a pipe would block for ever
    return io.BytesIO(source.content(item)) if isinstance(source, EncodedSource) else None


def _thumbnail(source: Source, item: SourceItem) -> bytes | None:
    """Return a thumbnail of an item as a PNG, or None if it cannot be decoded at all."""
    with contextlib.suppress(Exception):
        original = _original(source, item)
        picture = None if original is None else reduced_picture(original, THUMBNAIL)
        return None if picture is None else _png(picture)
    return None


def reduced_picture(file: Path | io.BytesIO, side: int) -> np.ndarray | None:
    """Return a picture file, also a damaged one, reduced in size.

    Args:
        file: the file.
        side: the longest side of the result in pixels.

    Returns:
        uint8 (H, W, 3); None if it is too large, or cannot be decoded at all.
    """
    with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
        return _reduced(file, side)
    return None


def _reduced(file: Path | io.BytesIO, side: int) -> np.ndarray | None:
    """Return what `reduced_picture` does; it may raise any error."""
    with Image.open(file) as image:
        if image.format == "EPS" or image.width * image.height > PIXEL_LIMIT:
            return None
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
        try:
            image.draft("RGB", (side, side))
            image.thumbnail((side, side))
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
        return np.asarray(image.convert("RGB"))


def _png(image: np.ndarray) -> bytes:
    """Return an image as a PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def _data_url(image: np.ndarray) -> str:
    """Return an image as a PNG in a data URL."""
    return _png_url(_png(image))


def _png_url(contents: bytes) -> str:
    """Return the data URL of a PNG."""
    return f"data:image/png;base64,{base64.b64encode(contents).decode()}"
