"""Training steps on JAX, several in a call and on several devices, for `test_jax_steps.py`.

`KERAS_BACKEND=jax python tests/jax_steps.py FOLDER NAME…` trains tiny networks in the named ways, and writes each state
to `FOLDER/NAME.npz` and facts to `FOLDER/NAME.json`.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from across_engines import numpy_state, pictures, small_discriminator, small_generator
from keras import layers

from pippin import engines
from pippin.engines import Execution
from pippin.networks import Networks
from pippin.runs.state_file import flatten
from pippin.settings import choose
from pippin.training.health import Health
from pippin.training.trainer import Trainer

STEPS, BATCH = 6, 8
BLOCKS = Execution(steps_per_call=4, packed=True)
WAYS = {
    "single": Execution(),
    "blocks": BLOCKS,
    "resident": Execution(steps_per_call=4, packed=True, resident_bytes=1 << 20),
    "devices": BLOCKS,
}
"""Name → how steps are executed; "devices" is for a process with several devices."""


class CountedImages:
    """Images that record how many of them were read at a time."""

    labels = None

    def __init__(self, images):
        self.images, self.read = images, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, which):
        self.read.append(len(which))
        return self.images[which]


def new_trainer(execution: Execution):
    """Return a trainer of networks with batch normalisation and layers that are frozen at first."""
    engine = engines.current()
    engine.execution = lambda: execution
    settings = choose("standard", 16, batches=STEPS, batch_size=BATCH, latent_dim=8, warmup=2, frozen=0.4).settings
    middle = [layers.Conv2D(6, 3, padding="same", name=f"conv{n}") for n in range(2)]
    pair = small_generator(layers.BatchNormalization()), small_discriminator(*middle)
    trainer = Trainer(engine, settings, Networks(*pair), CountedImages(pictures()))
    return trainer, numpy_state(*pair)


def train(trainer: Trainer, start: dict, calls: tuple[int, ...]) -> tuple[dict, list[dict]]:
    """Return the state and the measures after calls of these numbers of steps."""
    trainer.load(start, 0.0, Health())
    measured = [
        {name: float(value) for name, value in measures.items()}
        for count in calls
        for measures in trainer.run_batches(count)
    ]
    return flatten(trainer.state_on_host()), measured


def main(folder: Path, names: list[str]) -> None:
    """Write everything."""
    for name in names:
        trainer, start = new_trainer(WAYS[name])
        assert trainer.anchors is not None  # assigned before reading is recorded
        trainer.images.read.clear()
        calls = {name: (1,) * STEPS if name == "single" else (4, 2)}
        if name == "blocks":
            calls["ones"] = (1,) * STEPS
        for key, counts in calls.items():
            state, measured = train(trainer, start, counts)
            np.savez(folder / f"{key}.npz", **state)
            facts = {"measures": measured, "read": trainer.images.read, "devices": jax.device_count()}
            facts["arrays"] = len(jax.tree.leaves(trainer.packed_state))
            (folder / f"{key}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
