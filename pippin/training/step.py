"""The training step: `step(state, batch) -> (state, measures)`, pure, the same on every engine.

`state` is everything that changes. `batch` is everything that comes from outside: pictures, latents, augmentation
draws, and this step's place on the schedule. The step draws nothing itself.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from pippin.engines import Engine
from pippin.training import losses
from pippin.training.augment import augment

State = dict[str, Any]
Batch = dict[str, Any]
Measures = dict[str, Any]
Step = Callable[[State, Batch], tuple[State, Measures]]

RULES = ("relativistic", "alternating")
ADAM_EPSILON = 1e-8


def initial_state(generator: keras.Model, discriminator: keras.Model) -> State:
    """Collect what training changes, as NumPy arrays.

    Args:
        generator: built Keras model.
        discriminator: built Keras model.

    Returns:
        Dict: for `generator` and `discriminator` a dict of `weights` (trained), `stats` (not trained: moving averages,
        seeds) and Adam's `first_moment` and `second_moment`; `ema_generator` with `weights` and `stats`; and the
        scalars `steps` and `images_seen`.
    """

    def player(model: keras.Model) -> dict[str, list[np.ndarray]]:
        weights = [np.array(variable) for variable in model.trainable_variables]
        return {
            "weights": weights,
            "stats": [np.array(variable) for variable in model.non_trainable_variables],
            "first_moment": [np.zeros_like(weight) for weight in weights],
            "second_moment": [np.zeros_like(weight) for weight in weights],
        }

    state: State = {"generator": player(generator), "discriminator": player(discriminator)}
    state["ema_generator"] = {
        part: [array.copy() for array in state["generator"][part]] for part in ("weights", "stats")
    }
    state["steps"] = np.zeros((), "int32")
    state["images_seen"] = np.zeros((), "int32")
    return state


def build_step(engine: Engine, generator: keras.Model, discriminator: keras.Model, rule: str) -> Step:
    """Compile the training step for a pair of networks.

    Args:
        engine: see `pippin.engines`.
        generator: latents (B, latent_dim) → images (B, H, W, C).
        discriminator: images (B, H, W, C) → logits (B, 1).
        rule: one of `RULES`. "relativistic" needs a discriminator that treats each picture by itself.

    Returns:
        `step(state, batch)`. `batch` holds `real_images` uint8 (B, H, W, C), `latents`, `augment` (see
        `pippin.training.draws`), and `schedule`: float32 scalars `learning_rate`, `beta_1`, `beta_2`, `gamma`,
        `augment_p`, `blur`, `blur_floor`, `ema_decay`. `measures` are float32 scalars. A step whose losses or gradients
        are not finite leaves all weights as they were and reports `finite` 0.
    """
    play = {"relativistic": _relativistic, "alternating": _alternating}[rule]

    def step(state: State, batch: Batch) -> tuple[State, Measures]:
        batch = {**batch, "real_images": ops.cast(batch["real_images"], "float32") / 127.5 - 1.0}
        new, measures = play(engine, generator, discriminator, state, batch)
        decay = batch["schedule"]["ema_decay"]
        new["ema_generator"] = {
            "weights": [
                old * decay + (1.0 - decay) * weight
                for old, weight in zip(state["ema_generator"]["weights"], new["generator"]["weights"], strict=True)
            ],
            "stats": new["generator"]["stats"],
        }
        new["steps"] = state["steps"] + 1
        new["images_seen"] = state["images_seen"] + batch["real_images"].shape[0]
        finite = ops.isfinite(sum(measures.values()))
        new = keras.tree.map_structure(lambda fresh, old: ops.where(finite, fresh, old), new, state)
        return new, {**measures, "finite": ops.cast(finite, "float32")}

    return engine.jit(step)


def _relativistic(
    engine: Engine, generator: keras.Model, discriminator: keras.Model, state: State, batch: Batch
) -> tuple[State, Measures]:
    """Both players from one pass through the discriminator.

    With Δᵢ = D(x̂ᵢ) − D(xᵢ) (Huang et al. 2024, arXiv 2501.05441):

        L_D = mean softplus(Δ) + γ/2 · mean(‖∇D(x)‖² + ‖∇D(x̂)‖²)        L_G = mean softplus(−Δ)

    The second penalty computes gᵢ = ∇D(x̂ᵢ) anyway, and ∂L_G/∂x̂ᵢ = −σ(−Δᵢ) gᵢ / B: the generator costs one
    vector-Jacobian product more. Gradients are with respect to the pictures before augmentation.
    """
    schedule, real_images = batch["schedule"], batch["real_images"]
    size = real_images.shape[0]
    fake_images, generator_pullback, generator_stats = _generate(engine, generator, state, batch)
    images = ops.concatenate([real_images, fake_images])

    def discriminator_loss(weights: Any) -> Any:
        def judge(images: Any) -> Any:
            seen = augment(images, batch["augment"], schedule["augment_p"], schedule["blur"], schedule["blur_floor"])
            logits, stats = discriminator.stateless_call(weights, state["discriminator"]["stats"], seen, training=True)
            logits = ops.reshape(logits, (-1,))
            return ops.sum(logits), (logits, stats)

        total, pullback, (logits, stats) = engine.vjp(judge, images)
        (gradients,) = pullback(ops.ones_like(total))
        real_logits, fake_logits = logits[:size], logits[size:]
        measures = {
            "d_loss": losses.relativistic_discriminator_loss(real_logits, fake_logits),
            "g_loss": losses.relativistic_generator_loss(real_logits, fake_logits),
            "r1_penalty": losses.squared_gradient_norm(gradients[:size]),
            "r2_penalty": losses.squared_gradient_norm(gradients[size:]),
            "real_logits": ops.mean(real_logits),
            "fake_logits": ops.mean(fake_logits),
        }
        loss = measures["d_loss"] + schedule["gamma"] / 2 * (measures["r1_penalty"] + measures["r2_penalty"])
        slope = losses.relativistic_generator_slope(real_logits, fake_logits)
        return loss, (measures, stats, slope[:, None, None, None] * gradients[size:])

    loss, pullback, (measures, discriminator_stats, image_slopes) = engine.vjp(
        discriminator_loss, state["discriminator"]["weights"]
    )
    (discriminator_gradients,) = pullback(ops.ones_like(loss))
    (generator_gradients,) = generator_pullback(image_slopes)
    new = {
        "generator": _updated(state, "generator", generator_gradients, generator_stats, schedule),
        "discriminator": _updated(state, "discriminator", discriminator_gradients, discriminator_stats, schedule),
    }
    norms = {"g_gradient": _norm(generator_gradients), "d_gradient": _norm(discriminator_gradients)}
    return new, {**measures, **norms}


def _alternating(
    engine: Engine, generator: keras.Model, discriminator: keras.Model, state: State, batch: Batch
) -> tuple[State, Measures]:
    """First the discriminator learns to tell, then the generator learns to fool the one that has learnt.

    Binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014, arXiv 1406.2661). Real and
    generated pictures pass through the discriminator apart, so this holds for one that mixes the pictures of a batch
    (batch normalisation, minibatch statistics).
    """
    schedule, size = batch["schedule"], batch["real_images"].shape[0]
    fake_images, generator_pullback, generator_stats = _generate(engine, generator, state, batch)
    real_draws = {key: draws[:size] for key, draws in batch["augment"].items()}
    fake_draws = {key: draws[size:] for key, draws in batch["augment"].items()}

    def judge(weights: Any, stats: Any, images: Any, draws: Any) -> Any:
        seen = augment(images, draws, schedule["augment_p"], schedule["blur"], schedule["blur_floor"])
        logits, stats = discriminator.stateless_call(weights, stats, seen, training=True)
        return ops.reshape(logits, (-1,)), stats

    def discriminator_loss(weights: Any) -> Any:
        real_logits, stats = judge(weights, state["discriminator"]["stats"], batch["real_images"], real_draws)
        fake_logits, stats = judge(weights, stats, fake_images, fake_draws)
        loss = losses.binary_cross_entropy(real_logits, True) + losses.binary_cross_entropy(fake_logits, False)
        return loss, (stats, ops.mean(real_logits), ops.mean(fake_logits))

    d_loss, pullback, (stats, real_logits, fake_logits) = engine.vjp(
        discriminator_loss, state["discriminator"]["weights"]
    )
    (discriminator_gradients,) = pullback(ops.ones_like(d_loss))
    updated = _updated(state, "discriminator", discriminator_gradients, stats, schedule)

    def generator_loss(images: Any) -> Any:
        fooled_logits, stats = judge(updated["weights"], updated["stats"], images, fake_draws)
        return losses.binary_cross_entropy(fooled_logits, True), stats

    g_loss, pullback, updated["stats"] = engine.vjp(generator_loss, fake_images)
    (image_slopes,) = pullback(ops.ones_like(g_loss))
    (generator_gradients,) = generator_pullback(image_slopes)
    new = {
        "generator": _updated(state, "generator", generator_gradients, generator_stats, schedule),
        "discriminator": updated,
    }
    measures = {"d_loss": d_loss, "g_loss": g_loss, "real_logits": real_logits, "fake_logits": fake_logits}
    norms = {"g_gradient": _norm(generator_gradients), "d_gradient": _norm(discriminator_gradients)}
    return new, {**measures, **norms}


def _generate(engine: Engine, generator: keras.Model, state: State, batch: Batch) -> tuple[Any, Any, Any]:
    def generate(weights: Any) -> Any:
        return generator.stateless_call(weights, state["generator"]["stats"], batch["latents"], training=True)

    return engine.vjp(generate, state["generator"]["weights"])


def _updated(state: State, player: str, gradients: list[Any], stats: list[Any], schedule: dict[str, Any]) -> State:
    """Adam (Kingma and Ba 2014, arXiv 1412.6980, algorithm 1) for one player."""
    old = state[player]
    beta_1, beta_2 = schedule["beta_1"], schedule["beta_2"]
    t = ops.cast(state["steps"] + 1, "float32")
    new: State = {"weights": [], "stats": stats, "first_moment": [], "second_moment": []}
    for weight, m, v, gradient in zip(
        old["weights"], old["first_moment"], old["second_moment"], gradients, strict=True
    ):
        m = beta_1 * m + (1.0 - beta_1) * gradient
        v = beta_2 * v + (1.0 - beta_2) * ops.square(gradient)
        direction = m / (1.0 - beta_1**t) / (ops.sqrt(v / (1.0 - beta_2**t)) + ADAM_EPSILON)
        new["weights"].append(weight - schedule["learning_rate"] * direction)
        new["first_moment"].append(m)
        new["second_moment"].append(v)
    return new


def _norm(tensors: list[Any]) -> Any:
    return ops.sqrt(sum(ops.sum(ops.square(tensor)) for tensor in tensors))
