"""The command line. Each verb parses its arguments, calls the library and prints the result."""

import sys
from typing import Any

import typer

from pippin.cli import collect, edit, evaluate, export, prepare, sample, studio, train
from pippin.cli.help import Command, Group
from pippin.cli.printing import (
    accept_any_character,
    choose_language,
    discard_unwritten_output,
    print_error,
    print_warnings_in_one_line,
)
from pippin.errors import PippinError

__all__ = ["app", "main"]

VERBS = (
    collect.collect,
    prepare.audit,
    prepare.prepare,
    train.plan,
    train.train,
    sample.sample,
    sample.again,
    sample.walk,
    sample.story,
    edit.find,
    edit.directions,
    edit.mix,
    evaluate.evaluate,
    evaluate.nearest,
    evaluate.report,
    evaluate.info,
    export.diagram,
    export.export,
    studio.studio,
)
"""The verbs in the order of `pippin --help`."""

app = typer.Typer(
    cls=Group,
    help="Train a generator (GAN) on a folder of pictures, and generate new pictures like them.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    app.command(cls=Command)(verb)


def main() -> None:
    """Run the command line. A `PippinError` and wrong arguments become one line on standard error and exit code 2."""
    choose_language()
    accept_any_character()
    print_warnings_in_one_line()
    code: Any = 0
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="pippin", standalone_mode=False)
    except PippinError as problem:
        print_error(str(problem))
        code = 2
    except typer.Abort:
        code = 130
    except OSError as problem:
        received = problem.filename or "standard output"
        print_error(f"A file cannot be read or written: {problem.strerror or problem}. Received: {received}")
        code = 2
    except MemoryError:
        print_error("There is not enough memory; close other programs, or use fewer or smaller images")
        code = 2
    except Exception as problem:
        if not hasattr(problem, "format_message"):
            raise
        print_error(_usage_error(problem))
        code = 2
    discard_unwritten_output()
    sys.exit(code if isinstance(code, int) else 0)


def _usage_error(problem: Any) -> str:
    """Return one line for an error that the parser of the command line found."""
    text = " ".join(problem.format_message().split()).replace("Value error, ", "")
    sentence = text.rstrip(".?")
    found: list[Any] = getattr(problem.__cause__, "errors", list)()  # the causes by which Typer names no value
    received = f". Received: {found[0]['input']}" if found and "input" in found[0] else ""
    context = getattr(problem, "ctx", None)
    command = context.command_path if context else "pippin"
    usage = " ".join(context.get_usage().split()) if context else f"Usage: {command}"
    return f"{sentence}{'?' if text.endswith('?') else '.'} {usage}; see {command} --help" + received
