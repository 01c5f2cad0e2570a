"""Packed sequences of records, and JSON documents with a line for each file."""

import json
import pickle
import tracemalloc

import pytest

from pippin.pictures.entries import Audit, Entry
from pippin.pictures.listing import read_files, read_header, write_listing
from pippin.pictures.packed import Packed
from pippin.pictures.sources import SourceItem

ENTRIES = [
    Entry("a.png", 1, 0, "kept", index=0, digest="0f" * 16, likeness="f" * 16, width=9, height=2**40),
    Entry("Ä \udcff\n.png", 2**70, -(2**70), "mended", ("one", "two"), ("odd",), 1, 3, grey=True),
    Entry("", 0, 1, "refused", ("not a picture",), copy="exact", copy_of="a.png", file="c.gif", transparent=True),
]


def test_records_are_unpacked_unchanged():
    packed = Packed(Entry, ENTRIES[:2])
    packed.append(ENTRIES[2])
    assert (len(packed), list(packed)) == (3, ENTRIES)
    assert [packed[0], packed[-1]] == [ENTRIES[0], ENTRIES[-1]]
    assert list(packed[1:]) == ENTRIES[1:]
    assert list(packed[::-2]) == ENTRIES[::-2]
    assert list(pickle.loads(pickle.dumps(packed))) == ENTRIES
    assert ENTRIES[1] in packed
    assert not Packed(Entry)
    for place in (3, -4):
        with pytest.raises(IndexError):
            packed[place]


@pytest.mark.parametrize(
    ("kind", "most", "made"),
    [
        (SourceItem, 100, lambda n: SourceItem(f"folder/{n:08}.jpg", 10**6 + n, 1_764_000_000 * 10**9 + n)),
        (
            Entry,
            300,
            lambda n: Entry(
                f"folder/{n:08}.jpg",
                10**6 + n,
                1_764_000_000 * 10**9 + n,
                "mended",
                ("padding bars trimmed",),
                index=n,
                digest=f"{n:032x}",
                likeness=f"{n:016x}",
                format="JPEG",
                mode="RGB",
                width=4000 + n,
                height=3000 + n,
            ),
        ),
    ],
)
def test_packed_records_take_little_memory(kind, most, made):
    tracemalloc.start()
    packed = Packed(kind, map(made, range(5000)))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert packed[4999] == made(4999)
    assert used < most * 5000


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_document_has_a_line_for_each_file(tmp_path, count):
    path, header, files = tmp_path / "a.json", {"kept": 3, "lines": ["[", "]}"], "totals": {}}, list(range(count))
    write_listing(path, header, ({"path": f"{n}\n\udcff"} for n in files))
    whole = json.loads(path.read_text(encoding="utf-8"))
    assert whole == {**header, "files": [{"path": f"{n}\n\udcff"} for n in files]}
    assert (read_header(path), list(read_files(path))) == (header, whole["files"])
    assert sum(line.startswith('{"path": ') for line in path.read_text(encoding="utf-8").splitlines()) == count


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_the_header_is_read_in_any_layout(tmp_path, indent):
    header = {"kept": 3, "totals": {"format": {"PNG": 3}}}
    (tmp_path / "a.json").write_text(json.dumps({**header, "files": [{"path": "a"}]}, indent=indent))
    assert read_header(tmp_path / "a.json") == header


@pytest.mark.parametrize("keep", [-2, -4, -9, 12, 0])
def test_a_truncated_document_is_rejected(tmp_path, keep):
    path = tmp_path / "a.json"
    write_listing(path, {"kept": 2}, [{"path": "a"}, {"path": "b"}])
    path.write_text(path.read_text()[:keep])
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's, or that its end is missing
        list(read_files(path))


def test_an_audit_groups_a_copy_of_a_copy_with_the_original():
    entries = [
        Entry("a", 1, 1, "kept", index=0),
        Entry("b", 1, 1, "kept", index=1, copy="near", copy_of="a"),
        Entry("c", 1, 1, "refused", ("the same picture (as b)",), copy="exact", copy_of="b"),
        Entry("d", 1, 1, "kept", index=2),
    ]
    audit = Audit(Packed(Entry, entries))
    assert [[entry.path for entry in group] for group in audit.groups] == [["a", "b", "c"]]
    assert audit.counts == {"kept": 3, "mended": 0, "refused": 1}
