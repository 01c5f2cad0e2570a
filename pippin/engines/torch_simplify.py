"""Simplification of recorded programs without any change of their results, to the bit.

Keras 3.15 copies the input of each convolution from channels-last to channels-first and back, computes the same powers
for each weight, and makes views of views. No operation that is left gets other values or other strides than before.
"""

from typing import Any

import torch

from pippin.engines.torch_program import Operation, Program, Value, replace, values_in

COPIES = ("clone", "_to_copy")
"""Operations that copy a tensor, perhaps into another order in memory or another type."""


def simplify(program: Program) -> Program:
    """Return a program that computes the same without needless operations.

    A copy of a copy becomes a copy of the original. A copy that changes nothing, a view that equals another one and an
    operation that was computed before are replaced by what they equal. What no output needs is removed. Tensors that
    are written into, and all views of them, are left alone.
    """
    simplifier = Simplifier(program)
    operations = [kept for operation in program.operations if (kept := simplifier.reduced(operation)) is not None]
    outputs = [simplifier.current(value) for value in program.outputs]
    return Program(program.inputs, _needed(operations, outputs), outputs)


class Simplifier:
    """Replaces values of a program by equal ones, in the order of its operations.

    Args:
        program: The program.
    """

    def __init__(self, program: Program):
        self.replaced: dict[Value, Value] = {}
        self.copied: dict[Value, Value] = {}
        self.roots: dict[Value, Value] = {}
        self.known: dict[Any, Any] = {}
        for operation in program.operations:
            if operation.is_view:
                for result in values_in(operation.results):
                    self.roots.setdefault(result, self.root(next(operation.inputs())))
        self.written = {
            self.root(value)
            for operation in program.operations
            if operation.is_mutable
            for value in operation.written()
        }
        self.outputs = set(program.outputs)

    def root(self, value: Value) -> Value:
        """Return the value whose memory a value shares."""
        return self.roots.get(value, value)

    def current(self, thing: Any) -> Any:
        """Return what stands for a value now; anything else is returned as it is."""
        return self.replaced.get(thing, thing) if isinstance(thing, Value) else thing

    def fixed(self, value: Value) -> bool:
        """Return whether nothing writes into a value's memory."""
        return self.root(value) not in self.written

    def reduced(self, operation: Operation) -> Operation | None:
        """Return an operation on current values, or None if its results are replaced by equal ones."""
        args, kwargs = (
            replace(operation.args, self.current),
            {k: replace(v, self.current) for k, v in operation.kwargs.items()},
        )
        operation = Operation(operation.function, args, kwargs, operation.results)
        if operation.is_random or operation.is_mutable or not all(map(self.fixed, operation.inputs())):
            return operation
        if not all(map(self.fixed, values_in(operation.results))):
            return operation
        if _is_copy(operation):
            operation = self._copy_of_original(operation)
            (source,) = operation.inputs()
            if source.geometry == operation.results.geometry and not {source, operation.results} & self.outputs:
                self.replaced[operation.results] = source
                return None
        key = self._key(operation)
        equal = self.known.setdefault(key, operation.results)
        if equal is operation.results:
            if operation.is_view:
                self.known.setdefault(self._view_key(self.root(operation.results), operation.results), equal)
            return operation
        for result, other in zip(values_in(operation.results), values_in(equal), strict=True):
            self.replaced[result] = other
        return None

    def _copy_of_original(self, operation: Operation) -> Operation:
        """Return a copy of the original if its source is itself a copy, and the order in memory is given."""
        (source,) = operation.inputs()
        original = self.copied.get(source, source)
        self.copied[operation.results] = original
        if original is source or operation.kwargs.get("memory_format") in (None, torch.preserve_format):
            return operation
        return Operation(operation.function, (original, *operation.args[1:]), operation.kwargs, operation.results)

    def _key(self, operation: Operation) -> Any:
        """Return what two operations have in common if their results are equal."""
        if operation.is_view and isinstance(operation.results, Value):
            root = self.root(next(operation.inputs()))
            if root.geometry == operation.results.geometry:
                self.known.setdefault(self._view_key(root, root), root)
            return self._view_key(root, operation.results)
        return operation.function, self._hashable(operation.args), self._hashable(tuple(operation.kwargs.items()))

    def _view_key(self, root: Value, view: Value) -> Any:
        """Return what makes a view equal to another: the same memory, read in the same way."""
        return root, view.geometry

    def _hashable(self, thing: Any) -> Any:
        """Return an argument in a form that can be compared; types are part of it, because 1, 1.0 and True differ."""
        if isinstance(thing, tuple | list):
            return tuple(self._hashable(item) for item in thing)
        if isinstance(thing, float):
            return "float", thing.hex()
        return type(thing), thing


def _is_copy(operation: Operation) -> bool:
    """Return whether an operation copies a tensor without changing its type or device."""
    if operation.function.overloadpacket.__name__ not in COPIES:
        return False
    (source,) = operation.inputs()
    return source.geometry.dtype == operation.results.geometry.dtype and operation.kwargs.get("device") is None


def _needed(operations: list[Operation], outputs: list[Value]) -> list[Operation]:
    """Return the operations that an output needs, and all that write or draw random numbers."""
    needed, kept = set(outputs), []
    for operation in reversed(operations):
        if operation.is_random or operation.is_mutable or not needed.isdisjoint(values_in(operation.results)):
            needed.update(operation.inputs())
            kept.append(operation)
    return kept[::-1]
