"""The status of every file: kept, mended or refused, and why, in plain words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from typing import Any

from pippin.host.text import printable
from pippin.pictures.packed import Packed

KEPT, MENDED, REFUSED = "kept", "mended", "refused"
EXACT, NEAR = "exact", "near"

UNREAD = "could not be read now"
"""Beginning of the reason to refuse a file that may be readable later. It is followed by the reason of the system."""

DELETED = "deleted since the folder was listed"
"""Reason to refuse a file that was listed and is gone. A network drive may show it again a minute later."""

NAMED_IN_SUMMARY = 5
"""Number of refused files that a summary names. More would fill the terminal."""

ENLARGED = "smaller than the image size: enlarged"
GREY_TO_RGB = "grey turned into RGB"
BLANK = "blank: nearly all of it has one colour"

ENOUGH = 1000
"""Number of different pictures from which more would improve a run only slightly."""

FEW = 100
"""Number of different pictures below which a run mostly repeats its training images."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The status of one file, of one of its frames, or of one picture of an array.

    Args:
        path: The path relative to the source, with forward slashes.
        bytes: Length of the file.
        mtime_ns: Time of the file's last change, in nanoseconds since 1970; 0 if there is no file.
        verdict: `"kept"` (used as it was), `"mended"` (used after a repair) or `"refused"`.
        reasons: In plain words: everything that was repaired, or the one reason to refuse. Empty if kept.
        warnings: What is unusual about a picture that is used nevertheless.
        index: Index of the picture in the prepared array, of its first square if there are several; None if refused.
        crops: Number of squares.
        digest: A hash of the prepared pixels; equal pictures have equal digests. None if unreadable.
        likeness: A perceptual hash, 16 hexadecimal digits; None if unreadable. See
            `pippin.pictures.preparing.duplicates`.
        copy: `"exact"` or `"near"` if it is a copy of another picture that is kept; else None.
        copy_of: The path of that picture.
        format: Format of the file, such as `"JPEG"`; None if unreadable, as the next three.
        mode: Colour mode in the file, as Pillow calls it.
        width: Width in the file, in pixels.
        height: Height in the file, in pixels.
        file: If this is one frame of a file, the path of that file.
        grey: Whether red, green and blue are equal in all of its squares, and no transparency is kept.
        transparent: Whether its squares have transparent pixels, and transparency is kept.
        label: Its label, if labels are used.
        highest: Its highest value in the file, if it has more than 8 bits and their number decides on white.
    """

    path: str
    bytes: int
    mtime_ns: int
    verdict: str
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    index: int | None = None
    crops: int = 1
    digest: str | None = None
    likeness: str | None = None
    copy: str | None = None
    copy_of: str | None = None
    format: str | None = None
    mode: str | None = None
    width: int | None = None
    height: int | None = None
    file: str | None = None
    grey: bool = False
    transparent: bool = False
    label: str | None = None
    highest: float | None = None

    @property
    def rows(self) -> range:
        """The indices of its squares in the prepared array."""
        return range(0) if self.index is None else range(self.index, self.index + self.crops)

    @property
    def is_blank(self) -> bool:
        """Whether nearly all of the picture has one colour."""
        return any(warning.startswith("blank") for warning in self.warnings)  # older caches word it differently

    @property
    def is_unread(self) -> bool:
        """Whether the file could not be read at that time. It is no statement about the file, and not remembered."""
        return self.verdict == REFUSED and self.reasons[0].startswith((UNREAD, DELETED))

    def to_json(self) -> dict[str, Any]:
        """Return the entry as the manifest holds it, without fields that have their default."""
        values = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in values if name not in _DEFAULTS or value != _DEFAULTS[name]}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Entry":
        """Return the entry that `to_json` described."""
        values = dict(entry)
        for name in ("reasons", "warnings"):
            values[name] = tuple(entry.get(name, ()))
        return cls(**values)


_DEFAULTS: dict[str, Any] = {item.name: item.default for item in fields(Entry) if item.default is not MISSING}


@dataclass(frozen=True)
class Audit:
    """The status of every file of a source.

    Args:
        entries: One for each file, in the order of their paths.
        noun: What one entry is called in messages: `"file"`, or `"picture"` if there are no files.
    """

    entries: Sequence[Entry]
    noun: str = "file"

    def without(self, reason: str) -> "Audit":
        """Return the audit without a reason. Files that were mended for that reason alone count as kept."""

        def changed(entry: Entry) -> Entry:
            reasons = tuple(one for one in entry.reasons if one != reason)
            kept = entry.verdict == MENDED and not reasons
            return replace(entry, reasons=reasons, verdict=KEPT if kept else entry.verdict)

        entries = (changed(entry) if reason in entry.reasons else entry for entry in self.entries)
        return replace(self, entries=Packed(Entry, entries))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of files that were kept, mended and refused."""
        return {verdict: self._tally.verdicts[verdict] for verdict in (KEPT, MENDED, REFUSED)}

    @property
    def refused(self) -> Sequence[Entry]:
        """The files that were refused, without copies of others."""
        return self._tally.refused

    @property
    def totals(self) -> dict[str, dict[str, int]]:
        """Number of files with each format, colour mode, size, reason and warning, most frequent first."""
        return {name: dict(counter.most_common()) for name, counter in self._tally.totals.items()}

    @cached_property
    def _tally(self) -> "_Tally":
        tally = _Tally()
        for entry in self.entries:
            tally.add(entry)
        return tally

    @cached_property
    def groups(self) -> list[list[Entry]]:
        """Groups of pictures that are copies of each other, the original first."""
        copies = self._tally.copies
        originals = {entry.copy_of for entry in copies}
        by_path = {entry.path: entry for entry in self.entries if entry.path in originals} if copies else {}
        groups: dict[str, list[Entry]] = {}
        for entry in copies:
            original = str(entry.copy_of)
            while (next_one := by_path[original].copy_of) is not None:  # an exact copy of a near copy
                original = next_one
            groups.setdefault(original, [by_path[original]]).append(entry)
        return list(groups.values())

    def lines(self) -> list[str]:
        """Return a few lines: the counts, what was mended, copies, warnings, and refused files by name."""
        counts, tally = self.counts, self._tally
        lines = [f"{plural(len(self.entries), self.noun)}: {listed(counts)}"]
        if tally.mended:
            lines.append("mended: " + listed(dict(tally.mended.most_common())))
        if tally.copies:
            lines.append("copies: " + ", ".join(_count_copies(tally.copies)))
        if tally.totals["warning"]:
            lines.append("unusual: " + listed(self.totals["warning"]))
        if tally.refused:
            lines.append("refused: " + name_refused(tally.refused))
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, lines, totals and copies, without the entries, as a dict that JSON can hold."""
        return {
            **self.counts,
            "lines": [*self.lines(), self.outlook()],
            "totals": self.totals,
            "copies": [[entry.path for entry in group] for group in self.groups],
        }

    def outlook(self) -> str:
        """Return whether there are enough pictures, and what to expect of that many."""
        different = self._tally.different
        count = f"{different:,} different picture" + ("" if different == 1 else "s")
        if different < FEW:
            return f"{count}: few; generated pictures will mostly repeat these. {ENOUGH:,} are enough"
        if different < ENOUGH:
            return f"{count}: usable; generated pictures will be close to these and vary less. {ENOUGH:,} are enough"
        return f"{count}: enough"


class _Tally:
    """Counts over all entries in one pass: unpacking an entry takes microseconds, and a million entries seconds.

    Attributes:
        verdicts: Number of files with each verdict.
        mended: Number of repairs of each kind.
        totals: Number of files with each format, colour mode, size, reason and warning.
        copies: The entries that are copies of another one.
        refused: The entries that were refused, without copies.
        different: Number of pictures, without copies.
    """

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.mended: Counter[str] = Counter()
        self.totals: dict[str, Counter[str]] = {
            name: Counter() for name in ("format", "colour mode", "shorter side", "reason", "warning")
        }
        self.copies, self.refused = Packed(Entry), Packed(Entry)
        self.different = 0

    def add(self, entry: Entry) -> None:
        """Count one entry."""
        self.verdicts[entry.verdict] += 1
        if entry.format is not None:
            self.totals["format"][entry.format] += 1
            self.totals["colour mode"][str(entry.mode)] += 1
            self.totals["shorter side"][size_class(min(entry.width or 0, entry.height or 0))] += 1
        for reason in map(general_reason, entry.reasons):
            self.totals["reason"][reason] += 1
            if entry.verdict == MENDED:
                self.mended[reason] += 1
        for warning in map(general_reason, entry.warnings):
            self.totals["warning"][warning] += 1
        if entry.copy is not None:
            self.copies.append(entry)
        elif entry.verdict == REFUSED:
            self.refused.append(entry)
        self.different += entry.index is not None and entry.copy is None


def _count_copies(copies: Sequence[Entry]) -> list[str]:
    """Return how many copies of each kind there are, and whether they are left out."""
    parts = []
    for copy, text in ((EXACT, "the same as another picture"), (NEAR, "nearly the same as another picture")):
        entries = [entry for entry in copies if entry.copy == copy]
        left_out = sum(entry.index is None for entry in entries)
        if left_out:
            parts.append(f"{left_out:,} {text} (left out)")
        if len(entries) > left_out:
            parts.append(f"{len(entries) - left_out:,} {text} (kept)")
    return parts


def name_refused(refused: Sequence[Entry]) -> str:
    """Return the first refused files with their reasons, and how many more there are."""
    named = [f"{printable(entry.path)} ({entry.reasons[0]})" for entry in refused[:NAMED_IN_SUMMARY]]
    more = len(refused) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def listed(counts: Mapping[str, int]) -> str:
    """Return counts as `3 kept, 1 mended`."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def plural(count: int, noun: str) -> str:
    """Return a count with its noun as `3 files`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


_PARTICULAR = ("too ", "damaged", "a zip bomb", UNREAD, "cannot be prepared")
"""Beginnings of reasons that are particular to a file from their colon on."""


def general_reason(reason: str) -> str:
    """Return a reason without what is particular to one file (in brackets, or after a colon), for counting."""
    general = reason.partition(" (")[0]
    return general.partition(":")[0] if general.startswith(_PARTICULAR) else general


def size_class(side: int) -> str:
    """Return the class of a side in pixels, by powers of two: `128 to 255`."""
    low = 1 << (max(1, side).bit_length() - 1)
    return f"{low:,} to {2 * low - 1:,}"
