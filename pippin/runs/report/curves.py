"""Curves of a run's log, as SVG."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

CURVES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Losses", "log", ("d_loss", "g_loss")),
    ("KID (lower is better)", "checkups", ("kid",)),
    ("Diversity, and overfitting of the discriminator", "checkups", ("diversity", "overfitting")),
    ("Detail locked to one place, of generated and real images", "checkups", ("locked", "locked_real")),
    ("Gradient penalties", "log", ("r1_penalty", "r2_penalty")),
    ("Logits", "log", ("real_logits", "fake_logits")),
    ("Added augmentation, and factor of the learning rate", "checkups", ("augment", "rate")),
    ("Images per second", "log", ("images_per_second",)),
)
"""The curves of the page: title, the file of the run that the figures come from, and the keys of the figures."""


def curves(log: Sequence[dict[str, Any]], checkups: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Draw the curves of a run.

    Args:
        log: `Run.log()`.
        checkups: `Run.checkups()`.

    Returns:
        The title and the SVG element of each curve. A curve with fewer than two points is omitted.
    """
    entries = {"log": log, "checkups": checkups}
    drawings = []
    for title, file, keys in CURVES:
        series = {key: _points(entries[file], key) for key in keys}
        series = {key: points for key, points in series.items() if len(points) > 1}
        if series:
            drawings.append((title, _draw(series)))
    return drawings


def _points(entries: Sequence[dict[str, Any]], key: str) -> list[tuple[int, float]]:
    """Return (batch, value) of every entry that has a value for a key."""
    return [(entry["batches"], entry[key]) for entry in entries if entry.get(key) is not None]


def _draw(series: dict[str, list[tuple[int, float]]]) -> str:
    """Return an SVG element with one line for each series. The same data give the same text."""
    figure = Figure(figsize=(5, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for name, points in series.items():
        axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker="." if len(points) < 30 else None)
    axes.set_xlabel("batches")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        axes.legend(frameon=False)
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pippin"}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
