"""A run's figures and pictures as a TensorBoard event file, written by TensorBoard's own writer, without an engine."""

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
GROUPS = {
    "loss": ("d_loss", "g_loss"),
    "penalty": ("r1_penalty", "r2_penalty"),
    "logits": ("real_logits", "fake_logits"),
    "gradient": ("g_gradient", "d_gradient"),
    "speed": ("images_per_second",),
    "checkup": ("kid", "diversity", "overfitting", "rate", "augment"),
}
"""Tab in TensorBoard → what of the log and of the checkups it holds."""


class EventLog:
    """Writes `tensorboard/events.out.tfevents…` in a run, for `tensorboard --logdir RUN`.

    It begins with everything that the run holds so far and is then added to. There is always one file: a new sitting
    writes it anew, since what was logged after the last checkpoint is forgotten.

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
        for file in run.story_files():
            self.add_picture(int(file.stem.removeprefix("batch-")), file)

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, entry: dict[str, Any]) -> None:
        """Add a line of the log, or a checkup."""
        values = [
            Summary.Value(tag=f"{group}/{name}", simple_value=entry[name])
            for group, names in GROUPS.items()
            for name in names
            if entry.get(name) is not None
        ]
        self._write(Event(wall_time=time.time(), step=entry["batches"], summary=Summary(value=values)))

    def add_picture(self, batches: int, file: Path) -> None:
        """Add a sheet of pictures.

        Args:
            batches: trained when they were painted.
            file: a PNG.
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
        self._records.write(event.SerializeToString())
        self._records.flush()
