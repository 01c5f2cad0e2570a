"""Training on a disk that is full or gone: it waits with its state in memory, or ends with the state safe."""

import errno
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
import tiny

import pippin
from pippin.errors import RunError, TrainingError
from pippin.host.files import storage_problem, write_errors
from pippin.runs.checkpoint import StateFiles
from pippin.runs.folder import Folder
from pippin.runs.report import EventLog
from pippin.session import storage
from pippin.session.memory import is_out_of_memory
from pippin.training.clock import TrainingClock
from pippin.training.trainer import Trainer


def fail_writes(monkeypatch, owner, name, times, number=errno.ENOSPC):
    """Let a method fail with an OSError the first `times` times after the first call, and return its calls."""
    method, calls = getattr(owner, name), []

    def failing(self, *args, **kwargs):
        calls.append(name)
        if 1 < len(calls) <= 1 + times:
            with write_errors(Path("run"), "run", RunError):
                raise OSError(number, os.strerror(number))
        return method(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, failing)
    return calls


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path):
    """No time between two attempts, and a temporary folder of the test's own for states that are saved elsewhere."""
    monkeypatch.setattr(storage, "RETRY_SECONDS", 0.001)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture(autouse=True)
def hangup_is_not_ignored():
    """The default of SIGHUP, which is ignored if the tests were started with `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (StateFiles, "save_checkpoint"),
        (Folder, "save_images"),
        (Folder, "append_log"),
        (EventLog, "add"),
        (EventLog, "add_picture"),
    ],
)
def test_training_waits_for_a_full_disk_and_the_result_is_the_same(tmp_path, monkeypatch, owner, name):
    whole = tiny.train(tmp_path / "whole", batches=60)
    reporter = tiny.FindingsReporter()
    calls = fail_writes(monkeypatch, owner, name, times=3)
    run = tiny.train(tmp_path / "run", reporter, batches=60)
    assert len(calls) >= 5
    begun, ended = reporter.findings[-2:]
    assert begun.startswith("The run cannot be written: No space left on device. Received: run. Training waits with ")
    assert begun.endswith("for 30 minutes; free space or connect the drive, or press Ctrl-C to end")
    assert ended == "The run can be written again; training continues"
    assert tiny.same(tiny.state(run), tiny.state(whole))
    assert [entry["batches"] for entry in run.log()] == [50, 60]


def test_training_waits_for_a_drive_that_vanished(tmp_path):
    run, away = tmp_path / "run", tmp_path / "away"

    class Vanishing(tiny.FindingsReporter):
        def on_tick(self, run, tick):
            if tick.batches == 50:
                shutil.move(run.path, away)

    reporter = Vanishing(lambda text: shutil.move(away, run) if "Training waits" in text else None)
    result = tiny.train(run, reporter, batches=60)
    assert "The run cannot be written: its folder is not there" in reporter.findings[-2]
    assert [entry["batches"] for entry in result.log()] == [50, 60]
    assert result.finished


@pytest.mark.slow
def test_after_a_long_wait_training_ends_with_the_state_safe(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "WAIT_SECONDS", 0.02)
    fail_writes(monkeypatch, Folder, "append_log", times=10**6)
    with pytest.raises(RunError, match=r"No space left on device.+the state of batch 100 is in ") as caught:
        tiny.train(tmp_path / "run", batches=110)
    (saved,) = (tmp_path / "temporary").glob("pippin-run-*/checkpoint.safetensors")
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)
    stopped = pippin.open_run(tmp_path / "run")
    assert stopped.batches == 50
    shutil.copy(saved, stopped.path)
    assert pippin.open_run(stopped.path).batches == 100
    monkeypatch.undo()
    whole = tiny.train(tmp_path / "whole", batches=110)
    assert tiny.same(tiny.state(tiny.train(stopped.path, batches=110)), tiny.state(whole))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_wait_at_once(tmp_path, monkeypatch, number):
    monkeypatch.setattr(storage, "RETRY_SECONDS", 3600)
    fail_writes(monkeypatch, Folder, "append_log", times=10**6)
    reporter = tiny.FindingsReporter(lambda text: os.kill(os.getpid(), number) if "Training waits" in text else None)
    with pytest.raises(KeyboardInterrupt):
        tiny.train(tmp_path / "run", reporter, batches=110)
    assert reporter.findings[-1].startswith("Training ends without writing; the state of batch 100 is in ")
    assert pippin.open_run(tmp_path / "run").batches == 50


def test_the_wait_is_not_training_time(tmp_path, monkeypatch):
    seconds = []
    exclude = TrainingClock.exclude
    monkeypatch.setattr(TrainingClock, "exclude", lambda self, wait: [seconds.append(wait), exclude(self, wait)])
    monkeypatch.setattr(storage, "RETRY_SECONDS", 0.2)
    fail_writes(monkeypatch, Folder, "append_log", times=2)
    run = tiny.train(tmp_path / "run", batches=101)
    assert seconds[0] >= 0.4
    assert run.seconds == pytest.approx(run.log()[-1]["seconds"], abs=0.2)


def test_other_errors_are_not_waited_for(tmp_path, monkeypatch):
    def fail(self, *args, **kwargs):
        raise RunError("it is damaged")

    monkeypatch.setattr(StateFiles, "save_checkpoint", fail)
    with pytest.raises(RunError, match=r"^it is damaged$"):
        tiny.train(tmp_path / "run", batches=60)


def test_the_cause_of_an_error_of_writing_is_known(tmp_path):
    with pytest.raises(RunError) as caught, write_errors(tmp_path, "run", RunError):
        raise OSError(errno.EIO, "Input/output error")
    assert storage_problem(caught.value).errno == errno.EIO
    assert storage_problem(caught.value.__cause__) is caught.value.__cause__
    assert storage_problem(RunError("damaged")) is None


# -- signals -----------------------------------------------------------------------------------------------------------


def test_a_closed_terminal_saves_the_state(tmp_path):
    assert tiny.train_until(7, tmp_path / "run", signal.SIGHUP, batches=20).batches == 7


def test_several_signals_of_a_closing_terminal_do_not_interrupt_the_saving(tmp_path, monkeypatch):
    step = Trainer.step

    def step_with_signals(self):
        if self.batches + 1 == 7:
            for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
                os.kill(os.getpid(), number)
        return step(self)

    monkeypatch.setattr(Trainer, "step", step_with_signals)
    with pytest.raises(KeyboardInterrupt):
        tiny.train(tmp_path / "run", batches=20)
    assert pippin.open_run(tmp_path / "run").batches == 7


def test_a_hangup_stays_ignored_under_nohup(tmp_path, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        tiny.signal_at(monkeypatch, 7, signal.SIGHUP)
        assert tiny.train(tmp_path / "run", batches=20).batches == 20
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# -- memory ------------------------------------------------------------------------------------------------------------


class ResourceExhaustedError(Exception):
    """Like TensorFlow's."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        ResourceExhaustedError("failed to allocate memory"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4096 bytes."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_training_without_memory_ends_with_one_line_and_keeps_the_checkpoint(tmp_path, monkeypatch, problem):
    step = Trainer.step

    def failing_step(self):
        if self.batches == 55:
            raise problem
        return step(self)

    monkeypatch.setattr(Trainer, "step", failing_step)
    with pytest.raises(TrainingError, match=r"^Memory ran out. The checkpoint of batch 50 is kept; close ") as caught:
        tiny.train(tmp_path / "run", batches=60)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert tiny.train(tmp_path / "run", batches=60).finished


@pytest.mark.parametrize(
    "problem", [RuntimeError("shapes differ"), ValueError("x"), KeyError("memory"), OSError(5, "x")]
)
def test_other_errors_are_not_out_of_memory(problem):
    assert not is_out_of_memory(problem)
