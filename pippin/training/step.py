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
from pippin.networks.groups import group_statistics
from pippin.networks.precision import computing_in
from pippin.pictures import RGB, RGBA
from pippin.training import losses
from pippin.training.augment import augment
from pippin.training.optimizer import adam, bias_corrections
from pippin.training.packing import StatePacking

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


def build_step(
    engine: Engine,
    networks: Networks,
    rule: str,
    packing: StatePacking | None = None,
    precision: str = "float32",
    compiled: bool = True,
) -> Step:
    """Build the training step of a pair of networks.

    Args:
        engine: See `pippin.engines`.
        networks: See `pippin.networks`.
        rule: One of `RULES`. "relativistic" needs a discriminator that treats images independently.
        packing: How the state is packed; None: not at all.
        precision: "float32", or "bfloat16" for the generator's and the projector's layers. The augmentation, the
            discriminator, the losses with their penalties, and all updates are float32 in either case.
        compiled: Whether to compile the step; `Engine.loop` compiles several of them together.

    Returns:
        `step(state, batch)`. `state` is like that of `initial_state`; a compiled step donates its tensors, which must
        not be used afterwards. `batch` is a dict:

        - `real_images`: uint8 (B, H, W, C).
        - `latents`: float32 (B, latent_dim), with one-hot labels behind them if there are labels.
        - `labels`: float32 (B, L), one-hot, only if there are labels; both images of a pair have the same label.
        - `augment`: see `pippin.training.draws.augmentation_draws`, for 2B images.
        - `anchored`: float32 (B,), for the relativistic rule: 1 where the latent is the anchor of the real image.
        - `schedule`: float32 scalars, see `pippin.training.schedule.schedule_at`.

        `measures` are float32 scalars. If a loss or gradient is not finite, the step counts, but all weights stay as
        they were and the measure `finite` is 0.
    """
    packing = packing or StatePacking(networks.generator, networks.discriminator, packed=False)
    play = {"relativistic": _relativistic, "alternating": _alternating}[rule]

    def step(state: State, batch: Batch) -> tuple[State, Measures]:
        with computing_in(precision, networks.generator), computing_in(precision, networks.projector):
            return traced_step(state, batch)

    def traced_step(state: State, batch: Batch) -> tuple[State, Measures]:
        batch = {**batch, "real_images": to_float_on_device(batch["real_images"])}
        new, measures = play(engine, networks, packing, state, batch)
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

    return engine.jit(step, donate=True) if compiled else step


def _relativistic(
    engine: Engine, networks: Networks, packing: StatePacking, state: State, batch: Batch
) -> tuple[State, Measures]:
    """Update both players from one pass through the discriminator.

    Let xₖ and x̂ₖ be the discriminator's inputs for a real and a generated image (one map, the augmented image itself,
    or the projector's K maps with a logit D_k each), and Δₖ = D_k(x̂ₖ) − D_k(xₖ) for each pair. The losses are those of
    R3GAN (Huang et al. 2024, arXiv 2501.05441):

        L_D = mean softplus(Δ) + γ/2K · mean Σₖ (‖∇D_k(xₖ)‖² + ‖∇D_k(x̂ₖ)‖²)        L_G = mean softplus(−Δ)

    The second penalty computes gₖ = ∇D_k(x̂ₖ) anyway, and ∂L_G/∂x̂ₖ = −σ(−Δₖ) gₖ / BK, so the generator's gradient costs
    one more vector-Jacobian product. Group heads (`pippin.networks.groups`) add the same two losses, where xₖ and x̂ₖ
    are statistics of a group of images. For images generated from anchors (`anchors.py`), the gradient of the
    reconstruction loss is added.
    """
    arrays = packing.unpack(state)
    schedule, anchored = batch["schedule"], batch["anchored"]
    real_draws, fake_draws = _split_draws(batch["augment"], batch["real_images"].shape[0])
    fake_images, generator_pullback, generator_stats = _generate(engine, networks.generator, arrays, batch)
    real_inputs = _discriminator_inputs(networks, batch["real_images"], real_draws, schedule)
    fake_inputs, inputs_pullback, _ = engine.vjp(
        lambda images: (_discriminator_inputs(networks, images, fake_draws, schedule), ()), fake_images
    )
    inputs = [ops.concatenate(pair) for pair in zip(real_inputs, fake_inputs, strict=True)]
    labels = [ops.concatenate([label, label]) for label in _labels(batch)]

    def discriminator_loss(weights: Any) -> Any:
        def sum_of_logits(inputs: list[Any]) -> Any:
            stats = arrays["discriminator"]["stats"]
            logits, stats = _discriminate(networks, weights, stats, inputs, labels)
            return sum(map(ops.sum, logits)), (logits, stats)

        total, pullback, (logits, stats) = engine.vjp(sum_of_logits, inputs)
        (input_gradients,) = pullback(ops.ones_like(total))  # ∇D_k of real inputs, then of generated ones
        parts = [
            losses.relativistic(*part, schedule["gamma"])
            for part in zip(logits, _split_groups(networks, input_gradients), strict=False)
        ]
        loss = sum(part_loss for part_loss, _, _ in parts)
        measures = {
            f"{prefix}{name}": value
            for prefix, (_, part_measures, _) in zip(("", "group_"), parts, strict=False)
            for name, value in part_measures.items()
        }
        adversarial_gradients = [gradient for _, _, gradients in parts for gradient in gradients]
        return loss, (measures, stats, adversarial_gradients)

    loss, pullback, (measures, discriminator_stats, adversarial_gradients) = engine.vjp(
        discriminator_loss, arrays["discriminator"]["weights"]
    )
    (discriminator_gradients,) = pullback(ops.ones_like(loss))
    discriminator_gradients = packing.weights["discriminator"].join(discriminator_gradients)
    real_maps, fake_maps = (_split_groups(networks, inputs)[0] for inputs in (real_inputs, fake_inputs))
    measures["reconstruction"] = losses.reconstruction_loss(real_maps, fake_maps, anchored)
    map_gradients = [
        adversarial + schedule["reconstruction"] * reconstruction
        for adversarial, reconstruction in zip(
            adversarial_gradients, losses.reconstruction_gradients(real_maps, fake_maps, anchored), strict=False
        )
    ]
    (image_gradients,) = inputs_pullback([*map_gradients, *adversarial_gradients[len(map_gradients) :]])
    (generator_gradients,) = generator_pullback(image_gradients)
    generator_gradients = packing.weights["generator"].join(generator_gradients)
    new = {
        "generator": _update(packing, state, "generator", generator_gradients, generator_stats, schedule),
        "discriminator": _update_discriminator(
            networks, packing, state, discriminator_gradients, discriminator_stats, schedule
        ),
    }
    norms = {"g_gradient": _norm(generator_gradients), "d_gradient": _norm(discriminator_gradients)}
    return new, {**measures, **norms}


def _alternating(
    engine: Engine, networks: Networks, packing: StatePacking, state: State, batch: Batch
) -> tuple[State, Measures]:
    """Update the discriminator, then the generator against the updated discriminator.

    The losses are binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014, arXiv
    1406.2661). Real and generated images pass through the discriminator in separate batches, so this also holds for a
    discriminator with batch normalisation or minibatch statistics.
    """
    arrays = packing.unpack(state)
    schedule, size = batch["schedule"], batch["real_images"].shape[0]
    fake_images, generator_pullback, generator_stats = _generate(engine, networks.generator, arrays, batch)
    real_draws, fake_draws = _split_draws(batch["augment"], size)

    labels = _labels(batch)

    def discriminate(weights: Any, stats: Any, images: Any, draws: Any) -> Any:
        maps = _discriminator_inputs(networks, images, draws, schedule)
        return _discriminate(networks, weights, stats, maps, labels)

    def cross_entropy(logits: list[Any], real: bool) -> Any:
        return sum(losses.binary_cross_entropy(each, real) for each in logits)

    def discriminator_loss(weights: Any) -> Any:
        real_logits, stats = discriminate(weights, arrays["discriminator"]["stats"], batch["real_images"], real_draws)
        fake_logits, stats = discriminate(weights, stats, fake_images, fake_draws)
        loss = cross_entropy(real_logits, True) + cross_entropy(fake_logits, False)
        return loss, (stats, ops.mean(real_logits[0]), ops.mean(fake_logits[0]))

    d_loss, pullback, (stats, real_logits, fake_logits) = engine.vjp(
        discriminator_loss, arrays["discriminator"]["weights"]
    )
    (discriminator_gradients,) = pullback(ops.ones_like(d_loss))
    discriminator_gradients = packing.weights["discriminator"].join(discriminator_gradients)
    updated = _update_discriminator(networks, packing, state, discriminator_gradients, stats, schedule)
    new_weights = packing.weights["discriminator"].split(updated["weights"])

    def generator_loss(images: Any) -> Any:
        fake_logits, newer_stats = discriminate(new_weights, stats, images, fake_draws)
        return cross_entropy(fake_logits, True), newer_stats

    g_loss, pullback, newer_stats = engine.vjp(generator_loss, fake_images)
    updated["stats"] = packing.stats["discriminator"].join(newer_stats)
    (image_gradients,) = pullback(ops.ones_like(g_loss))
    (generator_gradients,) = generator_pullback(image_gradients)
    generator_gradients = packing.weights["generator"].join(generator_gradients)
    new = {
        "generator": _update(packing, state, "generator", generator_gradients, generator_stats, schedule),
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
    """Return augmented images in a list, or the projector's maps of them; then the inputs of the group heads."""
    names = ("augment_p", "blur", "blur_floor", "shift_p")
    augmented = augment(images, draws, *(schedule[name] for name in names))
    maps = [augmented]
    if networks.projector is not None:
        maps = [ops.cast(x, "float32") for x in networks.projector(augmented, training=False)]
    return [*maps, *group_statistics(maps[: networks.group_heads])]


def _split_groups(networks: Networks, inputs: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return what belongs to the discriminator's inputs for images, and what belongs to those of the group heads."""
    count = len(inputs) - networks.group_heads
    return inputs[:count], inputs[count:]


def _discriminate(
    networks: Networks, weights: Any, stats: Any, inputs: list[Any], labels: list[Any]
) -> tuple[list[Any], Any]:
    """Return the logits (B, K) in a list, with those of groups if there are group heads; and the new stats."""
    arguments = [*inputs, *labels] if len(inputs) + len(labels) > 1 else inputs[0]
    logits, stats = networks.discriminator.stateless_call(weights, stats, arguments, training=True)
    return list(logits) if networks.group_heads else [ops.reshape(logits, (-1, len(inputs)))], stats


def _labels(batch: Batch) -> list[Any]:
    """Return the one-hot labels (B, L) in a list, which is empty if there are none."""
    return [batch["labels"]] if "labels" in batch else []


def _split_draws(draws: dict[str, Any], size: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split augmentation draws into those of the real and those of the generated images."""
    real, fake = ({key: values[half] for key, values in draws.items()} for half in (slice(size), slice(size, None)))
    return real, fake


def _generate(engine: Engine, generator: keras.Model, arrays: State, batch: Batch) -> tuple[Any, Any, Any]:
    """Return generated images, the pullback to the generator's weights, and the generator's new stats."""

    def generate(weights: Any) -> Any:
        images, stats = generator.stateless_call(weights, arrays["generator"]["stats"], batch["latents"], training=True)
        return ops.cast(images, "float32"), stats

    return engine.vjp(generate, arrays["generator"]["weights"])


def _update_discriminator(
    networks: Networks,
    packing: StatePacking,
    state: State,
    gradients: list[Any],
    stats: list[Any],
    schedule: dict[str, Any],
) -> State:
    """Update the discriminator at its own learning rate, which is lower for frozen early layers.

    With `early_rate` 0 the early layers are frozen, as in FreezeD (Mo et al. 2020, arXiv 2002.10964).
    """
    rates = {
        early: schedule["discriminator_rate"] * (schedule["early_rate"] if early else 1.0) for early in (False, True)
    }
    factors = [rates[early] for early in graph.early_weight_mask(networks.discriminator)]
    return _update(packing, state, "discriminator", gradients, stats, schedule, factors)


def _update(
    packing: StatePacking,
    state: State,
    player: str,
    gradients: list[Any],
    stats: list[Any],
    schedule: dict[str, Any],
    factors: list[Any] | None = None,
) -> State:
    """Update one player by a step of Adam, with a factor on each weight's learning rate.

    The state and the gradients are packed, the stats are not.
    """
    old, beta_1, beta_2 = state[player], schedule["beta_1"], schedule["beta_2"]
    factors = packing.weights[player].spread(factors) if factors else [1.0] * len(gradients)
    learning_rates = [schedule["learning_rate"] * factor for factor in factors]
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
    return {
        "weights": weights,
        "stats": packing.stats[player].join(stats),
        "first_moment": first_moment,
        "second_moment": second_moment,
    }


def _moving_average(average: Any, value: Any, decay: Any) -> Any:
    """Update an exponential moving average; integers, such as the state of a seed generator, are replaced."""
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype)):
        return value
    return average * decay + (1.0 - decay) * value


def _norm(tensors: list[Any]) -> Any:
    """Return the Euclidean norm of all tensors together."""
    return ops.sqrt(sum(ops.sum(ops.square(tensor)) for tensor in tensors))
