"""Memory and open files do not grow while a run is trained and used."""

import os

import psutil
import pytest
import tiny

from pippin import measure
from pippin.session import training_session
from pippin.training import health, trainer

BATCHES = int(os.environ.get("PIPPIN_FLAT_BATCHES", "600"))
"""Number of batches. 20,000 is the long version: with 1,000 checkups, and as many checkpoints."""

CHECKUPS, SAMPLES = BATCHES // 20, BATCHES // 2

WARM_UP = 0.4
"""Share of the run before the first measurement: caches of the engine and of Python fill up at first."""

ALLOWED = 40 * 2**20
"""Growth in bytes that is no leak: allocators keep freed memory. A leak of one image batch of 3 kB in each of 20,000
batches would exceed it."""


class MemoryReporter(tiny.RecordingReporter):
    """Records the resident memory in bytes and the number of open files at every tick."""

    def __init__(self):
        super().__init__()
        self.process, self.measured = psutil.Process(), []

    def on_tick(self, run, tick):
        self.measured.append((tick.batches, self.process.memory_info().rss, self.process.num_fds()))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there are no file descriptors")
def test_memory_and_open_files_stay_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "TICK", 10)
    monkeypatch.setattr(health, "PATIENCE", 10**9)  # a tiny run soon stops improving
    monkeypatch.setattr(training_session, "SAVE_SECONDS", 0)
    monkeypatch.setattr(measure, "extract", lambda images, network: images.reshape(len(images), -1)[:, ::24] / 255.0)
    reporter = MemoryReporter()
    run = tiny.train(
        tmp_path / "run", reporter, tiny.pictures(40), batches=BATCHES, checkup=4 * BATCHES // CHECKUPS, anchored=0.5
    )
    assert len(run.checkups()) >= CHECKUPS - 1
    training = reporter.measured[int(WARM_UP * len(reporter.measured)) :]
    sampling = []
    for n in range(SAMPLES + 1):
        run.sample(4, seed=n)
        if n % (SAMPLES // 5) == 0:
            sampling.append((BATCHES + n, reporter.process.memory_info().rss, reporter.process.num_fds()))
    for rows in (training, sampling[1:]):  # the first image loads the image backend
        for n, memory, files in rows[:: max(1, len(rows) // 20)]:
            print(f"{n:6,}  {memory / 2**20:7.1f} MiB  {files} open files")
        assert rows[-1][1] - rows[0][1] < ALLOWED
        assert max(files for _, _, files in rows) - rows[0][2] <= 2
