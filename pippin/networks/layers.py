"""Resampling without learnt convolution, edge padding, and a locally connected layer.

A strided or transposed convolution has second derivatives that some engines compute many times slower than the
convolution itself, and a transposed one leaves a checkerboard in the images (Odena et al. 2016,
https://distill.pub/2016/deconv-checkerboard). Moving pixels between space and channels costs no arithmetic, loses
nothing, and its derivative is its inverse. The functions are made of layers and operations that Keras ships, so a saved
network opens without Pippin. `LocallyConnected2D` is a class of its own: a network with it opens in plain Keras only
after `import pippin.networks.layers`.
"""

import math
from typing import Any

import keras
from keras import layers, ops

from pippin.errors import NetworkError


def space_to_depth(x: Any, name: str | None = None) -> Any:
    """Move each 2×2 block of pixels into the channels.

    Args:
        x: Keras tensor (B, H, W, C), with even H and W.
        name: Prefix of the layers' names.

    Returns:
        Keras tensor (B, H/2, W/2, 4C); the channels are ordered by row, column, channel of the block.
    """
    _, h, w, c = x.shape
    x = layers.Reshape((h // 2, 2, w // 2, 2, c), name=_name(name, "split"))(x)
    x = layers.Permute((1, 3, 2, 4, 5), name=_name(name, "gather"))(x)
    return layers.Reshape((h // 2, w // 2, 4 * c), name=name)(x)


def depth_to_space(x: Any, name: str | None = None) -> Any:
    """Move the channels into 2×2 blocks of pixels: the inverse of `space_to_depth`.

    Args:
        x: Keras tensor (B, H, W, 4C).
        name: Prefix of the layers' names.

    Returns:
        Keras tensor (B, 2H, 2W, C).
    """
    _, h, w, c = x.shape
    x = layers.Reshape((h, w, 2, 2, c // 4), name=_name(name, "split"))(x)
    x = layers.Permute((1, 3, 2, 4, 5), name=_name(name, "scatter"))(x)
    return layers.Reshape((2 * h, 2 * w, c // 4), name=name)(x)


def edge_padded(x: Any) -> Any:
    """Pad by one pixel that repeats the edge, for a 3×3 convolution with padding "valid".

    Args:
        x: Keras tensor (B, H, W, C).

    Returns:
        Keras tensor (B, H + 2, W + 2, C).
    """
    return ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")


def smoothed(x: Any) -> Any:
    """Apply the binomial filter [1 2 1] / 4 along both axes, with repeated edges.

    It is the average of 2×2 pixels twice, because that is fast on every engine.

    Args:
        x: Keras tensor (B, H, W, C).

    Returns:
        Keras tensor (B, H, W, C).
    """
    x = layers.AveragePooling2D(2, strides=1)(edge_padded(x))  # (B, H + 1, W + 1, C)
    return layers.AveragePooling2D(2, strides=1)(x)


@keras.saving.register_keras_serializable("pippin")
class LocallyConnected2D(layers.Layer):
    """A convolution with other weights at each position.

    With strides of 1, y_ijf = Σ_s Σ_t Σ_c ω_ij,stc,f · x_(i+s),(j+t),c + b_ijf.

    A detector that is learnt at one place says nothing about another one, so the layer suits images in which each place
    has a meaning of its own, such as aligned faces (Taigman et al. 2014, DeepFace). It has as many times more weights
    than a convolution as its output has positions. Keras 2 had this layer; Keras 3 has dropped it.

    Inputs are images (B, H, W, C), and outputs (B, H', W', filters), with H' = ⌈H/stride⌉ for padding "same" and
    ⌈(H − kernel + 1)/stride⌉ for "valid". The sides of the inputs must be known. The kernel has the shape
    (H', W', kernel rows · kernel columns · C, filters), with the inputs ordered by row, column and channel; the bias
    has the shape (H', W', filters).

    Args:
        filters: Number of output channels, 1 or more.
        kernel_size: Side of the kernel in pixels, or (rows, columns).
        strides: Step of the kernel in pixels, or (down, right).
        padding: "valid" or "same" (zeros around the image).
        activation: Name or function, as in Keras; None: linear.
        use_bias: Whether each position and filter has a bias.
        kernel_initializer: As in Keras. Its fan-in is the number of inputs of one position.
        bias_initializer: As in Keras.
        **kwargs: `name`, `dtype` and `trainable`, as for all layers.

    Raises:
        NetworkError: An argument is out of range, or the input's sides are unknown or too small.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = _pair("kernel_size", kernel_size)
        self.strides = _pair("strides", strides)
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        if not isinstance(filters, int) or filters < 1:
            raise NetworkError(f"filters must be a number from 1. Received: filters={filters}")
        if padding not in ("valid", "same"):
            raise NetworkError(f"padding must be valid or same. Received: padding={padding}")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Create the weights for inputs of a shape (B, H, W, C)."""
        _, rows, columns, filters = self.compute_output_shape(input_shape)
        fan_in = math.prod(self.kernel_size) * input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel", shape=(rows, columns, fan_in, filters), initializer=self._initial_kernel
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(rows, columns, filters), initializer=self.bias_initializer)

    def call(self, inputs: Any) -> Any:
        """Apply the layer to images (B, H, W, C)."""
        if self.padding == "same":
            inputs = ops.pad(inputs, ((0, 0), *self.pads(inputs.shape), (0, 0)))
        rows, columns = self.kernel.shape[:2]
        (down, right), (height, width) = self.strides, self.kernel_size
        shifted = [
            inputs[:, s : s + down * (rows - 1) + 1 : down, t : t + right * (columns - 1) + 1 : right]
            for s in range(height)
            for t in range(width)
        ]
        patches = ops.concatenate(shifted, axis=-1)  # (B, H', W', kernel rows · kernel columns · C)
        outputs = ops.einsum("bhwk,hwkf->bhwf", patches, self.kernel)
        return self.activation(outputs if self.bias is None else outputs + self.bias)

    def pads(self, input_shape: tuple[Any, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the rows of zeros above and below images of a shape (B, H, W, C), and the columns left and right."""
        if self.padding == "valid":
            return (0, 0), (0, 0)
        rows, columns = map(same_padding, input_shape[1:3], self.kernel_size, self.strides)
        return rows, columns

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape (B, H', W', filters) of the outputs for inputs of a shape (B, H, W, C)."""
        batch, *sides = input_shape[:-1]
        if len(input_shape) != 4 or None in input_shape[1:]:
            shape = tuple(input_shape)
            raise NetworkError(f"LocallyConnected2D takes images (B, H, W, C) of known sides. Received: {shape}")
        valid = self.padding == "valid"
        sizes = [
            -(-(side - kernel + 1 if valid else side) // stride)
            for side, kernel, stride in zip(sides, self.kernel_size, self.strides, strict=True)
        ]
        if min(sizes) < 1:
            received = f"kernel_size={self.kernel_size}, input shape {tuple(input_shape)}"
            raise NetworkError(f"The kernel is larger than the images; use a smaller one. Received: {received}")
        return (batch, *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer, so that Keras can write and rebuild it."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }

    def _initial_kernel(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return initial weights, scaled by the fans of one position.

        Keras takes all axes before the last two for positions of one kernel, so its fans are too large by their number.
        """
        weights = self.kernel_initializer(shape, dtype=dtype)
        initializer = self.kernel_initializer
        is_scaled = isinstance(initializer, keras.initializers.VarianceScaling) and initializer.input_axes is None
        return weights * math.sqrt(math.prod(shape[:2])) if is_scaled else weights


def same_padding(side: int, size: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after a side for padding "same"; an odd one goes after it.

    Args:
        side: Length of the side in pixels.
        size: Length of the kernel along it.
        stride: Step of the kernel.
    """
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    return total // 2, total - total // 2


def _pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    """Return a size in both directions."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(side, int) and side >= 1 for side in pair):
        raise NetworkError(f"{name} must be a number from 1, or a pair of them. Received: {name}={value}")
    return pair[0], pair[1]


def _name(prefix: str | None, suffix: str) -> str | None:
    return f"{prefix}_{suffix}" if prefix else None
