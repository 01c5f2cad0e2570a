"""One sitting of training: a source, the networks and a run come together, and what happens is kept and told."""

import dataclasses
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import keras

import pippin
from pippin import engines
from pippin.errors import RunError, TrainingError
from pippin.networks import Networks
from pippin.pictures import Dataset, Preparation
from pippin.runs.folder import FIXED, check_writable
from pippin.runs.report import EventLog, write_page
from pippin.runs.run import Run, is_run, open_run
from pippin.session.callbacks import Callbacks, Measures, check_callbacks
from pippin.session.checkups import Examiner, is_checkup
from pippin.session.plan import Plan, plan
from pippin.session.reporting import Reporter, Several
from pippin.session.transfer import start_from
from pippin.settings import Choice, Settings
from pippin.training.health import Finding
from pippin.training.trainer import Tick, Trainer

SAVE_SECONDS = 60
"""Seconds of work that a power cut may cost."""


def train(
    source: Any,
    run: str | os.PathLike[str] | None = None,
    *,
    generator: keras.Model | None = None,
    discriminator: keras.Model | None = None,
    image_size: int | None = None,
    preset: str = "standard",
    preparation: Preparation | None = None,
    from_run: str | os.PathLike[str] | Run | None = None,
    reporter: Reporter | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **settings: Any,
) -> Run:
    """Learn to paint pictures like those of a source. The same call again goes on where the last one stopped.

    Args:
        source: a folder, an archive, an array (N, H, W[, C]), …; see `pippin.pictures.sources.open_source`. "apples"
            is the built-in set.
        run: folder of the run; `runs/NAME-SIZE-PRESET` where it is None.
        generator: your own built Keras model, latents (B, latent_dim) → images (B, S, S, C) in [−1, 1], with C
            channels as the pictures have them.
        discriminator: your own built Keras model, images → logits (B, 1).
        image_size: side of the pictures, a power of two from 16 to 256. Where it is None: that of the given networks,
            or 64, or less where the pictures are smaller.
        preset: "standard" or "classic", for the networks that are not given and for the settings.
        preparation: how the pictures are made alike; the usual way where it is None.
        from_run: a run, or its folder, whose layers this run starts from: those of the same name, as far as they fit.
            Its pictures must have as many channels, and not be larger.
        reporter: who is told how it goes.
        callbacks: Keras callbacks, called as in `fit`, a tick being an epoch; see `pippin.session.callbacks`.
        **settings: any other field of `pippin.settings.Settings`, such as `batches`, `minutes`, `batch_size`, `seed`.

    Returns:
        The finished run.

    Raises:
        PippinError: see `pippin.errors` for its kinds; nothing that was trained is lost.
        KeyboardInterrupt: somebody stopped it; the run is saved first.
    """
    reporter = reporter or Reporter()
    check_callbacks(callbacks)
    if from_run is not None:
        parent = from_run.path if isinstance(from_run, Run) else Path(from_run)
        if run is None or not is_run(run):  # one that goes on needs it no more
            open_run(parent)  # what is wrong is said before the pictures are looked at
        settings["from_run"] = str(parent.resolve())
    made = plan(
        source,
        generator=generator,
        discriminator=discriminator,
        image_size=image_size,
        preset=preset,
        preparation=preparation,
        progress=reporter.preparing,
        **settings,
    )
    reporter.prepared(made.dataset)
    path = Path(run) if run is not None else default_path(made.dataset, made.settings)
    if is_run(path):
        begun = open_run(path)
        made = _as_begun(begun, made)
        if begun.finished:
            reporter.finished(begun, already=True)
            return begun
        made = dataclasses.replace(made, networks=_networks_as_begun(begun, made.networks))
    made.check_memory()
    sitting = Sitting.begin(path, made)
    sitting.train(Several(reporter, Callbacks(callbacks, sitting.trainer)) if callbacks else reporter)
    return sitting.run


@dataclass
class Sitting:
    """A run, the trainer that works on it and the examiner that looks at what it paints."""

    run: Run
    trainer: Trainer
    examiner: Examiner
    going_on: bool

    @classmethod
    def begin(cls, path: Path, made: Plan) -> "Sitting":
        """Make the run, or load where it stands."""
        dataset, settings = made.dataset, made.settings
        pair = made.networks[:2]
        check_writable(pair)
        engine = engines.current()
        learnt, held_out = dataset.split(settings.held_out)
        if is_run(path):
            run = open_run(path)
        else:
            about = {
                "source": dataset.manifest["source"],
                "preparation": dataset.preparation.to_dict(),
                "channels": dataset.channels,
                "labels": list(dataset.labels.names) if dataset.labels else [],
                "pictures": len(learnt),
                "held_out": len(held_out),
                "fingerprint": dataset.fingerprint,
                "engine": engine.name,
                "versions": {"pippin": pippin.__version__, "keras": keras.__version__},
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, {engine.device()}",
            }
            if settings.from_run:
                about["start"] = start_from(open_run(settings.from_run), made.networks)
            run = Run.create(path, made.choice, about, pair)
        run.keep_audit(dataset.audit)
        trainer = Trainer(engine, settings, made.networks, learnt, run.load_anchors())
        going_on = run.batches > 0
        if going_on:
            trainer.load(*run.load_checkpoint(trainer.state_on_host()))
        run.rewind()
        return cls(run, trainer, Examiner(trainer, learnt, held_out), going_on)

    def train(self, reporter: Reporter) -> None:
        """Train to the end, keeping checkpoints, log and pictures on the way."""
        run, trainer = self.run, self.trainer
        latents = trainer.fixed_latents(FIXED)
        saved = time.perf_counter()
        reporter.started(run, run.about["reasons"], trainer.rule, self.going_on)
        with stop_on_signal() as stop, EventLog(run) as events:

            def pause(batches: int) -> bool:
                asked = stop.is_set() or reporter.wants_to_stop()
                return asked or is_moment(batches) or self.is_checkup(batches)

            def keep(tick: Tick, moment: bool) -> None:
                run.save_pictures(tick.batches, self.examiner.generate(latents), story=moment)
                if moment:
                    events.add_picture(tick.batches, run.story_files()[-1])
                run.save_checkpoint(trainer.state_on_host(), tick.seconds, trainer.health)

            def batch_ends(batches: int, measures: dict[str, Any]) -> None:
                reporter.batch_ends(batches, Measures(trainer, measures))

            for tick in trainer.train(pause, reporter.batch_begins, batch_ends):
                if tick.batches == 0 and trainer.anchors is not None:
                    run.save_anchors(trainer.anchors)
                findings = []
                if tick.measures:
                    events.add(run.append_log(log_entry(tick)))
                    findings = self.look(tick, events)
                done = tick.done or reporter.wants_to_stop() or any(finding.action == "stop" for finding in findings)
                moment = done or is_moment(tick.batches)
                stopping = stop.is_set()  # asked once: a signal that comes from here on waits for the next batch
                if moment or stopping or findings or time.perf_counter() - saved > SAVE_SECONDS:
                    keep(tick, moment)
                    saved = time.perf_counter()
                reporter.ticked(run, tick)
                for finding in findings:
                    reporter.noticed(run, finding.text)
                if done:
                    break
                if stopping:
                    raise KeyboardInterrupt
                if reporter.wants_to_stop():  # since it was told of the tick
                    keep(tick, moment=True)
                    break
        run.export_generator()
        run.save_checkpoint(trainer.state_on_host(), trainer.seconds, trainer.health, finished=True)
        write_page(run)
        reporter.finished(run, already=False)

    def is_checkup(self, batches: int) -> bool:
        """Whether it is time to look at how good the pictures are."""
        settings = self.trainer.settings
        return self.examiner.possible and is_checkup(batches, settings.batch_size, settings.checkup)

    def look(self, tick: Tick, events: EventLog) -> list[Finding]:
        """Look at what was trained since the last tick, do what is to be done about it, and keep the best."""
        run, trainer, health = self.run, self.trainer, self.trainer.health
        findings = []
        if tick.measures["finite"] < 1:
            try:
                findings.append(health.not_finite(tick.batches, trainer.settings.learning_rate))
            except TrainingError:
                run.save_checkpoint(trainer.state_on_host(), trainer.seconds, health)
                raise
        if self.is_checkup(tick.batches) or (tick.done and run.best):
            checkup = self.examiner.examine()
            findings += health.examine(checkup, trainer.settings.augment_p)
            state = trainer.state_on_host()
            if health.is_best(checkup):
                run.save_best(state, checkup.kid)
            if any(finding.action == "restore" for finding in findings) and (best := run.load_best(state)):
                trainer.restore(best)
            adjusted = {"rate": health.rate, "augment": health.augment}
            texts = [finding.text for finding in findings]
            events.add(run.append_checkup({**dataclasses.asdict(checkup), **adjusted, "findings": texts}))
        return findings


def is_moment(batches: int) -> bool:
    """Whether pictures are kept for the story: at 0, 50, 100, 250, 500, 1,000, 2,500, 5,000, 10,000, … batches."""
    if batches == 0:
        return True
    leading = batches
    while leading % 10 == 0:
        leading //= 10
    return batches >= 50 and leading in (1, 25, 5)


def log_entry(tick: Tick) -> dict[str, Any]:
    """Return a tick as a line of the log."""
    return {
        "batches": tick.batches,
        "images_seen": tick.images_seen,
        "seconds": round(tick.seconds, 2),
        "images_per_second": round(tick.images_per_second, 2),
        **tick.measures,
    }


def default_path(dataset: Dataset, settings: Settings) -> Path:
    """Return the folder of a run for which none was named."""
    return Path("runs") / f"{dataset.name}-{settings.image_size}-{settings.preset}"


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Turn Ctrl-C and a polite kill into an event, so that a batch is never torn; the second one interrupts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_begun(run: Run, made: Plan) -> Plan:
    """Return the plan as the run was begun: what was chosen then, for the memory of that day, stays.

    Raises:
        RunError: the run was made with other pictures, or what was asked for differs.
    """
    old, new = run.settings.to_dict(), made.settings.to_dict()
    begun = Choice(run.settings, run.about["reasons"])
    asked = made.choice.given | begun.given | {"preset", "image_size"}
    differing = [f"{name}={new[name]} (the run has {old[name]})" for name in asked if old[name] != new[name]]
    if differing:
        raise RunError(
            f"The run in {run.path} was made with other settings; choose another folder with --run. "
            f"Received: {', '.join(sorted(differing))}"
        )
    if run.about["fingerprint"] != made.dataset.fingerprint:
        raise RunError(
            f"The run in {run.path} was made with other pictures; choose another folder with --run. "
            f"Received: {made.dataset.manifest['source']} (the run has {run.about['source']})"
        )
    if run.channels != made.dataset.channels:
        raise RunError(
            f"The run in {run.path} was made with pictures of {run.channels} channels; go on with --channels "
            f"{run.channels}, or choose another folder with --run. Received: channels={made.dataset.channels}"
        )
    return dataclasses.replace(made, choice=begun)


def _networks_as_begun(run: Run, new: Networks) -> Networks:
    """Return the networks that the run has kept, with the weights of the new ones, where these fit.

    A later Pippin may build others of the same weights, and paint other pictures with what the run's have learnt. Where
    the weights do not fit either, the checkpoint will not, and says so.
    """
    kept = Networks(run.network("generator"), run.network("discriminator"), new.projector)
    for old, fresh in zip(kept[:2], new[:2], strict=True):
        if [weight.shape for weight in old.weights] != [weight.shape for weight in fresh.weights]:
            return new
        old.set_weights(fresh.get_weights())
    return kept
