"""Running training steps in several processes: the first one leads, the others repeat what it announces."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pippin.engines import Engine, cluster
from pippin.networks import Networks
from pippin.settings import Settings
from pippin.training.anchors import Anchors
from pippin.training.packing import StatePacking
from pippin.training.runners import BlockSteps, Draw, Runner, Schedule, SingleSteps
from pippin.training.schedule import schedule_at
from pippin.training.step import State, build_step

RUN, LOAD, END = 1, 2, 3
"""What the leader announces: a call of the step, a new state, the end of training."""


class ClusterSteps(BlockSteps):
    """Runs several steps in a call, on all devices of all processes. For the arguments see `BlockSteps`.

    Each process draws the same random numbers, but reads only the images of its own rows of a batch.

    Args:
        names: The names of the scheduled values.
    """

    def __init__(self, *args: Any, names: tuple[str, ...]) -> None:
        super().__init__(*args)
        self._names = names

    def run(self, state: State, n: int, schedules: list[Schedule]) -> tuple[State, list[Mapping[str, Any]]]:
        """Announce the batches and train them; see `BlockSteps.run`. Called by the leader."""
        values = np.zeros((self.steps_per_call, len(self._names)), np.float32)
        values[: len(schedules)] = [[schedule[name] for name in self._names] for schedule in schedules]
        self._exchange(RUN, n, len(schedules), values)
        return super().run(state, n, schedules)

    def share(self, state: State, announce: bool) -> State:
        """See `Runner.share`."""
        if announce:
            self._exchange(LOAD)
        return self.loop.put(cluster.broadcast(self._engine.to_host(self.loop.local(state))))

    def share_anchors(self, anchors: Anchors | None) -> Anchors | None:
        """See `Runner.share_anchors`."""
        leads = cluster.is_leader() and anchors is not None
        shape = np.array(anchors.latents.shape if leads and anchors is not None else (0, 0), np.int32)
        count, dimensions = (int(side) for side in cluster.broadcast(shape))
        if not count:
            return None
        own = anchors if leads and anchors is not None else None
        pictures = own.pictures.astype(np.int32) if own else np.zeros(count, np.int32)
        latents = own.latents if own else np.zeros((count, dimensions), np.float32)
        pictures, latents = cluster.broadcast((pictures, latents))
        return Anchors(pictures.astype(np.int64), latents)

    def end(self) -> None:
        """See `Runner.end`."""
        self._exchange(END)

    def follow(self, state: State) -> None:
        """Train what the leader announces, until it ends."""
        while True:
            kind, n, count, values = self._exchange()
            if kind == END:
                return
            if kind == LOAD:
                state = self.share(state, announce=False)
                continue
            rows = [dict(zip(self._names, row, strict=True)) for row in values[:count].tolist()]
            state, _ = super().run(state, n, rows)

    def _exchange(
        self, kind: int = 0, n: int = 0, count: int = 0, values: np.ndarray | None = None
    ) -> tuple[int, int, int, np.ndarray]:
        """Return the leader's arguments in every process."""
        if values is None:
            values = np.zeros((self.steps_per_call, len(self._names)), np.float32)
        header, values = cluster.broadcast((np.array([kind, n, count], np.int32), values))
        kind, n, count = (int(value) for value in header)
        return kind, n, count, values


def make_runner(engine: Engine, networks: Networks, rule: str, settings: Settings, images: Any, draw: Draw) -> Runner:
    """Return what runs the steps with this engine on this hardware; for the arguments see `SingleSteps`."""
    execution = engine.execution()
    packing = StatePacking(networks.generator, networks.discriminator, execution.packed)
    if execution.steps_per_call == 1:
        compiled = build_step(engine, networks, rule, packing, settings.precision)
        return SingleSteps(engine, compiled, packing, images, draw)
    step = build_step(engine, networks, rule, packing, settings.precision, compiled=False)
    arguments = engine, step, packing, images, draw, execution, settings.batch_size
    if cluster.process_count() > 1:
        return ClusterSteps(*arguments, names=tuple(schedule_at(settings, 0.0, 0)))
    return BlockSteps(*arguments)
