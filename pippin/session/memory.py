"""Memory: the predicted peak of a training process, and the memory that is free.

The prediction adds three parts: what the engine needs for itself; what the weights need (with gradients, both moments
of Adam, the moving average, and the copies made for a checkpoint); and, for each image of a batch, the activations of
all layers, some of which are kept for the backward pass. The factors depend on the engine and were measured:
`benchmarks/memory.py` compares the prediction with the peaks of real runs.
"""

import errno
import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import psutil

from pippin.networks import Networks

MIB, GIB = 2**20, 2**30

CONTROL_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Where Linux publishes a container's limits: the folder, the files with its limit and its usage, and the entry of
`memory.stat` with the part of the usage that is only cached files and can be freed."""


class Need(NamedTuple):
    """The measured memory needs of an engine.

    Attributes:
        base: bytes of the process without networks, including the features for validation.
        weights: factor for the bytes of the trained weights.
        generator: factor for the bytes of the generator's activations, per image of the batch.
        discriminator: factor for the bytes of the discriminator's activations, per pair of real and generated image.
        projector: factor for the bytes of the projector's activations, per pair.
    """

    base: float
    weights: float
    generator: float
    discriminator: float
    projector: float


NEEDS = {
    "tensorflow": Need(916 * MIB, 32, 1.1, 1.5, 0.56),
    "jax": Need(1950 * MIB, 32, 0.36, 2.2, 1.0),
    "torch": Need(2423 * MIB, 32, 5.9, 3, 1.42),
}
"""The needs of each engine, fitted to the peaks of whole training runs. The predictions for six runs with TensorFlow
2.21 are within 13 per cent, and those for four with JAX 0.10 within 4 (`benchmarks/results/memory.json`, with the
networks before group heads). With today's networks, TensorFlow peaked at 1,580 MiB at 64×64 in batches of 8, for which
1,747 are predicted. PyTorch 2.13 was fitted to three runs with earlier networks, whose checkups were not
compiled, so its prediction is high."""


def predict_peak(engine: str, networks: Networks, batch_size: int) -> int:
    """Return the predicted peak of a training process's resident memory on a CPU, in bytes.

    Args:
        engine: a name in `NEEDS`.
        networks: see `pippin.networks`.
        batch_size: real images in a batch; as many are generated.
    """
    need = NEEDS[engine]
    weights = 4 * sum(model.count_params() for model in networks[:2])
    per_image = need.generator * activation_bytes(networks.generator)
    per_image += need.discriminator * activation_bytes(networks.discriminator)
    if networks.projector:
        per_image += need.projector * activation_bytes(networks.projector)
    return round(need.base + need.weights * weights + batch_size * per_image)


def activation_bytes(model: Any) -> int:
    """Return the total size of the outputs of a model's layers and operations for one image, in bytes of float32."""
    total = 0
    for layer in getattr(model, "operations", model.layers):  # a Sequential model has only layers
        if isinstance(layer, keras.Model):
            total += activation_bytes(layer)
        else:
            outputs = layer.output if isinstance(layer.output, list) else [layer.output]
            total += sum(4 * math.prod(output.shape[1:]) for output in outputs)
    return total


def free_memory() -> int:
    """Return how many bytes a process can allocate: the free memory of the machine, or of its container if less."""
    free = psutil.virtual_memory().available
    for folder, limit, usage, files in CONTROL_GROUPS:
        try:
            details = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            used = int((folder / usage).read_text()) - int(details[files])
            free = min(free, int((folder / limit).read_text()) - used)
        except (OSError, ValueError, KeyError):  # no such control group, or one without a limit ("max")
            continue
    return max(free, 0)


def format_gib(count: float) -> str:
    """Return a number of bytes in GiB, such as `1.9 GiB`."""
    return f"{count / GIB:.1f} GiB"


def is_out_of_memory(problem: BaseException) -> bool:
    """Return whether an error of Python, NumPy or an engine says that memory ran out, on the processor or elsewhere.

    The engines have classes of their own for it, or raise a RuntimeError; the names and words are those of TensorFlow
    (`ResourceExhaustedError`), JAX (`RESOURCE_EXHAUSTED`) and PyTorch (`OutOfMemoryError`, "can't allocate memory").
    """
    if isinstance(problem, MemoryError) or type(problem).__name__ in ("ResourceExhaustedError", "OutOfMemoryError"):
        return True
    if isinstance(problem, OSError):
        return problem.errno == errno.ENOMEM
    words = "resource_exhausted", "out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc"
    return isinstance(problem, RuntimeError | ValueError) and any(word in str(problem).lower() for word in words)
