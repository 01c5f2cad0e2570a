"""One training session of a run: open it, train, report, validate, save, finish."""

import dataclasses
import functools
import importlib
import os
import platform
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import pippin
from pippin import engines
from pippin.errors import TrainingError
from pippin.host.interrupts import SavedInterrupt, interrupts
from pippin.pictures import Dataset
from pippin.runs.documents import PAUSE
from pippin.runs.folder import Folder
from pippin.runs.report import EventLog, write_page
from pippin.runs.run import Run, is_run, open_run
from pippin.runs.snapshots import SNAPSHOT_LATENTS
from pippin.session.callbacks import LazyMeasures
from pippin.session.checkups import Validator, is_checkup, reference_note
from pippin.session.following import ending_together
from pippin.session.pause import Pause
from pippin.session.plan import Plan
from pippin.session.reporting import Reporter
from pippin.session.resume import changed_length, changes
from pippin.session.storage import Storage
from pippin.session.transfer import start_from, start_from_synthetic
from pippin.settings import SYNTHETIC
from pippin.training.health import Finding
from pippin.training.trainer import Tick, Trainer

SAVE_SECONDS = 60
"""Seconds after which the next tick saves a checkpoint: a power failure loses no more than this and one tick. There is
a checkpoint after every checkup too, so that the best state is never newer than the checkpoint for long."""


@dataclass
class TrainingSession:
    """A run, its trainer, and its validator, which checks the generated images during training.

    Attributes:
        run: the run on disk.
        trainer: the trainer, with the state of the last checkpoint.
        validator: makes the checkups; see `pippin.session.checkups`.
        resumed: whether the run had trained batches before this session.
        notes: sentences for the user about how the session starts.
    """

    run: Run
    trainer: Trainer
    validator: Validator
    resumed: bool
    notes: tuple[str, ...] = ()
    storage: Storage = field(init=False)

    @classmethod
    def open(cls, path: Path, plan: Plan) -> "TrainingSession":
        """Open or create a run, and load its last checkpoint.

        A run without a checkpoint starts from the run `from_run`, if the settings name one, or else with the weights
        that the setting `start` names. That includes a run that was killed after its folder was created and before its
        first checkpoint.

        Args:
            path: folder of the run.
            plan: the plan; for an existing run, one of `pippin.session.resume.resumed_plan`.

        Raises:
            RunError: the run is damaged, was made with other networks, or cannot be written; or `from_run` cannot be
                used.
        """
        settings, networks = plan.settings, plan.networks
        folder, notes, has_new_pictures = None, [], False
        if is_run(path):
            run = open_run(path)
            folder = run.folder
            notes = folder.repair()
            if changed := changed_length(run, plan.choice):
                folder.change_length(plan.choice)
                notes.append(changed)
            has_new_pictures = folder.about["fingerprint"] != plan.dataset.fingerprint
        start = {}
        if not (folder and folder.has_checkpoint):
            if settings.from_run:
                start = {"start": start_from(open_run(settings.from_run), networks)}
            elif settings.start == SYNTHETIC:
                start = {"start": start_from_synthetic(networks)}
        training_set, held_out = plan.dataset.split(settings.held_out)
        counts = {"pictures": len(training_set), "held_out": len(held_out)}
        if folder is not None and has_new_pictures:
            notes.append(f"The run continues with other pictures: {changes(run, plan.dataset)}")
            folder.change_pictures({**_picture_facts(plan.dataset), **counts})
        if folder is None:
            note = reference_note(len(training_set), len(held_out)) if settings.checkup else None
            facts = {**_facts(plan), **counts, **({"notes": [note]} if note else {}), **start}
            folder = Folder.create(path, plan.choice, facts, networks[:2])
        folder.save_audit(plan.dataset.audit)
        trainer = Trainer(engines.current(), settings, networks, training_set, folder.load_anchors())
        if folder.has_checkpoint:
            trainer.load(*folder.load_checkpoint(trainer.state_on_host()))
            if trainer.health.best_kid is not None and folder.best is None:
                trainer.health.forget_best()
        if has_new_pictures:
            trainer.health.forget_best()  # it was scored with other pictures
            if trainer.anchors is not None:
                folder.save_anchors(trainer.anchors)
        folder.rewind()
        resumed = folder.batches > 0
        if not resumed:
            notes += folder.about.get("notes", ())
        return cls(open_run(path), trainer, Validator(trainer, training_set, held_out), resumed, tuple(notes))

    def train(self, reporter: Reporter) -> None:
        """Train until the run is finished, and save checkpoints, log and generated images on the way.

        Raises:
            KeyboardInterrupt: training was interrupted. It is a `SavedInterrupt` if a checkpoint was saved.
            TrainingError: training failed repeatedly; a checkpoint was saved.
            RunError: the run could not be written for a long time; see `pippin.session.storage`.
        """
        reporter.on_train_begin(self.run, self.trainer.rule, self.resumed)
        for note in self.notes:
            reporter.on_finding(self.run, note)
        with interrupts() as interrupted, EventLog(self.run) as events:
            tell = functools.partial(reporter.on_finding, self.run)
            self.storage = Storage(self.run.path, self.trainer, interrupted, tell)
            with ending_together(self.trainer):
                self._train(reporter, interrupted, events)
                self._finish()
        reporter.on_train_end(self.run, already_finished=False)

    def _finish(self) -> None:
        """Write the files of a finished run; last the checkpoint, which says that it is finished."""
        self.run = open_run(self.run.path)  # a generator that was loaded during training is not the trained one
        self.storage.write(lambda: self.run.export("keras"))
        self.storage.write(lambda: write_page(self.run, finished=True))
        self._save_checkpoint(finished=True)

    def _train(self, reporter: Reporter, interrupted: threading.Event, events: EventLog) -> None:
        """Train to the end; at every tick, write the log, validate, save and report."""
        trainer, last_save = self.trainer, time.perf_counter()
        pause = Pause(self.run.path, interrupted)

        def stops(batches: int) -> bool:
            return pause.is_wanted() or interrupted.is_set() or reporter.should_stop()

        def is_planned(batches: int) -> bool:
            return is_snapshot(batches) or self.is_checkup(batches)

        def on_batch_end(batches: int, measures: Mapping[str, Any]) -> None:
            reporter.on_batch_end(batches, LazyMeasures(trainer, measures))

        for tick in trainer.train(stops, is_planned, reporter.on_batch_begin, on_batch_end):
            if tick.batches == 0 and (anchors := trainer.anchors) is not None:
                self.storage.write(functools.partial(self.run.folder.save_anchors, anchors))
            findings = self._log_and_validate(tick, events) if tick.measures else []
            done = tick.done or reporter.should_stop() or any(finding.action == "stop" for finding in findings)
            snapshot = done or is_snapshot(tick.batches)
            pausing = pause.is_wanted()
            stopping = interrupted.is_set()  # read once: a signal from here on ends the session after the next batch
            due = time.perf_counter() - last_save > SAVE_SECONDS
            if snapshot or stopping or pausing or findings or due or self.is_checkup(tick.batches):
                self.save(tick, events, snapshot)
                last_save = time.perf_counter()
            reporter.on_tick(self.run, tick)
            for finding in findings:
                reporter.on_finding(self.run, finding.text)
            if done:
                break
            if stopping:
                raise SavedInterrupt
            if pausing:
                reporter.on_finding(
                    self.run, f"Paused after batch {tick.batches:,}; remove {self.run.path / PAUSE} to resume"
                )
                trainer.clock.exclude(pause.wait())
            if reporter.should_stop():  # since `on_tick`
                self.save(tick, events, snapshot=True)
                break

    def save(self, tick: Tick, events: EventLog, snapshot: bool) -> None:
        """Save a checkpoint, and the images generated from the fixed latents; as a snapshot or as the latest only."""
        images, folder, write = self._snapshot_images(), self.run.folder, self.storage.write
        write(lambda: folder.save_images(tick.batches, images, is_snapshot=snapshot))
        if snapshot:
            write(lambda: events.add_picture(tick.batches, folder.snapshot_files()[-1]))
        self._save_checkpoint()

    def _snapshot_images(self) -> np.ndarray:
        """Return the images generated from the fixed latents, uint8 (SNAPSHOT_LATENTS, S, S, C)."""
        return self.validator.generate(self.trainer.fixed_latents(SNAPSHOT_LATENTS))

    def _save_checkpoint(self, finished: bool = False) -> None:
        """Save the trainer's state as the last checkpoint."""
        state, clock, health = self.trainer.state_on_host(), self.trainer.clock, self.trainer.health
        save = self.run.folder.save_checkpoint
        self.storage.write(lambda: save(state, clock.seconds, health, finished, clock.compile_seconds))

    def is_checkup(self, batches: int) -> bool:
        """Return whether a checkup is due after this number of batches."""
        settings = self.trainer.settings
        return self.validator.possible and is_checkup(batches, settings.batch_size, settings.checkup)

    def _log_and_validate(self, tick: Tick, events: EventLog) -> list[Finding]:
        """Write the log, make a checkup if one is due, act on the findings, and return them.

        Raises:
            TrainingError: losses were not finite too often.
        """
        entry = self.storage.write(lambda: self.run.folder.append_log(log_entry(tick)))
        self.storage.write(lambda: events.add(entry))
        findings = self._check_finite(tick)
        if self.is_checkup(tick.batches) or (tick.done and self.run.best):
            findings += self._make_checkup(findings, events)
        if any(finding.action == "restore" for finding in findings):
            self._restore_best()
        return findings

    def _restore_best(self) -> None:
        """Return to the best state, if there is one and it is that of the checkup that the health checks know."""
        folder, trainer = self.run.folder, self.trainer
        if folder.best is not None and folder.best[0] == trainer.health.best_batches:
            best = folder.load_best(trainer.state_on_host())
            if best is not None:
                trainer.restore(best)

    def _check_finite(self, tick: Tick) -> list[Finding]:
        """Return the finding for losses or moving averages that were not finite, and restore the last checkpoint for
        the averages. Before a `TrainingError`, save a checkpoint if the state is finite."""
        trainer, finite = self.trainer, tick.measures["finite"]
        has_finite_averages = trainer.has_finite_averages()
        if finite == 1 and has_finite_averages:
            return []
        try:
            if has_finite_averages:
                return [trainer.health.not_finite(tick.batches, trainer.settings.learning_rate, finite == 0)]
            finding = trainer.health.averages_not_finite(tick.batches, trainer.settings.learning_rate)
        except TrainingError:
            if has_finite_averages:
                self._save_checkpoint()
            raise
        trainer.restore(self.run.folder.load_checkpoint(trainer.state_on_host()).state)
        return [finding]

    def _make_checkup(self, earlier: list[Finding], events: EventLog) -> list[Finding]:
        """Validate, save the state if it is the best one, and return the new findings."""
        trainer, health = self.trainer, self.trainer.health
        folder, write = self.run.folder, self.storage.write
        new = write(lambda: self.validator.rescore_best(folder))
        checkup = self.validator.validate()
        new += health.update(checkup, trainer.settings.augment_p)
        findings = [*earlier, *new]
        if health.is_best(checkup):
            state = trainer.state_on_host()
            write(lambda: folder.save_best(state, checkup.kid, checkup.network))
        entry = {
            **dataclasses.asdict(checkup),
            "rate": health.rate,
            "augment": health.augment,
            "findings": [finding.text for finding in findings],
        }
        write(lambda: folder.append_checkup(entry))
        write(lambda: events.add(entry))
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
        "compile_seconds": round(tick.compile_seconds, 2),
        "images_per_second": round(tick.images_per_second, 2),
        **tick.measures,
    }


def _picture_facts(dataset: Dataset) -> dict[str, Any]:
    """Return what `settings.json` says of the dataset."""
    return {
        "source": dataset.manifest["source"],
        "preparation": dataset.preparation.to_dict(),
        "channels": dataset.channels,
        "labels": list(dataset.labels.names) if dataset.labels else [],
        "fingerprint": dataset.fingerprint,
    }


def _facts(plan: Plan) -> dict[str, Any]:
    """Return what `settings.json` says of the dataset, the engine and the machine."""
    engine = engines.current()
    return {
        **_picture_facts(plan.dataset),
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
