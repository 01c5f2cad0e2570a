"""A source of anything → one array of square RGB pictures on disk, with a manifest of what became of every file."""

import dataclasses
import hashlib
import json
import os
import shutil
import warnings
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from filelock import FileLock

from pippin.errors import SourceError
from pippin.pictures.channels import RGB, RGBA
from pippin.pictures.colour import Refused
from pippin.pictures.dataset import MANIFEST_FILE, PICTURES_FILE, Dataset, publish, reopen, tidy, write_header
from pippin.pictures.decoding import Decoded
from pippin.pictures.duplicates import likeness, near_groups
from pippin.pictures.framing import read_trimmed, squares_of
from pippin.pictures.journal import JOURNAL_FILE, Journal, digest_of
from pippin.pictures.labels import FOLDERS, NO_FOLDER, from_folders
from pippin.pictures.listing import write_listing
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import DEFAULT_PREPARATION, Preparation
from pippin.pictures.reuse import MAKING, SHARD, Earlier, Shard
from pippin.pictures.sources import Sharing, Source, SourceItem, open_source
from pippin.pictures.sources.files import FileSource
from pippin.pictures.sources.moving import unfold
from pippin.pictures.verdicts import BLANK, ENLARGED, KEPT, MENDED, NEAR, REFUSED, Audit, Entry, name_refused, plural
from pippin.pictures.workers import TIME_LIMIT, in_order
from pippin.settings import check_image_size

PREPARATION_VERSION = 5  # raise it when the same file would become another picture or hash: all is prepared anew

SEEN = 16
"""Of 255: a pixel that is farther from a picture's median colour is seen."""

BLANK_SHARE = 0.002
"""Share of a picture's pixels that are seen, below which it is blank."""

Progress = Callable[[int, int], None]
Made = tuple[Entry, np.ndarray | None]


def prepare(
    source: Any,
    image_size: int,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    preparation: Preparation = DEFAULT_PREPARATION,
    shard: str | None = None,
) -> Dataset:
    """Prepares pictures for training, once: if nothing has changed since, what was prepared then is opened.

    Where some of a folder's files have changed, only those are read. A preparation that was interrupted goes on.

    Args:
        source: A folder, an archive, an array, or `"apples"`; see `open_source`.
        image_size: Side of the prepared pictures in pixels, a power of two from 16 to 256.
        cache: The folder to keep prepared pictures in. Without it, the environment variable `PIPPIN_CACHE`, and
            without that, the user's cache folder.
        progress: Called as `progress(done, total)` after each picture that is prepared now; not for an opened set.
        preparation: How the pictures are made alike.
        shard: Such as `"2/4"`, to prepare only the second quarter. When all parts are there, in the same cache folder,
            the same call without it makes the whole of them, with the same bytes as without any parts.

    Returns:
        The dataset; of a shard, its part, copies and all.

    Raises:
        SettingsError: If `image_size` is not such a power of two, or `shard` no such part.
        SourceError: If there is nothing at `source`, fewer than two different pictures in it, or no room for them.
    """
    check_image_size(image_size)
    part = Shard(shard) if shard is not None else None
    opened = open_source(source)
    options = json.dumps(preparation.to_dict(), sort_keys=True)
    shelf = _cache_folder(cache) / _key([opened.location, str(image_size), str(PREPARATION_VERSION), options])
    name = _key([opened.stamp()])
    place = shelf / name
    if dataset := reopen(place):
        return dataset
    lock = f"{shelf}.lock"
    if part is not None:
        place, lock = shelf / f"{SHARD}{name}-{part}", f"{shelf}-{part}.lock"
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):  # two processes that want the same pictures: one makes them, the other waits
            dataset = reopen(place)
            if dataset is None:
                workshop = shelf / (MAKING + place.name)
                manifest, entries = _make(
                    opened, image_size, preparation, workshop, Earlier(shelf, name), progress, part
                )
                publish(workshop, place)
                if part is None:
                    tidy(shelf, place)
                dataset = Dataset(np.load(place / PICTURES_FILE, mmap_mode="r"), manifest, entries)
            return dataset
    except OSError as error:
        raise SourceError(
            f"The prepared pictures cannot be written ({error.strerror}); name another folder in PIPPIN_CACHE. "
            f"Received: cache={str(shelf.parent)!r}"
        ) from error


def _make(
    source: Source,
    image_size: int,
    preparation: Preparation,
    folder: Path,
    earlier: Earlier,
    progress: Progress | None,
    shard: Shard | None,
) -> tuple[dict[str, Any], Sequence[Entry]]:
    """Writes the pictures and the manifest into a folder, or goes on with it; returns what the manifest holds."""
    folder.mkdir(exist_ok=True)
    files = unfold(source.items, source.folder, preparation) if isinstance(source, FileSource) else source.items
    files = shard.of(files) if shard else files
    total = len(files)
    keep_copies = shard is not None or preparation.duplicates == "keep"
    channels = preparation.stored_channels
    with Journal(folder, image_size, channels, total, keep_copies) as journal, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities that the audit judges by itself
        left = files[len(journal.entries) :] if journal.entries else files
        for entry, squares in _made(source, left, image_size, preparation, earlier):
            journal.add(entry, squares)
            if progress is not None:
                progress(len(journal.entries), total)
        journal.finish()
    entries: Sequence[Entry] = journal.entries
    del journal  # its digests take as much memory as the entries
    if shard is None:
        entries = _name_near_copies(entries, folder / PICTURES_FILE)
        if preparation.duplicates == "near":
            entries = _leave_out_near_copies(entries, folder / PICTURES_FILE)
    try:
        if shard is None:
            _check_enough(source, entries)
            entries = _labelled(entries) if preparation.labels == FOLDERS else entries
    except SourceError:
        shutil.rmtree(folder)
        raise
    manifest = {
        "name": source.name,
        "source": source.location,
        "noun": source.noun,
        "image_size": image_size,
        "preparation": preparation.to_dict(),
        "preparation_version": PREPARATION_VERSION,
        "fingerprint": _key(chain([str(image_size)], _digests(entries), _labels(entries))),
    }
    write_listing(folder / MANIFEST_FILE, manifest, (entry.to_json() for entry in entries))
    (folder / JOURNAL_FILE).unlink()
    return manifest, entries


def _made(
    source: Source, files: Sequence[SourceItem], image_size: int, preparation: Preparation, earlier: Earlier
) -> Iterator[Made]:
    """Yields each picture's entry and squares, in order: what is unchanged from earlier, the others anew."""
    work = partial(prepare_one, source=source, image_size=image_size, preparation=preparation)
    new = Packed(SourceItem, (found for found in files if not earlier.knows(found))) if earlier else files
    if source.sharing is Sharing.ORDER:
        made: Iterator[Made] = map(work, new)
    else:
        made = in_order(work, new, source.sharing is Sharing.PROCESSES, _broke_a_process, _took_too_long)
    for found in files:
        yield earlier.made(found) if earlier.knows(found) else next(made)


def prepare_one(
    found: SourceItem, source: Source, image_size: int, preparation: Preparation = DEFAULT_PREPARATION
) -> Made:
    """Prepares one picture: reads it, trims padding bars, makes it a square or several, and resizes those.

    Args:
        found: Which picture.
        source: Where it comes from.
        image_size: Side of the squares in pixels.
        preparation: How pictures are made alike.

    Returns:
        What became of it, without its place, and its squares: uint8 `(crops, image_size, image_size, 3)`, or 4; None
        where it was refused.
    """
    if found.problem is not None:
        return _refused(found, found.problem), None
    if preparation.labels == FOLDERS and "/" not in found.path:
        return _refused(found, NO_FOLDER), None

    def read(enough: int) -> Decoded:
        return source.read(found, image_size, enough, preparation)

    try:
        decoded, box, mended = read_trimmed(read, image_size, preparation, source.trims_bars)
    except Refused as refusal:
        return _refused(found, str(refusal)), None
    squares, moved = squares_of(decoded.image, box, image_size, preparation)
    reasons = (*decoded.reasons, *mended, *moved)
    odd = [ENLARGED] if min(decoded.width, decoded.height) < image_size else []
    if is_blank(squares[0]):
        odd.append(BLANK)
    entry = Entry(
        found.path,
        found.bytes,
        found.mtime_ns,
        MENDED if reasons else KEPT,
        reasons,
        tuple(odd),
        crops=len(squares),
        digest=digest_of(squares),
        likeness=likeness(squares[0]),
        format=decoded.format,
        mode=decoded.mode,
        width=decoded.width,
        height=decoded.height,
        file=found.file,
        grey=_is_grey(squares),
        transparent=squares.shape[-1] == RGBA and bool(squares[..., RGB].min() < 255),
    )
    return entry, squares


def is_blank(pixels: np.ndarray) -> bool:
    """Whether nothing is to be seen in a picture: nearly all of it has one colour.

    Args:
        pixels: uint8 of shape `(S, S, 3)`, or 4.
    """
    count = pixels.shape[0] * pixels.shape[1]
    most = int(BLANK_SHARE * count)
    some = np.sort(pixels[::4, ::4].reshape(-1, pixels.shape[-1]), axis=0).astype(np.int16)
    if (some[-1 - most] - some[most] > 2 * SEEN).any():  # so many pixels cannot all be the few that are seen
        return False
    planes = np.ascontiguousarray(pixels.reshape(-1, pixels.shape[-1]).T)  # along a short axis NumPy would be slow
    ordered = np.sort(planes, axis=1, kind="stable")
    median = ordered[:, (count - 1) // 2 : count // 2 + 1].mean(axis=1).astype(np.int16)
    apart = np.abs(planes - median[:, None]) > SEEN
    return np.count_nonzero(apart.any(axis=0)) < BLANK_SHARE * count


def _is_grey(squares: np.ndarray) -> bool:
    """Whether red, green and blue are the same everywhere."""
    if squares.shape[-1] != RGB:
        return False
    parts = squares[:, ::8, ::8], squares  # a few pixels tell it of most
    return all(bool((part[..., :1] == part[..., 1:]).all()) for part in parts)


def _refused(found: SourceItem, reason: str) -> Entry:
    return Entry(found.path, found.bytes, found.mtime_ns, REFUSED, (reason,), file=found.file)


def _broke_a_process(found: SourceItem) -> Made:
    return _refused(found, "its decoder crashes on it"), None


def _took_too_long(found: SourceItem) -> Made:
    return _refused(found, f"it takes longer than {TIME_LIMIT:.0f} s to read"), None


def _name_near_copies(entries: Sequence[Entry], pictures: Path) -> Sequence[Entry]:
    """Marks the pictures that look the same as another one; of each group, the largest is the one to keep."""
    asked, hashes, rows = array("q"), array("Q"), array("q")
    for n, entry in enumerate(entries):
        if entry.index is not None and entry.copy is None and BLANK not in entry.warnings:
            asked.append(n)
            hashes.append(int(entry.likeness or "0", 16))
            rows.append(entry.index)
    if not asked:
        return entries
    images = np.load(pictures, mmap_mode="r")
    originals: dict[int, str] = {}  # place of a copy → path of the one to keep
    for group in near_groups(np.array(hashes), np.array(rows), images):
        numbers = [asked[place] for place in group]
        kept = max(numbers, key=lambda n: (_area(entries[n]), entries[n].bytes, -n))
        originals.update({n: entries[kept].path for n in numbers if n != kept})
    if not originals:
        return entries
    named = (
        dataclasses.replace(entry, copy=NEAR, copy_of=originals[n]) if n in originals else entry
        for n, entry in enumerate(entries)
    )
    return Packed(Entry, named)


def _area(entry: Entry) -> int:
    return (entry.width or 0) * (entry.height or 0)


def _leave_out_near_copies(entries: Sequence[Entry], pictures: Path) -> Sequence[Entry]:
    """Refuses the near copies, and writes the pictures without them."""
    images = np.load(pictures, mmap_mode="r")
    left, count = Packed(Entry), 0
    with pictures.with_suffix(".part").open("wb") as file:
        write_header(file, len(images), *images.shape[2:])
        for entry in entries:
            if entry.copy == NEAR:
                reason = f"nearly the same picture (as {entry.copy_of})"
                entry = dataclasses.replace(entry, verdict=REFUSED, reasons=(reason,), index=None)
            elif entry.index is not None:
                file.write(images[entry.rows.start : entry.rows.stop].tobytes())
                entry = dataclasses.replace(entry, index=count)
                count += entry.crops
            left.append(entry)
        file.seek(0)
        write_header(file, count, *images.shape[2:])
    del images  # Windows replaces no file that is mapped
    pictures.with_suffix(".part").replace(pictures)
    return left


def _labelled(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Gives the pictures that are kept their labels."""
    labels = from_folders([entry.path for entry in entries if entry.index is not None])
    names = (labels.names[label] for label in labels.of)
    named = (dataclasses.replace(entry, label=next(names)) if entry.index is not None else entry for entry in entries)
    return Packed(Entry, named)


def _labels(entries: Sequence[Entry]) -> Iterator[str]:
    """Yields the labels of the pictures that were prepared."""
    return (entry.label for entry in entries if entry.index is not None and entry.label is not None)


def _digests(entries: Sequence[Entry]) -> Iterator[str]:
    """Yields the digests of the pictures that were prepared."""
    return (entry.digest for entry in entries if entry.index is not None and entry.digest is not None)


def _check_enough(source: Source, entries: Sequence[Entry]) -> None:
    """Raises `SourceError` if fewer than two different pictures were found."""
    digests = _digests(entries)
    first = next(digests, None)
    if any(digest != first for digest in digests):
        return
    audit = Audit(entries, source.noun)
    found = f"Received: source={source.location!r} with {plural(len(entries), source.noun)}"
    if first is None:
        named = f": {name_refused(audit.refused)}" if audit.refused else ""
        raise SourceError(f"No picture could be read; give a folder that holds pictures. {found}{named}")
    readable = sum(entry.format is not None for entry in entries)
    same = "one picture" if readable == 1 else f"{readable:,} pictures, all the same"
    raise SourceError(f"At least two different pictures are needed to learn from; add more. {found}: {same}")


def _cache_folder(cache: str | os.PathLike[str] | None) -> Path:
    """Returns the folder that keeps prepared pictures."""
    return Path(cache or os.environ.get("PIPPIN_CACHE") or platformdirs.user_cache_dir("pippin"))


def _key(parts: Iterable[str]) -> str:
    """Returns a short hash of some lines, fit for a folder's name."""
    digest = hashlib.sha256()
    for n, part in enumerate(parts):
        digest.update(b"\n" * (n > 0) + part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:24]
