"""Text from other people's files: made safe to print, and read without Python's limit on fields of CSV."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager

JOINERS = "\u200c\u200d"
"""Invisible characters that Persian, Indic scripts and emoji need. They change no other character's position."""


def printable(text: str) -> str:
    r"""Return text in which everything that could control a terminal is escaped, in one line.

    Control characters (C0, C1 and ESC), line breaks, invisible characters that change the direction of the text, and
    unassigned ones become escapes such as `\x1b` or `\u202e`. A byte of a file name that is not UTF-8 becomes `\xff`.

    Args:
        text: anything, with the surrogates that Python uses for bytes of file names.

    Returns:
        Valid Unicode without line breaks.
    """
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def is_number(text: str) -> bool:
    """Return whether a text is a whole number of at most nine decimal digits, so that `int` can read it."""
    return text.isdecimal() and len(text) < 10


@contextmanager
def csv_field_limit(most: int) -> Iterator[None]:
    """Let the `csv` module read fields of up to `most` characters in the block. Its limit is global, and restored."""
    before = csv.field_size_limit(most)
    try:
        yield
    finally:
        csv.field_size_limit(before)


FORBIDDEN = '<>:"/\\|?*'
"""Characters that Windows does not allow in file names."""

MAX_NAME_BYTES = 200
"""Largest length of a portable name in UTF-8, in bytes. File systems allow 255, and callers append to the name."""


def portable_name(text: str) -> str:
    """Return the part of a file's name that every file system accepts, for a text that may contain anything.

    Args:
        text: the text. What Windows does not allow, and bytes that are not UTF-8, become hyphens.

    Returns:
        At least one character; at most `MAX_NAME_BYTES` bytes. Something must follow it, because a few names (such as
        `con`) are devices on Windows.
    """
    allowed = (character if character.isprintable() and character not in FORBIDDEN else "-" for character in text)
    cut = "".join(allowed).encode("utf-8", "replace")[:MAX_NAME_BYTES].decode("utf-8", "ignore")
    return cut.strip(" .") or "pictures"


def _escaped(character: str) -> str:
    """Return a character, or its escape if it could control a terminal."""
    if character.isprintable() or (character.isspace() and character > "\x9f" and character not in "\u2028\u2029"):
        return character
    if character in JOINERS:
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
