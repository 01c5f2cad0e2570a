"""The JSON files of a run: what each of them holds, checked once where it is read, so that the rest can trust it.

Entries that a model does not name are kept as they are: a newer Pippin may have written them. Entries that older runs
do not have are optional. A file that Pippin writes carries a checksum, so that damage is noticed; older files do not.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pippin.errors import RunError
from pippin.host.files import damaged
from pippin.host.own_files import read_own

SETTINGS, LOG, CHECKUPS = "settings.json", "log.jsonl", "checkups.jsonl"
DIRECTIONS, EVALUATION, PICTURES = "directions.json", "evaluation.json", "pictures.json"
LOCK, HOLDER, PAUSE = "training.lock", "training.json", "pause"
"""Names of files of a run. They are here, in a module without Keras, for programs that only watch runs."""

MAX_BYTES = 256 * 2**20
"""Largest size of a JSON file. A log of a million lines has about that size."""

MAX_REASON = 200
"""Largest number of characters of the reason in an error. It names the entry and what it should be."""

CHECKSUM, LINE_CHECKSUM = "sha256", "crc32"
"""Keys of the checksums of a file and of a line."""


def _text(most: int) -> AfterValidator:
    """Return a check for texts of at most `most` characters. Names of files may hold characters that UTF-8 does not."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value) > most:
            raise ValueError(f"input should be a text of at most {most:,} characters")
        return value

    return AfterValidator(check)


Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, lt=1e12, allow_inf_nan=False)]
Text = Annotated[Any, _text(100_000)]
Name = Annotated[Any, _text(4096)]


class Document(BaseModel):
    """What a JSON file or a line of one holds."""

    model_config = ConfigDict(strict=True, extra="allow")

    newest: ClassVar[int] = 1
    """Version of the file's format, its entry `format`. It is raised when an older Pippin cannot open newer files."""


class Versions(Document):
    """Versions of packages that a run was trained with."""

    keras: Text
    pippin: Text


class SettingsFile(Document):
    """`settings.json`. The settings themselves are checked by `pippin.settings.Settings`."""

    format: Literal[1]
    settings: dict[str, Any]
    reasons: dict[str, Text]
    given: list[Text] = []
    derived: list[Text] = []
    source: Text
    pictures: Count
    held_out: Count
    fingerprint: Text
    engine: Text
    versions: Versions
    machine: Text
    channels: Literal[1, 3, 4] = 3
    labels: list[Text] = []
    preparation: dict[str, Any] | None = None
    start: Text = ""
    notes: list[Text] = []
    changes: list[dict[str, Any]] = []
    networks: dict[Text, Text] = {}


class StateMetadata(Document):
    """The metadata of a state file. `health` is checked by `pippin.runs.checkpoint`."""

    batches: Count
    seconds: Seconds = 0.0
    compile_seconds: Seconds = 0.0
    finished: bool = False
    health: dict[str, Any] = {}
    kid: float = 0.0
    network: Text = ""
    sha256: dict[str, Text] = {}


class LogEntry(Document):
    """A line of `log.jsonl`."""

    batches: Count
    seconds: Seconds = 0.0
    compile_seconds: Seconds = 0.0
    images_per_second: float = 0.0
    d_loss: float | None = None
    g_loss: float | None = None
    r1_penalty: float | None = None
    r2_penalty: float | None = None
    real_logits: float | None = None
    fake_logits: float | None = None
    g_gradient: float | None = None
    d_gradient: float | None = None
    group_d_loss: float | None = None
    group_g_loss: float | None = None


class CheckupEntry(Document):
    """A line of `checkups.jsonl`: the fields of `pippin.training.health.Checkup`, and what was found."""

    batches: Count
    kid: float
    diversity: float
    overfitting: float | None = None
    locked: float | None = None
    locked_real: float | None = None
    rate: float | None = None
    augment: float | None = None
    findings: list[Text]


class DirectionsFile(Document):
    """`directions.json`. The vectors' shape is checked by `pippin.sampling.directions.Directions`."""

    weights: Text
    names: dict[Text, Count]
    vectors: Annotated[list[list[float]], Field(min_length=1, max_length=1000)]


class EvaluationFile(Document):
    """`evaluation.json`."""

    batches: Count | None = None
    lines: list[Text]
    memorisation: dict[str, Any] | None = None


class ProvenanceNote(Document):
    """The note in a picture file; see `pippin.runs.provenance.Provenance`. A picture may come from anyone."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    run: Name
    batches: Count
    weights: Name
    seeds: Annotated[str, Field(max_length=4_000_000)] = ""
    truncation: Annotated[float, Field(ge=0, le=2)] = 1.0
    labels: bool = False
    curated: Text = ""
    edits: Name = ""
    latents: Annotated[str, Field(max_length=400_000_000)] = ""
    fine: Annotated[str, Field(max_length=4_000_000)] = ""
    side: Annotated[int, Field(ge=0, le=65536)] | None = None
    engine: Name = ""
    keras: Name = ""
    pippin: Name = ""
    label: Text | None = None
    generator: Name = ""


class PicturesFile(Document):
    """The beginning of `pictures.json`, before the list of files."""

    kept: Count
    mended: Count
    refused: Count


def read_document(path: Path, kind: type[Document]) -> dict[str, Any] | None:
    """Return what a JSON file of a run holds; None if there is no file.

    Args:
        path: the file.
        kind: what the file must hold.

    Raises:
        RunError: the file is damaged, cannot be read, or is not the run's own; see `pippin.host.own_files`.
    """
    contents = read_own(path, MAX_BYTES)
    if contents is None:
        return None
    return parsed_document(contents, path, kind)


def parsed_document(contents: bytes | str, path: Path, kind: type[Document]) -> dict[str, Any]:
    """Return what the contents of a JSON file hold; for the arguments and errors see `read_document`."""
    try:
        value = parse(contents)
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}")
        version = value.get("format", 1)
        if isinstance(version, int) and version > kind.newest:
            raise RunError(
                f"{path.name} was written by a newer Pippin, in format {version:,}; this Pippin knows formats up to "
                f"{kind.newest}, so update it. Received: {path}"
            )
        return checked(without_checksum(value), kind)
    except ValueError as problem:
        raise RunError(damaged(path, problem, MAX_REASON)) from None


def read_entries(path: Path, kind: type[Document]) -> list[dict[str, Any]]:
    """Return the entries of a file with one JSON object in each line; none if there is no file.

    Lines that a killed process left incomplete, and lines whose checksum differs, are left out.

    Args:
        path: the file.
        kind: what each line must hold.

    Raises:
        RunError: an entry holds something else, or the file is not the run's own; see `pippin.host.own_files`.
    """
    entries = []
    for number, line in enumerate((read_own(path, MAX_BYTES) or b"").splitlines(), 1):
        try:
            entry = parse(line)
            if isinstance(entry, dict):
                entry = without_line_checksum(entry)
        except ValueError:
            continue
        try:
            entries.append(checked(entry, kind))
        except ValueError as problem:
            raise RunError(damaged(path, ValueError(f"line {number}: {problem}"), MAX_REASON)) from None
    return entries


def with_checksum(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object of a JSON file with its checksum."""
    return {**value, CHECKSUM: _checksum(value)}


def with_line_checksum(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object of a line of a JSON file with its checksum."""
    return {**entry, LINE_CHECKSUM: _line_checksum(entry)}


def without_checksum(value: dict[str, Any]) -> dict[str, Any]:
    """Return the object of a JSON file without its checksum, if it has one.

    Raises:
        ValueError: the checksum differs.
    """
    rest = {name: item for name, item in value.items() if name != CHECKSUM}
    if value.get(CHECKSUM) not in (None, _checksum(rest)):
        raise ValueError(f"its checksum differs; if you changed it yourself, remove the entry {CHECKSUM}")
    return rest


def without_line_checksum(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the object of a line without its checksum; for errors see `without_checksum`."""
    rest = {name: item for name, item in entry.items() if name != LINE_CHECKSUM}
    if entry.get(LINE_CHECKSUM) not in (None, _line_checksum(rest)):
        raise ValueError("the checksum of a line differs")
    return rest


def document_text(value: Mapping[str, Any], indent: int | None = 1) -> str:
    """Return the text of a JSON file, with a checksum."""
    return _dumps(with_checksum(value), indent)


def line_text(entry: Mapping[str, Any]) -> str:
    """Return the text of a line of a JSON file, with a checksum."""
    return _dumps(with_line_checksum(entry))


def _dumps(value: Mapping[str, Any], indent: int | None = None) -> str:
    """Return the JSON of a value, which UTF-8 can encode. Names of files may hold characters that it cannot."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text if text.isascii() or not _SURROGATE.search(text) else json.dumps(value, indent=indent)


_SURROGATE = re.compile("[\ud800-\udfff]")


def checked(value: Any, kind: type[Document]) -> dict[str, Any]:
    """Return the entries of a JSON object, with numbers of the right type.

    Raises:
        ValueError: an entry is missing or is something else. The message names it and says what it should be.
    """
    try:
        found = kind.model_validate(value).model_dump(exclude_unset=True)
        return {name: found[name] for name in value}
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        entry = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        raise ValueError(f"{entry}: {message}" if entry else message) from None


def parse(contents: bytes | str) -> Any:
    """Return the value that JSON stands for. Whatever is wrong with the text is a `ValueError`."""
    try:
        return json.loads(contents if isinstance(contents, str) else contents.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _checksum(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()


def _line_checksum(entry: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(_canonical(entry)):08x}"


def _canonical(value: Mapping[str, Any]) -> bytes:
    """Return the JSON of a value as it is read again; the order of its keys and white space do not matter."""
    return json.dumps(json.loads(json.dumps(value)), sort_keys=True, separators=(",", ":")).encode()
