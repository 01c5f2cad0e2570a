"""The training step of a linear pair against the same step written in NumPy."""

import copy

import keras
import numpy as np
import pytest
from across_engines import numpy_state, pictures, small_discriminator, small_generator, step_batch
from keras import layers

from pippin import engines
from pippin.networks import Networks
from pippin.settings import choose
from pippin.training import draws
from pippin.training.health import Health
from pippin.training.optimizer import EPSILON
from pippin.training.step import build_step
from pippin.training.trainer import Trainer

SIDE, LATENT_DIM, BATCH = 4, 3, 5
PIXELS = SIDE * SIDE * 3


@pytest.fixture(scope="module")
def engine():
    return engines.current()


class Linear:
    """A generator x̂ = z·W + c and a discriminator D(x) = x·w + b."""

    def __init__(self, engine):
        self.engine = engine
        generate = [keras.Input((LATENT_DIM,)), layers.Dense(PIXELS), layers.Reshape((SIDE, SIDE, 3))]
        discriminate = [keras.Input((SIDE, SIDE, 3)), layers.Flatten(), layers.Dense(1)]
        self.pair = keras.Sequential(generate), keras.Sequential(discriminate)
        self.compiled = build_step(engine, Networks(*self.pair), "relativistic")
        self.start = numpy_state(*self.pair)

    def step(self, state, batch):
        new, measures = self.compiled(*self.engine.to_device((copy.deepcopy(state), batch)))
        return self.engine.to_host(new), {name: float(value) for name, value in self.engine.to_host(measures).items()}


@pytest.fixture(scope="module")
def linear(engine):
    return Linear(engine)


def linear_batch(n=0, **schedule):
    return step_batch(n, BATCH, LATENT_DIM, SIDE, **{"augment_p": 0, "shift_p": 0, "blur": 0, **schedule})


def gradients_in_numpy(state, batch):
    """L_D's gradient by w and b (with γ/2 · (‖w‖² + ‖w‖²)), L_G's by W and c, and both losses."""
    (kernel, offset), (w, b) = (
        [np.float64(weight) for weight in state[player]["weights"]] for player in ("generator", "discriminator")
    )
    real = batch["real_images"].reshape(BATCH, -1) / 127.5 - 1
    fake = batch["latents"] @ kernel + offset
    delta = (fake @ w + b - real @ w - b)[:, 0]
    by_delta = 1 / (1 + np.exp(-delta)) / BATCH
    by_fake = -np.outer(1 / (1 + np.exp(delta)) / BATCH, w)
    apart = batch["anchored"][:, None] * (fake - real)  # the penalty's weight times Σ mean (x̂ − x)² / B, by x̂
    by_fake = by_fake + batch["schedule"]["reconstruction"] * 2 * apart / (BATCH * PIXELS)
    gradients = {
        "generator": [batch["latents"].T @ by_fake, by_fake.sum(axis=0)],
        "discriminator": [((fake - real).T @ by_delta)[:, None] + 2 * batch["schedule"]["gamma"] * w, np.zeros(1)],
    }
    return gradients, {"d_loss": np.logaddexp(0, delta).mean(), "g_loss": np.logaddexp(0, -delta).mean()}


def step_in_numpy(state, batch):
    """The whole step: Adam (Kingma and Ba 2014, algorithm 1) for both players, and the averaged generator."""
    state, by = copy.deepcopy(state), batch["schedule"]
    gradients, losses = gradients_in_numpy(state, batch)
    state["steps"] += 1
    t = int(state["steps"])
    for player, by_weight in gradients.items():
        own = state[player]
        for i, gradient in enumerate(by_weight):
            own["first_moment"][i] = by["beta_1"] * own["first_moment"][i] + (1 - by["beta_1"]) * gradient
            own["second_moment"][i] = by["beta_2"] * own["second_moment"][i] + (1 - by["beta_2"]) * gradient**2
            mean = own["first_moment"][i] / (1 - np.float64(by["beta_1"]) ** t)
            square = own["second_moment"][i] / (1 - np.float64(by["beta_2"]) ** t)
            rate = by["learning_rate"] * (by["discriminator_rate"] if player == "discriminator" else 1)
            own["weights"][i] = own["weights"][i] - rate * mean / (np.sqrt(square) + EPSILON)
    for i, weight in enumerate(state["generator"]["weights"]):
        old = state["ema_generator"]["weights"][i]
        state["ema_generator"]["weights"][i] = by["ema_decay"] * old + (1 - by["ema_decay"]) * weight
    return state, losses


def test_several_steps_equal_those_written_in_numpy(linear):
    state = expected = linear.start
    for n in range(5):
        rates = {"learning_rate": 0.01 / (n + 1), "discriminator_rate": 0.3}
        weights = {"gamma": 0.3 + n, "reconstruction": 4.0 - n}
        batch = linear_batch(n, beta_1=0.5, beta_2=0.9, ema_decay=0.8, **rates, **weights)
        state, measures = linear.step(state, batch)
        expected, losses = step_in_numpy(expected, batch)
        assert {name: measures[name] for name in losses} == pytest.approx(losses, rel=1e-5)
        assert measures["finite"] == 1
    assert (state["steps"], state["images_seen"]) == (5, 5 * BATCH)
    for player, parts in expected.items():
        if isinstance(parts, dict):
            for part, arrays in parts.items():
                for got, array in zip(state[player][part], arrays, strict=True):
                    # the discriminator's bias moves no loss, so its gradient is rounding alone, which Adam makes large
                    if array.shape != (1,):
                        np.testing.assert_allclose(got, array, rtol=1e-4, atol=1e-6, err_msg=f"{player} {part}")


def test_both_penalties_of_a_linear_discriminator_are_its_squared_norm(linear):
    length = np.sum(linear.start["discriminator"]["weights"][0] ** 2)
    _, measures = linear.step(linear.start, linear_batch())
    assert measures["r1_penalty"] == pytest.approx(length, rel=1e-5)
    assert measures["r2_penalty"] == pytest.approx(length, rel=1e-5)


def test_the_reported_gradient_norms_are_those_of_the_gradients(linear):
    gradients, _ = gradients_in_numpy(linear.start, linear_batch(gamma=2))
    _, measures = linear.step(linear.start, linear_batch(gamma=2))
    for name, player in (("g_gradient", "generator"), ("d_gradient", "discriminator")):
        expected = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients[player]))
        assert measures[name] == pytest.approx(expected, rel=1e-4)


def test_the_averaged_generator_is_half_way_after_one_half_life(linear):
    state = copy.deepcopy(linear.start)
    state["ema_generator"]["weights"] = [np.zeros_like(weight) for weight in state["generator"]["weights"]]
    half_life = 8 * BATCH
    for n in range(8):
        state, _ = linear.step(state, linear_batch(n, learning_rate=0, ema_decay=0.5 ** (BATCH / half_life)))
    for averaged, weight in zip(state["ema_generator"]["weights"], linear.start["generator"]["weights"], strict=True):
        np.testing.assert_allclose(averaged, weight / 2, rtol=1e-5)


@pytest.mark.parametrize("broken", ["latents", "gamma", "weights"])
def test_a_loss_that_is_not_finite_changes_nothing(linear, broken):
    state, batch = copy.deepcopy(linear.start), linear_batch()
    if broken == "latents":
        batch["latents"][0, 0] = np.inf
    elif broken == "gamma":
        batch["schedule"]["gamma"] = np.float32(np.nan)  # the losses themselves are finite, the gradients are not
    else:
        state["discriminator"]["weights"][0][0] = np.nan
    new, measures = linear.step(state, batch)
    assert measures["finite"] == 0
    assert (new.pop("steps"), new.pop("images_seen")) == (1, BATCH)
    learnt = {name: state[name] for name in new}
    for got, old in zip(keras.tree.flatten(new), keras.tree.flatten(learnt), strict=True):
        np.testing.assert_array_equal(got, old)


def test_a_finite_step_after_one_that_is_not_has_the_same_result_as_without_it(linear):
    bad = linear_batch(0)
    bad["latents"][:] = np.nan
    state, _ = linear.step(linear.start, bad)
    counted = {**linear.start, "steps": np.int32(1), "images_seen": np.int32(BATCH)}
    (after, _), (alone, _) = linear.step(state, linear_batch(1)), linear.step(counted, linear_batch(1))
    for got, expected in zip(keras.tree.flatten(after), keras.tree.flatten(alone), strict=True):
        np.testing.assert_array_equal(got, expected)


def new_trainer(engine, discriminator, **settings):
    settings = {"batches": 3, "batch_size": 4, "latent_dim": 8, "warmup": 0, **settings}
    return Trainer(
        engine, choose("standard", 16, **settings).settings, Networks(small_generator(), discriminator), pictures()
    )


def test_the_trainer_reports_which_steps_were_not_finite_and_keeps_the_weights(engine):
    trainer = new_trainer(engine, small_discriminator(), learning_rate=0.25)
    state = trainer.state_on_host()
    state["discriminator"]["weights"] = [weight + np.float32(1e30) for weight in state["discriminator"]["weights"]]
    trainer.load(state, 0.0, Health())
    last = list(trainer.train())[-1]
    assert (last.batches, last.measures["finite"]) == (3, 0)
    after = trainer.state_on_host()
    for player in ("generator", "discriminator", "ema_generator"):
        for got, old in zip(keras.tree.flatten(after[player]), keras.tree.flatten(state[player]), strict=True):
            np.testing.assert_array_equal(got, old)


def test_the_means_are_those_of_the_finite_steps(engine):
    trainer = new_trainer(engine, small_discriminator())
    step, latents = trainer.step, draws.step_draws

    def spoilt(seed, n, *sizes):
        drawn = latents(seed, n, *sizes)
        return {**drawn, "latents": drawn["latents"] * (np.float32(np.inf) if n == 1 else 1)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draws, "step_draws", spoilt)
        measured = [step() for _ in range(3)]
    means = trainer._means(measured)
    losses = [float(one["d_loss"]) for one in engine.to_host(measured)]
    assert means["finite"] == pytest.approx(2 / 3)
    assert means["d_loss"] == pytest.approx((losses[0] + losses[2]) / 2)


def test_health_changes_the_step(engine):
    """Half the rate is half the step: the length of Adam's first one is its rate."""
    moved = []
    for rate in (1.0, 0.5):
        trainer = new_trainer(engine, small_discriminator(), beta_1=0.0)
        trainer.health = Health(rate=rate)
        before = trainer.state_on_host()["generator"]["weights"][0]
        trainer.step()
        moved.append(np.abs(trainer.state_on_host()["generator"]["weights"][0] - before).max())
    assert moved[1] == pytest.approx(moved[0] / 2, rel=1e-3)


def test_a_restored_trainer_has_the_old_weights_and_keeps_counting(engine):
    trainer = new_trainer(engine, small_discriminator())
    old = trainer.state_on_host()
    trainer.step()
    trainer.restore(old)
    now = trainer.state_on_host()
    np.testing.assert_array_equal(now["generator"]["weights"][0], old["generator"]["weights"][0])
    assert (trainer.batches, now["steps"], now["images_seen"]) == (1, 1, 4)


@pytest.mark.parametrize(
    ("middle", "wish", "rule"),
    [
        ([], "auto", "relativistic"),
        ([layers.Dropout], "auto", "relativistic"),
        ([layers.BatchNormalization], "auto", "alternating"),
        ([], "alternating", "alternating"),
    ],
    ids=["plain", "dropout", "batch normalisation", "asked for"],
)
def test_the_rule_is_chosen_by_the_discriminator(engine, middle, wish, rule):
    arguments = {layers.Dropout: {"rate": 0.5}}
    discriminator = small_discriminator(*[layer(**arguments.get(layer, {})) for layer in middle])
    assert new_trainer(engine, discriminator, rule=wish).rule == rule


def test_the_alternating_rule_updates_the_generator_against_the_updated_discriminator(linear):
    """With a large learning rate its new weights decide the generator's gradient."""
    engine, batch = linear.engine, linear_batch(learning_rate=0.1)
    step = build_step(engine, Networks(*linear.pair), "alternating")
    new, measures = engine.to_host(step(*engine.to_device((copy.deepcopy(linear.start), batch))))
    kernel, offset = linear.start["generator"]["weights"]
    fake = batch["latents"] @ kernel + offset
    real = batch["real_images"].reshape(BATCH, -1) / 127.5 - 1
    (w, b), (new_w, new_b) = linear.start["discriminator"]["weights"], new["discriminator"]["weights"]
    d_loss = np.logaddexp(0, -(real @ w + b)).mean() + np.logaddexp(0, fake @ w + b).mean()
    fooled = fake @ new_w + new_b
    by_fake = -(1 / (1 + np.exp(fooled)) / BATCH) @ new_w.T
    assert measures["d_loss"] == pytest.approx(d_loss, rel=1e-4)
    assert measures["g_loss"] == pytest.approx(np.logaddexp(0, -fooled).mean(), rel=1e-4)
    np.testing.assert_allclose(new["generator"]["first_moment"][0], batch["latents"].T @ by_fake, rtol=1e-3, atol=1e-6)


def test_the_moving_average_includes_the_statistics_of_batch_normalisation(engine):
    pair = small_generator(layers.BatchNormalization()), small_discriminator()
    start = numpy_state(*pair)
    step = build_step(engine, Networks(*pair), "relativistic")
    new = engine.to_host(step(*engine.to_device((copy.deepcopy(start), step_batch(ema_decay=0.75))))[0])
    assert len(new["ema_generator"]["stats"]) == 2
    parts = (start["ema_generator"], new["generator"], new["ema_generator"])
    for old, fresh, averaged in zip(*(part["stats"] for part in parts), strict=True):
        assert not np.allclose(old, fresh)
        np.testing.assert_allclose(averaged, 0.75 * old + 0.25 * fresh, rtol=1e-5)
