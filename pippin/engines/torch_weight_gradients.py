"""Second derivatives of convolutions, written as the weight gradients that they are.

PyTorch derives the gradient of a convolution once more by convolving with the feature maps themselves: the kernel of
that convolution is as large as the maps, and its result is as small as the weights. cuDNN has no fast kernel for this,
but it has for the weight gradient of an ordinary convolution, which is the same sum,

    ∂L/∂ω_cdst = Σ_b Σ_i Σ_j x_bd,i+s,j+t g_bcij.

On an H200, 17 such convolutions of `standard` at 64×64 took a third of the kernel time of a step. The sums are taken in
another order, so results differ by rounding; on a processor, where runs must repeat to the bit, nothing is changed.
"""

from typing import Any

import torch
from torch import Tensor

from pippin.engines.torch_program import Operation, Program

CONVOLUTION = torch.ops.aten.convolution.default


def with_weight_gradients(program: Program) -> Program:
    """Return a program with each convolution whose kernel is larger than its result replaced by a weight gradient."""
    operations = [_weight_gradient(operation) or operation for operation in program.operations]
    return Program(program.inputs, operations, program.outputs)


def _weight_gradient(operation: Operation) -> Operation | None:
    """Return the weight gradient that a convolution computes; None if it is an ordinary convolution."""
    if operation.function is not CONVOLUTION:
        return None
    images, kernel, bias, stride, padding, dilation, transposed, _, groups = operation.args
    result = operation.results.geometry
    spans = [step * (side - 1) + 1 for step, side in zip(dilation, kernel.geometry.shape[2:], strict=True)]
    larger = all(span > side for span, side in zip(spans, result.shape[2:], strict=True))
    if bias is not None or transposed or groups != 1 or len(spans) != 2 or not larger:
        return None
    arguments: tuple[Any, ...] = (images, kernel, stride, padding, dilation, result.shape, result.stride)
    return Operation(weight_gradient, arguments, {}, operation.results)


def weight_gradient(
    images: Tensor,
    gradients: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
) -> Tensor:
    """Convolve images with gradients as if these were a kernel.

    Args:
        images: (D, B, H, W): D channels of B images, exchanged.
        gradients: (C, B, I, J), gradients with respect to C channels of the convolved images, exchanged.
        stride: Of the convolution with the gradients: the dilation of the original one.
        padding: Zeros on each side.
        dilation: Of the gradients: the stride of the original convolution.
        shape: (D, C, S, T), of the result.
        strides: Of the result.

    Returns:
        The result of `torch.conv2d(images, gradients, …)`, up to rounding.
    """
    like_weights = images.new_empty((shape[1], shape[0], *shape[2:]))
    _, gradient, _ = torch.ops.aten.convolution_backward(
        gradients.transpose(0, 1),
        images.transpose(0, 1),
        like_weights,
        None,
        dilation,
        padding,
        stride,
        False,
        [0, 0],
        1,
        [False, True, False],
    )
    return images.new_empty_strided(shape, strides).copy_(gradient.transpose(0, 1))
