"""Export as a `.keras` file, which Keras 3 loads on every engine without Pippin."""

from pathlib import Path

from pippin.export.trained_generator import TrainedGenerator, export_path
from pippin.host.keras_config import default_keras_config


@default_keras_config()
def write(trained: TrainedGenerator, path: Path) -> None:
    """Write the generator with `keras.Model.save`.

    Args:
        trained: the generator and what is known about it.
        path: the file, ending in .keras.

    Raises:
        ExportError: the file cannot be written.
    """
    with export_path(path) as part:
        trained.exported_model.save(part)
