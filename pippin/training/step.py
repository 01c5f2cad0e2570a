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


def build_step(engine: Engine, networks: Networks, rule: str) -> Step:
    """Compile the training step for a pair of networks.

    Args:
        engine: see `pippin.engines`.
        networks: see `pippin.networks`.
        rule: one of `RULES`. "relativistic" needs a discriminator that treats each picture by itself.

    Returns:
        `step(state, batch)`. `batch` holds `real_images` uint8 (B, H, W, C), `latents`, `augment` (see
        `pippin.training.draws`), and `schedule`: float32 scalars `learning_rate`, `discriminator_rate`, `beta_1`,
        `beta_2`, `gamma`, `augment_p`, `shift_p`, `blur`, `blur_floor`, `reconstruction`, `ema_decay`, and
        `early_rate`, a factor on the rate of the discriminator's early layers (0: they are frozen, as in FreezeD, Mo et
        al. 2020, arXiv 2002.10964; see `pippin.networks.graph.early_weight_mask`); and for the relativistic rule
        `anchored` float32 (B,), 1 where the latents are the anchor of the real picture in the same place; and where
        pictures have labels `labels` float32 (B, K), which are also behind the latents. `measures` are float32
        scalars. A step whose losses or gradients are not finite counts, but leaves all weights as they were and
        reports `finite` 0.
    """
    play = {"relativistic": _relativistic, "alternating": _alternating}[rule]

    def step(state: State, batch: Batch) -> tuple[State, Measures]:
        batch = {**batch, "real_images": to_float_on_device(batch["real_images"])}
        new, measures = play(engine, networks, state, batch)
        decay = batch["schedule"]["ema_decay"]
        new["ema_generator"] = {
            part: [
                _averaged(old, fresh, decay)
                for old, fresh in zip(state["ema_generator"][part], new["generator"][part], strict=True)
            ]
            for part in ("weights", "stats")
        }
        finite = ops.isfinite(sum(measures.values()))
        learnt = {name: state[name] for name in new}
        new = keras.tree.map_structure(lambda fresh, old: ops.where(finite, fresh, old), new, learnt)
        new["steps"] = state["steps"] + 1
        new["images_seen"] = state["images_seen"] + batch["real_images"].shape[0]
        return new, {**measures, "finite": ops.cast(finite, "float32")}

    return engine.jit(step, donate=True)


def _relativistic(engine: Engine, networks: Networks, state: State, batch: Batch) -> tuple[State, Measures]:
    """Both players from one pass through the discriminator.

    With x and x̂ what the discriminator sees of a real and of a generated picture (one map, the augmented picture
    itself, or the projector's K maps with a logit D_k each) and Δₖ = D_k(x̂ₖ) − D_k(xₖ) for each pair
    (Huang et al. 2024, arXiv 2501.05441):

        L_D = mean softplus(Δ) + γ/2K · mean Σₖ (‖∇D_k(xₖ)‖² + ‖∇D_k(x̂ₖ)‖²)        L_G = mean softplus(−Δ)

    The second penalty computes gₖ = ∇D_k(x̂ₖ) anyway, and ∂L_G/∂x̂ₖ = −σ(−Δₖ) gₖ / BK: the generator costs one
    vector-Jacobian product more. Where x̂ was painted from the anchor of x (`anchors.py`), how far it is off is added to
    what the generator learns from.
    """
    schedule, real_images, anchored = batch["schedule"], batch["real_images"], batch["anchored"]
    size = real_images.shape[0]
    real_draws, fake_draws = _halves(batch["augment"], size)
    fake_images, generator_pullback, generator_stats = _generate(engine, networks.generator, state, batch)
    real_maps = _see(networks, real_images, real_draws, schedule)
    fake_maps, sight_pullback, _ = engine.vjp(
        lambda images: (_see(networks, images, fake_draws, schedule), ()), fake_images
    )
    maps = [ops.concatenate(pair) for pair in zip(real_maps, fake_maps, strict=True)]
    labels = [ops.concatenate([one, one]) for one in _labels(batch)]

    def discriminator_loss(weights: Any) -> Any:
        def judge(maps: list[Any]) -> Any:
            logits, stats = _judge(networks.discriminator, weights, state["discriminator"]["stats"], maps, labels)
            return ops.sum(logits), (logits, stats)

        total, pullback, (logits, stats) = engine.vjp(judge, maps)
        (gradients,) = pullback(ops.ones_like(total))
        real_logits, fake_logits = logits[:size], logits[size:]
        measures = {
            "d_loss": losses.relativistic_discriminator_loss(real_logits, fake_logits),
            "g_loss": losses.relativistic_generator_loss(real_logits, fake_logits),
            "r1_penalty": losses.squared_gradient_norm([gradient[:size] for gradient in gradients]),
            "r2_penalty": losses.squared_gradient_norm([gradient[size:] for gradient in gradients]),
            "real_logits": ops.mean(real_logits),
            "fake_logits": ops.mean(fake_logits),
        }
        loss = measures["d_loss"] + schedule["gamma"] / 2 * (measures["r1_penalty"] + measures["r2_penalty"])
        slopes = losses.relativistic_generator_gradient(real_logits, fake_logits)
        map_slopes = [slopes[:, k, None, None, None] * gradient[size:] for k, gradient in enumerate(gradients)]
        return loss, (measures, stats, map_slopes)

    loss, pullback, (measures, discriminator_stats, map_slopes) = engine.vjp(
        discriminator_loss, state["discriminator"]["weights"]
    )
    (discriminator_gradients,) = pullback(ops.ones_like(loss))
    measures["reconstruction"] = losses.reconstruction_loss(real_maps, fake_maps, anchored)
    towards = losses.reconstruction_gradients(real_maps, fake_maps, anchored)
    slopes = [slope + schedule["reconstruction"] * more for slope, more in zip(map_slopes, towards, strict=True)]
    (image_slopes,) = sight_pullback(slopes)
    (generator_gradients,) = generator_pullback(image_slopes)
    new = {
        "generator": _updated(state, "generator", generator_gradients, generator_stats, schedule),
        "discriminator": _judge_updated(networks, state, discriminator_gradients, discriminator_stats, schedule),
    }
    norms = {"g_gradient": _norm(generator_gradients), "d_gradient": _norm(discriminator_gradients)}
    return new, {**measures, **norms}


def _alternating(engine: Engine, networks: Networks, state: State, batch: Batch) -> tuple[State, Measures]:
    """First the discriminator learns to tell, then the generator learns to fool the one that has learnt.

    Binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014, arXiv 1406.2661). Real and
    generated pictures pass through the discriminator apart, so this holds for one that mixes the pictures of a batch
    (batch normalisation, minibatch statistics).
    """
    schedule, size = batch["schedule"], batch["real_images"].shape[0]
    fake_images, generator_pullback, generator_stats = _generate(engine, networks.generator, state, batch)
    real_draws, fake_draws = _halves(batch["augment"], size)

    labels = _labels(batch)

    def judge(weights: Any, stats: Any, images: Any, draws: Any) -> Any:
        return _judge(networks.discriminator, weights, stats, _see(networks, images, draws, schedule), labels)

    def discriminator_loss(weights: Any) -> Any:
        real_logits, stats = judge(weights, state["discriminator"]["stats"], batch["real_images"], real_draws)
        fake_logits, stats = judge(weights, stats, fake_images, fake_draws)
        loss = losses.binary_cross_entropy(real_logits, True) + losses.binary_cross_entropy(fake_logits, False)
        return loss, (stats, ops.mean(real_logits), ops.mean(fake_logits))

    d_loss, pullback, (stats, real_logits, fake_logits) = engine.vjp(
        discriminator_loss, state["discriminator"]["weights"]
    )
    (discriminator_gradients,) = pullback(ops.ones_like(d_loss))
    updated = _judge_updated(networks, state, discriminator_gradients, stats, schedule)

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


def to_float_on_device(images: Any) -> Any:
    """Compute what `pippin.pictures.to_float` does, on the device."""
    images = ops.cast(images, "float32") / 127.5 - 1.0
    if images.shape[3] != RGBA:
        return images
    cover = images[..., RGB:]
    return ops.concatenate([images[..., :RGB] * ((cover + 1.0) / 2.0), cover], axis=3)


def _see(networks: Networks, images: Any, draws: dict[str, Any], schedule: dict[str, Any]) -> list[Any]:
    """Return what the discriminator gets of pictures: augmented, and where there is a projector, its maps of that."""
    names = ("augment_p", "blur", "blur_floor", "shift_p")
    seen = augment(images, draws, *(schedule[name] for name in names))
    return [seen] if networks.projector is None else list(networks.projector(seen, training=False))


def _judge(discriminator: keras.Model, weights: Any, stats: Any, maps: list[Any], labels: list[Any]) -> tuple[Any, Any]:
    """Return logits (B, K) and the discriminator's new stats."""
    seen = [*maps, *labels] if len(maps) + len(labels) > 1 else maps[0]
    logits, stats = discriminator.stateless_call(weights, stats, seen, training=True)
    return ops.reshape(logits, (-1, len(maps))), stats


def _labels(batch: Batch) -> list[Any]:
    """Return the pictures' labels, (B, labels), if they have some; a pair has the same one."""
    return [batch["labels"]] if "labels" in batch else []


def _halves(draws: dict[str, Any], size: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the draws into those of the real pictures and those of the generated ones."""
    real, fake = ({key: values[half] for key, values in draws.items()} for half in (slice(size), slice(size, None)))
    return real, fake


def _generate(engine: Engine, generator: keras.Model, state: State, batch: Batch) -> tuple[Any, Any, Any]:
    def generate(weights: Any) -> Any:
        return generator.stateless_call(weights, state["generator"]["stats"], batch["latents"], training=True)

    return engine.vjp(generate, state["generator"]["weights"])


def _judge_updated(
    networks: Networks, state: State, gradients: list[Any], stats: list[Any], schedule: dict[str, Any]
) -> State:
    """Move the discriminator at its own rate, and its early layers at a share of that."""
    factors = [
        schedule["discriminator_rate"] * (schedule["early_rate"] if early else 1.0)
        for early in graph.early_weight_mask(networks.discriminator)
    ]
    return _updated(state, "discriminator", gradients, stats, schedule, factors)


def _updated(
    state: State,
    player: str,
    gradients: list[Any],
    stats: list[Any],
    schedule: dict[str, Any],
    factors: list[Any] | None = None,
) -> State:
    """Take one step of Adam for one player, with a factor on each weight's learning rate."""
    old, beta_1, beta_2 = state[player], schedule["beta_1"], schedule["beta_2"]
    learning_rates = [schedule["learning_rate"] * factor for factor in factors or [1.0] * len(gradients)]
    corrections = bias_corrections(beta_1, beta_2, ops.cast(state["steps"] + 1, "float32"))
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


def _averaged(old: Any, fresh: Any, decay: Any) -> Any:
    """One step of an exponential moving average; what is no number that means something (a seed) is taken as it is."""
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(fresh.dtype)):
        return fresh
    return old * decay + (1.0 - decay) * fresh


def _norm(tensors: list[Any]) -> Any:
    return ops.sqrt(sum(ops.sum(ops.square(tensor)) for tensor in tensors))
