"""Video files from frames."""

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from pippin.errors import SettingsError
from pippin.host.files import output_path
from pippin.pictures import GREY
from pippin.show import ffmpeg
from pippin.show.backgrounds import on_white
from pippin.show.files import check_suffix

VIDEO_SUFFIXES = (".mp4", ".webp", ".gif")
"""File suffixes of the video formats."""

MAX_FPS = 60
"""Highest frame rate, in frames per second. GIF can store up to 100, but browsers play at most 50."""

MIN_SIDE = 256
"""Smallest shorter side of a video, in pixels. Smaller frames are enlarged, because players do not enlarge them, and
because the chroma of an MP4 has half the resolution."""


GIF_STEP = 10
"""Unit of a frame's duration in a GIF, in milliseconds."""


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

    The new file replaces an older one only after it was decoded and has every frame.

    Args:
        frames: at least one frame, uint8 (H, W, 1 | 3 | 4), all of the same size. WebP keeps transparency; in the other
            formats the background is white.
        path: the file to write; its suffix determines the format. Missing folders are created.
        fps: frames per second, 1 to 60. WebP rounds the duration of a frame to 1 ms, GIF to 10 ms.

    Returns:
        The path.

    Raises:
        SettingsError: the suffix is not one of `VIDEO_SUFFIXES`, `fps` is out of range, or there are no frames.
        PippinError: the file cannot be written there.
    """
    path = check_video(path, fps)
    convert = (lambda frame: frame) if path.suffix.lower() == ".webp" else on_white
    pictures = (_enlarged(convert(frame)) for frame in frames)
    if (first := next(pictures, None)) is None:
        raise SettingsError(f"A video needs at least one frame. Received: no frames for {path}")
    write = ffmpeg.write_mp4 if path.suffix.lower() == ".mp4" else _write_animation
    with output_path(path, "video") as part:
        write(itertools.chain([first], pictures), part, fps)
    return path


def _enlarged(frame: np.ndarray) -> Image.Image:
    """Return a frame enlarged by a whole factor, so that its shorter side has at least `MIN_SIDE` pixels."""
    picture = Image.fromarray(frame[..., 0] if frame.shape[2] == GREY else frame)
    factor = -(-MIN_SIDE // min(picture.size))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)


def _write_animation(pictures: Iterator[Image.Image], path: Path, fps: float) -> None:
    """Write an animated WebP or GIF, decode it again, and raise an OSError if a part is missing."""
    step = GIF_STEP if path.suffix.lower() == ".gif" else 1
    options: dict[str, Any] = {"quality": 90, "method": 4} if path.suffix.lower() == ".webp" else {}
    duration, frames = step * round(1000 / fps / step), _Counted(pictures)
    next(frames).save(path, save_all=True, append_images=frames, duration=duration, loop=0, **options)
    with Image.open(path) as animation:
        found = 0
        for frame in ImageSequence.Iterator(animation):
            frame.load()
            found += round(frame.info.get("duration", 0))
        moving = getattr(animation, "n_frames", 1) > 1
    expected = frames.count * duration  # not the number of frames, because equal ones are merged
    if moving and found != expected:
        raise OSError(f"the file is incomplete: it lasts {found:,} instead of {expected:,} ms")


class _Counted(Iterator[Image.Image]):
    """Yields pictures and counts them."""

    def __init__(self, pictures: Iterator[Image.Image]) -> None:
        self._pictures, self.count = pictures, 0

    def __next__(self) -> Image.Image:
        picture = next(self._pictures)
        self.count += 1
        return picture
