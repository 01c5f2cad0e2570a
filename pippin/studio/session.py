"""Routes of the session: the token of the page, what the studio offers, and the password."""

import asyncio
from pathlib import Path
from typing import Any

import psutil
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import pippin
from pippin import engines
from pippin.host.cores import available_cores
from pippin.host.text import printable
from pippin.settings import IMAGE_SIZES
from pippin.studio.answers import Body, error_answer, json_answer, read_body
from pippin.studio.explore_routes import MAX_PHOTO_BYTES
from pippin.studio.gather import MAX_FILE_BYTES, MAX_UPLOAD_BYTES, MAX_UPLOAD_FILES
from pippin.studio.places import PICTURE_SUFFIXES

WRONG_PASSWORD_SECONDS = 1.0
"""Pause before the answer to a wrong password, in seconds, during which no other password is tried. A password of eight
random letters then takes centuries."""


class Login(Body):
    """The body of a login."""

    password: str


def session_routes() -> list[BaseRoute]:
    """Return the routes of the session."""
    lock = asyncio.Lock()

    async def log_in(request: Request) -> Response:
        access = request.app.state.access
        given = (await read_body(request, Login)).password
        async with lock:
            session = access.log_in(given)
            if session is None:
                await asyncio.sleep(WRONG_PASSWORD_SECONDS)
                return error_answer(401, "unauthorised", "The password is wrong.")
        answer = json_answer({"authenticated": True})
        answer.set_cookie(access.cookie, session, httponly=True, samesite="strict")
        return answer

    return [
        Route("/api/session", _session),
        Route("/api/login", log_in, methods=["POST"]),
        Route("/api/logout", _log_out, methods=["POST"]),
    ]


async def _session(request: Request) -> Response:
    """Answer with the token, and with what the studio offers if the visitor may use it."""
    access = request.app.state.access
    facts: dict[str, Any] = {"token": access.token, "password": access.has_password, "authenticated": False}
    if access.is_authenticated(request.scope):
        facts |= {"authenticated": True, **_offers(request)}
    return json_answer(facts)


def _offers(request: Request) -> dict[str, Any]:
    """Return what the studio offers."""
    config = request.app.state.studio.config
    memory = psutil.virtual_memory().total / 2**30
    return {
        "version": pippin.__version__,
        "remote": config.is_remote,
        "runs_folder": str(config.runs_root),
        "engine": engines.choose(),
        "device_hint": f"{available_cores()} cores, {memory:.1f} GiB",
        "may_name_folders": not config.is_remote,
        "working_folder": printable(str(Path.cwd())),
        "limits": {
            "file_bytes": MAX_FILE_BYTES,
            "upload_bytes": MAX_UPLOAD_BYTES,
            "upload_files": MAX_UPLOAD_FILES,
            "photo_bytes": MAX_PHOTO_BYTES,
        },
        "suffixes": list(PICTURE_SUFFIXES),
        "sizes": list(IMAGE_SIZES),
    }


async def _log_out(request: Request) -> Response:
    """End the session."""
    request.app.state.access.log_out(request.scope)
    return json_answer({"authenticated": False})
