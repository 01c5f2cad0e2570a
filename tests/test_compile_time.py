"""The time of compiling, which is measured apart from the time of training."""

import time

import numpy as np
import pytest
import tiny

from pippin import engines
from pippin.cli.console import format_training_time
from pippin.engines.compile_time import CompileTime, compile_time
from pippin.host.heap import release_free_memory
from pippin.runs.run import open_run
from pippin.settings import Settings
from pippin.training import clock as clock_module
from pippin.training.clock import TrainingClock
from pippin.training.trainer import Trainer


class SlowToCompile:
    """A function that takes 50 ms in a call with a new shape."""

    def __init__(self):
        self.shapes = set()

    def __call__(self, array):
        if array.shape not in self.shapes:
            time.sleep(0.05)
            self.shapes.add(array.shape)
        return array + 1


def test_only_calls_that_compile_are_counted():
    times, function = CompileTime(), SlowToCompile()
    watched = times.watched(function, lambda: len(function.shapes))
    assert watched(np.ones(2)).tolist() == [2.0, 2.0]
    once = times.seconds
    assert once >= 0.05
    watched(np.ones(2))
    assert times.seconds == once
    watched(np.ones(3))
    assert times.seconds >= once + 0.05
    assert watched.shapes is function.shapes


def test_a_call_inside_another_one_is_counted_once():
    times, inner, outer_calls = CompileTime(), SlowToCompile(), []
    watched_inner = times.watched(inner, lambda: len(inner.shapes))

    def outer(array):
        outer_calls.append(array)
        return watched_inner(array)

    started = time.perf_counter()
    times.watched(outer, lambda: len(outer_calls))(np.ones(2))
    assert 0.05 <= times.seconds <= time.perf_counter() - started


def test_a_failed_compilation_is_counted_too():
    times, calls = CompileTime(), []

    def failing():
        calls.append(1)
        raise ValueError("it does not compile")

    with pytest.raises(ValueError, match="does not compile"):
        times.watched(failing, lambda: len(calls))()
    assert times.seconds > 0


def test_the_engine_counts_each_compilation_once():
    engine = engines.current()
    function = engine.jit(lambda x: (x * 2.0 + 1.0,), donate=True)
    before = compile_time.seconds
    function(engine.to_device(np.ones(3, "float32")))
    first = compile_time.seconds
    assert first > before
    function(engine.to_device(np.ones(3, "float32")))
    assert compile_time.seconds == first
    function(engine.to_device(np.ones(4, "float32")))
    assert compile_time.seconds > first


class FakeTime:
    """Stands for the module `time` and the compile time of the process."""

    def __init__(self, monkeypatch):
        self.now, self.seconds = 100.0, 7.0
        monkeypatch.setattr(clock_module.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(clock_module, "compile_time", self)

    def compile(self, seconds):
        self.now += seconds
        self.seconds += seconds

    def train(self, seconds):
        self.now += seconds


def test_the_clock_separates_compiling_from_training(monkeypatch):
    fake = FakeTime(monkeypatch)
    clock = TrainingClock(seconds=60.0, compile_seconds=5.0)
    fake.train(1000)  # before the training begins
    clock.start()
    fake.compile(20)
    fake.train(3)
    assert clock.now() == 63
    assert clock.seconds == 60, "nothing was read"
    clock.read()
    assert (clock.seconds, clock.compile_seconds) == (63, 25)
    fake.train(10)
    clock.exclude(8)  # a full disk
    fake.compile(4)  # the networks of the first checkup
    clock.read()
    assert (clock.seconds, clock.compile_seconds) == (65, 29)


def trainer_of(**settings):
    networks = tiny.build("standard", 16, tiny.LATENT_DIM)
    return Trainer(engines.current(), Settings(image_size=16, batch_size=4, **settings), networks, tiny.pictures(8))


def test_minutes_count_no_compiling(monkeypatch):
    trainer = trainer_of(batches=None, minutes=0.5, features="none", latent_dim=tiny.LATENT_DIM, anchored=0.0)
    fake = FakeTime(monkeypatch)
    done = []

    def run_batches(count):
        fake.compile(100.0 if not done else 0.0)
        fake.train(10.0)
        done.append(count)
        trainer._batches += count
        return [trainer.engine.to_device({"d_loss": np.float32(1), "finite": np.float32(1)})] * count

    monkeypatch.setattr(trainer, "run_batches", run_batches)
    ticks = list(trainer.train(planned_tick=lambda batches: True))
    assert [tick.seconds for tick in ticks] == [0, 10, 20, 30]
    assert [tick.seconds_left for tick in ticks] == [30, 20, 10, 0]
    assert [tick.compile_seconds for tick in ticks] == [0, 100, 100, 100]
    assert {tick.images_per_second for tick in ticks[1:]} == {0.4}


def test_a_run_keeps_both_times(tmp_path):
    before = compile_time.seconds
    stopped = tiny.train_until(3, tmp_path / "run")
    spent = compile_time.seconds - before
    first = stopped.compile_seconds
    assert 0 < first <= spent
    run = tiny.train(tmp_path / "run")
    assert run.compile_seconds > first, "the second session compiled again"
    assert run.log()[-1]["compile_seconds"] == pytest.approx(run.compile_seconds, abs=0.01)
    assert open_run(run.path).seconds > 0


def test_both_times_are_said():
    assert format_training_time(1800, 12) == "30 min 00 s of training and 12 s of compiling"
    assert format_training_time(1800, 0) == "30 min 00 s"


def test_releasing_free_memory_works_on_every_system(monkeypatch):
    release_free_memory()
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("it looked for glibc"))
    release_free_memory()
