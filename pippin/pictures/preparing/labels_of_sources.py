"""The labels of a source: from its folders, or from a column of a table that it holds."""

import math
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from pippin.errors import SourceError
from pippin.pictures.labels import FOLDERS, NO_FOLDER, folder_labels
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import NO_LABELS
from pippin.pictures.sources import Source, SourceItem
from pippin.pictures.sources.moving import is_video
from pippin.pictures.sources.tables import STYLEGAN, is_table

MAX_LABELS = 1000
"""Largest number of labels. The networks take one input for each, and a label needs some pictures to be learned."""

MIN_PICTURES = 2
"""Least number of pictures for each label on average, in a column. With fewer, the column holds names or captions."""

SHARD = re.compile(r"\d{5}")
"""Names of the folders into which StyleGAN's tool divides a dataset."""

NAMED = 8
"""Number of columns and labels that a message names."""


def table_labels(source: Source, columns: Mapping[str, str], column: str) -> dict[str, str]:
    """Return path → label for the pictures of a source that have a value in a column.

    Args:
        source: The source.
        columns: Its `label_columns`, as in the other functions: to find them, a whole table is parsed.
        column: The name of one of them.

    Raises:
        SourceError: If there is no such column, or its values cannot be labels.
    """
    if column not in columns:
        raise SourceError(f"There is no column of this name; {advice(columns)}. Received: labels={column}")
    values = source.labels(column)
    labels = {path: label for path, value in values.items() if (label := _label(value, column)) is not None}
    check_number(labels.values(), f"the column {column!r} of {columns[column]}")
    counts = Counter(labels[item.path] for item in source.items if item.path in labels)
    if len(counts) > 2 and sum(counts.values()) < MIN_PICTURES * len(counts):
        raise SourceError(
            f"A label needs several pictures, but the column {column!r} of {columns[column]} has "
            f"{len(counts):,} different values for {sum(counts.values()):,} pictures; {advice(columns, column)}. "
            f"Received: labels={column}"
        )
    return labels


def without_tables(items: Sequence[SourceItem]) -> Sequence[SourceItem]:
    """Return the items, with a reason to refuse tables of labels."""
    reason = "a table of labels, not a picture"
    return Packed(
        SourceItem, (replace(item, problem=item.problem or reason) if is_table(item.path) else item for item in items)
    )


def with_problems(items: Sequence[SourceItem], labels: Mapping[str, str], column: str) -> Sequence[SourceItem]:
    """Return the items, with a reason to refuse those that have no label."""
    reason = f"no label in the column {column!r}"
    return Packed(
        SourceItem,
        (
            item if item.problem is not None or (item.file or item.path) in labels else replace(item, problem=reason)
            for item in items
        ),
    )


def check_folders(source: Source, columns: Mapping[str, str], items: Sequence[SourceItem]) -> Sequence[SourceItem]:
    """Return the items for labels from folders, with a reason to refuse those that are in no folder of a label.

    Raises:
        SourceError: If the folders cannot be labels.
    """
    if source.noun != "file":
        raise SourceError(f"This source has no folders; {advice(columns)}. Received: labels={FOLDERS}")
    pictures = [item.path for item in items if item.problem is None and _may_be_picture(item.path)]
    if not pictures:
        return items
    try:
        labels, splits = folder_labels(pictures)
        check_number([label for label in labels if label is not None], "the folders")
    except SourceError as error:
        if not columns:
            raise
        raise SourceError(f"{str(error).partition('; ')[0]}; {advice(columns)}. Received: labels={FOLDERS}") from None
    label_of = dict(zip(pictures, labels, strict=True))
    shards = sorted({label for label in labels if label is not None})
    is_stylegan = any(posixpath.basename(item.path) == STYLEGAN for item in items)
    if is_stylegan and STYLEGAN not in columns.values() and all(SHARD.fullmatch(name) for name in shards):
        raise SourceError(
            f"{STYLEGAN} holds no labels, and the folders ({', '.join(shards[:NAMED])}) are only parts of the dataset; "
            f"leave out --labels. Received: labels={FOLDERS}"
        )
    if STYLEGAN in columns.values():
        _check_agreement(source, columns, label_of)
    if None not in labels:
        return items
    missing = {path for path, label in label_of.items() if label is None}
    reason = f"{NO_FOLDER} (below {', '.join(splits)})" if splits else NO_FOLDER
    return Packed(SourceItem, (replace(item, problem=reason) if item.path in missing else item for item in items))


def notes_on_labels(columns: Mapping[str, str], items: Sequence[SourceItem], chosen: str) -> list[str]:
    """Return what the user should know about the labels of a source that were used, and that were not."""
    if chosen == FOLDERS:
        paths = [item.path for item in items if item.problem is None and _may_be_picture(item.path)]
        splits = folder_labels(paths)[1] if paths else ()
        return [f"labels: the folders below {', '.join(splits)}, which are splits and no labels"] if splits else []
    if chosen == NO_LABELS and columns:
        return [f"labels that are not used: {_listed(columns)}; use one with --labels {next(iter(columns))}"]
    return [f"labels: the column {chosen!r} of {columns[chosen]}"] if chosen in columns else []


def advice(columns: Mapping[str, str], but: str | None = None) -> str:
    """Return which labels there are to choose from."""
    others = {name: table for name, table in columns.items() if name != but}
    if not others:
        return "leave out --labels, as there is no table of labels (metadata.csv, metadata.jsonl, dataset.json)"
    return f"choose --labels {next(iter(others))} or leave out --labels; the columns are {_listed(others)}"


def check_number(labels: Iterable[str], origin: str) -> None:
    """Raise a `SourceError` if there are too few or too many labels."""
    names = sorted(set(labels))
    if len(names) < 2:
        raise SourceError(
            f"Labels need at least two different values; leave out --labels. Received: {', '.join(names) or 'none'} in "
            f"{origin}"
        )
    if len(names) > MAX_LABELS:
        raise SourceError(
            f"There may be at most {MAX_LABELS:,} labels; leave out --labels, or merge some. Received: {len(names):,} "
            f"in {origin}: {', '.join(names[:NAMED])}, …"
        )


def _label(value: Any, column: str) -> str | None:
    """Return a value of a table as a label; None if it is missing.

    Raises:
        SourceError: If it cannot be a label.
    """
    if isinstance(value, list) and value and all(number in (0, 1) for number in value) and sum(value) == 1:
        value = value.index(1)  # a label in one-hot form
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, str):
        return value.strip() or None
    raise SourceError(
        f"Labels must be texts or whole numbers; choose another column. Received: labels={column} with {value!r:.80}"
    )


def _check_agreement(source: Source, columns: Mapping[str, str], folder_of: Mapping[str, str | None]) -> None:
    """Raise a `SourceError` if folders and the labels of StyleGAN's table divide the pictures in different ways."""
    column = next(name for name, table in columns.items() if table == STYLEGAN)
    labels = {path: _label(value, column) for path, value in source.labels(column).items()}
    pairs = {(folder_of[path], label) for path, label in labels.items() if path in folder_of and label is not None}
    if len(pairs) > max(len({folder for folder, _ in pairs}), len({label for _, label in pairs})) or (
        pairs and len({label for _, label in pairs}) != len({folder for folder, _ in pairs})
    ):
        folders = sorted({str(folder) for folder, _ in pairs})
        raise SourceError(
            f"{STYLEGAN} holds other labels than the folders ({', '.join(folders[:NAMED])}), which may be only parts "
            f"of the dataset; choose --labels {column}, or remove {STYLEGAN}. Received: labels={FOLDERS}"
        )


def _may_be_picture(path: str) -> bool:
    """Return whether a file has the extension of a picture or a video, or none."""
    suffix = posixpath.splitext(path)[1].lower()
    return not suffix or suffix in Image.registered_extensions() or is_video(path)


def _listed(columns: Mapping[str, str]) -> str:
    """Return the first columns with their tables."""
    named = [f"{name} ({table})" for name, table in list(columns.items())[:NAMED]]
    return ", ".join(named) + (", …" if len(columns) > NAMED else "")
