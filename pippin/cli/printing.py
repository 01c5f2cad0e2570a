"""Everything that the command line prints passes through here: it is translated, and cannot control the terminal."""

import codecs
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pippin.errors import PippinError, PippinWarning
from pippin.host.text import printable
from pippin.translation import Translator, catalogue, preferred_language

SUBSTITUTES = {"×": "x", "–": "-", "−": "-", "…": "...", "·": "*", "²": "2", "→": "->", "‖": "|"}
"""Plain substitutes for characters of Pippin's messages, for an output whose encoding does not have them."""

MAX_WIDTH = 2**16
"""Width of a table in a file or a pipe, in characters: a line in which a path is broken cannot be searched for it."""

MAX_ERROR = 1000
"""Largest number of characters of an error message. Some contain what was received, such as a number of 5,000 digits;
then its middle is left out."""


_translate: Callable[[str], str] = str
"""Returns a sentence in the user's language. It is replaced by `choose_language`."""


def choose_language() -> None:
    """Print in the user's language from now on: Japanese if the environment asks for it and the output can hold it."""
    global _translate
    language = preferred_language()
    for stream in (sys.stdout, sys.stderr):
        try:
            "日本語。".encode(getattr(stream, "encoding", None) or "utf-8")
        except (UnicodeError, LookupError):
            language = "en"
    _translate = str if language == "en" else Translator(catalogue(language))


def is_translated() -> bool:
    """Return whether messages are printed in another language than English."""
    return _translate is not str


def shown(text: str) -> str:
    """Return a text as it is printed: in the user's language, and with everything that controls a terminal escaped."""
    return printable(_translate(text))


def print_line(text: str) -> None:
    """Print one line to standard output; see `shown`.

    Raises:
        PippinError: standard output cannot be written, such as a file on a full disk.
        BrokenPipeError: the program that read standard output has ended.
    """
    try:
        print(shown(text), flush=True)
    except BrokenPipeError:
        raise
    except OSError as problem:
        reason = problem.strerror or problem
        raise PippinError(f"Standard output cannot be written; redirect it elsewhere. Received: {reason}") from None


def print_lines(lines: Iterable[str]) -> None:
    """Print several lines with `print_line`."""
    for line in lines:
        print_line(line)


def print_error(message: str) -> None:
    """Print an error message to standard error, in one line."""
    message = _translate(message)
    if len(message) > MAX_ERROR:
        message = f"{message[: MAX_ERROR // 2]}…{message[-MAX_ERROR // 2 :]}"
    with suppress(OSError):
        print(f"pippin: {printable(message)}", file=sys.stderr, flush=True)


def print_warnings_in_one_line() -> None:
    """Let Python print each `PippinWarning` as `print_error` prints an error."""
    show = warnings.showwarning

    def show_in_one_line(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, PippinWarning):
            print_error(str(message))
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = show_in_one_line


def print_table(rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table of rows with the first column in bold. Lines are wrapped on a terminal only."""
    console = stdout_console()
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    if console.is_terminal:
        console.print(table)
        return
    console.width = MAX_WIDTH
    with console.capture() as captured:
        console.print(table)
    print_lines(line.rstrip() for line in captured.get().splitlines())


def stdout_console() -> Console:
    """Return a console for the current standard output, which tests and notebooks may replace."""
    return Console(highlight=False, markup=False, emoji=False)


def accept_any_character() -> None:
    """Let standard output and standard error substitute characters that their encoding does not have.

    A log file in ASCII, or a terminal in a national encoding, would otherwise end the program at the first "×".
    """
    codecs.register_error("pippin", _substitute)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # no stream, one that holds text, or a closed one
            stream.reconfigure(errors="pippin")  # type: ignore[union-attr]


def _substitute(problem: UnicodeError) -> tuple[str, int]:
    """Return plain characters for those that an encoding does not have, as an error handler of `codecs`."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    characters = problem.object[problem.start : problem.end]
    escapes = (character.encode("ascii", "backslashreplace").decode("ascii") for character in characters)
    return "".join(map(SUBSTITUTES.get, characters, escapes)), problem.end


def discard_unwritten_output() -> None:
    """Discard what standard output buffers if it cannot be written, so that Python does not report it a second time."""
    try:
        sys.stdout.flush()
    except AttributeError:  # there is no standard output
        pass
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
