"""How a notebook shows a run."""

import base64
import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pippin.runs.record import RunRecord


def run_html(run: "RunRecord", image: bytes | None) -> str:
    """Return a table of the main facts about a run, and below it an image of generated pictures.

    Args:
        run: the run.
        image: contents of a PNG file; None shows only the table.
    """
    rows = [
        ("run", f"{run.path}"),
        ("source", f"{run.about['source']}, {run.about['pictures']:,} training images"),
        ("trained", f"{run.batches:,} batches, {run.seconds / 60:.1f} minutes"),
        ("state", "finished" if run.finished else "not finished; the same call resumes the training"),
    ]
    if run.best:
        rows.append(("best", f"batch {run.best[0]:,}, KID {run.best[1]:.4f}"))
    cells = "".join(f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    inline = f"data:image/png;base64,{base64.b64encode(image).decode()}" if image else ""
    return f"<table>{cells}</table>" + (f'<img alt="latest generated pictures" src="{inline}">' if inline else "")
