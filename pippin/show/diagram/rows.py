"""The rows of a diagram: layers that belong together, in the order of the forward pass."""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras

from pippin.networks import graph
from pippin.show.diagram import costs
from pippin.show.diagram.labels import kind_of, label


@dataclass
class Row:
    """Layers that are shown together, such as an activation, its convolution and the addition that follows.

    Attributes:
        labels: labels of the layers in their order, such as "LeakyReLU", "Conv2D 3×3", "Add".
        kind: kind of the main layer; see `pippin.show.diagram.labels.KINDS`.
        shapes: output shapes for one image. Only a model can have several.
        parameters: number of parameters.
        frozen: whether there are parameters and none of them is trainable.
        memory: size of the layers' outputs for one image in float32, in bytes.
        flop: floating-point operations for one image.
        sources: the rows whose outputs are the inputs of this row.
    """

    labels: list[str]
    kind: str
    shapes: list[tuple[int, ...]]
    parameters: int = 0
    frozen: bool = False
    memory: int = 0
    flop: int = 0
    sources: list["Row"] = field(default_factory=list)


@dataclass
class Section:
    """The rows of a model.

    Attributes:
        name: name of the model.
        rows: the rows in the order of the forward pass.
        parameters: number of parameters of the model. It can be less than the sum over the rows, because a layer that
            is used twice is in two rows.
    """

    name: str
    rows: list[Row]
    parameters: int

    @property
    def memory(self) -> int:
        """Return the size of all layer outputs for one image in float32, in bytes."""
        return sum(row.memory for row in self.rows)

    @property
    def flop(self) -> int:
        """Return the floating-point operations for one image."""
        return sum(row.flop for row in self.rows)

    @property
    def frozen(self) -> bool:
        """Return whether there are parameters and none of them is trainable."""
        with_parameters = [row for row in self.rows if row.parameters]
        return bool(with_parameters) and all(row.frozen for row in with_parameters)


@dataclass(eq=False)
class _Node:
    """One use of a layer, as in Keras' graph.

    Attributes:
        layer: the layer, or the name of an input.
        sources: the nodes whose outputs are its inputs.
        shapes: its output shapes for one image.
        memory: size of its outputs for one image in float32, in bytes.
        flop: floating-point operations for one image.
        consumers: number of uses of its output.
        group: the nodes of its row.
    """

    layer: Any
    sources: list["_Node"]
    shapes: list[tuple[int, ...]]
    memory: int = 0
    flop: int = 0
    consumers: int = 0
    group: list["_Node"] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Return the kind of the layer."""
        return kind_of(self.layer)


def read(models: list[keras.Model]) -> list[Section]:
    """Return the rows of models in which every model takes the outputs of the one before, and may have more inputs.

    Args:
        models: built models, Sequential or functional. The layers of a model within a model are included, unless it is
            frozen; then it is one row.

    Returns:
        One `Section` for each model.

    Raises:
        NetworkError: a model is neither Sequential nor functional.
    """
    sections: list[Section] = []
    values: list[_Node] = []
    rows: dict[int, Row] = {}
    for model in models:
        graph.require_graph(model)
        nodes = [_Node(_input_name(tensor), [], [_shape(tensor)]) for tensor in model.inputs[len(values) :]]
        values = graph.propagate(model, [*values, *nodes], partial(_add_node, nodes), _is_frozen)
        _assign_groups(nodes, values)
        groups = _ordered(nodes)
        for group in groups:
            rows[id(group)] = _row(group, rows)
        sections.append(Section(model.name, [rows[id(group)] for group in groups], model.count_params()))
    return sections


def _is_frozen(model: keras.Model) -> bool:
    """Return whether a model has weights and none of them is trainable."""
    return bool(model.weights) and not model.trainable_weights


def _add_node(nodes: list[_Node], layer: Any, sources: list[_Node], outputs: list[Any]) -> list[_Node]:
    """Add the node of a layer, and return it once for each of the layer's outputs."""
    shapes = [source.shapes[0] for source in sources]
    memory, flop = _total_costs(layer) if isinstance(layer, keras.Model) else (costs.memory(outputs), 0)
    flop = flop or costs.flop(layer, shapes, outputs)
    node = _Node(layer, sources, [_shape(tensor) for tensor in outputs], memory, flop)
    for source in sources:
        source.consumers += 1
    nodes.append(node)
    return [node] * len(outputs)


def _total_costs(model: keras.Model) -> tuple[int, int]:
    """Return the memory and the operations of all layers of a model, summed."""
    total = [0, 0]

    def apply(layer: Any, shapes: list[tuple[int, ...]], outputs: list[Any]) -> list[tuple[int, ...]]:
        total[0] += costs.memory(outputs)
        total[1] += costs.flop(layer, shapes, outputs)
        return [_shape(tensor) for tensor in outputs]

    if graph.is_graph(model):
        graph.propagate(model, [_shape(tensor) for tensor in model.inputs], apply)
    return total[0], total[1]


def _shape(tensor: Any) -> tuple[int, ...]:
    """Return the shape of a symbolic tensor without the batch dimension."""
    return tuple(tensor.shape[1:])


def _input_name(tensor: Any) -> str:
    """Return the name of an input, or "Input" if Keras named it."""
    return "Input" if tensor.name.startswith(("input_layer", "keras_tensor")) else str(tensor.name)


def _assign_groups(nodes: list[_Node], outputs: list[_Node]) -> None:
    """Assign each node to the group of a source that has no other consumer, or to a new group."""
    for output in outputs:
        output.consumers += 1
    for node in nodes:
        joined = [
            source for source in node.sources if source in nodes and source.consumers == 1 and _joins(node, source)
        ]
        node.group = joined[-1].group if joined else []
        node.group.append(node)


def _joins(node: _Node, source: _Node) -> bool:
    """Return whether a node belongs in the row of its source."""
    kinds = [member.kind for member in source.group]
    if source.kind in ("input", "model") or node.kind in ("model", "flatten"):
        return False
    has_main_layer = bool({"convolution", "dense", "merge", "model"} & set(kinds))
    if node.kind in ("convolution", "dense"):
        return not has_main_layer
    if node.kind == "merge":
        return "merge" not in kinds and type(node.layer).__name__ != "Concatenate"
    if node.kind == "activation":
        return "activation" not in kinds and kinds[-1] != "resample"
    if node.kind == "resample":
        return has_main_layer and kinds[-1] in ("convolution", "dense", "merge", "resample")
    return node.kind in ("small", "shape")


def _ordered(nodes: list[_Node]) -> list[list[_Node]]:
    """Return the groups in topological order, with each branch in one piece and shorter branches first."""
    groups = list({id(node.group): node.group for node in nodes}.values())
    needs = {id(group): _sources(group, nodes) for group in groups}
    heights: dict[int, int] = {}
    for group in reversed(groups):  # in reverse topological order, so the heights of all consumers are known
        consumers = [heights.get(id(other), 0) for other in groups if group in needs[id(other)]]
        heights[id(group)] = 1 + max(consumers, default=0)
    done: list[list[_Node]] = []
    waiting = list(groups)
    while waiting:
        ready = [group for group in waiting if all(need in done for need in needs[id(group)])]
        last = done[-1] if done else None
        chosen = min(ready, key=lambda group: (_age(needs[id(group)], done, last), heights[id(group)]))
        done.append(chosen)
        waiting.remove(chosen)
    return done


def _age(needs: list[list[_Node]], done: list[list[_Node]], last: list[_Node] | None) -> int:
    """Return how long ago the latest source of a group was placed. Groups without sources come last."""
    ages = [len(done) - 1 - done.index(need) for need in needs]
    return min(ages) if ages else len(done) + 1


def _sources(group: list[_Node], nodes: list[_Node]) -> list[list[_Node]]:
    """Return the groups of the same model whose outputs a group uses."""
    found = [source.group for node in group for source in node.sources if source in nodes]
    unique = {id(source): source for source in found if source is not group}
    return list(unique.values())


def _row(group: list[_Node], rows: dict[int, Row]) -> Row:
    """Return the row of a group; `rows` are the rows of its sources, by the id of their group."""
    weights = {id(weight): weight for node in group for weight in getattr(node.layer, "weights", [])}
    trained = any(getattr(node.layer, "trainable_weights", []) for node in group)
    others = [source.group for node in group for source in node.sources if source.group is not group]
    sources = {id(other): rows[id(other)] for other in others}
    return Row(
        labels=[label(node.layer) for node in group],
        kind=next((k for k in ("model", "convolution", "dense", "merge", "resample") if k in _kinds(group)), "small"),
        shapes=group[-1].shapes,
        parameters=sum(math.prod(weight.shape) for weight in weights.values()),
        frozen=bool(weights) and not trained,
        memory=sum(node.memory for node in group),
        flop=sum(node.flop for node in group),
        sources=list(sources.values()),
    )


def _kinds(group: list[_Node]) -> set[str]:
    """Return the kinds of the nodes of a group."""
    return {node.kind for node in group}
