"""Start weights: the standard networks at 64×64, trained on synthetic pictures.

The pictures are drawn by a program: shaded shapes, heaps of them, textures and gradients, in random colours
(`benchmarks/synthetic_pictures.py`). No photograph is among them. A generator that can already draw such shapes at
random places needs fewer batches to learn photographs than one with random weights.
"""

import json
from pathlib import Path

import keras
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from pippin.networks.named_weights import LayerWeights, weights_by_name

FILE = Path(__file__).with_suffix(".safetensors")
"""The start weights as 16-bit floats, which makes the file half as large. `benchmarks/start_weights.py` writes such a
file."""

PARTS = "generator", "discriminator"


def load(path: Path = FILE) -> tuple[dict[str, LayerWeights], dict[str, LayerWeights]]:
    """Return the start weights of the generator and of the discriminator, by layer, as float32 arrays."""
    with safe_open(path, framework="numpy") as file:
        layers = json.loads(file.metadata()["layers"])
        generator, discriminator = (
            {
                name: LayerWeights(
                    kind, [file.get_tensor(f"{part}/{name}/{n}").astype("float32") for n in range(count)]
                )
                for name, (kind, count) in layers[part].items()
            }
            for part in PARTS
        )
    return generator, discriminator


def save(path: Path, generator: keras.Model, discriminator: keras.Model) -> None:
    """Write the weights of a generator and of a discriminator to a file that `load` reads."""
    tensors, layers = {}, {}
    for part, model in zip(PARTS, (generator, discriminator), strict=True):
        weights = weights_by_name(model)
        layers[part] = {name: (layer.kind, len(layer.arrays)) for name, layer in weights.items()}
        for name, layer in weights.items():
            for n, array in enumerate(layer.arrays):
                tensors[f"{part}/{name}/{n}"] = array.astype(np.float16)
    save_file(tensors, path, metadata={"layers": json.dumps(layers)})
