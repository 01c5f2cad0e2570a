"""The command line: its output, its errors and its exit codes."""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
import tiny
from PIL import Image

import pippin
from pippin import cli
from pippin.cli.console import format_duration
from pippin.runs.nearest import nearest_training_images

TRAIN = ("--image-size", "16", "--batches", "60", "--batch-size", "4")
SAYS_RUN = ("--run", "run")

pytestmark = pytest.mark.usefixtures("tiny_networks")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_networks):
    """A folder with `photos`, a folder of pictures, and `run`, a run trained on it."""
    place = tmp_path_factory.mktemp("place")
    (place / "photos").mkdir()
    for n, picture in enumerate(tiny.pictures(8)):
        Image.fromarray(picture).save(place / "photos" / f"{n}.png")
    (place / "photos" / "letter.txt").write_text("Dear all")
    (place / "one").mkdir()
    (place / "others").mkdir()
    for n, picture in enumerate(tiny.pictures(2, seed=1)):
        Image.fromarray(picture).save(place / "others" / f"{n}.png")
    shutil.copy(place / "others" / "0.png", place / "one" / "only.png")
    (place / "empty").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        patch.chdir(place)
        pippin.train("photos", "run", image_size=16, batches=60, batch_size=4)
    return place


@pytest.fixture
def place(trained, tmp_path, monkeypatch):
    """A copy of that folder, as the working directory."""
    copied = shutil.copytree(trained, tmp_path / "place")
    monkeypatch.setenv("PIPPIN_CACHE", str(copied / "cache"))
    monkeypatch.chdir(copied)
    return copied


@pytest.fixture
def call(capfd, monkeypatch):
    """A function that runs `pippin` with arguments, and returns exit code, standard output and standard error."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["pippin", *map(str, words)])
        capfd.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capfd.readouterr()

    return call


def test_durations_are_formatted():
    said = [format_duration(seconds) for seconds in (0, 42.4, 59.6, 60, 185, 3599.7, 7620)]
    assert said == ["0 s", "42 s", "1 min 00 s", "1 min 00 s", "3 min 05 s", "1 h 00 min", "2 h 07 min"]


# -- train ---------------------------------------------------------------------------------------------------------


def test_train_prints_the_files_status_its_progress_and_the_next_commands(place, call):
    np.save("noise.npy", tiny.pictures())
    tiny.compiled_steps.clear()
    code, out, err = call("train", "photos", *TRAIN, "--run", "other")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[:2] == ["9 files: 8 kept, 0 mended, 1 refused", "refused: letter.txt (not a picture)"]
    assert lines[2].startswith("8 different pictures: few")
    assert lines[3] == "8 pictures prepared at 16×16 pixels"
    assert lines[4].startswith("Training for 60 batches of 4 images with ")
    assert lines[4].endswith(" (other)")
    assert lines[5].startswith("There are no checkups, and the last state is kept instead of the best: ")
    assert re.fullmatch(r"Compiling the training step took \d+ s", lines[6])
    assert lines[7].startswith("batch 50/60  ")
    assert lines[8].startswith("batch 60/60  ")
    assert all("images/s" in line and "d_loss" in line and line.endswith("latest.png") for line in lines[7:9])
    assert re.fullmatch(r"Finished: batch 60 after \d+ s of training and \d+ s of compiling", lines[9])
    assert lines[10].split()[-1] == os.path.join("other", "timeline.png")
    assert lines[11].endswith("pippin sample other -n 64 -o grid.png")
    assert "\x1b" not in out
    assert "\r" not in out
    assert os.path.exists("other/timeline.png")


def test_train_again_says_that_it_is_finished(place, call, monkeypatch):
    from pippin.training.trainer import Trainer

    monkeypatch.setattr(Trainer, "step", lambda self: pytest.fail("it trained"))
    code, out, err = call("train", "photos", *TRAIN, *SAYS_RUN)
    assert (code, err) == (0, "")
    assert "This run is already finished: batch 60" in out
    assert "Training" not in out


@pytest.mark.slow
def test_ctrl_c_saves_and_prints_how_to_resume(place, call):
    with pytest.MonkeyPatch.context() as patch:
        tiny.signal_at(patch, 37)
        code, out, err = call("train", "photos", *TRAIN, "--run", "stopped")
    assert (code, err) == (130, "")
    assert out.splitlines()[-1] == "Stopped and saved at batch 37. Run the same command to resume."
    code, out, err = call("train", "photos", *TRAIN, "--run", "stopped")
    assert (code, err) == (0, "")
    assert "Resuming from batch 37: training for 60 batches of 4 images in total" in out
    assert tiny.same(tiny.state(pippin.open_run("stopped")), tiny.state(pippin.open_run("run")))


UNSAVED = {
    "full disk": "Stopped without saving. Run the same command to resume from batch 0.",
    "vanished folder": "Stopped. There is no readable checkpoint in stopped now.",
    "Ctrl-C twice": "Stopped without saving. Run the same command to resume from batch 0.",
}


@pytest.mark.parametrize("what", UNSAVED)
def test_ctrl_c_does_not_claim_that_it_saved(place, call, monkeypatch, what):
    from pippin.runs.folder import Folder
    from pippin.training.trainer import Trainer

    step = Trainer.step

    def step_and_break(self):
        if self.batches + 1 == 7:
            if what == "full disk":
                patch.setattr(Folder, "save_images", fail)
            elif what == "vanished folder":
                shutil.move("stopped", "away")
            for _ in range(2 if what == "Ctrl-C twice" else 1):
                signal.raise_signal(signal.SIGINT)
        return step(self)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", step_and_break)
        code, out, err = call("train", "photos", *TRAIN, "--run", "stopped")
    assert (code, err) == (130, "")
    assert out.splitlines()[-1] == UNSAVED[what]
    assert ("Training ends without writing; the state of batch 7 is in " in out) == (what != "Ctrl-C twice")
    if what == "vanished folder":
        assert not os.path.exists("stopped")
        shutil.move("away", "stopped")
    assert pippin.open_run("stopped").batches == 0


def test_ctrl_c_during_the_preparation_creates_no_run(place, call, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("pippin.session.plan.prepare", interrupted)
    code, out, _ = call("train", "photos", *TRAIN, "--run", "never")
    assert code == 130
    assert out == "Stopped before training began. Run the same command to start again.\n"
    assert not os.path.exists("never")


# -- sample and info -----------------------------------------------------------------------------------------------


def test_sample_writes_a_grid(place, call):
    code, out, err = call("sample", "run", "-n", "9", "-o", "new/grid.png", "--seed", "3")
    assert (code, out, err) == (0, f"9 pictures in {os.path.join('new', 'grid.png')}\n", "")
    from pippin.show import grid

    np.testing.assert_array_equal(np.asarray(Image.open("new/grid.png")), grid(pippin.open_run("run").sample(9, 3)))


def test_sample_writes_64_pictures_by_default(place, call):
    assert call("sample", "run")[:2] == (0, "64 pictures in grid.png\n")
    with Image.open("grid.png") as picture:
        assert picture.size == (8 * 18 - 2, 8 * 18 - 2)


@pytest.mark.parametrize("output", ["painted", "painted.png"])
def test_sample_separate_writes_a_file_for_each_picture(place, call, output):
    code, out, err = call("sample", "run", "-n", "3", "--seed", "3", "-o", output, "--separate")
    assert (code, out, err) == (0, "3 pictures in painted\n", "")
    assert sorted(os.listdir("painted")) == [f"seed-{n}.png" for n in range(3, 6)]
    for n, image in enumerate(pippin.open_run("run").sample(3, 3)):
        np.testing.assert_array_equal(np.asarray(Image.open(f"painted/seed-{3 + n}.png")), image)


def test_sample_with_given_seeds_prints_them_below_the_pictures(place, call):
    from pippin.show import grid

    assert call("sample", "run", "--seeds", "3,7-8", "-o", "a.webp") == (0, "3 pictures in a.webp\n", "")
    assert call("sample", "run", "-n", "1", "-o", "one.png")[1] == "1 picture in one.png\n"
    images = pippin.open_run("run").sample(seeds=[3, 7, 8])
    np.testing.assert_array_equal(np.asarray(Image.open("a.webp")), grid(images, labels=["3", "7", "8"]))
    call("sample", "run", "--seeds", "3,7-8", "-o", "b.png", "--no-labels", "--truncation", "0.5")
    images = pippin.open_run("run").sample(seeds=[3, 7, 8], truncation=0.5)
    np.testing.assert_array_equal(np.asarray(Image.open("b.png")), grid(images))


def test_sample_curated_says_so_in_its_output_and_in_the_file(place, call, monkeypatch):
    from pippin.runs.provenance import Provenance

    monkeypatch.setattr("pippin.measure.extract", lambda images, network: images.mean(axis=(1, 2), dtype=float))
    code, out, err = call("sample", "run", "-n", "4", "--curate", "-o", "a.png")
    said = "Curated: of 16 generated images, the half nearest to other generated images (since the 8 training images "
    assert (code, err) == (0, "")
    assert out.startswith(said)
    assert out.endswith("\n4 pictures in a.png\n")
    provenance = Provenance.read("a.png")
    assert provenance.curated == out.splitlines()[0]
    assert provenance.labels


@pytest.mark.parametrize("name", ["painted/seed-4.jpg", "grid.jpg"])
def test_again_reproduces_the_file(place, call, name):
    words = ("--separate", "-o", "painted.jpg") if "/" in name else ("-o", name)
    call("sample", "run", "-n", "3", "--seed", "3", *words)
    assert call("again", name, "-o", "a.jpg") == (0, "a.jpg: identical to the byte\n", "")
    with open(name, "rb") as first, open("a.jpg", "rb") as second:
        assert first.read() == second.read()
    assert call("again", name, "-o", "a.png")[1] == "a.png: not identical (the format was .jpg)\n"


def test_walk_and_story_make_videos(place, call):
    words = ("--seeds", "1-3", "--frames", "4", "--fps", "6", "-o", "walk.webp")
    assert call("walk", "run", *words) == (0, "12 frames, 2 s, in walk.webp\n", "")
    with Image.open("walk.webp") as picture:
        assert picture.n_frames == 12
    text = "3 snapshots, from batch 0 to 60, in story.mp4\n"
    assert call("story", "run", "--seconds", "0.5", "--fps", "4") == (0, text, "")
    assert os.path.getsize("story.mp4") > 1000


def test_nearest_lists_training_pictures_by_their_distance(place, call):
    code, out, err = call("nearest", "run", "--seed", "3", "-n", "2")
    assert (code, err) == (0, "")
    verdict, *near, last = out.splitlines()
    assert verdict.startswith("The picture is ")
    assert last == "Pictures: nearest.png"
    found = nearest_training_images(pippin.open_run("run"), pippin.open_run("run").latents([3])[0], 2)
    assert near == [f"{d:.3f}  {path}" for d, path in zip(found.distances, found.paths, strict=True)]
    (features,) = (place / "run").glob("features-*.npy")
    stored = features.read_bytes()
    features.write_bytes(stored[:200] + bytes([stored[200] ^ 1]) + stored[201:])
    assert call("nearest", "run", "--seed", "3", "-n", "2")[1] == out
    assert features.read_bytes() == stored
    assert call("sample", "run", "--seeds", "3", "--no-labels", "-o", "one.png")[0] == 0
    assert call("nearest", "run", "--from", "one.png", "-n", "2")[1] == out
    assert call("sample", "run", "-n", "4", "-o", "four.png")[0] == 0
    check_one_line(call("nearest", "run", "--from", "four.png"), "--from takes a picture with one image")


@pytest.mark.parametrize("name", ["networks.svg", "dark/networks.png"])
def test_diagram_draws_both_networks(place, call, name):
    code, out, err = call("diagram", "run", "-o", name, "--theme", "dark")
    assert (code, out, err) == (0, f"Both networks: {os.path.join(*name.split('/'))}\n", "")
    drawn = pippin.open_run("run").diagram("svg" if name.endswith("svg") else "png", "dark")
    if isinstance(drawn, str):
        assert (place / name).read_text(encoding="utf-8") == drawn
    else:
        np.testing.assert_array_equal(np.asarray(Image.open(name)), np.asarray(drawn))


@pytest.mark.parametrize(
    ("to", "said", "file"),
    [
        ("keras", "For Keras 3", "generator.keras"),
        ("onnx", "For ONNX Runtime", "generator.onnx"),
        ("web", "Open in a browser", "web/index.html"),
        ("huggingface", "A model repository", "huggingface"),
    ],
)
def test_export_prints_path_and_size(place, call, to, said, file):
    code, out, err = call("export", "run", "--to", to)
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{said}: {re.escape(os.path.join('run', *file.split('/')))} \(\d+\.\d MB\)\n", out)
    assert (place / "run" / file).exists()


def test_info_prints_a_summary_of_a_run(place, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = call("info", "run")
    assert (code, err) == (0, "")
    facts = [line.strip().split(maxsplit=1) for line in out.splitlines()]
    row = {fact[0]: fact[1] for fact in facts if len(fact) == 2}
    assert "photos (8 pictures, 16×16)" in row["source"]
    assert re.match(r"60 batches in \d+ s of training and \d+ s of compiling, of 60 batches", row["trained"])
    assert row["trained"].endswith("of 60 batches (finished)")
    assert row["batch_size"] == "4  (given)"
    assert row["made"].endswith(f"python {platform.python_version()})")
    assert f"keras {keras.__version__}" in row["made"]
    assert re.fullmatch(r"fingerprint [0-9a-f]+", row["pictures"])
    assert re.match(rf"with +KERAS_BACKEND={keras.backend.backend()} pippin train .*photos --preset ", row["repeat"])
    assert "--preset standard --image-size 16 --batches 60 --batch-size 4 --seed 0" in row["repeat"]
    assert "last losses" in out
    for name in ("timeline.png", "latest.png", "generator.keras", "log.jsonl", "pictures.json"):
        assert os.path.join("run", name) in out
    assert "None" not in out


@pytest.mark.slow
def test_info_says_that_a_run_is_not_finished(place, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.MonkeyPatch.context() as patch:
        tiny.signal_at(patch, 1)
        call("train", "photos", *TRAIN, "--run", "stopped")
    code, out, _ = call("info", "stopped")
    assert code == 0
    assert "of 60 batches (not finished; the same command resumes it)" in out
    assert "generator.keras" not in out


def test_plan_prints_settings_reasons_memory_speed_and_time(place, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = call("plan", "photos", *TRAIN, "--set", "gamma=3")
    assert code == 0
    assert re.search(r"gamma +3\.0 +given", out)
    assert re.search(r"augment_p +0\.5 +the discriminator soon memorises 8 images", out)
    assert "8 training images, 0 held out for validation" in out
    assert re.search(r"Memory: about \d+\.\d GiB at its peak, \d+% of the free \d+\.\d GiB", out)
    assert re.search(r"Speed:  about \d+ images/s with \w+ on CPU", out)
    assert re.search(r"Time:   about \d+ s for 60 batches", out)


def test_plan_for_a_number_of_minutes_estimates_the_batches(place, call):
    _, out, _ = call("plan", "photos", "--image-size", "16", "--minutes", "1")
    assert re.search(r"about [\d,]+ batches in 1 minutes, [\d,]+ epochs", out)
    assert re.search(r"The minutes do not count compiling, which took \d+ s", out)


def test_plan_that_does_not_fit_into_memory_is_refused(place, call, monkeypatch):
    monkeypatch.setattr("pippin.session.memory.free_memory", lambda: 1000)
    code, out, err = call("plan", "photos", *TRAIN)
    assert code == 2
    assert "Memory: about" in out
    assert err.startswith("pippin: Training needs about")


# -- bad input: one line on standard error, exit code 2 ------------------------------------------------------------


def spoil(file, data=b"garbage"):
    def prepare(place):
        (place / "run" / file).write_bytes(data)

    return prepare


def occupy(place):
    (place / "taken").write_text("a file")


BAD = {
    "no such setting": (("train", "photos", "--set", "depth=3"), "Give a setting as NAME=VALUE, one of preset"),
    "no value": (("plan", "photos", "--set", "gamma"), "Received: gamma"),
    "not a number": (("train", "photos", "--set", "gamma=much"), "gamma must be a number. Received: gamma=much"),
    "not whole": (("train", "photos", "--set", "warmup=1.5"), "warmup must be an integer"),
    "an option of its own": (("train", "photos", "--set", "batch_size=4"), "Use --batch-size for this setting"),
    "plan of nothing": (("plan", "nowhere"), "There is no such folder"),
    "missing folder": (("train", "nowhere", *TRAIN), "There is no such folder"),
    "empty folder": (("train", "empty", *TRAIN), "The folder is empty"),
    "one picture": (("train", "one", *TRAIN), "At least two different pictures are needed"),
    "a single file": (("train", "one/only.png", *TRAIN), "give the folder of the pictures"),
    "size 48": (("train", "photos", "--image-size", "48"), "image_size=48"),
    "goals": (("train", "photos", "--batches", "5", "--minutes", "1"), "Give --batches or --minutes, not both"),
    "no batches": (("train", "photos", "--batches", "0"), "batches must be from 1"),
    "seed": (("train", "photos", "--seed", "-1"), "seed must be from 0"),
    "batch size": (("train", "photos", "--batch-size", "1"), "batch_size must be from 2"),
    "other settings": (("train", "photos", *TRAIN, *SAYS_RUN, "--seed", "5"), "seed=5 (the run has 0)"),
    "other pictures": (("train", "others", *TRAIN, *SAYS_RUN), "was made with other pictures"),
    "run below a file": (("train", "photos", *TRAIN, "--run", "taken/run"), "The run cannot be written"),
    "run that is a file": (("train", "photos", *TRAIN, "--run", "taken"), "holds something else"),
    "run that is a folder": (("train", "photos", *TRAIN, "--run", "photos"), "holds something else"),
    "sample no run": (("sample", "photos"), "There is no run there"),
    "sample nothing": (("sample", "nowhere"), "There is no run there"),
    "sample none": (("sample", "run", "-n", "0"), "n must be at least 1. Received: n=0"),
    "sample seed": (("sample", "run", "--seed", "-1"), "seed must be from 0"),
    "sample xyz": (("sample", "run", "-n", "1", "-o", "a.xyz"), "must end in one of .png"),
    "sample below a file": (("sample", "run", "-n", "1", "-o", "taken/a.png"), "The picture cannot be written"),
    "sample separately below a file": (
        ("sample", "run", "-n", "1", "-o", "taken/a", "--separate"),
        "The picture cannot be written",
    ),
    "sample bad seeds": (("sample", "run", "--seeds", "a"), "Give seeds as 1,2,3 or as 10-20. Received: a"),
    "sample seeds and number": (("sample", "run", "--seeds", "1", "-n", "3"), "--seeds cannot be combined with -n"),
    "sample truncation": (("sample", "run", "--truncation", "3"), "truncation must be from 0 to 2"),
    "sample bmp": (("sample", "run", "-o", "a.bmp"), "must end in one of .png, .jpg, .webp"),
    "sample curated none": (("sample", "run", "--curate", "-n", "0"), "n must be from 1 to 1024"),
    "again of no recipe": (("again", "one/only.png"), "This picture does not say how Pippin generated it"),
    "again of nothing": (("again", "nowhere.png"), "The picture cannot be read"),
    "walk no run": (("walk", "photos"), "There is no run there"),
    "walk of one": (("walk", "run", "--seeds", "5"), "A walk needs at least two seeds"),
    "walk avi": (("walk", "run", "-o", "a.avi"), "must end in one of .mp4, .webp, .gif"),
    "walk below a file": (("walk", "run", "--frames", "1", "-o", "taken/a.gif"), "The video cannot be written"),
    "story no run": (("story", "photos"), "There is no run there"),
    "story fps": (("story", "run", "--fps", "0"), "fps must be from 1 to 60"),
    "info no run": (("info", "photos"), "There is no run there"),
    "nearest of both": (("nearest", "run", "--from", "a.png", "--seed", "1"), "--from can only be combined with"),
    "nearest of none": (("nearest", "run", "-n", "0"), "n must be from 1 to 64. Received: n=0"),
    "nearest bmp": (("nearest", "run", "-o", "a.bmp"), "must end in one of .png, .jpg, .webp"),
    "diagram of nothing": (("diagram", "photos"), "Give a run, one of standard, classic"),
    "diagram xyz": (("diagram", "run", "-o", "a.xyz"), "must end in one of .png"),
    "diagram below a file": (("diagram", "run", "-o", "taken/a.svg"), "The picture cannot be written"),
    "export no run": (("export", "photos", "--to", "onnx"), "There is no run there"),
    "export ending": (("export", "run", "--to", "onnx", "-o", "a.pb"), "must end in .onnx. Received: a.pb"),
    "push what": (("export", "run", "--to", "onnx", "--push", "me/a"), "--push needs --to huggingface"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_answered_in_one_line(place, call, kind):
    words, message = BAD[kind]
    occupy(place)
    check_one_line(call(*words), message)


def check_one_line(answer, message):
    code, _, err = answer
    assert code == 2
    assert err.startswith("pippin: ")
    assert err.count("\n") == 1, err
    assert message in err


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("checkpoint.safetensors", b"garbage", "checkpoint.safetensors is damaged"),
        ("checkpoint.safetensors", b"", "checkpoint.safetensors is damaged"),
        ("settings.json", b"\xff\xfe\n\n", "settings.json is damaged"),
        ("settings.json", b"[]", "settings.json is damaged"),
    ],
)
@pytest.mark.parametrize("words", [("train", "photos", *TRAIN, *SAYS_RUN), ("sample", "run"), ("info", "run")])
def test_a_damaged_run_is_answered_in_one_line(place, call, words, file, data, message):
    (place / "run" / "checkpoint-previous.safetensors").unlink()  # it would be used instead of a damaged checkpoint
    spoil(file, data)(place)
    check_one_line(call(*words), message)


@pytest.mark.parametrize(
    "words",
    [("train", "photos", "--preset", "best"), ("train",), ("paint",), ("sample", "run", "-n", "many"), ("info", "-x")],
)
def test_wrong_arguments_print_the_usage(place, call, words):
    code, out, err = call(*words)
    assert code == 2
    assert out == ""
    assert "Usage: " in err
    assert "Traceback" not in err


def test_help_lists_the_verbs(call):
    code, out, _ = call("--help")
    assert code == 0
    assert all(verb in out for verb in ("train", "sample", "info"))


# -- in a separate process ---------------------------------------------------------------------------------------


SMALL = ("--image-size", "16", "--preset", "classic")
"""The networks that compile in the least time."""


def started(*words, **kwargs):
    return subprocess.Popen([sys.executable, "-m", "pippin", *words], **kwargs)


def test_help_loads_no_engine(place):
    script = (
        "import sys; sys.argv = ['pippin', '--help']\n"
        "from pippin.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(', '.join({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.slow
def test_a_missing_folder_in_a_separate_process(place):
    process = started("train", "nowhere", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("pippin: There is no such folder")


@pytest.mark.slow
def test_ctrl_c_from_outside(place):
    words = ("train", "photos", *SMALL, "--batches", "5000", "--batch-size", "4", "--run", "stopped")
    process = started(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = next(line for line in process.stdout if line.startswith("batch "))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    batches = pippin.open_run("stopped").batches
    assert process.returncode == 130, seen + out + err
    assert err == ""
    assert out.splitlines()[-1] == f"Stopped and saved at batch {batches:,}. Run the same command to resume."
    assert 50 <= batches < 5000


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX's")
@pytest.mark.parametrize("interrupt", [False, True])
def test_a_terminal_shows_a_progress_bar(place, interrupt):
    import pty

    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    batches = "5000" if interrupt else "60"
    words = ("train", "photos", *SMALL, "--batches", batches, "--batch-size", "4", "--run", "barred")
    process = started(*words, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
        if interrupt and b"batch 50/" in shown:
            process.send_signal(signal.SIGINT)
            interrupt = False
    code = process.wait()
    os.close(controller)
    text = shown.decode()
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in text, "a bar"
    assert "\x1b[2K" in text, "drawn over itself"
    assert "8 pictures prepared at 16×16 pixels" in text
    assert "Traceback" not in text
    if batches == "5000":
        assert code == 130
        assert "Stopped and saved at batch " in text
    else:
        assert code == 0
        assert "batch 60/60" in text
        assert "Finished: batch 60" in text
    assert "\x1b[?25h" in text, "the cursor is shown again"


@pytest.mark.slow
def test_output_to_a_pipe_is_plain_lines(place):
    words = ("train", "photos", *SMALL, "--batches", "60", "--batch-size", "4", "--run", "piped")
    process = started(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"\x1b" not in out
    assert b"\r" not in out
    assert out.decode().splitlines()[-3].startswith("Finished: batch 60 after ")
    assert json.loads((place / "piped" / "log.jsonl").read_text().splitlines()[-1])["batches"] == 60
