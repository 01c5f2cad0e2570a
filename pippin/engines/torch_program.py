"""Programs of ATen operations, which run without the Python code that they were recorded from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """How a tensor lies in its memory."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> "Geometry":
        """Return the geometry of a tensor."""
        return cls(tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), tensor.dtype)


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of a program: an input, a constant or a result.

    Attributes:
        geometry: How it lies in memory when the program runs.
        constant: The tensor itself, if it depends on no input.
    """

    geometry: Geometry
    constant: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Operation:
    """One call of an ATen operation.

    Attributes:
        function: The operation.
        args: Positional arguments; tensors are `Value`s.
        kwargs: Keyword arguments; tensors are `Value`s.
        results: A `Value`, or a tuple of `Value`s and None.
    """

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: Any

    @property
    def is_random(self) -> bool:
        """Whether it draws random numbers."""
        return torch.Tag.nondeterministic_seeded in self.function.tags

    @property
    def is_mutable(self) -> bool:
        """Whether it writes into an argument."""
        return bool(self.function._schema.is_mutable)

    @property
    def is_view(self) -> bool:
        """Whether its result shares the memory of an argument."""
        return any(argument.alias_info is not None for argument in self.function._schema.arguments)

    def inputs(self) -> Iterator[Value]:
        """Yield the values that it reads or writes."""
        return values_in((self.args, tuple(self.kwargs.values())))

    def written(self) -> Iterator[Value]:
        """Yield the values that it writes into."""
        for position, argument in enumerate(self.function._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                written = self.args[position] if position < len(self.args) else self.kwargs.get(argument.name)
                yield from values_in(written)


@dataclass(frozen=True)
class Program:
    """Operations in the order in which they run.

    Attributes:
        inputs: The tensors that a call takes.
        operations: The operations.
        outputs: The tensors that a call returns.
    """

    inputs: list[Value]
    operations: list[Operation]
    outputs: list[Value]

    def compile(self) -> Callable[[list[Tensor]], list[Tensor]]:
        """Return a function of a list of input tensors that runs the program and returns a list of output tensors."""
        source = Source(self)
        lines = source.lines()
        scope: dict[str, Any] = source.objects
        exec(compile("\n".join(lines), "<program>", "exec"), scope)
        run: Callable[[list[Tensor]], list[Tensor]] = torch.no_grad()(scope["run"])
        return run


def values_in(tree: Any) -> Iterator[Value]:
    """Yield the values in nested tuples and lists."""
    if isinstance(tree, Value):
        yield tree
    elif isinstance(tree, tuple | list):
        for item in tree:
            yield from values_in(item)


def replace(tree: Any, substitute: Callable[[Any], Any]) -> Any:
    """Return nested tuples and lists with `substitute` applied to everything that is neither."""
    if isinstance(tree, tuple | list):
        return type(tree)(replace(item, substitute) for item in tree)
    return substitute(tree)


@dataclass
class Source:
    """Writes a program as the source of a Python function.

    Attributes:
        program: The program.
        objects: Name → operation, constant or other argument that the source refers to.
    """

    program: Program
    objects: dict[str, Any] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the lines of `def run(inputs)`. Each tensor is released after its last use."""
        program = self.program
        last_uses = self._last_uses()
        inputs = [self._name(value) for value in program.inputs]
        lines = ["def run(inputs):", f"    [{', '.join(inputs)}] = inputs", "    del inputs"]
        for index, operation in enumerate(program.operations):
            arguments = [self._text(argument) for argument in operation.args]
            arguments += [f"{name}={self._text(argument)}" for name, argument in operation.kwargs.items()]
            lines.append(f"    {self._targets(operation)} = {self._object(operation.function)}({', '.join(arguments)})")
            if index in last_uses:
                lines.append(f"    {' = '.join(last_uses[index])} = None")
        return [*lines, f"    return [{', '.join(self._name(value) for value in program.outputs)}]"]

    def _targets(self, operation: Operation) -> str:
        """Return the names that the results are assigned to."""
        if operation.results is None:
            return "_"
        if isinstance(operation.results, Value):
            return self._name(operation.results)
        return "[" + ", ".join("_" if value is None else self._name(value) for value in operation.results) + "]"

    def _last_uses(self) -> dict[int, list[str]]:
        """Return the index of an operation → the names that are not used after it."""
        kept = {id(value) for value in self.program.outputs}
        last: dict[int, tuple[int, Value]] = {}
        for index, operation in enumerate(self.program.operations):
            for value in (*operation.inputs(), *values_in(operation.results)):
                if value.constant is None and id(value) not in kept:
                    last[id(value)] = index, value
        uses: dict[int, list[str]] = {}
        for index, value in last.values():
            uses.setdefault(index, []).append(self._name(value))
        return uses

    def _name(self, value: Value) -> str:
        """Return the name of a value."""
        if value.constant is not None:
            return self._object(value.constant)
        return self._names.setdefault(id(value), f"v{len(self._names)}")

    def _object(self, thing: Any) -> str:
        """Return the name of an object that is not made by the program."""
        name = f"o{id(thing)}"
        self.objects[name] = thing
        return name

    def _text(self, argument: Any) -> str:
        """Return an argument as source."""
        if isinstance(argument, Value):
            return self._name(argument)
        if isinstance(argument, tuple | list):
            return "[" + ", ".join(self._text(item) for item in argument) + "]"
        if argument is None or isinstance(argument, bool | int):
            return repr(argument)
        return self._object(argument)
