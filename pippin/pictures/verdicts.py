"""What became of every file: kept, mended or refused, and why, in plain words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from typing import Any

from pippin.pictures.packed import Packed

KEPT, MENDED, REFUSED = "kept", "mended", "refused"
EXACT, NEAR = "exact", "near"

NAMED_IN_SUMMARY = 5  # how many refused files a summary names

ENLARGED = "smaller than the side asked for: enlarged"
GREY_TO_RGB = "grey turned into RGB"
BLANK = "blank: nothing is to be seen"

ENOUGH = 1000
"""Pictures from which on their number is not what limits a run."""

FEW = 100
"""Pictures below which a run mostly repeats them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one file (or one picture of an array).

    Args:
        path: Relative to the source, with forward slashes.
        bytes: The file's length.
        mtime_ns: When the file was last changed, in nanoseconds since 1970; 0 where there is no file.
        verdict: `"kept"` (taken as it was), `"mended"` (something was put right) or `"refused"`.
        reasons: Plain words: everything that was mended, or the one reason to refuse. Empty when kept.
        warnings: What is odd about a picture that was taken all the same.
        index: The picture's place in the prepared array, its first crop's if there are several; None when refused.
        crops: Squares that were taken of it.
        digest: A hash of the prepared pixels, so that equal pictures have equal digests; None when unreadable.
        likeness: A hash of how it looks, 16 hexadecimal digits: see `pippin.pictures.duplicates`.
        copy: `"exact"` or `"near"` if it is a copy of another one that is kept; else None.
        copy_of: That one's path.
        format: What the file is, such as `"JPEG"`; None when unreadable, as the following ones.
        mode: Its colour mode, as Pillow calls it.
        width: Before anything was done, in pixels.
        height: The same.
        file: Where it is one frame of a file, the path of that file.
        grey: Whether red, green and blue are the same in all of its squares, and nothing is kept of transparency.
        transparent: Whether something can be seen through in them, and that is kept.
        label: What kind it is of, where that is learnt.
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

    @property
    def rows(self) -> range:
        """The places of its squares in the prepared array."""
        return range(0) if self.index is None else range(self.index, self.index + self.crops)

    def to_json(self) -> dict[str, Any]:
        """Returns the entry as the manifest holds it: what is not the usual."""
        given = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in given if name not in _USUAL or value != _USUAL[name]}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Entry":
        """Returns the entry that `to_json` wrote."""
        known = dict(entry)
        for name in ("reasons", "warnings"):
            known[name] = tuple(entry.get(name, ()))
        return cls(**known)


_USUAL: dict[str, Any] = {item.name: item.default for item in fields(Entry) if item.default is not MISSING}


@dataclass(frozen=True)
class Audit:
    """The verdicts on a whole source.

    Args:
        entries: One per file, in the order of their paths.
        noun: What one entry is called: `"file"`, or `"picture"` where there are no files.
    """

    entries: Sequence[Entry]
    noun: str = "file"

    def without(self, reason: str) -> "Audit":
        """Returns the same audit where it does not count as mended that `reason`."""

        def judged(entry: Entry) -> Entry:
            left = tuple(one for one in entry.reasons if one != reason)
            kept = entry.verdict == MENDED and not left
            return replace(entry, reasons=left, verdict=KEPT if kept else entry.verdict)

        entries = (judged(entry) if reason in entry.reasons else entry for entry in self.entries)
        return replace(self, entries=Packed(Entry, entries))

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many files were kept, mended and refused."""
        return {verdict: self._tally.verdicts[verdict] for verdict in (KEPT, MENDED, REFUSED)}

    @property
    def refused(self) -> Sequence[Entry]:
        """The files that were refused, copies of others apart."""
        return self._tally.refused

    @property
    def totals(self) -> dict[str, dict[str, int]]:
        """How many there are of every format, colour mode, size and reason, most first."""
        return {name: dict(found.most_common()) for name, found in self._tally.totals.items()}

    @cached_property
    def _tally(self) -> "_Tally":
        tally = _Tally()
        for entry in self.entries:
            tally.add(entry)
        return tally

    @cached_property
    def groups(self) -> list[list[Entry]]:
        """The pictures that are copies of each other, in groups, the one that is kept first."""
        copies = self._tally.copies
        originals = {entry.copy_of for entry in copies}
        named = {entry.path: entry for entry in self.entries if entry.path in originals} if copies else {}
        groups: dict[str, list[Entry]] = {}
        for entry in copies:
            kept = str(entry.copy_of)
            while (further := named[kept].copy_of) is not None:  # an exact copy of what is a near copy itself
                kept = further
            groups.setdefault(kept, [named[kept]]).append(entry)
        return list(groups.values())

    def lines(self) -> list[str]:
        """Returns a few lines for people: the counts, what was mended, copies, and refused files by name."""
        counts, tally = self.counts, self._tally
        lines = [f"{plural(len(self.entries), self.noun)}: {listed(counts)}"]
        if tally.mended:
            lines.append("mended: " + listed(dict(tally.mended.most_common())))
        if tally.copies:
            lines.append("copies: " + ", ".join(_copies(tally.copies)))
        if tally.totals["warning"]:
            lines.append("odd: " + listed(self.totals["warning"]))
        if tally.refused:
            lines.append("refused: " + name_refused(tally.refused))
        return lines

    def about(self) -> dict[str, Any]:
        """Returns what JSON can hold of it, besides the entries."""
        return {
            **self.counts,
            "lines": [*self.lines(), self.outlook()],
            "totals": self.totals,
            "copies": [[entry.path for entry in group] for group in self.groups],
        }

    def outlook(self) -> str:
        """Returns whether there are enough pictures, and what to expect of so many."""
        different = self._tally.different
        found = f"{different:,} different picture" + ("" if different == 1 else "s")
        if different < FEW:
            return f"{found}: few; expect little more than these again, slightly changed. {ENOUGH:,} are enough"
        if different < ENOUGH:
            return f"{found}: usable; expect pictures close to these, with fewer kinds. {ENOUGH:,} are enough"
        return f"{found}: enough"


class _Tally:
    """What is counted of all entries in one pass: to look at one takes microseconds, and at a million, seconds.

    Attributes:
        verdicts: How often each verdict was given.
        mended: What was mended, by kind.
        totals: How many there are of every format, colour mode, size, reason and warning.
        copies: The entries that are copies of another one.
        refused: Those that were refused, copies apart.
        different: How many pictures there are, copies apart.
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
        """Counts one."""
        self.verdicts[entry.verdict] += 1
        if entry.format is not None:
            self.totals["format"][entry.format] += 1
            self.totals["colour mode"][str(entry.mode)] += 1
            self.totals["shorter side"][size_class(min(entry.width or 0, entry.height or 0))] += 1
        for reason in map(kind, entry.reasons):
            self.totals["reason"][reason] += 1
            if entry.verdict == MENDED:
                self.mended[reason] += 1
        for warning in map(kind, entry.warnings):
            self.totals["warning"][warning] += 1
        if entry.copy is not None:
            self.copies.append(entry)
        elif entry.verdict == REFUSED:
            self.refused.append(entry)
        self.different += entry.index is not None and entry.copy is None


def _copies(copies: Sequence[Entry]) -> list[str]:
    """Returns how many copies of each kind there are, and what was done about them."""
    said = []
    for copy, what in ((EXACT, "the same as another picture"), (NEAR, "nearly the same as another picture")):
        some = [entry for entry in copies if entry.copy == copy]
        out = sum(entry.index is None for entry in some)
        if out:
            said.append(f"{out:,} {what} (left out)")
        if len(some) > out:
            said.append(f"{len(some) - out:,} {what} (learnt from all the same)")
    return said


def name_refused(refused: Sequence[Entry]) -> str:
    """Returns the first refused files with their reasons, and how many more there are."""
    named = [f"{printable(entry.path)} ({entry.reasons[0]})" for entry in refused[:NAMED_IN_SUMMARY]]
    more = len(refused) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def printable(path: str) -> str:
    """Returns a file's name so that any terminal can show it: file names may hold bytes that are no text at all."""
    text = path.encode("utf-8", "replace").decode("utf-8")
    return "".join(character if character.isprintable() else "?" for character in text)


def listed(found: Mapping[str, int]) -> str:
    """Returns `3 kept, 1 mended`."""
    return ", ".join(f"{count:,} {what}" for what, count in found.items())


def plural(count: int, noun: str) -> str:
    """Returns `3 files`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def kind(reason: str) -> str:
    """Returns the reason without what is particular to one file, for counting: in brackets, or after a colon."""
    general = reason.partition(" (")[0]
    return general.partition(":")[0] if general.startswith(("too ", "damaged", "a zip bomb")) else general


def size_class(side: int) -> str:
    """Returns the class of a side in pixels, by powers of two: `128 to 255`."""
    low = 1 << (max(1, side).bit_length() - 1)
    return f"{low:,} to {2 * low - 1:,}"
