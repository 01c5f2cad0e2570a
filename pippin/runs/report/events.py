"""A TensorBoard event file of a run's figures and images, written with TensorBoard's writer and without an engine."""

import io
import time
from pathlib import Path
from typing import Any

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from pippin.runs.run import Run

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

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        folder = run.path / FOLDER
        folder.mkdir(exist_ok=True)
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._file = (folder / f"events.out.tfevents.{int(time.time())}.pippin").open("wb")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        for entry in run.log():
            self.add(entry)
        for entry in run.checkups():
            self.add(entry)
        for file in run.folder.snapshot_files():
            self.add_picture(int(file.stem.removeprefix("batch-")), file)

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, entry: dict[str, Any]) -> None:
        """Add the figures of an entry of the log or of a checkup."""
        values = [
            Summary.Value(tag=f"{group}/{key}", simple_value=entry[key])
            for group, keys in TAGS.items()
            for key in keys
            if entry.get(key) is not None
        ]
        self._write(Event(wall_time=time.time(), step=entry["batches"], summary=Summary(value=values)))

    def add_picture(self, batches: int, file: Path) -> None:
        """Add a sheet of generated images.

        Args:
            batches: number of batches that the generator was trained for.
            file: a PNG file.
        """
        contents = file.read_bytes()
        with Image.open(io.BytesIO(contents)) as picture:
            width, height = picture.size
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=contents)
        value = Summary.Value(tag="pictures", image=image)
        self._write(Event(wall_time=time.time(), step=batches, summary=Summary(value=[value])))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        """Append an event, and flush, so that TensorBoard shows it during training."""
        self._records.write(event.SerializeToString())
        self._records.flush()
