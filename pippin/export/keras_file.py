"""The generator as `.keras`, which plain Keras 3 loads on every engine."""

from pathlib import Path

from pippin.export.trained import Trained, writing


def write(trained: Trained, path: Path) -> None:
    """Write the generator as Keras writes models.

    Args:
        trained: see `Trained`.
        path: the file, ending in .keras.

    Raises:
        ExportError: it cannot be written there.
    """
    with writing(path) as part:
        trained.signature.save(part)
