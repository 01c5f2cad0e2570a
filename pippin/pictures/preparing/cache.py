"""Where prepared pictures are kept on disk.

<cache>/<source, image size and preparation>/<state of the source>/   a finished dataset
<cache>/<source, image size and preparation>/shard-…/                 a part of one
<cache>/<source, image size and preparation>/making-…/                a preparation that is not finished
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from pippin.errors import SourceError
from pippin.host.user_cache import user_cache
from pippin.pictures.dataset import MANIFEST_FILE, Dataset
from pippin.pictures.listing import read_header
from pippin.pictures.os_errors import is_temporary, what_to_do, why

WORKING_PREFIX = "making-"
"""Prefix of a folder that holds an unfinished preparation."""

REPLACED_PREFIX = "replaced-"
"""Prefix of a folder that holds a preparation that was replaced and could not be removed at once."""

SHARD_PREFIX = "shard-"
"""Prefix of a folder that holds a part of a preparation: its squares and entries, copies included."""


def cache_folder(cache: str | os.PathLike[str] | None) -> Path:
    """Return the folder that keeps prepared pictures: `cache`, or `PIPPIN_CACHE`, or the user's cache folder.

    If the user has no home, it is in the folder of temporary files.
    """
    return user_cache(cache)


def short_hash(lines: Iterable[str]) -> str:
    """Return a hash of some lines in 24 hexadecimal digits, short enough for the name of a folder."""
    digest = hashlib.sha256()
    for n, line in enumerate(lines):
        digest.update(b"\n" * (n > 0) + line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:24]


def reopen(dataset_dir: Path, notes: list[str] | None = None) -> Dataset | None:
    """Open what was prepared before. If it is damaged, remove it, so that it is prepared again.

    Args:
        dataset_dir: The folder of the dataset.
        notes: Damage is added to this list, in plain words.

    Returns:
        The dataset; None if there is none, or a damaged one.

    Raises:
        SourceError: If it cannot be read for another reason, such as too many open files. Nothing is removed then.
    """
    with reading(dataset_dir):
        if not dataset_dir.is_dir():
            return None
        try:
            return Dataset.open(dataset_dir)
        except (FileNotFoundError, ValueError) as error:
            shutil.rmtree(dataset_dir, ignore_errors=True)
            if notes is not None:
                notes.append(f"prepared again, because the earlier prepared pictures were damaged ({why(error)})")
            return None


def publish(working_dir: Path, dataset_dir: Path) -> None:
    """Rename a finished preparation, so that other processes see all of it or nothing. It replaces an earlier one."""
    if dataset_dir.exists():
        replaced = dataset_dir.with_name(f"{REPLACED_PREFIX}{dataset_dir.name}")
        shutil.rmtree(replaced, ignore_errors=True)
        dataset_dir.rename(replaced)
        shutil.rmtree(replaced, ignore_errors=True)
    working_dir.rename(dataset_dir)


def remove_others(dataset_dir: Path) -> None:
    """Remove all but the last one of the datasets of earlier states of the source, from which a run may be resumed.

    Only the holder of the lock may do this.
    """
    others = [other for other in dataset_dir.parent.iterdir() if other != dataset_dir]
    unfinished = WORKING_PREFIX, REPLACED_PREFIX, SHARD_PREFIX
    whole = [other for other in others if not other.name.startswith(unfinished)]
    last = max(whole, key=lambda other: other.stat().st_mtime_ns, default=None)
    for other in others:
        if other != last:
            shutil.rmtree(other, ignore_errors=True)


def find_prepared(dataset: Dataset, fingerprint: str) -> Dataset | None:
    """Return the dataset with a fingerprint, if it is in the same cache folder as another dataset; else None.

    Raises:
        SourceError: If the cache cannot be read.
    """
    if (folder := _folder(dataset)) is None:
        return None
    cache_dir = folder.parents[1]
    with reading(cache_dir):
        for manifest in sorted(cache_dir.glob(f"*/*/{MANIFEST_FILE}")):
            if manifest.parent.name.startswith((WORKING_PREFIX, SHARD_PREFIX, REPLACED_PREFIX)):
                continue
            with suppress(ValueError, FileNotFoundError):
                if read_header(manifest).get("fingerprint") == fingerprint:
                    return Dataset.open(manifest.parent)
    return None


def have_same_source(one: Dataset, other: Dataset) -> bool:
    """Return whether two datasets of one cache were prepared from the same content with the same options.

    Their images differ only if versions of Pippin prepared them that treat a kind of file in other ways.
    """
    keys = "source", "image_size", "preparation"
    same_options = all(one.manifest.get(key) == other.manifest.get(key) for key in keys)
    one_folder, other_folder = _folder(one), _folder(other)
    if not same_options or one_folder is None or other_folder is None:
        return False
    return one_folder.name == other_folder.name  # a hash of the content's stamp


def _folder(dataset: Dataset) -> Path | None:
    """Return the folder of a dataset in the cache; None if it is in memory only."""
    filename = getattr(dataset.stored, "filename", None)
    return None if filename is None else Path(str(filename)).parent


@contextmanager
def locked(source_dir: Path, lock: str) -> Iterator[None]:
    """Create a source's folder in the cache and hold a lock: a second process that wants the same pictures waits."""
    with writing(source_dir):
        source_dir.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock).acquire()
    with held:
        yield


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a SourceError that says which part of the cache cannot be read, and why."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"The prepared pictures cannot be read ({why(error)}); nothing was removed. "
            f"{what_to_do(error, 'try again, or delete their folder to prepare them again').capitalize()}. "
            f"Received: {error.filename or path}"
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a SourceError that names the cache, unless the cache is not the cause."""
    try:
        yield
    except OSError as error:
        advice = what_to_do(error, "try again" if is_temporary(error) else "name another folder in PIPPIN_CACHE")
        raise SourceError(
            f"The prepared pictures cannot be written ({why(error)}); {advice}. Received: {error.filename or path}"
        ) from error
