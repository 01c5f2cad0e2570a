"""A run's log as curves."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

CURVES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Losses", "log", ("d_loss", "g_loss")),
    ("KID of the pictures (lower is better)", "checkups", ("kid",)),
    ("Diversity, and overfitting of the discriminator", "checkups", ("diversity", "overfitting")),
    ("Penalties", "log", ("r1_penalty", "r2_penalty")),
    ("Logits", "log", ("real_logits", "fake_logits")),
    ("Augmentation added, and factor on the learning rate", "checkups", ("augment", "rate")),
    ("Images a second", "log", ("images_per_second",)),
)
"""Title, which lines of a run it is drawn from, and what of them."""


def curves(log: Sequence[dict[str, Any]], checkups: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Draw what there is to draw.

    Args:
        log: `Run.log()`.
        checkups: `Run.checkups()`.

    Returns:
        Title and SVG element of each; a curve of fewer than two points is left out.
    """
    lines = {"log": log, "checkups": checkups}
    drawn = []
    for title, source, names in CURVES:
        series = {name: _points(lines[source], name) for name in names}
        series = {name: points for name, points in series.items() if len(points) > 1}
        if series:
            drawn.append((title, _draw(series)))
    return drawn


def _points(lines: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(line["batches"], line[name]) for line in lines if line.get(name) is not None]


def _draw(series: dict[str, list[tuple[int, float]]]) -> str:
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
