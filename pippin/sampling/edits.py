"""Edits, as people write them: how far a picture goes along which direction."""

import math
from collections.abc import Mapping, Sequence

from pippin.errors import SettingsError

FARTHEST = 20.0
"""Deviations that an edit may go, either way; long before that, pictures fall apart."""


def parse_edits(texts: Sequence[str]) -> dict[str, float]:
    """Read edits as people write them: `redder=+1.5` or `3=-2`, each a text of its own.

    Returns:
        Name or number → strength. What is said twice is added up.

    Raises:
        SettingsError: it is something else, or out of range.
    """
    edits: dict[str, float] = {}
    for text in texts:
        name, equals, strength = (part.strip() for part in text.partition("="))
        try:
            edits[name] = edits.get(name, 0.0) + float(strength)
        except ValueError:
            equals = ""
        if not equals or not (name.isdecimal() or _is_name(name)):
            raise SettingsError(f"Give an edit as NAME=STRENGTH, such as redder=+1.5 or 3=-2. Received: {text}")
    return check_edits(edits)


def format_edits(edits: Mapping[str, float]) -> str:
    """Write edits in one line: `redder=+1.5,3=-2`."""
    return ",".join(f"{name}={strength:+.9g}" for name, strength in edits.items())


def check_edits(edits: Mapping[str, float]) -> dict[str, float]:
    """Return the edits.

    Raises:
        SettingsError: one goes too far, or is no number.
    """
    for name, strength in edits.items():
        if not math.isfinite(strength) or abs(strength) > FARTHEST:
            raise SettingsError(f"An edit may go from {-FARTHEST:g} to {FARTHEST:g}. Received: {name}={strength:g}")
    return {str(name): float(strength) for name, strength in edits.items()}


def parse_naming(text: str) -> tuple[int, str]:
    """Read which direction is to have which name: `3=redder`.

    Raises:
        SettingsError: it is something else.
    """
    number, _, name = (part.strip() for part in text.partition("="))
    if not number.isdecimal() or not _is_name(name):
        raise SettingsError(
            f"Name a direction as NUMBER=NAME, such as 3=redder; a name begins with a letter. Received: {text}"
        )
    return int(number), name


def _is_name(text: str) -> bool:
    return text[:1].isalpha() and not {",", "="} & set(text)
