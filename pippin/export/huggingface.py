"""A folder as Hugging Face keeps models: the generator, a model card that tells what is known, and pictures."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pippin.errors import ExportError
from pippin.export import keras_file, onnx_file
from pippin.export.trained import Trained, need
from pippin.host.files import atomic_files, write_errors
from pippin.pictures import GREY, RGBA
from pippin.show import grid, save_picture

SAMPLES = 64
"""Uncurated pictures on the card."""

FILES = ("generator.keras", "generator.onnx", "samples.png", "README.md")


def write(trained: Trained, path: Path) -> None:
    """Write the folder. A model card that is there already is replaced, like the rest.

    Args:
        trained: see `Trained`.
        path: the folder.

    Raises:
        ExportError: see `pippin.export.onnx_file.write`, or it cannot be written there.
    """
    with write_errors(path, "folder", ExportError), atomic_files(path, FILES) as part:
        keras_file.write(trained, part / "generator.keras")
        onnx_file.write(trained, part / "generator.onnx")
        save_picture(grid(trained.samples(SAMPLES)), part / "samples.png")
        (part / "README.md").write_text(card(trained), encoding="utf-8")


def card(trained: Trained) -> str:
    """Return the model card: Markdown with the front matter that Hugging Face reads."""
    reasons = trained.about["reasons"]
    settings = [(name, value, reasons.get(name, "")) for name, value in trained.settings.to_dict().items()]
    templates = Environment(loader=PackageLoader("pippin.export", "."), trim_blocks=True, lstrip_blocks=True)
    return templates.get_template("card.md").render(
        trained=trained,
        about=trained.about,
        count=SAMPLES,
        kind={GREY: "grey ", RGBA: "transparent "}.get(trained.channels, ""),
        settings=[setting for setting in settings if setting[1] is not None],
        memorisation=(trained.evaluation or {}).get("memorisation"),
    )


def push(path: Path, repository: str) -> str:
    """Upload the folder to Hugging Face, with the account that its own tools know.

    Args:
        path: what `write` wrote.
        repository: "NAME/REPOSITORY"; it is made, private, if it is not there.

    Returns:
        Its address.

    Raises:
        ExportError: huggingface_hub is not installed, or the upload did not succeed.
    """
    hub = _hub()
    try:
        address = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=path, allow_patterns=list(FILES))
    except Exception as problem:  # it raises its own kinds, those of HTTP clients and ValueError
        reason = " ".join(str(problem).split())
        raise ExportError(f"The upload did not succeed: {reason}. Received: {repository}") from None
    return str(address)


def check_push() -> None:
    """Raise an `ExportError` unless there is something to upload with, before anything is written."""
    _hub()


def _hub() -> Any:
    return need("huggingface_hub", "huggingface_hub", "Uploading")
