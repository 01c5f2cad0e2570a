"""The difference between two preparations: which pictures were added, removed, renamed or changed between them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from pippin.host.text import printable
from pippin.pictures.entries import Entry, plural
from pippin.pictures.preparation import Preparation

NAMED = 3
"""Number of pictures of each kind of change that are named. More would hide the advice that follows."""


@dataclass(frozen=True)
class Changes:
    """What differs between two preparations. Only pictures that are used count.

    Attributes:
        added: Paths of pictures that only the later one has.
        removed: Paths of pictures that only the earlier one has.
        changed: Paths of pictures that are in both, with other pixels.
        renamed: Later paths of pictures that had another path before.
        relabelled: Paths of pictures that have another label.
        same: Number of pictures that did not change.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    relabelled: tuple[str, ...] = ()
    same: int = 0

    def __str__(self) -> str:
        parts = []
        for field in fields(self)[:-1]:
            paths = getattr(self, field.name)
            if paths:
                named = ", ".join(map(printable, paths[:NAMED])) + (", …" if len(paths) > NAMED else "")
                parts.append(f"{len(paths):,} {field.name} ({named})")
        return ", ".join([*parts, f"{plural(self.same, 'picture')} the same"])


def compare(before: Iterable[Entry], after: Iterable[Entry]) -> Changes:
    """Return what differs between the entries of two preparations.

    Args:
        before: The entries of the earlier one.
        after: The entries of the later one.
    """
    old = {entry.path: (entry.digest, entry.label) for entry in before if entry.index is not None}
    new = {entry.path: (entry.digest, entry.label) for entry in after if entry.index is not None}
    gone = {digest for path, (digest, _) in old.items() if path not in new}
    fresh = [path for path in new if path not in old]
    renamed = [path for path in fresh if new[path][0] in gone]
    found_again = {new[path][0] for path in renamed}
    both = [path for path in new if path in old]
    return Changes(
        tuple(path for path in fresh if new[path][0] not in gone),
        tuple(path for path in old if path not in new and old[path][0] not in found_again),
        tuple(path for path in both if old[path][0] != new[path][0]),
        tuple(renamed),
        tuple(path for path in both if old[path][0] == new[path][0] and old[path][1] != new[path][1]),
        sum(old[path] == new[path] for path in both),
    )


def compare_preparations(before: Preparation, after: Preparation) -> str:
    """Return the options that differ, such as `fit=squash (before: crop)`; "" if none does."""
    old, new = before.to_dict(), after.to_dict()
    return ", ".join(f"{name}={new[name]} (before: {old[name]})" for name in new if old[name] != new[name])
