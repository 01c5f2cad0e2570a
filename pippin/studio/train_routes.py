"""Routes to plan, to start, pause, resume and stop trainings, and to watch runs."""

import shlex
from pathlib import Path
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pippin.runs.documents import PAUSE
from pippin.studio.answers import Body, RequestError
from pippin.studio.jobs import Job
from pippin.studio.orders import Order, command_text, described_settings, preparation_words, setting_words
from pippin.studio.places import path_id
from pippin.studio.routing import integer, png, route
from pippin.studio.run_files import snapshot_name
from pippin.studio.sets import PictureSet
from pippin.studio.sheets import reduced_sheet
from pippin.studio.state import Studio
from pippin.studio.worker import TASKS

DEFAULT_SIZE = 64
"""Image size in the name of a run if the user leaves it open."""


class Nothing(Body):
    """A body without content."""


class Resume(Body):
    """How to resume a run."""

    minutes: float | None = None
    batches: int | None = None
    dry: bool = False


class Quit(Body):
    """How to end the studio."""

    stop_training: bool = False


def train_routes() -> list[BaseRoute]:
    """Return the routes to plan and train."""
    return [
        route("/api/settings", lambda studio, request: described_settings()),
        route("/api/plan", _plan, "POST", Order),
        route("/api/runs", lambda studio, request: {"runs": studio.runs.summaries()}),
        route("/api/runs", _start, "POST", Order, 201),
        route("/api/runs/{run}", lambda studio, request: studio.runs.details(request.path_params["run"])),
        route("/api/runs/{run}/curves", _curves),
        route("/api/runs/{run}/snapshots", _snapshots),
        route("/api/runs/{run}/snapshots/{batch}.png", _snapshot),
        route("/api/runs/{run}/latest.png", _latest),
        route("/api/runs/{run}/output", _output),
        route("/api/runs/{run}/pause", _pause, "POST", Nothing),
        route("/api/runs/{run}/stop", _stop, "POST", Nothing),
        route("/api/runs/{run}/resume", _resume, "POST", Resume),
        route("/api/quit", _quit, "POST", Quit),
    ]


# -- planning and starting ---------------------------------------------------------------------------------------------


def _words(studio: Studio, verb: Literal["plan", "train"], order: Order, source: str) -> list[str]:
    """Return the command of an order without the run's folder."""
    words = [verb, source, *setting_words(order.preset, order.image_size, order.checked_settings())]
    words += preparation_words(order.checked_preparation())
    if order.from_run is not None and verb == "train":
        words += ["--from", str(studio.runs.path(order.from_run))]
    return words


def _run_name(order: Order, chosen: PictureSet) -> str:
    """Return the name of the folder of an order's run."""
    size = order.image_size or DEFAULT_SIZE
    return order.run or f"{chosen.stored.name}-{size}-{order.preset}"


def _plan(studio: Studio, request: Request, order: Order) -> Any:
    """Start a job that plans a training."""
    chosen = studio.sets.get(order.set)
    source = studio.sets.source_of(chosen)
    command = command_text(_words(studio, "plan", order, source))
    if order.dry:
        return {"command": command}
    settings, options = order.checked_settings(), order.checked_preparation().non_default()
    run_id, path = studio.runs.new_path(_run_name(order, chosen))

    def work(job: Job) -> Any:
        progress = studio.jobs.progress(job)
        arguments = source, str(path), order.preset, order.image_size, settings, options, order.speed
        found = studio.speeds.add_to(studio.hand.run((TASKS, "plan"), *arguments, progress=progress))
        existing = None
        if studio.runs.exists(run_id):
            summary = studio.runs.summary(run_id)
            text = f"{path} has trained {summary['batches']:,} batches."
            existing = {"run": run_id, "batches": summary["batches"], "state": summary["state"], "text": text}
        train = command_text([*_words(studio, "train", order, source), "--run", str(path)])
        return {**found, "existing": existing, "command": train}

    job = Job("plan", chosen.stored.name, {"set": chosen.id}, command, work, studio.hand.cancel)
    return {"job": studio.jobs.add(job).to_dict(), "command": command}


def _start(studio: Studio, request: Request, order: Order) -> Any:
    """Start a training in a process of its own."""
    chosen = studio.sets.get(order.set)
    run_id, path = studio.runs.new_path(_run_name(order, chosen))
    if order.dry:
        words = _words(studio, "train", order, studio.sets.source_of(chosen))
        return {"command": command_text([*words, "--run", str(path)])}
    if studio.runs.exists(run_id):
        raise RequestError(409, "exists", "There is a run of this name; resume it, or choose another name.")
    source = studio.sets.source_of(chosen, path.name)
    words = [*_words(studio, "train", order, source), "--run", str(path)]
    studio.runs.trainings.start(run_id, path, words, None, chosen.id)
    return {"run": studio.runs.summary(run_id), "command": command_text(words)}


# -- pausing, stopping and resuming ------------------------------------------------------------------------------------


def _pause(studio: Studio, request: Request, body: Nothing) -> Any:
    """Let the process that trains a run wait."""
    run_id, path = request.path_params["run"], _folder(studio, request)
    studio.runs.trainings.request_pause(run_id, path)
    return {"state": "stopping", "run": run_id, "command": shlex.join(["touch", str(path / PAUSE)])}


def _stop(studio: Studio, request: Request, body: Nothing) -> Any:
    """Ask the process that trains a run to save a checkpoint and end."""
    run_id = request.path_params["run"]
    studio.runs.trainings.request_stop(run_id, _folder(studio, request))
    return {"state": "stopping", "run": run_id}


def _folder(studio: Studio, request: Request) -> Path:
    """Return the folder of the run of a request, also of one that is only starting."""
    run_id = request.path_params["run"]
    studio.runs.summary(run_id)  # there must be such a run
    training = studio.runs.trainings.get(run_id)
    return Path(training.run) if training else studio.runs.path(run_id)


def _resume(studio: Studio, request: Request, body: Resume) -> Any:
    """Resume a run, or train it for longer."""
    run_id = request.path_params["run"]
    given = {"minutes": body.minutes, "batches": body.batches}
    length = {name: value for name, value in given.items() if value is not None}
    if len(length) > 1:
        raise RequestError(400, "settings", "Give the minutes or the batches, not both.")
    training = studio.runs.trainings.get(run_id)
    if not length and not body.dry and studio.runs.trainings.end_pause(run_id, path := _folder(studio, request)):
        return {"run": studio.runs.summary(run_id), "command": shlex.join(["rm", str(path / PAUSE)])}
    if studio.runs.exists(run_id):
        words = studio.runs.resume_words(run_id, length)
        engine, path = str(studio.runs.files(run_id).about()["engine"]), studio.runs.path(run_id)
    elif training is not None and not length:
        words, engine, path = training.words, None, Path(training.run)
    else:
        words, engine, path = None, None, studio.runs.path(run_id)
    if not words:
        raise RequestError(
            409, "run", "This run was begun in Python, with arrays or networks of its own; resume it there."
        )
    if body.dry:
        return {"command": command_text(words)}
    studio.runs.trainings.start(run_id, path, words, engine, training.set if training else None)
    return {"run": studio.runs.summary(run_id), "command": command_text(words)}


def _quit(studio: Studio, request: Request, body: Quit) -> Any:
    """End the server, and trainings that a studio started only if the user asks for it."""
    if body.stop_training:
        studio.runs.trainings.stop_all()
    request.app.state.end()
    return {"ended": True}


# -- watching ----------------------------------------------------------------------------------------------------------


def _curves(studio: Studio, request: Request) -> Any:
    points = integer(request, "points", 400, 10, 2000)
    return studio.runs.files(request.path_params["run"]).curves(points)


def _snapshots(studio: Studio, request: Request) -> Any:
    """Answer with the batches of the snapshots."""
    files = studio.runs.files(request.path_params["run"])
    return {
        "batches": files.snapshot_batches(),
        "url": f"/api/runs/{path_id(files.path.resolve())}/snapshots/{{batch}}.png",
        "columns": 8,
        "rows": 8,
        "gap": 2,
        "image_size": files.about()["settings"]["image_size"],
        "version": files.snapshots_version(),
    }


def _snapshot(studio: Studio, request: Request) -> Response:
    """Answer with the sheet of a snapshot."""
    text = request.path_params["batch"]
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise RequestError(404, "not_found", "There is no such picture.")
    return _sheet(studio, request, snapshot_name(int(text)))


def _latest(studio: Studio, request: Request) -> Response:
    return _sheet(studio, request, "latest.png")


def _sheet(studio: Studio, request: Request, name: str) -> Response:
    """Answer with a sheet of a run, reduced if the page wants that."""
    side = integer(request, "side", 0, 0, 4096)
    contents = studio.runs.files(request.path_params["run"]).picture(name)
    if contents is not None and side:
        contents = reduced_sheet(contents, side)
    return png(contents)


def _output(studio: Studio, request: Request) -> Any:
    """Answer with what a training printed."""
    run_id = request.path_params["run"]
    studio.runs.summary(run_id)  # there must be such a run
    return {"lines": studio.runs.trainings.output(run_id)[-200:]}
