"""Export as a Hugging Face model repository: generator, sample images, model card, and a Gradio app for a Space."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pippin.errors import ExportError
from pippin.export import keras_file, onnx_file
from pippin.export.trained_generator import TrainedGenerator, require_package
from pippin.host.files import atomic_files, write_errors
from pippin.pictures import GREY, RGBA
from pippin.show import grid, save_picture
from pippin.training import draws

SAMPLES = 64
"""Number of generated images on the model card. They are not selected."""

FILES = ("generator.keras", "generator.onnx", "samples.png", "app.py", "requirements.txt", "README.md")
"""The files of the repository, in the order in which they are put in place."""


REQUIREMENTS = ("gradio", "numpy", "onnxruntime", "pillow")
"""What the app needs. Pippin itself needs no Gradio."""


def write(trained: TrainedGenerator, path: Path) -> None:
    """Write the repository. Existing files are replaced, the model card too.

    Args:
        trained: the generator and what is known about it.
        path: the folder.

    Raises:
        ExportError: see `pippin.export.onnx_file.write`; or the folder cannot be written.
    """
    with write_errors(path, "folder", ExportError), atomic_files(path, FILES) as part:
        keras_file.write(trained, part / "generator.keras")
        onnx_file.write(trained, part / "generator.onnx")
        save_picture(grid(trained.samples(SAMPLES)), part / "samples.png")
        (part / "app.py").write_text(app(), encoding="utf-8")
        (part / "requirements.txt").write_text("".join(f"{name}\n" for name in REQUIREMENTS), encoding="utf-8")
        (part / "README.md").write_text(model_card(trained), encoding="utf-8", errors="backslashreplace")


def app() -> str:
    """Return the Gradio app, which reads all facts about the generator from `generator.onnx`."""
    text = resources.files("pippin.export").joinpath("app.txt").read_text(encoding="utf-8")
    return text.replace("@@PURPOSE@@", str(int(draws.Purpose.SEED_LATENTS)))


def model_card(trained: TrainedGenerator) -> str:
    """Return the model card: Markdown with the front matter that Hugging Face reads."""
    reasons = trained.about["reasons"]
    settings = [(name, value, reasons.get(name, "")) for name, value in trained.settings.to_dict().items()]
    templates = Environment(
        loader=PackageLoader("pippin.export", "."), finalize=escaped, trim_blocks=True, lstrip_blocks=True
    )
    return templates.get_template("card.md").render(
        trained=trained,
        about=trained.about,
        count=SAMPLES,
        kind={GREY: "grey ", RGBA: "transparent "}.get(trained.channels, ""),
        settings=[setting for setting in settings if setting[1] is not None],
        memorisation=(trained.evaluation or {}).get("memorisation"),
    )


def escaped(value: Any) -> Any:
    """Return a text as Markdown that shows it: no markup, HTML, link or line break of it has an effect.

    Values that are no texts, and texts that the template marks as safe, are returned as they are.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    text = re.sub(r"\s+", " ", value).translate(_ESCAPES)
    return text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


_ESCAPES = {ord(mark): f"\\{mark}" for mark in "\\`*_[]|~#!"} | {ord("<"): "&lt;", ord(">"): "&gt;", ord("&"): "&amp;"}
"""Characters with a meaning in Markdown or HTML → what shows them."""


def push(path: Path, repository: str) -> str:
    """Upload the folder to Hugging Face, with the account that huggingface_hub is logged in to.

    Args:
        path: the folder that `write` wrote.
        repository: "NAME/REPOSITORY". It is created, private, if it does not exist.

    Returns:
        The address of the repository.

    Raises:
        ExportError: huggingface_hub is not installed, or the upload failed.
    """
    hub = require_huggingface_hub()
    try:
        address = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=path, allow_patterns=list(FILES))
    except Exception as problem:  # huggingface_hub raises errors of its own, of HTTP clients, and ValueError
        reason = " ".join(str(problem).split())
        raise ExportError(f"The upload failed: {reason}. Received: {repository}") from None
    return str(address)


def require_huggingface_hub() -> Any:
    """Return the module huggingface_hub. Call this before writing anything, to fail early.

    Raises:
        ExportError: it is not installed.
    """
    return require_package("huggingface_hub", "huggingface_hub", "Uploading")
