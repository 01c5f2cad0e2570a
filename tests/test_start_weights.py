"""The start weights: what they initialise, when they are used, and the file that holds them."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import tiny

import pippin
from pippin import networks
from pippin.errors import SettingsError
from pippin.networks import start_weights
from pippin.session.transfer import start_from_synthetic
from pippin.settings import Settings, choose

PROJECTED = {"features": "efficientnet-lite0"}


def build(image_size):
    return networks.build("standard", image_size, Settings.latent_dim, **PROJECTED)


def test_a_file_holds_the_weights_of_both_networks_as_16_bit_floats(tmp_path):
    path = tmp_path / "start.safetensors"
    generator, discriminator = tiny.generator(), tiny.discriminator()
    start_weights.save(path, generator, discriminator)
    for model, loaded in zip((generator, discriminator), start_weights.load(path), strict=True):
        arrays = [array for layer in loaded.values() for array in layer.arrays]
        assert len(arrays) == len(model.get_weights())
        for array, original in zip(arrays, model.get_weights(), strict=True):
            assert array.dtype == np.float32
            np.testing.assert_allclose(array, original, rtol=1e-3, atol=1e-7)


def test_the_start_weights_are_finite():
    for loaded in start_weights.load():
        for name, layer in loaded.items():
            assert all(np.isfinite(array).all() for array in layer.arrays), name


def test_all_layers_at_64_pixels_start_with_the_start_weights():
    built = build(64)
    note = start_from_synthetic(built)
    first, _, total, *_ = note.split()
    assert first == total
    assert note == f"{first} of {total} layers start with weights trained on synthetic pictures"
    expected = start_weights.load()[0]["conv8a"].arrays[0]
    np.testing.assert_array_equal(built.generator.get_layer("conv8a").get_weights()[0], expected)


def test_the_coarse_stages_at_128_pixels_start_with_the_start_weights():
    built = build(128)
    note = start_from_synthetic(built)
    assert note.endswith("; the others start with random weights")
    for name in ("seed", "conv4a", "conv8a", "conv16b"):
        expected = start_weights.load()[0][name].arrays[0]
        np.testing.assert_array_equal(built.generator.get_layer(name).get_weights()[0], expected)


@pytest.mark.parametrize(
    ("arguments", "start", "reason"),
    [
        ({}, "synthetic", "learns photographs in fewer batches"),
        ({"image_size": 128}, "synthetic", "learns photographs in fewer batches"),
        ({"image_size": 32}, "random", "64×64 pixels and more"),
        ({"features": "none"}, "random", "the discriminator takes pixels"),
        ({"preset": "classic"}, "random", "classic preset"),
        ({"start": "random"}, "random", "given"),
    ],
)
def test_when_the_start_weights_are_used_and_why(arguments, start, reason):
    choice = choose(**arguments)
    assert choice.settings.start == start
    assert reason in choice.reasons["start"]


def test_another_start_is_refused():
    with pytest.raises(SettingsError, match=r"start must be synthetic or random\. Received: start=zero"):
        Settings(start="zero")


def test_given_networks_start_with_their_own_weights():
    made = pippin.plan(tiny.pictures(), generator=tiny.generator(), discriminator=tiny.discriminator())
    assert made.settings.start == "random"
    assert made.choice.reasons["start"] == "the given networks start with the weights that they have"


def test_a_run_of_an_older_version_is_known_to_have_started_with_random_weights(tmp_path):
    run = tiny.train(tmp_path / "run", batches=1)
    path = run.path / "settings.json"
    about = json.loads(path.read_text())
    del about["settings"]["start"]
    del about["sha256"]
    path.write_text(json.dumps(about))
    assert pippin.open_run(run.path).settings.start == "random"


@pytest.mark.slow
def test_a_new_run_says_that_it_starts_with_the_start_weights(tmp_path):
    run = pippin.train("apples", tmp_path / "run", batches=1, batch_size=4, checkup=0)
    assert "trained on synthetic pictures" in run.folder.about["start"]


def test_a_synthetic_picture_depends_on_its_number_alone():
    drawing = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "synthetic_pictures.py"))["draw"]
    first, again, other = drawing(5), drawing(5), drawing(6)
    assert (first.shape, first.dtype) == ((128, 128, 3), np.uint8)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
