"""Editing directions in the latent space, found without labels.

GANSpace (Härkönen et al. 2020, arXiv 2004.02546): the principal components of the generator's early feature maps over
many latents are mapped back to the latent space by linear regression. A user sees what a direction changes from
pictures, and can then name it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from pippin.engines.inference import model_inference, parameters_of
from pippin.errors import NetworkError, SettingsError
from pippin.host.keras_config import default_keras_config
from pippin.host.text import is_number
from pippin.networks import graph
from pippin.sampling.edits import check_edits, parse_naming
from pippin.sampling.generation import fingerprint
from pippin.sampling.latents import latents_of
from pippin.training.anchors import principal_components

MOST = 12
"""Largest number of directions. Further principal components change images little."""

SAMPLES = 1024
"""Number of latents whose feature maps are analysed: those of the seeds from 0 on. There are far more than the usual
208 latent dimensions, so the regression is well determined."""

BATCH_SIZE = 128
"""Latents per batch of the early layers, whose feature maps are small."""


@dataclass(frozen=True)
class Directions:
    """Editing directions in the latent space, numbered from 1, sorted by how much they change images.

    Attributes:
        weights: fingerprint of the generator's weights; see `pippin.sampling.generation.fingerprint`.
        vectors: float32 (K, latent_dim), unit vectors. Latents are standard normal, so the standard deviation of the
            latents of seeds along each is 1.
        names: name → number, of the directions that have a name.
    """

    weights: str
    vectors: np.ndarray
    names: dict[str, int]

    def numbered(self, edits: Mapping[Any, float]) -> dict[int, float]:
        """Return edits with numbers instead of names: number → strength. Strengths of the same direction are added.

        Args:
            edits: name or number → strength, in standard deviations.

        Raises:
            SettingsError: there is no such direction, or a strength is out of range.
        """
        total: dict[int, float] = {}
        for name, strength in check_edits(edits).items():
            number = self._check_number(int(name) if is_number(name) else self.names.get(name), name)
            total[number] = total.get(number, 0.0) + strength
        check_edits(total)
        return total

    def apply(self, latents: np.ndarray, edits: Mapping[Any, float]) -> np.ndarray:
        """Return latents (N, latent_dim), moved along directions; for `edits` and errors see `numbered`."""
        moved = np.array(latents, np.float32)
        for number, strength in self.numbered(edits).items():
            moved += np.float32(strength) * self.vectors[number - 1]
        return moved

    def named(self, number: int, name: str) -> "Directions":
        """Return the directions with one more name. A direction has one name, and a name stands for one direction.

        Raises:
            SettingsError: there is no such direction.
        """
        number = self._check_number(number, str(number))
        others = {known: n for known, n in self.names.items() if n != number and known != name}
        return replace(self, names={**others, name: number})

    def titles(self) -> list[str]:
        """Return a title for each direction: its number, and its name if it has one."""
        names = {number: name for name, number in self.names.items()}
        return [f"{n} {names.get(n, '')}".strip() for n in range(1, len(self.vectors) + 1)]

    def to_dict(self) -> dict[str, Any]:
        """Return the directions as values that JSON can hold."""
        return {"weights": self.weights, "names": self.names, "vectors": self.vectors.astype(float).tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Directions":
        """Return the directions that `to_dict` wrote. Vectors of different lengths, and names without one or of none of
        them, are a ValueError."""
        if len({len(vector) for vector in values["vectors"]}) != 1:
            raise ValueError("its vectors have different lengths")
        vectors, names = np.array(values["vectors"], np.float32), dict(values["names"])
        if not np.isfinite(vectors).all():
            raise ValueError("its vectors are not rows of finite numbers")
        for name, number in names.items():
            if not 1 <= number <= len(vectors):
                raise ValueError(f"a name stands for direction {number:,}, and there are {len(vectors)}")
            parse_naming(f"{number}={name}")
        return cls(values["weights"], vectors, names)

    def _check_number(self, number: int | None, received: str) -> int:
        """Return the number of a direction, or raise a `SettingsError` if there is no such direction."""
        if number is None or not 1 <= number <= len(self.vectors):
            names = f" or {', '.join(self.names)}" if self.names else ""
            raise SettingsError(
                f"There is no such direction; use 1 to {len(self.vectors)}{names}; `pippin directions` shows them. "
                f"Received: {received}"
            )
        return number


@default_keras_config()
def find_directions(generator: keras.Model) -> Directions:
    """Compute the editing directions of a generator.

    Args:
        generator: latents (B, latent_dim) → images; Sequential or functional.

    Returns:
        min(`MOST`, latent_dim) directions without names, the same on the same machine and engine.

    Raises:
        NetworkError: the generator has no layer with weights.
    """
    early = keras.Model(generator.inputs, _early_features(generator))
    latent_dim = generator.input_shape[1]
    latents = latents_of(range(SAMPLES), latent_dim)
    features = model_inference(early, BATCH_SIZE)(parameters_of(early), latents).reshape(SAMPLES, -1)
    scores = principal_components((features - features.mean(axis=0)).astype("float64"))[:, :MOST]
    # Scores are orthogonal, so up to scale the regression of latents on scores is this product.
    vectors = scores[:, :latent_dim].T @ latents
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return Directions(fingerprint(generator), vectors.astype("float32"), {})


def _early_features(generator: keras.Model) -> Any:
    """Return the input of the generator's first convolution, or else the output of its first layer with weights.

    Convolutions of maps that are only rearranged latents, such as noise maps, do not count.
    """
    weighted = [layer for layer in generator.layers if layer.weights]
    if not weighted:
        raise NetworkError(
            f"The generator has no layer with weights, so it has no editing directions. Received: {generator.name}"
        )
    maps: list[Any] = []

    def record(layer: Any, computed: list[bool], outputs: list[Any]) -> list[bool]:
        """Propagate whether tensors are computed by layers with weights."""
        has_weights = bool(getattr(layer, "weights", None))
        if has_weights and computed == [True] and len(layer.input.shape) == 4:
            maps.append(layer.input)
        return [any(computed) or has_weights] * len(outputs)

    graph.propagate(generator, [False], record, whole=lambda model: True)
    return maps[0] if maps else weighted[0].output
