"""A run as one HTML file that needs no network and no other file."""

import base64
import dataclasses
from pathlib import Path

from jinja2 import Environment, PackageLoader

from pippin.runs.report.curves import curves
from pippin.runs.run import Run
from pippin.runs.snapshots import read_picture

NAME = "report.html"
"""The name of the page in a run's folder."""


def write_page(run: Run, finished: bool | None = None) -> Path:
    """Write `report.html` into a run: images, curves, findings, scores, and settings with their reasons.

    Args:
        run: the run, finished or not.
        finished: whether the page says that the run is finished; None: what its checkpoint says.

    Returns:
        The path of the page.

    Raises:
        RunError: the run cannot be read, or the page cannot be written.
    """
    templates = Environment(loader=PackageLoader("pippin.runs.report", "."), autoescape=True, trim_blocks=True)
    reasons = run.about["reasons"]
    page = templates.get_template("page.html").render(
        run=run,
        finished=run.finished if finished is None else finished,
        about=run.about,
        settings=[
            (field.name, value, field.metadata["help"], reasons.get(field.name))
            for field in dataclasses.fields(run.settings)
            if (value := getattr(run.settings, field.name)) is not None
        ],
        curves=curves(run.log(), run.checkups()),
        findings=[
            *((0, note) for note in run.about.get("notes", ())),
            *((checkup["batches"], text) for checkup in run.checkups() for text in checkup["findings"]),
        ],
        evaluation=run.evaluation(),
        pictures={name: _data_url(run, f"{name}.png") for name in ("timeline", "latest", "nearest")},
    )
    return run.folder.write_text(NAME, page)


def _data_url(run: Run, name: str) -> str | None:
    """Return a picture of the run as a data URL; None if there is no such file."""
    contents = read_picture(run.path / name, run.path)
    return None if contents is None else f"data:image/png;base64,{base64.b64encode(contents).decode()}"
