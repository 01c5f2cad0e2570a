"""Answers in JSON, errors as answers, and the bodies of requests, checked and limited."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pippin.errors import PippinError, RunError, SettingsError, SourceError, TrainingError
from pippin.host.text import printable

MAX_BODY = 2**20
"""Largest body of a request in JSON, in bytes. A list of 100,000 pictures to leave out is smaller."""

CODES: dict[type[PippinError], tuple[int, str]] = {
    RunError: (409, "run"),
    SourceError: (400, "source"),
    SettingsError: (400, "settings"),
    TrainingError: (409, "training"),
}
"""Kind of error → the status and the code of the answer. Others are 400 and `engine`."""


class RequestError(Exception):
    """A request that cannot be answered.

    Args:
        status: the status of the answer.
        code: the code of the error, for the page.
        message: what is wrong and what to do.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def not_found(what: str) -> RequestError:
    """Return the refusal of a request for something that does not exist."""
    return RequestError(404, "not_found", f"There is no such {what}; reload the page.")


def error_answer(status: int, code: str, message: str) -> Response:
    """Return the answer that says what is wrong."""
    return json_answer({"error": {"code": code, "message": message}}, status)


def json_answer(value: Any, status: int = 200) -> Response:
    """Return an answer in JSON. Not finite numbers become null, since JSON has none."""
    return _FiniteJSONResponse(value, status)


class _FiniteJSONResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        try:
            text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        except ValueError:
            text = json.dumps(finite(content), ensure_ascii=True, separators=(",", ":"))
        return text.encode()


def finite(value: Any) -> Any:
    """Return a value in which numbers that are not finite are None."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


async def refusal_answer(request: Request, problem: Exception) -> Response:
    """Return the answer to a request that raised a `RequestError`."""
    assert isinstance(problem, RequestError)
    return error_answer(problem.status, problem.code, problem.message)


async def pippin_error_answer(request: Request, problem: Exception) -> Response:
    """Return the answer to a request that raised a `PippinError`."""
    status, code = code_of(problem)
    return error_answer(status, code, printable(str(problem)))


def code_of(problem: Exception) -> tuple[int, str]:
    """Return the status and the code for an error."""
    found = (codes for kind, codes in CODES.items() if isinstance(problem, kind))
    return next(found, (400, "engine"))


async def http_error_answer(request: Request, problem: Exception) -> Response:
    """Return the answer to a request for a path or with a method that does not exist."""
    assert isinstance(problem, HTTPException)
    code = {404: "not_found", 405: "not_found"}.get(problem.status_code, "internal")
    return error_answer(problem.status_code, code, "There is no such page.")


async def unexpected_error_answer(request: Request, problem: Exception) -> Response:
    """Return the answer to a request that raised any other error, which the server prints."""
    if isinstance(problem, OSError):
        return error_answer(409, "run", f"A file cannot be read or written ({problem.strerror or problem}).")
    return error_answer(500, "internal", f"This failed unexpectedly ({type(problem).__name__}).")


class Body(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


B = TypeVar("B", bound=Body)


async def read_body(request: Request, kind: type[B]) -> B:
    """Return the body of a request, checked.

    Raises:
        RequestError: it is too large, not JSON, or holds something else.
    """
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > MAX_BODY:
            raise RequestError(413, "too_large", f"The request is larger than {MAX_BODY:,} bytes; send less.")
    try:
        return kind.model_validate_json(bytes(received) or b"{}")
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
        entry = ".".join(str(part) for part in first["loc"])
        raise RequestError(400, "settings", f"{entry or 'The request'}: {first['msg']}.") from None
