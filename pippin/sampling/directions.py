"""Directions in which pictures can be edited, found without labels.

GANSpace (Härkönen et al. 2020, arXiv 2004.02546): the map that the generator makes of many latents first has few
directions in which it varies most; each of them is led back to latents by regression. What a direction does to
pictures is seen by looking, and then it can be given a name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from pippin.engines.inference import model_inference, parameters_of
from pippin.errors import NetworkError, SettingsError
from pippin.sampling.edits import check_edits
from pippin.sampling.generation import fingerprint
from pippin.sampling.latents import latents_of
from pippin.training.anchors import principal_components

MOST = 12
"""Directions that are found; the later ones do little."""

SAMPLES = 1024
"""Latents that are looked at: those of the seeds from 0 on."""

AT_ONCE = 128


@dataclass(frozen=True)
class Directions:
    """Directions among latents, the one that changes most first; they have numbers from 1.

    Attributes:
        weights: fingerprint of the generator's weights, see `pippin.sampling.generation.fingerprint`.
        vectors: float32 (K, latent_dim), each of length 1. Latents are standard normal, so among the pictures that are
            painted from seeds the deviation along each is 1.
        names: name → number, of those that somebody has named.
    """

    weights: str
    vectors: np.ndarray
    names: dict[str, int]

    def numbered(self, edits: Mapping[Any, float]) -> dict[str, float]:
        """Return edits with numbers instead of names: number → strength, added up.

        Args:
            edits: name or number → strength, in deviations.

        Raises:
            SettingsError: there is no such direction, or an edit goes too far.
        """
        found: dict[str, float] = {}
        for name, strength in check_edits(edits).items():
            number = int(name) if name.isdecimal() else self.names.get(name)
            self._check(number, name)
            found[str(number)] = found.get(str(number), 0.0) + strength
        return check_edits(found)

    def apply(self, latents: np.ndarray, edits: Mapping[Any, float]) -> np.ndarray:
        """Return latents (N, latent_dim) moved as `edits` say; see `numbered`."""
        moved = np.array(latents, np.float32)
        for number, strength in self.numbered(edits).items():
            moved += np.float32(strength) * self.vectors[int(number) - 1]
        return moved

    def named(self, number: int, name: str) -> "Directions":
        """Return the directions with a name more; a direction has one name, a name one direction.

        Raises:
            SettingsError: there is no such direction.
        """
        self._check(number, str(number))
        others = {known: n for known, n in self.names.items() if n != number and known != name}
        return replace(self, names={**others, name: number})

    def titles(self) -> list[str]:
        """Return what to call each: its number, and its name if it has one."""
        names = {number: name for name, number in self.names.items()}
        return [f"{n} {names.get(n, '')}".strip() for n in range(1, len(self.vectors) + 1)]

    def to_dict(self) -> dict[str, Any]:
        """Return them as what JSON can hold."""
        return {"weights": self.weights, "names": self.names, "vectors": self.vectors.astype(float).tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Directions":
        """Make them from what `to_dict` gave; a KeyError, TypeError or ValueError where they are damaged."""
        return cls(values["weights"], np.array(values["vectors"], np.float32), dict(values["names"]))

    def _check(self, number: int | None, received: str) -> None:
        if number is None or not 1 <= number <= len(self.vectors):
            named = f" or {', '.join(self.names)}" if self.names else ""
            raise SettingsError(
                f"Name a direction that there is: 1 to {len(self.vectors)}{named}; `pippin directions` shows them. "
                f"Received: {received}"
            )


def find_directions(generator: keras.Model) -> Directions:
    """Find the directions of a generator.

    Args:
        generator: latents (B, latent_dim) → images; Sequential or functional.

    Returns:
        min(`MOST`, latent_dim) directions without names. The same on the same machine and engine.

    Raises:
        NetworkError: it has no layer with weights.
    """
    early = keras.Model(generator.inputs, _beginning(generator))
    latents = latents_of(range(SAMPLES), generator.input_shape[1])
    seen = model_inference(early, AT_ONCE)(parameters_of(early), latents).reshape(SAMPLES, -1)
    scores = principal_components((seen - seen.mean(axis=0)).astype("float64"))[:, :MOST]
    vectors = scores[:, : generator.input_shape[1]].T @ latents  # regression: the scores are orthogonal to each other
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return Directions(fingerprint(generator), vectors.astype("float32"), {})


def _beginning(generator: keras.Model) -> Any:
    """Return the map that the generator's convolutions begin with; of one without maps, what its first layer makes."""
    weighty = [layer for layer in generator.layers if layer.weights]
    if not weighty:
        raise NetworkError(f"The generator has no layer with weights to look into. Received: {generator.name}")
    maps = (layer.input for layer in weighty if not isinstance(layer.input, list) and len(layer.input.shape) == 4)
    return next(maps, weighty[0].output)
