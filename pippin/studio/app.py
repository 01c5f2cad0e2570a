"""The web application of the studio: its routes, and the files of its page."""

import json
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pippin.errors import PippinError
from pippin.studio.answers import (
    RequestError,
    http_error_answer,
    pippin_error_answer,
    refusal_answer,
    unexpected_error_answer,
)
from pippin.studio.events import event_routes
from pippin.studio.explore_routes import explore_routes
from pippin.studio.gather import gather_routes
from pippin.studio.guard import Access
from pippin.studio.job_routes import job_routes
from pippin.studio.session import session_routes
from pippin.studio.state import Studio
from pippin.studio.take_routes import take_routes
from pippin.studio.train_routes import train_routes
from pippin.translation import catalogue

STATIC = Path(__file__).parent / "static"
"""The folder of the page's files."""


def make_app(studio: Studio, access: Access) -> Starlette:
    """Return the web application of a studio.

    Args:
        studio: what the application shows and does.
        access: who may use it.
    """
    app = Starlette(
        routes=[
            Route("/", _page),
            Route("/static/canvas.js", _canvas_script),
            Route("/static/words/messages.js", _messages_script),
            Mount("/static", StaticFiles(directory=STATIC)),
            *session_routes(),
            *gather_routes(),
            *job_routes(),
            *train_routes(),
            *event_routes(),
            *explore_routes(),
            *take_routes(),
        ],
        exception_handlers={
            RequestError: refusal_answer,
            PippinError: pippin_error_answer,
            HTTPException: http_error_answer,
            Exception: unexpected_error_answer,
        },
    )
    app.state.studio, app.state.access = studio, access
    return app


async def _page(request: Request) -> Response:
    """Answer with the page. It asks for the password, if one is needed."""
    return FileResponse(STATIC / "index.html")


async def _canvas_script(request: Request) -> Response:
    """Answer with the script for canvases that the page shares with exported pages."""
    return FileResponse(STATIC.parents[1] / "export" / "web" / "canvas.js")


async def _messages_script(request: Request) -> Response:
    """Answer with the Japanese catalogue of messages as a script, for the page."""
    script = f"export const messages = {json.dumps(catalogue('ja'), ensure_ascii=False)};\n"
    return Response(script, media_type="text/javascript")
