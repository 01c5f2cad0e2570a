"""A network → rows that people can read: what belongs together becomes one row, in the order in which it works."""

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
    """Layers that work as one: an activation, the convolution behind it and the sum that it flows into.

    Attributes:
        labels: of its layers, in their order: "LeakyReLU", "Conv2D 3×3", "Add".
        kind: of its main layer; see `pippin.show.diagram.labels.KINDS`.
        shapes: of what it gives for one picture, several only for a model that gives several.
        parameters: how many numbers it holds.
        frozen: whether none of them is trained.
        memory: bytes of float32 that its layers give for one picture.
        flop: floating-point operations for one picture.
        sources: the rows that it takes from.
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
    """A model's rows.

    Attributes:
        name: of the model.
        rows: in the order in which they work.
        parameters: how many numbers the model holds. (A layer that is used twice stands in two rows.)
    """

    name: str
    rows: list[Row]
    parameters: int

    @property
    def memory(self) -> int:
        """Bytes of float32 that all its layers give for one picture."""
        return sum(row.memory for row in self.rows)

    @property
    def flop(self) -> int:
        """Floating-point operations for one picture."""
        return sum(row.flop for row in self.rows)

    @property
    def frozen(self) -> bool:
        """Whether it holds something, and none of it is trained."""
        holding = [row for row in self.rows if row.parameters]
        return bool(holding) and all(row.frozen for row in holding)


@dataclass(eq=False)
class _Part:
    """A layer at the place where it is used."""

    layer: Any
    sources: list["_Part"]
    shapes: list[tuple[int, ...]]
    memory: int = 0
    flop: int = 0
    takers: int = 0
    group: list["_Part"] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return kind_of(self.layer)


def read(models: list[keras.Model]) -> list[Section]:
    """Read models of which each takes what the one before gives.

    Args:
        models: built, Sequential or functional. A model within a model is read along, unless it is frozen: then it is
            one row.

    Returns:
        One `Section` a model.

    Raises:
        NetworkError: a model is neither Sequential nor functional.
    """
    sections: list[Section] = []
    values: list[_Part] = []
    rows: dict[int, Row] = {}
    for model in models:
        graph.require_graph(model)
        parts = [] if values else [_Part(_called(tensor), [], [_shape(tensor)]) for tensor in model.inputs]
        values = graph.propagate(model, values or parts, partial(_use, parts), _whole)
        _fold(parts, values)
        groups = _ordered(parts)
        for group in groups:
            rows[id(group)] = _row(group, rows)
        sections.append(Section(model.name, [rows[id(group)] for group in groups], model.count_params()))
    return sections


def _whole(model: keras.Model) -> bool:
    return bool(model.weights) and not model.trainable_weights


def _use(parts: list[_Part], layer: Any, sources: list[_Part], outputs: list[Any]) -> list[_Part]:
    """Note that a layer is used. A layer with several outputs stands for each of them."""
    shapes = [source.shapes[0] for source in sources]
    memory, flop = _within(layer) if isinstance(layer, keras.Model) else (costs.memory(outputs), 0)
    flop = flop or costs.flop(layer, shapes, outputs)
    part = _Part(layer, sources, [_shape(tensor) for tensor in outputs], memory, flop)
    for source in sources:
        source.takers += 1
    parts.append(part)
    return [part] * len(outputs)


def _within(model: keras.Model) -> tuple[int, int]:
    """Return the memory and the operations of all layers of a model."""
    total = [0, 0]

    def apply(layer: Any, shapes: list[tuple[int, ...]], outputs: list[Any]) -> list[tuple[int, ...]]:
        total[0] += costs.memory(outputs)
        total[1] += costs.flop(layer, shapes, outputs)
        return [_shape(tensor) for tensor in outputs]

    if graph.is_graph(model):
        graph.propagate(model, [_shape(tensor) for tensor in model.inputs], apply)
    return total[0], total[1]


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.shape[1:])


def _called(tensor: Any) -> str:
    """What an input is called: its name, where somebody gave it one."""
    return "Input" if tensor.name.startswith(("input_layer", "keras_tensor")) else str(tensor.name)


def _fold(parts: list[_Part], outputs: list[_Part]) -> None:
    """Give each part its group: that of a part before it which nothing else takes from, or a new one."""
    for output in outputs:
        output.takers += 1
    for part in parts:
        joined = [source for source in part.sources if source in parts and source.takers == 1 and _joins(part, source)]
        part.group = joined[-1].group if joined else []
        part.group.append(part)


def _joins(part: _Part, source: _Part) -> bool:
    """Say whether a part goes into the row of one that it takes from."""
    kinds = [member.kind for member in source.group]
    if source.kind in ("input", "model") or part.kind in ("model", "flatten"):
        return False
    light = not {"convolution", "dense", "merge", "model"} & set(kinds)
    if part.kind in ("convolution", "dense"):
        return light
    if part.kind == "merge":
        return "merge" not in kinds and type(part.layer).__name__ != "Concatenate"
    if part.kind == "activation":
        return "activation" not in kinds and kinds[-1] != "resample"
    if part.kind == "resample":
        return not light and kinds[-1] in ("convolution", "dense", "merge", "resample")
    return part.kind in ("small", "shape")


def _ordered(parts: list[_Part]) -> list[list[_Part]]:
    """Order the groups so that each comes after what it takes from, branches in one piece and short ones first."""
    groups = list({id(part.group): part.group for part in parts}.values())
    needs = {id(group): _sources(group, parts) for group in groups}
    heights: dict[int, int] = {}
    for group in reversed(groups):  # the parts are in topological order, so a group's takers have their heights
        takers = [heights.get(id(other), 0) for other in groups if group in needs[id(other)]]
        heights[id(group)] = 1 + max(takers, default=0)
    done: list[list[_Part]] = []
    waiting = list(groups)
    while waiting:
        ready = [group for group in waiting if all(need in done for need in needs[id(group)])]
        last = done[-1] if done else None
        chosen = min(ready, key=lambda group: (_age(needs[id(group)], done, last), heights[id(group)]))
        done.append(chosen)
        waiting.remove(chosen)
    return done


def _age(needs: list[list[_Part]], done: list[list[_Part]], last: list[_Part] | None) -> int:
    """How long ago the newest of what a group needs was placed; beginnings come when nothing else is ready."""
    places = [len(done) - 1 - done.index(need) for need in needs]
    return min(places) if places else len(done) + 1


def _sources(group: list[_Part], parts: list[_Part]) -> list[list[_Part]]:
    """Return the groups that a group takes from, of its own model."""
    found = [source.group for part in group for source in part.sources if source in parts]
    unique = {id(source): source for source in found if source is not group}
    return list(unique.values())


def _row(group: list[_Part], rows: dict[int, Row]) -> Row:
    weights = {id(weight): weight for part in group for weight in getattr(part.layer, "weights", [])}
    trained = any(getattr(part.layer, "trainable_weights", []) for part in group)
    others = [source.group for part in group for source in part.sources if source.group is not group]
    sources = {id(other): rows[id(other)] for other in others}
    return Row(
        labels=[label(part.layer) for part in group],
        kind=next((k for k in ("model", "convolution", "dense", "merge", "resample") if k in _kinds(group)), "small"),
        shapes=group[-1].shapes,
        parameters=sum(math.prod(weight.shape) for weight in weights.values()),
        frozen=bool(weights) and not trained,
        memory=sum(part.memory for part in group),
        flop=sum(part.flop for part in group),
        sources=list(sources.values()),
    )


def _kinds(group: list[_Part]) -> set[str]:
    return {part.kind for part in group}
