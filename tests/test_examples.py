"""The Python of the README, the docs and `examples/`, run unchanged, but with tiny networks for a few batches.

The cells of the notebook run one after the other in one namespace. A Jupyter kernel would add dependencies (nbclient,
ipykernel) and only show that the same lines run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny

import pippin
from pippin import engines

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def quick_training(tmp_path, monkeypatch):
    """Make `pippin.train` train on noise for three batches, in a new folder, whatever its arguments are."""
    train, source = pippin.train, tiny.save(tmp_path / "photos", tiny.pictures())

    def train_quickly(requested, run="runs/photos-64-standard", *, image_size, from_run=None, callbacks=(), **length):
        assert set(length) in ({"minutes"}, {"batches"})
        pair = {"generator": tiny.generator(), "discriminator": tiny.discriminator()}
        return train(source, run, **pair, from_run=from_run, callbacks=callbacks, batches=3, batch_size=4)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pippin, "train", train_quickly)
    return tmp_path


def run_notebook(name):
    """Run the cells of a notebook, and return their names and their number."""
    notebook = json.loads((ROOT / "examples" / name).read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells)
    names = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    return names, len(cells)


def test_the_notebook_from_a_folder_to_a_generator_has_ten_cells_and_runs(quick_training, monkeypatch):
    source, audit, plan = quick_training / "photos", pippin.audit, pippin.plan
    monkeypatch.setattr(pippin, "audit", lambda requested, **options: audit(source, **options))
    monkeypatch.setattr(pippin, "plan", lambda requested, **options: plan(source, **options))
    names, count = run_notebook("folder_to_generator.ipynb")
    assert count == 10
    assert names["plan"].settings.image_size == 32
    assert names["frames"].shape == (72, tiny.SIZE, tiny.SIZE, 3)
    assert (quick_training / "walk.webp").exists()
    assert (quick_training / "log.csv").read_text().splitlines()[0].startswith("epoch,")
    assert (names["run"].path / "evaluation.json").exists()
    assert (names["run"].path / "generator.onnx").exists()


@pytest.fixture
def quick_pairs(tmp_path, monkeypatch):
    """Make `pippin.train` train the networks that it is given on noise for two batches, in a new folder."""
    train = pippin.train
    noise = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)

    def train_quickly(requested, run, *, generator, discriminator, minutes):
        pair = {"generator": generator, "discriminator": discriminator}
        return train(noise, run, **pair, batches=2, batch_size=2, checkup=0)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pippin, "train", train_quickly)
    return tmp_path


@pytest.mark.slow
def test_the_notebook_with_own_networks_trains_them(quick_pairs):
    names, _ = run_notebook("own_networks.ipynb")
    run = names["run"]
    assert run.folder.load_network("discriminator").layers[-3].filters == 32
    assert run.sample(2).shape == (2, 32, 32, 3)
    assert (quick_pairs / "own-networks.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.slow
@pytest.mark.parametrize("engine", engines.ENGINES)
def test_the_notebooks_run_with_each_engine(engine):
    if engine == keras.backend.backend():
        pytest.skip("the tests above run them with it")
    if not engines._installed(engines.ENGINES[engine]):
        pytest.skip(f"{engine} is not installed")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "test_the_notebook_"]
    environ = {**os.environ, "KERAS_BACKEND": engine}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.slow
def test_the_script_with_own_networks_trains_them(quick_pairs):
    exec((ROOT / "examples" / "own_networks.py").read_text(encoding="utf-8"), {"__name__": "__main__"})
    assert (quick_pairs / "own-networks.png").exists()
    assert "LocallyConnected2D" in (quick_pairs / "own-networks.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_script_runs(quick_training, capsys):
    exec((ROOT / "examples" / "apples.py").read_text(encoding="utf-8"), {"__name__": "__main__"})
    assert (quick_training / "apples.png").exists()
    assert "generator.onnx" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_examples_of_a_page_run(quick_training, page):
    (quick_training / "photo.jpg").write_bytes((quick_training / "photos" / "000.png").read_bytes())
    blocks = (ROOT / page).read_text(encoding="utf-8").split("```python\n")[1:]
    names = {}
    exec("".join(block.split("```")[0] for block in blocks), names)
    assert names["images"].dtype == np.uint8
    assert (names["run"].path / "generator.onnx").exists()
