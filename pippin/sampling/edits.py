"""Edits of generated images, and how they are written in text: the strength along each editing direction."""

from collections.abc import Mapping, Sequence
from typing import Any

from pippin.errors import SettingsError
from pippin.host.text import is_number
from pippin.settings import check_number

STRONGEST = 20.0
"""Largest strength of an edit, in standard deviations of the latents. Images fall apart long before."""


def parse_edits(texts: Sequence[str]) -> dict[str, float]:
    """Return the edits of texts such as `redder=+1.5` or `3=-2`.

    Returns:
        Name or number of a direction → strength. Strengths of the same direction are added.

    Raises:
        SettingsError: a text has another form, or a strength is out of range.
    """
    edits: dict[str, float] = {}
    for text in texts:
        name, equals, strength = (part.strip() for part in text.partition("="))
        try:
            edits[name] = edits.get(name, 0.0) + float(strength)
        except ValueError:
            equals = ""
        if not equals or not (is_number(name) or _is_name(name)):
            raise SettingsError(f"Give an edit as NAME=STRENGTH, such as redder=+1.5 or 3=-2. Received: {text}")
    return check_edits(edits)


def format_edits(edits: Mapping[Any, float]) -> str:
    """Return edits in one line: `redder=+1.5,3=-2`."""
    return ",".join(f"{name}={strength:+.9g}" for name, strength in edits.items())


def check_edits(edits: Mapping[Any, float]) -> dict[str, float]:
    """Return edits with their names or numbers as strings.

    Raises:
        SettingsError: a strength is not a number from −20 to 20, or `edits` is not a mapping.
    """
    if not isinstance(edits, Mapping):
        raise SettingsError(f"edits must map names or numbers of directions to strengths. Received: edits={edits!r}")
    return {str(name): _check_strength(name, strength) for name, strength in edits.items()}


def _check_strength(name: Any, strength: Any) -> float:
    """Return the strength of an edit, or raise a `SettingsError`."""
    try:
        return float(check_number("strength", strength, -STRONGEST, STRONGEST))
    except SettingsError:
        raise SettingsError(
            f"The strength of an edit must be a number from {-STRONGEST:g} to {STRONGEST:g}. "
            f"Received: {name}={strength!r}"
        ) from None


def parse_naming(text: str) -> tuple[int, str]:
    """Return the number and the new name of a direction from a text such as `3=redder`.

    Raises:
        SettingsError: the text has another form.
    """
    number, _, name = (part.strip() for part in text.partition("="))
    if not is_number(number) or not _is_name(name):
        raise SettingsError(
            f"Name a direction as NUMBER=NAME, such as 3=redder; a name begins with a letter. Received: {text}"
        )
    return int(number), name


def _is_name(text: str) -> bool:
    """Return whether a text can be the name of a direction."""
    return text[:1].isalpha() and text.isprintable() and not {",", "="} & set(text)
