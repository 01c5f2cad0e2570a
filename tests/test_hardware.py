"""The settings that a plan chooses on accelerators."""

import pytest

from pippin import networks
from pippin.errors import SettingsError
from pippin.networks.standard import stage_filters
from pippin.session.hardware import Hardware, adapted, default_side, engine_advice, find_hardware
from pippin.settings import Settings, choose

CPU, GPU, EIGHT = Hardware("CPU"), Hardware("GPU", 1, True), Hardware("8 GPU", 8, True)


def test_on_a_processor_nothing_changes():
    choice = choose("standard", 64)
    assert adapted(choice, CPU) is choice
    assert default_side(CPU, 1000) is None


def test_these_tests_run_on_a_processor_with_one_device():
    assert find_hardware() == CPU


@pytest.mark.parametrize(("size", "batch_size"), [(16, 64), (64, 64), (128, 64), (256, 32), (512, 16)])
def test_the_batch_grows_with_the_devices_and_shrinks_with_the_size(size, batch_size):
    for hardware in (GPU, EIGHT):
        choice = adapted(choose("standard", size), hardware)
        assert choice.settings.batch_size == batch_size * hardware.devices
        assert hardware.device in choice.reasons["batch_size"]


def test_the_learning_rates_and_the_interval_of_checkups_grow_with_the_batch():
    usual, settings = Settings(), adapted(choose("standard", 64), GPU).settings
    assert settings.learning_rate == pytest.approx(2 * usual.learning_rate)
    assert settings.learning_rate_end == pytest.approx(2 * usual.learning_rate_end)
    assert settings.checkup / settings.batch_size == usual.checkup / usual.batch_size
    small = adapted(choose("standard", 64, batch_size=16), GPU).settings
    assert small.learning_rate == pytest.approx(2**0.5 * usual.learning_rate)


def test_given_settings_stay():
    given = {"batch_size": 24, "learning_rate": 1e-3, "width": 1.5, "checkup": 0}
    settings = adapted(choose("standard", 64, **given), EIGHT).settings
    assert {name: getattr(settings, name) for name in given} == given


def test_every_changed_setting_has_a_reason_of_its_own():
    usual = choose("standard", 64)
    choice = adapted(usual, GPU)
    for name, value in choice.settings.to_dict().items():
        if value != getattr(usual.settings, name):
            assert choice.reasons[name] != usual.reasons[name]


def test_the_classic_preset_stays_as_in_the_article():
    choice = choose("classic", 64)
    assert adapted(choice, GPU) is choice


@pytest.mark.parametrize(("hardware", "typical", "side"), [(GPU, 128, 128), (GPU, 4000, 128), (EIGHT, 4000, 256)])
def test_large_pictures_are_learnt_at_a_larger_size(hardware, typical, side):
    assert default_side(hardware, typical)[0] == side


@pytest.mark.parametrize(("hardware", "typical"), [(GPU, 127), (EIGHT, 255), (GPU, None)])
def test_small_pictures_keep_the_usual_choice(hardware, typical):
    assert default_side(hardware, typical) is None


def test_the_width_multiplies_the_filters_of_the_stages():
    usual, wide = stage_filters(128), stage_filters(128, 2.0)
    assert wide == {resolution: 2 * filters for resolution, filters in usual.items()}
    assert all(filters % 8 == 0 for filters in stage_filters(128, 1.3).values())
    one, other = (networks.build("standard", 16, 8, **more).generator for more in ({}, {"width": 2.0}))
    assert len(one.layers) == len(other.layers)
    assert other.count_params() > 2 * one.count_params()


@pytest.mark.parametrize("wrong", [{"width": 0.1}, {"width": 9.0}])
def test_a_width_out_of_range_is_refused(wrong):
    with pytest.raises(SettingsError, match="width must be"):
        Settings(**wrong)


def test_the_classic_preset_has_one_width():
    with pytest.raises(SettingsError, match="width"):
        choose("classic", 64, width=2.0)


def test_another_engine_is_advised_where_tensorflow_has_a_gpu():
    assert "KERAS_BACKEND=jax" in (engine_advice("tensorflow", GPU) or "")
    assert engine_advice("tensorflow", CPU) is engine_advice("jax", GPU) is engine_advice("torch", GPU) is None
