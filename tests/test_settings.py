import dataclasses
import json
import math
import re

import numpy as np
import pytest

from pippin.errors import PippinError, SettingsError
from pippin.settings import IMAGE_SIZES, PRESETS, Settings, check_integer, check_number, choose


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 1},
        {"seed": -1},
        {"seed": 2**63},
        {"latent_dim": 0},
        {"batches": 0},
        {"learning_rate": 1.5},
        {"learning_rate_end": -0.1},
        {"beta_1": 1.0},
        {"beta_2": 1.0},
        {"gamma": -1.0},
        {"gamma_end": float("nan")},
        {"augment_p": 1.1},
        {"ema_fraction": -0.1},
        {"rule": "simultaneous"},
        {"preset": "fancy"},
    ],
    ids=str,
)
def test_a_value_out_of_its_range_is_named(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(SettingsError, match=rf"^{name} must be .*Received: {name}={value}$"):
        Settings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "noun"),
    [
        ({"batches": "100"}, "an integer"),
        ({"batches": True}, "an integer"),
        ({"batch_size": 8.0}, "an integer"),
        ({"batch_size": None}, "an integer"),
        ({"image_size": 64.0}, "an integer"),
        ({"seed": 1.5}, "an integer"),
        ({"seed": np.float32(1)}, "an integer"),
        ({"latent_dim": [128]}, "an integer"),
        ({"gamma": "5"}, "a number"),
        ({"gamma": 1j}, "a number"),
        ({"held_out": False}, "a number"),
        ({"learning_rate": None}, "a number"),
        ({"augment_p": np.array([0.5])}, "a number"),
        ({"gamma": math.inf}, "a finite number"),
        ({"minutes": math.nan, "batches": None}, "a finite number"),
        ({"preset": None}, "a string"),
        ({"rule": 1}, "a string"),
        ({"from_run": b"runs/a"}, "a string"),
    ],
    ids=str,
)
def test_a_value_of_a_wrong_type_is_named(wrong, noun):
    name, value = next(iter(wrong.items()))
    with pytest.raises(SettingsError, match=rf"^{name} must be {noun}\. Received: {name}={re.escape(repr(value))}$"):
        Settings(**wrong)


def test_every_setting_refuses_a_wrong_type():
    for item in dataclasses.fields(Settings):
        with pytest.raises(SettingsError, match=rf"^{item.name} must be an? .*Received: {item.name}="):
            Settings(**{item.name: object()})


def test_numpy_numbers_become_plain_ones():
    settings = Settings(batches=np.int64(100), seed=np.uint8(7), gamma=np.float32(0.5), augment_p=1)
    assert (settings.batches, settings.seed, settings.gamma, settings.augment_p) == (100, 7, 0.5, 1)
    assert {type(value) for value in settings.to_dict().values()} <= {int, float, str, type(None)}
    assert choose(image_size=np.int32(32)).settings == choose(image_size=32).settings


@pytest.mark.parametrize("check", [check_integer, check_number])
def test_numbers_of_other_functions_are_checked_in_the_same_way(check):
    assert check("n", np.int16(3), 1, 5) == 3
    assert type(check("n", np.int16(3))) is int
    for wrong in (True, "3", None, 3 + 0j):
        with pytest.raises(SettingsError, match=r"^n must be an? \w+\. Received: n="):
            check("n", wrong)
    with pytest.raises(SettingsError, match=r"^n must be from 1 to 5\. Received: n=6$"):
        check("n", 6, 1, 5)
    with pytest.raises(SettingsError, match=r"^n must be at least 1\. Received: n=0$"):
        check("n", 0, 1)


@pytest.mark.parametrize("image_size", [0, 8, 48, 1024, -64])
def test_other_sizes_are_refused(image_size):
    with pytest.raises(SettingsError, match=f"power of two from 16 to 512. Received: image_size={image_size}$"):
        choose(image_size=image_size)


@pytest.mark.parametrize("both", [{"batches": 10, "minutes": 1.0}, {"batches": None, "minutes": None}], ids=str)
def test_a_run_is_as_long_as_its_batches_or_its_minutes(both):
    with pytest.raises(SettingsError, match=r"^Give either a number of batches or .*minutes\. Received: batches="):
        Settings(**both)


def test_minutes_replace_the_default_number_of_batches():
    settings = choose(minutes=2.5).settings
    assert (settings.batches, settings.minutes) == (None, 2.5)
    with pytest.raises(SettingsError, match=r"^Give either a number of batches"):
        choose(batches=10, minutes=2.5)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        SettingsError, match=r"Known ones: preset, .*ema_fraction, start, from_run\. Received: learningrate$"
    ):
        choose(learningrate=1.0)
    with pytest.raises(SettingsError, match=r"preset must be one of standard, classic\. Received: preset=dcgan$"):
        choose("dcgan")


def test_settings_errors_are_pippin_and_value_errors():
    assert issubclass(SettingsError, PippinError)
    assert issubclass(SettingsError, ValueError)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().seed = 1


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_settings_survive_json(preset, image_size):
    settings = choose(preset, image_size, minutes=3.0, seed=2**63 - 1).settings
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_every_setting_has_one_line_of_help():
    for item in dataclasses.fields(Settings):
        text = item.metadata["help"]
        assert text
        assert "\n" not in text
        assert not text.endswith(".")


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_every_choice_that_leaves_a_default_has_a_reason(preset, image_size):
    choice = choose(preset, image_size, seed=5, learning_rate=0.01, batches=None)
    defaults, chosen = Settings(), choice.settings
    assert (chosen.preset, chosen.image_size, chosen.seed, chosen.learning_rate) == (preset, image_size, 5, 0.01)
    for item in dataclasses.fields(Settings):
        if getattr(chosen, item.name) != getattr(defaults, item.name) and item.name != "image_size":
            assert choice.reasons.get(item.name), item.name
    assert choice.reasons["seed"] == choice.reasons["learning_rate"] == "given"
    assert choice.reasons["preset"]


def test_given_settings_take_precedence_over_the_preset():
    choice = choose("classic", rule="relativistic", gamma=0.5)
    assert (choice.settings.rule, choice.settings.gamma) == ("relativistic", 0.5)
    assert choice.reasons["rule"] == "given"
    assert choice.reasons["beta_1"] == "the classic preset"


def test_classic_uses_the_alternating_rule_without_penalties():
    settings = choose("classic").settings
    assert (settings.rule, settings.gamma, settings.gamma_end, settings.augment_p) == ("alternating", 0, 0, 0)


def test_a_discriminator_on_pixels_has_its_own_settings():
    features, pixels = choose().settings, choose(features="none", augment_p=0.2).settings
    assert (pixels.learning_rate, pixels.discriminator_rate, pixels.warmup) == (4e-4, 1.0, 200)
    assert (features.features, features.blur) == ("efficientnet-lite0", 0)
    assert (pixels.gamma, pixels.gamma_end, pixels.blur) == (5, 1, 0.08)
    assert pixels.augment_p == 0.2
    assert choose(image_size=32, features="none").settings.gamma == 1.25


@pytest.mark.parametrize(
    ("preset", "features", "message"),
    [
        ("standard", "inception", r"features must be one of efficientnet-lite0, none\. Received: features=inception"),
        (
            "classic",
            "efficientnet-lite0",
            r"classic preset takes pixels; use features=none\. Received: features=eff",
        ),
    ],
)
def test_unknown_or_unsupported_features_are_refused(preset, features, message):
    with pytest.raises(SettingsError, match=message):
        choose(preset, features=features)


def test_larger_pictures_get_smaller_batches():
    sizes = [choose("classic", image_size).settings.batch_size for image_size in IMAGE_SIZES]
    assert sizes == [32, 32, 32, 32, 8, 4]
    assert "fit into memory" in choose("classic", 256).reasons["batch_size"]
    assert "fit into memory" not in choose("classic", 128).reasons["batch_size"]
    assert choose("classic", 256, batch_size=64).settings.batch_size == 64
