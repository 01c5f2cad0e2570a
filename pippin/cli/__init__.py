"""The command line. Each verb parses its arguments, calls the library and prints the result."""

import sys

import typer

from pippin.cli import collect, edit, evaluate, export, prepare, sample, train
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
    evaluate.report,
    evaluate.info,
    export.diagram,
    export.export,
)
"""The verbs in the order of `pippin --help`."""

app = typer.Typer(
    help="Train a generator (GAN) on a folder of pictures, and generate new pictures like them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    app.command()(verb)


def main() -> None:
    """Run the command line. A `PippinError` becomes one line on standard error and exit code 2."""
    try:
        app()
    except PippinError as problem:
        print(f"pippin: {problem}", file=sys.stderr)
        sys.exit(2)
