"""Commands whose help is printed in the user's language."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from typer.core import TyperCommand, TyperGroup

from pippin.cli.printing import is_translated, shown

_Context: Any = TyperCommand.context_class
_Formatter: Any = _Context.formatter_class

NOT_FIRST = "、。，．：；！？）」』】〉》・ーゃゅょっぁぃぅぇぉャュョッァィゥェォ％…"
"""Characters that do not begin a line in Japanese."""

FIRST_COLUMN = 30
"""Largest width of the names of options, in columns of a terminal. The help of a longer one begins on the next line."""


class TranslatedFormatter(_Formatter):
    """Formats help in the user's language. Characters of two columns count as two, and lines can be broken at them."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that begins with `Usage:`."""
        super().write_usage(prog, args, shown("Usage:"))

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(shown(heading))

    def write_text(self, text: str) -> None:
        """Write paragraphs, indented and wrapped."""
        paragraphs = (shown(" ".join(each.split())) for each in text.strip().split("\n\n"))
        blank = ""
        for paragraph in paragraphs:
            self.write(blank + "".join(f"{'':{self.current_indent}}{line}\n" for line in self._wrap(paragraph)))
            blank = "\n"

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = FIRST_COLUMN, col_spacing: int = 2) -> None:
        """Write names and their help in two columns."""
        column = min(max((cell_len(name) for name, _ in rows), default=0), col_max) + col_spacing
        margin = " " * (self.current_indent + column)
        for name, text in rows:
            lines = list(self._wrap(_help(text), column))
            start = f"{'':{self.current_indent}}{name}"
            if cell_len(name) > column - col_spacing:
                self.write(f"{start}\n")
            else:
                first = lines.pop(0) if lines else ""
                self.write(f"{start}{' ' * (column - cell_len(name))}{first}".rstrip() + "\n")
            for line in lines:
                self.write(f"{margin}{line}\n")

    def _wrap(self, text: str, used: int = 0) -> Iterator[str]:
        """Yield the lines of a paragraph, which is wrapped to the width that is left."""
        width = max(self.width - self.current_indent - used, 10)
        line = ""
        for piece in _pieces(text):
            if line and cell_len(line + piece.rstrip()) > width:
                yield line.rstrip()
                line = ""
            line += piece if line else piece.lstrip()
        if line:
            yield line.rstrip()


def _help(text: str) -> str:
    """Return the help of an option, and what Typer adds to it in brackets, such as the default."""
    sentence, bracket, added = text.rpartition("  [")
    if not bracket:
        sentence, added = ("", text[1:]) if text.startswith("[") else (text, "")
    notes = "、".join(shown(note) for note in added.removesuffix("]").split("; ")) if added else ""
    return "  ".join(part for part in (shown(sentence) if sentence else "", f"[{notes}]" if notes else "") if part)


def _pieces(text: str) -> Iterator[str]:
    """Yield the parts of a text between which a line can be broken: words, and wide characters alone."""
    piece = ""
    for character in text:
        wide = unicodedata.east_asian_width(character) in "WF"
        after_wide = bool(piece) and unicodedata.east_asian_width(piece[-1]) in "WF"
        starts = wide or after_wide or piece.endswith(" ")
        if piece and starts and character not in NOT_FIRST and character != " " and piece[-1] not in "（「『【":
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


class _TranslatedContext(_Context):
    """The context of a command, which chooses the formatter of its help."""

    def make_formatter(self) -> Any:
        """Return a formatter in the user's language."""
        formatter = super().make_formatter()
        return TranslatedFormatter(width=formatter.width) if is_translated() else formatter


class Command(TyperCommand):
    """A command with help in the user's language."""

    context_class = _TranslatedContext


class Group(TyperGroup):
    """The commands together, with help in the user's language."""

    context_class = _TranslatedContext

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first sentence of its help, which is not shortened before it is translated."""
        if not is_translated():
            super().format_commands(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(self.commands[name].help or "")) for name in self.list_commands(ctx)])


def _summary(text: str) -> str:
    """Return the first paragraph of a command's help on one line."""
    return " ".join(text.strip().split("\n\n")[0].split())
