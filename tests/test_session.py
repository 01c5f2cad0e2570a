"""Training sessions: finished, interrupted, resumed and refused ones."""

import dataclasses
import json
import os
import shutil
import signal
import sys
import threading

import keras
import numpy as np
import pytest
import safetensors.numpy
import tiny
from keras import layers
from PIL import Image

import pippin
from pippin.errors import NetworkError, RunError, SettingsError, SourceError, TrainingError
from pippin.pictures.sources import files
from pippin.session.reporting import CompositeReporter, Reporter
from pippin.session.resume import _resumed_networks
from pippin.session.training_session import is_snapshot, log_entry
from pippin.training import anchors
from pippin.training.trainer import Trainer


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A finished run of 260 batches in one session, and the calls of its reporter. Tests must not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        reporter = tiny.RecordingReporter()
        run = tiny.train(tmp_path_factory.mktemp("runs") / "uninterrupted", reporter)
        return run, reporter.calls


@pytest.fixture
def finished(uninterrupted, tmp_path):
    """A copy of the finished run, which tests may change."""
    return pippin.open_run(shutil.copytree(uninterrupted[0].path, tmp_path / "finished"))


def forbid_training(monkeypatch):
    def step(self):
        raise AssertionError("it trained")

    monkeypatch.setattr(Trainer, "step", step)


# -- uninterrupted -------------------------------------------------------------------------------------------------


def test_snapshots_are_saved_at_growing_intervals():
    assert [n for n in range(10_001) if is_snapshot(n)] == [0, 50, 100, 250, 500, 1000, 2500, 5000, 10_000]
    assert all(is_snapshot(n) for n in (25_000, 50_000, 100_000))
    assert not any(is_snapshot(n) for n in (1, 5, 10, 25, 75, 150, 750, 25_001))


def test_a_reporter_is_called_from_beginning_to_end(uninterrupted):
    run, calls = uninterrupted
    ticks = [("ticked", batches) for batches in (0, 50, 100, 150, 200, 250, 260)]
    assert calls == [("started", False), *ticks, ("finished", False)]
    assert (run.batches, run.finished) == (260, True)


@pytest.mark.slow
def test_the_same_call_gives_the_same_run(uninterrupted, tmp_path):
    again = tiny.train(tmp_path / "again")
    assert tiny.same(tiny.state(again), tiny.state(uninterrupted[0]))
    assert without_times(again.log()) == without_times(uninterrupted[0].log())


@pytest.mark.slow
def test_another_seed_gives_another_run(uninterrupted, tmp_path):
    other = tiny.train(tmp_path / "other", seed=1)
    assert not tiny.same(tiny.state(other), tiny.state(uninterrupted[0]))


def without_times(log):
    return [{name: value for name, value in entry.items() if "second" not in name} for entry in log]


def test_a_run_on_a_folder_stores_its_audit(tmp_path):
    folder = tmp_path / "holidays"
    folder.mkdir()
    for n, picture in enumerate(tiny.pictures(4)):
        Image.fromarray(picture).save(folder / f"{n}.png")
    (folder / "letter.txt").write_text("Dear all")
    run = tiny.train(tmp_path / "run", source=folder, batches=2)
    audit = json.loads((run.path / "pictures.json").read_text(encoding="utf-8"))
    assert (audit["kept"], audit["refused"]) == (4, 1)
    assert [entry["path"] for entry in audit["files"] if entry["verdict"] == "refused"] == ["letter.txt"]
    assert (run.about["pictures"], run.about["source"]) == (4, str(folder.resolve()))
    assert list(run.snapshots()) == [0, 2]
    assert [entry["batches"] for entry in run.log()] == [2]


def test_the_runs_folder_is_named_after_pictures_size_and_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("clouds.npy", tiny.pictures())
    run = tiny.train(None, source="clouds.npy", batches=1)
    assert str(run.path) == os.path.join("runs", "clouds-16-standard")


def test_a_run_can_end_after_a_number_of_minutes(tmp_path):
    run = tiny.train(tmp_path / "run", batches=None, minutes=0.01)
    assert run.finished
    assert run.batches > 0
    assert run.seconds >= 0.6
    assert (run.settings.batches, run.settings.minutes) == (None, 0.01)


def test_a_line_of_the_log_describes_a_tick():
    from pippin.training.trainer import Tick

    tick = Tick(50, 200, 1.2345, 9.8765, 162.0155, 0.5, 1.2, {"d_loss": 0.5}, False)
    expected = {"batches": 50, "images_seen": 200, "seconds": 1.23, "compile_seconds": 9.88}
    assert log_entry(tick) == {**expected, "images_per_second": 162.02, "d_loss": 0.5}


# -- already finished ----------------------------------------------------------------------------------------------


def test_a_finished_run_is_not_trained_again(finished, monkeypatch):
    forbid_training(monkeypatch)
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    reporter = tiny.RecordingReporter()
    again = tiny.train(finished.path, reporter)
    assert reporter.calls == [("finished", True)]
    assert (again.path, again.batches) == (finished.path, 260)
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before


def test_a_finished_run_needs_no_networks_to_be_sampled(finished, uninterrupted):
    np.testing.assert_array_equal(pippin.open_run(finished.path).sample(3), uninterrupted[0].sample(3))


# -- interrupted and resumed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "number"),
    [
        (137, signal.SIGINT),
        pytest.param(1, signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(100, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(137, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_and_resumed_run_is_the_same_as_an_uninterrupted_one(uninterrupted, tmp_path, batch, number):
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    stopped = tiny.train_until(batch, tmp_path / "run", number)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert (stopped.batches, stopped.finished) == (batch, False)
    assert stopped.log()[-1]["batches"] == batch
    assert not (stopped.path / "generator.keras").exists()
    assert stopped.sample(2).shape == (2, 16, 16, 3)

    reporter = tiny.RecordingReporter()
    run = tiny.train(tmp_path / "run", reporter)
    assert reporter.calls[:2] == [("started", True), ("ticked", batch)]
    check_same(run, uninterrupted[0], {batch})


def check_same(run, uninterrupted, stops):
    """Check that a run equals the uninterrupted one, except for lines of the log at its interruptions."""
    assert run.finished
    assert tiny.same(tiny.state(run), tiny.state(uninterrupted))
    assert [entry["batches"] for entry in run.log()] == sorted({50, 100, 150, 200, 250, 260} | stops)
    story, expected = run.snapshots(), uninterrupted.snapshots()
    assert list(story) == list(expected)
    assert all((story[batches] == expected[batches]).all() for batches in expected)
    assert (run.path / "timeline.png").read_bytes() == (uninterrupted.path / "timeline.png").read_bytes()


@pytest.mark.slow
def test_anchors_are_computed_once_and_reused_on_resuming(tmp_path, monkeypatch):
    settings = {"anchored": 0.5, "batches": 60}
    whole = tiny.train(tmp_path / "whole", **settings)
    found = whole.folder.load_anchors()
    assert (found.pictures.tolist(), found.latents.shape) == (list(range(12)), (12, tiny.LATENT_DIM))
    tiny.train_until(30, tmp_path / "parts", **settings)
    monkeypatch.setattr(anchors, "assign", None)  # stored anchors are not computed again
    assert tiny.same(tiny.state(tiny.train(tmp_path / "parts", **settings)), tiny.state(whole))
    assert all(entry["reconstruction"] > 0 for entry in whole.log())


def test_a_whole_batch_can_be_generated_from_anchors(tmp_path):
    assert tiny.train(tmp_path / "run", anchored=1.0, batches=2).finished


def test_damaged_anchors_are_named(tmp_path):
    run = tiny.train_until(3, tmp_path / "run", anchored=0.5)
    (run.path / "anchors.npz").write_bytes(b"no archive")
    with pytest.raises(RunError, match=r"anchors\.npz is damaged"):
        tiny.train(run.path, anchored=0.5)


class SignallingReporter(tiny.RecordingReporter):
    """Sends this process signals from `on_tick` at the given batch."""

    def __init__(self, batches, times=1):
        super().__init__()
        self.at, self.times = batches, times

    def on_tick(self, run, tick):
        super().on_tick(run, tick)
        if tick.batches == self.at:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    "batches", [150, pytest.param(0, marks=pytest.mark.slow), pytest.param(250, marks=pytest.mark.slow)]
)
def test_a_signal_between_two_batches_ends_the_session_after_the_next_batch(uninterrupted, tmp_path, batches):
    with pytest.raises(KeyboardInterrupt):
        tiny.train(tmp_path / "run", SignallingReporter(batches))
    assert pippin.open_run(tmp_path / "run").batches == batches + 1
    check_same(tiny.train(tmp_path / "run"), uninterrupted[0], {batches + 1})


@pytest.mark.slow
def test_a_signal_at_the_last_batch_finishes_the_run(uninterrupted, tmp_path, monkeypatch):
    tiny.signal_at(monkeypatch, 260)
    check_same(tiny.train(tmp_path / "run"), uninterrupted[0], set())


@pytest.mark.slow
def test_the_second_signal_interrupts_at_once_and_the_run_resumes_from_its_checkpoint(uninterrupted, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        tiny.train(tmp_path / "run", SignallingReporter(150, times=2))
    assert pippin.open_run(tmp_path / "run").batches == 100
    check_same(tiny.train(tmp_path / "run"), uninterrupted[0], set())


@pytest.mark.slow
def test_an_error_in_a_reporter_loses_only_the_batches_after_the_checkpoint(uninterrupted, tmp_path):
    class FailingReporter(tiny.RecordingReporter):
        def on_tick(self, run, tick):
            if tick.batches == 200:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tiny.train(tmp_path / "run", FailingReporter())
    stopped = pippin.open_run(tmp_path / "run")
    assert stopped.batches == 100
    assert [entry["batches"] for entry in stopped.log()] == [50, 100, 150, 200]
    check_same(tiny.train(tmp_path / "run"), uninterrupted[0], set())


@pytest.mark.slow
def test_a_run_interrupted_many_times_is_the_same(uninterrupted, tmp_path):
    stops = {3, 50, 99, 201}
    for batch in sorted(stops):
        tiny.train_until(batch, tmp_path / "run")
    check_same(tiny.train(tmp_path / "run"), uninterrupted[0], stops)


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_starts_again_with_an_empty_log(uninterrupted, tmp_path):
    tiny.train_until(70, tmp_path / "run")
    (tmp_path / "run" / "checkpoint.safetensors").unlink()
    with (tmp_path / "run" / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"batches": 71')
    check_same(tiny.train(tmp_path / "run"), uninterrupted[0], set())


def test_a_run_killed_after_the_last_batch_is_finished_without_training(finished, uninterrupted, monkeypatch):
    run = uninterrupted[0]
    about = {"batches": 260, "seconds": finished.seconds, "finished": False}
    safetensors.numpy.save_file(
        tiny.state(run), finished.path / "checkpoint.safetensors", metadata={"pippin": json.dumps(about)}
    )
    (finished.path / "generator.keras").unlink()
    assert not finished.finished
    forbid_training(monkeypatch)
    again = tiny.train(finished.path)
    assert (again.path / "generator.keras").exists()
    check_same(again, run, set())


def test_a_session_in_a_thread_does_not_change_signal_handlers(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    done = []
    thread = threading.Thread(target=lambda: done.append(tiny.train(tmp_path / "run", batches=2)))
    thread.start()
    thread.join()
    assert done[0].finished
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_a_resumed_run_counts_the_minutes_of_earlier_sessions(tmp_path, monkeypatch):
    stopped = tiny.train_until(3, tmp_path / "run", batches=None, minutes=1.0)
    spent = stopped.seconds
    assert stopped.batches == 3
    assert 0 < spent < 60
    seen = []
    monkeypatch.setattr(tiny.RecordingReporter, "on_tick", lambda self, run, tick: seen.append(tick))
    tiny.signal_at(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        tiny.train(tmp_path / "run", tiny.RecordingReporter(), batches=None, minutes=1.0)
    assert (seen[0].batches, seen[0].seconds) == (3, spent)
    assert seen[1].seconds > spent


def test_a_run_resumes_with_its_stored_networks(tmp_path):
    whole = tiny.train(tmp_path / "whole", batches=20)
    tiny.train_until(2, tmp_path / "parted", batches=20)
    linear = keras.Sequential(
        [keras.Input((tiny.LATENT_DIM,)), layers.Dense(tiny.SIZE**2 * 3), layers.Reshape((tiny.SIZE, tiny.SIZE, 3))]
    )
    parted = tiny.train(tmp_path / "parted", batches=20, generator=linear)
    assert tiny.same(tiny.state(whole), tiny.state(parted))


# -- several reporters --------------------------------------------------------------------------------------------


def test_every_reporter_gets_every_call_in_order():
    calls = []

    class Recorder(Reporter):
        def __init__(self, name, stops):
            self.name, self.stops = name, stops

        def __getattribute__(self, hook):
            if hook.startswith("on_"):
                return lambda *args, **kwargs: calls.append((self.name, hook, args, kwargs))
            return super().__getattribute__(hook)

        def should_stop(self):
            return self.stops

    hooks = [name for name in dir(Reporter) if name.startswith("on_")]
    both = CompositeReporter(Recorder("first", False), Recorder("second", False))
    for hook in hooks:
        getattr(both, hook)(hook, more=1)
    assert len(hooks) == 8
    assert calls == [(name, hook, (hook,), {"more": 1}) for hook in hooks for name in ("first", "second")]
    assert not both.should_stop()
    assert CompositeReporter(Recorder("first", False), Recorder("second", True)).should_stop()


# -- refused -------------------------------------------------------------------------------------------------------


def refusal(caught):
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 5),
        ("seed", 1),
        ("rule", "alternating"),
        ("learning_rate", 0.125),
        ("learning_rate_end", 0.125),
        ("beta_1", 0.125),
        ("beta_2", 0.125),
        ("gamma", 0.125),
        ("gamma_end", 0.125),
        ("augment_p", 0.125),
        ("shift_p", 0.125),
        ("blur", 0.125),
        ("ema_fraction", 0.125),
        ("preset", "classic"),
    ],
)
def test_a_run_made_with_other_settings_is_left_alone(finished, monkeypatch, name, value):
    forbid_training(monkeypatch)
    old = finished.settings.to_dict()[name]
    with pytest.raises(RunError, match="was made with other settings; choose another folder with --run") as caught:
        tiny.train(finished.path, **{name: value})
    assert f"{name}={value} (the run has {old})" in refusal(caught)
    assert str(finished.path) in refusal(caught)


def test_a_run_of_batches_does_not_resume_with_minutes(finished):
    with pytest.raises(RunError) as caught:
        tiny.train(finished.path, batches=None, minutes=3)
    assert "batches=None (the run has 260), minutes=3 (the run has None)" in refusal(caught)


def test_another_size_and_latent_dim_are_other_settings(finished):
    with pytest.raises(RunError, match=r"image_size=32 \(the run has 16\)"):
        tiny.train(finished.path, generator=tiny.generator(32), discriminator=tiny.discriminator(size=32))
    with pytest.raises(RunError, match=r"latent_dim=5 \(the run has 4\)"):
        tiny.train(finished.path, generator=tiny.generator(latent_dim=5))


def test_an_unfinished_run_made_with_other_settings_is_left_alone(tmp_path):
    tiny.train_until(2, tmp_path / "run")
    with pytest.raises(RunError, match=r"seed=1 \(the run has 0\)"):
        tiny.train(tmp_path / "run", seed=1)
    with pytest.raises(RunError, match="was made with other pictures"):
        tiny.train(tmp_path / "run", source=tiny.pictures(seed=1))
    with pytest.raises(RunError, match="The checkpoint was made with other networks") as caught:
        tiny.train(tmp_path / "run", discriminator=tiny.discriminator(layers.Conv2D(2, 1)))
    refusal(caught)


def test_a_run_resumes_with_its_own_networks_if_this_version_builds_others(finished):
    """A run of an earlier version has a generator without noise maps, and a discriminator without group heads."""
    new = pippin.plan(tiny.pictures(), image_size=tiny.SIZE)
    resumed = _resumed_networks(finished, new)
    for model, stored in zip(resumed[:2], tiny.build("standard", tiny.SIZE, tiny.LATENT_DIM)[:2], strict=True):
        assert [weight.shape for weight in model.weights] == [weight.shape for weight in stored.weights]
    assert (resumed.group_heads, resumed.noise_dimensions) == (0, 0)
    assert (new.networks.group_heads, new.networks.noise_dimensions) == (3, 80)
    assert _resumed_networks(finished, dataclasses.replace(new, own_networks=True)) is new.networks


def test_a_run_made_with_other_pictures_is_left_alone(finished, tmp_path, monkeypatch):
    forbid_training(monkeypatch)
    np.save(tmp_path / "others.npy", tiny.pictures(seed=1))
    with pytest.raises(RunError, match=r"made with other pictures \(\d+ changed .*; restore them, or choose") as caught:
        tiny.train(finished.path, source=tmp_path / "others.npy")
    assert f"Received: {tmp_path / 'others.npy'} (the run has array:" in refusal(caught)


def changed_folder(tmp_path, **settings):
    """Return a folder whose pictures have changed since a run was begun on it, and the run."""
    folder = tiny.save(tmp_path / "pictures", tiny.pictures(12))
    run = tiny.train_until(2, tmp_path / "run", source=folder, **settings)
    (folder / "000.png").unlink()
    (folder / "001.png").rename(folder / "renamed.png")
    others = tiny.save(tmp_path / "others", tiny.pictures(2, seed=5))
    (others / "000.png").replace(folder / "002.png")
    (others / "001.png").replace(folder / "new.png")
    return folder, run


def test_the_message_says_how_many_pictures_differ_and_names_a_path_once(tmp_path):
    folder, run = changed_folder(tmp_path)
    with pytest.raises(RunError) as caught:
        tiny.train(run.path, source=folder)
    assert str(caught.value) == (
        f"The run in {run.path} was made with other pictures (1 added (new.png), 1 removed (000.png), 1 changed "
        "(002.png), 1 renamed (renamed.png), 9 pictures the same); restore them, or choose another folder with --run, "
        "or use --changed-pictures prepared (resume with the earlier pictures) or new (continue with these). "
        f"Received: {folder}"
    )
    with pytest.raises(SettingsError, match=r"changed_pictures must be one of stop, prepared, new\. Received"):
        tiny.train(run.path, source=folder, changed_pictures="old")


def test_files_that_an_earlier_version_prepared_to_other_images_need_no_decision(tmp_path, monkeypatch):
    folder = tiny.save(tmp_path / "photos", tiny.pictures())
    read = files.read_picture

    def read_turned(*args):
        decoded = read(*args)
        return decoded._replace(image=decoded.image.rotate(180))

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["pippin.pictures.preparing.prepare"], "PREPARATION_VERSION", 1)
        patch.setattr(files, "read_picture", read_turned)
        run = tiny.train(tmp_path / "run", source=folder, batches=4)
    resumed = tiny.train(run.path, source=folder, batches=6)
    assert resumed.batches == 6
    assert resumed.about["fingerprint"] == run.about["fingerprint"]
    (folder / "000.png").write_bytes((folder / "001.png").read_bytes())
    with pytest.raises(RunError, match="was made with other pictures"):
        tiny.train(run.path, source=folder, batches=8)


@pytest.mark.slow
def test_a_run_resumes_with_the_pictures_that_were_prepared_for_it(tmp_path):
    expected = tiny.train(tmp_path / "undisturbed", source=tiny.pictures(12), batches=8)
    folder, run = changed_folder(tmp_path, batches=8)
    fingerprint = run.about["fingerprint"]
    resumed = tiny.train(run.path, source=folder, batches=8, changed_pictures="prepared")
    assert resumed.about["fingerprint"] == fingerprint
    for name, array in tiny.state(expected).items():
        np.testing.assert_array_equal(array, tiny.state(resumed)[name])


def test_prepared_pictures_that_are_gone_are_explained(tmp_path, cache):
    folder, run = changed_folder(tmp_path)
    shutil.rmtree(cache)
    with pytest.raises(RunError, match="those are no longer in the cache of prepared pictures; restore them"):
        tiny.train(run.path, source=folder, changed_pictures="prepared")


@pytest.mark.slow
def test_a_run_continues_with_new_pictures_if_the_user_says_so(tmp_path):
    folder, run = changed_folder(tmp_path, batches=6)
    before = run.about["fingerprint"]
    reporter = tiny.RecordingReporter()
    resumed = tiny.train(run.path, reporter, source=folder, batches=6, changed_pictures="new")
    assert (resumed.batches, resumed.about["pictures"]) == (6, 12)
    assert resumed.about["changes"][-1]["fingerprint"] == [before, resumed.about["fingerprint"]]
    assert resumed.about["fingerprint"] != before
    audit = json.loads((run.path / "pictures.json").read_text(encoding="utf-8"))
    assert "new.png" in {entry["path"] for entry in audit["files"]}
    assert tiny.train(run.path, source=folder, batches=6).finished  # it is the run of the new pictures from now on


def test_the_message_names_the_options_of_the_preparation_that_differ(tmp_path):
    wide = np.concatenate([tiny.pictures(12), tiny.pictures(12, seed=1)], axis=2)
    folder = tiny.save(tmp_path / "pictures", wide)
    tiny.train_until(2, tmp_path / "run", source=folder)
    with pytest.raises(RunError, match=r"\(prepared with fit=squash \(before: crop\); 12 changed"):
        tiny.train(tmp_path / "run", source=folder, preparation=pippin.Preparation(fit="squash"))


def test_the_same_pictures_from_another_path_are_accepted(finished, tmp_path, monkeypatch):
    forbid_training(monkeypatch)
    np.save(tmp_path / "same.npy", tiny.pictures())
    assert tiny.train(finished.path, source=tmp_path / "same.npy").batches == 260


def test_no_run_is_created_after_an_error(tmp_path):
    with pytest.raises(SettingsError, match="image_size=48"):
        pippin.train(tiny.pictures(), tmp_path / "run", image_size=48)
    with pytest.raises(SettingsError, match=r"Unknown setting.*Received: colour"):
        tiny.train(tmp_path / "run", colour="red")
    with pytest.raises(SourceError, match="At least two different pictures"):
        tiny.train(tmp_path / "run", source=tiny.pictures(1))
    with pytest.raises(SourceError, match="no such folder"):
        tiny.train(tmp_path / "run", source="nowhere at all")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_losses_that_are_not_finite_end_the_session_and_keep_the_run(tmp_path):
    with pytest.raises(TrainingError, match="A loss was not finite") as caught:
        tiny.train(tmp_path / "run", discriminator=tiny.discriminator(layers.Rescaling(1e38)))
    assert "learning_rate" in refusal(caught)
    kept = pippin.open_run(tmp_path / "run")
    assert not kept.finished
    assert all(np.isfinite(array).all() for array in tiny.state(kept).values())
    assert kept.sample(2).shape == (2, 16, 16, 3)


# -- own networks --------------------------------------------------------------------------------------------------


def test_a_discriminator_with_pooling_is_trained_with_the_relativistic_rule(tmp_path):
    pooling = tiny.discriminator(layers.Conv2D(4, 3, padding="same"), layers.MaxPooling2D())
    run, rule = train_own(tmp_path / "run", generator=tiny.generator(), discriminator=pooling)
    assert rule == "relativistic"
    assert "r1_penalty" in run.log()[-1]
    assert run.settings.latent_dim == tiny.LATENT_DIM
    assert run.settings.image_size == 16


@pytest.mark.slow
def test_a_discriminator_with_batch_normalisation_is_trained_with_the_alternating_rule(tmp_path):
    run, rule = train_own(tmp_path / "run", discriminator=tiny.discriminator(layers.BatchNormalization()))
    assert rule == "alternating"
    assert "r1_penalty" not in run.log()[-1]
    moved = [array for name, array in tiny.state(run).items() if name.startswith("discriminator/stats")]
    assert any((array != 0).any() for array in moved)


def train_own(path, **own):
    class RuleReporter(tiny.RecordingReporter):
        def on_train_begin(self, run, rule, resumed):
            self.rule = rule

    reporter = RuleReporter()
    run = pippin.train(tiny.pictures(), path, image_size=16, batches=3, batch_size=4, reporter=reporter, **own)
    again = pippin.open_run(path)
    np.testing.assert_array_equal(again.sample(3), run.sample(3))
    assert again.sample(3).shape == (3, 16, 16, 3)
    return run, reporter.rule


@pytest.mark.slow
@pytest.mark.parametrize("given", ["generator", "discriminator"])
def test_the_network_that_is_not_given_is_the_presets(tmp_path, given):
    run, _ = train_own(tmp_path / "run", **{given: getattr(tiny, given)()})
    own = run.folder.build_network(given)
    other = run.folder.build_network("discriminator" if given == "generator" else "generator")
    assert own.count_params() == getattr(tiny, given)().count_params()
    assert len(other.layers) > 10
    assert run.settings.latent_dim == run.generator.input_shape[1]


@pytest.mark.slow
def test_networks_with_dropout_and_batch_normalisation_resume_exactly(tmp_path):
    def own():
        keras.utils.set_random_seed(3)
        stack = [layers.Dense(48), layers.BatchNormalization(), layers.Dense(768), layers.Reshape((16, 16, 3))]
        generator = keras.Sequential([keras.Input((4,)), *stack])
        return {"generator": generator, "discriminator": tiny.discriminator(layers.Dropout(0.5))}

    whole = tiny.train(tmp_path / "whole", batches=9, **own())
    tiny.train_until(4, tmp_path / "halves", batches=9, **own())
    halves = tiny.train(tmp_path / "halves", batches=9, **own())
    assert tiny.same(tiny.state(halves), tiny.state(whole))
    np.testing.assert_array_equal(halves.sample(3), whole.sample(3))


def wrong_networks():
    unbuilt = keras.Sequential([layers.Flatten(), layers.Dense(1)])
    flat = keras.Sequential([keras.Input((4,)), layers.Dense(768)])
    grey = keras.Sequential([keras.Input((4,)), layers.Dense(256), layers.Reshape((16, 16, 1))])
    several = keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(2)])
    sigmoid = keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(1, activation="sigmoid")])
    return {
        "unbuilt": ({"discriminator": unbuilt}, "The discriminator must be a built Keras model"),
        "function": ({"discriminator": len}, "The discriminator must be a built Keras model"),
        "flat": ({"generator": flat}, r"The generator must return images of shape \(B, 16, 16, 3\)"),
        "grey": ({"generator": grey}, r"The generator must return images of shape \(B, 16, 16, 3\)"),
        "larger": ({"generator": tiny.generator(32)}, r"must return images of shape \(B, 16, 16, 3\)"),
        "larger discriminator": (
            {"discriminator": tiny.discriminator(size=32)},
            r"must take images of shape \(B, 16, 16, 3\)",
        ),
        "several": ({"discriminator": several}, "must return one logit per image"),
        "sigmoid": ({"discriminator": sigmoid}, "must end without a sigmoid"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(wrong_networks()))
def test_networks_that_do_not_fit_are_refused_before_a_run_is_created(tmp_path, kind):
    own, message = wrong_networks()[kind]
    with pytest.raises(NetworkError, match=message) as caught:
        pippin.train(tiny.pictures(), tmp_path / "run", image_size=16, batches=2, **own)
    assert "Received: " in refusal(caught)
    assert not (tmp_path / "run").exists()


def test_networks_that_cannot_be_rebuilt_are_refused_before_a_run_is_created(tmp_path):
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    with pytest.raises(NetworkError, match="cannot be rebuilt from its configuration; use Keras"):
        tiny.train(tmp_path / "run", discriminator=tiny.discriminator(Twice()))
    assert not (tmp_path / "run").exists()
