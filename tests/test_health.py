"""Each thing that can go wrong, provoked: first on numbers, then in a run."""

import json

import numpy as np
import pytest
import tiny

import pippin
from pippin import measure
from pippin.errors import TrainingError
from pippin.session import checkups
from pippin.session.checkups import is_checkup
from pippin.training.health import PATIENCE, SETBACKS, Checkup, Health, overfitting
from pippin.training.trainer import Trainer

SCHEDULE = {"learning_rate": 0.01, "augment_p": 0.5, "gamma": 1.0}


def checkup(batches, kid=0.1, diversity=0.8, overfitting=0.1):
    return Checkup(batches, kid, diversity, overfitting)


def examine(health, *some):
    """Return the findings of the last checkup."""
    for one in some:
        findings = health.examine(one, augment_p=0.5)
    return findings


def test_a_healthy_run_is_left_alone():
    health = Health()
    assert examine(health, checkup(100), checkup(200, kid=0.05), checkup(300, kid=0.07)) == []
    assert (health.best_kid, health.best_batches, health.since_best) == (0.05, 200, 1)
    assert health.adjust(SCHEDULE) == SCHEDULE


def test_pictures_that_become_alike_send_it_back_at_half_the_rate():
    health = Health()
    (finding,) = examine(health, checkup(100), checkup(200, diversity=0.1, kid=0.01))
    assert finding.action == "restore"
    assert finding.text == (
        "The pictures have become alike (0.10 of the real ones' diversity, it was 0.80): "
        "went back to batch 100 and halved the learning rate"
    )
    assert health.best_batches == 100, "alike pictures are never the best, whatever their KID"
    assert health.adjust(SCHEDULE)["learning_rate"] == 0.005


def test_pictures_that_are_still_alike_at_the_beginning_are_no_setback():
    health = Health()
    assert (
        examine(health, checkup(100, diversity=0.05), checkup(200, diversity=0.04), checkup(300, diversity=0.2)) == []
    )
    assert health.setbacks == 0


def test_going_back_has_an_end():
    health = Health()
    examine(health, checkup(100))
    actions = [examine(health, checkup(200 + n, diversity=0.1)) for n in range(SETBACKS + 1)]
    assert [bool(found) for found in actions] == [True] * SETBACKS + [False]


def test_overfitting_raises_augmentation_to_its_limit_and_then_says_so_once():
    health = Health()
    texts = [[found.text for found in examine(health, checkup(n, overfitting=0.7))] for n in range(1, 6)]
    memory = "The discriminator knows the learnt pictures by heart (70% of what it goes by)"
    assert texts[0] == [f"{memory}: augmentation raised from 0.50 to 0.60"]
    assert texts[2] == [f"{memory}: augmentation raised from 0.70 to 0.80"]
    assert texts[3] == [f"{memory}, and more augmentation would be painted into the pictures: more of them would help"]
    assert texts[4] == []
    assert health.adjust(SCHEDULE)["augment_p"] == pytest.approx(0.8)
    assert health.adjust({**SCHEDULE, "augment_p": 0.9})["augment_p"] == 0.9, "what was asked for is never lowered"


def test_no_more_progress_ends_it():
    health = Health()
    examine(health, checkup(1, kid=0.1))
    findings = [examine(health, checkup(2 + n, kid=0.1)) for n in range(PATIENCE)]
    assert not any(findings[:-1])
    assert findings[-1][0].action == "stop"
    assert findings[-1][0].text == f"No better for {PATIENCE} checkups, so it is done: the best pictures are of batch 1"


def test_losses_that_are_not_finite_halve_the_rate_and_in_the_end_refuse():
    health = Health()
    for n in range(SETBACKS):
        assert health.not_finite(n, 0.01).action == "none"
    assert health.rate == 0.5**SETBACKS
    with pytest.raises(TrainingError, match=r"before batch 9, though the rate was halved 4 times.*=0\.01"):
        health.not_finite(9, 0.01)


@pytest.mark.parametrize(
    ("learnt", "held_out", "fake", "expected"),
    [(2, 2, 0, 0), (2, 0, 0, 1), (2, 1, 0, 0.5), (2, 3, 0, 0), (2, -1, 0, 1), (0, 0, 0, 0), (-1, 0, 0, 0)],
)
def test_overfitting_is_the_share_of_the_advantage_that_is_memory(learnt, held_out, fake, expected):
    assert overfitting(learnt, held_out, fake) == expected


def test_health_survives_json():
    health = Health(rate=0.25, augment=0.1, setbacks=2, best_kid=0.5, best_batches=7, most_diverse=0.9)
    assert Health.from_dict(json.loads(json.dumps(health.to_dict()))) == health


def test_diversity_written_out():
    features = np.array([[1.0, 0], [0, 2], [1, 1]])
    assert measure.diversity(features) == pytest.approx((1 + 2 * (1 - 0.5**0.5)) / 3)


def test_checkups_come_when_enough_pictures_were_seen():
    assert [n for n in range(1, 20) if is_checkup(n, batch_size=4, rhythm=10)] == [3, 5, 8, 10, 13, 15, 18]
    assert not any(is_checkup(n, 4, 0) for n in range(1, 20))


# -- in a run --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scripted(monkeypatch):
    """Let a run's checkups measure what a list says, at any number of pictures."""

    def script(*measured):
        left = list(measured)

        def examine(self):
            kid, diversity, memory = left.pop(0)
            return Checkup(self.trainer.batches, kid, diversity, memory)

        monkeypatch.setattr(checkups.Examiner, "examine", examine)

    return script


def train(path, **settings):
    return tiny.train(path, source=tiny.pictures(40), **{"batches": 40, "checkup": 40, **settings})


def test_the_best_checkpoint_is_kept_and_painted_with(tmp_path, scripted):
    scripted((0.3, 0.8, 0.1), (0.1, 0.8, 0.1), (0.2, 0.8, 0.1), (0.4, 0.8, 0.1))
    run = train(tmp_path / "run")
    assert run.best == (20, 0.1)
    assert {"checkups.jsonl", "best.safetensors"} <= {item.name for item in run.path.iterdir()}
    assert [(one["batches"], one["kid"]) for one in run.checkups()] == [(10, 0.3), (20, 0.1), (30, 0.2), (40, 0.4)]
    half = train(tmp_path / "half", batches=40, checkup=0)
    assert half.best is None
    assert not np.array_equal(run.sample(4), half.sample(4)), "the last state's pictures are others"
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        step = Trainer.step
        patch.setattr(Trainer, "step", lambda self: (seen.append(self.state_on_host()), step(self))[1])
        train(tmp_path / "again", checkup=0)
    best = [weight for name, weight in sorted(tiny.state(run, "best").items()) if name.startswith("generator/weights")]
    for kept, then in zip(best, seen[20]["generator"]["weights"], strict=True):
        np.testing.assert_array_equal(kept, then)


def test_collapse_goes_back_and_says_so(tmp_path, scripted):
    scripted((0.3, 0.8, 0.1), (0.1, 0.05, 0.1), (0.2, 0.8, 0.1), (0.25, 0.8, 0.1))
    told = []

    class Listener(tiny.Diary):
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
    assert [text.split(" (")[0] for text in told] == ["The pictures have become alike"]
    assert run.checkups()[1]["findings"] == told
    assert run.checkups()[2]["rate"] == 0.5
    assert run.batches == 40


def test_no_progress_finishes_the_run_early(tmp_path, scripted):
    scripted((0.1, 0.8, 0.1), *[(0.2, 0.8, 0.1)] * PATIENCE)
    run = train(tmp_path / "run", batches=1000)
    assert run.finished
    assert run.batches == 10 * (PATIENCE + 1)
    assert run.best == (10, 0.1)


def test_a_run_goes_on_with_what_was_found(tmp_path, scripted):
    scripted((0.3, 0.8, 0.9), (0.2, 0.8, 0.1), (0.2, 0.8, 0.1), (0.25, 0.8, 0.1))
    with pytest.MonkeyPatch.context() as patch:
        tiny.signal_at(patch, 15)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run")
    assert pippin.open_run(tmp_path / "run").best == (10, 0.3)
    run = train(tmp_path / "run")
    assert [one["augment"] for one in run.checkups()] == [pytest.approx(0.1)] * 4
    assert len(run.checkups()) == 4


def test_few_pictures_and_short_runs_have_no_checkups(tmp_path, scripted):
    scripted()
    assert tiny.train(tmp_path / "few", batches=40, checkup=40).best is None
    assert train(tmp_path / "short", batches=9).checkups() == []


def test_what_a_real_checkup_measures(tmp_path, monkeypatch):
    """Noise learnt for a moment: pictures unlike the real ones, by the pretrained network itself."""
    monkeypatch.setattr("pippin.session.checkups.PICTURES", 64)
    run = tiny.train(tmp_path / "run", source=tiny.pictures(220), batches=2, checkup=4)
    (first, second) = run.checkups()
    assert run.about["held_out"] == 40
    assert first["kid"] > 0
    assert 0 < first["diversity"] < 3
    assert 0 <= first["overfitting"] <= 1
    assert (first["batches"], second["batches"]) == (1, 2)
