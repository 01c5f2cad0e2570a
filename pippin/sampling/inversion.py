"""Which latent paints a photograph? GAN inversion by optimisation.

The latent is moved until what is painted from it looks like the photograph, in its pixels and in the features of a
network that learnt to see (as in Image2StyleGAN, Abdal et al. 2019, arXiv 1904.03189, and Creswell and Bharath 2018,
arXiv 1611.06644). Such a search stays in the valley where it starts, so several start, from the nearest of some
hundred candidates.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from pippin import engines
from pippin.engines.inference import Progress, no_progress
from pippin.errors import SettingsError
from pippin.measure import perceptual_distances
from pippin.networks import projector
from pippin.pictures import to_float
from pippin.sampling.generation import generate
from pippin.sampling.latents import latents_of
from pippin.show import grid
from pippin.training.anchors import Anchors
from pippin.training.optimizer import adam, bias_corrections
from pippin.training.schedule import cosine_decay

STEPS = 200
"""Of the search; afterwards it hardly moves."""

STARTS = 4
"""Searches side by side."""

ANCHORS, RANDOM = 256, 64
"""Candidates to start from at the most: latents of real pictures, and seeds from 0 on. The average picture is one more.
The pictures of those seeds are what the found one is compared with, too."""

PIXELS = 4.0
"""Of the pixels' mean squared difference beside the features': as much as a good match has left of either."""

RATE, BETA_1, BETA_2 = 0.1, 0.9, 0.99
"""Adam's, the first falling to 0 along half a cosine. A latent's numbers are about 1."""

BEYOND = 2.0
"""How much farther than √latent_dim, the mean length of latents, one may lie from 0: nearly three deviations. Farther
out the generator was never trained."""

SAME_PIXELS, SAME_LOOK = 5.0, 0.05
"""A pixel error and a perceptual distance below which one observer could not tell pictures of 64×64 apart."""

SHOWN = 128
"""Side in pixels up to which `Found.sheet` enlarges small pictures."""


@dataclass(frozen=True)
class Found:
    """What `find` came to.

    Attributes:
        latent: float32 (latent_dim,).
        image: uint8 (S, S, 3), what is painted from it.
        photo: uint8 (S, S, 3), the photograph as it was prepared.
        way: number of the step → uint8 (S, S, 3), what it looked like on the way; step 0 is the candidate it began at.
        distance: see `pippin.measure.perceptual_distances`, through EfficientNet-Lite1.
        pixel_error: root mean square of the pixels' differences, 0 to 255.
        random_distances: float64 (RANDOM,), the same for random pictures.
        random_pixel_errors: float64 (RANDOM,).
    """

    latent: np.ndarray
    image: np.ndarray
    photo: np.ndarray
    way: dict[int, np.ndarray]
    distance: float
    pixel_error: float
    random_distances: np.ndarray
    random_pixel_errors: np.ndarray

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        closer = int((self.random_distances <= self.distance).sum())
        count = len(self.random_distances)
        if self.distance < SAME_LOOK and self.pixel_error < SAME_PIXELS:
            how = "The same to the eye"
        elif closer == 0:
            how = f"Closer than each of {count} random pictures, and not the same"
        else:
            how = f"Not found: {closer} of {count} random pictures look as close"
        usual = f"{np.median(self.random_distances):.2f} and {np.median(self.random_pixel_errors):.0f}"
        return (
            f"{how}: perceptual distance {self.distance:.3f} (EfficientNet-Lite1, 0 to 4), pixels off by "
            f"{self.pixel_error:.1f} of 255 (root mean square); random pictures: {usual} in the median"
        )

    def sheet(self) -> np.ndarray:
        """Show the photograph, the way and what was found side by side, with captions: uint8 (H, W, 3)."""
        pictures = [self.photo, *self.way.values(), self.image]
        captions = ["photo", *(f"step {step}" if step else "start" for step in self.way), "found"]
        times = max(1, SHOWN // len(self.photo))
        return grid(np.stack(pictures).repeat(times, axis=1).repeat(times, axis=2), len(pictures), captions)


def find(
    generator: keras.Model,
    photo: np.ndarray,
    anchors: Anchors | None = None,
    steps: int = STEPS,
    progress: Progress = no_progress,
) -> Found:
    """Look for the latent from which a generator paints a photograph.

    Args:
        generator: latents (B, latent_dim) → images (B, S, S, 3) in [−1, 1].
        photo: uint8 (S, S, 3), RGB, prepared as the pictures were that it learnt from.
        anchors: the latents that real pictures had in training, where there were such.
        steps: of the search, from 1.
        progress: told how far the work is.

    Returns:
        What was found. The same on the same machine and engine.

    Raises:
        SettingsError: `steps` out of range, or a photograph of another size.
        NetworkError: the features' weights are not there.
    """
    if steps < 1:
        raise SettingsError(f"Search for at least one step. Received: steps={steps}")
    if photo.shape != generator.output_shape[1:] or photo.dtype != np.uint8:
        wanted = "×".join(str(side) for side in generator.output_shape[1:])
        raise SettingsError(f"The photograph must be uint8 {wanted}. Received: {photo.dtype} {photo.shape}")
    engine = engines.current()
    errors = _errors(generator, photo)
    random = latents_of(range(RANDOM), generator.input_shape[1])
    candidates = np.concatenate([_placed(anchors, random), random, 0 * random[:1]])
    rounds = math.ceil(len(candidates) / STARTS)
    look, found = engine.jit(errors), []
    for n in range(rounds):
        some = np.resize(candidates[n * STARTS : (n + 1) * STARTS], (STARTS, candidates.shape[1]))
        found.append(engine.to_host(look(engine.to_device(some))))
        progress(n + 1, rounds + steps)
    nearest = np.concatenate(found)[: len(candidates)].argsort(kind="stable")[:STARTS]

    latents = candidates[nearest]
    state = engine.to_device({"latents": latents, "mean": 0 * latents, "square": 0 * latents})
    move, way = engine.jit(_mover(engine, errors), donate=True), {}
    for n in range(steps):
        if n in (0, steps // 20, steps // 4):
            way[n] = engine.to_host(state["latents"])
        first, second = bias_corrections(BETA_1, BETA_2, n + 1)
        powers = {"rate": cosine_decay(RATE, 0.0, n / steps), "first": first, "second": second}
        state, last = move(state, engine.to_device({name: np.float32(value) for name, value in powers.items()}))
        progress(rounds + n + 1, rounds + steps)
    best = int(engine.to_host(last).argmin())
    latent = engine.to_host(state["latents"])[best]

    images = generate(generator, np.concatenate([np.stack([latent, *(seen[best] for seen in way.values())]), random]))
    image, passed, others = images[0], images[1 : 1 + len(way)], images[1 + len(way) :]
    distances = perceptual_distances(np.concatenate([image[None], others]), photo)
    pixel_errors = np.sqrt(((np.stack([image, *others]) - photo.astype("float64")) ** 2).mean(axis=(1, 2, 3)))
    return Found(
        latent=latent,
        image=image,
        photo=photo,
        way=dict(zip(way, passed, strict=True)),
        distance=float(distances[0]),
        pixel_error=float(pixel_errors[0]),
        random_distances=distances[1:],
        random_pixel_errors=pixel_errors[1:],
    )


def _placed(anchors: Anchors | None, random: np.ndarray) -> np.ndarray:
    """Return latents of real pictures, (N, latent_dim); what anchors leave open is 0, as it is on average."""
    if anchors is None:
        return random[:0]
    some = anchors.latents[:: max(1, math.ceil(len(anchors.latents) / ANCHORS))]
    return np.pad(some, ((0, 0), (0, random.shape[1] - some.shape[1])))


def _errors(generator: keras.Model, photo: np.ndarray) -> Callable[[Any], Any]:
    """Return latents (B, latent_dim) → (B,), how far their pictures are from the photograph.

    A part of it are the pixels, the other the features through which the standard discriminator looks.
    """
    eye = projector.build(*generator.output_shape[2:])
    seen = eye(ops.convert_to_tensor(to_float(photo[None])), training=False)
    wanted = [ops.convert_to_tensor(ops.convert_to_numpy(x)) for x in seen]  # so that PyTorch asks for no gradient

    def errors(latents: Any) -> Any:
        maps = eye(generator(latents, training=False), training=False)
        apart = [ops.mean(ops.square(x - target), axis=(1, 2, 3)) for x, target in zip(maps, wanted, strict=True)]
        pixels, features = apart[0] / projector.PIXELS_SCALE**2, apart[1:]
        return PIXELS * pixels + sum(features) / len(features)

    return errors


def _mover(engine: engines.Engine, errors: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return one step of Adam (Kingma and Ba 2014, arXiv 1412.6980) for latents, each by itself."""

    def move(state: Any, schedule: Any) -> Any:
        def total(latents: Any) -> Any:
            found = errors(latents)
            return ops.sum(found), found

        latents = state["latents"]
        out, pullback, found = engine.vjp(total, latents)
        (gradient,) = pullback(ops.ones_like(out))
        (latents,), (mean,), (square,) = adam(
            [latents],
            [gradient],
            [state["mean"]],
            [state["square"]],
            [schedule["rate"]],
            BETA_1,
            BETA_2,
            [(schedule["first"], schedule["second"])],
        )
        farthest = latents.shape[1] ** 0.5 + BEYOND
        lengths = ops.sqrt(ops.sum(ops.square(latents), axis=1, keepdims=True))
        latents = latents * ops.minimum(1.0, farthest / ops.maximum(lengths, 1e-12))
        return {"latents": latents, "mean": mean, "square": square}, found

    return move
