"""The losses and penalties, as in their papers. All take and return float32 tensors of the current engine."""

import math
from typing import Any

from keras import ops


def relativistic_discriminator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """mean softplus(Δ) with Δᵢ = D(x̂ᵢ) − D(xᵢ) (Jolicoeur-Martineau 2018, arXiv 1807.00734; RpGAN).

    Args:
        real_logits: (B, K), the discriminator's K outputs for real pictures.
        fake_logits: (B, K), those for generated ones, each paired with the real one of the same index.

    Returns:
        Scalar.
    """
    return ops.mean(ops.softplus(fake_logits - real_logits))


def relativistic_generator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """mean softplus(−Δ): the same pairs, with the roles exchanged. Arguments as above."""
    return ops.mean(ops.softplus(real_logits - fake_logits))


def relativistic_generator_gradient(real_logits: Any, fake_logits: Any) -> Any:
    """∂L_G/∂D_k(x̂ᵢ) = −σ(−Δᵢₖ) / BK, which turns the gradients that R2 needs into the generator's.

    Returns:
        (B, K).
    """
    return -ops.sigmoid(real_logits - fake_logits) / math.prod(real_logits.shape)


def squared_gradient_norm(gradients: list[Any]) -> Any:
    """mean ‖∇D_k(xₖ)‖², summed over height, width and channels (Mescheder et al. 2018, arXiv 1801.04406).

    On real pictures this is `r1_penalty`, on generated ones `r2_penalty`; both are weighted by γ/2.

    Args:
        gradients: K tensors (B, H, W, C), the gradient of each logit with respect to the map that it judges (the
            picture itself, where there is one map).

    Returns:
        Scalar.
    """
    return sum(ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3))) for gradient in gradients) / len(gradients)


def reconstruction_loss(real_maps: list[Any], fake_maps: list[Any], anchored: Any) -> Any:
    """Mean squared difference between what is seen of a picture and of the one painted from its anchor.

    Args:
        real_maps: K tensors (B, H, W, C), what the discriminator sees of real pictures.
        fake_maps: the same of painted ones.
        anchored: (B,), 1 where the painted picture is to be the real one, 0 where it is free.

    Returns:
        Scalar: the mean over the anchored pictures, their maps, and each map's elements; 0 where nothing is anchored.
    """
    apart = [ops.mean(ops.square(fake - real), axis=(1, 2, 3)) for real, fake in zip(real_maps, fake_maps, strict=True)]
    return ops.sum(anchored * sum(apart)) / (len(apart) * ops.maximum(ops.sum(anchored), 1.0))


def reconstruction_gradients(real_maps: list[Any], fake_maps: list[Any], anchored: Any) -> list[Any]:
    """Return ∂/∂x̂ₖ of the sum over anchored pictures, of the means over maps and elements, divided by B.

    It is divided by B and not by how many are anchored, so that a picture counts the same as for the adversarial loss.
    """
    return [
        2.0 / (math.prod(real.shape) * len(real_maps)) * anchored[:, None, None, None] * (fake - real)
        for real, fake in zip(real_maps, fake_maps, strict=True)
    ]


def binary_cross_entropy(logits: Any, real: bool) -> Any:
    """Binary cross-entropy against one label for all (Goodfellow et al. 2014, arXiv 1406.2661, section 3).

    With `real=True` on generated pictures it is the non-saturating loss of the generator.

    Args:
        logits: (B,).
        real: the label.

    Returns:
        Scalar.
    """
    return ops.mean(ops.softplus(-logits if real else logits))
