"""`RunRecord`: what a run says about its training, without loading its generator."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pippin.errors import SettingsError
from pippin.networks import projector
from pippin.runs.folder import Folder
from pippin.runs.notebook import run_html
from pippin.runs.snapshots import LATEST, read_picture
from pippin.settings import Settings
from pippin.show import diagram, film, timeline


class RunRecord:
    """The facts about a run, its log, its snapshots and its networks.

    Args:
        path: the folder of the run.

    Attributes:
        folder: the files of the run, which training writes.

    Raises:
        RunError: the run is damaged, or of a newer Pippin.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.folder = Folder(path)

    def __repr__(self) -> str:
        return f"Run('{self.path}', batch {self.batches:,}, {'finished' if self.finished else 'not finished'})"

    @property
    def path(self) -> Path:
        """The folder of the run."""
        return self.folder.path

    @property
    def settings(self) -> Settings:
        """The settings of the training."""
        return self.folder.settings

    @property
    def about(self) -> dict[str, Any]:
        """All of `settings.json`: settings, reasons, source, engine, versions, fingerprint of the pictures, …"""
        return self.folder.about

    @property
    def labels(self) -> list[str]:
        """Names of the labels in the order of the one-hot encoding; empty if the run was trained without labels."""
        return self.folder.labels

    @property
    def channels(self) -> int:
        """Channels of the images: 1 (grey), 3 (RGB) or 4 (RGBA)."""
        return self.folder.channels

    @property
    def batches(self) -> int:
        """Number of batches trained at the last checkpoint; 0 before the first one."""
        return self.folder.batches

    @property
    def seconds(self) -> float:
        """Duration of the training until the last checkpoint, in seconds, without compiling."""
        return self.folder.seconds

    @property
    def compile_seconds(self) -> float:
        """Time spent on compiling until the last checkpoint, in seconds; 0 for runs that counted it as training."""
        return self.folder.compile_seconds

    @property
    def finished(self) -> bool:
        """Whether the training is complete."""
        return self.folder.finished

    @property
    def best(self) -> tuple[int, float] | None:
        """The batch of the checkpoint with the lowest KID, and that KID; None before the first checkup."""
        return self.folder.best

    def log(self) -> list[dict[str, Any]]:
        """Return the training log, one dict per tick: batches, images per second, losses, …"""
        return self.folder.log()

    def checkups(self) -> list[dict[str, Any]]:
        """Return the checkups, one dict each: the fields of `pippin.training.health.Checkup`, and `findings`."""
        return self.folder.checkups()

    def evaluation(self) -> dict[str, Any] | None:
        """Return the last result of `pippin.evaluate`, or None."""
        return self.folder.evaluation()

    def snapshots(self) -> dict[int, np.ndarray]:
        """Return batch number → uint8 (64, S, S, 3), the generated images of the same latents at each snapshot.

        Transparent images lie over a checkerboard.
        """
        return self.folder.snapshots()

    def timeline(self) -> Image.Image:
        """Return the snapshots side by side, as a Pillow image in RGB.

        Raises:
            SettingsError: the run has no snapshots yet.
        """
        snapshots = self.snapshots()
        if not snapshots:
            raise SettingsError(f"The run has no snapshots yet; train it first. Received: {self.path}")
        return timeline(snapshots)

    def film(self, fps: float = 24, seconds: float = 1.5) -> Iterator[np.ndarray]:
        """Yield the frames of `pippin story`, in which each snapshot fades into the next.

        For the arguments and errors see `pippin.show.film.film`.

        Yields:
            uint8 (H, W, 3), all of one size. `pippin.show.save_video` writes them.
        """
        return film(self.snapshots(), fps, seconds)

    def diagram(self, format: str = "svg", theme: str = "auto") -> str | Image.Image:
        """Draw the run's networks, with the shapes, parameters, memory and operations of their layers.

        Args:
            format, theme: see `pippin.show.diagram.draw`.

        Returns:
            The text of an SVG file, or a Pillow image.

        Raises:
            SettingsError: there is no such format or theme.
            RunError: a network's file is damaged.
        """
        column = [self.folder.build_network("discriminator", drawn=False)]
        if len(column[0].inputs) - bool(self.labels) > 1:  # its inputs are the projector's feature maps
            column.insert(0, projector.build(self.settings.image_size, self.channels))
        return diagram.draw([[self.folder.build_network("generator", drawn=False)], column], format, theme)

    def _repr_png_(self) -> bytes | None:
        """Return the latest generated images for a notebook; None before the first checkpoint."""
        return read_picture(self.path / LATEST, self.path)

    def _repr_html_(self) -> str:
        """Return the main facts about the run for a notebook, with the latest generated images."""
        return run_html(self, self._repr_png_())
