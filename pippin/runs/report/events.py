"""A TensorBoard event file of a run's figures and images, written with TensorBoard's writer and without an engine."""

import io
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from pippin.host.files import run_errors
from pippin.host.own_files import require_own
from pippin.runs.run import Run
from pippin.runs.snapshots import read_picture

FOLDER = "tensorboard"
"""The folder of the event file in a run."""

TAGS = {
    "loss": ("d_loss", "g_loss"),
    "penalty": ("r1_penalty", "r2_penalty"),
    "logits": ("real_logits", "fake_logits"),
    "gradient": ("g_gradient", "d_gradient"),
    "speed": ("images_per_second",),
    "checkup": ("kid", "diversity", "locked", "overfitting", "rate", "augment"),
}
"""Group of tags in TensorBoard → the keys of the log and of the checkups in it."""


class EventLog:
    """Writes `tensorboard/events.out.tfevents…` in a run, for `tensorboard --logdir RUN`.

    The file starts with everything that the run holds so far; new entries are appended. There is always exactly one
    file: each training session writes it again, because a resumed run discards what was logged after its checkpoint.
    If an entry cannot be written, the next one writes the whole file again.

    Args:
        run: the run.

    Raises:
        RunError: the file cannot be written, or its folder is a link; see `pippin.host.own_files`.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._file: IO[bytes] | None = None
        with run_errors(run.path):
            try:
                self._write_all()
            except BaseException:
                self.close()
                raise

    def _write_all(self) -> None:
        """Write a new file with everything that the run holds, in the place of the old one."""
        folder = require_own(self._run.path / FOLDER)
        folder.mkdir(exist_ok=True)
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._file = (folder / f"events.out.tfevents.{int(time.time())}.pippin").open("xb")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        for entry in [*self._run.log(), *self._run.checkups()]:
            self._write(_figures(entry))
        for file in self._run.folder.snapshot_files():
            self._write(_picture(int(file.stem.removeprefix("batch-")), file, self._run.path))

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, entry: dict[str, Any]) -> None:
        """Add the figures of an entry of the log or of a checkup, after it was appended to the run's own file.

        Raises:
            RunError: the file cannot be written.
        """
        self._append(lambda: _figures(entry))

    def add_picture(self, batches: int, file: Path) -> None:
        """Add a sheet of generated images, one of the run's snapshots.

        Args:
            batches: number of batches that the generator was trained for.
            file: a PNG file.

        Raises:
            RunError: the file cannot be written.
        """
        self._append(lambda: _picture(batches, file, self._run.path))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):  # each event was flushed; if one was not, the file was given up already
                self._file.close()
            self._file = None

    def _append(self, event: Callable[[], Event]) -> None:
        """Append an event, or write the whole file if it was given up; what the run holds includes the event."""
        with run_errors(self._run.path):
            try:
                if self._file is None:
                    self._write_all()
                else:
                    self._write(event())
            except OSError:
                self.close()
                raise

    def _write(self, event: Event) -> None:
        """Append an event, and flush, so that TensorBoard shows it during training."""
        self._records.write(event.SerializeToString())
        self._records.flush()


def _figures(entry: dict[str, Any]) -> Event:
    """Return the event for the figures of an entry of the log or of a checkup."""
    values = [
        Summary.Value(tag=f"{group}/{key}", simple_value=entry[key])
        for group, keys in TAGS.items()
        for key in keys
        if entry.get(key) is not None
    ]
    return Event(wall_time=time.time(), step=entry["batches"], summary=Summary(value=values))


def _picture(batches: int, file: Path, folder: Path) -> Event:
    """Return the event for a sheet of generated images, a PNG file in the folder of a run."""
    contents = read_picture(file, folder) or b""
    with Image.open(io.BytesIO(contents)) as picture:
        width, height = picture.size
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=contents)
    value = Summary.Value(tag="pictures", image=image)
    return Event(wall_time=time.time(), step=batches, summary=Summary(value=[value]))
