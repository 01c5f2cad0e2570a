"""The architectures of a run's networks on disk, as Keras' JSON."""

import json
from collections.abc import Iterable
from pathlib import Path

import keras

from pippin.errors import NetworkError, RunError
from pippin.host.files import damaged, write_text
from pippin.networks.random_state import preserved_random_state


def write_network(path: Path, model: keras.Model) -> None:
    """Write the architecture of a model, without weights.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(path, json.dumps(json.loads(model.to_json()), indent=1))


def read_network(path: Path) -> keras.Model:
    """Build a model with new weights from the architecture in a file.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        with preserved_random_state():  # Keras seeds initialisers from the user's global random generators
            model = keras.models.model_from_json(text)
        if not isinstance(model, keras.Model):
            raise ValueError(f"it holds a {type(model).__name__}")
        return model
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise RunError(damaged(path, problem)) from None


def check_rebuildable(models: Iterable[keras.Model]) -> None:
    """Raise a `NetworkError` unless each model can be rebuilt from its Keras configuration, as a run stores it."""
    for model in models:
        try:
            with preserved_random_state():
                keras.models.model_from_json(model.to_json())
        except Exception as problem:
            message = f"The {model.name} cannot be rebuilt from its configuration; register its own classes: {problem}"
            raise NetworkError(" ".join(message.split())) from None
