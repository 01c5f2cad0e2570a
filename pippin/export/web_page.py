"""Export as a folder with a web page that generates images in the browser, on the visitor's machine.

The page opens with a double click. Browsers do not let a page from disk fetch files, not even from its own folder, so
the model and the runtime are scripts that hold them as text. The runtime is ONNX Runtime Web, stored in `vendor/`.
"""

import base64
import gzip
import importlib.metadata
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader

from pippin.errors import ExportError
from pippin.export import onnx_file
from pippin.export.trained_generator import TrainedGenerator
from pippin.host.files import atomic_files, write_errors

RUNTIME = "onnxruntime-web"
"""The folder of the runtime in `vendor/`."""

LOADER, LIBRARY, BINARY = "ort-wasm-simd-threaded.mjs", "ort.wasm.min.js", "ort-wasm-simd-threaded.wasm.gz"
"""The files of the runtime: what loads the WebAssembly module, the JavaScript API, and the module itself."""


def write(trained: TrainedGenerator, path: Path) -> None:
    """Write the page: `index.html`, and the scripts with the model and the runtime.

    Args:
        trained: the generator and what is known about it.
        path: the folder. Files in it that have the names of the page's files are replaced.

    Raises:
        ExportError: see `pippin.export.onnx_file.write`; or the folder cannot be written.
    """
    files = _files(trained, onnx_file.serialise(trained))
    with write_errors(path, "page", ExportError), atomic_files(path, files) as part:
        for name, text in files.items():
            (part / name).write_text(text, encoding="utf-8", errors="backslashreplace")


def _files(trained: TrainedGenerator, model: bytes) -> dict[str, str]:
    """Return name → text of every file of the page, `index.html` last, so that it never opens without the others."""
    package = resources.files("pippin.export")
    vendor = package / "vendor" / RUNTIME
    library = (vendor / LIBRARY).read_text(encoding="utf-8").replace(f"//# sourceMappingURL={LIBRARY}.map", "")
    runtime = {
        "loader": _base64(gzip.compress((vendor / LOADER).read_bytes(), mtime=0)),
        "binary": _base64((vendor / BINARY).read_bytes()),
    }
    facts = {
        "name": trained.name,
        "latentDim": trained.latent_dim,
        "imageSize": trained.image_size,
        "channels": trained.channels,
        "labels": trained.labels,
    }
    templates = Environment(loader=PackageLoader("pippin.export", "web"), autoescape=True, trim_blocks=True)
    page = templates.get_template("index.html").render(
        trained=trained, version=importlib.metadata.version("pippin"), batches=(trained.best or [trained.batches])[0]
    )
    return {
        "model.js": _script("model", {**facts, "onnx": _base64(gzip.compress(model, mtime=0))}),
        "runtime.js": _script("runtime", runtime),
        "onnxruntime.js": library,
        "onnxruntime-LICENSE.txt": (vendor / "LICENSE").read_text(encoding="utf-8"),
        **{name: (package / "web" / name).read_text(encoding="utf-8") for name in ("canvas.js", "page.js", "page.css")},
        "index.html": page,
    }


def _base64(data: bytes) -> str:
    """Return bytes as text in base64."""
    return base64.b64encode(data).decode("ascii")


def _script(name: str, contents: Mapping[str, object]) -> str:
    """Return a script that stores an object as `pippin.NAME`, where the page's own script finds it."""
    return f"(globalThis.pippin ??= {{}}).{name} = {json.dumps(contents)};\n"
