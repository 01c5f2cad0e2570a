"""The comparison of two preparations."""

from pippin.pictures.comparison import compare, compare_preparations
from pippin.pictures.entries import Entry
from pippin.pictures.preparation import Preparation


def entry(path, digest, label=None, index=0):
    return Entry(path, 1, 1, "kept", index=index, digest=digest, label=label)


def test_added_removed_changed_renamed_and_relabelled_pictures_are_told_apart():
    before = [entry("a", "1"), entry("b", "2"), entry("c", "3"), entry("d", "4", "cat"), entry("e", "5")]
    before.append(entry("refused", None, index=None))
    after = [entry("a", "1"), entry("b", "9"), entry("d", "4", "dog"), entry("moved", "5"), entry("new", "6")]
    changes = compare(before, after)
    assert (changes.added, changes.removed, changes.changed) == (("new",), ("c",), ("b",))
    assert (changes.renamed, changes.relabelled, changes.same) == (("moved",), ("d",), 1)
    assert str(changes) == (
        "1 added (new), 1 removed (c), 1 changed (b), 1 renamed (moved), 1 relabelled (d), 1 picture the same"
    )


def test_only_the_first_pictures_are_named():
    changes = compare([], [entry(f"{n}", f"{n}") for n in range(5)])
    assert str(changes) == "5 added (0, 1, 2, …), 0 pictures the same"


def test_options_that_differ_are_named():
    assert compare_preparations(Preparation(), Preparation(fit="pad")) == "fit=pad (before: crop)"
    assert compare_preparations(Preparation(), Preparation()) == ""
