"""Positions: what an image is generated from, as the page sends it, and as the command line takes it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from pippin.sampling.edits import check_edits
from pippin.sampling.seeds import format_seeds
from pippin.studio.answers import Body, RequestError

MAX_POSITIONS = 256
"""Largest number of positions in one request."""

MAX_DEPTH = 3
"""How deeply positions between others may be nested."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Truncation = Annotated[float, Field(ge=0, le=2)]
FoundId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Position(Body):
    """What an image is generated from: a seed, a photo that was found, or a point between two positions.

    Attributes:
        seed, truncation, label: see `pippin.runs.run.Run.sample`.
        edits: name or number of a direction → strength.
        found: the id of a photo that was found.
        between, t: two positions, and where between them, 0 to 1.
    """

    seed: Seed | None = None
    truncation: Truncation = 1.0
    edits: dict[str, float] = Field(default={})
    label: str | None = None
    found: FoundId | None = None
    between: list["Position"] | None = None
    t: Annotated[float, Field(ge=0, le=1)] = 0.5

    def checked(self, depth: int = 0) -> dict[str, Any]:
        """Return the position for a task of the worker.

        Raises:
            RequestError: it is not exactly one of the three kinds, or nested too deeply.
            SettingsError: a strength is out of range.
        """
        if sum(each is not None for each in (self.seed, self.found, self.between)) != 1:
            raise RequestError(400, "settings", "A position has a seed, or a photo that was found, or is between two.")
        check_edits(self.edits)
        if self.between is not None and (len(self.between) != 2 or depth >= MAX_DEPTH):
            raise RequestError(400, "settings", "A position is between two others.")
        value = self.model_dump(exclude={"between"})
        value["between"] = [each.checked(depth + 1) for each in self.between] if self.between else None
        return value

    def shown(self) -> dict[str, Any]:
        """Return the position as the page gets it: without what has its default."""
        return self.model_dump(exclude_defaults=True) | ({"seed": self.seed} if self.seed is not None else {})


def edit_words(edits: Mapping[str, float]) -> list[str]:
    """Return edits as options of `pippin sample`."""
    return [word for name, strength in edits.items() for word in ("--edit", f"{name}={strength:+g}")]


def seed_words(positions: Sequence[Position]) -> list[str] | None:
    """Return positions as options of `pippin sample`; None if no options mean the same.

    They must all be seeds with the same truncation, edits and label.
    """
    first = positions[0]
    for each in positions:
        alike = (each.truncation, each.edits, each.label) == (first.truncation, first.edits, first.label)
        if each.seed is None or not alike:
            return None
    words = ["--seeds", format_seeds([each.seed for each in positions if each.seed is not None])]
    words += ["--truncation", f"{first.truncation:g}"] if first.truncation != 1 else []
    return [*words, *edit_words(first.edits), *(["--label", first.label] if first.label is not None else [])]
