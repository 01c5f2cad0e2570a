"""Running training steps: one a call, or several a call with packed arrays, as the engine's `Execution` says."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
from keras import ops

from pippin.engines import Engine, Execution
from pippin.errors import SettingsError
from pippin.training.anchors import Anchors
from pippin.training.packing import StatePacking
from pippin.training.step import Batch, State, Step

Draw = Callable[[int], tuple[np.ndarray, dict[str, Any]]]
"""`draw(n) -> (indices, batch)`: which training images are in the batch of step n, int64 (B,), and the batch without
its images and its schedule."""

Schedule = dict[str, float]

WHOLE = ("augment",)
"""The entries of a batch that every device gets as a whole. They have 2B rows, for real and generated images, which are
not spread over the devices as the B images are; they are small."""


class Runner(ABC):
    """What runs training steps. If several processes train together, it also makes them agree; see `share`."""

    steps_per_call: int

    @abstractmethod
    def put(self, state: State) -> State:
        """Pack a state of NumPy arrays and copy it to the devices."""

    @abstractmethod
    def unpack(self, state: State) -> State:
        """Return all arrays of a packed state, as tensors on one device."""

    @abstractmethod
    def to_host(self, state: State) -> State:
        """Return all arrays of a packed state, NumPy arrays."""

    @abstractmethod
    def run(self, state: State, n: int, schedules: list[Schedule]) -> tuple[State, list[Mapping[str, Any]]]:
        """Train one batch for each schedule, beginning with step n.

        Returns:
            The state after it, and each step's measures, float32 scalars.
        """

    @abstractmethod
    def lower(self, state: State, n: int, schedule: Schedule) -> Any:
        """Return the lowered computation of step n, on JAX, for counting its operations."""

    def share(self, state: State, announce: bool) -> State:
        """Return the state of the first process in every process.

        Args:
            state: The own state.
            announce: Whether the other processes follow already, so that the first one must announce it.
        """
        return state

    def share_anchors(self, anchors: Anchors | None) -> Anchors | None:
        """Return the anchors of the first process in every process. Only the first one's argument counts."""
        return anchors

    def end(self) -> None:  # noqa: B027 (a single process has none to tell)
        """Tell the processes that follow that training has ended."""


class SingleSteps(Runner):
    """Runs steps one by one.

    Args:
        engine: See `pippin.engines`.
        step: The compiled step; see `pippin.training.step.build_step`.
        packing: How the step's state is packed.
        images: The training set: uint8 (N, S, S, C), or an object that returns such images for `images[indices]`.
        draw: See `Draw`.
    """

    steps_per_call = 1

    def __init__(self, engine: Engine, step: Step, packing: StatePacking, images: Any, draw: Draw) -> None:
        self._engine, self._packing, self._images, self._draw = engine, packing, images, draw
        self._step: Any = step

    def put(self, state: State) -> State:
        """See `Runner.put`."""
        return self._engine.to_device(self._packing.pack(state))

    def unpack(self, state: State) -> State:
        """See `Runner.unpack`."""
        return self._packing.unpack(state)

    def to_host(self, state: State) -> State:
        """See `Runner.to_host`."""
        return self._packing.unpack(self._engine.to_host(state))

    def run(self, state: State, n: int, schedules: list[Schedule]) -> tuple[State, list[Mapping[str, Any]]]:
        """See `Runner.run`."""
        measured: list[Mapping[str, Any]] = []
        for step, schedule in enumerate(schedules, n):
            state, measures = self._step(state, self._engine.to_device(self._batch(step, schedule)))
            measured.append(measures)
        return state, measured

    def lower(self, state: State, n: int, schedule: Schedule) -> Any:
        """See `Runner.lower`."""
        return self._step.lower(state, self._engine.to_device(self._batch(n, schedule)))

    def _batch(self, n: int, schedule: Schedule) -> Batch:
        """Return the batch of step n, NumPy arrays."""
        chosen, drawn = self._draw(n)
        return {"real_images": self._images[chosen], **drawn, "schedule": _float32(schedule)}


class BlockSteps(Runner):
    """Runs several steps in a call, on all devices.

    The batches of the next call are drawn and copied in another thread while the device computes.

    Args:
        engine, packing, images, draw: See `SingleSteps`.
        step: See `pippin.training.step.make_step`.
        execution: See `pippin.engines.execution`.
        batch_size: Real images in a batch.

    Raises:
        SettingsError: the devices cannot share the batch equally.
    """

    def __init__(
        self,
        engine: Engine,
        step: Step,
        packing: StatePacking,
        images: Any,
        draw: Draw,
        execution: Execution,
        batch_size: int,
    ) -> None:
        self.steps_per_call = execution.steps_per_call
        self._engine, self._packing, self._images, self._draw = engine, packing, images, draw
        self._unpack = engine.jit(packing.unpack)  # hundreds of slices, compiled as one program
        self.loop = engine.loop(step, select_images)
        if batch_size % self.loop.devices:
            raise SettingsError(
                f"The batch size must be a multiple of the number of devices, {self.loop.devices}. "
                f"Received: batch_size={batch_size}"
            )
        self._resident: Any = None
        self._resident_bytes = execution.resident_bytes
        self._thread = ThreadPoolExecutor(1, "next batches")
        self._next: tuple[int, Future[Batch]] | None = None

    def put(self, state: State) -> State:
        """See `Runner.put`."""
        return self.loop.put(self._packing.pack(state))

    def unpack(self, state: State) -> State:
        """See `Runner.unpack`."""
        return self._unpack(self.loop.local(state))

    def to_host(self, state: State) -> State:
        """See `Runner.to_host`."""
        return self._packing.unpack(self._engine.to_host(self.loop.local(state)))

    def run(self, state: State, n: int, schedules: list[Schedule]) -> tuple[State, list[Mapping[str, Any]]]:
        """Train one batch for each schedule, at most `steps_per_call`; see `Runner.run`."""
        count = len(schedules)
        batches = self._stacked(n, schedules)
        self._next = n + count, self._thread.submit(self._prepare, n + count)
        state, measures = self.loop(state, batches, count, self._resident)
        block = _Block(self.loop, measures)
        return state, [StepMeasures(block, k) for k in range(count)]

    def lower(self, state: State, n: int, schedule: Schedule) -> Any:
        """See `Runner.lower`; the computation is that of a call."""
        return self.loop.lower(state, self._stacked(n, [schedule]), 1, self._resident)

    def _stacked(self, n: int, schedules: list[Schedule]) -> Batch:
        """Return the stacked batches from step n on, as tensors."""
        if self._resident is None and self._fits():
            self._resident = self.loop.put(self._images[np.arange(len(self._images))])
        begun, self._next = self._next, None
        batches = begun[1].result() if begun is not None and begun[0] == n else self._prepare(n)
        padded = schedules + [schedules[-1]] * (self.steps_per_call - len(schedules))
        return {**batches, "schedule": self.loop.put(_stack([_float32(schedule) for schedule in padded]))}

    def _fits(self) -> bool:
        """Return whether the training set can be kept on the device."""
        first = self._images[np.zeros(1, np.int64)]
        return len(self._images) * first.nbytes <= self._resident_bytes

    def _prepare(self, n: int) -> Batch:
        """Draw the batches of one call from step n on, and copy them to the devices."""
        drawn = [self._draw(step) for step in range(n, n + self.steps_per_call)]
        indices = np.stack([chosen for chosen, _ in drawn]).astype(np.int32)
        stacked = _stack([batch for _, batch in drawn])
        batches = {name: self.loop.put(stacked.pop(name)) for name in WHOLE}
        batches |= {name: self.loop.put_rows(rows.shape, _reader(rows)) for name, rows in stacked.items()}
        if self._resident is not None:
            return {**batches, "indices": self.loop.put_rows(indices.shape, _reader(indices))}
        shape = self._images[indices[0, :1]].shape[1:]
        batches["real_images"] = self.loop.put_rows(
            (*indices.shape, *shape), lambda k, rows: self._images[indices[k, rows].astype(np.int64)]
        )
        return batches


def select_images(batch: Batch, images: Any) -> Batch:
    """Replace the entry `indices` of a batch by the resident images at these indices, if there are resident images."""
    if images is None:
        return batch
    rest = {name: value for name, value in batch.items() if name != "indices"}
    return {**rest, "real_images": ops.take(images, batch["indices"], axis=0)}


class _Block:
    """The measures of one call, copied to the host when the first of them is read."""

    def __init__(self, loop: Any, measures: dict[str, Any]) -> None:
        self._loop, self._measures = loop, measures
        self.names = tuple(measures)

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Name → float32 (K,)."""
        return {name: np.asarray(value) for name, value in self._loop.local(self._measures).items()}


class StepMeasures(Mapping[str, Any]):
    """The measures of one step of a call, float32 scalars. Reading one waits for the device."""

    def __init__(self, block: _Block, k: int) -> None:
        self._block, self._k = block, k

    def __getitem__(self, name: str) -> Any:
        return self._block.values[name][self._k]

    def __iter__(self) -> Iterator[str]:
        return iter(self._block.names)

    def __len__(self) -> int:
        return len(self._block.names)


def _float32(schedule: Schedule) -> dict[str, np.float32]:
    """Return a schedule as float32 scalars."""
    return {name: np.float32(value) for name, value in schedule.items()}


def _stack(dicts: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack the arrays of nested dicts on a new first axis."""
    return {
        name: _stack([one[name] for one in dicts])
        if isinstance(value, dict)
        else np.stack([one[name] for one in dicts])
        for name, value in dicts[0].items()
    }


def _reader(rows: np.ndarray) -> Callable[[int, slice], np.ndarray]:
    """Return the function that `put_rows` takes, for an array (K, B, …)."""
    return lambda k, part: rows[k, part]
