"""A run as one HTML file that opens anywhere, without a network."""

import base64
import dataclasses
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pippin.runs.report.curves import curves
from pippin.runs.run import Run

NAME = "report.html"


def write_page(run: Run) -> Path:
    """Write `report.html` into a run: pictures, curves, findings, scores and settings with their reasons.

    Args:
        run: the run, finished or not.

    Returns:
        The file.

    Raises:
        RunError: the run cannot be read, or the page not be written.
    """
    templates = Environment(loader=PackageLoader("pippin.runs.report", "."), autoescape=True, trim_blocks=True)
    reasons = run.about["reasons"]
    page = templates.get_template("page.html").render(
        run=run,
        about=run.about,
        settings=[
            (item.name, value, item.metadata["help"], reasons.get(item.name))
            for item in dataclasses.fields(run.settings)
            if (value := getattr(run.settings, item.name)) is not None
        ],
        curves=curves(run.log(), run.checkups()),
        findings=[(one["batches"], text) for one in run.checkups() for text in one["findings"]],
        evaluation=run.evaluation(),
        pictures={name: _inline(run.path / f"{name}.png") for name in ("timeline", "latest", "nearest")},
    )
    return run.write_text(NAME, page)


def _inline(file: Path) -> Any:
    """A picture as what an `img` can hold; None where there is none."""
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}" if file.exists() else None
