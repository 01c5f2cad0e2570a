"""Capture of a step in a CUDA graph, which starts all kernels of the step with one call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

Tensors = list[torch.Tensor]

WARM_UP_CALLS = 3
"""Calls before the capture, on a stream of their own, as PyTorch's documentation of CUDA graphs asks for. In them cuDNN
and cuBLAS choose algorithms and allocate workspaces, which is not allowed during the capture."""


def cuda_graph(function: Callable[[], Tensors], warm_up: Callable[[], Any]) -> tuple[Callable[[], None], Tensors]:
    """Capture a function in a CUDA graph.

    Args:
        function: Reads and writes tensors that stay where they are. It is captured, not run.
        warm_up: Runs the same kernels without lasting effects.

    Returns:
        `(replay, results)`. `replay()` runs the captured kernels, which write into `results`.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    graph = torch.cuda.CUDAGraph()
    with _fast_kernels():
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_CALLS):
                warm_up()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph):
            results = function()
    return graph.replay, results


@contextmanager
def _fast_kernels() -> Iterator[None]:
    """Let cuDNN time its algorithms in the block, and compute products of matrices in TF32, as JAX does by default."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


class Captured:
    """A step on buffers that stay where they are, so that a captured graph can run it.

    The new state is written over the old one. The caller holds the buffers of the state between calls, so only the
    batch is copied for a call.

    Args:
        step: Takes a list of tensors. The first results are the new values of the first tensors.
        inputs: Tensors of the shapes and types of every call.
        donated: How many of the first tensors are replaced by the first results.
        capture: Captures a function; see `cuda_graph`.
    """

    def __init__(self, step: Callable[[Tensors], Tensors], inputs: Tensors, donated: int, capture: Any = cuda_graph):
        self._buffers = [tensor.clone() for tensor in inputs]
        self._donated = donated

        def in_place() -> Tensors:
            results = step(self._buffers)
            _copy(results[:donated], self._buffers[:donated])
            return results[donated:]

        self._replay, self._results = capture(in_place, lambda: step(self._buffers))

    def __call__(self, inputs: Tensors) -> Tensors:
        """Run the step.

        Args:
            inputs: The state and the batch. Tensors that are already the buffers are not copied.

        Returns:
            The buffers of the state, then copies of the other results.
        """
        changed = [
            (tensor, buffer) for tensor, buffer in zip(inputs, self._buffers, strict=True) if tensor is not buffer
        ]
        _copy([tensor for tensor, _ in changed], [buffer for _, buffer in changed])
        self._replay()
        return [*self._buffers[: self._donated], *(result.clone() for result in self._results)]


def _copy(sources: Tensors, targets: Tensors) -> None:
    """Copy tensors into others with few kernels."""
    if sources:
        torch._foreach_copy_(targets, sources)
