"""What the tests of sittings, runs and the command line share: few pictures, networks that learn in milliseconds."""

import os
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
from pippin.training.trainer import Trainer

SIZE, LATENT_DIM = 16, 4


def pictures(count=12, seed=0):
    """Return noise: uint8 (count, SIZE, SIZE, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def save(folder, images):
    """Make a folder of PNG files, 000.png, 001.png, …, and return it."""
    folder.mkdir()
    for n, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{n:03d}.png")
    return folder


def generator(size=SIZE, latent_dim=LATENT_DIM):
    """Return a generator of one layer, always with the same weights."""
    keras.utils.set_random_seed(1)
    stack = [layers.Dense(size * size * 3, activation="tanh"), layers.Reshape((size, size, 3))]
    return keras.Sequential([keras.Input((latent_dim,)), *stack], name="generator")


def discriminator(*more, size=SIZE):
    """Return a discriminator of one layer, after `more`, always with the same weights."""
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [keras.Input((size, size, 3)), *more, layers.Flatten(), layers.Dense(1)], name="discriminator"
    )


def build(preset, image_size, latent_dim, seed=0, features="none", channels=3):
    """Build the tiny pair as `pippin.networks.build` builds a preset's."""
    return Networks(generator(image_size, latent_dim), discriminator(size=image_size))


def train(run, reporter=None, source=None, **settings):
    """Train the tiny pair for 260 batches of 4 pictures, or as `settings` say."""
    settings = {"generator": generator(), "discriminator": discriminator(), "batches": 260, "batch_size": 4, **settings}
    return pippin.train(pictures() if source is None else source, run, reporter=reporter, **settings)


class Diary(Reporter):
    """Keeps what it was told: `("started", resumed)`, `("ticked", batches)`, `("finished", already_finished)`."""

    def __init__(self):
        self.told = []

    def on_train_begin(self, run, rule, resumed):
        self.told.append(("started", resumed))

    def on_tick(self, run, tick):
        self.told.append(("ticked", tick.batches))

    def on_train_end(self, run, already_finished):
        self.told.append(("finished", already_finished))


def signal_at(monkeypatch, batch, number=signal.SIGINT):
    """Let this process get a signal while it trains the batch of that number."""
    step = Trainer.step

    def step_with_signal(self):
        if self.batches + 1 == batch:
            os.kill(os.getpid(), number)
        return step(self)

    monkeypatch.setattr(Trainer, "step", step_with_signal)


def train_until(batch, run, number=signal.SIGINT, **settings):
    """Train until a signal at the batch of that number stops it; return the run as it lies on disk."""
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, batch, number)
        with pytest.raises(KeyboardInterrupt):
            train(run, **settings)
    return pippin.open_run(run)


def state(run, name="checkpoint"):
    """Return everything a run's checkpoint holds, the last one or the best, name → array."""
    return safetensors.numpy.load_file(run.path / f"{name}.safetensors")


def same(one, other):
    """Say whether two states are the same to the last bit."""
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)
