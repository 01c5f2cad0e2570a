"""Files that move: which of their frames are pictures, and reading one of those."""

import io
import os
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import imageio_ffmpeg
from PIL import Image

from pippin.pictures.colour import Refused
from pippin.pictures.decoding import PIXEL_LIMIT, STILL, Decoded, read_picture
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import Preparation
from pippin.pictures.sources.base import SourceItem
from pippin.pictures.workers import in_order

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".avi")

FRAMES = 24
"""Frames that are taken of a video if nothing is said: enough to see what it shows; near copies are found later."""

MOST_FRAMES = 1000
"""Frames of one file, even if all are asked for."""

PATIENCE = 30
"""Seconds in which a video must be looked through, and a frame of it read."""

SAFE = ("-protocol_whitelist", "file,pipe", "-format_whitelist", "mov,mp4,matroska,webm,avi")
"""For FFmpeg: a list of addresses that is called a video must make it fetch nothing."""


def unfold(items: Sequence[SourceItem], folder: Path, preparation: Preparation) -> Sequence[SourceItem]:
    """Turn files that move into their frames.

    Args:
        items: Files below a folder.
        folder: What their paths are relative to.
        preparation: Which frames are wanted.

    Returns:
        The same, with several entries in place of a file of which several frames are wanted.
    """
    look = partial(_frames, folder=folder, frames=preparation.frames)
    moving = [one for one in items if one.problem is None and _may_move(one, preparation.frames)]
    if not moving:
        return items
    unfolded = dict(zip((one.path for one in moving), in_order(look, moving, False, _as_it_is), strict=True))
    return Packed(SourceItem, (frame for one in items for frame in unfolded.get(one.path, [one])))


def is_video(path: str) -> bool:
    """Whether a file is called like a video."""
    return os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES


def read_frame(path: Path, item: SourceItem, enough: int, preparation: Preparation) -> Decoded:
    """Read one frame of a file that moves; see `read_picture`.

    Args:
        path: The file.
        item: The frame, as `unfold` gave it.
        enough: A side in pixels that suffices.
        preparation: What transparent pictures are laid over.
    """
    file = item.file or item.path
    if not is_video(file):
        return read_picture(path, enough, preparation, frame=item.frame)
    where = ("-ss", f"{item.second:.6f}", *_input(path))
    content = _ffmpeg(*where, "-map", "0:V:0", "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "pipe:1")
    if not content:
        raise Refused("a video whose end is missing")
    decoded = read_picture(io.BytesIO(content), enough, preparation, "frame.png")
    format = os.path.splitext(file)[1][1:].upper()
    return decoded._replace(format=format, reasons=["frame of a video taken", *decoded.reasons])


def _may_move(item: SourceItem, frames: str) -> bool:
    return item.bytes > 0 and (is_video(item.path) or frames not in ("auto", "first"))


def _as_it_is(item: SourceItem) -> list[SourceItem]:
    return [item]


def _frames(item: SourceItem, folder: Path, frames: str) -> list[SourceItem]:
    """Returns the wanted frames of a file; the file itself where it does not move."""
    path = folder / item.path
    try:
        count, seconds = _video_length(path) if is_video(item.path) else (_count(path), 0.0)
    except Refused as refusal:
        return [SourceItem(item.path, item.bytes, item.mtime_ns, str(refusal))]
    if count < 2 and not is_video(item.path):
        return [item]
    wanted = {"auto": FRAMES, "first": 1, "all": MOST_FRAMES}.get(frames) or int(frames)
    numbers = [0] if frames == "first" else _spread(count, min(wanted, MOST_FRAMES))
    return [
        SourceItem(
            f"{item.path}#{n:05}", item.bytes, item.mtime_ns, file=item.path, frame=n, second=n / count * seconds
        )
        for n in numbers
    ]


def _spread(count: int, most: int) -> Iterator[int]:
    """Yields the middles of equal parts."""
    parts = min(count, most)
    return ((2 * part + 1) * count // (2 * parts) for part in range(parts))


def _count(path: Path) -> int:
    """Returns how many frames an animation has; 1 for anything else, of which reading it will say more."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            if image.format in STILL or image.width * image.height > PIXEL_LIMIT:
                return 1
            return int(getattr(image, "n_frames", 1))
    except Exception:  # a decoder raises whatever a broken file leads it into
        return 1


def _video_length(path: Path) -> tuple[int, float]:
    """Returns how many frames a video has and how many seconds it lasts, without decoding it."""
    streams = ("-map", "0:V:0", "-c", "copy", "-f", "null", "-progress", "pipe:1", os.devnull)
    said = _ffmpeg(*_input(path), *streams).decode("ascii", "replace").splitlines()
    last = dict(line.split("=", 1) for line in said if "=" in line)
    try:
        count, seconds = int(last["frame"]), int(last["out_time_us"]) / 1e6
    except (KeyError, ValueError):
        raise Refused("a video without frames") from None
    if count < 1 or seconds < 0:
        raise Refused("a video without frames")
    return count, seconds


def _input(path: Path) -> tuple[str, ...]:
    return (*SAFE, "-i", f"file:{path}")


def _ffmpeg(*words: str) -> bytes:
    """Runs the FFmpeg that is installed along, and returns what it writes."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-threads", "1", *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Refused(f"a video that cannot be read within {PATIENCE} s") from None
    except OSError as error:
        raise Refused(f"a video, and FFmpeg does not run here ({error.strerror})") from None
    if b"matches no streams" in done.stderr:
        raise Refused("a video without frames")
    if done.returncode:
        raise Refused(f"a video that cannot be read ({_complaint(done.stderr)})")
    return done.stdout


def _complaint(said: bytes) -> str:
    """Returns the first thing that FFmpeg complained of, without the address in memory of what complains."""
    lines = said.decode("utf-8", "replace").splitlines()
    first = next((line for line in lines if line.strip()), "no reason given")
    return first.rpartition("] ")[2].strip()[:100]
