"""A pause of a training session, wanted by a file in the run's folder."""

import os
import signal
import threading
import time

import pytest
import tiny

import pippin
from pippin.session import pause
from pippin.session.pause import Pause, waiting_process
from pippin.training.clock import TrainingClock


@pytest.fixture(autouse=True)
def always_looking(monkeypatch):
    monkeypatch.setattr(pause, "LOOK_SECONDS", 0)


class PausingReporter(tiny.FindingsReporter):
    """Makes the file of a pause after 100 batches, and calls `meanwhile` with the run's folder while training waits."""

    def __init__(self, meanwhile):
        super().__init__(self.start)
        self.meanwhile, self.thread = meanwhile, None

    def on_tick(self, run, tick):
        super().on_tick(run, tick)
        self.path = run.path
        if tick.batches == 100 and self.thread is None:
            (run.path / "pause").touch()

    def start(self, text):
        if text.startswith("Paused"):
            self.thread = threading.Thread(target=self.wait_and_act)
            self.thread.start()

    def wait_and_act(self):
        while waiting_process(self.path) != os.getpid():
            time.sleep(0.01)
        self.meanwhile(self.path)


def test_a_paused_training_has_a_checkpoint_and_resumes_when_the_file_is_gone(tmp_path, monkeypatch):
    seen, excluded = [], []
    monkeypatch.setattr(TrainingClock, "exclude", lambda self, seconds: excluded.append(seconds))

    def act(path):
        seen.append(pippin.open_run(path).batches)
        (path / "pause").write_text("")  # as if it was removed and made again
        while waiting_process(path) != os.getpid():
            time.sleep(0.01)
        (path / "pause").unlink()

    reporter = PausingReporter(act)
    run = tiny.train(tmp_path / "run", reporter)
    assert seen == [101]
    assert reporter.findings[1:] == [f"Paused after batch 101; remove {tmp_path / 'run' / 'pause'} to resume"]
    assert (run.batches, run.finished) == (260, True)
    never_paused = tiny.train(tmp_path / "never-paused")
    assert tiny.same(tiny.state(run), tiny.state(never_paused))
    assert len(excluded) == 1
    assert excluded[0] >= pause.WAIT_SECONDS


def test_a_paused_training_can_be_interrupted(tmp_path):
    reporter = PausingReporter(lambda path: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.train(tmp_path / "run", reporter)
    assert pippin.open_run(tmp_path / "run").batches == 101
    assert tiny.train(tmp_path / "run").finished  # the file of the earlier session pauses nothing


def test_processes_that_train_together_end_instead(tmp_path, monkeypatch):
    monkeypatch.setattr(pause.cluster, "process_count", lambda: 2)
    interrupted = threading.Event()
    wanted = Pause(tmp_path, interrupted)
    assert not wanted.is_wanted()
    (tmp_path / "pause").touch()
    assert wanted.is_wanted()
    assert interrupted.is_set()


def test_a_pause_that_was_asked_for_has_not_begun(tmp_path):
    assert waiting_process(tmp_path) is None
    (tmp_path / "pause").touch()
    assert waiting_process(tmp_path) == 0
    (tmp_path / "pause").unlink()
    (tmp_path / "pause").symlink_to(tmp_path / "elsewhere")
    assert waiting_process(tmp_path) is None
