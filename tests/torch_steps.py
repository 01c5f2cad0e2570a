"""Training steps with PyTorch, recorded and eager, for `test_torch_engine.py`: `KERAS_BACKEND=torch python
tests/torch_steps.py` prints one JSON object for each case."""

import json
import sys

import keras
from golden import Pictures
from keras import layers

from pippin import engines, networks
from pippin.networks import Networks
from pippin.settings import choose
from pippin.training.trainer import Trainer

STEPS = 5
BAD_STEP = 3
"""The step that gets a latent that is not finite."""


def minibatch_networks(size, latent_dim):
    """Return a user's networks: batch normalisation makes the discriminator's logits depend on each other."""
    keras.utils.set_random_seed(4)
    generator = keras.Sequential(
        [
            keras.Input((latent_dim,)),
            layers.Dense(4 * 4 * 8),
            layers.Reshape((4, 4, 8)),
            layers.Conv2DTranspose(8, 4, strides=size // 4, padding="same"),
            layers.BatchNormalization(),
            layers.Conv2D(3, 3, padding="same", activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((size, size, 3)),
            layers.Conv2D(8, 3, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    return Networks(generator, discriminator)


def case(name):
    """Return `(settings, networks, images)` of a case."""
    small = {"batches": STEPS, "seed": 5, "warmup": 3, "latent_dim": 8, "batch_size": 4, "image_size": 16}
    if name == "labels and RGBA":
        settings = choose("standard", **small, features="none").settings
        pair = networks.build("standard", 16, 8, 5, "none", channels=4, labels=3)
        return settings, pair, Pictures(16, 4)
    if name == "user networks":
        settings = choose("standard", **small, features="none", rule="alternating").settings
        return settings, minibatch_networks(16, 8), Pictures(16, 3)
    settings = choose("classic", **small).settings
    return settings, networks.build("classic", 16, 8, 5), Pictures(16, 3)


def train(name, eager):
    """Return the measures and the state after a few steps, one of which is not finite, and the compiled step."""
    settings, pair, images = case(name)
    trainer = Trainer(engines.current(), settings, pair, images)
    recorded = trainer._runner._step
    step = recorded._function if eager else recorded

    def step_with_one_bad_latent(state, batch):
        if trainer.batches == BAD_STEP:
            batch["latents"] = batch["latents"] * float("nan")
        return step(state, batch)

    trainer._runner._step = step_with_one_bad_latent
    measures = [engines.current().to_host(trainer.step()) for _ in range(STEPS)]
    return measures, trainer.state_on_host(), recorded


def compare(name):
    """Return how the two ways to run the steps of a case differ."""
    (eager, eager_state, _), (measures, state, recorded) = train(name, eager=True), train(name, eager=False)
    pairs = zip(keras.tree.flatten(eager_state), keras.tree.flatten(state), strict=True)
    return {
        "case": name,
        "same_measures": keras.tree.map_structure(lambda x: x.tobytes(), eager)
        == keras.tree.map_structure(lambda x: x.tobytes(), measures),
        "same_state": all(one.tobytes() == other.tobytes() for one, other in pairs),
        "d_loss": [float(m["d_loss"]) for m in measures if m["finite"]],
        "finite": [float(m["finite"]) for m in measures],
        "programs": [type(program).__name__ for _, program in recorded.programs],
    }


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps(compare(name)))
