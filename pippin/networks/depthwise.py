"""Depthwise convolution with a frozen kernel, fast on every engine.

XLA's code for grouped convolutions on a processor is a plain loop: the pretrained features took six times as long on
JAX as on TensorFlow. For JAX on a processor, the convolution is therefore written as a sum of shifted products, and so
is its derivative, for which automatic differentiation would make k² padded copies of the gradient. Everywhere else this
is Keras' own layer.
"""

from typing import Any

import keras
from keras import layers

from pippin.networks.layers import same_padding


class DepthwiseConvolution(layers.DepthwiseConv2D):
    """`DepthwiseConv2D` with padding "same" and a frozen kernel: only its input has a gradient.

    Args:
        size: Side of the kernel.
        stride: Stride in both directions.
    """

    def __init__(self, size: int, stride: int = 1) -> None:
        super().__init__(size, stride, padding="same", depthwise_initializer="zeros", trainable=False)
        self._shifted_products = _shifted_products() if keras.backend.backend() == "jax" else None

    def call(self, inputs: Any) -> Any:
        """Convolve images (B, H, W, C) to (B, ⌈H/stride⌉, ⌈W/stride⌉, C)."""
        if self._shifted_products is None:
            return super().call(inputs)
        inputs = keras.ops.cast(inputs, self.variable_dtype)  # a processor computes bfloat16 no faster
        return self._shifted_products(inputs, self.kernel.value[..., 0], self.strides[0]) + self.bias.value


def _shifted_products() -> Any:
    """Return a JAX function (images, kernel (k, k, C), stride) → images; None if JAX computes on no processor."""
    import jax
    from jax import lax

    if jax.default_backend() != "cpu":
        return None

    def correlate(x: Any, kernel: Any, stride: int, sides: tuple[int, ...]) -> Any:
        """Compute a_ij = Σ_s Σ_t ω_st x_{i·stride + s, j·stride + t}, without padding."""
        height, width = (stride * (side - 1) + 1 for side in sides)
        rows, columns, _ = kernel.shape
        return sum(
            x[:, s : s + height : stride, t : t + width : stride] * kernel[s, t]
            for s in range(rows)
            for t in range(columns)
        )

    def pad(x: Any, edges: list[tuple[int, int, int]]) -> Any:
        """Add zeros before, after and between the rows and the columns."""
        return lax.pad(x, 0.0, ((0, 0, 0), *edges, (0, 0, 0)))

    def forward(x: Any, kernel: Any, stride: int) -> Any:
        sides = x.shape[1:3]
        size = kernel.shape[0]
        edges = [(*same_padding(side, size, stride), 0) for side in sides]
        return correlate(pad(x, edges), kernel, stride, tuple(-(-side // stride) for side in sides))

    def forward_with_residuals(x: Any, kernel: Any, stride: int) -> Any:
        return forward(x, kernel, stride), (x[0, :, :, 0], kernel)

    def backward(stride: int, residuals: Any, gradient: Any) -> Any:
        x, kernel = residuals
        size = kernel.shape[0]
        edges = []
        for side, steps in zip(x.shape, gradient.shape[1:3], strict=True):
            before = size - 1 - same_padding(side, size, stride)[0]
            after = side + size - 1 - before - (stride * (steps - 1) + 1)
            edges.append((before, after, stride - 1))
        return correlate(pad(gradient, edges), kernel[::-1, ::-1], 1, x.shape), None

    function = jax.custom_vjp(forward, nondiff_argnums=(2,))
    function.defvjp(forward_with_residuals, backward)
    return function
