"""Video files from frames."""

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
from pippin.show.backgrounds import on_white
from pippin.show.files import check_suffix

VIDEO_SUFFIXES = (".mp4", ".webp", ".gif")
"""File suffixes of the video formats."""

MAX_FPS = 60
"""Highest frame rate, in frames per second. GIF can store up to 100, but browsers play at most 50."""

MIN_SIDE = 256
"""Smallest shorter side of a video, in pixels. Smaller frames are enlarged, because players do not enlarge them, and
because the chroma of an MP4 has half the resolution."""


def check_video(path: str | os.PathLike[str], fps: float) -> Path:
    """Return the path if a video can be written there. Called before images are generated for the file.

    Raises:
        SettingsError: the suffix is not one of `VIDEO_SUFFIXES`, or `fps` is out of range.
    """
    if not 1 <= fps <= MAX_FPS:
        raise SettingsError(f"fps must be from 1 to {MAX_FPS}. Received: fps={fps:g}")
    return check_suffix(path, VIDEO_SUFFIXES, "video")


def save_video(frames: Iterable[np.ndarray], path: str | os.PathLike[str], fps: float = 24) -> Path:
    """Write frames to a video file atomically: MP4 (H.264), or an animated WebP or GIF that loops.

    Args:
        frames: at least one frame, uint8 (H, W, 1 | 3 | 4), all of the same size. WebP keeps transparency; in the other
            formats the background is white.
        path: the file to write; its suffix determines the format. Missing folders are created.
        fps: frames per second, 1 to 60. WebP rounds the duration of a frame to 1 ms, GIF to 10 ms.

    Returns:
        The path.

    Raises:
        SettingsError: the suffix is not one of `VIDEO_SUFFIXES`, or `fps` is out of range.
        PippinError: the file cannot be written there.
    """
    path = check_video(path, fps)
    convert = (lambda frame: frame) if path.suffix.lower() == ".webp" else on_white
    pictures = (_enlarged(convert(frame)) for frame in frames)
    with output_path(path, "video") as part:
        if path.suffix.lower() == ".mp4":
            _write_mp4(pictures, part, fps)
        else:
            options: dict[str, Any] = {"quality": 90, "method": 4} if path.suffix.lower() == ".webp" else {}
            first = next(pictures)
            first.save(part, save_all=True, append_images=pictures, duration=round(1000 / fps), loop=0, **options)
    return path


def _enlarged(frame: np.ndarray) -> Image.Image:
    """Return a frame enlarged by a whole factor, so that its shorter side has at least `MIN_SIDE` pixels."""
    picture = Image.fromarray(frame[..., 0] if frame.shape[2] == GREY else frame)
    factor = -(-MIN_SIDE // min(picture.size))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)


def _write_mp4(pictures: Iterator[Image.Image], path: Path, fps: float) -> None:
    """Encode an MP4 with the FFmpeg of `imageio-ffmpeg`. Sides must be even, so an odd side repeats its last line."""
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
