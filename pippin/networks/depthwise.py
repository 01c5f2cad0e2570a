"""Depthwise convolution with a kernel that is never trained, fast on every engine.

XLA's processor code for grouped convolutions is a plain loop: the pretrained features took six times as long on JAX as
on TensorFlow. There the convolution is written out as a sum of shifted products, and so is its derivative, which left
to automatic differentiation would be k² padded copies of the gradient. Elsewhere this is Keras' own layer.
"""

from typing import Any

import keras
from keras import layers


class DepthwiseConvolution(layers.DepthwiseConv2D):
    """`DepthwiseConv2D` with padding "same", whose gradient goes to its input alone.

    Args:
        size: side of the kernel.
        stride: of the output.
    """

    def __init__(self, size: int, stride: int = 1) -> None:
        super().__init__(size, stride, padding="same", trainable=False)
        self._written_out = _written_out() if keras.backend.backend() == "jax" else None

    def call(self, inputs: Any) -> Any:
        """Convolve images (B, H, W, C) to (B, ⌈H/stride⌉, ⌈W/stride⌉, C)."""
        if self._written_out is None:
            return super().call(inputs)
        return self._written_out(inputs, self.kernel.value[..., 0], self.strides[0]) + self.bias.value


def _written_out() -> Any:
    """Return the function (images, kernel (k, k, C), stride) → images for a processor, None for another device."""
    import jax
    from jax import lax

    if jax.default_backend() != "cpu":
        return None

    def correlate(x: Any, kernel: Any, stride: int, sides: tuple[int, ...]) -> Any:
        """a_ij = Σ_s Σ_t ω_st x_{i·stride + s, j·stride + t}, without padding."""
        height, width = (stride * (side - 1) + 1 for side in sides)
        rows, columns, _ = kernel.shape
        return sum(
            x[:, s : s + height : stride, t : t + width : stride] * kernel[s, t]
            for s in range(rows)
            for t in range(columns)
        )

    def pad(x: Any, edges: list[tuple[int, int, int]]) -> Any:
        """Add zeros before, after and between along rows and columns."""
        return lax.pad(x, 0.0, ((0, 0, 0), *edges, (0, 0, 0)))

    def forward(x: Any, kernel: Any, stride: int) -> Any:
        sides = x.shape[1:3]
        size = kernel.shape[0]
        edges = [(*_padding(side, size, stride), 0) for side in sides]
        return correlate(pad(x, edges), kernel, stride, tuple(-(-side // stride) for side in sides))

    def remember(x: Any, kernel: Any, stride: int) -> Any:
        return forward(x, kernel, stride), (x[0, :, :, 0], kernel)

    def backward(stride: int, residuals: Any, gradient: Any) -> Any:
        x, kernel = residuals
        size = kernel.shape[0]
        edges = []
        for side, steps in zip(x.shape, gradient.shape[1:3], strict=True):
            before = size - 1 - _padding(side, size, stride)[0]
            after = side + size - 1 - before - (stride * (steps - 1) + 1)
            edges.append((before, after, stride - 1))
        return correlate(pad(gradient, edges), kernel[::-1, ::-1], 1, x.shape), None

    function = jax.custom_vjp(forward, nondiff_argnums=(2,))
    function.defvjp(remember, backward)
    return function


def _padding(side: int, size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a side, as "same" means it: the odd one after."""
    both = max((-(-side // stride) - 1) * stride + size - side, 0)
    return both // 2, both - both // 2
