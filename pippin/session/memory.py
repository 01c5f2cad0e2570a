"""How much memory a training will need, said before it starts; and how much there is.

What the engine needs for itself, what the weights need (with gradients, both moments of Adam, the average and the
copies that a checkpoint makes), and for each picture of a batch what the layers give: some of it is kept for the way
back. How much of it is a matter of the engine, and was measured: `benchmarks/memory.py` holds the prediction against
the peak of real runs.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import psutil

from pippin.networks import Networks

GIB = 2**30

CONTROL_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Where Linux tells a container how much it may have, how much it has, and what of that are files that can go."""


class Need(NamedTuple):
    """What an engine needs, as measured.

    Attributes:
        base: bytes of the process before there is any network, and of what looks at the pictures.
        weights: times the bytes of the trained weights.
        painting: times the bytes that the generator's layers and operations give for a picture of the batch.
        judging: the same of the discriminator, for a real and a painted picture.
        seeing: the same of the projector.
    """

    base: float
    weights: float
    painting: float
    judging: float
    seeing: float


MIB = 2**20

NEEDS = {
    "tensorflow": Need(916 * MIB, 32, 1.1, 1.5, 0.56),
    "jax": Need(2615 * MIB, 32, 0.5, 3, 1.38),
    "torch": Need(2423 * MIB, 32, 5.9, 3, 1.42),
}
"""Fitted to the peaks of whole trainings; six with TensorFlow 2.21, one of them with the networks of today, are within
13 per cent (`benchmarks/results/memory.json`), and three with JAX 0.10 within 11. PyTorch 2.13 was fitted to three,
with earlier networks, and not measured since. These two do checkups without compiling them, which is most of what they
need before the first picture."""


def needed(engine: str, networks: Networks, batch_size: int) -> int:
    """Return how many bytes of resident memory a training process will have at its peak, on a processor.

    Args:
        engine: a name in `NEEDS`.
        networks: see `pippin.networks`.
        batch_size: pictures of each kind, real and generated.
    """
    need = NEEDS[engine]
    weights = 4 * sum(model.count_params() for model in networks[:2])
    painting, judging = activations(networks.generator), activations(networks.discriminator)
    seeing = activations(networks.projector) if networks.projector else 0
    pictures = need.painting * painting + need.judging * judging + need.seeing * seeing
    return round(need.base + need.weights * weights + batch_size * pictures)


def activations(model: Any) -> int:
    """Return how many bytes of float32 a model's layers and operations give for one picture, all of them together."""
    total = 0
    for layer in getattr(model, "operations", model.layers):  # a Sequential model has layers only
        if isinstance(layer, keras.Model):
            total += activations(layer)
        else:
            outputs = layer.output if isinstance(layer.output, list) else [layer.output]
            total += sum(4 * math.prod(output.shape[1:]) for output in outputs)
    return total


def free() -> int:
    """Return how many bytes of memory a process can have here: what the machine has free, or its container."""
    there = psutil.virtual_memory().available
    for folder, limit, usage, files in CONTROL_GROUPS:
        try:
            details = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            used = int((folder / usage).read_text()) - int(details[files])
            there = min(there, int((folder / limit).read_text()) - used)
        except (OSError, ValueError, KeyError):  # no such group, or one without a limit ("max")
            continue
    return max(there, 0)


def gib(count: float) -> str:
    """Return bytes as people say them: `1.9 GiB`."""
    return f"{count / GIB:.1f} GiB"
