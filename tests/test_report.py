"""The HTML page and the TensorBoard event file, read back with a parser and with TensorBoard."""

import dataclasses
import functools
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import pippin
from pippin.cli import app
from pippin.runs.report import write_page
from pippin.runs.report.curves import curves
from pippin.settings import Settings
from pippin.training.health import Checkup


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 120 batches with four checkups, the second of which found collapsed images."""
    from pippin.session import checkups

    place = tmp_path_factory.mktemp("report")
    photos = tiny.save(place / "photos", tiny.pictures(40))
    measured = [(0.3, 0.8, 0.1), (0.1, 0.05, 0.2), (0.2, 0.8, None), (0.25, 0.7, 0.1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        patch.setattr(checkups.Validator, "validate", lambda self: Checkup(self.trainer.batches, *measured.pop(0)))
        yield tiny.train(place / "run", source=photos, batches=120, checkup=120)


class Page(HTMLParser):
    """The tags, links and text of an HTML page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data):
        self.text += f" {data}"


def test_a_finished_run_has_a_page_without_external_links(run):
    page = Page((run.path / "report.html").read_text(encoding="utf-8"))
    assert all(link.startswith(("data:", "#")) for link in page.links), "there is an external link"
    assert sum(link.startswith("data:image/png;base64,") for link in page.links) == 2
    assert page.tags.count("svg") == 7
    text = " ".join(page.text.split())
    assert "Trained on 40 pictures" in text
    assert "The best weights are those of batch 90 (KID 0.2000)." in text
    (finding,) = run.checkups()[1]["findings"]
    assert f"batch 60 {finding}" in text
    help = {field.name: field.metadata["help"] for field in dataclasses.fields(Settings)}
    assert f"batch_size 4 {help['batch_size']} given" in text
    settings = text.split("Settings")[1]
    assert "minutes" not in settings.split("batches 120")[1].split("batch_size")[0], "it has no value"


def test_a_name_with_markup_is_escaped(run, tmp_path):
    copy = tmp_path / "<b>bold<"
    shutil.copytree(run.path, copy)
    page = Page(write_page(pippin.open_run(copy)).read_text(encoding="utf-8"))
    assert "b" not in page.tags
    assert "<b>bold<" in page.text


@pytest.fixture
def few_images(monkeypatch):
    """Let `pippin report` score 16 generated images instead of 2,048."""
    monkeypatch.setattr(pippin, "evaluate", functools.partial(pippin.evaluate, n=16), raising=False)


def test_the_command_adds_scores_and_the_nearest_training_pictures(run, few_images, capsys):
    app(["report", str(run.path)], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"The report:      {run.path / 'report.html'}"
    assert lines[1] == f"For TensorBoard: tensorboard --logdir {run.path}"
    page = Page((run.path / "report.html").read_text(encoding="utf-8"))
    assert sum(link.startswith("data:image/png;base64,") for link in page.links) == 3
    assert re.search(r"KID\s+\d\.\d+", page.text)
    assert "held" not in run.evaluation()["references"], "none of the 40 pictures is held out"


def test_scores_of_an_earlier_batch_are_computed_again(run, few_images, tmp_path, capsys):
    copy = pippin.open_run(shutil.copytree(run.path, tmp_path / "run"))
    copy.folder.save_evaluation({"batches": 60, "lines": ["outdated"]}, None)
    app(["report", str(copy.path)], standalone_mode=False)
    assert "outdated" not in (copy.path / "report.html").read_text(encoding="utf-8")
    assert copy.evaluation()["batches"] == 120
    capsys.readouterr()


def test_a_run_without_its_training_pictures_is_shown_without_scores(tmp_path, capsys):
    run = tiny.train(tmp_path / "run", batches=2)
    app(["report", str(run.path)], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Not evaluated: ")
    assert "an array, which is not on disk" in lines[0]
    assert lines[1].startswith("The report:")


def test_tensorboard_reads_the_same_figures_and_images(run):
    (file,) = (run.path / "tensorboard").iterdir()
    events = EventAccumulator(str(file), size_guidance={"scalars": 0, "images": 0}).Reload()
    kids = [(event.step, event.value) for event in events.Scalars("checkup/kid")]
    assert kids == [(one["batches"], pytest.approx(one["kid"])) for one in run.checkups()]
    losses = [(event.step, event.value) for event in events.Scalars("loss/d_loss")]
    assert losses == [(one["batches"], pytest.approx(one["d_loss"])) for one in run.log()]
    assert [event.step for event in events.Scalars("checkup/overfitting")] == [30, 60, 120]
    pictures = events.Images("pictures")
    assert [event.step for event in pictures] == list(run.snapshots())
    assert pictures[-1].encoded_image_string == run.folder.snapshot_files()[-1].read_bytes()


def test_a_resumed_run_has_each_batch_once(tmp_path):
    tiny.train_until(70, tmp_path / "run", batches=120)
    run = tiny.train(tmp_path / "run", batches=120)
    (file,) = (run.path / "tensorboard").iterdir()
    events = EventAccumulator(str(file)).Reload()
    assert [event.step for event in events.Scalars("loss/d_loss")] == [one["batches"] for one in run.log()]


def test_curves_with_too_few_points_are_omitted():
    line = {"batches": 1, "d_loss": 0.5, "g_loss": 0.5}
    assert curves([line], []) == []
    drawings = curves([line, {**line, "batches": 2}], [])
    assert [title for title, _ in drawings] == ["Losses"]
    assert drawings[0][1].startswith("<svg")
    assert drawings == curves([line, {**line, "batches": 2}], []), "the same log gives the same SVG"
    assert np.all(["d loss" in drawings[0][1], "g loss" in drawings[0][1]])
