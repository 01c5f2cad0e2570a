"""The runs that the page shows: where they are, who trains them, and what they say about themselves."""

import os
import shlex
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pippin.errors import RunError
from pippin.host.text import portable_name, printable
from pippin.pictures import Preparation
from pippin.runs.documents import PAUSE, SETTINGS
from pippin.session.lock import current_holder
from pippin.session.pause import waiting_process
from pippin.studio.answers import RequestError, not_found
from pippin.studio.config import StudioConfig
from pippin.studio.health import health
from pippin.studio.orders import command_text, preparation_words, setting_words
from pippin.studio.places import path_id
from pippin.studio.run_files import RunFiles
from pippin.studio.sets import PictureSets, short_path
from pippin.studio.stored import FOLDER
from pippin.studio.trainings import INTERRUPTED, Training, Trainings

SCAN_SECONDS = 1.0
"""Time for which the list of the run folders is used before it is read again."""

MOST_FINDINGS = 50
"""Number of the last findings that a page gets."""

BUILT_IN, ARRAY = "built-in:", "array:"
"""Beginnings of the stored names of sources that are no paths."""


class Runs:
    """The runs in the folder of runs and in the folders that the user named.

    Args:
        config: the arguments of the studio.
        sets: the picture sets.
        trainings: the trainings that studios started.
    """

    def __init__(self, config: StudioConfig, sets: PictureSets, trainings: Trainings) -> None:
        self._root, self._named = config.runs_root, config.folders
        self._sets, self.trainings = sets, trainings
        self._files: dict[str, RunFiles] = {}
        self._scanned = 0.0
        self._lock = threading.RLock()

    def files(self, run_id: str) -> RunFiles:
        """Return the files of a run. Raises a `RequestError` if there is none."""
        self._scan()
        if run_id not in self._files:
            self._scan(again=True)
        if run_id not in self._files:
            raise not_found("run")
        return self._files[run_id]

    def path(self, run_id: str) -> Path:
        """Return the folder of a run as the command line takes it. Raises a `RequestError` if there is none."""
        return self.files(run_id).path

    def new_path(self, name: str) -> tuple[str, Path]:
        """Return the id and the folder of a run that is to be made.

        Args:
            name: the name of the folder.

        Raises:
            RequestError: it is the folder of the studio.
        """
        path = self._root / (portable_name(name).lstrip(".-") or "run")
        if path.name == FOLDER:
            raise RequestError(400, "settings", f"A run cannot be called {FOLDER}; choose another name.")
        return path_id(path.resolve()), path

    def exists(self, run_id: str) -> bool:
        """Return whether there is a run."""
        self._scan(again=True)
        return run_id in self._files

    def _scan(self, again: bool = False) -> None:
        """Find the runs."""
        with self._lock:
            if not again and time.monotonic() - self._scanned < SCAN_SECONDS:
                return
            found: dict[str, RunFiles] = {}
            for folder in (self._root, *self._named):
                top = folder.resolve()
                for path in [folder, *_folders(folder)]:
                    resolved = path.resolve()
                    if os.path.lexists(path / SETTINGS) and resolved.is_relative_to(top):
                        run_id = path_id(resolved)
                        known = self._files.get(run_id)
                        found.setdefault(run_id, known if known is not None else RunFiles(path))
            self._files, self._scanned = found, time.monotonic()

    # -- what the page gets --------------------------------------------------------------------------------------------

    def summaries(self) -> list[dict[str, Any]]:
        """Return the summaries of all runs, the newest first."""
        self._scan()
        found = [self.summary(run_id) for run_id in list(self._files)]
        found += [
            self._starting(run_id, training)
            for run_id, training in self.trainings.items()
            if run_id not in self._files and _is_recent(training, self.trainings.is_alive(run_id))
        ]
        return sorted(found, key=lambda summary: summary["changed"], reverse=True)

    def summary(self, run_id: str) -> dict[str, Any]:
        """Return the summary of a run.

        Raises:
            RequestError: there is no such run.
        """
        training = self.trainings.get(run_id)
        try:
            files = self.files(run_id)
        except RequestError:
            if training is None:
                raise
            return self._starting(run_id, training)
        try:
            return self._summary(run_id, files, training)
        except RunError as problem:
            summary = _empty_summary(run_id, files.path)
            return {**summary, "state": "damaged", "message": printable(str(problem)), "changed": 0.0}

    def _summary(self, run_id: str, files: RunFiles, training: Training | None) -> dict[str, Any]:
        about, checkpoint = files.about(), files.checkpoint()
        settings = about["settings"]
        state, message = self._state(run_id, files, training)
        latest = {
            name: max(checkpoint.get(name) or 0, files.last_log().get(name) or 0)
            for name in ("batches", "seconds", "compile_seconds")
        }
        source = str(about["source"])
        chosen = self._set_of(source, training)
        version = files.latest_version()
        return {
            **_empty_summary(run_id, files.path),
            "state": state,
            **latest,
            "goal_batches": settings.get("batches"),
            "goal_minutes": settings.get("minutes"),
            "progress": 1.0 if state == "finished" else _progress(settings, latest["batches"], latest["seconds"]),
            "image_size": settings["image_size"],
            "channels": about.get("channels", 3),
            "labels": [printable(label) for label in about.get("labels", [])],
            "preset": settings["preset"],
            "source": printable(source),
            "set": chosen,
            "created": _changed(files.path / "generator.json", 0.0),
            "changed": max(_changed(files.path / name, 0.0) for name in ("log.jsonl", SETTINGS)),
            "latest": None if version is None else f"/api/runs/{run_id}/latest.png?v={version}",
            "best": files.best(),
            "message": message,
        }

    def _set_of(self, source: str, training: Training | None) -> str | None:
        """Return the id of the picture set that a run was trained on, if it is known."""
        if training is not None and training.set is not None:
            return training.set
        chosen = self._sets.of_source(source)
        return None if chosen is None else chosen.id

    def _starting(self, run_id: str, training: Training) -> dict[str, Any]:
        """Return the summary of a run that has no folder yet: its training starts, or failed before it began."""
        alive = self.trainings.is_alive(run_id)
        output = self.trainings.output(run_id)
        if alive:
            state = "starting" if training.wanted == "train" else "stopping"
        else:
            state = "failed" if training.wanted == "train" else "stopped"
        summary = _empty_summary(run_id, Path(training.run))
        message = output[-1] if output else None
        return {**summary, "state": state, "message": message, "set": training.set, "changed": training.started}

    def _state(self, run_id: str, files: RunFiles, training: Training | None) -> tuple[str, str | None]:
        """Return the state of a run, and what is wrong, if something is."""
        holder, alive = current_holder(files.path), self.trainings.is_alive(run_id)
        wanted = training.wanted if training else "train"
        if holder is not None or alive:
            pid = holder["pid"] if holder else training.pid if training else None
            if wanted == "stop" and training is not None and training.asked == pid:
                return "stopping", None
            waiting = waiting_process(files.path) if holder else None
            if waiting is not None:
                return ("paused" if waiting == pid else "stopping"), None
            return ("training" if holder else "starting"), None
        if files.checkpoint().get("finished"):
            return "finished", None
        if training is not None and wanted == "train" and training.code not in (None, 0, INTERRUPTED):
            output = self.trainings.output(run_id)
            return "failed", output[-1] if output else f"exit code {training.code}"
        return {"pause": "paused", "stop": "stopped"}.get(wanted, "interrupted"), None

    def details(self, run_id: str) -> dict[str, Any]:
        """Return all that the page shows of a run besides pictures and curves.

        Raises:
            RequestError: there is no such run.
        """
        summary = self.summary(run_id)
        if summary["state"] == "damaged" or run_id not in self._files:
            found = health(summary["state"], 0, summary["message"], [])
            return {**summary, "held_by": None, "live": {}, "health": found, "findings": [], "settings": []}
        files = self.files(run_id)
        about, checkups = files.about(), files.checkups()
        batches = files.snapshot_batches()
        findings = [
            {"batch": checkup["batches"], "text": printable(text)}
            for checkup in checkups
            for text in checkup["findings"]
        ]
        return {
            **summary,
            "held_by": self._holder(run_id, files),
            "live": _live(summary, files.last_log(), checkups, about["settings"]),
            "health": health(summary["state"], summary["batches"], summary["message"], checkups),
            "findings": findings[-MOST_FINDINGS:],
            "settings": [
                {"name": name, "value": value, "reason": printable(about["reasons"].get(name, ""))}
                for name, value in about["settings"].items()
                if value is not None
            ],
            "snapshots": {
                "count": len(batches),
                "first": batches[0] if batches else None,
                "last": batches[-1] if batches else None,
                "version": files.snapshots_version(),
            },
            "log_version": files.log_version(),
            "command": self._command(run_id, files, summary["state"]),
            "about": {name: about[name] for name in ("engine", "machine", "pictures", "held_out", "versions")},
        }

    def _command(self, run_id: str, files: RunFiles, state: str) -> str | None:
        """Return the command that does what the first button of a run does: pause it, or resume it."""
        pause = str(files.path / PAUSE)
        if state == "training":
            return shlex.join(["touch", pause])
        if state == "paused" and current_holder(files.path):
            return shlex.join(["rm", pause])
        words = self.resume_words(run_id)
        return None if words is None else command_text(words)

    def _holder(self, run_id: str, files: RunFiles) -> dict[str, Any] | None:
        """Return who trains a run."""
        holder = current_holder(files.path)
        if holder is None:
            return None
        texts = {name: printable(str(holder.get(name))) for name in ("user", "host", "since")}
        training = self.trainings.get(run_id)
        own = training is not None and training.pid == holder["pid"]
        return {"pid": holder["pid"], **texts, "here": holder["here"], "verified": holder["verified"], "studio": own}

    def resume_words(self, run_id: str, length: dict[str, float] | None = None) -> list[str] | None:
        """Return the command that resumes a run, without `pippin`; None if its pictures were an array in Python.

        Args:
            run_id: the id of the run.
            length: `minutes` or `batches` in all, if the run shall be trained for longer.
        """
        files = self.files(run_id)
        about = files.about()
        source, settings = str(about["source"]), about["settings"]
        if source.startswith(ARRAY) or (about.get("derived") and {"features", "latent_dim"} & set(about["derived"])):
            return None
        given = {name: settings[name] for name in about.get("given", []) if settings.get(name) is not None}
        given = {name: value for name, value in given.items() if name not in ("image_size", "preset")}
        parent = given.pop("from_run", None)
        if length:
            given = {name: value for name, value in given.items() if name not in ("minutes", "batches")} | length
        return [
            "train",
            short_path(Path(source)) if os.path.isabs(source) else source.removeprefix(BUILT_IN),
            *setting_words(settings["preset"], settings["image_size"], given),
            *preparation_words(Preparation.from_dict(about.get("preparation"))),
            *(["--from", str(parent)] if parent else []),
            *("--run", str(files.path)),
        ]


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder; none if it cannot be read."""
    with suppress(OSError), os.scandir(folder) as entries:
        return [folder / entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    return []


def _is_recent(training: Training, alive: bool) -> bool:
    """Return whether a training without a run is shown: it starts, or it failed less than a day ago."""
    return training.pid > 0 and (alive or time.time() - training.started < 86_400)


def _empty_summary(run_id: str, path: Path) -> dict[str, Any]:
    """Return the summary of a run of which nothing is known."""
    nothing: list[str] = ["goal_batches", "goal_minutes", "image_size", "channels", "preset", "source", "set"]
    return {
        "id": run_id,
        "name": printable(path.name),
        "path": printable(str(path)),
        **dict.fromkeys([*nothing, "latest", "best", "message", "progress"]),
        "batches": 0,
        "seconds": 0.0,
        "compile_seconds": 0.0,
        "labels": [],
        "created": 0.0,
    }


def _changed(path: Path, otherwise: float) -> float:
    """Return when a file changed, in seconds since 1970."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return otherwise


def _progress(settings: dict[str, Any], batches: int, seconds: float) -> float | None:
    """Return how much of a training is done, 0 to 1; None if that is unknown."""
    if settings.get("batches"):
        return min(1.0, batches / settings["batches"])
    return min(1.0, seconds / 60 / settings["minutes"]) if settings.get("minutes") else None


def _live(
    summary: dict[str, Any], last: dict[str, Any], checkups: list[dict[str, Any]], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the latest figures of a training."""
    speed, left = last.get("images_per_second"), None
    if settings.get("minutes"):
        left = max(0.0, 60 * settings["minutes"] - summary["seconds"])
    elif settings.get("batches") and speed:
        left = max(0, settings["batches"] - summary["batches"]) * settings["batch_size"] / speed
    figures = {name: last.get(name) for name in ("d_loss", "g_loss")}
    checkup = {name: checkups[-1].get(name) if checkups else None for name in ("kid", "diversity", "augment")}
    running = summary["state"] == "training"
    return {
        **figures,
        **checkup,
        "batches": summary["batches"],
        "images_per_second": speed,
        "seconds_left": left if running else None,
    }
