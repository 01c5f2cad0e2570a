"""The folder of a Hugging Face dataset: parquet files with a column of pictures."""

import bisect
import json
from pathlib import Path
from typing import Any

from pippin.errors import SourceError
from pippin.pictures.os_errors import could_not_be_read, why
from pippin.pictures.packed import Packed
from pippin.pictures.refused import Refused
from pippin.pictures.sources.base import EncodedSource, Sharing, SourceItem, file_stamp, hashed

SUFFIX = ".parquet"


class ParquetSource(EncodedSource):
    """The pictures in a column of one or several parquet files, in the order of the file names and rows.

    Args:
        folder: The dataset's folder.
        files: The parquet files in it, sorted.

    Raises:
        SourceError: If pyarrow is not installed, a file cannot be read, or there is no column of pictures.
    """

    noun = "picture"
    trims_bars = True
    sharing = Sharing.PROCESSES
    notes: tuple[str, ...] = ()

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self.files, self.name, self.location = files, folder.name, str(folder)
        self._group: tuple[int, int, list[Any]] | None = None  # the last row group: file, number, cells
        try:
            import pyarrow.parquet as parquet
        except ImportError:
            raise SourceError(
                "Parquet files need pyarrow, which is not installed: pip install 'pippin[parquet]'. "
                f"Received: source={self.location!r}"
            ) from None
        self._starts: list[tuple[int, int, int]] = []  # first row, file and number of each row group
        count = 0
        try:
            for number, file in enumerate(files):
                with parquet.ParquetFile(file) as opened:
                    if number == 0:
                        self.column = _picture_column(opened.schema_arrow, file)
                        self._columns = _label_columns(opened.schema_arrow)
                    for group in range(opened.metadata.num_row_groups):
                        self._starts.append((count, number, group))
                        count += opened.metadata.row_group(group).num_rows
        except SourceError:
            raise
        except Exception as error:  # pyarrow has its own exceptions for each kind of damage
            raise SourceError(
                f"The parquet file cannot be read ({' '.join(str(error).split())}). Received: {str(file)!r}"
            ) from None
        self.items = Packed(SourceItem, (SourceItem(f"{row:07}", row=row) for row in range(count)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the items and the row group in memory when the source is pickled."""
        return {**self.__dict__, "items": [], "_group": None}

    def stamp(self) -> str:
        """Return a hash of the files' names, lengths and times of change."""
        return hashed(f"{file.name}\0{file_stamp(file)}" for file in self.files)

    def label_columns(self) -> dict[str, str]:
        """Return the columns of numbers and texts."""
        return dict.fromkeys(self._columns, "the parquet files")

    def labels(self, column: str) -> dict[str, Any]:
        """Return item → value for every row. Numbers of a `ClassLabel` of Hugging Face are replaced by their names."""
        import pyarrow.parquet as parquet

        values: list[Any] = []
        try:
            for file in self.files:
                values += parquet.read_table(file, columns=[column]).column(0).to_pylist()
        except Exception as error:  # pyarrow has its own exceptions for each kind of damage
            raise SourceError(
                f"The column {column!r} cannot be read ({why(error)}); choose another one. Received: {str(file)!r}"
            ) from None
        names = self._columns[column]
        if names:
            values = [_name_of(value, names) for value in values]
        return {item.path: value for item, value in zip(self.items, values, strict=True)}

    def content(self, item: SourceItem) -> bytes:
        """Return the bytes in one row."""
        import pyarrow.parquet as parquet

        first, file, group = self._starts[bisect.bisect_right(self._starts, (item.row, len(self.files), 0)) - 1]
        cached = self._group
        if cached is None or cached[:2] != (file, group):
            try:
                with parquet.ParquetFile(self.files[file]) as opened:
                    cells = opened.read_row_group(group, columns=[self.column]).column(0)
            except Exception as error:
                if could_not_be_read(error):
                    raise
                raise Refused(f"damaged in its parquet file: {' '.join(str(error).split())}") from None
            cached = self._group = (file, group, cells)
        cell = cached[2][item.row - first].as_py()
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(content, bytes):
            raise Refused("no picture in this row")
        return content


def _name_of(value: Any, names: list[str]) -> Any:
    """Return the name of a class; None for a negative number, which stands for no class."""
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None
    return value


def _label_columns(schema: Any) -> dict[str, list[str]]:
    """Return the columns of numbers and texts, each with the names of its classes if it has any."""
    from pyarrow import types

    names: dict[str, Any] = {}
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        names = {name: one["names"] for name, one in features.items() if one.get("_type") == "ClassLabel"}
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # not written by `datasets`, so classes have no names
    scalar = (types.is_integer, types.is_boolean, types.is_string, types.is_large_string, types.is_dictionary)
    return {field.name: list(names.get(field.name, ())) for field in schema if any(is_(field.type) for is_ in scalar)}


def _picture_column(schema: Any, file: Path) -> str:
    """Return the column that holds pictures: encoded bytes, or a structure with them, as `datasets` writes."""
    import pyarrow

    for field in schema:
        kind = field.type
        if pyarrow.types.is_struct(kind) and any(kind.field(n).name == "bytes" for n in range(kind.num_fields)):
            return str(field.name)
    for field in schema:
        if pyarrow.types.is_binary(field.type) or pyarrow.types.is_large_binary(field.type):
            return str(field.name)
    raise SourceError(
        f"There is no column with pictures in this parquet file. Received: {str(file)!r} with {', '.join(schema.names)}"
    )
