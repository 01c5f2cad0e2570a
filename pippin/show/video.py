"""Frames → a file that moves."""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from PIL import Image

from pippin.errors import SettingsError
from pippin.host.files import output_path
from pippin.pictures import GREY
from pippin.show.files import check_ending
from pippin.show.grounds import on_paper

MOVING = (".mp4", ".webp", ".gif")
"""Endings of the formats that move."""

FASTEST = 60
"""Frames a second, at most; Pillow's clock for GIF ends at 100, browsers' at 50."""

LEAST = 256
"""Pixels of the shorter side, at least. Smaller frames are enlarged: players show them as small as they are, and the
colours of an MP4 have half the resolution."""


def check_video(path: str | os.PathLike[str], fps: float) -> Path:
    """Return the path if a video can be written there, before anything is painted for it.

    Raises:
        SettingsError: the ending or `fps` will not do.
    """
    if not 1 <= fps <= FASTEST:
        raise SettingsError(f"fps must be from 1 to {FASTEST}. Received: fps={fps:g}")
    return check_ending(path, MOVING, "video")


def save_video(frames: Iterable[np.ndarray], path: str | os.PathLike[str], fps: float = 24) -> Path:
    """Write frames as a video: MP4 (H.264), or an animated WebP or GIF, which begin again at their end.

    Args:
        frames: uint8 (H, W, 1 | 3 | 4) each, at least one, all of one size. What is transparent stays so in WebP, and
            is laid over white elsewhere.
        path: where to; the ending decides the format.
        fps: frames a second, 1 to 60. WebP counts in whole milliseconds, GIF in hundredths of a second.

    Returns:
        The path.

    Raises:
        SettingsError: another ending, or `fps` out of range.
        PippinError: it cannot be written there.
    """
    path = check_video(path, fps)
    rgb = (lambda frame: frame) if path.suffix.lower() == ".webp" else on_paper
    pictures = (_enlarged(rgb(frame)) for frame in frames)
    with output_path(path, "video") as part:
        if path.suffix.lower() == ".mp4":
            _write_mp4(pictures, part, fps)
        else:
            options: dict[str, Any] = {"quality": 90, "method": 4} if path.suffix.lower() == ".webp" else {}
            first = next(pictures)
            first.save(part, save_all=True, append_images=pictures, duration=round(1000 / fps), loop=0, **options)
    return path


def _enlarged(frame: np.ndarray) -> Image.Image:
    picture = Image.fromarray(frame[..., 0] if frame.shape[2] == GREY else frame)
    times = -(-LEAST // min(picture.size))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.BICUBIC)


def _write_mp4(pictures: Iterator[Image.Image], path: Path, fps: float) -> None:
    """Encode with the ffmpeg that is installed along. Sides must be even there: an odd one gets its last line twice."""
    first = next(pictures)
    padding = ((0, first.height % 2), (0, first.width % 2), (0, 0))
    size = first.width + first.width % 2, first.height + first.height % 2
    writer = imageio_ffmpeg.write_frames(
        str(path),
        size,
        fps=fps,
        codec="libx264",
        quality=None,
        output_params=["-crf", "16", "-movflags", "+faststart"],
        macro_block_size=1,
        ffmpeg_log_level="error",
    )
    with contextlib.closing(writer):
        writer.send(None)
        for picture in itertools.chain([first], pictures):
            writer.send(np.ascontiguousarray(np.pad(np.asarray(picture), padding, mode="edge")))
