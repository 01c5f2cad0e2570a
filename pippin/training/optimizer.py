"""Adam as a pure function on lists of tensors, for the training step and for GAN inversion."""

from collections.abc import Iterable, Sequence
from typing import Any

from keras import ops

EPSILON = 1e-8
"""Added to the square root of the second moment, as the paper suggests; it only prevents a division by zero."""


def adam(
    weights: Sequence[Any],
    gradients: Sequence[Any],
    first_moments: Sequence[Any],
    second_moments: Sequence[Any],
    learning_rates: Sequence[Any],
    beta_1: Any,
    beta_2: Any,
    corrections: Iterable[tuple[Any, Any]],
) -> tuple[list[Any], list[Any], list[Any]]:
    """Compute one step of Adam (Kingma and Ba 2014, arXiv 1412.6980, algorithm 1).

        m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²        w ← w − α (m / c₁) / (√(v / c₂) + ε)

    Args:
        weights: N float32 tensors.
        gradients: The gradient of the loss with respect to each weight.
        first_moments: m of each weight, 0 before the first step.
        second_moments: v of each weight, 0 before the first step.
        learning_rates: α of each weight, scalars.
        beta_1: Decay rate of the first moment per step, scalar in [0, 1).
        beta_2: Decay rate of the second moment per step, scalar in [0, 1).
        corrections: The divisors (c₁, c₂) of each weight, see `bias_corrections`.

    Returns:
        `(weights, first_moments, second_moments)` after the step.
    """
    new_weights, new_first_moments, new_second_moments = [], [], []
    for weight, gradient, m, v, learning_rate, (correction_1, correction_2) in zip(
        weights, gradients, first_moments, second_moments, learning_rates, corrections, strict=True
    ):
        m = beta_1 * m + (1.0 - beta_1) * gradient
        v = beta_2 * v + (1.0 - beta_2) * ops.square(gradient)
        direction = m / correction_1 / (ops.sqrt(v / correction_2) + EPSILON)
        new_weights.append(weight - learning_rate * direction)
        new_first_moments.append(m)
        new_second_moments.append(v)
    return new_weights, new_first_moments, new_second_moments


def bias_corrections(beta_1: Any, beta_2: Any, step: Any) -> tuple[Any, Any]:
    """Return (1 − β₁ᵗ, 1 − β₂ᵗ), which correct the moments' bias towards their initial 0.

    Args:
        beta_1: See `adam`.
        beta_2: See `adam`.
        step: t, the number of this step, counted from 1.
    """
    return 1.0 - beta_1**step, 1.0 - beta_2**step
