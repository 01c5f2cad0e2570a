"""Many records in little memory: bytes, until one of them is looked at."""

import marshal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar, overload

Record = TypeVar("Record")


class Packed(Sequence[Record]):
    """A sequence of records. Each is made when it is asked for, in microseconds, and takes a fourth of the memory.

    Args:
        kind: What they are: a dataclass of two fields and more that hold numbers, text, tuples of these, or None.
        records: What it begins with.
    """

    def __init__(self, kind: type[Record], records: Iterable[Record] = ()) -> None:
        self._kind = kind
        self._values = attrgetter(*(field.name for field in fields(kind)))  # type: ignore[arg-type]
        self._content, self._ends = bytearray(), array("Q", [0])
        for record in records:
            self.append(record)

    def append(self, record: Record) -> None:
        """Puts one more at the end."""
        self._content += marshal.dumps(self._values(record))
        self._ends.append(len(self._content))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[Record]:
        return (self._unpacked(start, end) for start, end in pairwise(self._ends))

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> "Packed[Record]": ...

    def __getitem__(self, place: int | slice) -> "Record | Packed[Record]":
        if isinstance(place, slice):
            return Packed(self._kind, (self[n] for n in range(len(self))[place]))
        n = range(len(self))[place]
        return self._unpacked(self._ends[n], self._ends[n + 1])

    def _unpacked(self, start: int, end: int) -> Record:
        return self._kind(*marshal.loads(self._content[start:end]))
