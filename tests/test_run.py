"""The folder of a run, and what a user does with a run."""

import base64
import io
import itertools
import json
import os
import shutil
import stat
import subprocess
import sys

import keras
import numpy as np
import pytest
import safetensors
import tiny
from keras import layers
from PIL import Image

import pippin
from pippin import engines
from pippin.errors import RunError, SettingsError
from pippin.runs.folder import Folder
from pippin.runs.run import Run
from pippin.runs.snapshots import SNAPSHOT_LATENTS
from pippin.settings import choose
from pippin.show import GAP, grid, timeline
from pippin.training import draws
from pippin.training.health import Health

SNAPSHOTS = [0, 50, 100, 250, 260]
SHEET = 8 * (tiny.SIZE + GAP) - GAP
OTHER_ENGINES = [
    pytest.param(name, marks=[] if engines._installed(name) else pytest.mark.skip(reason=f"{name} is not installed"))
    for name in engines.ENGINES
    if name != keras.backend.backend()
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a finished run of 260 batches. Tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return tiny.train(tmp_path_factory.mktemp("runs") / "finished", seed=7)


@pytest.fixture
def copied(run, tmp_path):
    """Return a copy of the run, which a test may damage."""
    return pippin.open_run(shutil.copytree(run.path, tmp_path / "copied"))


# -- the folder ----------------------------------------------------------------------------------------------------


def test_the_folder_holds_what_the_docstring_lists_and_nothing_else(run):
    listed = {line.split()[0].rstrip("/") for line in pippin.runs.folder.__doc__.splitlines()[2:]}
    later = {"anchors.npz", "checkups.jsonl", "best.safetensors", "evaluation.json", "directions.json"}
    later |= {"training.lock", "training.json"}  # there only while a process trains the run
    assert {item.name for item in run.path.iterdir()} == listed - later
    assert {item.name for item in (run.path / "pictures").iterdir()} == {f"batch-{n:06d}.png" for n in SNAPSHOTS}


def test_settings_are_stored_with_their_reasons_and_the_source(run):
    stored = json.loads((run.path / "settings.json").read_text(encoding="utf-8"))
    assert stored["format"] == 1
    assert stored["settings"] == run.settings.to_dict()
    assert stored["settings"]["batches"] == 260
    assert stored["reasons"]["batches"] == "given"
    assert stored["reasons"]["seed"] == "given"
    assert (stored["source"].startswith("array:"), stored["pictures"]) == (True, 12)
    assert stored["engine"] == keras.backend.backend()
    assert stored["versions"].keys() == {"pippin", "keras", keras.backend.backend(), "numpy", "python"}
    assert stored["versions"]["keras"] == keras.__version__
    assert f"{os.cpu_count()} cores" in stored["machine"]


def test_the_audit_lists_every_picture(run):
    audit = json.loads((run.path / "pictures.json").read_text(encoding="utf-8"))
    assert (audit["kept"], audit["mended"], audit["refused"]) == (12, 0, 0)
    assert [entry["path"] for entry in audit["files"]] == [f"{n:06}" for n in range(12)]
    assert {entry["verdict"] for entry in audit["files"]} == {"kept"}


def test_the_networks_are_stored_as_keras_json(run):
    for name, model in (("generator", tiny.generator()), ("discriminator", tiny.discriminator())):
        stored = keras.models.model_from_json((run.path / f"{name}.json").read_text(encoding="utf-8"))
        assert [layer.name for layer in stored.layers][-1].split("_")[0] == model.layers[-1].name.split("_")[0]
        assert stored.output_shape == model.output_shape


def test_the_log_has_a_line_per_tick(run):
    lines = [json.loads(line) for line in (run.path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["batches"] for line in lines] == [50, 100, 150, 200, 250, 260]
    assert [line["images_seen"] for line in lines] == [200, 400, 600, 800, 1000, 1040]
    assert run.log() == [{key: value for key, value in line.items() if key != "crc32"} for line in lines]
    for line in run.log():
        assert line["seconds"] >= 0
        assert line["images_per_second"] > 0
        assert {"d_loss", "g_loss", "r1_penalty", "r2_penalty"} < set(line)
        assert all(np.isfinite(value) for value in line.values())
        assert line["finite"] == 1.0
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


def test_the_checkpoint_opens_with_safetensors_alone(run):
    with safetensors.safe_open(run.path / "checkpoint.safetensors", framework="numpy") as file:
        about = json.loads(file.metadata()["pippin"])
        names = list(file.keys())
        assert file.get_tensor("steps") == 260
        assert file.get_tensor("images_seen") == 1040
    assert (about["batches"], about["finished"]) == (260, True)
    assert about["seconds"] == run.seconds > 0
    assert {name.split("/")[0] for name in names} == {
        "generator",
        "discriminator",
        "ema_generator",
        "steps",
        "images_seen",
    }


def test_each_snapshot_shows_the_same_latents(run):
    snapshots = run.snapshots()
    assert list(snapshots) == SNAPSHOTS
    assert {(images.shape, images.dtype) for images in snapshots.values()} == {((64, 16, 16, 3), np.dtype("uint8"))}
    for batches, images in snapshots.items():
        sheet = np.asarray(Image.open(run.path / "pictures" / f"batch-{batches:06d}.png"))
        assert sheet.shape == (SHEET, SHEET, 3)
        np.testing.assert_array_equal(grid(images), sheet)
    np.testing.assert_array_equal(np.asarray(Image.open(run.path / "latest.png")), grid(snapshots[260]))
    for earlier, later in itertools.pairwise(SNAPSHOTS):
        assert (snapshots[earlier] != snapshots[later]).any()


def test_the_last_snapshot_is_generated_from_the_fixed_latents(run):
    latents = draws.fixed_latents(7, SNAPSHOT_LATENTS, tiny.LATENT_DIM)
    difference = run.generate(latents).astype(int) - run.snapshots()[260]
    assert np.abs(difference).max() <= 1


def test_the_timeline_shows_the_snapshots(run):
    with Image.open(run.path / "timeline.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(timeline(run.snapshots())))


@pytest.fixture(scope="module")
def runs_of_presets(run, tmp_path_factory):
    """Runs of the tiny networks and of both presets. Tests only read them."""
    place = tmp_path_factory.mktemp("presets")
    short = {"image_size": 16, "batches": 2, "batch_size": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        presets = ("standard", "classic")
        return [run, *(pippin.train(tiny.pictures(), place / name, preset=name, **short) for name in presets)]


GENERATE = """
import sys, numpy, keras
generators = [keras.saving.load_model(path) for path in sys.argv[1:]]
latents = [numpy.random.default_rng(5).standard_normal((3, one.input_shape[1])).astype("float32") for one in generators]
images = [keras.ops.convert_to_numpy(one(each)) for one, each in zip(generators, latents)]
numpy.savez(sys.stdout.buffer, *images)
assert "pippin" not in sys.modules
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHER_ENGINES)
def test_the_generators_open_in_plain_keras_on_another_engine(runs_of_presets, engine):
    environment = {**os.environ, "KERAS_BACKEND": engine, "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [sys.executable, "-c", GENERATE, *(str(run.path / "generator.keras") for run in runs_of_presets)]
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    with np.load(io.BytesIO(done.stdout)) as images:
        for n, run in enumerate(runs_of_presets):
            latents = np.random.default_rng(5).standard_normal((3, run.settings.latent_dim)).astype("float32")
            here = keras.ops.convert_to_numpy(run.generator(latents))
            np.testing.assert_allclose(images[f"arr_{n}"], here, atol=1e-4)


# -- what Run offers -----------------------------------------------------------------------------------------------

PUBLIC = {
    *("path", "settings", "about", "labels", "channels", "latent_dim", "batches", "seconds", "finished", "best"),
    "compile_seconds",
    *("generator", "backend", "use_backend", "sample", "latents", "generate", "picture", "walk"),
    *("find", "directions", "name_direction", "edited", "mix"),
    *("snapshots", "timeline", "film", "log", "checkups", "evaluation", "export", "diagram"),
    "folder",
}


def test_the_public_names_of_a_run_are_those_of_its_users(run):
    offered = {name for name in {*dir(Run), *vars(run)} if not name.startswith("_")}
    assert offered == PUBLIC
    written = {name for name in dir(Folder) if name.startswith(("save_", "append_", "create", "rewind"))}
    assert {"save_checkpoint", "save_best", "append_log", "create", "rewind"} <= written
    assert not written & offered


# -- generating images ---------------------------------------------------------------------------------------------


def test_sample_returns_images(run):
    images = run.sample(3, seed=1)
    assert (images.shape, images.dtype) == ((3, 16, 16, 3), np.uint8)
    assert images.std() > 0


def test_the_first_images_do_not_depend_on_the_number(run):
    many = run.sample(70, seed=1)
    np.testing.assert_array_equal(run.sample(1, seed=1), many[:1])
    np.testing.assert_array_equal(run.sample(64, seed=1), many[:64])
    np.testing.assert_array_equal(pippin.open_run(run.path).sample(70, seed=1), many)


def test_each_image_has_its_own_seed(run):
    images = run.sample(5, seed=10)
    np.testing.assert_array_equal(run.sample(seeds=[12, 10]), images[[2, 0]])
    np.testing.assert_array_equal(run.sample(1, seed=14), images[4:])


def test_different_seeds_give_different_images(run):
    one, other = run.sample(2, seed=1), run.sample(2, seed=2)
    assert (one != other).any()
    assert (one[0] != one[1]).any()
    assert run.sample(1, seed=2**63 - 1).shape == (1, 16, 16, 3)


def test_the_default_sample_has_64_images_from_seed_0(run):
    np.testing.assert_array_equal(run.sample(), run.sample(64, 0))


@pytest.mark.parametrize("n", [0, -1])
def test_a_number_below_1_is_refused(run, n):
    with pytest.raises(SettingsError, match=f"n must be at least 1. Received: n={n}"):
        run.sample(n)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(run, seed):
    with pytest.raises(SettingsError, match=f"seed must be from 0 to 2⁶³ − 1. Received: seed={seed}"):
        run.sample(1, seed)


def test_the_generator_is_a_keras_model_with_the_averaged_weights(run):
    stored = tiny.state(run)
    assert isinstance(run.generator, keras.Model)
    for n, variable in enumerate(run.generator.trainable_variables):
        np.testing.assert_array_equal(np.array(variable), stored[f"ema_generator/weights/{n:04d}"])


# -- pictures of a run ---------------------------------------------------------------------------------------------


def test_picture_returns_what_the_command_line_writes(run):
    plain = run.picture(3, seed=5)
    np.testing.assert_array_equal(np.asarray(plain), grid(run.sample(3, seed=5)))
    labelled = run.picture(seeds=[7, 5], labels=True)
    np.testing.assert_array_equal(np.asarray(labelled), grid(run.sample(seeds=[7, 5]), labels=["7", "5"]))
    np.testing.assert_array_equal(np.asarray(run.timeline()), np.asarray(Image.open(run.path / "timeline.png")))


def test_the_film_shows_each_snapshot(run):
    frames = list(run.film(fps=2, seconds=1))
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert len(frames) == 2 * (len(SNAPSHOTS) - 1) + 2 * 2


def test_a_run_shows_itself_in_a_notebook(run, copied):
    assert run._repr_png_() == (run.path / "latest.png").read_bytes()
    shown = run._repr_html_()
    assert base64.b64encode(run._repr_png_()).decode() in shown
    assert "260 batches" in shown
    assert "finished" in shown
    copied.about["source"] = "<script>"
    (copied.path / "latest.png").unlink()
    assert copied._repr_png_() is None
    assert "<img" not in copied._repr_html_()
    assert "&lt;script&gt;" in copied._repr_html_()


# -- opening -------------------------------------------------------------------------------------------------------


def test_an_opened_run_is_what_train_returned(run):
    opened = pippin.open_run(str(run.path))
    assert (opened.settings, opened.batches, opened.seconds) == (run.settings, 260, run.seconds)
    assert opened.finished is True
    assert opened.about == run.about
    assert repr(opened) == f"Run('{run.path}', batch 260, finished)"


def one_line(caught):
    message = str(caught.value)
    assert "\n" not in message
    assert "Received: " in message
    return message


def test_a_folder_without_a_run_is_reported(tmp_path):
    (tmp_path / "file").write_text("no run")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunError, match="There is no run there; `pippin train` makes one") as caught:
            pippin.open_run(path)
        assert str(path) in one_line(caught)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "not JSON\nat all\n", "\x00\x00", '{"format": 1}', '{"format": 1, "settings": []}'],
)
def test_damaged_settings_are_reported(copied, text):
    (copied.path / "settings.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"settings\.json is damaged") as caught:
        pippin.open_run(copied.path)
    assert str(copied.path) in one_line(caught)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("image_size", 48, "image_size=48"),
        ("batch_size", "many", "damaged"),
        ("colour", "red", "Unknown setting"),
    ],
)
def test_invalid_settings_are_reported(copied, name, value, message):
    stored = copied.about | {"settings": copied.settings.to_dict() | {name: value}}
    (copied.path / "settings.json").write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(RunError, match=r"settings\.json is damaged") as caught:
        pippin.open_run(copied.path)
    assert message in one_line(caught)


def test_settings_without_required_keys_are_reported(copied):
    for name in ("source", "fingerprint", "reasons", "versions", "settings"):
        stored = {key: value for key, value in copied.about.items() if key != name}
        (copied.path / "settings.json").write_text(json.dumps(stored), encoding="utf-8")
        with pytest.raises(RunError, match=rf"settings\.json is damaged, .*\({name}: field required\)"):
            pippin.open_run(copied.path)


def test_a_run_of_a_newer_format_is_refused(copied):
    (copied.path / "settings.json").write_text(json.dumps(copied.about | {"format": 2}), encoding="utf-8")
    with pytest.raises(RunError, match=r"written by a newer Pippin, in format 2; this Pippin knows formats up to 1"):
        pippin.open_run(copied.path)


def damage_truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def damage_empty(path):
    path.write_bytes(b"")


def damage_garbage(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def damage_foreign(path):
    safetensors.numpy.save_file({"a": np.zeros(3, np.float32)}, path)


DAMAGES = [damage_truncated, damage_empty, damage_garbage, damage_foreign]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_reported_wherever_it_is_needed(copied, damage):
    (copied.path / "checkpoint-previous.safetensors").unlink()  # it would be used instead
    damage(copied.path / "checkpoint.safetensors")
    calls = [lambda: copied.batches, lambda: copied.finished, lambda: tiny.train(copied.path, seed=7)]
    for call in calls:
        with pytest.raises(RunError, match=r"checkpoint\.safetensors is damaged, or not one of Pippin's") as caught:
            call()
        assert str(copied.path) in one_line(caught)
    with pytest.raises(RunError) as caught:
        copied.sample(1)
    assert "checkpoint" in one_line(caught)


def test_a_checkpoint_of_other_networks_is_refused(copied):
    stack = [layers.Dense(5), layers.Dense(3 * tiny.SIZE**2), layers.Reshape((tiny.SIZE, tiny.SIZE, 3))]
    other = keras.Sequential([keras.Input((tiny.LATENT_DIM,)), *stack])
    tiny.forge(copied.path, generator=json.loads(other.to_json()))
    with pytest.raises(RunError, match="The checkpoint was made with other networks") as caught:
        pippin.open_run(copied.path).sample(1)
    one_line(caught)


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", "null", '{"class_name": "Sequential"}', "garbage"])
def test_a_damaged_network_is_reported(copied, text):
    (copied.path / "generator.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        RunError, match=r"generator\.json is damaged, or holds a network that Pippin does not open"
    ) as caught:
        copied.sample(1)
    one_line(caught)


def test_a_run_without_a_checkpoint_is_reported(copied):
    for name in ("checkpoint.safetensors", "checkpoint-previous.safetensors"):
        (copied.path / name).unlink()
    opened = pippin.open_run(copied.path)
    assert (opened.batches, opened.seconds, opened.finished) == (0, 0.0, False)
    with pytest.raises(RunError, match="The run has no checkpoint yet; train it first"):
        opened.sample(1)


def test_an_incomplete_line_of_the_log_is_skipped(copied):
    log = copied.log()
    with (copied.path / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"batches": 300, "ima')
    assert copied.log() == log
    copied.folder.rewind()
    assert copied.log() == log
    assert (copied.path / "log.jsonl").read_text(encoding="utf-8").endswith("}\n")


# -- creating ------------------------------------------------------------------------------------------------------

ABOUT = {
    **dict.fromkeys(("source", "fingerprint", "engine", "machine"), ""),
    **dict.fromkeys(("pictures", "held_out"), 0),
    "versions": {"pippin": "0", "keras": "0"},
}


def make(path):
    return Folder.create(path, choose(image_size=16), ABOUT, (tiny.generator(), tiny.discriminator()))


def test_a_folder_with_other_files_is_refused(tmp_path):
    for name in ("letter.txt", "pictures"):
        folder = tmp_path / f"with {name}"
        (folder / name).mkdir(parents=True)
        with pytest.raises(RunError, match="The run's folder holds something else; choose another with --run"):
            make(folder)
        assert [item.name for item in folder.iterdir()] == [name]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="The run's folder holds something else"):
        make(tmp_path / "file")


def test_an_empty_folder_and_one_of_a_killed_creation_are_accepted(tmp_path):
    (tmp_path / "run").mkdir()
    assert make(tmp_path / "run").batches == 0
    (tmp_path / "run" / "settings.json").rename(tmp_path / "run" / f".{'a1' * 8}.part.json")  # killed just before
    assert make(tmp_path / "run").settings.image_size == 16


def test_a_run_inside_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match=r"The run cannot be written: Not a directory. Received: .*file/run"):
        make(tmp_path / "file" / "run")


def test_a_checkpoint_is_on_disk_before_it_replaces_the_old_one(copied, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: [synced.append(os.fstat(descriptor)), fsync(descriptor)])
    others = [copied.path / name for name in (".tmp", ".tmp-notes-of-mine", ".tmpFolder", ".tmpLinked")]
    others[0].touch()
    others[1].touch()
    others[2].mkdir()
    others[3].symlink_to(copied.path / "log.jsonl")
    copied.folder.save_checkpoint(tiny.state(copied), seconds=1, health=Health())
    kept, plain = (copied.path / "checkpoint.safetensors").stat(), copied.path / "plain"
    plain.touch()
    flushed = [(file.st_ino, file.st_size) for file in synced if not stat.S_ISDIR(file.st_mode)]
    assert flushed == 2 * [(kept.st_ino, kept.st_size)]  # before it is verified, and before it replaces the old one
    assert synced[-1].st_ino == copied.path.stat().st_ino  # then the folder, with the new name in it
    assert kept.st_mode == plain.stat().st_mode
    assert all(path.exists() for path in others)


def test_a_full_disk_is_reported_and_keeps_the_old_checkpoint(copied, monkeypatch):
    before = tiny.state(copied)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        RunError, match=r"The run cannot be written: No space left on device. Received: .*copied"
    ) as caught:
        copied.folder.save_checkpoint({"steps": np.int32(300)}, seconds=1.0, health=Health())
    one_line(caught)
    assert tiny.same(tiny.state(copied), before)
    assert copied.batches == 260
