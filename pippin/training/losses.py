"""The losses and penalties, as in their papers. All functions take and return float32 tensors of the current engine."""

import math
from typing import Any

from keras import ops


def relativistic(logits: Any, input_gradients: list[Any], gamma: Any) -> tuple[Any, dict[str, Any], list[Any]]:
    """Compute the losses of both players, with both penalties, from logits and their gradients.

    Args:
        logits: (2B, K), the discriminator's K logits of B real images, or groups of them, and then of as many generated
            ones.
        input_gradients: K tensors (2B, H, W, C), the gradient of each logit with respect to its input.
        gamma: Weight of the penalties.

    Returns:
        The discriminator's loss with penalties, a scalar; the measures by name, scalars; and K tensors (B, H, W, C),
        the gradient of the generator's loss with respect to the inputs for generated images.
    """
    size = logits.shape[0] // 2
    real_logits, fake_logits = logits[:size], logits[size:]
    measures = {
        "d_loss": relativistic_discriminator_loss(real_logits, fake_logits),
        "g_loss": relativistic_generator_loss(real_logits, fake_logits),
        "r1_penalty": squared_gradient_norm([gradient[:size] for gradient in input_gradients]),
        "r2_penalty": squared_gradient_norm([gradient[size:] for gradient in input_gradients]),
        "real_logits": ops.mean(real_logits),
        "fake_logits": ops.mean(fake_logits),
    }
    loss = measures["d_loss"] + gamma / 2 * (measures["r1_penalty"] + measures["r2_penalty"])
    logit_gradients = relativistic_generator_gradient(real_logits, fake_logits)  # (B, K)
    adversarial_gradients = [
        logit_gradients[:, k, None, None, None] * gradient[size:] for k, gradient in enumerate(input_gradients)
    ]
    return loss, measures, adversarial_gradients


def relativistic_discriminator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """Compute mean softplus(Δ) with Δ = D(x̂) − D(x) for each pair (Jolicoeur-Martineau 2018, arXiv 1807.00734).

    Args:
        real_logits: (B, K), the discriminator's K logits of real images.
        fake_logits: (B, K), those of generated images, each paired with the real one of the same index.

    Returns:
        Scalar.
    """
    return ops.mean(ops.softplus(fake_logits - real_logits))


def relativistic_generator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """Compute mean softplus(−Δ): the same pairs with the roles exchanged.

    Args:
        real_logits: (B, K), see `relativistic_discriminator_loss`.
        fake_logits: (B, K).

    Returns:
        Scalar.
    """
    return ops.mean(ops.softplus(real_logits - fake_logits))


def relativistic_generator_gradient(real_logits: Any, fake_logits: Any) -> Any:
    """Compute the derivative of `relativistic_generator_loss` with respect to `fake_logits`: −σ(−Δ) / BK.

    Args:
        real_logits: (B, K), see `relativistic_discriminator_loss`.
        fake_logits: (B, K).

    Returns:
        (B, K).
    """
    return -ops.sigmoid(real_logits - fake_logits) / math.prod(real_logits.shape)


def squared_gradient_norm(gradients: list[Any]) -> Any:
    """Compute mean ‖∇D_k(xₖ)‖² (Mescheder et al. 2018, arXiv 1801.04406).

    On real images this is `r1_penalty`, on generated ones `r2_penalty`. The norm sums over height, width and channels;
    the mean is over images and maps.

    Args:
        gradients: K tensors (B, H, W, C), the gradient of each logit with respect to its map (the image itself, if
            there is no projector).

    Returns:
        Scalar.
    """
    return sum(ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3))) for gradient in gradients) / len(gradients)


def reconstruction_loss(real_maps: list[Any], fake_maps: list[Any], anchored: Any) -> Any:
    """Compute the mean squared difference between real images and those generated from their anchors.

    Args:
        real_maps: K tensors (B, H, W, C), the discriminator's inputs for real images.
        fake_maps: The same for generated images.
        anchored: (B,), 1 where the latent is the anchor of the real image at the same index, 0 elsewhere.

    Returns:
        Scalar, the mean over anchored images, maps, and each map's elements; 0 if no image is anchored.
    """
    errors = [
        ops.mean(ops.square(fake - real), axis=(1, 2, 3)) for real, fake in zip(real_maps, fake_maps, strict=True)
    ]
    return ops.sum(anchored * sum(errors)) / (len(errors) * ops.maximum(ops.sum(anchored), 1.0))


def reconstruction_gradients(real_maps: list[Any], fake_maps: list[Any], anchored: Any) -> list[Any]:
    """Compute the derivative of the summed errors of anchored images, divided by B, with respect to `fake_maps`.

    An image's error is the mean over maps and elements. The sum is divided by the batch size and not by the number of
    anchored images, so that an image weighs as much as in the adversarial loss.

    Args:
        real_maps: See `reconstruction_loss`.
        fake_maps: See `reconstruction_loss`.
        anchored: See `reconstruction_loss`.

    Returns:
        K tensors (B, H, W, C).
    """
    return [
        2.0 / (math.prod(real.shape) * len(real_maps)) * anchored[:, None, None, None] * (fake - real)
        for real, fake in zip(real_maps, fake_maps, strict=True)
    ]


def binary_cross_entropy(logits: Any, real: bool) -> Any:
    """Compute the binary cross-entropy against one label for all (Goodfellow et al. 2014, arXiv 1406.2661, section 3).

    With `real=True` on generated images it is the non-saturating loss of the generator.

    Args:
        logits: (B,).
        real: The label.

    Returns:
        Scalar.
    """
    return ops.mean(ops.softplus(-logits if real else logits))
