"""Many records in little memory: each is stored as bytes until it is accessed."""

import marshal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar, overload

Record = TypeVar("Record")


class Packed(Sequence[Record]):
    """A sequence of records that takes a quarter of a list's memory. Access takes microseconds.

    Args:
        kind: The class of the records: a dataclass of at least two fields, which hold numbers, text, tuples of these,
            or None.
        records: The first records.
    """

    def __init__(self, kind: type[Record], records: Iterable[Record] = ()) -> None:
        self._kind = kind
        self._values = attrgetter(*(field.name for field in fields(kind)))  # type: ignore[arg-type]
        self._content, self._ends = bytearray(), array("Q", [0])
        for record in records:
            self.append(record)

    def append(self, record: Record) -> None:
        """Append a record."""
        self._content += marshal.dumps(self._values(record))
        self._ends.append(len(self._content))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[Record]:
        return (self._unpacked(start, end) for start, end in pairwise(self._ends))

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> "Packed[Record]": ...

    def __getitem__(self, index: int | slice) -> "Record | Packed[Record]":
        if isinstance(index, slice):
            return Packed(self._kind, (self[n] for n in range(len(self))[index]))
        n = range(len(self))[index]
        return self._unpacked(self._ends[n], self._ends[n + 1])

    def _unpacked(self, start: int, end: int) -> Record:
        return self._kind(*marshal.loads(self._content[start:end]))
