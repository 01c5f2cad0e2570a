"""A check of a network's JSON before Keras reads it, so that opening a run of someone else runs nothing but layers."""

from collections.abc import Callable
from typing import Any

import keras
from keras.src.backend.common import global_state

from pippin.runs.allowed_layers import ACTIVATIONS, CLASSES, DTYPES, FUNCTION_MODULES, MODELS, PIPPIN_LAYERS

Json = Any
"""What `json.loads` returns."""


def checked_network(value: Json) -> dict[str, Json]:
    """Return the JSON of a model with only what its layers need.

    Every class must be in `CLASSES` or be named by the caller in a `keras.saving.custom_object_scope`; classes that are
    only registered are not used, because any imported package may register some. Arguments of layers and operations are
    tensors, arrays, slices and plain values. What `compile` stored is left out.

    Args:
        value: the JSON of a model, as `keras.Model.to_json` writes it.

    Raises:
        ValueError: it holds something else. The message says what and in which layer.
    """
    if not isinstance(value, dict) or _kind(value) not in MODELS:
        raise ValueError("it does not hold a Sequential or functional model")
    try:
        return _object(value, "the model")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(value: dict[str, Json], where: str) -> dict[str, Json]:
    """Return a checked layer, operation, model, initialiser, or another object of Keras."""
    module, name, config = value.get("module"), value.get("class_name"), value.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        raise ValueError(f"{where} has no class or no configuration")
    title = f"{name} ({config['name']})" if isinstance(config.get("name"), str) else name
    registered = value.get("registered_name")
    is_own = isinstance(registered, str) and _is_in_scope(registered)
    if not is_own and not (isinstance(module, str) and name in CLASSES.get(module, ())):
        raise ValueError(
            f"{where} holds {title} of the module {module}, which is not one of the layers and operations that Pippin "
            "opens"
        )
    if name == "DTypePolicy":
        _one_of(config.get("name"), DTYPES, f"the data type of {where}")
    checked: dict[str, Json] = {
        "module": module,
        "class_name": name,
        "config": {key: _setting(key, item, title) for key, item in config.items()},
        "registered_name": registered if is_own else f"pippin>{name}" if module == PIPPIN_LAYERS else None,
    }
    if name in MODELS:
        checked["config"] = _model_config(config, title)
    for key, check in _REST.items():
        if value.get(key) is not None:
            checked[key] = check(value[key], title)
    return checked


def _model_config(config: dict[str, Json], where: str) -> dict[str, Json]:
    """Return the checked configuration of a model: its layers and what connects them."""
    layers = config.get("layers")
    if not isinstance(layers, list) or not all(isinstance(layer, dict) and "class_name" in layer for layer in layers):
        raise ValueError(f"{where} has no list of layers")
    rest = {key: _setting(key, config[key], where) for key in _MODEL_KEYS if key in config}
    return {**rest, "layers": [_object(layer, where) for layer in layers]}


_MODEL_KEYS = ("name", "trainable", "dtype", "input_layers", "output_layers", "build_input_shape")


def _setting(key: str, value: Json, where: str) -> Json:
    """Return a checked value of a configuration."""
    if key.endswith("activation") and isinstance(value, str):
        return _one_of(value, ACTIVATIONS, f"the activation function of {where}")
    if key == "dtype" and isinstance(value, str):
        return _one_of(value, DTYPES, f"the data type of {where}")
    if isinstance(value, list):
        return [_setting(key, item, where) for item in value]
    if not isinstance(value, dict):
        return _plain(value, where)
    if "class_name" not in value:
        return {name: _setting(name, item, where) for name, item in value.items()}
    if _kind(value) in _CONSTANTS:
        return _argument(value, where)
    return _function(value, where) if _kind(value) == "function" else _object(value, where)


def _function(value: dict[str, Json], where: str) -> str:
    """Return the name of an activation function that Keras stored as an object."""
    _one_of(value.get("module"), FUNCTION_MODULES, f"the module of a function of {where}")
    return _one_of(value.get("config"), ACTIVATIONS, f"the function of {where}")


def _nodes(value: Json, where: str) -> list[Json]:
    """Return the checked calls of a layer."""
    if not isinstance(value, list) or not all(isinstance(node, dict) for node in value):
        raise ValueError(f"{where} has calls in an unknown form")
    return [
        {"args": _argument(node.get("args", []), where), "kwargs": _argument(node.get("kwargs", {}), where)}
        for node in value
    ]


def _argument(value: Json, where: str) -> Json:
    """Return a checked argument of a call: a tensor, an array, a slice, a plain value, or a list or dict of these."""
    if isinstance(value, list):
        return [_argument(item, where) for item in value]
    if not isinstance(value, dict):
        return _plain(value, where)
    if "class_name" not in value:
        return {key: _argument(item, where) for key, item in value.items()}
    kind, config = _kind(value), value.get("config") or {}
    if kind not in _CONSTANTS or not isinstance(config, dict) or not set(_CONSTANTS[kind]) <= set(config):
        raise ValueError(f"{where} is called with {kind}, which is neither a tensor nor a plain value")
    if "dtype" in config:
        _one_of(config["dtype"], DTYPES, f"the data type of an argument of {where}")
    checked = {key: _argument(config[key], where) for key in _CONSTANTS[kind]}
    return {"class_name": kind, "config": checked}


_CONSTANTS: dict[str, tuple[str, ...]] = {
    "__keras_tensor__": ("shape", "dtype", "keras_history"),
    "__tensor__": ("value", "dtype"),
    "__numpy__": ("value", "dtype"),
    "__slice__": ("start", "stop", "step"),
    "__ellipsis__": (),
}
"""The kinds of argument that are no plain JSON → the keys of their configuration."""


def _plain(value: Json, where: str) -> Json:
    """Return a number, a text, a bool or None. A text must not be the name of a registered class or function."""
    if isinstance(value, str) and value in keras.saving.get_custom_objects():
        raise ValueError(f"{where} names {value}, which is registered but not in a custom_object_scope")
    return value


def _plain_values(value: Json, where: str) -> Json:
    """Return numbers and texts in lists and dicts, without any object of Keras."""
    if isinstance(value, list):
        return [_plain_values(item, where) for item in value]
    if isinstance(value, dict):
        if "class_name" in value:
            raise ValueError(f"{where} has an object where a shape belongs")
        return {key: _plain_values(item, where) for key, item in value.items()}
    return _plain(value, where)


_REST: dict[str, Callable[[Json, str], Json]] = {
    "name": _plain_values,
    "build_config": _plain_values,
    "shared_object_id": _plain_values,
    "inbound_nodes": _nodes,
}
"""Further keys of an object, each with the function that checks it. Other keys, such as `compile_config`, are left
out."""


def _one_of(value: Json, allowed: frozenset[str], what: str) -> str:
    """Return a text if it is one of those that are allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{what} is {str(value)[:60]}, which Pippin does not open")
    return value


def _kind(value: dict[str, Json]) -> str:
    """Return the name of the class of a stored object."""
    return str(value.get("class_name"))


def _is_in_scope(name: str) -> bool:
    """Return whether the caller named a class in a `custom_object_scope`, so that it may be used."""
    return name in global_state.get_global_attribute("custom_objects_scope_dict", {})
