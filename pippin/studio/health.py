"""How a training goes, in one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

FIRST_SNAPSHOT = 50
"""Number of batches after which a run has the first snapshot of its training; see `pippin.session`."""

FINDINGS = (
    ("have collapsed", "bad", "collapsed"),
    ("No loss was finite", "bad", "not_finite"),
    ("loss was not finite", "warning", "not_finite"),
    ("memorises training images", "warning", "overfitting"),
    ("has not improved", "note", "no_better"),
)
"""A part of a finding of `pippin.training.health` → the level and the code for the page."""

SENTENCES = {
    "starting": ("note", "Starting: the pictures are prepared and the networks are built."),
    "stopping": ("note", "Saving a checkpoint."),
    "paused": ("note", "Paused at batch {batches:,}. It resumes from there."),
    "stopped": ("note", "Stopped at batch {batches:,}. It can be resumed from there."),
    "interrupted": ("warning", "Training ended at batch {batches:,} without being asked to. Resume it from there."),
    "failed": ("bad", "Training failed: {message}"),
    "damaged": ("bad", "The run cannot be read: {message}"),
    "finished": ("good", "Finished after {batches:,} batches."),
    "finished_best": ("good", "Finished after {batches:,} batches. The best images are those of batch {best:,}."),
    "no_batches": (
        "note",
        "Training begins. The images are those of the start weights; the next ones follow after {first:,} batches.",
    ),
    "no_checkup": ("note", "Training; the first validation is still to come."),
    "improving": ("good", "The images improve: the KID of batch {checkup:,} is {kid:.3f}, the lowest so far."),
    "steady": ("good", "Training is healthy. The lowest KID is {best_kid:.3f}, of batch {best:,}."),
}
"""Code → the level, and the sentence with its values."""


def health(state: str, batches: int, message: str | None, checkups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how a training goes.

    Args:
        state: the state of the run; see `pippin.studio.runs`.
        batches: number of batches trained.
        message: what is wrong, if the state says that something is.
        checkups: all checkups of the run.

    Returns:
        `level`: good, note, warning or bad; `code` and `values`, from which the page makes a sentence in its language;
        `text`, the sentence in English.
    """
    values: dict[str, Any] = {"batches": batches, "message": message or ""}
    finite = [checkup for checkup in checkups if checkup["kid"] - checkup["kid"] == 0]
    if finite:
        best = min(finite, key=lambda checkup: checkup["kid"])
        values |= {"best": best["batches"], "best_kid": best["kid"], "kid": finite[-1]["kid"]}
        values["checkup"] = finite[-1]["batches"]
    if state == "finished":
        return _sentence("finished_best" if finite else "finished", values)
    if state != "training":
        return _sentence(state, values)
    if not batches:
        return _sentence("no_batches", {**values, "first": FIRST_SNAPSHOT})
    if checkups and checkups[-1]["findings"]:
        return _of_finding(checkups[-1]["findings"][-1], values)
    if not finite:
        return _sentence("no_checkup", values)
    return _sentence("improving" if values["best"] == values["checkup"] else "steady", values)


def _sentence(code: str, values: dict[str, Any]) -> dict[str, Any]:
    level, text = SENTENCES[code]
    return {"level": level, "code": code, "text": text.format(**values), "values": values}


def _of_finding(text: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the health that a finding of the last checkup says."""
    found = ((level, code) for part, level, code in FINDINGS if part in text)
    level, code = next(found, ("note", "finding"))
    return {"level": level, "code": code, "text": f"{text}.", "values": {**values, "finding": text}}
