"""Files that could not be read at the moment: how many of them a preparation accepts, and when they are tried again."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from pippin.errors import SourceError
from pippin.host.text import printable
from pippin.pictures.dataset import Dataset
from pippin.pictures.entries import Entry, plural
from pippin.pictures.preparation import Preparation
from pippin.pictures.preparing.single import Prepared, prepare_item
from pippin.pictures.sources import Source, SourceItem

MAX_IN_A_ROW = 16
"""Number of files that may be unreadable one after the other. More of them mean that the drive is gone."""

MAX_SHARE = 0.1
"""Largest share of unreadable files in a source. A run on fewer pictures would not be what the user wants."""

PROBES = 8
"""Number of unread files that are tried when a finished preparation is opened: each may wait for a network drive."""


def stop_if_many(
    results: Iterable[Prepared], source: Source, total: int, before: Sequence[Entry]
) -> Iterator[Prepared]:
    """Yield the results of a preparation, and stop it if too many files could not be read.

    Args:
        results: The results.
        source: The source.
        total: Number of items of the source.
        before: The entries of an earlier part of the preparation.

    Raises:
        SourceError: If more than `MAX_IN_A_ROW` files in a row or `MAX_SHARE` of all files could not be read.
    """
    unread, in_a_row, readable = [], 0, sum(entry.format is not None for entry in before)
    for entry, squares in results:
        yield entry, squares
        readable += entry.format is not None
        in_a_row = in_a_row + 1 if entry.is_unread else 0
        if entry.is_unread:
            unread.append(entry)
        if in_a_row > MAX_IN_A_ROW:
            break
    if unread and (in_a_row > MAX_IN_A_ROW or len(unread) > max(1, MAX_SHARE * total) or readable < 2):
        count = f"{len(unread):,} of {plural(total, source.noun)}"
        raise SourceError(
            f"Too many pictures could not be read now ({count}); check the drive and the permissions, and run the same "
            "command again. What is prepared so far is kept. Received: "
            f"source={source.location!r} with {printable(unread[0].path)} ({unread[0].reasons[0]})"
        )


def any_readable_again(dataset: Dataset, source: Source) -> bool:
    """Return whether files that could not be read when a dataset was prepared can be read now, by trying some."""
    unread = {entry.file or entry.path for entry in dataset.files if entry.is_unread}
    if not unread:
        return False
    items = [item for item in source.items if item.path in unread and item.problem is None]
    tried = islice(items, 0, None, max(1, -(-len(items) // PROBES)))
    return any(not _is_unread(item, source, dataset.image_size, dataset.preparation) for item in tried)


def _is_unread(item: SourceItem, source: Source, image_size: int, preparation: Preparation) -> bool:
    """Return whether an item cannot be read now."""
    return prepare_item(item, source, image_size, preparation)[0].is_unread
