"""Names that are no source: what the user probably meant, and the right form of it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pippin.pictures.sources.keras_sets import PREFIX, SETS

SHOWN = 100
"""Largest number of characters of a name that a message shows."""

HUGGING_FACE = re.compile(r"[\w.-]+/[\w.-]+")
"""The name of a dataset at Hugging Face: `user/dataset`."""


def shown(source: Any) -> str:
    """Return a source as messages show it."""
    text = repr(str(source))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text) - 2:,} characters)"


def explain_missing(text: str) -> str:
    """Return why there is no source of this name, and the right form."""
    name = text.strip().rstrip("/").lower()
    if "://" in text or name.startswith("www."):
        return "Addresses are not read; download the pictures into a folder, and give the folder"
    if any(character in text for character in "*?[") and "]" not in text.partition("[")[0]:
        return f"There is no such folder, and patterns are not expanded; give the folder {shown(Path(text).parent)}"
    if (known := re.sub(r"[^a-z0-9]", "", name)) in (plain := {one.replace("_", ""): one for one in SETS}):
        return f"There is no such folder; the dataset of Keras is called {PREFIX}{plain[known]}"
    if HUGGING_FACE.fullmatch(text) and not Path(text).parent.exists():
        return (
            "There is no such folder; a dataset of Hugging Face must be downloaded first, with `hf download "
            f"--repo-type dataset {text} --local-dir {Path(text).name}`, and then give that folder"
        )
    return "There is no such folder; check its spelling"


def explain_several(sources: Sequence[Any]) -> str:
    """Return why several names are no source, and the right form."""
    folders = {Path(str(one)).parent for one in sources}
    advice = f"give their folder {shown(folders.pop())}" if len(folders) == 1 else "give the folder that holds them"
    return (
        f"SOURCE must be one folder, archive or list, and not several names (a pattern such as *.jpg becomes one name "
        f"for each file); {advice}, or a .txt file with a path on each line. "
        f"Received: {len(sources):,} names, {shown(sources[0])}, {shown(sources[1])}{', …' if len(sources) > 2 else ''}"
    )
