"""Snapshots: the generated images of the same latents at several points of a training, as picture files of a run."""

import io
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from pippin.errors import RunError
from pippin.host.files import damaged
from pippin.host.own_files import read_own, require_own
from pippin.show import GAP, grid, save_picture, timeline

SNAPSHOT_LATENTS = 64
"""Number of fixed latents from which each snapshot is generated: a grid of 8 × 8 images."""

SHEET_SIDE = 8
"""Number of rows and of columns of a snapshot's sheet."""

MAX_PICTURE_BYTES = 64 * 2**20
"""Largest size of a picture file of a run. A snapshot of 64 images of 512×512 pixels in RGB has at most 51 MB."""

FOLDER, LATEST, TIMELINE = "pictures", "latest.png", "timeline.png"


def save_images(run_path: Path, batches: int, images: np.ndarray, is_snapshot: bool) -> None:
    """Write the images of the fixed latents: `latest.png`, and for a snapshot its own file and `timeline.png`.

    Args:
        run_path: the folder of the run.
        batches: number of batches trained when they were generated.
        images: uint8 (SNAPSHOT_LATENTS, S, S, C).
        is_snapshot: whether to keep these images beside the earlier snapshots.

    Raises:
        PippinError: a file cannot be written, or an earlier snapshot is damaged.
    """
    require_own(run_path / FOLDER)
    sheet = grid(images)
    save_picture(sheet, run_path / LATEST)
    if is_snapshot:
        save_picture(sheet, run_path / FOLDER / f"batch-{batches:06d}.png")
        save_picture(timeline(read_snapshots(run_path, images.shape[1])), run_path / TIMELINE)


def sheet_side(image_size: int) -> int:
    """Return the side in pixels of the sheet of a snapshot whose images have the side `image_size`."""
    return SHEET_SIDE * (image_size + GAP) - GAP


def snapshot_files(run_path: Path) -> list[Path]:
    """Return the files `pictures/batch-NNNNNN.png` of a run, sorted by batch.

    Raises:
        RunError: the folder or a file is a link, or not a regular file.
    """
    folder = require_own(run_path / FOLDER)
    return sorted(require_own(file, run_path) for file in folder.glob("batch-*.png") if _NAME.fullmatch(file.stem))


def read_snapshots(run_path: Path, image_size: int) -> dict[int, np.ndarray]:
    """Return batch number → uint8 (SNAPSHOT_LATENTS, image_size, image_size, 3), sorted by batch.

    Transparent images lie over a checkerboard, as in the files.

    Raises:
        RunError: a file is damaged, or holds images of another size or number.
    """
    return {
        _batches(file): _split_sheet(_read_sheet(file, image_size), image_size) for file in snapshot_files(run_path)
    }


def read_picture(file: Path, folder: Path) -> bytes | None:
    """Return the contents of a PNG file of a run, which can be decoded; None if there is no file.

    Raises:
        RunError: it is damaged, or it is not the run's own file.
    """
    contents = read_own(file, MAX_PICTURE_BYTES, folder)
    if contents is not None:
        _decode(contents, file)
    return contents


_NAME = re.compile(r"batch-[0-9]{1,12}")


def _batches(file: Path) -> int:
    """Return the number of batches in the name of a snapshot's file."""
    return int(file.stem.removeprefix("batch-"))


def _read_sheet(file: Path, image_size: int) -> np.ndarray:
    """Return the sheet of a snapshot: uint8 (H, W, 3)."""
    contents = read_own(file, MAX_PICTURE_BYTES)
    side = sheet_side(image_size)
    return np.asarray(_decode(contents or b"", file, (side, side)).convert("RGB"))


def _decode(contents: bytes, file: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """Return the picture of a PNG file; `size` is the one that it must have."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(contents), formats=["PNG"])
        if size is None or picture.size == size:
            picture.load()
    except _UNREADABLE as problem:
        raise RunError(damaged(file, problem)) from None
    if size is not None and picture.size != size:
        raise RunError(
            f"{file.name} has {picture.width}×{picture.height} pixels, and the snapshots of this run have "
            f"{size[0]}×{size[1]}: {SNAPSHOT_LATENTS} images in {SHEET_SIDE} rows; remove it. Received: {file}"
        )
    return picture


_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow raises for files that are damaged."""


def _split_sheet(sheet: np.ndarray, size: int) -> np.ndarray:
    """Return the images of a sheet that `grid` made of SNAPSHOT_LATENTS images."""
    starts = range(0, sheet.shape[0], size + GAP)
    images = [sheet[top : top + size, left : left + size] for top in starts for left in starts]
    return np.stack(images)[:SNAPSHOT_LATENTS]
