"""Convolutions with kernels as large as the maps are rewritten as weight gradients."""

import importlib.util

import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip("PyTorch is not installed", allow_module_level=True)

import torch

from pippin.engines.torch_record import record
from pippin.engines.torch_weight_gradients import weight_gradient, with_weight_gradients


def second_derivative(stride, size=8, kernel=3):
    """Return a function of images, weights and directions that differentiates a gradient penalty, and its inputs."""

    def function(inputs):
        images, weights, direction = (tensor.detach().requires_grad_() for tensor in inputs)
        with torch.enable_grad():
            outputs = torch.nn.functional.conv2d(images, weights, stride=stride, padding=1)
            (gradient,) = torch.autograd.grad((outputs.square() * direction).sum(), images, create_graph=True)
            return list(torch.autograd.grad(gradient.square().sum(), [weights, direction]))

    generator = torch.Generator().manual_seed(0)
    side = (size + 2 - kernel) // stride + 1
    shapes = (2, 3, size, size), (4, 3, kernel, kernel), (2, 4, side, side)
    return function, [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_rewritten_program_returns_the_same_up_to_rounding(stride, kernel):
    function, inputs = second_derivative(stride, kernel=kernel)
    with torch.autograd.set_multithreading_enabled(False):
        program, outputs = record(function, inputs)
    rewritten = with_weight_gradients(program)
    replaced = [operation for operation in rewritten.operations if operation.function is weight_gradient]
    assert replaced, "a second derivative convolves with the maps"
    for result, expected in zip(rewritten.compile()(inputs), outputs, strict=True):
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
        assert result.stride() == expected.stride()


def test_an_ordinary_convolution_stays():
    images, weights = torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3)
    program, _ = record(lambda inputs: [torch.nn.functional.conv2d(*inputs, padding=1)], [images, weights])
    assert with_weight_gradients(program).operations == program.operations
