"""Which formats there are, and where their files go."""

import os
from collections.abc import Callable
from pathlib import Path

from pippin.errors import ExportError
from pippin.export import huggingface, keras_file, onnx_file, tflite_file, web_page
from pippin.export.trained import Trained

FORMATS: dict[str, tuple[str, Callable[[Trained, Path], None]]] = {
    "keras": ("generator.keras", keras_file.write),
    "onnx": ("generator.onnx", onnx_file.write),
    "web": ("web", web_page.write),
    "huggingface": ("huggingface", huggingface.write),
    "tflite": ("generator.tflite", tflite_file.write),
}
"""Format → what its file or folder is called, and what writes it."""


def export(trained: Trained, to: str, path: str | os.PathLike[str]) -> Path:
    """Write a trained generator for use elsewhere.

    Args:
        trained: see `Trained`.
        to: a name in `FORMATS`.
        path: the file, or the folder for `web` and `huggingface`. Missing folders are made, files are replaced.

    Returns:
        The path.

    Raises:
        ExportError: an unknown format, a package that is missing, a layer that the format does not have, or a file that
            cannot be written.
    """
    path = Path(path)
    name, write = _format(to)
    if ending := Path(name).suffix:
        if path.suffix != ending:
            raise ExportError(f"A file for {to} must end in {ending}. Received: {path}")
        if path.is_dir():
            raise ExportError(f"There is a folder of that name. Received: {path}")
    elif path.exists() and not path.is_dir():
        raise ExportError(f"{to} writes a folder, and there is a file of that name. Received: {path}")
    write(trained, path)
    return path


def default_name(to: str) -> str:
    """Return what the file or folder of a format is called.

    Raises:
        ExportError: an unknown format.
    """
    return _format(to)[0]


def _format(to: str) -> tuple[str, Callable[[Trained, Path], None]]:
    if to not in FORMATS:
        raise ExportError(f"Export to one of {', '.join(FORMATS)}. Received: {to}")
    return FORMATS[to]
