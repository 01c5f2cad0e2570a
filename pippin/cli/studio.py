"""The verb `studio`: all of Pippin on a page in the browser."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pippin.cli.printing import print_line

PASSWORD_VARIABLE = "PIPPIN_STUDIO_PASSWORD"
"""Environment variable of the password."""


def studio(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of pictures or of runs that the page may read.", metavar="FOLDER"),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port. Default: 8765, or the next free one.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but 127.0.0.1 lets other computers in, and needs a password.")
    ] = "127.0.0.1",
    password: Annotated[
        str | None,
        typer.Option(
            help="Password of the page, at least 8 characters. Other users of this computer see it in the list of "
            "processes, unless it is given in PIPPIN_STUDIO_PASSWORD.",
            envvar=PASSWORD_VARIABLE,
            show_envvar=False,
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in the browser.")] = False,
) -> None:
    """Open the studio: gather pictures, train, and use runs on a page in the browser.

    Training runs in processes of its own, and continues when the studio ends. Ctrl-C ends the studio.
    """
    from pippin.studio.config import make_config
    from pippin.studio.server import serve

    config = make_config(folders or (), host, port, password)
    os.environ.pop(PASSWORD_VARIABLE, None)  # trainings need not know it

    def announce(address: str) -> None:
        print_line(f"The studio: {address} (Ctrl-C ends it; trainings continue)")

    serve(config, announce, not no_browser)
