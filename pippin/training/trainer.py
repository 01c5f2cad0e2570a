"""The training loop: a pair of networks and a dataset, from any state to the end of the run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from pippin.engines import Engine
from pippin.networks import Networks, treats_images_independently
from pippin.networks.groups import group_count
from pippin.pictures import Labels, cycle_labels, one_hot
from pippin.settings import Settings
from pippin.training import anchors, draws
from pippin.training.anchors import Anchors
from pippin.training.clock import TrainingClock
from pippin.training.cluster_steps import ClusterSteps, make_runner
from pippin.training.health import Health
from pippin.training.schedule import schedule_at
from pippin.training.step import State, initial_state

TICK = 50
"""Batches between two ticks, the progress reports of the loop (as StyleGAN's code calls them). Measures are read from
the device only at a tick, so the engine can work ahead in between. 50 batches take a few seconds on a processor."""


@dataclass(frozen=True)
class Tick:
    """A progress report.

    Attributes:
        batches: Batches trained so far.
        images_seen: Real images seen so far.
        seconds: Training time so far in seconds, over all training sessions of the run, without compiling.
        compile_seconds: Time spent on compiling so far in seconds, over all training sessions of the run.
        images_per_second: Real images per second since the last tick; 0 at the first.
        progress: Completed share of the run, 0 to 1.
        seconds_left: Estimated time to the end in seconds; None at the first tick of a run with a number of batches.
        measures: The mean of each measure since the last tick, over steps whose losses were finite, and the share of
            those steps as `finite`; empty at the first tick.
        done: Whether training has ended.
    """

    batches: int
    images_seen: int
    seconds: float
    compile_seconds: float
    images_per_second: float
    progress: float
    seconds_left: float | None
    measures: dict[str, float]
    done: bool


class Trainer:
    """The training of a pair of networks.

    Args:
        engine: See `pippin.engines`.
        settings: See `pippin.settings`.
        networks: See `pippin.networks`.
        images: The training set: uint8 (N, S, S, C), or an object that returns such images for `images[indices]`. If it
            has an attribute `labels` that is not None, training is conditional.
        anchors: The anchors that the run began with; None: they are assigned when they are first needed.

    Attributes:
        labels: Labels of the images; None if they have none.
        latent_dim: Dimensions of the generator's latents, without labels.
        rule: The update rule, one of `pippin.training.step.RULES`.
        steps_per_call: Most batches that are trained in one call of the compiled step. Set it to 1 to see the state
            after each batch.
        clock: Training time and compile time so far.
        health: Problems found so far, and the corrections made.
    """

    def __init__(
        self, engine: Engine, settings: Settings, networks: Networks, images: Any, anchors: Anchors | None = None
    ):
        self.engine, self.settings, self.images = engine, settings, images
        self.labels: Labels | None = getattr(images, "labels", None)
        self.latent_dim: int = networks.generator.input_shape[1] - (len(self.labels) if self.labels else 0)
        self.rule = settings.rule
        if self.rule == "auto":
            self.rule = "relativistic" if treats_images_independently(networks.discriminator) else "alternating"
        self.networks, self.generator = networks, networks.generator
        self.clock = TrainingClock()
        self.health = Health()
        self._anchors = anchors
        self._runner = make_runner(engine, networks, self.rule, settings, images, self._draw)
        self.steps_per_call = self._runner.steps_per_call
        self._state = self._runner.put(initial_state(networks.generator, networks.discriminator))
        self._batches = 0

    @property
    def batches(self) -> int:
        """Batches trained so far."""
        return self._batches

    @property
    def seconds(self) -> float:
        """Training time so far in seconds, without compiling."""
        return self.clock.seconds

    @property
    def packed_state(self) -> State:
        """The state as the engine's execution packs it; see `pippin.training.packing`."""
        return self._state

    @property
    def state(self) -> State:
        """The state, as tensors of the engine; see `pippin.training.step.initial_state`."""
        return self._runner.unpack(self._state)

    @property
    def progress(self) -> float:
        """Completed share of the run, 0 to 1."""
        return self._progress_at(self.batches)

    def _progress_at(self, batches: int) -> float:
        """Return the completed share of the run after a number of batches; with `minutes`, that of now."""
        if self.settings.minutes is not None:
            return min(1.0, self.seconds / (60 * self.settings.minutes))
        assert self.settings.batches is not None
        return min(1.0, batches / self.settings.batches)

    @property
    def anchored_per_batch(self) -> int:
        """Images in a batch that are generated from anchors."""
        return round(self.settings.anchored * self.settings.batch_size) if self.rule == "relativistic" else 0

    @property
    def anchors(self) -> Anchors | None:
        """The anchors of the training images; None if no image is generated from them."""
        if self._anchors is None and self.anchored_per_batch:
            free = self.latent_dim - self.networks.noise_dimensions
            self._anchors = anchors.assign(self.networks, self.images, free, self.labels)
        return self._anchors

    def load(self, state: State, seconds: float, health: Health, compile_seconds: float = 0.0) -> None:
        """Load a checkpoint.

        Args:
            state: NumPy arrays with the structure of `state_on_host`.
            seconds: Training time until then in seconds.
            health: Health at that time.
            compile_seconds: Time spent on compiling until then in seconds.
        """
        self._state, self.health = self._runner.put(state), health
        self.clock = TrainingClock(seconds, compile_seconds)
        self._batches = int(state["steps"])

    def restore(self, state: State) -> None:
        """Return to the weights of an earlier state, but keep the number of steps and images."""
        counters = {name: self._state[name] for name in ("steps", "images_seen")}
        self._state = self._runner.share({**self._runner.put(state), **counters}, announce=True)

    def state_on_host(self) -> State:
        """Return the state as NumPy arrays, after all pending computation."""
        return self._runner.to_host(self._state)

    def has_finite_averages(self) -> bool:
        """Return whether all moving averages of the networks, such as those of batch normalisation, are finite."""
        state = self.state
        averages = [state[player]["stats"] for player in ("generator", "discriminator", "ema_generator")]
        arrays = [np.asarray(array) for array in keras.tree.flatten(self.engine.to_host(averages))]
        return all(np.isfinite(array).all() for array in arrays if array.dtype.kind not in "iub")

    def train(
        self,
        extra_tick: Callable[[int], bool] = lambda batches: False,
        planned_tick: Callable[[int], bool] = lambda batches: False,
        on_batch_begin: Callable[[int], None] = lambda batches: None,
        on_batch_end: Callable[[int, Mapping[str, Any]], None] = lambda batches, measures: None,
    ) -> Iterator[Tick]:
        """Train to the end of the run.

        Args:
            extra_tick: Called as `extra_tick(batches)` after each call of the step; returns whether to yield a tick.
            planned_tick: Called as `planned_tick(batches)`; returns whether there is a tick after that many batches,
                which is known beforehand, so a call of several steps ends there.
            on_batch_begin: Called as `on_batch_begin(batches)` before each batch, with the number of batches so far.
            on_batch_end: Called as `on_batch_end(batches, measures)` after each batch. The measures are tensors that
                the engine may still be computing.

        With several steps in a call, `on_batch_begin` is called for all of its batches before it, and `on_batch_end`
        after it.

        Yields:
            A tick at the start, every `TICK` batches, where `extra_tick` or `planned_tick` asks for one, and at the
            end.
        """
        measured: list[Mapping[str, Any]] = []
        self.clock.start()
        last_tick = self.seconds
        _ = self.anchors  # assigned here, because the time that it takes counts
        self._share()
        yield self._make_tick({}, 0.0)
        while self.progress < 1.0:
            first, count = self.batches, self._batches_in_next_call(planned_tick)
            for batches in range(first, first + count):
                on_batch_begin(batches)
            done = self.run_batches(count) if count > 1 else [self.step()]
            for batches, measures in enumerate(done, first + 1):
                on_batch_end(batches, measures)
            measured += done
            self.clock.read()
            asked = extra_tick(self.batches) or planned_tick(self.batches)
            if self.batches % TICK == 0 or asked or self.progress >= 1.0:
                means = self._means(measured)  # waits for the engine
                self.clock.read()
                speed = len(measured) * self.settings.batch_size / (self.seconds - last_tick)
                measured = []
                yield self._make_tick(means, speed)
                last_tick = self.clock.now()  # without the time that the caller took for the tick

    def _share(self) -> None:
        """Make the state and the anchors of the first process those of all processes that train together."""
        self._anchors = self._runner.share_anchors(self._anchors)
        self._state = self._runner.share(self._state, announce=False)

    def follow(self) -> None:
        """Compute this process's part of each batch while another process trains, until it calls `end`."""
        assert isinstance(self._runner, ClusterSteps)
        self._share()
        self._runner.follow(self._state)

    def end(self) -> None:
        """Let the processes that follow this one end. Call it once after `train`, also if that was not completed."""
        self._runner.end()

    def _batches_in_next_call(self, planned_tick: Callable[[int], bool]) -> int:
        """Return how many batches the next call trains: it ends at a tick or at the end of the run."""
        for count in range(1, self.steps_per_call):
            batches = self.batches + count
            if batches % TICK == 0 or batches == self.settings.batches or planned_tick(batches):
                return count
        return self.steps_per_call

    def step(self) -> dict[str, Any]:
        """Train one batch.

        Returns:
            The step's measures, float32 scalar tensors.
        """
        return dict(self.run_batches(1)[0])

    def run_batches(self, count: int) -> list[Mapping[str, Any]]:
        """Train a number of batches, at most `steps_per_call`.

        Returns:
            Each step's measures, float32 scalars that the engine may still be computing.
        """
        schedules = [self.scheduled(n) for n in range(self.batches, self.batches + count)]
        self._state, measured = self._runner.run(self._state, self.batches, schedules)
        self._batches += count
        return measured

    def scheduled(self, n: int) -> dict[str, float]:
        """Return the scheduled values of step n, with the corrections of the health checks."""
        planned = schedule_at(self.settings, self._progress_at(n), n * self.settings.batch_size)
        return self.health.adjust(planned)

    def _draw(self, n: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Return which images are in the batch of step n, and the batch without its images and its schedule."""
        settings = self.settings
        size, count, assigned = settings.batch_size, self.anchored_per_batch, self.anchors
        drawn = draws.step_draws(settings.seed, n, size, self.latent_dim, self.generator.output_shape[-1])
        if self.labels is None:
            chosen = draws.batch_indices(settings.seed, n, size - count, len(self.images))
        else:
            chosen = draws.labelled_batch_indices(settings.seed, n, size - count, self.labels)
        if assigned is not None:
            anchored = anchors.insert(assigned, count, settings.seed, n, drawn, self.labels)
            chosen = np.concatenate([anchored, chosen])
        if self.networks.group_heads:
            draws.share_geometry(drawn["augment"], group_count(size))
        if self.labels is not None:
            drawn["labels"] = one_hot(self.labels.indices[chosen], len(self.labels))
            drawn["latents"] = np.concatenate([drawn["latents"], drawn["labels"]], axis=1)
        return chosen, {"anchored": (np.arange(size) < count).astype(np.float32), **drawn}

    def lower_step(self) -> Any:
        """Return the lowered computation of the step, on JAX: JAX' object that compiles it and describes it."""
        return self._runner.lower(self._state, self.batches, self.scheduled(self.batches))

    def fixed_latents(self, count: int, labels: np.ndarray | None = None) -> np.ndarray:
        """Return latents that stay the same along the run, for snapshots and validation.

        Args:
            count: Number of latents.
            labels: int64 (count,), the label of each image; None: the labels in turn.

        Returns:
            float32 (count, latent_dim), or (count, latent_dim + L) with one-hot labels.
        """
        latents = draws.fixed_latents(self.settings.seed, count, self.latent_dim)
        if self.labels is None:
            return latents
        if labels is None:
            labels = cycle_labels(range(count), len(self.labels))
        return np.concatenate([latents, one_hot(labels, len(self.labels))], axis=1)

    def _make_tick(self, measures: dict[str, float], speed: float) -> Tick:
        """Return a tick for the current state of the loop."""
        if self.settings.minutes is not None:
            left: float | None = max(0.0, 60 * self.settings.minutes - self.seconds)
        else:
            assert self.settings.batches is not None
            images_left = (self.settings.batches - self.batches) * self.settings.batch_size
            left = images_left / speed if speed else None
        return Tick(
            batches=self.batches,
            images_seen=self.batches * self.settings.batch_size,
            seconds=self.seconds,
            compile_seconds=self.clock.compile_seconds,
            images_per_second=speed,
            progress=self.progress,
            seconds_left=left,
            measures=measures,
            done=self.progress >= 1.0,
        )

    def _means(self, measured: list[Mapping[str, Any]]) -> dict[str, float]:
        """Return the mean of each measure over steps whose losses were finite, and the share of those as `finite`."""
        values = [{name: float(value) for name, value in self.engine.to_host(dict(m)).items()} for m in measured]
        finite = [value for value in values if value["finite"] == 1.0]
        means = {name: float(np.mean([value[name] for value in finite])) if finite else 0.0 for name in values[0]}
        return {**means, "finite": len(finite) / len(values)}
