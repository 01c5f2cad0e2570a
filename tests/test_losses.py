import numpy as np
import pytest
from keras import ops

from pippin import engines
from pippin.training import losses

REAL = np.float32([1.5, -0.3, 0.0, 4.0])
FAKE = np.float32([-0.5, 0.8, 0.1, -30.0])


@pytest.fixture(scope="module")
def engine():
    return engines.current()


@pytest.fixture(scope="module")
def logits(engine):
    return engine.to_device((REAL, FAKE))


def softplus(x):
    return np.log1p(np.exp(np.float64(x)))


def test_relativistic_losses_compare_each_pair(engine, logits):
    difference = np.float64(FAKE) - REAL
    d_loss = engine.to_host(losses.relativistic_discriminator_loss(*logits))
    g_loss = engine.to_host(losses.relativistic_generator_loss(*logits))
    assert d_loss == pytest.approx(softplus(difference).mean(), rel=1e-6)
    assert g_loss == pytest.approx(softplus(-difference).mean(), rel=1e-6)


def test_relativistic_losses_of_equal_logits_are_log_2(engine, logits):
    real, _ = logits
    for loss in (losses.relativistic_discriminator_loss, losses.relativistic_generator_loss):
        assert engine.to_host(loss(real, real)) == pytest.approx(np.log(2))
        assert engine.to_host(loss(real + 3, real + 3)) == pytest.approx(np.log(2))


def test_the_generator_gradient_is_the_derivative_of_its_loss(engine, logits):
    real, fake = logits
    loss, pullback, _ = engine.vjp(lambda fake: (losses.relativistic_generator_loss(real, fake), None), fake)
    (expected,) = engine.to_host(pullback(ops.ones_like(loss)))
    gradient = engine.to_host(losses.relativistic_generator_gradient(real, fake))
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, -1 / (1 + np.exp(FAKE - REAL)) / 4, rtol=1e-5)


def test_binary_cross_entropy(engine, logits):
    probability = 1 / (1 + np.exp(-np.float64(REAL)))
    real, fake = (engine.to_host(losses.binary_cross_entropy(logits[0], label)) for label in (True, False))
    assert real == pytest.approx(-np.log(probability).mean(), rel=1e-6)
    assert fake == pytest.approx(-np.log(1 - probability).mean(), rel=1e-6)


@pytest.mark.parametrize(("logit", "right", "wrong"), [(200.0, 0, 200), (-200.0, 200, 0)])
def test_losses_of_extreme_logits_are_finite_and_have_the_right_sign(engine, logit, right, wrong):
    """A large logit for real images costs the discriminator nothing and the generator all of it; a small one does the
    opposite."""
    real, zero = engine.to_device((np.float32([logit]), np.float32([0])))
    assert engine.to_host(losses.relativistic_discriminator_loss(real, zero)) == right
    assert engine.to_host(losses.relativistic_generator_loss(real, zero)) == wrong
    assert engine.to_host(losses.binary_cross_entropy(real, True)) == right
    assert engine.to_host(losses.binary_cross_entropy(real, False)) == wrong


def test_r1_of_a_linear_discriminator_is_the_squared_norm_of_its_weights(engine):
    rng = np.random.default_rng(0)
    w, images = rng.normal(size=(4, 5, 3)).astype("float32"), rng.normal(size=(6, 4, 5, 3)).astype("float32")
    weights, inputs = engine.to_device((w, images))
    total, pullback, _ = engine.vjp(lambda images: (ops.sum(images * weights), None), inputs)
    (gradients,) = pullback(ops.ones_like(total))
    assert engine.to_host(losses.squared_gradient_norm([gradients])) == pytest.approx((w**2).sum(), rel=1e-5)


def test_the_squared_norms_of_several_maps_are_averaged(engine):
    one, other = engine.to_device((np.full((2, 1, 1, 1), 2.0, "float32"), np.full((2, 2, 1, 1), 3.0, "float32")))
    assert engine.to_host(losses.squared_gradient_norm([one, other])) == (4 + 2 * 9) / 2


def test_several_logits_are_several_pairs(engine):
    pairs = engine.to_device((REAL.reshape(2, 2), FAKE.reshape(2, 2)))
    flat = engine.to_device((REAL, FAKE))
    for loss in (losses.relativistic_discriminator_loss, losses.relativistic_generator_loss):
        assert engine.to_host(loss(*pairs)) == pytest.approx(engine.to_host(loss(*flat)), rel=1e-6)
    gradients = [engine.to_host(losses.relativistic_generator_gradient(*logits)) for logits in (pairs, flat)]
    np.testing.assert_allclose(gradients[0].ravel(), gradients[1], rtol=1e-6)


def test_the_squared_norm_sums_over_pixels_and_averages_over_images(engine):
    gradients = np.zeros((2, 4, 4, 3), "float32")
    gradients[0, 1, 2] = 3, 4, 0
    assert engine.to_host(losses.squared_gradient_norm([engine.to_device(gradients)])) == 12.5


def test_reconstruction_counts_only_anchored_images(engine):
    rng = np.random.default_rng(0)
    real, fake = ([rng.normal(size=(4, side, side, 2)).astype("float32") for side in (4, 2)] for _ in range(2))
    anchored = np.float32([1, 0, 0, 1])
    error = np.mean([((b - a)[[0, 3]] ** 2).mean() for a, b in zip(real, fake, strict=True)])
    tensors = engine.to_device((real, fake, anchored))
    assert engine.to_host(losses.reconstruction_loss(*tensors)) == pytest.approx(error, rel=1e-5)
    none_anchored = engine.to_device((real, fake, 0 * anchored))
    assert engine.to_host(losses.reconstruction_loss(*none_anchored)) == 0
    for a, b, gradient in zip(real, fake, engine.to_host(losses.reconstruction_gradients(*tensors)), strict=True):
        expected = 2 * anchored[:, None, None, None] * (b - a) / (4 * 2 * a[0].size)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5)
