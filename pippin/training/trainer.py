"""The loop: one pair of networks learns from one dataset, from wherever its state stands."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pippin.engines import Engine
from pippin.networks import Networks, treats_images_independently
from pippin.pictures import Labels, cycle_labels, one_hot
from pippin.settings import Settings
from pippin.training import anchors, draws
from pippin.training.anchors import Anchors
from pippin.training.health import Health
from pippin.training.schedule import schedule_at
from pippin.training.step import State, build_step, initial_state

TICK = 50
"""Batches between two ticks: often enough to look alive, seldom enough to cost nothing."""


@dataclass(frozen=True)
class Tick:
    """A moment to report: what happened since the last one.

    Attributes:
        batches: done so far.
        images_seen: real pictures seen so far.
        seconds: trained so far, all sittings together.
        images_per_second: since the last tick; 0 at the first.
        progress: 0 to 1.
        seconds_left: estimated, or None before there is a speed.
        measures: the mean of each measure since the last tick, over the steps that were finite; empty at the first.
        done: whether this was the last batch.
    """

    batches: int
    images_seen: int
    seconds: float
    images_per_second: float
    progress: float
    seconds_left: float | None
    measures: dict[str, float]
    done: bool


class Trainer:
    """A pair of networks, learning.

    Args:
        engine: see `pippin.engines`.
        settings: see `pippin.settings`.
        networks: see `pippin.networks`.
        images: uint8 (N, S, S, C), or anything that gives such pictures for `images[indices]`. Where those have
            `labels`, they are learnt, too.
        anchors: those that the run was begun with; None: found when they are needed.

    Attributes:
        labels: of the pictures; None where they have none.
        latent_dim: of the generator, without labels.
        rule: the rule that "auto" came to.
        state: see `pippin.training.step.initial_state`, as tensors of the engine.
        seconds: trained so far.
        health: what was found wrong so far, and what was done about it.
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
        self.state: State = engine.to_device(initial_state(networks.generator, networks.discriminator))
        self.seconds = 0.0
        self.health = Health()
        self._anchors = anchors
        self._step = build_step(engine, networks, self.rule)
        self._batches = 0

    @property
    def batches(self) -> int:
        """Batches done so far."""
        return self._batches

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1."""
        if self.settings.minutes is not None:
            return min(1.0, self.seconds / (60 * self.settings.minutes))
        assert self.settings.batches is not None
        return min(1.0, self.batches / self.settings.batches)

    @property
    def anchored(self) -> int:
        """Pictures of a batch that are painted from anchors."""
        return round(self.settings.anchored * self.settings.batch_size) if self.rule == "relativistic" else 0

    @property
    def anchors(self) -> Anchors | None:
        """The latents of real pictures; None where nothing is painted from them."""
        if self._anchors is None and self.anchored:
            self._anchors = anchors.find(self.networks, self.images, self.latent_dim, self.labels)
        return self._anchors

    def load(self, state: State, seconds: float, health: Health) -> None:
        """Go on from a state of `state_on_host`'s structure, the seconds that it took and what was found till then."""
        self.state, self.seconds, self.health = self.engine.to_device(state), seconds, health
        self._batches = int(state["steps"])

    def restore(self, state: State) -> None:
        """Go back to the weights of an earlier state, without training the batches since then again."""
        now = {name: self.state[name] for name in ("steps", "images_seen")}
        self.state = {**self.engine.to_device(state), **now}

    def state_on_host(self) -> State:
        """Return the state as NumPy arrays, waiting for what is still being computed."""
        return self.engine.to_host(self.state)

    def train(
        self,
        pause: Callable[[int], bool] = lambda batches: False,
        before: Callable[[int], None] = lambda batches: None,
        after: Callable[[int, dict[str, Any]], None] = lambda batches, measures: None,
    ) -> Iterator[Tick]:
        """Train to the end, yielding a tick at the start, every `TICK` batches, at each pause, and at the end.

        Args:
            pause: told the number of batches done, says whether to yield a tick there too.
            before: told the number of batches done before each.
            after: told it after each, and the step's measures, which the engine may still be computing.
        """
        measured: list[dict[str, Any]] = []
        sat_down, last_tick = time.perf_counter() - self.seconds, self.seconds
        _ = self.anchors  # found now, for it takes time that counts
        yield self._tick({}, 0.0)
        while self.progress < 1.0:
            before(self.batches)
            measured.append(self.step())
            after(self.batches, measured[-1])
            self.seconds = time.perf_counter() - sat_down
            if self.batches % TICK == 0 or pause(self.batches) or self.progress >= 1.0:
                means = self._means(measured)  # waits for what the engine computes in the background
                self.seconds = time.perf_counter() - sat_down
                speed = len(measured) * self.settings.batch_size / (self.seconds - last_tick)
                measured = []
                yield self._tick(means, speed)
                last_tick = time.perf_counter() - sat_down  # what was done with the tick is not the step's time

    def step(self) -> dict[str, Any]:
        """Train one batch.

        Returns:
            The step's measures, float32 scalar tensors.
        """
        settings, n = self.settings, self.batches
        size, count, found = settings.batch_size, self.anchored, self.anchors
        drawn = draws.step_draws(settings.seed, n, size, self.latent_dim, self.generator.output_shape[-1])
        if self.labels is None:
            chosen = draws.indices(settings.seed, n, size - count, len(self.images))
        else:
            chosen = draws.labelled_indices(settings.seed, n, size - count, self.labels)
        if found is not None:
            chosen = np.concatenate([anchors.tie(found, count, settings.seed, n, drawn, self.labels), chosen])
        if self.labels is not None:
            drawn["labels"] = one_hot(self.labels.indices[chosen], len(self.labels))
            drawn["latents"] = np.concatenate([drawn["latents"], drawn["labels"]], axis=1)
        schedule = self.health.adjust(schedule_at(settings, self.progress, n * size))
        batch = {
            "real_images": self.images[chosen],
            "anchored": (np.arange(size) < count).astype(np.float32),
            **drawn,
            "schedule": {name: np.float32(value) for name, value in schedule.items()},
        }
        self.state, measures = self._step(self.state, self.engine.to_device(batch))
        self._batches += 1
        return measures

    def fixed_latents(self, count: int, labels: np.ndarray | None = None) -> np.ndarray:
        """Return latents for looking at, with labels behind them where there are some.

        Args:
            count: how many.
            labels: int64 (count,), of each picture; in turn where it is None.
        """
        latents = draws.fixed_latents(self.settings.seed, count, self.latent_dim)
        if self.labels is None:
            return latents
        kinds = len(self.labels)
        which = cycle_labels(range(count), kinds) if labels is None else labels
        return np.concatenate([latents, one_hot(which, kinds)], axis=1)

    def _tick(self, measures: dict[str, float], speed: float) -> Tick:
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
            images_per_second=speed,
            progress=self.progress,
            seconds_left=left,
            measures=measures,
            done=self.progress >= 1.0,
        )

    def _means(self, measured: list[dict[str, Any]]) -> dict[str, float]:
        """Return each measure's mean over the steps whose losses were finite, and the share of those as `finite`."""
        values = [{name: float(value) for name, value in self.engine.to_host(m).items()} for m in measured]
        good = [value for value in values if value["finite"] == 1.0]
        means = {name: float(np.mean([value[name] for value in good])) if good else 0.0 for name in values[0]}
        return {**means, "finite": len(good) / len(values)}
