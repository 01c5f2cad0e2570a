"""Animations and videos: which of their frames are used, and how one of them is read."""

import io
import os
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import imageio_ffmpeg
from PIL import Image

from pippin.host.limits import PIXEL_LIMIT
from pippin.pictures.decoding.picture import NOT_ANIMATED, Decoded, read_picture
from pippin.pictures.entries import UNREAD
from pippin.pictures.os_errors import could_not_be_read, why
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import Preparation
from pippin.pictures.preparing.workers import map_in_order
from pippin.pictures.refused import Refused
from pippin.pictures.sources.base import SourceItem

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".avi")

VIDEO_FRAMES = 24
"""Default number of frames of a video: enough to cover what it shows. Near copies are found later."""

MAX_FRAMES = 1000
"""Largest number of frames of one file, even if all are asked for, so that no single file dominates a dataset."""

FFMPEG_TIMEOUT = 30
"""Seconds that FFmpeg may take to count the frames of a video, or to read one of them."""

FFMPEG_SAFETY = ("-protocol_whitelist", "file,pipe", "-format_whitelist", "mov,mp4,matroska,webm,avi")
"""Options of FFmpeg. Without them, a playlist that is named like a video could make it fetch addresses."""


def expand_frames(items: Sequence[SourceItem], folder: Path, preparation: Preparation) -> Sequence[SourceItem]:
    """Replace animations and videos by their frames.

    Args:
        items: The files of a folder.
        folder: The folder that their paths are relative to.
        preparation: Which frames are used.

    Returns:
        The items, with one for each used frame in place of an animation or a video.
    """
    frames_of = partial(_frames, folder=folder, frames=preparation.frames)
    moving = [item for item in items if item.problem is None and _may_move(item, preparation.frames)]
    if not moving:
        return items
    with closing(map_in_order(frames_of, moving, False, lambda item: [item])) as results:
        expanded = dict(zip((item.path for item in moving), results, strict=True))
    return Packed(SourceItem, (frame for item in items for frame in expanded.get(item.path, [item])))


def is_video(path: str) -> bool:
    """Return whether a file has the extension of a video."""
    return os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES


def read_frame(path: Path, item: SourceItem, needed_side: int, preparation: Preparation) -> Decoded:
    """Read one frame of an animation or a video; see `read_picture`.

    Args:
        path: The file.
        item: The frame, from `expand_frames`.
        needed_side: The least shorter side in pixels.
        preparation: How transparency is treated.
    """
    file = item.file or item.path
    if not is_video(file):
        return read_picture(path, needed_side, preparation, frame=item.frame)
    position = ("-ss", f"{item.second:.6f}", *_input(path))
    content = _ffmpeg(*position, "-map", "0:V:0", "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "pipe:1")
    if not content:
        raise Refused("a video whose end is missing")
    decoded = read_picture(io.BytesIO(content), needed_side, preparation, "frame.png")
    format = os.path.splitext(file)[1][1:].upper()
    return decoded._replace(format=format, reasons=["frame of a video used", *decoded.reasons])


def _may_move(item: SourceItem, frames: str) -> bool:
    """Return whether a file may have several frames that are to be used."""
    return item.bytes > 0 and (is_video(item.path) or frames not in ("auto", "first"))


def _frames(item: SourceItem, folder: Path, frames: str) -> list[SourceItem]:
    """Return the used frames of a file; the file itself if it has only one."""
    path = folder / item.path
    try:
        count, seconds = _video_length(path) if is_video(item.path) else (_count(path), 0.0)
    except Refused as refusal:
        return [SourceItem(item.path, item.bytes, item.mtime_ns, str(refusal))]
    except OSError as error:
        return [SourceItem(item.path, item.bytes, item.mtime_ns, f"{UNREAD}: {why(error)}")]
    if count < 2 and not is_video(item.path):
        return [item]
    count_used = {"auto": VIDEO_FRAMES, "first": 1, "all": MAX_FRAMES}.get(frames) or int(frames)
    numbers = [0] if frames == "first" else _spread(count, min(count_used, MAX_FRAMES))
    return [
        SourceItem(
            f"{item.path}#{n:05}", item.bytes, item.mtime_ns, file=item.path, frame=n, second=n / count * seconds
        )
        for n in numbers
    ]


def _spread(count: int, most: int) -> Iterator[int]:
    """Yield the middle frame of each of `most` equal parts."""
    parts = min(count, most)
    return ((2 * part + 1) * count // (2 * parts) for part in range(parts))


def _count(path: Path) -> int:
    """Return the number of frames of an animation; 1 for anything else, also for a file that is damaged."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            if image.format in NOT_ANIMATED or image.width * image.height > PIXEL_LIMIT:
                return 1
            return int(getattr(image, "n_frames", 1))
    except Exception as error:  # damaged files lead decoders to errors of any kind
        if could_not_be_read(error):
            raise
        return 1


def _video_length(path: Path) -> tuple[int, float]:
    """Return the number of frames of a video and its length in seconds, without decoding it."""
    streams = ("-map", "0:V:0", "-c", "copy", "-f", "null", "-progress", "pipe:1", os.devnull)
    output = _ffmpeg(*_input(path), *streams).decode("ascii", "replace").splitlines()
    last = dict(line.split("=", 1) for line in output if "=" in line)
    try:
        count, seconds = int(last["frame"]), int(last["out_time_us"]) / 1e6
    except (KeyError, ValueError):
        raise Refused("a video without frames") from None
    if count < 1 or seconds < 0:
        raise Refused("a video without frames")
    return count, seconds


def _input(path: Path) -> tuple[str, ...]:
    """Return the options that name the input file.

    Raises:
        OSError: If it cannot be opened. FFmpeg's message would read like damage.
    """
    path.open("rb").close()
    return (*FFMPEG_SAFETY, "-i", f"file:{path}")


def _ffmpeg(*words: str) -> bytes:
    """Run the FFmpeg that is installed with Pippin, and return what it writes."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-threads", "1", *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=FFMPEG_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Refused(f"a video that cannot be read within {FFMPEG_TIMEOUT} s") from None
    except (FileNotFoundError, PermissionError) as error:
        raise Refused(f"a video, and FFmpeg does not run here ({why(error)})") from None
    if b"matches no streams" in done.stderr:
        raise Refused("a video without frames")
    if done.returncode:
        raise Refused(f"a video that cannot be read ({_first_error(done.stderr)})")
    return done.stdout


def _first_error(output: bytes) -> str:
    """Return the first error that FFmpeg reports, without the memory address of the component."""
    lines = output.decode("utf-8", "replace").splitlines()
    first = next((line for line in lines if line.strip()), "no reason given")
    return first.rpartition("] ")[2].strip()[:100]
