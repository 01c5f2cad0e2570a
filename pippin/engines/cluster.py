"""Training in several processes, on one or more machines, with JAX's own runtime.

All processes run the same command. The first one leads: it alone writes the run, makes the checkups and decides what is
trained next. The others follow: they compute their part of each batch.
"""

import os
from dataclasses import dataclass
from typing import Any

from pippin.engines import choose
from pippin.errors import EngineError

HEARTBEAT_SECONDS = 60
"""Seconds without a sign of life after which JAX's runtime counts a process as lost and ends the others. Its default of
100 wastes more of an expensive machine; a busy machine or network may delay signs of life by several seconds."""


@dataclass(frozen=True)
class Cluster:
    """Where the processes of a training meet. What is None is taken from what SLURM, Kubernetes or Open MPI announce.

    Attributes:
        coordinator: Address and port of the first process, such as "node1:1234".
        processes: Number of processes.
        index: Number of this process, from 0.
    """

    coordinator: str | None = None
    processes: int | None = None
    index: int | None = None


def join(cluster: Cluster) -> None:
    """Connect this process with the others. Call it before anything is computed.

    Raises:
        EngineError: the engine is not JAX, the description is incomplete, or the processes do not meet.
    """
    os.environ["KERAS_BACKEND"] = engine = choose()
    if engine != "jax":
        raise EngineError(
            f"Several processes can train together on JAX only; set KERAS_BACKEND=jax. Received: engine={engine}"
        )
    import jax

    try:
        jax.distributed.initialize(
            cluster.coordinator,
            cluster.processes,
            cluster.index,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (ValueError, TypeError, RuntimeError, KeyError, OSError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise EngineError(
            f"The processes cannot be connected ({reason}); start them under SLURM, Kubernetes or Open MPI, or give "
            f"--coordinator, --processes and --process. Received: {cluster}"
        ) from None


def is_leader() -> bool:
    """Return whether this process is the first one, or the only one."""
    return _index() == 0


def process_count() -> int:
    """Return the number of processes that train together."""
    jax = _joined()
    return int(jax.process_count()) if jax else 1


def describe() -> str:
    """Return which process this is, for messages."""
    return f"process {_index()} of {process_count()}"


def broadcast(tree: Any) -> Any:
    """Return the leader's nested structure of arrays in every process. Each must pass one of the same shapes."""
    from jax.experimental import multihost_utils

    return multihost_utils.broadcast_one_to_all(tree)


def was_lost(problem: BaseException) -> bool:
    """Return whether an exception says that another process was lost."""
    return process_count() > 1 and type(problem).__name__ in ("JaxRuntimeError", "XlaRuntimeError")


def _index() -> int:
    jax = _joined()
    return int(jax.process_index()) if jax else 0


def _joined() -> Any:
    """Return JAX if this process has joined others, else None. JAX is not loaded for that."""
    import sys

    jax = sys.modules.get("jax")
    return jax if jax is not None and jax.distributed.is_initialized() else None
