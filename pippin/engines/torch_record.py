"""Recording a PyTorch function as a program of ATen operations.

`record` calls a function on real tensors and records every operation that PyTorch's dispatcher runs, the two
derivatives of the training step included. `make_fx` of PyTorch does the same, but it also computes shapes with fake
tensors and stores a stack trace for each operation, which takes many times as long.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from pippin.engines.torch_program import Geometry, Operation, Program, Value, replace

READS = (Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.data_ptr)
"""Methods that take values out of a tensor without the dispatcher, so that the recorder would not notice."""


class CannotRecordError(Exception):
    """The function does something that a program cannot repeat, such as to branch on the value of a tensor."""


def record(function: Callable[[list[Tensor]], list[Tensor]], inputs: list[Tensor]) -> tuple[Program, list[Tensor]]:
    """Call a function once and record what it does.

    Args:
        function: Takes the list of inputs and returns a list of tensors. What it computes must depend on the inputs and
            on PyTorch's global random generator only.
        inputs: The tensors to call it with.

    Returns:
        `(program, outputs)`, with the outputs of this call.

    Raises:
        CannotRecordError: The function reads the value of a tensor, uses a random generator of its own, or writes into
            a tensor that outlives the call.
    """
    inputs = [tensor.detach() for tensor in inputs]  # distinct objects, even if one tensor is passed twice
    recorder = Recorder(inputs)
    with recorder, NoReads(recorder):
        outputs = function(inputs)
    return Program(recorder.inputs, recorder.operations, [recorder.value(tensor) for tensor in outputs]), outputs


class Recorder(TorchDispatchMode):
    """Records the operations that depend on the inputs or on random numbers; all others give constants.

    Args:
        inputs: The inputs of the function.
    """

    def __init__(self, inputs: list[Tensor]):
        super().__init__()
        self.values: Any = WeakTensorKeyDictionary()
        self.made: Any = WeakTensorKeyDictionary()
        self.constants: dict[Any, Value] = {}
        self.constant_memory: set[int] = set()
        self.operations: list[Operation] = []
        self.inputs = [Value(Geometry.of(tensor)) for tensor in inputs]
        for tensor, value in zip(inputs, self.inputs, strict=True):
            self.values[tensor] = value

    def value(self, tensor: Tensor) -> Value:
        """Return the value that stands for a tensor. Equal scalars are one constant."""
        if tensor in self.values:
            found: Value = self.values[tensor]
            return found
        geometry = Geometry.of(tensor)
        key = (geometry, tensor.device, str(tensor.item())) if tensor.numel() == 1 else id(tensor)
        self.constant_memory.add(tensor.untyped_storage().data_ptr())
        return self.constants.setdefault(key, Value(geometry, tensor))

    def depends(self, tensor: Any) -> bool:
        """Return whether a tensor depends on an input."""
        return isinstance(tensor, Tensor) and tensor in self.values

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and record it."""
        kwargs = kwargs or {}
        tensors = [leaf for leaf in _leaves((args, tuple(kwargs.values()))) if isinstance(leaf, Tensor)]
        random = torch.Tag.nondeterministic_seeded in function.tags
        if any(isinstance(leaf, torch.Generator) for leaf in _leaves((args, tuple(kwargs.values())))):
            raise CannotRecordError(f"{function} uses a random generator of its own")
        if not (random or any(self.depends(tensor) for tensor in tensors)):
            return self._constant(function, args, kwargs)
        args_before, kwargs_before = (
            replace(part, lambda leaf: self.value(leaf) if isinstance(leaf, Tensor) else leaf)
            for part in (tuple(args), tuple(kwargs.items()))
        )
        call = Operation(function, args_before, dict(kwargs_before), None)
        if any(value.constant is not None for value in call.written()):
            raise CannotRecordError(f"{function} writes into a constant")
        results = function(*args, **kwargs)
        if any(leaf is not None and not isinstance(leaf, Tensor) for leaf in _leaves(results)):
            raise CannotRecordError(f"{function} reads the value of a tensor")
        recorded = replace(results, lambda leaf: leaf if leaf is None else self._result(leaf))
        recorded = tuple(recorded) if isinstance(recorded, list) else recorded
        self.operations.append(Operation(function, call.args, call.kwargs, recorded))
        return results

    def _result(self, tensor: Tensor) -> Value:
        """Return a new value for a result, or the old one if the operation returned an argument that it wrote into."""
        if tensor not in self.values:
            self.values[tensor] = Value(Geometry.of(tensor))
        return self.values[tensor]

    def _constant(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Run an operation whose result depends on no input."""
        for argument, tensor in zip(function._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                for leaf in _leaves(tensor):
                    if leaf not in self.made or leaf.untyped_storage().data_ptr() in self.constant_memory:
                        raise CannotRecordError(f"{function} writes into a constant")
        results = function(*args, **kwargs)
        shares_memory = any(argument.alias_info is not None for argument in function._schema.arguments)
        if not shares_memory or (isinstance(args[0], Tensor) and args[0] in self.made):
            for leaf in _leaves(results):
                if isinstance(leaf, Tensor):
                    self.made[leaf] = True
        return results


class NoReads(TorchFunctionMode):
    """Raises where the value of a tensor is read that depends on an input.

    Args:
        recorder: Knows which tensors depend on an input.
    """

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Check and run a function of PyTorch."""
        if function in READS and self.recorder.depends(args[0]):
            raise CannotRecordError(f"{function.__name__} reads the value of a tensor")
        return function(*args, **(kwargs or {}))


def _leaves(tree: Any) -> Iterator[Any]:
    """Yield what is in nested tuples and lists."""
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from _leaves(item)
    else:
        yield tree
