"""The training step: `step(state, batch) -> (state, measures)`, a pure function, the same on every engine.

`state` is everything that training changes. `batch` is everything that comes from outside: images, latents,
augmentation draws, and the scheduled values of this step. The step draws no random numbers itself.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from pippin.engines import Engine
from pippin.networks import Networks, graph
from pippin.pictures import RGB, RGBA
from pippin.training import losses
from pippin.training.augment import augment
from pippin.training.optimizer import adam, bias_corrections

State = dict[str, Any]
Batch = dict[str, Any]
Measures = dict[str, Any]
Step = Callable[[State, Batch], tuple[State, Measures]]

RULES = ("relativistic", "alternating")
"""The update rules: both players from one pass through the discriminator, or one after the other."""


def initial_state(generator: keras.Model, discriminator: keras.Model) -> State:
    """Return the state before the first step, as NumPy arrays.

    Args:
        generator: Built Keras model.
        discriminator: Built Keras model.

    Returns:
        Dict. `generator` and `discriminator` are dicts of lists: `weights` (trainable), `stats` (not trainable: moving
        averages, seeds), and Adam's `first_moment` and `second_moment`. `ema_generator`, the averaged generator, has
        `weights` and `stats`. `steps` and `images_seen` are int32 scalars.
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


def build_step(engine: Engine, networks: Networks, rule: str) -> Step:
    """Compile the training step of a pair of networks.

    Args:
        engine: See `pippin.engines`.
        networks: See `pippin.networks`.
        rule: One of `RULES`. "relativistic" needs a discriminator that treats images independently.

    Returns:
        `step(state, batch)`. `state` is like that of `initial_state`; its tensors are donated and must not be used
        afterwards. `batch` is a dict:

        - `real_images`: uint8 (B, H, W, C).
        - `latents`: float32 (B, latent_dim), with one-hot labels behind them if there are labels.
        - `labels`: float32 (B, L), one-hot, only if there are labels; both images of a pair have the same label.
        - `augment`: see `pippin.training.draws.augmentation_draws`, for 2B images.
        - `anchored`: float32 (B,), for the relativistic rule: 1 where the latent is the anchor of the real image.
        - `schedule`: float32 scalars, see `pippin.training.schedule.schedule_at`.

        `measures` are float32 scalars. If a loss or gradient is not finite, the step counts, but all weights stay as
        they were and the measure `finite` is 0.
    """
    play = {"relativistic": _relativistic, "alternating": _alternating}[rule]

    def step(state: State, batch: Batch) -> tuple[State, Measures]:
        batch = {**batch, "real_images": to_float_on_device(batch["real_images"])}
        new, measures = play(engine, networks, state, batch)
        decay = batch["schedule"]["ema_decay"]
        new["ema_generator"] = {
            part: [
                _moving_average(average, value, decay)
                for average, value in zip(state["ema_generator"][part], new["generator"][part], strict=True)
            ]
            for part in ("weights", "stats")
        }
        finite = ops.isfinite(sum(measures.values()))
        old = {name: state[name] for name in new}
        new = keras.tree.map_structure(lambda after, before: ops.where(finite, after, before), new, old)
        new["steps"] = state["steps"] + 1
        new["images_seen"] = state["images_seen"] + batch["real_images"].shape[0]
        return new, {**measures, "finite": ops.cast(finite, "float32")}

    return engine.jit(step, donate=True)


def _relativistic(engine: Engine, networks: Networks, state: State, batch: Batch) -> tuple[State, Measures]:
    """Update both players from one pass through the discriminator.

    Let xₖ and x̂ₖ be the discriminator's inputs for a real and a generated image (one map, the augmented image itself,
    or the projector's K maps with a logit D_k each), and Δₖ = D_k(x̂ₖ) − D_k(xₖ) for each pair. The losses are those of
    R3GAN (Huang et al. 2024, arXiv 2501.05441):

        L_D = mean softplus(Δ) + γ/2K · mean Σₖ (‖∇D_k(xₖ)‖² + ‖∇D_k(x̂ₖ)‖²)        L_G = mean softplus(−Δ)

    The second penalty computes gₖ = ∇D_k(x̂ₖ) anyway, and ∂L_G/∂x̂ₖ = −σ(−Δₖ) gₖ / BK, so the generator's gradient costs
    one more vector-Jacobian product. For images generated from anchors (`anchors.py`), the gradient of the
    reconstruction loss is added.
    """
    schedule, real_images, anchored = batch["schedule"], batch["real_images"], batch["anchored"]
    size = real_images.shape[0]
    real_draws, fake_draws = _split_draws(batch["augment"], size)
    fake_images, generator_pullback, generator_stats = _generate(engine, networks.generator, state, batch)
    real_maps = _discriminator_inputs(networks, real_images, real_draws, schedule)
    fake_maps, inputs_pullback, _ = engine.vjp(
        lambda images: (_discriminator_inputs(networks, images, fake_draws, schedule), ()), fake_images
    )
    maps = [ops.concatenate(pair) for pair in zip(real_maps, fake_maps, strict=True)]
    labels = [ops.concatenate([label, label]) for label in _labels(batch)]

    def discriminator_loss(weights: Any) -> Any:
        def sum_of_logits(maps: list[Any]) -> Any:
            stats = state["discriminator"]["stats"]
            logits, stats = _discriminate(networks.discriminator, weights, stats, maps, labels)
            return ops.sum(logits), (logits, stats)

        total, pullback, (logits, stats) = engine.vjp(sum_of_logits, maps)
        (map_gradients,) = pullback(ops.ones_like(total))  # ∇D_k of real maps, then of generated ones
        real_logits, fake_logits = logits[:size], logits[size:]
        measures = {
            "d_loss": losses.relativistic_discriminator_loss(real_logits, fake_logits),
            "g_loss": losses.relativistic_generator_loss(real_logits, fake_logits),
            "r1_penalty": losses.squared_gradient_norm([gradient[:size] for gradient in map_gradients]),
            "r2_penalty": losses.squared_gradient_norm([gradient[size:] for gradient in map_gradients]),
            "real_logits": ops.mean(real_logits),
            "fake_logits": ops.mean(fake_logits),
        }
        loss = measures["d_loss"] + schedule["gamma"] / 2 * (measures["r1_penalty"] + measures["r2_penalty"])
        logit_gradients = losses.relativistic_generator_gradient(real_logits, fake_logits)  # ∂L_G/∂D_k(x̂ₖ)
        adversarial_gradients = [
            logit_gradients[:, k, None, None, None] * gradient[size:] for k, gradient in enumerate(map_gradients)
        ]
        return loss, (measures, stats, adversarial_gradients)

    loss, pullback, (measures, discriminator_stats, adversarial_gradients) = engine.vjp(
        discriminator_loss, state["discriminator"]["weights"]
    )
    (discriminator_gradients,) = pullback(ops.ones_like(loss))
    measures["reconstruction"] = losses.reconstruction_loss(real_maps, fake_maps, anchored)
    reconstruction_gradients = losses.reconstruction_gradients(real_maps, fake_maps, anchored)
    fake_map_gradients = [
        adversarial + schedule["reconstruction"] * reconstruction
        for adversarial, reconstruction in zip(adversarial_gradients, reconstruction_gradients, strict=True)
    ]
    (image_gradients,) = inputs_pullback(fake_map_gradients)
    (generator_gradients,) = generator_pullback(image_gradients)
    new = {
        "generator": _update(state, "generator", generator_gradients, generator_stats, schedule),
        "discriminator": _update_discriminator(networks, state, discriminator_gradients, discriminator_stats, schedule),
    }
    norms = {"g_gradient": _norm(generator_gradients), "d_gradient": _norm(discriminator_gradients)}
    return new, {**measures, **norms}


def _alternating(engine: Engine, networks: Networks, state: State, batch: Batch) -> tuple[State, Measures]:
    """Update the discriminator, then the generator against the updated discriminator.

    The losses are binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014, arXiv
    1406.2661). Real and generated images pass through the discriminator in separate batches, so this also holds for a
    discriminator with batch normalisation or minibatch statistics.
    """
    schedule, size = batch["schedule"], batch["real_images"].shape[0]
    fake_images, generator_pullback, generator_stats = _generate(engine, networks.generator, state, batch)
    real_draws, fake_draws = _split_draws(batch["augment"], size)

    labels = _labels(batch)

    def discriminate(weights: Any, stats: Any, images: Any, draws: Any) -> Any:
        maps = _discriminator_inputs(networks, images, draws, schedule)
        return _discriminate(networks.discriminator, weights, stats, maps, labels)

    def discriminator_loss(weights: Any) -> Any:
        real_logits, stats = discriminate(weights, state["discriminator"]["stats"], batch["real_images"], real_draws)
        fake_logits, stats = discriminate(weights, stats, fake_images, fake_draws)
        loss = losses.binary_cross_entropy(real_logits, True) + losses.binary_cross_entropy(fake_logits, False)
        return loss, (stats, ops.mean(real_logits), ops.mean(fake_logits))

    d_loss, pullback, (stats, real_logits, fake_logits) = engine.vjp(
        discriminator_loss, state["discriminator"]["weights"]
    )
    (discriminator_gradients,) = pullback(ops.ones_like(d_loss))
    updated = _update_discriminator(networks, state, discriminator_gradients, stats, schedule)

    def generator_loss(images: Any) -> Any:
        fake_logits, stats = discriminate(updated["weights"], updated["stats"], images, fake_draws)
        return losses.binary_cross_entropy(fake_logits, True), stats

    g_loss, pullback, updated["stats"] = engine.vjp(generator_loss, fake_images)
    (image_gradients,) = pullback(ops.ones_like(g_loss))
    (generator_gradients,) = generator_pullback(image_gradients)
    new = {
        "generator": _update(state, "generator", generator_gradients, generator_stats, schedule),
        "discriminator": updated,
    }
    measures = {"d_loss": d_loss, "g_loss": g_loss, "real_logits": real_logits, "fake_logits": fake_logits}
    norms = {"g_gradient": _norm(generator_gradients), "d_gradient": _norm(discriminator_gradients)}
    return new, {**measures, **norms}


def to_float_on_device(images: Any) -> Any:
    """Compute `pippin.pictures.to_float` in Keras operations: uint8 → float32 in [−1, 1], RGBA premultiplied."""
    images = ops.cast(images, "float32") / 127.5 - 1.0
    if images.shape[3] != RGBA:
        return images
    alpha = images[..., RGB:]
    return ops.concatenate([images[..., :RGB] * ((alpha + 1.0) / 2.0), alpha], axis=3)


def _discriminator_inputs(
    networks: Networks, images: Any, draws: dict[str, Any], schedule: dict[str, Any]
) -> list[Any]:
    """Return augmented images in a list, or the projector's maps of them."""
    names = ("augment_p", "blur", "blur_floor", "shift_p")
    augmented = augment(images, draws, *(schedule[name] for name in names))
    return [augmented] if networks.projector is None else list(networks.projector(augmented, training=False))


def _discriminate(
    discriminator: keras.Model, weights: Any, stats: Any, maps: list[Any], labels: list[Any]
) -> tuple[Any, Any]:
    """Return the logits (B, K) and the discriminator's new stats."""
    inputs = [*maps, *labels] if len(maps) + len(labels) > 1 else maps[0]
    logits, stats = discriminator.stateless_call(weights, stats, inputs, training=True)
    return ops.reshape(logits, (-1, len(maps))), stats


def _labels(batch: Batch) -> list[Any]:
    """Return the one-hot labels (B, L) in a list, which is empty if there are none."""
    return [batch["labels"]] if "labels" in batch else []


def _split_draws(draws: dict[str, Any], size: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split augmentation draws into those of the real and those of the generated images."""
    real, fake = ({key: values[half] for key, values in draws.items()} for half in (slice(size), slice(size, None)))
    return real, fake


def _generate(engine: Engine, generator: keras.Model, state: State, batch: Batch) -> tuple[Any, Any, Any]:
    """Return generated images, the pullback to the generator's weights, and the generator's new stats."""

    def generate(weights: Any) -> Any:
        return generator.stateless_call(weights, state["generator"]["stats"], batch["latents"], training=True)

    return engine.vjp(generate, state["generator"]["weights"])


def _update_discriminator(
    networks: Networks, state: State, gradients: list[Any], stats: list[Any], schedule: dict[str, Any]
) -> State:
    """Update the discriminator at its own learning rate, which is lower for frozen early layers.

    With `early_rate` 0 the early layers are frozen, as in FreezeD (Mo et al. 2020, arXiv 2002.10964).
    """
    factors = [
        schedule["discriminator_rate"] * (schedule["early_rate"] if early else 1.0)
        for early in graph.early_weight_mask(networks.discriminator)
    ]
    return _update(state, "discriminator", gradients, stats, schedule, factors)


def _update(
    state: State,
    player: str,
    gradients: list[Any],
    stats: list[Any],
    schedule: dict[str, Any],
    factors: list[Any] | None = None,
) -> State:
    """Update one player by a step of Adam, with a factor on each weight's learning rate."""
    old, beta_1, beta_2 = state[player], schedule["beta_1"], schedule["beta_2"]
    learning_rates = [schedule["learning_rate"] * factor for factor in factors or [1.0] * len(gradients)]
    t = ops.cast(state["steps"] + 1, "float32")
    corrections = (bias_corrections(beta_1, beta_2, t) for _ in gradients)  # XLA rounds shared powers differently
    weights, first_moment, second_moment = adam(
        old["weights"],
        gradients,
        old["first_moment"],
        old["second_moment"],
        learning_rates,
        beta_1,
        beta_2,
        corrections,
    )
    return {"weights": weights, "stats": stats, "first_moment": first_moment, "second_moment": second_moment}


def _moving_average(average: Any, value: Any, decay: Any) -> Any:
    """Update an exponential moving average; integers, such as the state of a seed generator, are replaced."""
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype)):
        return value
    return average * decay + (1.0 - decay) * value


def _norm(tensors: list[Any]) -> Any:
    """Return the Euclidean norm of all tensors together."""
    return ops.sqrt(sum(ops.sum(ops.square(tensor)) for tensor in tensors))
