"""MP4 files, encoded by the FFmpeg program of `imageio-ffmpeg`, whose result is checked."""

import contextlib
import itertools
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

MAX_REASON = 200
"""Largest number of characters of FFmpeg's own message in an error."""


def write_mp4(pictures: Iterator[Image.Image], path: Path, fps: float) -> None:
    """Encode an MP4 (H.264), decode it again, and raise an error if frames are missing.

    Args:
        pictures: at least one frame in RGB, all of the same size. An odd side repeats its last line, because the format
            has even sides.
        path: the file to write.
        fps: frames per second.

    Raises:
        OSError: FFmpeg is missing, it failed, or the file that it wrote is incomplete.
    """
    first = next(pictures)
    padding = ((0, first.height % 2), (0, first.width % 2), (0, 0))
    size = f"{first.width + first.width % 2}x{first.height + first.height % 2}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", size, "-framerate", f"{fps:.6g}", "-i", "pipe:0"]
    codec = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "16", "-movflags", "+faststart", "-f", "mp4"]
    command = [_executable(), "-loglevel", "error", *source, *codec, "-y", _url(path)]
    written = 0
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages)
        try:
            with process, contextlib.suppress(BrokenPipeError):  # if FFmpeg ends early, its exit status says so
                assert process.stdin is not None
                for picture in itertools.chain([first], pictures):
                    process.stdin.write(np.pad(np.asarray(picture), padding, mode="edge").tobytes())
                    written += 1
        finally:
            process.kill()
        messages.seek(0)
        _check(process.returncode, messages.read())
    if (found := _frames(path)) != written:
        raise OSError(f"the file is incomplete: it has {found:,} of {written:,} frames")


def _frames(path: Path) -> int:
    """Return the number of frames that FFmpeg decodes from a file."""
    command = [_executable(), "-loglevel", "error", "-xerror", "-nostdin", "-i", _url(path), "-f", "null"]
    done = subprocess.run([*command, "-progress", "pipe:1", "-"], capture_output=True, check=False)
    _check(done.returncode, done.stderr)
    counts = re.findall(rb"^frame=\s*(\d+)", done.stdout, re.MULTILINE)
    return int(counts[-1]) if counts else 0


def _check(status: int, messages: bytes) -> None:
    """Raise an OSError with FFmpeg's last message if it failed."""
    if status:
        lines = messages.decode("utf-8", "replace").split("\n")
        reason = next((line.strip() for line in reversed(lines) if line.strip()), f"exit status {status}")
        raise OSError(f"FFmpeg failed ({reason[:MAX_REASON]})")


def _executable() -> str:
    """Return the path of FFmpeg."""
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise OSError("FFmpeg is missing; install imageio-ffmpeg again") from None


def _url(path: Path) -> str:
    """Return a file's name for FFmpeg, which would read `a:b.mp4` as a protocol and `-a.mp4` as an option."""
    return f"file:{path}"
