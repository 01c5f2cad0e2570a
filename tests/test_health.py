"""Each problem that health checks detect, first with given numbers, then in a run."""

import json

import keras
import numpy as np
import pytest
import tiny

import pippin
from pippin import measure
from pippin.errors import TrainingError
from pippin.runs.checkpoint import StateFiles
from pippin.sampling.generation import generate
from pippin.session import checkups
from pippin.training import draws, trainer
from pippin.training.health import MAX_COLLAPSES, MAX_NON_FINITE, PATIENCE, Checkup, Health, overfitting
from pippin.training.trainer import Trainer

SCHEDULE = {"learning_rate": 0.01, "augment_p": 0.5, "gamma": 1.0}


def checkup(batches, kid=0.1, diversity=0.8, overfitting=0.1):
    return Checkup(batches, kid, diversity, overfitting)


def update(health, *checkups):
    """Return the findings of the last checkup."""
    for one in checkups:
        findings = health.update(one, augment_p=0.5)
    return findings


def test_a_healthy_run_is_not_changed():
    health = Health()
    assert update(health, checkup(100), checkup(200, kid=0.05), checkup(300, kid=0.07)) == []
    assert (health.best_kid, health.best_batches, health.since_best) == (0.05, 200, 1)
    assert health.adjust(SCHEDULE) == SCHEDULE


def test_a_collapse_restores_the_best_state_and_halves_the_rate():
    health = Health()
    (finding,) = update(health, checkup(100), checkup(200, diversity=0.1, kid=0.01))
    assert finding.action == "restore"
    assert finding.text == (
        "The generated images have collapsed (diversity 0.10, the highest was 0.80): "
        "the state of batch 100 was restored and the learning rate halved"
    )
    assert health.best_batches == 100, "collapsed images are never the best, whatever their KID"
    assert health.adjust(SCHEDULE)["learning_rate"] == 0.005


def test_low_diversity_at_the_start_is_not_a_collapse():
    health = Health()
    assert update(health, checkup(100, diversity=0.05), checkup(200, diversity=0.04), checkup(300, diversity=0.2)) == []
    assert health.collapses == 0


def test_a_collapse_after_the_last_accepted_one_stops_training_and_is_never_the_best():
    health = Health()
    update(health, checkup(100))
    for n in range(MAX_COLLAPSES):
        assert [finding.action for finding in update(health, checkup(200 + n, diversity=0.05, kid=0.001))] == [
            "restore"
        ]
    last = checkup(300, diversity=0.05, kid=0.001)
    (finding,) = update(health, last)
    assert not health.is_best(last)
    assert (health.best_kid, health.best_batches) == (0.1, 100)
    assert finding.action == "stop"
    assert finding.text == (
        "The generated images have collapsed (diversity 0.05, the highest was 0.80), although the best state was "
        "restored 4 times; stopping: the best images are those of batch 100"
    )


def test_a_collapse_does_not_restart_the_count_of_checkups_without_progress():
    health = Health()
    update(health, checkup(1), *[checkup(2 + n, kid=0.2) for n in range(PATIENCE - 1)])
    update(health, checkup(50, diversity=0.05, kid=0.001))
    assert health.since_best == PATIENCE - 1
    assert update(health, checkup(51, kid=0.2))[0].text.startswith("KID has not improved for 20 checkups; stopping")


def test_non_finite_losses_leave_the_collapses_their_number():
    health = Health()
    update(health, checkup(100))
    for n in range(MAX_NON_FINITE):
        health.not_finite(n, 0.01)
    collapsed = checkup(200, diversity=0.05, kid=0.001)
    assert [finding.action for finding in update(health, collapsed)] == ["restore"]
    assert not health.is_best(collapsed)
    assert (health.non_finite, health.collapses) == (MAX_NON_FINITE, 1)


def test_a_kid_that_is_not_a_number_is_never_the_best():
    health = Health()
    update(health, checkup(100, kid=float("nan")))
    assert health.best_kid is None
    update(health, checkup(200), checkup(300, kid=float("nan")))
    assert (health.best_kid, health.best_batches) == (0.1, 200)


def test_overfitting_raises_augmentation_to_its_limit_which_is_reported_once():
    health = Health()
    texts = [[found.text for found in update(health, checkup(n, overfitting=0.7))] for n in range(1, 6)]
    memory = "The discriminator memorises training images (overfitting 70%)"
    assert texts[0] == [f"{memory}: augment_p was raised from 0.50 to 0.60"]
    assert texts[2] == [f"{memory}: augment_p was raised from 0.70 to 0.80"]
    limit = "and more augmentation would appear in generated images; more pictures would help"
    assert texts[3] == [f"{memory}, {limit}"]
    assert texts[4] == []
    assert health.adjust(SCHEDULE)["augment_p"] == pytest.approx(0.8)
    assert health.adjust({**SCHEDULE, "augment_p": 0.9})["augment_p"] == 0.9, "the user's setting is never lowered"


def test_training_stops_when_kid_no_longer_improves():
    health = Health()
    update(health, checkup(1, kid=0.1))
    findings = [update(health, checkup(2 + n, kid=0.1)) for n in range(PATIENCE)]
    assert not any(findings[:-1])
    assert findings[-1][0].action == "stop"
    assert (
        findings[-1][0].text == "KID has not improved for 20 checkups; stopping: the best images are those of batch 1"
    )


def test_non_finite_losses_halve_the_rate_and_in_the_end_fail():
    health = Health()
    for n in range(MAX_NON_FINITE):
        assert health.not_finite(n, 0.01).action == "none"
    assert health.rate == 0.5**MAX_NON_FINITE
    with pytest.raises(TrainingError, match=r"before batch 9, although the learning rate was halved 4 times.*=0\.01"):
        health.not_finite(9, 0.01)


def test_the_best_state_is_restored_if_no_step_was_finite():
    health = Health(best_kid=0.5, best_batches=30)
    finding = health.not_finite(50, 0.01, all_steps=True)
    assert finding.action == "restore"
    assert finding.text == (
        "No loss was finite before batch 50: the state of batch 30 was restored and the learning rate halved"
    )
    assert health.rate == 0.5
    assert Health().not_finite(50, 0.01, all_steps=True).action == "none"  # there is no state to restore


@pytest.mark.parametrize(
    ("training", "held_out", "generated", "expected"),
    [(2, 2, 0, 0), (2, 0, 0, 1), (2, 1, 0, 0.5), (2, 3, 0, 0), (2, -1, 0, 1), (0, 0, 0, 0), (-1, 0, 0, 0)],
)
def test_overfitting_is_the_share_of_the_advantage_that_held_out_images_lack(training, held_out, generated, expected):
    assert overfitting(training, held_out, generated) == expected


def test_health_survives_json():
    health = Health(rate=0.25, augment=0.1, non_finite=2, collapses=1, best_kid=0.5, best_batches=7, most_diverse=0.9)
    assert Health.from_dict(json.loads(json.dumps(health.to_dict()))) == health


def test_health_of_an_older_checkpoint_is_loaded():
    """It counts both kinds of setback together, and does not name its feature network."""
    old = {"rate": 0.25, "augment": 0.1, "setbacks": 4, "best_kid": 0.5, "best_batches": 7, "since_best": 2}
    old |= {"most_diverse": 0.9, "limit_told": True}
    health = Health.from_dict(old)
    assert (health.non_finite, health.collapses, health.network) == (0, 0, "efficientnet-lite0")
    assert (health.rate, health.best_kid, health.best_batches, health.limit_told) == (0.25, 0.5, 7, True)
    assert Health.from_dict({}) == Health(), "a checkpoint without health"


# -- in a run --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scripted(monkeypatch):
    """Return a function that sets the results of a run's checkups: (kid, diversity, overfitting) of each."""

    def script(*measured):
        left = list(measured)

        def validate(self):
            kid, diversity, overfits = left.pop(0)
            return Checkup(self.trainer.batches, kid, diversity, overfits)

        monkeypatch.setattr(checkups.Validator, "validate", validate)

    return script


def train(path, **settings):
    return tiny.train(path, source=tiny.pictures(40), **{"batches": 40, "checkup": 40, **settings})


@pytest.mark.slow
def test_the_best_state_is_saved_and_used(tmp_path, scripted):
    scripted((0.3, 0.8, 0.1), (0.1, 0.8, 0.1), (0.2, 0.8, 0.1), (0.4, 0.8, 0.1))
    run = train(tmp_path / "run")
    assert run.best == (20, 0.1)
    assert {"checkups.jsonl", "best.safetensors"} <= {item.name for item in run.path.iterdir()}
    assert [(one["batches"], one["kid"]) for one in run.checkups()] == [(10, 0.3), (20, 0.1), (30, 0.2), (40, 0.4)]
    half = train(tmp_path / "half", batches=40, checkup=0)
    assert half.best is None
    assert not np.array_equal(run.sample(4), half.sample(4)), "the last state's images differ"
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        step = Trainer.step
        patch.setattr(Trainer, "step", lambda self: (seen.append(self.state_on_host()), step(self))[1])
        train(tmp_path / "again", checkup=0)
    best = [weight for name, weight in sorted(tiny.state(run, "best").items()) if name.startswith("generator/weights")]
    for kept, then in zip(best, seen[20]["generator"]["weights"], strict=True):
        np.testing.assert_array_equal(kept, then)


def test_a_collapse_restores_the_best_state_in_a_run(tmp_path, scripted):
    scripted((0.3, 0.8, 0.1), (0.1, 0.05, 0.1), (0.2, 0.8, 0.1), (0.25, 0.8, 0.1))
    told = []

    class Listener(tiny.RecordingReporter):
        def on_finding(self, run, text):
            told.append(text)

    restored = []
    with pytest.MonkeyPatch.context() as patch:
        restore = Trainer.restore
        patch.setattr(
            Trainer, "restore", lambda self, state: (restored.append(int(state["steps"])), restore(self, state))
        )
        run = train(tmp_path / "run", reporter=Listener())
    assert restored == [10]
    assert [text.split(" (")[0] for text in told[1:]] == ["The generated images have collapsed"]
    assert run.checkups()[1]["findings"] == told[1:]
    assert run.checkups()[2]["rate"] == 0.5
    assert run.batches == 40


@pytest.mark.slow
def test_a_run_without_progress_finishes_early(tmp_path, scripted):
    scripted((0.1, 0.8, 0.1), *[(0.2, 0.8, 0.1)] * PATIENCE)
    run = train(tmp_path / "run", batches=1000)
    assert run.finished
    assert run.batches == 10 * (PATIENCE + 1)
    assert run.best == (10, 0.1)


def test_a_resumed_run_continues_with_its_health(tmp_path, scripted):
    scripted((0.3, 0.8, 0.9), (0.2, 0.8, 0.1), (0.2, 0.8, 0.1), (0.25, 0.8, 0.1))
    with pytest.MonkeyPatch.context() as patch:
        tiny.signal_at(patch, 15)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run")
    assert pippin.open_run(tmp_path / "run").best == (10, 0.3)
    run = train(tmp_path / "run")
    assert [one["augment"] for one in run.checkups()] == [pytest.approx(0.1)] * 4
    assert len(run.checkups()) == 4


def test_small_training_sets_and_short_runs_have_no_checkups(tmp_path, scripted):
    scripted()
    assert tiny.train(tmp_path / "few", batches=40, checkup=40).best is None
    assert train(tmp_path / "short", batches=9).checkups() == []


@pytest.mark.slow
def test_a_run_whose_collapses_are_spent_ends_with_its_best_state(tmp_path, scripted):
    scripted((0.3, 0.8, 0.1), *[(0.001, 0.05, 0.1)] * (MAX_COLLAPSES + 1))
    run = train(tmp_path / "run", batches=1000)
    assert run.finished
    assert run.batches == 10 * (MAX_COLLAPSES + 2)
    assert run.best == (10, 0.3)
    assert "; stopping: the best images are those of batch 10" in run.checkups()[-1]["findings"][0]


def column_means(images, network):
    """Return features for tests: the mean of each column of pixels, 0 to 1."""
    return images.mean(axis=(1, 3), dtype=np.float64) / 255


@pytest.mark.slow
def test_a_resumed_run_scores_its_best_state_again_if_another_network_measured_it(tmp_path, scripted, monkeypatch):
    """The old KID of 0.0001 belongs to other features; kept as it is, no later checkup could be better."""
    monkeypatch.setattr(measure, "extract", column_means)
    scripted((0.0001, 0.8, 0.1), (-1.0, 0.8, 0.1), (-2.0, 0.8, 0.1), (0.1, 0.8, 0.1))
    to_dict = Health.to_dict
    with pytest.MonkeyPatch.context() as patch:
        old = {"network"}
        patch.setattr(Health, "to_dict", lambda self: {k: v for k, v in to_dict(self).items() if k not in old})
        tiny.signal_at(patch, 15)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run")
    begun = tiny.state(pippin.open_run(tmp_path / "run"), "best")
    generator = pippin.open_run(tmp_path / "run").generator
    saved, save_best = [], StateFiles.save_best

    def spy(self, state, kid, network):
        saved.append((int(state["steps"]), kid, network, state))
        save_best(self, state, kid, network)

    monkeypatch.setattr(StateFiles, "save_best", spy)
    run = train(tmp_path / "run")
    latents = np.float32(draws.fixed_latents(0, 256, tiny.LATENT_DIM))
    generated, real = (column_means(x, "") for x in (generate(generator, latents), tiny.pictures(40)))
    expected = measure.kid(generated, real)[0]
    assert [one[0] for one in saved] == [10, 20, 30]
    assert saved[0][1] == pytest.approx(expected, rel=1e-5)
    assert {one[2] for one in saved} == {"efficientnet-lite1"}
    assert all(np.array_equal(a, b) for a, b in zip(saved[0][3]["generator"]["weights"], weights(begun), strict=True))
    finding = run.checkups()[1]["findings"][0]
    assert finding.startswith(
        "KID is now measured with efficientnet-lite1 instead of efficientnet-lite0: the best state"
    )
    assert finding.endswith(f"that of batch 10, has {expected:.4f} instead of 0.0001")
    assert [len(one["findings"]) for one in run.checkups()] == [0, 1, 0, 0]
    assert run.best == (30, -2.0)


def with_normalisation():
    """Return networks of which the discriminator has moving averages."""
    return {"generator": tiny.generator(), "discriminator": tiny.discriminator(keras.layers.BatchNormalization())}


def spoil_averages(monkeypatch, *batches):
    """Set a moving average of the discriminator to infinity in the steps of some batches."""
    step = Trainer.step

    def spoilt(self):
        measures = step(self)
        if self.batches in batches:
            state = self.state_on_host()
            state["discriminator"]["stats"][-1] = np.full_like(state["discriminator"]["stats"][-1], np.inf)
            self.load(state, self.seconds, self.health)
        return measures

    monkeypatch.setattr(Trainer, "step", spoilt)


def test_moving_averages_that_are_not_finite_restore_the_last_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "TICK", 5)
    spoil_averages(monkeypatch, 52)
    listener = tiny.FindingsReporter()
    run = train(tmp_path / "run", reporter=listener, batches=60, checkup=0, **with_normalisation())
    assert listener.findings == [
        "Moving averages of the networks were not finite before batch 55: the last checkpoint was restored and the "
        "learning rate halved"
    ]
    assert run.finished
    for array in tiny.state(run).values():
        assert np.isfinite(array).all()


def test_moving_averages_that_are_never_finite_end_the_run_with_the_last_good_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "TICK", 5)
    spoil_averages(monkeypatch, *range(52, 200))
    with pytest.raises(TrainingError, match=r"^Moving averages were not finite before batch 75, although .+ 4 times"):
        train(tmp_path / "run", batches=100, checkup=0, **with_normalisation())
    run = pippin.open_run(tmp_path / "run")
    assert run.batches == 70
    for array in tiny.state(run).values():
        assert np.isfinite(array).all()


def weights(state):
    """Return the generator's weights of a saved state, in their order."""
    return [state[name] for name in sorted(state) if name.startswith("generator/weights")]


@pytest.mark.slow
def test_what_a_real_checkup_measures(tmp_path, monkeypatch):
    """Train on noise for two batches: the generated images differ from it, by the pretrained network itself."""
    monkeypatch.setattr(checkups, "IMAGES", 64)
    run = tiny.train(tmp_path / "run", source=tiny.pictures(220), batches=2, checkup=4)
    (first, second) = run.checkups()
    assert run.about["held_out"] == 40
    assert first["kid"] > 0
    assert 0 < first["diversity"] < 3
    assert 0 <= first["overfitting"] <= 1
    assert (first["batches"], second["batches"]) == (1, 2)
