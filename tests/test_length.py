"""Training a run for longer, or for less, than it was begun with."""

import json

import pytest
import tiny

import pippin
from pippin.errors import RunError
from pippin.session.resume import changed_length
from pippin.training.health import Health


def test_a_finished_run_is_trained_for_longer(tmp_path):
    tiny.train(tmp_path / "run", batches=20)
    reporter = tiny.FindingsReporter()
    run = tiny.train(tmp_path / "run", reporter, batches=40)
    assert (run.batches, run.finished, run.settings.batches) == (40, True, 40)
    assert reporter.calls[0] == ("started", True)
    assert [entry["batches"] for entry in run.log()] == [20, 40]
    assert list(run.snapshots()) == [0, 20, 40]
    (sentence,) = [finding for finding in reporter.findings if "The schedule is stretched" in finding]
    assert sentence.startswith("The run is trained for 40 batches in total instead of 20.")
    assert "training resumes at 50% of it with a learning rate of" in sentence


@pytest.mark.slow
def test_training_for_longer_is_deterministic_however_often_it_is_interrupted(tmp_path):
    for name in ("once", "interrupted"):
        tiny.train(tmp_path / name, batches=20)
    once = tiny.train(tmp_path / "once", batches=40)
    tiny.train_until(21, tmp_path / "interrupted", batches=40)
    tiny.train_until(33, tmp_path / "interrupted", batches=40)
    again = tiny.train(tmp_path / "interrupted", batches=40)
    assert tiny.same(tiny.state(once), tiny.state(again))
    assert again.about["settings"] == once.about["settings"]


def test_the_schedule_is_that_of_a_run_with_the_new_length(tmp_path, monkeypatch):
    from pippin.training import trainer

    used = []
    schedule_at = trainer.schedule_at

    def recorded(settings, progress, images_seen):
        used.append((progress, schedule_at(settings, progress, images_seen)))
        return used[-1][1]

    monkeypatch.setattr(trainer, "schedule_at", recorded)
    tiny.train(tmp_path / "long", batches=6)
    long, used = used, []
    tiny.train(tmp_path / "run", batches=3)
    tiny.train(tmp_path / "run", batches=6)
    assert used[3:] == long[3:]
    assert [progress for progress, _ in used] == [0, 1 / 3, 2 / 3, 3 / 6, 4 / 6, 5 / 6]


def test_fewer_batches_than_were_trained_are_refused(tmp_path):
    tiny.train(tmp_path / "run", batches=20)
    before = (tmp_path / "run" / "settings.json").read_bytes()
    with pytest.raises(RunError, match="was already trained for 20 batches; ask for more") as caught:
        tiny.train(tmp_path / "run", batches=10)
    assert str(caught.value).endswith("Received: batches=10")
    assert (tmp_path / "run" / "settings.json").read_bytes() == before


def test_an_unfinished_run_can_get_another_length(tmp_path):
    tiny.train_until(5, tmp_path / "run", batches=20)
    run = tiny.train(tmp_path / "run", batches=8)
    assert (run.batches, run.finished) == (8, True)


def test_minutes_are_extended_likewise(tmp_path):
    run = tiny.train(tmp_path / "run", batches=None, minutes=0.01)
    batches, seconds = run.batches, run.seconds
    run = tiny.train(tmp_path / "run", batches=None, minutes=seconds / 60 + 0.01)
    assert run.finished
    assert run.batches > batches
    assert run.seconds >= seconds + 0.6
    with pytest.raises(RunError, match=r"was already trained for 0\.0\d+ minutes"):
        tiny.train(tmp_path / "run", batches=None, minutes=0.01)


@pytest.mark.slow
def test_a_kill_after_the_checkpoint_and_before_the_settings_changes_nothing(tmp_path, monkeypatch):
    once = tiny.train(tmp_path / "once", batches=20)
    once = tiny.train(once.path, batches=40)
    run = tiny.train(tmp_path / "run", batches=20)
    run.folder.reopen()
    assert not pippin.open_run(run.path).finished
    assert tiny.same(tiny.state(tiny.train(run.path, batches=40)), tiny.state(once))


def test_a_run_that_stopped_without_progress_gets_its_patience_again(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    state, seconds, *_ = run.folder.load_checkpoint(tiny_state(run))
    run.folder.save_checkpoint(state, seconds, Health(since_best=20, rate=0.5), finished=True)
    run.folder.reopen()
    health = run.folder.load_checkpoint(state).health
    assert (health.since_best, health.rate) == (0, 0.5)


def tiny_state(run):
    from pippin.training.step import initial_state

    return initial_state(run.folder.build_network("generator"), run.folder.build_network("discriminator"))


@pytest.mark.slow
def test_the_changes_are_stored_with_the_settings(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    assert "changes" not in run.about
    tiny.train(tmp_path / "run", batches=3)
    run = tiny.train(tmp_path / "run", batches=5)
    stored = json.loads((run.path / "settings.json").read_text(encoding="utf-8"))
    assert stored["changes"] == [
        {"at_batch": 2, "batches": [2, 3]},
        {"at_batch": 3, "batches": [3, 5]},
    ]
    assert stored["settings"]["batches"] == 5
    assert changed_length(run, run.folder.choice) is None
