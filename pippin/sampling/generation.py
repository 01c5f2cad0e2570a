"""Latents → images: the one way in which a generator is run."""

import hashlib
from collections.abc import Callable

import keras
import numpy as np

from pippin.engines.inference import (
    Parameters,
    Progress,
    image_batch_size,
    in_batches,
    model_inference,
    no_progress,
    parameters_of,
)
from pippin.pictures import to_uint8

Forward = Callable[[np.ndarray], np.ndarray]
"""Latents (B, latent_dim) → images (B, S, S, C) in [−1, 1], both float32 NumPy arrays."""


class ImageGenerator:
    """Generates images from latents in compiled batches of one size, so that no image depends on its neighbours.

    Args:
        generator: Keras model, latents (B, latent_dim) → images (B, S, S, C) in [−1, 1].
        forward: What computes a batch instead of the engine, such as ONNX Runtime; it has weights of its own.
    """

    def __init__(self, generator: keras.Model, forward: Forward | None = None):
        self.batch_size = image_batch_size(generator.output_shape[1])
        self._generator, self._forward = generator, forward
        self._inference = None if forward else model_inference(generator, self.batch_size)
        self._parameters: Parameters = None

    def __call__(
        self, latents: np.ndarray, progress: Progress = no_progress, parameters: Parameters = None
    ) -> np.ndarray:
        """Generate images.

        Args:
            latents: float32 (N, latent_dim), N from 1.
            progress: Called as `progress(done, total)` after each batch.
            parameters: `(weights, stats)` to use instead of the model's own, such as those of a training state.

        Returns:
            uint8 (N, S, S, C): grey, RGB or RGBA.
        """
        if self._forward is not None:
            forward = self._forward
        else:
            assert self._inference is not None
            if parameters is None:
                self._parameters = self._parameters or parameters_of(self._generator)
            inference, used = self._inference, parameters or self._parameters

            def forward(batch: np.ndarray) -> np.ndarray:
                return inference.batch(used, batch)

        latents = np.asarray(latents, np.float32)
        return in_batches(lambda batch: to_uint8(forward(batch)), (latents,), self.batch_size, progress)


def generate(generator: keras.Model, latents: np.ndarray, progress: Progress = no_progress) -> np.ndarray:
    """Generate images with a model's own weights, once; see `ImageGenerator`.

    Args:
        generator: latents (B, latent_dim) → images (B, S, S, C) in [−1, 1].
        latents: float32 (N, latent_dim), N from 1.
        progress: Called as `progress(done, total)` after each batch.

    Returns:
        uint8 (N, S, S, C): grey, RGB or RGBA.
    """
    return ImageGenerator(generator)(latents, progress)


def fingerprint(model: keras.Model) -> str:
    """Return 16 hexadecimal digits that stand for a model's weights, to the last bit."""
    digest = hashlib.sha256()
    for weights in model.get_weights():
        digest.update(f"{weights.shape} {weights.dtype}".encode())
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()[:16]
