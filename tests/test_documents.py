"""The JSON files of a run: whatever they hold, they are read as described, or refused in one line with the entry."""

import json

import pytest

from pippin.errors import RunError
from pippin.runs.documents import (
    CheckupEntry,
    DirectionsFile,
    EvaluationFile,
    LogEntry,
    PicturesFile,
    SettingsFile,
    document_text,
    line_text,
    read_document,
    read_entries,
)

SETTINGS = {
    "format": 1,
    "settings": {"batches": 10},
    "reasons": {"batches": "given"},
    "source": "photos",
    "pictures": 12,
    "held_out": 0,
    "fingerprint": "0123",
    "engine": "jax",
    "versions": {"keras": "3.15.1", "pippin": "0.1", "jax": "0.10"},
    "machine": "Linux",
}
DIRECTIONS = {"weights": "0123", "names": {"redder": 1}, "vectors": [[1.0, 0.0], [0.0, 1.0]]}
EVALUATION = {"batches": 10, "lines": ["KID 0.1"], "memorisation": {"near": 0.1, "z": 2.0}}
PICTURES = {"kept": 10, "mended": 1, "refused": 0, "lines": [], "totals": {}}
LOG = {"batches": 10, "images_per_second": 20.5, "d_loss": 0.5, "g_loss": 0.5, "finite": 1.0}
CHECKUP = {"batches": 10, "kid": 0.1, "diversity": 0.5, "overfitting": None, "findings": ["a"], "network": "x"}

FILES = [
    (SettingsFile, SETTINGS),
    (DirectionsFile, DIRECTIONS),
    (EvaluationFile, EVALUATION),
    (PicturesFile, PICTURES),
]


def written(folder, text, name="file.json"):
    """Write a file, and return its path."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


def refused(path, read, kind):
    """Return the message with which a file is refused, which is one line with its name."""
    with pytest.raises(RunError) as caught:
        read(path, kind)
    message = str(caught.value)
    assert message.splitlines() == [message]
    assert path.name in message
    assert message.endswith(f"Received: {path}")
    return message


# -- documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "value"), FILES)
def test_a_document_is_read_as_it_was_written(kind, value, tmp_path):
    assert read_document(written(tmp_path, document_text(value)), kind) == value


@pytest.mark.parametrize(("kind", "value"), FILES)
def test_a_document_of_an_older_run_has_no_checksum(kind, value, tmp_path):
    assert read_document(written(tmp_path, json.dumps(value)), kind) == value


@pytest.mark.parametrize(("kind", "value"), FILES)
def test_entries_of_a_newer_pippin_are_kept(kind, value, tmp_path):
    value = {**value, "entry of a newer Pippin": {"a": [1, None]}}
    assert read_document(written(tmp_path, document_text(value)), kind) == value


def test_the_name_of_a_file_that_utf_8_cannot_encode_is_kept(tmp_path):
    value = {**SETTINGS, "source": "photos \udcff ×"}
    assert read_document(written(tmp_path, document_text(value).encode("utf-8")), SettingsFile) == value


def test_a_missing_document_is_none(tmp_path):
    assert read_document(tmp_path / "file.json", EvaluationFile) is None


@pytest.mark.parametrize(("kind", "value"), FILES)
def test_a_newer_format_is_refused_whatever_it_holds(kind, value, tmp_path):
    path = written(tmp_path, json.dumps({"format": 2, **dict.fromkeys(value, "other"), **{"format": 2}}))
    message = refused(path, read_document, kind)
    assert message.startswith("file.json was written by a newer Pippin, in format 2; this Pippin knows formats up to 1")


@pytest.mark.parametrize(("kind", "value"), FILES)
def test_a_changed_character_is_noticed(kind, value, tmp_path):
    text = document_text(value)
    for place in range(0, len(text), 7):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        try:
            found = read_document(written(tmp_path, changed), kind)  # the change is in the key of the checksum
            assert {name: found[name] for name in value} == value
        except RunError as problem:
            assert "file.json is damaged" in str(problem)  # noqa: PT017


def test_a_document_that_the_user_changed_says_how_to_use_it(tmp_path):
    text = document_text(SETTINGS).replace('"photos"', '"moved/photos"')
    message = refused(written(tmp_path, text), read_document, SettingsFile)
    assert "its checksum differs; if you changed it yourself, remove the entry sha256" in message


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "[]", "3", '"text"', "\x00\x00", b"\xff\xfe", "[" * 100_000, '{"a":' * 100_000),
        *('{"a": 1e}', '{"format": ' + "9" * 5000 + "}", '{"format": "\ud800"}'),
    ],
)
@pytest.mark.parametrize("kind", [SettingsFile, EvaluationFile])
def test_text_that_is_no_document_is_refused(kind, text, tmp_path):
    refused(written(tmp_path, text), read_document, kind)


ODD = [None, True, "text", "\ud800", -1, 1.5, 10**400, float("nan"), [], ["a", 1], {}, {"a": []}, [[]], "x" * 200_000]


@pytest.mark.parametrize(("kind", "value"), FILES)
def test_an_entry_of_another_type_is_refused_by_name(kind, value, tmp_path):
    for name, good in value.items():
        if name not in kind.model_fields:
            continue
        for odd in ODD:
            path = written(tmp_path, json.dumps({**value, name: odd}))
            try:
                found = read_document(path, kind)[name]
            except RunError as problem:
                assert name in str(problem)  # noqa: PT017
                assert len(str(problem).splitlines()) == 1  # noqa: PT017
            else:
                assert type(found) in (type(good), type(None), dict)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pictures", "12", "pictures: input should be a valid integer"),
        ("pictures", None, "pictures: input should be a valid integer"),
        ("versions", ["3"], "versions: input should be"),
        ("versions", {"keras": "3"}, "versions.pippin: field required"),
        ("reasons", ["given"], "reasons: input should be a valid dictionary"),
        ("labels", [1, 2], "labels.0: input should be a text"),
        ("channels", 99, "channels: input should be 1, 3 or 4"),
        ("channels", "x", "channels: input should be 1, 3 or 4"),
        ("notes", "one", "notes: input should be a valid list"),
    ],
)
def test_the_message_says_what_an_entry_of_the_settings_should_be(name, value, message, tmp_path):
    assert message in refused(written(tmp_path, json.dumps({**SETTINGS, name: value})), read_document, SettingsFile)


def test_a_missing_entry_is_named(tmp_path):
    for name in SETTINGS:
        rest = {key: value for key, value in SETTINGS.items() if key != name}
        assert f"({name}: field required)" in refused(written(tmp_path, json.dumps(rest)), read_document, SettingsFile)


def test_a_file_above_the_limit_is_refused_without_reading_it(tmp_path, monkeypatch):
    monkeypatch.setattr("pippin.runs.documents.MAX_BYTES", 2**20)
    path = tmp_path / "file.json"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)  # sparse
    assert "larger than the limit of 1 MiB" in refused(path, read_document, SettingsFile)


# -- lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "entry"), [(LogEntry, LOG), (CheckupEntry, CHECKUP)])
def test_lines_are_read_as_they_were_written(kind, entry, tmp_path):
    text = line_text(entry) + "\n" + json.dumps(entry) + "\n"  # older runs have no checksums
    assert read_entries(written(tmp_path, text), kind) == [entry, entry]


def test_a_missing_file_has_no_lines(tmp_path):
    assert read_entries(tmp_path / "file.json", LogEntry) == []


@pytest.mark.parametrize(
    "line", [b"", b'{"batches": 1', b"\xff\xfe", b"\x00" * 100, b"[" * 100_000, b'{"batches": 1e}']
)
def test_a_line_that_was_left_incomplete_is_left_out(line, tmp_path):
    text = line_text(LOG).encode()
    assert read_entries(written(tmp_path, text + b"\n" + line + b"\n" + text), LogEntry) == [LOG, LOG]


def test_a_line_with_a_changed_character_is_left_out_or_refused(tmp_path):
    text = line_text(LOG)
    for place in range(len(text)):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        try:
            for found in read_entries(written(tmp_path, changed), LogEntry):  # the change is in the key of the checksum
                assert {name: found[name] for name in LOG} == LOG
        except RunError as problem:
            assert "line 1" in str(problem)  # noqa: PT017


@pytest.mark.parametrize(
    ("kind", "entry", "message"),
    [
        (LogEntry, [1], "line 2: input should be a valid dictionary"),
        (LogEntry, 3, "line 2: input should be a valid dictionary"),
        (LogEntry, {}, "line 2: batches: field required"),
        (LogEntry, {**LOG, "batches": "10"}, "line 2: batches: input should be a valid integer"),
        (LogEntry, {**LOG, "d_loss": "low"}, "line 2: d_loss: input should be a valid number"),
        (LogEntry, {**LOG, "images_per_second": None}, "line 2: images_per_second: input should be a valid number"),
        (CheckupEntry, {**CHECKUP, "kid": "low"}, "line 2: kid: input should be a valid number"),
        (CheckupEntry, {**CHECKUP, "findings": "none"}, "line 2: findings: input should be a valid list"),
        (CheckupEntry, {"batches": 1, "kid": 0.1, "diversity": 1.0}, "line 2: findings: field required"),
    ],
)
def test_a_line_with_an_entry_of_another_type_is_refused_by_its_number(kind, entry, message, tmp_path):
    good = LOG if kind is LogEntry else CHECKUP
    assert message in refused(written(tmp_path, json.dumps(good) + "\n" + json.dumps(entry)), read_entries, kind)


def test_numbers_that_are_not_finite_are_kept(tmp_path):
    (found,) = read_entries(written(tmp_path, line_text({**LOG, "d_loss": float("nan"), "g_loss": 1})), LogEntry)
    assert found["d_loss"] != found["d_loss"]
    assert type(found["g_loss"]) is float
