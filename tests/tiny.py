"""Shared by the tests of training sessions, runs and the command line: few images, and networks that train in
milliseconds."""

import json
import os
import re
import signal

import keras
import numpy as np
import pytest
import safetensors.numpy
from keras import layers
from PIL import Image

import pippin
from pippin.networks import Networks
from pippin.session.reporting import Reporter
from pippin.training import cluster_steps
from pippin.training.trainer import Trainer

SIZE, LATENT_DIM = 16, 4

build_step, compiled_steps = cluster_steps.build_step, {}


def renumbered(text):
    """Return a network's JSON with the numbers of Keras' layer names counted from 0: `"dense_7"` → `"dense_0"`."""
    names = {}
    return re.sub(r'"([a-z]\w*)_\d+"', lambda found: f'"{found[1]}_{names.setdefault(found[0], len(names))}"', text)


def build_step_once(engine, networks, rule, packing, precision, compiled=True):
    """Return the compiled step of equal networks again, since tiny networks take longer to compile than to train.

    A step with a projector is compiled each time: the projector's weights are constants in it.
    """
    if networks.projector is not None or not compiled:
        return build_step(engine, networks, rule, packing, precision, compiled)
    try:
        key = (
            engine,
            rule,
            precision,
            *(renumbered(player.to_json()) for player in (networks.generator, networks.discriminator)),
        )
    except (TypeError, ValueError, NotImplementedError):  # a layer that Keras cannot save
        return build_step(engine, networks, rule, packing, precision)
    if key not in compiled_steps:
        compiled_steps[key] = build_step(engine, networks, rule, packing, precision)
    return compiled_steps[key]


cluster_steps.build_step = build_step_once


def pictures(count=12, seed=0):
    """Return noise: uint8 (count, SIZE, SIZE, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def save(folder, images):
    """Write PNG files 000.png, 001.png, … into a new folder, and return it."""
    folder.mkdir()
    for n, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{n:03d}.png")
    return folder


def generator(size=SIZE, latent_dim=LATENT_DIM):
    """Return a generator of one layer with fixed initial weights."""
    keras.utils.set_random_seed(1)
    stack = [layers.Dense(size * size * 3, activation="tanh"), layers.Reshape((size, size, 3))]
    return keras.Sequential([keras.Input((latent_dim,)), *stack], name="generator")


def discriminator(*more, size=SIZE):
    """Return a discriminator of one layer, after the layers `more`, with fixed initial weights."""
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [keras.Input((size, size, 3)), *more, layers.Flatten(), layers.Dense(1)], name="discriminator"
    )


def build(preset, image_size, latent_dim, seed=0, features="none", channels=3):
    """Return the tiny networks; takes the arguments of `pippin.networks.build`."""
    return Networks(generator(image_size, latent_dim), discriminator(size=image_size))


def forge(run, **networks):
    """Replace networks in a run's folder, and remove the checksums, as someone could who makes a hostile run.

    Args:
        run: the folder of the run.
        **networks: name, such as `generator` → its JSON.
    """
    settings = json.loads((run / "settings.json").read_text(encoding="utf-8"))
    kept = {name: value for name, value in settings.items() if name not in ("sha256", "networks")}
    (run / "settings.json").write_text(json.dumps(kept), encoding="utf-8")
    for name, value in networks.items():
        (run / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")


def train(run, reporter=None, source=None, **settings):
    """Train the tiny networks for 260 batches of 4 images, or as `settings` say."""
    settings = {"generator": generator(), "discriminator": discriminator(), "batches": 260, "batch_size": 4, **settings}
    return pippin.train(pictures() if source is None else source, run, reporter=reporter, **settings)


class RecordingReporter(Reporter):
    """Records its calls: `("started", resumed)`, `("ticked", batches)`, `("finished", already_finished)`."""

    def __init__(self):
        self.calls = []

    def on_train_begin(self, run, rule, resumed):
        self.calls.append(("started", resumed))

    def on_tick(self, run, tick):
        self.calls.append(("ticked", tick.batches))

    def on_train_end(self, run, already_finished):
        self.calls.append(("finished", already_finished))


class FindingsReporter(RecordingReporter):
    """Also collects the findings, and calls `then` with each."""

    def __init__(self, then=lambda text: None):
        super().__init__()
        self.findings, self.then = [], then

    def on_finding(self, run, text):
        self.findings.append(text)
        self.then(text)


def signal_at(monkeypatch, batch, number=signal.SIGINT):
    """Send this process a signal while it trains the given batch."""
    step = Trainer.step

    def step_with_signal(self):
        if self.batches + 1 == batch:
            os.kill(os.getpid(), number)
        return step(self)

    monkeypatch.setattr(Trainer, "step", step_with_signal)


def train_until(batch, run, number=signal.SIGINT, **settings):
    """Train until a signal at the given batch interrupts it, and return the run."""
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, batch, number)
        with pytest.raises(KeyboardInterrupt):
            train(run, **settings)
    return pippin.open_run(run)


def state(run, name="checkpoint"):
    """Return the arrays of a run's last or best checkpoint by name."""
    return safetensors.numpy.load_file(run.path / f"{name}.safetensors")


def same(one, other):
    """Return whether two states are identical to the bit."""
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)
