"""One training session of a run: open it, train, report, validate, save, finish."""

import dataclasses
import importlib
import os
import platform
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import pippin
from pippin import engines
from pippin.errors import TrainingError
from pippin.runs.folder import Folder
from pippin.runs.network_files import check_rebuildable
from pippin.runs.report import EventLog, write_page
from pippin.runs.run import Run, is_run, open_run
from pippin.runs.snapshots import SNAPSHOT_LATENTS
from pippin.session.callbacks import LazyMeasures
from pippin.session.checkups import Validator, is_checkup, reference_note
from pippin.session.interrupts import interrupts
from pippin.session.plan import Plan
from pippin.session.reporting import Reporter
from pippin.session.transfer import start_from
from pippin.training.health import Finding
from pippin.training.trainer import Tick, Trainer

SAVE_SECONDS = 60
"""Longest time between two checkpoints, in seconds: the work that a power failure may lose."""


@dataclass
class TrainingSession:
    """A run, its trainer, and its validator, which checks the generated images during training.

    Attributes:
        run: the run on disk.
        trainer: the trainer, with the state of the last checkpoint.
        validator: makes the checkups; see `pippin.session.checkups`.
        resumed: whether the run had trained batches before this session.
    """

    run: Run
    trainer: Trainer
    validator: Validator
    resumed: bool

    @classmethod
    def open(cls, path: Path, plan: Plan) -> "TrainingSession":
        """Open or create a run, and load its last checkpoint.

        A run without a checkpoint starts from the run `from_run`, if the settings name one. That includes a run that
        was killed after its folder was created and before its first checkpoint.

        Args:
            path: folder of the run.
            plan: the plan; for an existing run, one of `pippin.session.resume.resumed_plan`.

        Raises:
            RunError: the run is damaged, was made with other networks, or cannot be written; or `from_run` cannot be
                used.
        """
        settings, networks = plan.settings, plan.networks
        check_rebuildable(networks[:2])
        folder = Folder(path) if is_run(path) else None
        start = {}
        if settings.from_run and not (folder and folder.has_checkpoint):
            start = {"start": start_from(open_run(settings.from_run), networks)}
        training_set, held_out = plan.dataset.split(settings.held_out)
        if folder is None:
            note = reference_note(len(training_set), len(held_out)) if settings.checkup else None
            notes = {"notes": [note]} if note else {}
            facts = {**_facts(plan), "pictures": len(training_set), "held_out": len(held_out), **notes, **start}
            folder = Folder.create(path, plan.choice, facts, networks[:2])
        folder.save_audit(plan.dataset.audit)
        trainer = Trainer(engines.current(), settings, networks, training_set, folder.load_anchors())
        if folder.has_checkpoint:
            trainer.load(*folder.load_checkpoint(trainer.state_on_host()))
        folder.rewind()
        return cls(open_run(path), trainer, Validator(trainer, training_set, held_out), resumed=folder.batches > 0)

    def train(self, reporter: Reporter) -> None:
        """Train until the run is finished, and save checkpoints, log and generated images on the way.

        Raises:
            KeyboardInterrupt: training was interrupted; a checkpoint was saved.
            TrainingError: training failed repeatedly; a checkpoint was saved.
        """
        reporter.on_train_begin(self.run, self.trainer.rule, self.resumed)
        for note in () if self.resumed else self.run.about.get("notes", ()):
            reporter.on_finding(self.run, note)
        with interrupts() as interrupted, EventLog(self.run) as events:
            self._train(reporter, interrupted, events)
        self.run = open_run(self.run.path)  # a generator that was loaded during training is not the trained one
        self.run.export("keras")
        state, seconds, health = self.trainer.state_on_host(), self.trainer.seconds, self.trainer.health
        self.run.folder.save_checkpoint(state, seconds, health, finished=True)
        write_page(self.run)
        reporter.on_train_end(self.run, already_finished=False)

    def _train(self, reporter: Reporter, interrupted: threading.Event, events: EventLog) -> None:
        """Train to the end; at every tick, write the log, validate, save and report."""
        trainer, last_save = self.trainer, time.perf_counter()

        def ends_tick(batches: int) -> bool:
            stops = interrupted.is_set() or reporter.should_stop()
            return stops or is_snapshot(batches) or self.is_checkup(batches)

        def on_batch_end(batches: int, measures: dict[str, Any]) -> None:
            reporter.on_batch_end(batches, LazyMeasures(trainer, measures))

        for tick in trainer.train(ends_tick, reporter.on_batch_begin, on_batch_end):
            if tick.batches == 0 and trainer.anchors is not None:
                self.run.folder.save_anchors(trainer.anchors)
            findings = self._log_and_validate(tick, events) if tick.measures else []
            done = tick.done or reporter.should_stop() or any(finding.action == "stop" for finding in findings)
            snapshot = done or is_snapshot(tick.batches)
            stopping = interrupted.is_set()  # read once: a signal from here on ends the session after the next batch
            if snapshot or stopping or findings or time.perf_counter() - last_save > SAVE_SECONDS:
                self.save(tick, events, snapshot)
                last_save = time.perf_counter()
            reporter.on_tick(self.run, tick)
            for finding in findings:
                reporter.on_finding(self.run, finding.text)
            if done:
                break
            if stopping:
                raise KeyboardInterrupt
            if reporter.should_stop():  # since `on_tick`
                self.save(tick, events, snapshot=True)
                break

    def save(self, tick: Tick, events: EventLog, snapshot: bool) -> None:
        """Save a checkpoint, and the images generated from the fixed latents; as a snapshot or as the latest only."""
        images = self.validator.generate(self.trainer.fixed_latents(SNAPSHOT_LATENTS))
        self.run.folder.save_images(tick.batches, images, is_snapshot=snapshot)
        if snapshot:
            events.add_picture(tick.batches, self.run.folder.snapshot_files()[-1])
        self.run.folder.save_checkpoint(self.trainer.state_on_host(), tick.seconds, self.trainer.health)

    def is_checkup(self, batches: int) -> bool:
        """Return whether a checkup is due after this number of batches."""
        settings = self.trainer.settings
        return self.validator.possible and is_checkup(batches, settings.batch_size, settings.checkup)

    def _log_and_validate(self, tick: Tick, events: EventLog) -> list[Finding]:
        """Write the log, make a checkup if one is due, act on the findings, and return them.

        Raises:
            TrainingError: losses were not finite too often.
        """
        events.add(self.run.folder.append_log(log_entry(tick)))
        findings = self._check_finite(tick) if tick.measures["finite"] < 1 else []
        if self.is_checkup(tick.batches) or (tick.done and self.run.best):
            findings += self._make_checkup(findings, events)
        return findings

    def _check_finite(self, tick: Tick) -> list[Finding]:
        """Return the finding for losses that were not finite; save a checkpoint before a `TrainingError`."""
        trainer = self.trainer
        try:
            return [trainer.health.not_finite(tick.batches, trainer.settings.learning_rate)]
        except TrainingError:
            self.run.folder.save_checkpoint(trainer.state_on_host(), trainer.seconds, trainer.health)
            raise

    def _make_checkup(self, earlier: list[Finding], events: EventLog) -> list[Finding]:
        """Validate, save the best state, restore it if the findings say so, and return the new findings."""
        trainer, health = self.trainer, self.trainer.health
        new = self.validator.rescore_best(self.run.folder)
        checkup = self.validator.validate()
        new += health.update(checkup, trainer.settings.augment_p)
        findings = [*earlier, *new]
        state = trainer.state_on_host()
        if health.is_best(checkup):
            self.run.folder.save_best(state, checkup.kid, checkup.network)
        if any(finding.action == "restore" for finding in findings) and (best := self.run.folder.load_best(state)):
            trainer.restore(best)
        entry = {
            **dataclasses.asdict(checkup),
            "rate": health.rate,
            "augment": health.augment,
            "findings": [finding.text for finding in findings],
        }
        events.add(self.run.folder.append_checkup(entry))
        return new


def is_snapshot(batches: int) -> bool:
    """Return whether a snapshot is saved: at 0, 50, 100, 250, 500, 1,000, 2,500, 5,000, 10,000, … batches."""
    if batches == 0:
        return True
    leading = batches
    while leading % 10 == 0:
        leading //= 10
    return batches >= 50 and leading in (1, 25, 5)


def log_entry(tick: Tick) -> dict[str, Any]:
    """Return the line of the log for a tick."""
    return {
        "batches": tick.batches,
        "images_seen": tick.images_seen,
        "seconds": round(tick.seconds, 2),
        "images_per_second": round(tick.images_per_second, 2),
        **tick.measures,
    }


def _facts(plan: Plan) -> dict[str, Any]:
    """Return what `settings.json` says of the dataset, the engine and the machine."""
    dataset, engine = plan.dataset, engines.current()
    return {
        "source": dataset.manifest["source"],
        "preparation": dataset.preparation.to_dict(),
        "channels": dataset.channels,
        "labels": list(dataset.labels.names) if dataset.labels else [],
        "fingerprint": dataset.fingerprint,
        "engine": engine.name,
        "versions": {
            "pippin": pippin.__version__,
            "keras": keras.__version__,
            engine.name: str(importlib.import_module(engine.name).__version__),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {engine.device()}",
    }
