"""GAN inversion: find the latent whose generated image is nearest to a photo.

Gradient descent moves the latent until the generated image matches the photo, in its pixels and in the features of a
pretrained network (as in Image2StyleGAN, Abdal et al. 2019, arXiv 1904.03189, and Creswell and Bharath 2018, arXiv
1611.06644). Such an optimisation ends in a local minimum near its start, so several start, from the nearest of up to
321 candidates.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from pippin import engines
from pippin.engines.inference import Progress, in_batches, no_progress
from pippin.errors import SettingsError
from pippin.host.keras_config import default_keras_config
from pippin.measure import perceptual_distances
from pippin.networks import projector
from pippin.pictures import to_float
from pippin.sampling.generation import generate
from pippin.sampling.latents import latents_of
from pippin.settings import check_integer
from pippin.show import grid
from pippin.training.anchors import Anchors
from pippin.training.optimizer import adam, bias_corrections
from pippin.training.schedule import cosine_decay

STEPS = 200
"""Default number of optimisation steps. Latents hardly change with more."""

STARTS = 4
"""Number of latents that are optimised side by side."""

ANCHORS, RANDOM = 256, 64
"""Largest numbers of candidates for the start: anchors (the latents assigned to training images), and the latents of
the seeds from 0 on. The mean latent is one more. The images of these seeds are also the random images with which the
result is compared."""

PIXEL_WEIGHT = 4.0
"""Weight of the pixels' mean squared difference relative to that of the features. With it both contribute about equally
to the remaining error of a good match."""

RATE, BETA_1, BETA_2 = 0.1, 0.9, 0.99
"""Learning rate of Adam and its decay rates. The learning rate falls to 0 along a half cosine. The components of a
latent are about 1, so 0.1 crosses the latent space within the steps."""

MARGIN = 2.0
"""How much longer than √latent_dim, the mean length of latents, a latent may become. This is nearly three standard
deviations of the length; the generator was not trained on longer latents."""

SAME_PIXELS, SAME_FEATURES = 5.0, 0.05
"""A pixel error and a perceptual distance. One observer could not distinguish images of 64×64 below both."""

SHEET_SIDE = 128
"""Side in pixels up to which `Inversion.sheet` enlarges small images."""


@dataclass(frozen=True)
class Inversion:
    """The result of `invert`.

    Attributes:
        latent: float32 (latent_dim,).
        image: uint8 (S, S, 3), the image generated from the latent.
        photo: uint8 (S, S, 3), the prepared photo.
        trajectory: step → uint8 (S, S, 3), the image generated from the latent before that step. Step 0 is the start.
        distance: perceptual distance of image and photo; see `pippin.measure.perceptual_distances`.
        pixel_error: root mean square of the pixels' differences, 0 to 255.
        random_distances: float64 (RANDOM,), perceptual distances of random images from the photo.
        random_pixel_errors: float64 (RANDOM,), their pixel errors.
    """

    latent: np.ndarray
    image: np.ndarray
    photo: np.ndarray
    trajectory: dict[int, np.ndarray]
    distance: float
    pixel_error: float
    random_distances: np.ndarray
    random_pixel_errors: np.ndarray

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        closer = int((self.random_distances <= self.distance).sum())
        count = len(self.random_distances)
        if self.distance < SAME_FEATURES and self.pixel_error < SAME_PIXELS:
            result = "Visually the same"
        elif closer == 0:
            result = f"Closer than all of {count} random images, but not the same"
        else:
            result = f"Not found: {closer} of {count} random images are as close"
        medians = f"{np.median(self.random_distances):.2f} and {np.median(self.random_pixel_errors):.0f}"
        return (
            f"{result}: perceptual distance {self.distance:.3f} (EfficientNet-Lite1, 0 to 4), pixel error "
            f"{self.pixel_error:.1f} of 255 (root mean square); medians of random images: {medians}"
        )

    def sheet(self) -> np.ndarray:
        """Return the photo, the trajectory and the image found, side by side with captions: uint8 (H, W, 3)."""
        images = [self.photo, *self.trajectory.values(), self.image]
        captions = ["photo", *(f"step {step}" if step else "start" for step in self.trajectory), "found"]
        scale = max(1, SHEET_SIDE // len(self.photo))
        return grid(np.stack(images).repeat(scale, axis=1).repeat(scale, axis=2), len(images), captions)


def invert(
    generator: keras.Model,
    photo: np.ndarray,
    anchors: Anchors | None = None,
    steps: int = STEPS,
    progress: Progress = no_progress,
) -> Inversion:
    """Find the latent whose generated image is nearest to a photo.

    Args:
        generator: latents (B, latent_dim) → images (B, S, S, 3) in [−1, 1].
        photo: uint8 (S, S, 3), RGB, prepared as the training images were.
        anchors: the latents assigned to training images, if the run has them.
        steps: optimisation steps, from 1.
        progress: Called as `progress(done, total)` with the number of candidate batches and steps.

    Returns:
        The latent and its image, the same on the same machine and engine.

    Raises:
        SettingsError: `steps` is not an integer from 1, or the photo has another shape or dtype.
        NetworkError: the weights of the feature network are not available.
    """
    steps = check_integer("steps", steps, 1)
    if photo.shape != generator.output_shape[1:] or photo.dtype != np.uint8:
        expected = "×".join(str(side) for side in generator.output_shape[1:])
        raise SettingsError(f"The photo must be uint8 {expected}. Received: {photo.dtype} {photo.shape}")
    engine = engines.current()
    errors = _error_function(generator, photo)
    random = latents_of(range(RANDOM), generator.input_shape[1])
    candidates = np.concatenate([_anchor_latents(anchors, random.shape[1]), random, 0 * random[:1]])
    rounds = math.ceil(len(candidates) / STARTS)

    def on_round(done: int, total: int) -> None:
        progress(math.ceil(done / STARTS), rounds + steps)

    def on_step(done: int) -> None:
        progress(rounds + done, rounds + steps)

    compiled = engine.jit(errors)
    candidate_errors = in_batches(
        lambda batch: engine.to_host(compiled(engine.to_device(batch))), (candidates,), STARTS, on_round
    )
    nearest = candidate_errors.argsort(kind="stable")[:STARTS]
    latent, path = _optimise(errors, candidates[nearest], steps, on_step)

    images = generate(generator, np.concatenate([latent[None], *(step[None] for step in path.values()), random]))
    image, passed, others = images[0], images[1 : 1 + len(path)], images[1 + len(path) :]
    distances = perceptual_distances(np.concatenate([image[None], others]), photo)
    pixel_errors = np.sqrt(((np.stack([image, *others]) - photo.astype("float64")) ** 2).mean(axis=(1, 2, 3)))
    return Inversion(
        latent=latent,
        image=image,
        photo=photo,
        trajectory=dict(zip(path, passed, strict=True)),
        distance=float(distances[0]),
        pixel_error=float(pixel_errors[0]),
        random_distances=distances[1:],
        random_pixel_errors=pixel_errors[1:],
    )


def _optimise(
    errors: Callable[[Any], Any], latents: np.ndarray, steps: int, on_step: Callable[[int], None]
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Optimise latents side by side.

    Args:
        errors: see `_error_function`.
        latents: float32 (STARTS, latent_dim), where the optimisation starts.
        steps: number of steps.
        on_step: called with the number of steps done.

    Returns:
        The latent with the smallest error, and its values at some of the steps: step → float32 (latent_dim,).
    """
    engine = engines.current()
    state = engine.to_device({"latents": latents, "mean": 0 * latents, "square": 0 * latents})
    update, path = engine.jit(_update_function(engine, errors), donate=True), {}
    for n in range(steps):
        if n in (0, steps // 20, steps // 4):
            path[n] = engine.to_host(state["latents"])
        first, second = bias_corrections(BETA_1, BETA_2, n + 1)
        schedule = {"rate": cosine_decay(RATE, 0.0, n / steps), "first": first, "second": second}
        state, last = update(state, engine.to_device({name: np.float32(value) for name, value in schedule.items()}))
        on_step(n + 1)
    best = int(engine.to_host(last).argmin())
    return engine.to_host(state["latents"])[best], {step: values[best] for step, values in path.items()}


def _anchor_latents(anchors: Anchors | None, latent_dim: int) -> np.ndarray:
    """Return up to `ANCHORS` anchors as latents, float32 (N, latent_dim). Components without an anchor are 0."""
    if anchors is None:
        return np.zeros((0, latent_dim), np.float32)
    latents = anchors.latents[:: max(1, math.ceil(len(anchors.latents) / ANCHORS))]
    return np.pad(latents, ((0, 0), (0, latent_dim - latents.shape[1])))


@default_keras_config()
def _error_function(generator: keras.Model, photo: np.ndarray) -> Callable[[Any], Any]:
    """Return a function: latents (B, latent_dim) → (B,), the errors of their images with respect to the photo.

    An error is the mean squared difference of the pixels plus that of the features of the discriminator's projector.
    """
    feature_network = projector.build(*generator.output_shape[2:])
    maps = feature_network(ops.convert_to_tensor(to_float(photo[None])), training=False)
    targets = [ops.convert_to_tensor(ops.convert_to_numpy(x)) for x in maps]  # detached from PyTorch's graph

    def errors(latents: Any) -> Any:
        maps = feature_network(generator(latents, training=False), training=False)
        squares = [ops.mean(ops.square(x - target), axis=(1, 2, 3)) for x, target in zip(maps, targets, strict=True)]
        pixels, features = squares[0] / projector.PIXELS_SCALE**2, squares[1:]
        return PIXEL_WEIGHT * pixels + sum(features) / len(features)

    return errors


def _update_function(engine: engines.Engine, errors: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return one step of Adam (Kingma and Ba 2014, arXiv 1412.6980), in which each latent is independent."""

    def update(state: Any, schedule: Any) -> Any:
        def total(latents: Any) -> Any:
            each = errors(latents)
            return ops.sum(each), each

        latents = state["latents"]
        out, pullback, each = engine.vjp(total, latents)
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
        longest = latents.shape[1] ** 0.5 + MARGIN
        lengths = ops.sqrt(ops.sum(ops.square(latents), axis=1, keepdims=True))
        latents = latents * ops.minimum(1.0, longest / ops.maximum(lengths, 1e-12))
        return {"latents": latents, "mean": mean, "square": square}, each

    return update
