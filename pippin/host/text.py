"""Text from other people's files, made safe to print."""

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


def _escaped(character: str) -> str:
    """Return a character, or its escape if it could control a terminal."""
    if character.isprintable() or (character.isspace() and character > "\x9f" and character not in "\u2028\u2029"):
        return character
    if character in JOINERS:
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
