import json

import keras
import numpy as np
import pytest
from across_engines import small_discriminator, small_generator
from keras import layers

from pippin import engines, networks
from pippin.errors import NetworkError
from pippin.networks import standard
from pippin.networks.layers import depth_to_space, edge_padded, smoothed, space_to_depth
from pippin.settings import PIXELS, Settings
from pippin.training.anchors import DIMENSIONS


@pytest.fixture(scope="module", autouse=True)
def engine():
    return engines.current()


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


# -- the presets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", list(networks.BUILDERS))
@pytest.mark.parametrize("image_size", [16, 32, 64, 128, 256, 512])
def test_presets_fit_together_at_every_size(preset, image_size):
    built = networks.build(preset, image_size, 8)
    generator, discriminator, projector = built
    assert projector is None
    assert generator.input_shape == (None, 8)
    assert generator.output_shape == discriminator.input_shape == (None, image_size, image_size, 3)
    assert discriminator.output_shape == (None, 1)
    assert networks.check(built, image_size) == 8


@pytest.mark.parametrize("preset", list(networks.BUILDERS))
@pytest.mark.parametrize("image_size", [16, 32])
def test_initial_weights_keep_the_scale_of_images_and_logits(preset, image_size):
    """Neither vanishes or grows from layer to layer; measured standard deviations are 0.16 to 0.46 and 0.02 to 0.07."""
    generator, discriminator, _ = networks.build(preset, image_size, 8)
    latents = np.random.default_rng(0).standard_normal((64, 8)).astype("float32")
    images = generator(keras.ops.convert_to_tensor(latents), training=True)
    logits = numpy(discriminator(images, training=False))
    images = numpy(images)
    assert images.dtype == np.float32
    assert 0.08 < images.std(axis=0).mean() < 0.7
    assert 0.005 < logits.std() < 0.2
    assert abs(logits.mean()) < 0.3


@pytest.mark.parametrize("preset", list(networks.BUILDERS))
def test_the_seed_decides_the_weights(preset):
    def weights(seed):
        return [
            numpy(variable.value) for model in networks.build(preset, 16, 8, seed)[:2] for variable in model.variables
        ]

    for a, b in zip(weights(3), weights(3), strict=True):
        np.testing.assert_array_equal(a, b)
    differing = [bool((a != b).any()) for a, b in zip(weights(3), weights(4), strict=True) if a.std() > 0]
    assert differing
    assert all(differing)


@pytest.mark.parametrize("seed", [2**32, 2**63 - 1])
def test_only_the_lowest_32_bits_of_a_seed_count(seed):
    one, other = (networks.build("classic", 16, 8, number).generator.get_weights() for number in (seed, seed % 2**32))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_dropout_layers_of_classic_have_different_seeds():
    """Without a seed, Keras' PyTorch backend draws from PyTorch's global generator, and resuming would not be exact."""
    discriminator = networks.build("classic", 32, 8).discriminator
    seeds = [layer.seed for layer in discriminator.layers if isinstance(layer, layers.Dropout)]
    assert None not in seeds
    assert len(set(seeds)) == 3


def test_the_last_latents_before_the_labels_are_the_noise_maps_of_a_generator_for_features():
    built = networks.build("standard", 16, 208, features="efficientnet-lite0", labels=3)
    assert built.noise_dimensions == standard.noise_dimensions(208) == 4 * 4 + 8 * 8
    latents = np.random.default_rng(0).standard_normal((2, 211)).astype("float32")
    maps = [built.generator.get_layer(f"noise{r}").output for r in (4, 8)]
    coarse, fine = map(numpy, keras.Model(built.generator.input, maps)(latents))
    np.testing.assert_array_equal(coarse, latents[:, 128:144].reshape(2, 4, 4, 1))
    np.testing.assert_array_equal(fine, latents[:, 144:208].reshape(2, 8, 8, 1))
    assert networks.build("standard", 16, 208).noise_dimensions == 0


@pytest.mark.parametrize(("latent_dim", "count"), [(8, 0), (159, 0), (160, 80), (208, 80)])
def test_at_most_half_of_the_latents_are_noise_maps(latent_dim, count):
    assert standard.noise_dimensions(latent_dim) == count


def test_the_defaults_have_a_latent_for_each_dimension_of_an_anchor_and_for_each_noise_map():
    count = standard.noise_dimensions(Settings.latent_dim)
    assert Settings.latent_dim - count == PIXELS["latent_dim"] == DIMENSIONS
    assert f"from {2 * count} on, the last {count} are" in Settings.__dataclass_fields__["latent_dim"].metadata["help"]


def test_the_initial_map_of_a_generator_for_features_is_centred_at_every_place():
    generator = networks.build("standard", 16, 8, features="efficientnet-lite0").generator
    rng = np.random.default_rng(0)
    generator.set_weights([rng.uniform(0.1, 0.5, weight.shape).astype("float32") for weight in generator.get_weights()])
    half = rng.standard_normal((16, 8)).astype("float32")
    initial = keras.Model(generator.input, generator.get_layer("seeds").output)
    maps = numpy(initial(np.concatenate([half, -half]), training=True))
    assert np.abs(maps.mean(axis=0)).max() < 1e-4 < maps.std(axis=0).min()


# -- between space and channels --------------------------------------------------------------------------------------


def apply(function, array):
    given = keras.Input(array.shape[1:])
    return numpy(keras.Model(given, function(given))(keras.ops.convert_to_tensor(array)))


def test_space_to_depth_orders_channels_by_row_column_channel():
    images = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("float32")
    got = apply(space_to_depth, images)
    assert got.shape == (2, 2, 3, 12)
    for row, column, channel in np.ndindex(2, 2, 3):
        expected = images[:, row::2, column::2, channel]
        np.testing.assert_array_equal(got[..., 6 * row + 3 * column + channel], expected)


def test_depth_to_space_is_the_inverse():
    images = np.random.default_rng(1).normal(size=(2, 4, 6, 8)).astype("float32")
    np.testing.assert_array_equal(apply(lambda x: depth_to_space(space_to_depth(x)), images), images)
    np.testing.assert_array_equal(apply(lambda x: space_to_depth(depth_to_space(x)), images), images)


def test_edge_padding_repeats_the_outermost_pixels():
    images = np.random.default_rng(2).normal(size=(2, 4, 6, 3)).astype("float32")
    np.testing.assert_array_equal(apply(edge_padded, images), np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge"))


def test_smoothing_is_the_binomial_filter_with_repeated_edges():
    images = np.random.default_rng(3).normal(size=(2, 4, 6, 3)).astype("float32")
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    expected = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4
    np.testing.assert_allclose(apply(smoothed, images), expected, atol=1e-5)


def test_only_small_upsampled_maps_are_smoothed():
    generator = networks.build("standard", 32, 8, features="efficientnet-lite0").generator
    sides = [layer.output.shape[1] for layer in generator.layers if isinstance(layer, layers.AveragePooling2D)]
    assert {side: sides.count(side) for side in sides} == {9: 2, 8: 2, 17: 2, 16: 2}, "features and colours"


@pytest.mark.parametrize("layer", ["conv16a", "conv16b", "details"])
def test_the_last_convolutions_of_the_generator_treat_edges_like_the_inside(layer):
    generator = networks.build("standard", 32, 8).generator
    convolution = generator.get_layer(layer)
    padding = convolution.input._keras_history.operation
    model = keras.Model(padding.input, convolution.output)
    output = numpy(model(keras.ops.ones((1, *padding.input.shape[1:]))))
    assert np.ptp(output, axis=(1, 2)).max() < 1e-5
    assert np.abs(output).max() > 0.01


# -- checking the user's own ------------------------------------------------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self, stack):
        super().__init__()
        self.stack = stack

    def call(self, inputs):
        return self.stack(inputs)

    def get_config(self):
        raise NotImplementedError("no configuration")


def subclassed():
    model = Subclassed(small_discriminator())
    model(np.zeros((1, 16, 16, 3), "float32"))
    return model


def two_headed():
    images = keras.Input((16, 16, 3))
    x = layers.Flatten()(images)
    return keras.Model(images, [layers.Dense(1)(x), layers.Dense(1)(x)])


def test_checking_a_pair_that_fits_returns_its_latent_dim():
    assert networks.check(networks.Networks(small_generator(), small_discriminator()), 16) == 8


def test_a_fully_convolutional_discriminator_fits():
    stack = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(1), layers.Reshape(())]
    discriminator = keras.Sequential([keras.Input((None, None, 3)), *stack])
    assert networks.check(networks.Networks(small_generator(), discriminator), 16) == 8


@pytest.mark.parametrize(
    ("generator", "discriminator", "image_size", "message"),
    [
        (
            small_generator,
            small_discriminator,
            32,
            r"generator must return images of shape \(B, 32, 32, 3\)\. Received: .*\(B, 16, 16, 3\)",
        ),
        (
            lambda: keras.Sequential([small_generator(), layers.Conv2D(1, 1)]),
            small_discriminator,
            16,
            r"generator must return images of shape \(B, 16, 16, 3\)\. Received: .*\(B, 16, 16, 1\)",
        ),
        (small_discriminator, small_discriminator, 16, r"generator must take latents of shape \(B, latent_dim\)"),
        (
            small_generator,
            lambda: keras.Sequential([keras.Input((16, 16, 1)), layers.Flatten(), layers.Dense(1)]),
            16,
            r"discriminator must take images of shape \(B, 16, 16, 3\)\. Received: .*\(B, 16, 16, 1\)",
        ),
        (
            small_generator,
            lambda: keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(1)]),
            16,
            r"discriminator must take images of shape \(B, 16, 16, 3\)\. Received: .*\(B, 32, 32, 3\)",
        ),
        (
            small_generator,
            lambda: keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(2)]),
            16,
            r"discriminator must return one logit per image, shape \(B, 1\)\. Received: .*\(B, 2\)",
        ),
        (small_generator, two_headed, 16, r"discriminator must return one logit per image"),
        (
            small_generator,
            lambda: keras.Sequential([*small_discriminator().layers[:-1], layers.Dense(1, activation="sigmoid")]),
            16,
            r"discriminator must end without a sigmoid: the losses take logits",
        ),
        (
            small_generator,
            lambda: keras.Sequential([small_discriminator(), layers.Activation("sigmoid")]),
            16,
            r"discriminator must end without a sigmoid: the losses take logits",
        ),
        (
            lambda: keras.Sequential([layers.Dense(3)]),
            small_discriminator,
            16,
            r"generator must be a built Keras model.*keras\.Input",
        ),
        (
            small_generator,
            lambda: "a string",
            16,
            r"discriminator must be a built Keras model.*Received: str",
        ),
        (small_generator, subclassed, 16, r"discriminator must be Sequential or functional"),
    ],
    ids=[
        "size",
        "grey generator",
        "no latents",
        "grey discriminator",
        "another size",
        "two logits",
        "two heads",
        "sigmoid",
        "sigmoid layer",
        "not built",
        "no model",
        "subclassed",
    ],
)
def test_a_pair_that_does_not_fit_is_refused_with_the_reason(generator, discriminator, image_size, message):
    built = generator(), discriminator()
    if message.startswith("discriminator must end"):
        built[1].build((None, 16, 16, 3))
    with pytest.raises(NetworkError, match=message):
        networks.check(networks.Networks(*built), image_size)


# -- independent images? ---------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
class Deviation(layers.Layer):
    """A minibatch statistic: how much the pictures of a batch differ."""

    def call(self, inputs):
        return inputs + keras.ops.mean(keras.ops.std(inputs, axis=0))


@pytest.mark.parametrize(
    ("middle", "alone"),
    [
        ([], True),
        ([lambda: layers.Dropout(0.5)], True),
        ([lambda: layers.MaxPooling2D()], True),
        ([lambda: layers.LayerNormalization()], True),
        ([lambda: layers.BatchNormalization()], False),
        ([lambda: layers.Dropout(0.5), lambda: layers.BatchNormalization()], False),
        ([Deviation], False),
    ],
    ids=["plain", "dropout", "pooling", "layer norm", "batch norm", "dropout and batch norm", "minibatch deviation"],
)
def test_which_discriminators_treat_images_independently(middle, alone):
    discriminator = small_discriminator(*[make() for make in middle])
    before = [numpy(variable.value).copy() for variable in discriminator.variables]
    assert networks.treats_images_independently(discriminator) is alone
    for variable, old in zip(discriminator.variables, before, strict=True):
        np.testing.assert_array_equal(numpy(variable.value), old)


@pytest.mark.parametrize("preset", list(networks.BUILDERS))
def test_networks_survive_json(preset):
    for model in networks.build(preset, 16, 8)[:2]:
        again = keras.models.model_from_json(json.dumps(json.loads(model.to_json())))
        assert [tuple(v.shape) for v in again.variables] == [tuple(v.shape) for v in model.variables]


def test_large_networks_continue_smaller_ones():
    small, large = standard.stage_filters(256), standard.stage_filters(512)
    assert {resolution: large[resolution] for resolution in small if resolution < 128} == {
        resolution: filters for resolution, filters in small.items() if resolution < 128
    }
    assert set(large) == {4, 8, 16, 32, 64, 128, 256}
