"""Routes to take files away: to write them, to list and download them, and to look at pages in a sandbox."""

import mimetypes
import os
import tempfile
import urllib.parse
import zipfile
from pathlib import Path
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute

from pippin.errors import RunError
from pippin.host.files import run_errors
from pippin.host.own_files import require_own
from pippin.studio.answers import RequestError, not_found
from pippin.studio.jobs import Job, line_progress, run_command
from pippin.studio.orders import command_text
from pippin.studio.routing import route
from pippin.studio.state import Studio
from pippin.studio.stored import FOLDER
from pippin.studio.take import OUTPUTS, TakeOrder, file_facts, is_made_by, listed_files, own_files, take_words

VIEWED = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".svg": "image/svg+xml",
}
"""Suffix → media type of files that can be looked at."""

VIEW_POLICY = (
    "sandbox allow-scripts allow-downloads allow-forms; default-src 'none'; script-src {own} 'unsafe-inline' "
    "'wasm-unsafe-eval' blob:; style-src {own} 'unsafe-inline'; img-src {own} data: blob:; media-src {own} blob:; "
    "connect-src 'none'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content Security Policy of a file that is looked at. In the sandbox it has an origin of its own, so that its scripts
cannot use the studio, and it can send nothing anywhere."""


def take_routes() -> list[BaseRoute]:
    """Return the routes to take files away."""
    return [
        route("/api/runs/{run}/take", _take, "POST", TakeOrder),
        route("/api/runs/{run}/files", _files),
        route("/api/runs/{run}/files/{name:path}", _download),
        route("/view/{secret}/{run}/{name:path}", _view),
    ]


def _files(studio: Studio, request: Request) -> Any:
    return {"files": _facts(studio, request)}


def _facts(studio: Studio, request: Request) -> list[dict[str, Any]]:
    """Return the files of a run as the page gets them, the newest first."""
    run_id = request.path_params["run"]
    found = []
    for name, (path, kind) in listed_files(studio.runs.path(run_id)).items():
        shown = f"{name}/index.html" if path.is_dir() else name
        has_view = Path(shown).suffix.lower() in VIEWED and (not path.is_dir() or (path / "index.html").is_file())
        secret = request.app.state.access.view_secret
        view = f"/view/{secret}/{run_id}/{urllib.parse.quote(shown)}" if has_view else None
        found.append({**file_facts(run_id, name, path, kind, view), "url": _download_url(run_id, name)})
    return sorted(found, key=lambda file: file["changed"], reverse=True)


def _download_url(run_id: str, name: str) -> str:
    return f"/api/runs/{run_id}/files/{urllib.parse.quote(name)}"


def _take(studio: Studio, request: Request, order: TakeOrder) -> Any:
    """Start a job that writes files, by the command line that does the same."""
    run_id = request.path_params["run"]
    path = studio.runs.path(run_id)
    words = take_words(path, order)
    command = command_text(words)
    if order.dry:
        return {"command": command}

    def work(job: Job) -> Any:
        with run_errors(path):
            require_own(path / FOLDER / OUTPUTS, path).mkdir(parents=True, exist_ok=True)
        before = {file["name"]: file["changed"] for file in _facts(studio, request)}
        lines = [line for line in run_command(studio.jobs, job, words) if not line_progress(line)]
        files = [file for file in _facts(studio, request) if before.get(file["name"]) != file["changed"]]
        return {"files": [file for file in files if is_made_by(order.what, file["name"])], "lines": lines}

    job = Job("take", order.what, {"run": run_id}, command, work)
    return {"job": studio.jobs.add(job).to_dict(), "command": command}


def _download(studio: Studio, request: Request) -> Response:
    """Answer with a file, or with a folder as a ZIP archive."""
    name = request.path_params["name"]
    listed = listed_files(studio.runs.path(request.path_params["run"]))
    if name not in listed:
        raise not_found("file")
    path, _ = listed[name]
    if not path.is_dir():
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=kind, filename=path.name)
    handle, archive = tempfile.mkstemp(suffix=".zip")
    os.close(handle)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as members:
        for file in own_files(path):
            members.write(file, file.relative_to(path.parent))
    return FileResponse(
        archive,
        media_type="application/zip",
        filename=f"{path.name}.zip",
        background=BackgroundTask(os.unlink, archive),
    )


def _view(studio: Studio, request: Request) -> Response:
    """Answer with a file that opens in a tab of its own, in a sandbox."""
    if not request.app.state.access.knows_view_secret(request.path_params["secret"]):
        raise not_found("file")
    run, name = studio.runs.path(request.path_params["run"]), request.path_params["name"]
    file = _viewed_file(run, name)
    kind = VIEWED.get(file.suffix.lower())
    if kind is None:
        raise not_found("file")
    own = f"http://{request.headers['host']}{request.url.path[: -len(name)]}"
    headers = {
        "Content-Security-Policy": VIEW_POLICY.format(own=own),
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cross-Origin-Opener-Policy": "unsafe-none",
    }
    return FileResponse(file, media_type=kind, headers=headers)


def _viewed_file(run: Path, name: str) -> Path:
    """Return a listed file of a run, or a file in a listed folder. Raises a `RequestError` if there is none."""
    listed = listed_files(run)
    if name in listed and not listed[name][0].is_dir():
        return listed[name][0]
    folder, _, rest = name.partition("/")
    parts = rest.split("/")
    if folder not in listed or not listed[folder][0].is_dir() or not rest or set(parts) & {"", ".", ".."}:
        raise not_found("file")
    try:
        file = require_own(listed[folder][0].joinpath(*parts), run)
        if file.is_file():
            return file
    except (RunError, ValueError, OSError):
        pass
    raise RequestError(404, "not_found", "There is no such file.")
