"""`LocallyConnected2D`: its definition, its gradients, its place in runs, diagrams and exports."""

import itertools
import json

import keras
import numpy as np
import pytest
import tiny
from keras import layers, ops

from pippin import engines, networks
from pippin.errors import NetworkError
from pippin.networks.layers import LocallyConnected2D
from pippin.runs.network_check import checked_network
from pippin.runs.network_files import read_network, write_network
from pippin.show.diagram import costs
from pippin.show.diagram.labels import kind_of, label

CASES = list(itertools.product([(3, 3), (2, 4)], [(1, 1), (2, 3)], ["valid", "same"]))


def built(kernel_size=3, filters=5, shape=(7, 8, 2), seed=0, **arguments):
    """Return a layer with random weights."""
    rng, layer = np.random.default_rng(seed), LocallyConnected2D(filters, kernel_size, **arguments)
    layer.build((None, *shape))
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def by_definition(x, layer):
    """Compute y_ijf = Σ_stc ω_ij,stc,f x_(i·stride+s),(j·stride+t),c + b_ijf with plain loops."""
    kernel, bias = (np.array(ops.convert_to_numpy(weight)) for weight in layer.weights)
    x = np.pad(x, ((0, 0), *layer.pads(x.shape), (0, 0)))
    (rows, columns), (down, right) = layer.kernel_size, layer.strides
    y = np.zeros((len(x), *kernel.shape[:2], kernel.shape[3]))
    for i, j in np.ndindex(kernel.shape[:2]):
        patch = x[:, i * down : i * down + rows, j * right : j * right + columns]
        y[:, i, j] = patch.reshape(len(x), -1) @ kernel[i, j] + bias[i, j]
    return y


@pytest.mark.parametrize(("kernel_size", "strides", "padding"), CASES)
def test_the_layer_computes_its_definition(kernel_size, strides, padding):
    layer = built(kernel_size, strides=strides, padding=padding)
    x = np.random.default_rng(1).normal(size=(3, 7, 8, 2)).astype("float32")
    y = ops.convert_to_numpy(layer(x))
    assert y.shape[1:] == layer.compute_output_shape((None, 7, 8, 2))[1:]
    np.testing.assert_allclose(y, by_definition(x, layer), atol=1e-5)


@pytest.mark.parametrize(("kernel_size", "strides", "padding"), CASES)
def test_with_the_same_weights_everywhere_it_is_a_convolution(kernel_size, strides, padding):
    layer, convolution = (
        kind(5, kernel_size, strides=strides, padding=padding) for kind in (LocallyConnected2D, layers.Conv2D)
    )
    x = np.random.default_rng(1).normal(size=(3, 7, 8, 2)).astype("float32")
    expected = convolution(x)
    layer.build(x.shape)
    kernel = ops.convert_to_numpy(convolution.kernel).reshape(-1, 5)
    layer.set_weights([np.broadcast_to(kernel, layer.kernel.shape), np.zeros(layer.bias.shape)])
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(expected), atol=1e-5)


def test_its_gradients_are_those_of_the_definition():
    layer = built(padding="same", use_bias=False)
    rng = np.random.default_rng(2)
    x, v = rng.normal(size=(2, 7, 8, 2)).astype("float32"), rng.normal(size=(2, 7, 8, 5)).astype("float32")
    kernel = layer.kernel.value

    def forward(x, kernel):
        return layer.stateless_call([kernel], [], x)[0]

    engine = engines.current()
    _, pull, _ = engine.vjp(lambda x, kernel: (forward(x, kernel), ()), ops.convert_to_tensor(x), kernel)
    to_x, to_kernel = (ops.convert_to_numpy(each) for each in pull(ops.convert_to_tensor(v)))
    step = rng.normal(size=x.shape).astype("float32")
    np.testing.assert_allclose(
        (to_x * step).sum(), (v * ops.convert_to_numpy(forward(step, kernel))).sum(), rtol=1e-4
    )  # the layer is linear in x, so ⟨Jᵀv, s⟩ = ⟨v, J s⟩
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patch = padded[:, 2:5, 3:6].reshape(2, -1)
    np.testing.assert_allclose(to_kernel[2, 3], patch.T @ v[:, 2, 3], rtol=1e-4, atol=1e-5)


def test_initial_weights_have_the_variance_of_one_position():
    layer = LocallyConnected2D(64, 3, kernel_initializer="he_normal")
    layer.build((None, 18, 18, 8))
    assert np.std(ops.convert_to_numpy(layer.kernel)) == pytest.approx(np.sqrt(2 / (9 * 8)), rel=0.02)
    constant = LocallyConnected2D(2, 3, kernel_initializer=keras.initializers.Constant(0.5))
    constant.build((None, 5, 5, 1))
    assert np.all(ops.convert_to_numpy(constant.kernel) == 0.5)


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        ({"filters": 0, "kernel_size": 3}, (8, 8, 1), "filters must be a number from 1"),
        ({"filters": 1, "kernel_size": (3, 0)}, (8, 8, 1), r"kernel_size must be .* Received: kernel_size=\(3, 0\)"),
        ({"filters": 1, "kernel_size": 3, "strides": (1, 1, 1)}, (8, 8, 1), "strides must be"),
        ({"filters": 1, "kernel_size": 3, "padding": "full"}, (8, 8, 1), "padding must be valid or same"),
        ({"filters": 1, "kernel_size": 3}, (None, 8, 1), "of known sides"),
        ({"filters": 1, "kernel_size": 9}, (8, 8, 1), "The kernel is larger than the images"),
    ],
)
def test_wrong_arguments_are_named(arguments, shape, message):
    with pytest.raises(NetworkError, match=message):
        LocallyConnected2D(**arguments)(keras.Input(shape))


def local_discriminator():
    return tiny.discriminator(LocallyConnected2D(4, 3, strides=2, padding="same", activation="relu", name="local"))


def test_a_network_with_it_is_written_checked_and_read(tmp_path):
    model = local_discriminator()
    write_network(tmp_path / "d.json", model)
    read = read_network(tmp_path / "d.json")
    read.set_weights(model.get_weights())
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(read(images)), ops.convert_to_numpy(model(images)))
    assert read.get_layer("local").get_config() == model.get_layer("local").get_config()


def test_another_class_of_the_module_is_refused():
    value = json.loads(local_discriminator().to_json())
    layer = next(layer for layer in value["config"]["layers"] if layer["class_name"] == "LocallyConnected2D")
    layer["registered_name"] = "other>LocallyConnected2D"
    (stored,) = (one for one in checked_network(value)["config"]["layers"] if one["config"]["name"] == "local")
    assert stored["registered_name"] == "pippin>LocallyConnected2D"
    layer["class_name"] = "space_to_depth"
    with pytest.raises(ValueError, match="not one of the layers"):
        checked_network(value)


def test_the_discriminator_with_it_treats_images_independently_and_trains(tmp_path):
    assert networks.treats_images_independently(local_discriminator())
    run = tiny.train(tmp_path / "run", discriminator=local_discriminator(), batches=3)
    assert run.folder.load_network("discriminator").get_layer("local").filters == 4


def test_a_diagram_shows_it_with_its_cost():
    layer = built(3, shape=(8, 8, 2), activation="relu")
    assert (label(layer), kind_of(layer)) == ("LocallyConnected2D 3×3 + ReLU", "convolution")
    assert costs.flop(layer, [(8, 8, 2)], []) == 2 * 6 * 6 * (9 * 2) * 5
