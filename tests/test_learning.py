"""The losses make a small generator learn, and each way to break them does not."""

import keras
import numpy as np
import pytest
from across_engines import numpy_state, step_batch
from keras import layers

from pippin import engines
from pippin.networks import Networks
from pippin.training import losses
from pippin.training import step as step_module
from pippin.training.step import build_step

SIDE, LATENT_DIM, BATCH = 4, 4, 16
RED, BLUE = np.uint8((230, 60, 40)), np.uint8((40, 80, 220))


@pytest.fixture(scope="module")
def engine():
    return engines.current()


def images_of(*colours):
    """A batch of plain images, the colours in turn: uint8 (BATCH, SIDE, SIDE, 3)."""
    return np.stack([np.broadcast_to(colours[n % len(colours)], (SIDE, SIDE, 3)) for n in range(BATCH)])


def generator(activation=None):
    dense = layers.Dense(SIDE * SIDE * 3, activation=activation)
    return keras.Sequential([keras.Input((LATENT_DIM,)), dense, layers.Reshape((SIDE, SIDE, 3))])


def discriminator(*hidden):
    stack = [layers.Flatten(), *hidden, layers.Dense(1, use_bias=False)]
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), *stack])


def train(engine, pair, images, rule, steps, learning_rate, discriminator_rate=1.0, latent_scale=1.0):
    """Train a pair, and return the generator's kernel and bias after each step."""
    step = build_step(engine, Networks(*pair), rule)
    state, weights = engine.to_device(numpy_state(*pair)), []
    for n in range(steps):
        rates = {"learning_rate": learning_rate, "discriminator_rate": discriminator_rate}
        schedule = {**rates, "gamma": 0.5, "augment_p": 0, "shift_p": 0, "blur": 0}
        batch = step_batch(n, BATCH, LATENT_DIM, SIDE, **schedule)
        batch |= {"real_images": images, "latents": batch["latents"] * np.float32(latent_scale)}
        state, _ = step(state, engine.to_device(batch))
        weights.append(engine.to_host(state["generator"]["weights"]))
    return weights


def break_something(monkeypatch, what):
    """Break the losses or the update of one player."""
    if what == "generator's sign":
        gradient, cross_entropy = losses.relativistic_generator_gradient, losses.binary_cross_entropy
        monkeypatch.setattr(losses, "relativistic_generator_gradient", lambda real, fake: -gradient(real, fake))
        calls = []

        def flipped(logits, real):
            calls.append(real)  # the discriminator's two losses, then the generator's
            return cross_entropy(logits, real) * (-1.0 if len(calls) % 3 == 0 else 1.0)

        monkeypatch.setattr(losses, "binary_cross_entropy", flipped)
    elif what == "discriminator's sign":
        monkeypatch.setattr(losses, "relativistic_discriminator_loss", losses.relativistic_generator_loss)
    elif what == "penalty":
        norm = losses.squared_gradient_norm
        monkeypatch.setattr(losses, "squared_gradient_norm", lambda gradients: 0.0 * norm(gradients))
    elif what:
        update, frozen = step_module._update, what.removeprefix("frozen ")

        def update_of_the_other(packing, state, player, *args):
            return state[player] if player == frozen else update(packing, state, player, *args)

        monkeypatch.setattr(step_module, "_update", update_of_the_other)


# -- two colours: the generator must learn both ----------------------------------------------------------------------


def learns_two_colours(engine, rule):
    """Whether the images are near to red or to blue, and both kinds come about equally often."""
    pair = generator("tanh"), discriminator(layers.Dense(32, activation="tanh"))
    rates = {"relativistic": (0.02, 1.0), "alternating": (0.03, 0.3)}[rule]
    kernel, bias = train(engine, pair, images_of(RED, BLUE), rule, 200, *rates)[-1]
    latents = np.random.default_rng(0).standard_normal((256, LATENT_DIM))
    images = np.tanh(latents @ kernel + bias).reshape(-1, 1, SIDE, SIDE, 3)
    colours = np.stack([images_of(RED)[0], images_of(BLUE)[0]]) / 127.5 - 1
    errors = np.sqrt(((images - colours) ** 2).mean(axis=(2, 3, 4)))  # root mean squares, (256, 2)
    share = (errors.argmin(axis=1) == 0).mean()
    return errors.min(axis=1).mean() < 0.45 and 0.3 < share < 0.7


@pytest.mark.parametrize("rule", step_module.RULES)
def test_a_generator_of_one_layer_learns_two_colours(engine, rule):
    assert learns_two_colours(engine, rule)


@pytest.mark.parametrize("rule", step_module.RULES)
@pytest.mark.parametrize("broken", ["generator's sign", "frozen generator", "frozen discriminator"])
def test_it_does_not_learn_them_with_a_broken_step(engine, monkeypatch, rule, broken):
    break_something(monkeypatch, broken)
    assert not learns_two_colours(engine, rule)


# -- one colour and a linear discriminator: only the penalty lets them converge --------------------------------------


def converges_to_one_colour(engine):
    """Whether the image stays near to the colour.

    This is the Dirac-GAN of Mescheder et al. 2018 (arXiv 1801.04406): without a penalty, the players circle around the
    equilibrium and never reach it. The latents are 0, so the image is the generator's bias.
    """
    weights = train(engine, (generator(), discriminator()), images_of(RED), "relativistic", 120, 0.05, latent_scale=0)
    target = (images_of(RED)[0] / 127.5 - 1).ravel()
    distances = [np.sqrt(((bias - target) ** 2).mean()) for _, bias in weights]
    return max(distances[-30:]) < 0.1


def test_the_players_converge(engine):
    assert converges_to_one_colour(engine)


@pytest.mark.parametrize(
    "broken",
    ["penalty", "generator's sign", "discriminator's sign", "frozen generator", "frozen discriminator"],
)
def test_they_do_not_converge_with_a_broken_step(engine, monkeypatch, broken):
    break_something(monkeypatch, broken)
    assert not converges_to_one_colour(engine)
