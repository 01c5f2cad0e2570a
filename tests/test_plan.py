"""Training plans: settings with reasons, predicted memory, and what is advised if it does not suffice."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tiny

import pippin
from pippin import networks
from pippin.errors import RunError, SettingsError
from pippin.pictures.sources import files
from pippin.session import memory
from pippin.session.plan import largest_batch
from pippin.settings import FEW_AUGMENT_P, choose


@pytest.fixture(autouse=True)
def tiny_networks(monkeypatch, tmp_path):
    """Replace the presets' networks by the tiny ones, and the machine's memory by 64 GiB."""
    monkeypatch.setattr(networks, "build", tiny.build)
    monkeypatch.setenv("PIPPIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(memory, "free_memory", lambda: 64 * memory.GIB)


def set_free_memory(monkeypatch, made, batch_size, share=1.0001):
    """Set the free memory to slightly more than training with this batch size needs."""
    monkeypatch.setattr(memory, "free_memory", lambda: round(share * made.memory_at(batch_size) / 0.9))


def test_training_uses_the_settings_of_the_plan(tmp_path):
    asked = {"image_size": 16, "batches": 2, "learning_rate": 0.001}
    made = pippin.plan(tiny.pictures(), **asked)
    run = pippin.train(tiny.pictures(), tmp_path / "run", **asked)
    assert run.settings == made.settings
    assert run.about["reasons"] == made.choice.reasons


def test_every_used_setting_has_a_reason():
    made = pippin.plan(tiny.pictures(), image_size=16, minutes=1.0)
    in_force = {name for name, value in made.settings.to_dict().items() if value is not None}
    assert in_force == set(made.choice.reasons)
    assert made.choice.given == {"image_size", "minutes"}


@pytest.mark.parametrize(("side", "image_size"), [(16, 16), (31, 16), (40, 32), (64, 64), (200, 64)])
def test_small_pictures_are_not_enlarged(side, image_size):
    images = np.random.default_rng(0).integers(0, 256, (4, side, side + 10, 3), np.uint8)
    made = pippin.plan(images)
    assert made.settings.image_size == image_size
    assert (f"{side} pixels" in made.choice.reasons["image_size"]) == (image_size < 64)


def test_the_size_of_files_is_read_from_their_headers(tmp_path):
    folder = tiny.save(tmp_path / "photos", tiny.pictures())
    (folder / "letter.txt").write_text("Dear all")
    assert pippin.plan(folder).settings.image_size == tiny.SIZE


def test_given_networks_determine_the_image_size():
    made = pippin.plan(tiny.pictures(), generator=tiny.generator(32), discriminator=tiny.discriminator(size=32))
    assert made.settings.image_size == 32
    assert made.choice.reasons["image_size"] == "the image size of the given networks"


def test_settings_that_follow_from_the_networks_are_not_called_given():
    made = pippin.plan(tiny.pictures(), generator=tiny.generator(), discriminator=tiny.discriminator(), seed=3)
    assert made.choice.given == {"seed"}
    assert made.choice.derived == {"latent_dim", "features", "image_size", "start"}
    assert (made.settings.latent_dim, made.settings.features) == (tiny.LATENT_DIM, "none")
    assert made.choice.reasons["latent_dim"] == "the input of the given generator"
    assert made.choice.reasons["features"] == "the given discriminator takes images"
    assert made.choice.reasons["seed"] == "given"


def test_a_setting_that_contradicts_a_network_is_refused():
    with pytest.raises(SettingsError, match=r"^latent_dim must be 4, .*leave it out\. Received: latent_dim=64$"):
        pippin.plan(tiny.pictures(), generator=tiny.generator(), latent_dim=64)
    with pytest.raises(SettingsError, match=r"^features must be none, .*Received: features=efficientnet-lite0$"):
        pippin.plan(tiny.pictures(), discriminator=tiny.discriminator(), features="efficientnet-lite0")
    made = pippin.plan(tiny.pictures(), generator=tiny.generator(), latent_dim=tiny.LATENT_DIM)
    assert made.choice.given == {"latent_dim"}


def test_a_run_keeps_which_settings_were_given(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2, seed=3)
    assert run.folder.choice.given == {"batches", "batch_size", "seed"}
    assert run.folder.choice.derived == {"latent_dim", "features", "image_size", "start"}
    assert run.folder.choice.reasons == run.about["reasons"]


def test_an_older_run_marks_given_settings_by_their_reason(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    about = json.loads((run.path / "settings.json").read_text(encoding="utf-8"))
    del about["given"], about["derived"], about["sha256"]
    about["reasons"]["latent_dim"] = "given"
    (run.path / "settings.json").write_text(json.dumps(about), encoding="utf-8")
    assert pippin.open_run(run.path).folder.choice.given == {"batches", "batch_size", "latent_dim"}
    assert tiny.train(run.path, batches=2).batches == 2
    with pytest.raises(RunError, match=r"Received: batch_size=2 \(the run has 4\)$"):
        tiny.train(run.path, batches=2, batch_size=2)


def test_few_pictures_are_augmented_more():
    few = choose(images=20)
    assert few.settings.augment_p == FEW_AUGMENT_P
    assert "20 images" in few.reasons["augment_p"]
    assert choose(images=20, augment_p=0.2).settings.augment_p == 0.2
    assert choose(images=20_000).settings == choose().settings


def test_the_batch_size_is_reduced_if_memory_is_short(monkeypatch):
    asked = {"image_size": 16, "preset": "classic"}
    roomy = pippin.plan(tiny.pictures(), **asked)
    size = roomy.settings.batch_size
    set_free_memory(monkeypatch, roomy, size // 2)
    made = pippin.plan(tiny.pictures(), **asked)
    assert made.settings.batch_size == size // 2
    assert made.choice.reasons["batch_size"].startswith(f"{size} would need ")
    made.check_memory()


def test_a_given_batch_size_that_does_not_fit_is_refused(monkeypatch, tmp_path):
    made = pippin.plan(tiny.pictures(), image_size=16, batch_size=512)
    set_free_memory(monkeypatch, made, 128)
    assert pippin.plan(tiny.pictures(), image_size=16, batch_size=512).settings.batch_size == 512
    with pytest.raises(SettingsError, match=r"about .* GiB .* --batch-size 128 would fit .*batch_size=512"):
        pippin.train(tiny.pictures(), tmp_path / "run", image_size=16, batch_size=512, batches=2)
    assert not (tmp_path / "run").exists()


def test_smaller_images_are_advised_if_no_batch_size_fits(monkeypatch):
    made = pippin.plan(tiny.pictures(), image_size=64, batch_size=8)
    small = pippin.plan(tiny.pictures(), image_size=32, batch_size=8)
    monkeypatch.setattr(memory, "free_memory", lambda: round((made.memory_at(4) + small.memory_at(8)) / 2 / 0.9))
    with pytest.raises(SettingsError, match=r"--image-size 32 --batch-size 8 would fit"):
        made.check_memory()
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    with pytest.raises(SettingsError, match="No settings would fit"):
        made.check_memory()


def test_the_batch_size_is_halved_until_it_fits():
    assert largest_batch(lambda size: 10 * size, 32, 320) == 32
    assert largest_batch(lambda size: 10 * size, 32, 319) == 16
    assert largest_batch(lambda size: 10 * size, 32, 40) == 4
    assert largest_batch(lambda size: 10 * size, 32, 39) is None


def shrink_to_four(made):
    return dataclasses.replace(made, choice=made.choice.replace("batch_size", 4, "little is free"))


def test_a_run_resumes_with_its_batch_size_even_if_less_memory_is_free(monkeypatch, tmp_path):
    asked = {"image_size": 16, "batches": 60}
    with pytest.MonkeyPatch.context() as patch:
        tiny.signal_at(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            pippin.train(tiny.pictures(), tmp_path / "run", **asked)
    begun = pippin.open_run(tmp_path / "run").settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pippin.session.plan._fit_batch", shrink_to_four)
        assert pippin.plan(tiny.pictures(), **asked).settings.batch_size == 4
        run = pippin.train(tiny.pictures(), tmp_path / "run", **asked)
    assert run.finished
    assert run.settings == begun
    with pytest.raises(RunError, match=r"batch_size=16 \(the run has"):
        pippin.train(tiny.pictures(), tmp_path / "run", **asked, batch_size=16)


def test_measuring_the_speed_does_not_change_the_networks():
    made = pippin.plan(tiny.pictures(), image_size=16, batches=2)
    before = [np.array(weight) for weight in made.networks.generator.weights]
    assert made.measure_speed() > 0
    for old, new in zip(before, made.networks.generator.weights, strict=True):
        np.testing.assert_array_equal(old, np.array(new))


def test_activations_are_the_outputs_of_the_layers():
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5)])
    images = keras.Input((2, 3, 1))
    model = keras.Model(images, inner(keras.layers.Flatten()(images)))
    assert memory.activation_bytes(inner) == 4 * 5
    assert memory.activation_bytes(model) == 4 * (6 + 6) + memory.activation_bytes(inner)


def test_memory_grows_linearly_with_the_batch_size():
    pair = tiny.build("standard", 32, 8)
    for engine in memory.NEEDS:
        one, two, four = (memory.predict_peak(engine, pair, size) for size in (1, 2, 4))
        assert four - two == pytest.approx(2 * (two - one), abs=2)
        assert one > memory.NEEDS[engine].base


def test_the_limit_of_a_container_is_read(monkeypatch, tmp_path):
    monkeypatch.undo()
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 400000\ninactive_file 300000\n")
    monkeypatch.setattr(memory, "CONTROL_GROUPS", ((tmp_path, "memory.max", "memory.current", "inactive_file"),))
    assert memory.free_memory() == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 1_000_000


@pytest.mark.parametrize("image_size", [None, 16])
def test_a_source_is_listed_once(tmp_path, monkeypatch, image_size):
    greys = np.repeat(tiny.pictures()[..., :1], 3, axis=3)
    folder, listed = tiny.save(tmp_path / "photos", greys), []
    walk = files._walk
    monkeypatch.setattr(files, "_walk", lambda *folders: (listed.append(folders), walk(*folders))[1])
    made = pippin.plan(folder, image_size=image_size, generator=tiny.generator(), discriminator=tiny.discriminator())
    assert made.dataset.channels == 3  # prepared in grey first, and again in RGB for these networks
    assert len(listed) == 1
