"""The same numbers on every engine."""

import itertools

import numpy as np
import pytest
from across_engines import BATCH, EXACT_STEPS, INSTALLED, STEPS, article_convolution

from pippin import engines

pytestmark = pytest.mark.slow  # all of it together needs as long as the slowest engine

engine_names = pytest.mark.parametrize("engine", list(engines.ENGINES))
engine_pairs = pytest.mark.parametrize(("one", "other"), list(itertools.combinations(engines.ENGINES, 2)))

PLAYERS = ("generator", "discriminator")


def results(found, engine, measurement):
    """What one measurement gave on one engine, without the measurement's name in front."""
    if engine not in INSTALLED:
        pytest.skip(f"{engine} is not installed")
    if f"{measurement}/error" in found[engine]:
        pytest.fail(f"on {engine}:\n{found[engine][f'{measurement}/error']}")
    start = f"{measurement}/"
    return {name.removeprefix(start): array for name, array in found[engine].items() if name.startswith(start)}


def distance(a, b):
    """‖a − b‖ / ‖b‖."""
    return np.linalg.norm(np.float64(a) - b) / np.linalg.norm(np.float64(b))


# -- the same numbers ------------------------------------------------------------------------------------------------


@engine_pairs
@pytest.mark.parametrize("prefix", ["", "projected_"], ids=["pixels", "features"])
def test_the_first_step_agrees(found, one, other, prefix):
    a, b = results(found, one, f"{prefix}first_step"), results(found, other, f"{prefix}first_step")
    assert a.keys() == b.keys()
    assert {"d_loss", "g_loss", "r1_penalty", "r2_penalty", "generator_gradients"} < a.keys()
    for name in a:
        # One of the features' fifty ReLUs may round to the other side of 0, which changes the gradients behind it.
        through_features = prefix and name in ("generator_gradients", "g_gradient")
        assert distance(a[name], b[name]) < (5e-4 if through_features else 1e-4), name


@engine_pairs
def test_twenty_steps_stay_together(found, one, other):
    a, b = results(found, one, "many_steps"), results(found, other, "many_steps")
    assert a["d_loss"].shape == (STEPS,)
    assert np.ptp(a["d_loss"]) > 0.01
    for name in ("d_loss", "g_loss"):
        np.testing.assert_allclose(a[name], b[name], rtol=1e-3)
    for name in (*PLAYERS, "ema_generator"):
        assert distance(a[f"after_{STEPS}/{name}/weights"], b[f"after_{STEPS}/{name}/weights"]) < 1e-3, name


@engine_names
def test_stopping_and_resuming_changes_nothing(found, engine):
    whole, halves = results(found, engine, "many_steps"), results(found, engine, "resumed")
    assert halves.pop("begun") == EXACT_STEPS // 2
    assert halves.pop("seconds") == 1.5
    assert halves["steps"] == EXACT_STEPS
    assert halves["images_seen"] == EXACT_STEPS * BATCH
    assert {f"{player}/{part}" for player in PLAYERS for part in ("weights", "first_moment", "second_moment")} < set(
        halves
    )
    for name, array in halves.items():
        np.testing.assert_array_equal(array, whole[f"after_{EXACT_STEPS}/{name}"], err_msg=name)


@pytest.mark.parametrize(("begun_on", "ended_on"), list(itertools.permutations(engines.ENGINES, 2)))
def test_a_run_resumes_under_another_engine(found, begun_on, ended_on):
    results(found, begun_on, "many_steps")
    whole, halves = results(found, ended_on, "many_steps"), results(found, ended_on, f"from_{begun_on}")
    assert halves["begun"] == EXACT_STEPS // 2
    for name in (*PLAYERS, "ema_generator"):
        assert distance(halves[f"{name}/weights"], whole[f"after_{EXACT_STEPS}/{name}/weights"]) < 1e-4, name


@engine_names
def test_arrays_on_the_host_do_not_change_later(found, engine):
    assert results(found, engine, "many_steps")["untouched"]


@engine_names
def test_the_step_is_compiled_once(found, engine):
    """Python runs the step once to record it, though the schedule moves."""
    assert results(found, engine, "many_steps")["calls"] == 1


# -- derivatives -----------------------------------------------------------------------------------------------------


@engine_names
@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("prefix", ["", "projected_"], ids=["pixels", "features"])
def test_one_pass_gives_the_gradients_of_two(found, engine, player, prefix):
    one, two = results(found, engine, f"{prefix}first_step"), results(found, engine, f"{prefix}two_passes")
    # One of the heads' leaky ReLUs may round to the other side of 0, as above.
    assert distance(one[f"{player}_gradients"], two[f"{player}_gradients"]) < (1e-4 if prefix else 1e-5)


@engine_names
def test_the_gradient_of_the_penalised_loss_is_that_of_finite_differences(found, engine):
    derivative = results(found, engine, "finite_difference")
    assert derivative["measured"] == pytest.approx(float(derivative["expected"]), rel=1e-3)


@engine_names
def test_derivatives_of_a_cube(found, engine):
    got = results(found, engine, "derivatives")
    assert got["value"] == 36
    np.testing.assert_allclose(got["a"], [3, 12, 27], rtol=1e-6)
    np.testing.assert_allclose(got["twice"], [6, 12, 18], rtol=1e-6)
    np.testing.assert_array_equal(got["b"], [0, 0])
    np.testing.assert_array_equal(got["seen"], [1, 2, 3])


@engine_names
def test_convolution_is_the_articles_formula(found, engine):
    """a_ij = Σ_s Σ_t ω_st x_{i+s,j+t} + b, Δω_st = −ε Σ_ij δ_ij x_{i+s,j+t}, Δb = −ε Σ_ij δ_ij."""
    got, (x, w, b, delta, rate) = results(found, engine, "convolution"), article_convolution().values()
    a, by_filter, by_bias = np.full(delta.shape, b), np.zeros_like(w), 0.0
    for i, j in np.ndindex(delta.shape):
        for s, t in np.ndindex(w.shape):
            a[i, j] += w[s, t] * x[i + s, j + t]
            by_filter[s, t] -= rate * delta[i, j] * x[i + s, j + t]
        by_bias -= rate * delta[i, j]
    np.testing.assert_allclose(got["a"], a, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["Δω"], by_filter, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["Δb"], by_bias, rtol=1e-5)


@engine_names
def test_the_locally_connected_layer_is_its_definition(found, engine):
    """y_ijf = Σ_stc ω_ij,stc,f x_(2i+s),(j+t),c, one row of zeros below and a column on each side."""
    got = results(found, engine, "locally_connected")
    x, kernel = np.pad(got["x"], ((0, 0), (0, 1), (1, 1), (0, 0))), got["kernel"]
    y, by_kernel, by_x = np.zeros((2, 3, 4, 3)), np.zeros(kernel.shape), np.zeros(x.shape)
    for i, j in np.ndindex(3, 4):
        patch = x[:, 2 * i : 2 * i + 2, j : j + 3].reshape(2, -1)
        y[:, i, j] = patch @ kernel[i, j]
        delta = 3 * y[:, i, j] ** 2  # of Σ y³
        by_kernel[i, j] = patch.T @ delta
        by_x[:, 2 * i : 2 * i + 2, j : j + 3] += (delta @ kernel[i, j].T).reshape(2, 2, 3, 2)
    np.testing.assert_allclose(got["y"], y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got["by_kernel"], by_kernel, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(got["by_x"], by_x[:, :5, 1:5], rtol=1e-4, atol=1e-4)


@engine_pairs
def test_the_second_derivative_of_the_locally_connected_layer_agrees(found, one, other):
    a, b = (results(found, engine, "locally_connected")["twice"] for engine in (one, other))
    assert np.abs(b).max() > 1
    assert distance(a, b) < 1e-5


# -- the user's own discriminators -----------------------------------------------------------------------------------


@engine_names
def test_which_discriminators_treat_images_independently(found, engine):
    got = results(found, engine, "own_networks")
    alone = {name.removesuffix("/alone"): bool(value) for name, value in got.items() if name.endswith("/alone")}
    assert alone.pop("normalising") is False
    assert set(alone) == {"standard", "projected", "classic", "forgetting", "pooling"}
    assert all(alone.values())


@engine_names
@pytest.mark.parametrize(("network", "rule"), [("normalising", "alternating"), ("pooling", "relativistic")])
def test_own_discriminators_train_by_the_rule_that_holds_for_them(found, engine, network, rule):
    got = results(found, engine, "own_networks")
    assert got[f"{network}/rule"] == rule
    assert len(got[f"{network}/measures"]) == 3
    assert np.isfinite(got[f"{network}/measures"]).all()


@engine_names
@pytest.mark.parametrize("player", [*PLAYERS, "ema_generator"])
def test_batch_statistics_are_part_of_the_state(found, engine, player):
    stats = results(found, engine, "own_networks")[f"normalising/{player}_stats"]
    for before, after in itertools.pairwise(stats):
        assert (before != after).any()


# -- finding and editing ---------------------------------------------------------------------------------------------


@engine_names
def test_a_picture_is_found(found, engine):
    got = results(found, engine, "editing")
    assert got["found"] < got["begun"] / 2


@engine_pairs
def test_directions_and_mixtures_agree(found, one, other):
    a, b = results(found, one, "editing"), results(found, other, "editing")
    np.testing.assert_allclose(a["directions"], b["directions"], atol=1e-3)
    assert np.abs(a["mixed"].astype(int) - b["mixed"]).max() <= 1
