"""The export formats: what writes each one, and what its file or folder is called."""

import os
from collections.abc import Callable
from pathlib import Path

from pippin.errors import ExportError
from pippin.export import huggingface, keras_file, onnx_file, tflite_file, web_page
from pippin.export.trained_generator import TrainedGenerator

FORMATS: dict[str, tuple[str, Callable[[TrainedGenerator, Path], None]]] = {
    "keras": ("generator.keras", keras_file.write),
    "onnx": ("generator.onnx", onnx_file.write),
    "web": ("web", web_page.write),
    "huggingface": ("huggingface", huggingface.write),
    "tflite": ("generator.tflite", tflite_file.write),
}
"""Format → the default name of its file or folder, and the function that writes it."""


def export(trained: TrainedGenerator, to: str, path: str | os.PathLike[str]) -> Path:
    """Export a trained generator.

    Args:
        trained: the generator and what is known about it.
        to: the format: a key of `FORMATS`.
        path: the file to write, or the folder for "web" and "huggingface". Missing folders are created, and existing
            files are replaced.

    Returns:
        `path` as a `Path`.

    Raises:
        ExportError: the format is unknown, a package is not installed, the format does not support a layer, or the
            file cannot be written.
    """
    path = Path(path)
    name, write = _format(to)
    if suffix := Path(name).suffix:
        if path.suffix != suffix:
            raise ExportError(f"The name of a file for {to} must end in {suffix}. Received: {path}")
        if path.is_dir():
            raise ExportError(f"{to} is one file, but there is a folder of that name. Received: {path}")
    elif path.exists() and not path.is_dir():
        raise ExportError(f"{to} is a folder, but there is a file of that name. Received: {path}")
    write(trained, path)
    return path


def default_name(to: str) -> str:
    """Return the default name of a format's file or folder.

    Raises:
        ExportError: the format is unknown.
    """
    return _format(to)[0]


def _format(to: str) -> tuple[str, Callable[[TrainedGenerator, Path], None]]:
    """Return the entry of a format in `FORMATS`."""
    if to not in FORMATS:
        raise ExportError(f"There is no such export format; use one of {', '.join(FORMATS)}. Received: {to}")
    return FORMATS[to]
