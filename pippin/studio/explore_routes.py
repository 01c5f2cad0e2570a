"""Routes to explore a run: samples, favourites, walks, directions, photos, and the nearest training images."""

import secrets
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pippin.host.files import run_errors
from pippin.host.own_files import require_own
from pippin.studio.answers import Body, RequestError, json_answer
from pippin.studio.favourites import Favourites
from pippin.studio.gather import stored_name
from pippin.studio.jobs import Job
from pippin.studio.orders import command_text
from pippin.studio.positions import MAX_POSITIONS, Position, Seed, Truncation, edit_words, seed_words
from pippin.studio.routing import integer, png, route
from pippin.studio.state import Studio
from pippin.studio.stored import FOLDER
from pippin.studio.worker import EXPLORER

MAX_PHOTO_BYTES = 64 * 2**20
"""Largest size of a photo that is found, in bytes."""

MAX_FRAMES = 512
"""Largest number of images of a walk that is shown at once."""

DEFAULT_COUNT = 8
"""Number of nearest training images, also of `pippin nearest`."""

Which = Literal["best", "latest"]


class SampleOrder(Body):
    """What to sample: positions, or `n` seeds from `seed` on."""

    positions: list[Position] = Field(default=[], max_length=MAX_POSITIONS)
    n: Annotated[int, Field(ge=1, le=MAX_POSITIONS)] = 16
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    truncation: Truncation = 1.0
    edits: dict[str, float] = Field(default={})
    label: str | None = None
    which: Which = "best"
    dry: bool = False

    def all_positions(self) -> list[Position]:
        """Return the positions."""
        if self.positions:
            return self.positions
        shared: dict[str, Any] = {"truncation": self.truncation, "edits": self.edits, "label": self.label}
        return [Position(seed=self.seed + n, **shared) for n in range(self.n)]


class WalkOrder(Body):
    """A walk through positions."""

    positions: list[Position] = Field(min_length=2, max_length=32)
    frames: Annotated[int, Field(ge=1, le=64)] = 8
    which: Which = "best"
    dry: bool = False


class NewFavourite(Body):
    """A position to keep."""

    position: Position
    name: str = ""
    which: Which = "best"


class NewName(Body):
    """The new name of a favourite."""

    name: str


class Naming(Body):
    """The name of a direction."""

    number: Annotated[int, Field(ge=1, le=1000)]
    name: str
    dry: bool = False


class NearestOrder(Body):
    """An image whose nearest training images are wanted."""

    position: Position
    count: Annotated[int, Field(ge=1, le=64)] = DEFAULT_COUNT
    which: Which = "best"
    dry: bool = False


class MixOrder(Body):
    """Seeds of layouts and of styles."""

    coarse: list[Seed] = Field(min_length=1, max_length=12)
    fine: list[Seed] = Field(min_length=1, max_length=12)
    truncation: Truncation = 1.0


def explore_routes() -> list[BaseRoute]:
    """Return the routes to explore a run."""
    run = "/api/runs/{run}"
    return [
        route("/api/images/{name}.png", lambda studio, request: png(studio.images.get(request.path_params["name"]))),
        route(f"{run}/sample", _sample, "POST", SampleOrder),
        route(f"{run}/walk", _walk, "POST", WalkOrder),
        route(f"{run}/mix", _mix, "POST", MixOrder),
        route(f"{run}/directions", _directions),
        route(f"{run}/directions", _name_direction, "POST", Naming),
        route(f"{run}/favourites", _favourites),
        route(f"{run}/favourites", _add_favourite, "POST", NewFavourite, 201),
        route(f"{run}/favourites/{{favourite}}.png", _favourite_picture),
        route(f"{run}/favourites/{{favourite}}", _rename_favourite, "PATCH", NewName),
        route(f"{run}/favourites/{{favourite}}", _remove_favourite, "DELETE"),
        Route(f"{run}/find", _find, methods=["POST"]),
        route(f"{run}/nearest", _nearest, "POST", NearestOrder),
    ]


def _run(studio: Studio, request: Request) -> tuple[str, Path]:
    """Return the id and the folder of the run of a request."""
    return request.path_params["run"], studio.runs.path(request.path_params["run"])


def _is_default(studio: Studio, run_id: str, which: Which) -> bool:
    """Return whether the command line uses these weights."""
    return which == "best" or studio.runs.files(run_id).best() is None


def _shown_images(studio: Studio, found: dict[str, Any], positions: list[Position] | None) -> dict[str, Any]:
    """Return generated images as the page gets them."""
    urls = [studio.images.add(image) for image in found["images"]]
    shown: list[dict[str, Any]] = [{"url": url} for url in urls]
    if positions is not None:
        shown = [{"url": url, "position": each.shown()} for url, each in zip(urls, positions, strict=True)]
    return {"images": shown, "batch": found["batch"]}


def sample_words(run: Path, positions: list[Position]) -> list[str] | None:
    """Return `sample` with the options that mean positions, without `-o`; None if no options mean the same."""
    first = positions[0]
    if len(positions) == 1 and first.found is not None:
        picture = run / FOLDER / "found" / f"{first.found}.png"
        return ["sample", str(run), "--from", str(picture), *edit_words(first.edits)]
    words = seed_words(positions)
    return None if words is None else ["sample", str(run), *words]


def _sample(studio: Studio, request: Request, order: SampleOrder) -> Any:
    """Generate images."""
    run_id, path = _run(studio, request)
    positions = order.all_positions()
    checked = [position.checked() for position in positions]
    words = sample_words(path, positions) if _is_default(studio, run_id, order.which) else None
    command = None if words is None else command_text([*words, "-o", "grid.png"])
    if order.dry:
        return {"command": command}
    found = studio.explorer.run((EXPLORER, "generate"), str(path), order.which, checked)
    return {**_shown_images(studio, found, positions), "which": order.which, "command": command}


def _walk(studio: Studio, request: Request, order: WalkOrder) -> Any:
    """Generate the images of a walk."""
    run_id, path = _run(studio, request)
    if len(order.positions) * order.frames > MAX_FRAMES:
        raise RequestError(400, "settings", f"A walk on the page has {MAX_FRAMES} images at most; take fewer frames.")
    checked = [position.checked() for position in order.positions]
    words = walk_words(path, order.positions) if _is_default(studio, run_id, order.which) else None
    command = None if words is None else command_text([*words, "--frames", f"{order.frames}", "-o", "walk.mp4"])
    if order.dry:
        return {"command": command}
    found = studio.explorer.run((EXPLORER, "walk"), str(path), order.which, checked, order.frames)
    return {**_shown_images(studio, found, None), "command": command}


def walk_words(run: Path, positions: list[Position]) -> list[str] | None:
    """Return `walk` with the seeds of positions; None if they are not seeds with the same options and no edits."""
    words = seed_words(positions)
    return None if words is None or positions[0].edits else ["walk", str(run), *words]


def _mix(studio: Studio, request: Request, order: MixOrder) -> Any:
    """Generate an image for each pair of seeds."""
    _, path = _run(studio, request)
    rows = studio.explorer.run((EXPLORER, "mix"), str(path), order.coarse, order.fine, order.truncation)
    coarse, fine = (",".join(map(str, seeds)) for seeds in (order.coarse, order.fine))
    words = ["mix", str(path), "--coarse", coarse, "--fine", fine]
    words += ["--truncation", f"{order.truncation:g}"] if order.truncation != 1 else []
    return {"rows": [[studio.images.add(image) for image in row] for row in rows], "command": command_text(words)}


# -- directions and favourites -----------------------------------------------------------------------------------------


def _directions(studio: Studio, request: Request) -> Any:
    _, path = _run(studio, request)
    found = studio.explorer.run((EXPLORER, "directions"), str(path), None, None)
    return {"directions": found, "command": command_text(["directions", str(path)])}


def _name_direction(studio: Studio, request: Request, naming: Naming) -> Any:
    _, path = _run(studio, request)
    command = command_text(["directions", str(path), "--name", f"{naming.number}={naming.name}"])
    if naming.dry:
        return {"command": command}
    found = studio.explorer.run((EXPLORER, "directions"), str(path), naming.number, naming.name)
    return {"directions": found, "command": command}


def _favourites(studio: Studio, request: Request) -> Any:
    run_id, path = _run(studio, request)
    kept = Favourites(path)
    return {"favourites": [kept.facts(run_id, favourite) for favourite in kept.all()]}


def _add_favourite(studio: Studio, request: Request, new: NewFavourite) -> Any:
    """Keep a position, and write its picture."""
    run_id, path = _run(studio, request)
    kept, checked = Favourites(path), new.position.checked()
    favourite_id, file = kept.new_picture()
    found = studio.explorer.run((EXPLORER, "save_position"), str(path), new.which, checked, str(file))
    return kept.facts(run_id, kept.add(favourite_id, new.name, new.position, found["batch"]))


def _favourite_picture(studio: Studio, request: Request) -> Response:
    _, path = _run(studio, request)
    return png(Favourites(path).picture(request.path_params["favourite"]))


def _rename_favourite(studio: Studio, request: Request, new: NewName) -> Any:
    run_id, path = _run(studio, request)
    kept = Favourites(path)
    return kept.facts(run_id, kept.rename(request.path_params["favourite"], new.name))


def _remove_favourite(studio: Studio, request: Request) -> Any:
    _, path = _run(studio, request)
    Favourites(path).remove(request.path_params["favourite"])
    return {"removed": True}


# -- photos and training images ----------------------------------------------------------------------------------------


async def _find(request: Request) -> Response:
    """Store the photo in the body in the run, and start a job that finds it."""
    studio: Studio = request.app.state.studio
    name = stored_name(request.query_params.get("name", "photo.jpg"))
    steps = integer(request, "steps", 0, 0, 2000)
    received = bytearray()
    async for block in request.stream():
        received += block
        if len(received) > MAX_PHOTO_BYTES:
            raise RequestError(413, "too_large", f"A photo may have {MAX_PHOTO_BYTES // 2**20} MiB at most.")
    if not received:
        raise RequestError(400, "source", "The photo is empty.")
    return json_answer(await run_in_threadpool(_start_find, studio, request, name, bytes(received), steps))


def _start_find(studio: Studio, request: Request, name: str, contents: bytes, steps: int) -> Any:
    """Store a photo in a run, and start the job that finds it."""
    run_id, path = _run(studio, request)
    found_id = secrets.token_hex(8)
    folder = require_own(path / FOLDER / "found", path)
    photo = folder / f"{found_id}-photo{Path(name).suffix}"
    with run_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        with photo.open("xb") as file:
            file.write(contents)
    words = ["find", str(path), str(photo), "-o", str(folder / f"{found_id}.png")]
    words += ["--steps", f"{steps}"] if steps else []

    def work(job: Job) -> Any:
        progress = studio.jobs.progress(job)
        found = studio.hand.run((EXPLORER, "find"), str(path), str(photo), found_id, steps, progress=progress)
        pictures = {name: studio.images.add(found.pop(name)) for name in ("photo", "image")}
        trajectory = [studio.images.add(image) for image in found.pop("trajectory")]
        return {"found": found_id, "position": {"found": found_id}, **pictures, "trajectory": trajectory, **found}

    job = Job("find", name, {"run": run_id}, command_text(words), work, studio.hand.cancel)
    return {"job": studio.jobs.add(job).to_dict(), "command": job.command}


def nearest_words(run: Path, position: Position, count: int) -> list[str] | None:
    """Return `nearest` with the options that mean a position; None if no options mean the same."""
    words = sample_words(run, [position])
    if words is None:
        return None
    options = ["--seed" if word == "--seeds" else word for word in words[1:]]
    return ["nearest", *options, *(["-n", f"{count}"] if count != DEFAULT_COUNT else [])]


def _nearest(studio: Studio, request: Request, order: NearestOrder) -> Any:
    """Start a job that finds the training images nearest to an image."""
    run_id, path = _run(studio, request)
    checked = order.position.checked()
    words = nearest_words(path, order.position, order.count) if _is_default(studio, run_id, order.which) else None
    command = None if words is None else command_text(words)
    if order.dry:
        return {"command": command}

    def work(job: Job) -> Any:
        progress = studio.jobs.progress(job)
        found = studio.hand.run((EXPLORER, "nearest"), str(path), order.which, checked, order.count, progress=progress)
        images = [{"url": studio.images.add(one.pop("image")), **one} for one in found["nearest"]]
        return {"image": studio.images.add(found["image"]), "nearest": images, "very_near": found["very_near"]}

    job = Job("nearest", path.name, {"run": run_id}, command, work, studio.hand.cancel)
    return {"job": studio.jobs.add(job).to_dict(), "command": command}
