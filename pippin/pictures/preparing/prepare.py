"""Any source of pictures → one array of square images on disk, and a manifest with the status of every file."""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from pippin.errors import SourceError
from pippin.host.files import remove_leftovers
from pippin.pictures.checksums import write_checksums
from pippin.pictures.dataset import MANIFEST_FILE, PICTURES_FILE, Dataset
from pippin.pictures.decoding.depth import DARK, MOST_BITS, bits_for, describe_bits, is_dark
from pippin.pictures.entries import Audit, Entry, name_refused, plural
from pippin.pictures.labels import FOLDERS, from_folders
from pippin.pictures.listing import write_listing
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import DEFAULT_PREPARATION, NO_LABELS, Preparation
from pippin.pictures.preparing.cache import (
    SHARD_PREFIX,
    WORKING_PREFIX,
    cache_folder,
    locked,
    publish,
    reading,
    remove_others,
    reopen,
    short_hash,
    writing,
)
from pippin.pictures.preparing.journal import JOURNAL_FILE, Journal
from pippin.pictures.preparing.labels_of_sources import (
    check_folders,
    check_number,
    notes_on_labels,
    table_labels,
    with_problems,
    without_tables,
)
from pippin.pictures.preparing.near_copies import leave_out_near_copies, mark_near_copies
from pippin.pictures.preparing.reuse import ReusableEntries, Shard
from pippin.pictures.preparing.single import Prepared, crashed, prepare_item, timed_out
from pippin.pictures.preparing.unread import any_readable_again, stop_if_many
from pippin.pictures.preparing.workers import map_in_order
from pippin.pictures.sources import Sharing, Source, SourceItem, open_source
from pippin.pictures.sources.base import reading_source
from pippin.pictures.sources.files import FileSource
from pippin.pictures.sources.moving import expand_frames
from pippin.settings import check_image_size

PREPARATION_VERSION = 7
"""Part of every key in the cache. Raise it when the same file is prepared to other pixels or hashes than before, so
that everything is prepared again."""

AGAIN = "again"
"""Name of the folder for a second pass, if the highest value of a set decides on another number of bits."""

DARK_NOTE = (
    f"dark: nearly all values of nearly all pictures are below {DARK} of 255; if they should not be, check the files, "
    "and --bits for files of more than 8 bits"
)

Progress = Callable[[int, int], None]


def prepare(
    source: Any,
    image_size: int,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    preparation: Preparation = DEFAULT_PREPARATION,
    shard: str | None = None,
) -> Dataset:
    """Prepare pictures for training once. If nothing has changed since, the prepared pictures are opened.

    If some files of a folder have changed, only those are read. An interrupted preparation is resumed.

    Args:
        source: A folder, an archive, an array, or `"apples"`; see `open_source`. An opened source is used as it is.
        image_size: Side of the prepared images in pixels, a power of two from 16 to 512.
        cache: The folder to keep prepared pictures in. The default is the environment variable `PIPPIN_CACHE`, or
            else the user's cache folder.
        progress: Called as `progress(done, total)` after each picture that is prepared. It is not called if an
            earlier preparation is opened.
        preparation: How pictures are prepared.
        shard: Prepare only a part: `"2/4"` is the second quarter. When all parts are in the same cache folder, the
            same call without `shard` joins them, with the same bytes as a preparation in one piece.

    Returns:
        The dataset; for a shard, the dataset of that part, copies included.

    Raises:
        SettingsError: If `image_size` is not such a power of two, or `shard` has another form.
        SourceError: If the source does not exist or cannot be read, if it holds fewer than two different pictures,
            or if the prepared pictures cannot be read or written.
    """
    check_image_size(image_size)
    part = Shard(shard) if shard is not None else None
    opened = open_source(source)
    return _open_or_prepare(opened, image_size, cache_folder(cache), progress, preparation, part)


def _open_or_prepare(
    source: Source,
    image_size: int,
    cache_dir: Path,
    progress: Progress | None,
    preparation: Preparation,
    shard: Shard | None,
) -> Dataset:
    """Return the dataset from the cache, or prepare it there."""
    options = json.dumps(preparation.to_dict(), sort_keys=True)
    key = short_hash([source.location, str(image_size), str(PREPARATION_VERSION), options])
    with reading_source(source.location):
        name = short_hash([source.stamp()])
    source_dir = cache_dir / key
    dataset_dir, lock = source_dir / name, f"{source_dir}.lock"
    notes: list[str] = []
    if (dataset := _reopen_complete(dataset_dir, source, notes)) is not None:
        return dataset
    if shard is not None:
        dataset_dir, lock = source_dir / f"{SHARD_PREFIX}{name}-{shard}", f"{source_dir}-{shard}.lock"
    with locked(source_dir, lock):
        if (dataset := _reopen_complete(dataset_dir, source, notes)) is not None:
            return dataset
        working_dir = source_dir / (WORKING_PREFIX + dataset_dir.name)
        earlier = ReusableEntries(source_dir, name, notes)
        manifest, entries = _prepare_in(working_dir, source, image_size, preparation, earlier, progress, shard)
        with writing(dataset_dir):
            publish(working_dir, dataset_dir)
            if shard is None:
                remove_others(dataset_dir)
        with reading(dataset_dir):
            dataset = Dataset(np.load(dataset_dir / PICTURES_FILE, mmap_mode="r"), manifest, entries)
    dataset.notes = (*dataset.notes, *dict.fromkeys(notes))
    return dataset


def _reopen_complete(dataset_dir: Path, source: Source, notes: list[str]) -> Dataset | None:
    """Return a dataset that was prepared before; None if there is none, or if files can be read now that it lacks."""
    dataset = reopen(dataset_dir, notes)
    return None if dataset is None or any_readable_again(dataset, source) else dataset


def _prepare_in(
    folder: Path,
    source: Source,
    image_size: int,
    preparation: Preparation,
    earlier: ReusableEntries,
    progress: Progress | None,
    shard: Shard | None,
) -> tuple[dict[str, Any], Sequence[Entry]]:
    """Write the squares and the manifest into a folder, or resume that; return the manifest and the entries."""
    items = source.items
    if isinstance(source, FileSource):
        with reading_source(source.location):
            items = expand_frames(items, source.folder, preparation)
    with reading_source(source.location):
        items, labels, label_notes = _labelled_items(source, items, preparation)
    notes = [*source.notes, *label_notes]
    items = shard.of(items) if shard else items
    bits = preparation.bits or earlier.earlier_bits or MOST_BITS
    write = partial(_write_pass, source=source, items=items, image_size=image_size, earlier=earlier, progress=progress)
    keep_copies = shard is not None or preparation.duplicates == "keep"
    entries = write(folder, replace(preparation, bits=bits), keep_copies=keep_copies)
    highest = max((entry.highest for entry in entries if entry.highest is not None), default=None)
    if highest is not None and preparation.bits is None and bits != bits_for(highest):
        bits = bits_for(highest)
        entries = write(folder / AGAIN, replace(preparation, bits=bits), keep_copies=keep_copies)
        with writing(folder):
            (folder / AGAIN / PICTURES_FILE).replace(folder / PICTURES_FILE)
            shutil.rmtree(folder / AGAIN)
    if highest is not None:
        notes.append(describe_bits((entry.highest for entry in entries), bits))
    if shard is None:
        entries = _finish_entries(entries, source, preparation, labels, folder)
        with reading(folder):
            if is_dark(np.load(folder / PICTURES_FILE, mmap_mode="r")):
                notes.append(DARK_NOTE)
    manifest = {
        "name": source.name,
        "source": source.location,
        "noun": source.noun,
        "image_size": image_size,
        "preparation": preparation.to_dict(),
        "preparation_version": PREPARATION_VERSION,
        "bits": bits if highest is not None else None,
        "notes": notes,
        "fingerprint": short_hash(chain([str(image_size)], _digests(entries), _labels(entries))),
    }
    with writing(folder):
        write_listing(folder / MANIFEST_FILE, manifest, (entry.to_json() for entry in entries))
        write_checksums(folder, (PICTURES_FILE, MANIFEST_FILE))
        (folder / JOURNAL_FILE).unlink()
    return manifest, entries


def _write_pass(
    folder: Path,
    preparation: Preparation,
    *,
    source: Source,
    items: Sequence[SourceItem],
    image_size: int,
    earlier: ReusableEntries,
    progress: Progress | None,
    keep_copies: bool,
) -> Sequence[Entry]:
    """Write the squares of all items into a folder, or resume that, and return their entries."""
    earlier.bits = preparation.bits
    with writing(folder):
        folder.mkdir(exist_ok=True)
        remove_leftovers(folder)
        journal = Journal(folder, image_size, preparation.stored_channels, len(items), keep_copies)
    with journal, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities that the audit reports
        left = items[len(journal.entries) :] if journal.entries else items
        with closing(_prepare_items(source, left, image_size, preparation, earlier)) as results:
            for entry, squares in stop_if_many(results, source, len(items), journal.entries):
                with writing(folder):
                    journal.add(entry, squares)
                if progress is not None:
                    progress(len(journal.entries), len(items))
        with writing(folder):
            journal.finish()
    return journal.entries


def _prepare_items(
    source: Source,
    items: Sequence[SourceItem],
    image_size: int,
    preparation: Preparation,
    earlier: ReusableEntries,
) -> Generator[Prepared]:
    """Yield each item's entry and squares in order. Unchanged items are taken from an earlier preparation.

    Close the generator if it is not exhausted: otherwise its workers end when it is garbage, in any thread.
    """
    work = partial(prepare_item, source=source, image_size=image_size, preparation=preparation)
    new = Packed(SourceItem, (item for item in items if item not in earlier)) if earlier else items
    if source.sharing is Sharing.SEQUENTIAL:
        results: Generator[Prepared] = (work(item) for item in new)
    else:
        results = map_in_order(work, new, source.sharing is Sharing.PROCESSES, crashed, timed_out)
    with closing(results), reading_source(source.location):
        for item in items:
            yield earlier[item] if item in earlier else next(results)


def _labelled_items(
    source: Source, items: Sequence[SourceItem], preparation: Preparation
) -> tuple[Sequence[SourceItem], Mapping[str, str], list[str]]:
    """Return the items, with a reason to refuse those without a label; the labels of a table; and notes on labels.

    Raises:
        SourceError: If the source has no such labels.
    """
    chosen, columns, labels = preparation.labels, source.label_columns(), {}
    if columns:
        items = without_tables(items)
    if chosen == FOLDERS:
        items = check_folders(source, columns, items)
    elif chosen != NO_LABELS:
        labels = table_labels(source, columns, chosen)
        items = with_problems(items, labels, chosen)
    return items, labels, notes_on_labels(columns, items, chosen)


def _finish_entries(
    entries: Sequence[Entry], source: Source, preparation: Preparation, labels: Mapping[str, str], folder: Path
) -> Sequence[Entry]:
    """Return the entries with near copies and labels.

    Raises:
        SourceError: If there are too few pictures or labels. The folder is removed then.
    """
    with reading(folder):
        entries = mark_near_copies(entries, folder / PICTURES_FILE)
    if preparation.duplicates == "near":
        with writing(folder):
            entries = leave_out_near_copies(entries, folder / PICTURES_FILE)
    try:
        _check_enough(source, entries)
        return _with_labels(entries, labels) if preparation.labels != NO_LABELS else entries
    except SourceError:
        with writing(folder):
            shutil.rmtree(folder)
        raise


def _with_labels(entries: Sequence[Entry], table: Mapping[str, str]) -> Sequence[Entry]:
    """Return the entries with the labels of the pictures that are kept: from a table, or else from the folders."""
    kept = [entry.file or entry.path for entry in entries if entry.index is not None]
    if table:
        check_number((table[path] for path in kept), "the pictures that are used")
        names = (table[path] for path in kept)
    else:
        labels = from_folders(kept)
        names = (labels.names[label] for label in labels.indices)
    labelled = (replace(entry, label=next(names)) if entry.index is not None else entry for entry in entries)
    return Packed(Entry, labelled)


def _labels(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the labels of the prepared pictures."""
    return (entry.label for entry in entries if entry.index is not None and entry.label is not None)


def _digests(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the digests of the prepared pictures."""
    return (entry.digest for entry in entries if entry.index is not None and entry.digest is not None)


def _check_enough(source: Source, entries: Sequence[Entry]) -> None:
    """Raise `SourceError` if there are fewer than two different pictures."""
    digests = _digests(entries)
    first = next(digests, None)
    if any(digest != first for digest in digests):
        return
    audit = Audit(entries, source.noun)
    received = f"Received: source={source.location!r} with {plural(len(entries), source.noun)}"
    if first is None:
        refused = f": {name_refused(audit.refused)}" if audit.refused else ""
        raise SourceError(f"No picture could be read; give a folder that holds pictures. {received}{refused}")
    readable = sum(entry.format is not None for entry in entries)
    same = "one picture" if readable == 1 else f"{readable:,} pictures, all the same"
    raise SourceError(f"At least two different pictures are needed for training; add more. {received}: {same}")
