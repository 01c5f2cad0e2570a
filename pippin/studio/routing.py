"""Routes whose work is done in a thread, so that no request waits for another."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pippin.studio.answers import Body, RequestError, json_answer, read_body
from pippin.studio.state import Studio

Answer = Callable[..., Any]
"""A function that answers a request: called with the studio, the request and the body, if there is one. It returns
what JSON can hold, or a `Response`."""


def route(path: str, answer: Answer, method: str = "GET", body: type[Body] | None = None, status: int = 200) -> Route:
    """Return a route.

    Args:
        path: the path, as Starlette takes it.
        answer: what answers the request.
        method: its method.
        body: what the body must hold; None if there is none.
        status: the status of an answer in JSON.
    """

    async def endpoint(request: Request) -> Response:
        studio: Studio = request.app.state.studio
        arguments = [] if body is None else [await read_body(request, body)]
        found = await run_in_threadpool(answer, studio, request, *arguments)
        return found if isinstance(found, Response) else json_answer(found, status)

    return Route(path, endpoint, methods=[method])


def integer(request: Request, name: str, default: int, low: int, high: int) -> int:
    """Return a number of the address of a request.

    Raises:
        RequestError: it is no whole number, or out of range.
    """
    text = request.query_params.get(name, str(default))
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1
    if not low <= value <= high:
        raise RequestError(400, "settings", f"{name} must be from {low:,} to {high:,}.")
    return value


def png(contents: bytes | None, kept: bool = True, kind: str = "image/png") -> Response:
    """Return the answer with a picture.

    Args:
        contents: the file; None if there is none.
        kept: whether the address always has the same picture, so that the browser may keep it.
        kind: its media type.
    """
    if contents is None:
        raise RequestError(404, "not_found", "There is no such picture.")
    caching = "private, max-age=31536000, immutable" if kept else "no-store"
    return Response(contents, media_type=kind, headers={"Cache-Control": caching})
