"""Training together with other processes: what the followers do, and what is said when one is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pippin import engines
from pippin.engines import cluster
from pippin.host.interrupts import interrupts
from pippin.runs.run import Run, open_run
from pippin.session.plan import Plan
from pippin.session.resume import resumed_plan
from pippin.training.trainer import Trainer


def tell_followers(has_opened: bool) -> bool:
    """Let the followers open the run, or tell them that there is nothing to train; return the leader's answer.

    Args:
        has_opened: Whether the leader has opened the run for training; followers pass anything.
    """
    if cluster.process_count() == 1:
        return has_opened
    return bool(cluster.broadcast(np.int32(has_opened)))


def follow(path: Path, made: Plan, changed_pictures: str) -> Run:
    """Compute this process's part of a training that another process leads.

    Signals that end a training are left to the leader, which saves a checkpoint first.

    Args:
        path: folder of the run, which the leader writes and this process reads.
        made: the plan, made from the same arguments as the leader's.
        changed_pictures: see `pippin.session.resume.CHANGED_PICTURES`.
    """
    if not tell_followers(False):
        return open_run(path)
    made = resumed_plan(open_run(path), made, changed_pictures)
    training_set, _ = made.dataset.split(made.settings.held_out)
    with interrupts():
        Trainer(engines.current(), made.settings, made.networks, training_set).follow()
    return open_run(path)


@contextmanager
def ending_together(trainer: Trainer) -> Iterator[None]:
    """Let the followers end when the block ends, unless a process was lost: then nothing can be sent."""
    try:
        yield
    except BaseException as problem:
        if not cluster.was_lost(problem):
            trainer.end()
        raise
    trainer.end()


def lost_process_message(path: Path, batches: int) -> str:
    """Return what a process says when another one was lost."""
    return (
        f"Another process of this training was lost, so {cluster.describe()} ends too. The checkpoint of batch "
        f"{batches:,} is kept; start the same command again, with any number of processes. Received: {path}"
    )
