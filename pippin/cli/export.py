"""The verbs that draw and export networks: `diagram` and `export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import pippin
from pippin.cli.arguments import RunFolder
from pippin.cli.printing import print_line
from pippin.errors import SettingsError


class Theme(StrEnum):
    """The colour schemes of diagrams."""

    auto = "auto"
    light = "light"
    dark = "dark"


class Format(StrEnum):
    """The formats of exported generators."""

    keras = "keras"
    onnx = "onnx"
    web = "web"
    huggingface = "huggingface"
    tflite = "tflite"


_DESCRIPTIONS = {
    Format.keras: "For Keras 3",
    Format.onnx: "For ONNX Runtime",
    Format.web: "Open in a browser",
    Format.huggingface: "A model repository",
    Format.tflite: "For LiteRT",
}


def diagram(
    subject: Annotated[str, typer.Argument(help="A run, or a preset: standard or classic.", metavar="RUN|PRESET")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File for the diagram: .svg, or a picture such as .png.")
    ] = Path("networks.svg"),
    theme: Annotated[
        Theme, typer.Option(help="Colour scheme; auto follows the viewer's in an SVG, and is light otherwise.")
    ] = Theme.auto,
    image_size: Annotated[
        int, typer.Option(help="Side of the images in pixels, for a PRESET: 16, 32, 64, 128, 256 or 512.")
    ] = 64,
) -> None:
    """Draw both networks side by side: layers, shapes, parameters, memory and computation."""
    format = "svg" if output.suffix.lower() == ".svg" else "png"
    drawn = pippin.diagram(subject, format=format, theme=theme.value, image_size=image_size)
    from pippin.show.diagram import save

    print_line(f"Both networks: {save(drawn, output)}")


def export(
    run: RunFolder,
    to: Annotated[Format, typer.Option(help="Format.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File or folder to write. Default: in RUN.")
    ] = None,
    push: Annotated[str | None, typer.Option(help="Upload the huggingface folder to this NAME/REPOSITORY.")] = None,
) -> None:
    """Export RUN's generator: for Keras, ONNX Runtime, a web page, Hugging Face or LiteRT."""
    if push == "":
        raise SettingsError("--push needs the NAME/REPOSITORY to upload to. Received: an empty text")
    if push and to is not Format.huggingface:
        raise SettingsError(f"--push needs --to huggingface. Received: --to {to.value} --push {push}")
    opened = pippin.open_run(run)
    from pippin.export import huggingface

    if push:
        huggingface.require_huggingface_hub()
    written = opened.export(to.value, output)
    print_line(
        f"{_DESCRIPTIONS[to]}: {written / 'index.html' if to is Format.web else written} ({_megabytes(written)})"
    )
    if push:
        print_line(f"Uploaded: {huggingface.push(written, push)}")


def _megabytes(path: Path) -> str:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
