"""`pippin.train`: from a source of images to a finished run."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from pippin.engines import cluster
from pippin.errors import PippinError, SettingsError, TrainingError
from pippin.host.text import portable_name
from pippin.pictures import Dataset, Preparation
from pippin.runs.folder import check_unused
from pippin.runs.network_files import check_rebuildable
from pippin.runs.run import Run, is_run, open_run
from pippin.session.callbacks import CallbackReporter, check_callbacks
from pippin.session.following import follow, lost_process_message, tell_followers
from pippin.session.lock import remove_stale_lock, training_lock
from pippin.session.memory import is_out_of_memory
from pippin.session.plan import plan
from pippin.session.reporting import CompositeReporter, Reporter
from pippin.session.resume import CHANGED_PICTURES, STOP, resumed_plan
from pippin.session.training_session import TrainingSession
from pippin.settings import Settings


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
    changed_pictures: str = STOP,
    **settings: Any,
) -> Run:
    """Train a generator on the images of a source. The same call resumes a run that was interrupted.

    With a larger number of `batches` or `minutes`, it trains a run for longer, also a finished one.

    Args:
        source: a folder, an archive, an array (N, H, W[, C]), …; see `pippin.pictures.sources.open_source`. "apples"
            is the built-in set.
        run: folder of the run. The default is `runs/NAME-SIZE-PRESET`.
        generator: your own built Keras model, latents (B, latent_dim) → images (B, S, S, C) in [−1, 1]. C is the number
            of channels of the images. The default is the preset's generator.
        discriminator: your own built Keras model, images (B, S, S, C) → logits (B, 1). The default is the preset's.
        image_size: side of the images in pixels, a power of two from 16 to 512. The default is the image size of the
            given networks; or else 64, or less if most images are smaller.
        preset: "standard" or "classic": the networks that are not given, and the settings.
        preparation: how images are prepared; see `pippin.Preparation`.
        from_run: a run, or its folder, whose layers this run starts from, where they have the same names and fit. Its
            images must have the same number of channels and must not be larger.
        reporter: an object that is notified of the progress.
        callbacks: Keras callbacks, called as in `fit` with a tick as an epoch; see `pippin.session.callbacks`.
        changed_pictures: if the pictures differ from those that the run was begun with: "stop" with an error,
            "prepared" resumes with those that were prepared for the run, if they are still in the cache, and "new"
            continues with the new ones.
        **settings: other fields of `pippin.settings.Settings`, such as `batches`, `minutes`, `batch_size`, `seed`.

    Returns:
        The finished run.

    Raises:
        PippinError: see `pippin.errors` for its kinds. The last checkpoint is kept.
        KeyboardInterrupt: training was interrupted by Ctrl-C, SIGTERM or SIGHUP. A checkpoint is saved first, unless
            the run cannot be written or Ctrl-C was pressed twice.
    """
    reporter = (reporter or Reporter()) if cluster.is_leader() else Reporter()
    check_callbacks(callbacks)
    if changed_pictures not in CHANGED_PICTURES:
        known = ", ".join(CHANGED_PICTURES)
        raise SettingsError(f"changed_pictures must be one of {known}. Received: changed_pictures={changed_pictures!r}")
    if from_run is not None:
        parent = from_run.path if isinstance(from_run, Run) else Path(from_run)
        if run is None or not is_run(run):  # a run that has a checkpoint resumes without its parent
            open_run(parent)  # report a wrong parent before preparing the images
        settings["from_run"] = str(parent.resolve())
    made = plan(
        source,
        generator=generator,
        discriminator=discriminator,
        image_size=image_size,
        preset=preset,
        preparation=preparation,
        progress=reporter.on_prepare_progress,
        **settings,
    )
    reporter.on_prepare_end(made.dataset)
    path = Path(run) if run is not None else default_path(made.dataset, made.settings)
    if not cluster.is_leader():
        with training_errors(path, made.settings):
            return follow(path, made, changed_pictures)
    existing = open_run(path) if is_run(path) else None
    if existing is None:
        check_unused(path)
    else:
        made = resumed_plan(existing, made, changed_pictures)
        if existing.finished and made.settings == existing.settings:
            tell_followers(has_opened=False)
            remove_stale_lock(path)
            reporter.on_train_end(existing, already_finished=True)
            return existing
    made.check_memory()
    check_rebuildable(made.networks[:2])
    with training_lock(path), training_errors(path, made.settings):
        if existing is None and is_run(path):  # another process made it meanwhile
            made = resumed_plan(open_run(path), made, changed_pictures)
        session = TrainingSession.open(path, made)
        tell_followers(has_opened=True)
        reporters = [reporter, CallbackReporter(callbacks, session.trainer)] if callbacks else [reporter]
        session.train(CompositeReporter(*reporters))
        return session.run


@contextmanager
def training_errors(path: Path, settings: Settings) -> Iterator[None]:
    """Turn an error that says that memory ran out or that a process was lost into a `TrainingError`; pass others on."""
    try:
        yield
    except PippinError:
        raise
    except Exception as problem:
        batches = open_run(path).batches if is_run(path) else 0
        if not is_out_of_memory(problem):
            if cluster.was_lost(problem):
                raise TrainingError(lost_process_message(path, batches)) from None
            raise
        raise TrainingError(
            f"Memory ran out. The checkpoint of batch {batches:,} is kept; close other programs and run the same "
            "command, or train another run with a smaller --batch-size or --image-size. "
            f"Received: batch_size={settings.batch_size}, image_size={settings.image_size}"
        ) from None


def default_path(dataset: Dataset, settings: Settings) -> Path:
    """Return the default folder of a run. Its name is valid on every system, unless an earlier run has another one."""
    ending = f"-{settings.image_size}-{settings.preset}"
    earlier = Path("runs") / f"{dataset.name}{ending}"
    return earlier if os.path.isdir(earlier) else Path("runs") / f"{portable_name(dataset.name)}{ending}"
