"""The values of each step along a run."""

import pytest

from pippin.settings import Settings
from pippin.training.schedule import schedule_at


def test_learning_rate_and_gamma_follow_half_a_cosine():
    settings = Settings(learning_rate=0.3, learning_rate_end=0.1, gamma=8.0, gamma_end=2.0, warmup=0)
    at = {progress: schedule_at(settings, progress, 0) for progress in (0.0, 0.25, 0.5, 1.0)}
    assert [at[p]["learning_rate"] for p in at] == pytest.approx([0.3, 0.1 + 0.2 * 0.8535534, 0.2, 0.1])
    assert [at[p]["gamma"] for p in at] == pytest.approx([8, 2 + 6 * 0.8535534, 5, 2])


def test_progress_beyond_the_end_is_clipped():
    settings = Settings()
    assert schedule_at(settings, 1.5, 0) == schedule_at(settings, 1.0, 0)


def test_the_warm_up_is_linear_and_ends_at_the_full_learning_rate():
    settings = Settings(learning_rate=0.5, learning_rate_end=0.5, warmup=4, batch_size=10)
    rates = [schedule_at(settings, 0.1, 10 * n)["learning_rate"] for n in range(7)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5])


def test_constants_stay_as_they_are_set():
    constants = {"beta_1": 0.25, "beta_2": 0.75, "augment_p": 0.125, "shift_p": 0.5, "discriminator_rate": 0.3}
    settings = Settings(**constants)
    for progress in (0.0, 0.7, 1.0):
        schedule = schedule_at(settings, progress, 5000)
        assert {name: schedule[name] for name in constants} == constants


def test_the_half_life_of_the_average_is_a_fraction_of_the_images_seen():
    settings = Settings(ema_fraction=0.1, batch_size=10)
    assert schedule_at(settings, 0.5, 1000)["ema_decay"] ** (100 / 10) == pytest.approx(0.5)
    assert schedule_at(settings, 0.0, 0)["ema_decay"] == 0
    assert schedule_at(Settings(ema_fraction=0), 0.5, 1000)["ema_decay"] == 0


def test_the_blur_of_every_image_fades_out_and_the_random_blur_stays():
    settings = Settings(image_size=32, blur=0.125, blur_until=0.5)
    floors = [schedule_at(settings, progress, 0)["blur_floor"] for progress in (0, 0.25, 0.5, 0.75)]
    assert floors == [4, 2, 0, 0]
    assert {schedule_at(settings, progress, 0)["blur"] for progress in (0, 0.25, 0.75)} == {4}


def test_early_layers_are_frozen_for_their_share_of_the_run():
    settings = Settings(frozen=0.5)
    assert [schedule_at(settings, p, 0)["early_rate"] for p in (0, 0.49, 0.5, 1)] == [0, 0, 1, 1]
