"""Routes to gather pictures: places, picture sets, uploads, audits, and leaving pictures out."""

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pippin.host.files import run_errors
from pippin.host.text import portable_name
from pippin.settings import check_image_size
from pippin.studio.answers import Body, RequestError, json_answer
from pippin.studio.audits import STATUSES, SetAudit, StoredAudit
from pippin.studio.jobs import Job
from pippin.studio.orders import command_text, make_preparation, preparation_words
from pippin.studio.places import PICTURE_SUFFIXES, count_pictures
from pippin.studio.routing import integer, png, route
from pippin.studio.sets import PictureSet
from pippin.studio.state import Studio
from pippin.studio.worker import TASKS

MAX_FILE_BYTES = 512 * 2**20
"""Largest size of an uploaded file in bytes. Photos have up to 100 MB, and short videos more."""

MAX_UPLOAD_BYTES = 50 * 2**30
"""Largest size of all files of an upload in bytes."""

MAX_UPLOAD_FILES = 100_000
"""Largest number of files of an upload."""

MIN_FREE_BYTES = 2**30
"""Free space that uploads leave on the disk, in bytes, so that trainings can save their state."""

MAX_PAGE = 500
"""Largest number of pictures in one answer."""


class TypedPlace(Body):
    """A folder that the user typed."""

    path: str
    confirm: bool = False


class NewSet(Body):
    """A folder that the user chose, or the built-in set."""

    place: str | None = None
    built_in: str | None = None
    confirm: bool = False


class NewUpload(Body):
    """The name of a new upload."""

    name: str = "pictures"


class AuditOrder(Body):
    """How to audit a set."""

    image_size: int = 64
    preparation: dict[str, Any] = Field(default={})
    outliers: bool = True
    dry: bool = False


class LeftOut(Body):
    """Pictures to leave out or to take back."""

    audit: str
    pictures: list[int]
    left_out: bool


def gather_routes() -> list[BaseRoute]:
    """Return the routes to gather pictures."""
    return [
        route("/api/places", _places),
        route("/api/places", _add_place, "POST", TypedPlace),
        route("/api/places/{place}", _place),
        route("/api/sets", _sets),
        route("/api/sets", _add_set, "POST", NewSet, 201),
        route("/api/uploads", _add_upload, "POST", NewUpload, 201),
        Route("/api/sets/{set}/files", _upload, methods=["POST"]),
        route("/api/sets/{set}", lambda studio, request: set_facts(studio, _set(studio, request))),
        route("/api/sets/{set}/audit", _audit, "POST", AuditOrder),
        route("/api/sets/{set}/pictures", _pictures),
        route("/api/sets/{set}/pictures/{n}", _picture),
        route("/api/sets/{set}/thumbs/{audit}/{n}-{crop}.png", _thumbnail),
        route("/api/sets/{set}/originals/{audit}/{n}.jpg", _original),
        route("/api/sets/{set}/leave-out", _leave_out, "POST", LeftOut),
    ]


# -- places and sets ---------------------------------------------------------------------------------------------------


def _places(studio: Studio, request: Request) -> Any:
    return {"places": [place.to_dict() for place in studio.places.starting()]}


def _add_place(studio: Studio, request: Request, body: TypedPlace) -> Any:
    return studio.places.add_typed(body.path, body.confirm).to_dict()


def _place(studio: Studio, request: Request) -> Any:
    """Answer with a folder, the folders in it, and the number of pictures in it."""
    place = studio.places.get(request.path_params["place"])
    parent = studio.places.parent(place)
    return {
        **place.to_dict(),
        "parent": None if parent is None else parent.id,
        "folders": [folder.to_dict() for folder in studio.places.folders_in(place)],
        "pictures": count_pictures(place),
    }


def set_facts(studio: Studio, chosen: PictureSet) -> dict[str, Any]:
    """Return a set as the page gets it."""
    job = studio.jobs.running("audit", {"set": chosen.id})
    return studio.sets.facts(chosen, None if job is None else job.id)


def _set(studio: Studio, request: Request) -> PictureSet:
    """Return the set of a request, if it may still be read: its folder may have become a link since then."""
    chosen = studio.sets.get(request.path_params["set"])
    if chosen.stored.kind != "built_in" and not studio.sets.may_read(chosen.folder.resolve()):
        raise RequestError(403, "forbidden", "The studio may not read this folder any more.")
    return chosen


def _sets(studio: Studio, request: Request) -> Any:
    return {"sets": [set_facts(studio, chosen) for chosen in studio.sets.all()]}


def _add_set(studio: Studio, request: Request, body: NewSet) -> Any:
    """Add the set of a folder, or the built-in one."""
    if (body.place is None) == (body.built_in is None):
        raise RequestError(400, "settings", "Choose a folder or the built-in set.")
    if body.place is None:
        return set_facts(studio, studio.sets.add_built_in())
    place = studio.places.get(body.place)
    studio.places.require_confirmed(place, body.confirm)
    return set_facts(studio, studio.sets.add_place(place))


def _add_upload(studio: Studio, request: Request, body: NewUpload) -> Any:
    return set_facts(studio, studio.sets.add_upload(body.name))


async def _upload(request: Request) -> Response:
    """Store one uploaded file. It appears under its name only when it is complete."""
    chosen = _set(request.app.state.studio, request)
    if chosen.stored.kind != "upload":
        raise RequestError(403, "forbidden", "Files can only be added to an upload, not to a folder of yours.")
    name = stored_name(request.query_params.get("name", ""))
    with run_errors(chosen.folder):
        await run_in_threadpool(_require_room, chosen)
        part = chosen.folder / f".{secrets.token_hex(8)}.part"
        size = 0
        try:
            with part.open("xb") as file:
                async for block in request.stream():
                    size += len(block)
                    if size > MAX_FILE_BYTES:
                        raise RequestError(413, "too_large", f"A file may have {MAX_FILE_BYTES // 2**20} MiB at most.")
                    file.write(block)
            path = _unused(chosen.folder / name)
            part.rename(path)
        except ClientDisconnect:
            raise RequestError(400, "settings", "The upload was interrupted.") from None
        finally:
            part.unlink(missing_ok=True)
    chosen.count_upload(size)
    return json_answer({"name": path.name, "bytes": size}, 201)


def stored_name(name: str) -> str:
    """Return the name under which an uploaded file is stored: one part of a path, visible, with a picture's suffix.

    Raises:
        RequestError: it is not the name of a picture or video.
    """
    stem, suffix = os.path.splitext(name.replace("\\", "/").rsplit("/", 1)[-1])
    if suffix.lower() not in PICTURE_SUFFIXES:
        raise RequestError(400, "source", "This is no picture or video, by the end of its name.")
    return f"{portable_name(stem).lstrip('.-') or 'picture'}{suffix.lower()}"


def _unused(path: Path) -> Path:
    """Return a path that does not exist yet, with a number if there is a file of that name."""
    number, tried = 1, path
    while os.path.lexists(tried):
        number += 1
        tried = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return tried


def _require_room(chosen: PictureSet) -> None:
    """Raise a `RequestError` if an upload is full, or the disk nearly is."""
    files, total = chosen.usage()
    if files >= MAX_UPLOAD_FILES or total > MAX_UPLOAD_BYTES:
        raise RequestError(413, "too_large", "This upload is full; name a folder instead.")
    if shutil.disk_usage(chosen.folder).free < MIN_FREE_BYTES:
        raise RequestError(413, "too_large", "The disk is nearly full; free some space first.")


# -- the audit ---------------------------------------------------------------------------------------------------------


def _audit(studio: Studio, request: Request, body: AuditOrder) -> Any:
    """Start the audit of a set."""
    chosen = _set(studio, request)
    preparation = make_preparation(body.preparation)
    size = check_image_size(body.image_size)
    source = studio.sets.source_of(chosen) if not chosen.left_out else str(chosen.folder)
    words = ["audit", source, "--image-size", f"{size}", *preparation_words(preparation)]
    command = command_text([*words, *([] if body.outliers else ["--quick"])])
    if body.dry:
        return {"command": command}
    if studio.jobs.running("audit", {"set": chosen.id}):
        raise RequestError(409, "busy", "These pictures are being checked already.")

    def work(job: Job) -> Any:
        options = preparation.non_default()
        found = studio.hand.run(
            (TASKS, "audit"), source, size, options, body.outliers, progress=studio.jobs.progress(job)
        )
        thumbnails = found.pop("thumbnails")
        audit = SetAudit.reopen(StoredAudit(image_size=size, preparation=options, **found), thumbnails)
        if audit is None:
            raise RequestError(409, "stale", "The prepared pictures are gone; check them again.")
        chosen.set_audit(audit)
        return audit.summary(chosen.left_out)

    job = Job("audit", chosen.stored.name, {"set": chosen.id}, command, work, studio.hand.cancel)
    return {"job": studio.jobs.add(job).to_dict(), "command": command}


def _pictures(studio: Studio, request: Request) -> Any:
    """Answer with a part of the pictures of a set."""
    chosen = _set(studio, request)
    audit = chosen.require_audit()
    status = request.query_params.get("status", "all")
    if status not in STATUSES:
        raise RequestError(400, "settings", f"status must be one of {', '.join(STATUSES)}.")
    offset, limit = integer(request, "offset", 0, 0, 10**9), integer(request, "limit", 100, 1, MAX_PAGE)
    search = request.query_params.get("search", "")[:1000]
    total, items = audit.page(status, search, offset, limit, chosen.left_out)
    items = [_with_thumbnail(chosen, audit, item) for item in items]
    return {"audit": audit.id, "total": total, "counts": audit.counts(chosen.left_out), "items": items}


def _with_thumbnail(chosen: PictureSet, audit: SetAudit, picture: dict[str, Any]) -> dict[str, Any]:
    """Return a picture with the address of its thumbnail."""
    has_thumbnail = picture.pop("has_thumbnail")
    return {**picture, "thumb": _thumbnail_url(chosen, audit, picture["n"], 0) if has_thumbnail else None}


def _thumbnail_url(chosen: PictureSet, audit: SetAudit, n: int, crop: int) -> str:
    return f"/api/sets/{chosen.id}/thumbs/{audit.id}/{n}-{crop}.png"


def _number(request: Request, name: str, below: int) -> int:
    """Return a number in the path of a request. Raises a `RequestError` if there is no such picture."""
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) < below):
        raise RequestError(404, "not_found", "There is no such picture.")
    return int(text)


def _picture(studio: Studio, request: Request) -> Any:
    """Answer with one picture: its crops and its original."""
    chosen = _set(studio, request)
    audit = chosen.require_audit()
    n = _number(request, "n", len(audit.dataset.files))
    picture = _with_thumbnail(chosen, audit, audit.picture(n, chosen.left_out))
    crops = audit.entry(n).crops if audit.entry(n).index is not None else 0
    shown = _original_file(studio, chosen, audit, n) is not None
    return {
        **picture,
        "crop_urls": [_thumbnail_url(chosen, audit, n, crop) for crop in range(crops)],
        "original": f"/api/sets/{chosen.id}/originals/{audit.id}/{n}.jpg" if shown else None,
    }


def _thumbnail(studio: Studio, request: Request) -> Response:
    chosen = _set(studio, request)
    audit = chosen.require_audit(request.path_params["audit"])
    n, crop = _number(request, "n", len(audit.dataset.files)), _number(request, "crop", 1000)
    return png(audit.thumbnail(n, crop))


def _original_file(studio: Studio, chosen: PictureSet, audit: SetAudit, n: int) -> Path | None:
    """Return the file of a picture, if it is a regular file in the folder of the set, also behind links; or None."""
    entry = audit.entry(n)
    if chosen.stored.kind == "built_in" or not audit.stored.can_leave_out:
        return None
    try:
        file = (chosen.folder / (entry.file or entry.path)).resolve()
        return file if file.is_relative_to(chosen.folder.resolve()) and file.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _original(studio: Studio, request: Request) -> Response:
    """Answer with the reduced original of a picture, which the other process decodes."""
    chosen = _set(studio, request)
    audit = chosen.require_audit(request.path_params["audit"])
    file = _original_file(studio, chosen, audit, _number(request, "n", len(audit.dataset.files)))
    return png(None if file is None else studio.explorer.run((TASKS, "original"), str(file)), kind="image/jpeg")


def _leave_out(studio: Studio, request: Request, body: LeftOut) -> Any:
    """Leave pictures out, or take them back."""
    chosen = _set(studio, request)
    audit = chosen.require_audit(body.audit)
    if not audit.stored.can_leave_out or chosen.stored.kind == "built_in":
        raise RequestError(400, "source", "Pictures can be left out of folders of files only.")
    count = len(audit.dataset.files)
    if any(not 0 <= n < count for n in body.pictures):
        raise RequestError(404, "not_found", "There is no such picture.")
    entries = [audit.entry(n) for n in body.pictures]
    chosen.leave_out([entry.file or entry.path for entry in entries], body.left_out)
    source = studio.sets.source_of(chosen)
    return {
        "left_out": len(chosen.left_out),
        "counts": audit.counts(chosen.left_out),
        "source": source,
        "command": command_text(["train", source]),
    }
