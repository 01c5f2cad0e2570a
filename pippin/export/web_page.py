"""The generator as a folder that opens in a browser and paints there, on the visitor's machine.

The page opens by a double click. A page from disk may not fetch files, not even its neighbours, so the model and the
runtime come as scripts that hold them as text. The runtime is ONNX Runtime Web, which lies in `vendor/`.
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
from pippin.export.trained import Trained
from pippin.host.files import atomic_files, write_errors

RUNTIME = "onnxruntime-web"
LOADER, LIBRARY, BINARY = "ort-wasm-simd-threaded.mjs", "ort.wasm.min.js", "ort-wasm-simd-threaded.wasm.gz"


def write(trained: Trained, path: Path) -> None:
    """Write the page: `index.html`, and beside it the scripts with the model and the runtime.

    Args:
        trained: see `Trained`.
        path: the folder. Files in it that have the page's names are replaced.

    Raises:
        ExportError: see `pippin.export.onnx_file.write`, or it cannot be written there.
    """
    files = _files(trained, onnx_file.serialised(trained))
    with write_errors(path, "page", ExportError), atomic_files(path, files) as part:  # the page itself comes last
        for name, text in files.items():
            (part / name).write_text(text, encoding="utf-8")


def _files(trained: Trained, model: bytes) -> dict[str, str]:
    """Return name → text of every file of the page."""
    here = resources.files("pippin.export")
    vendor = here / "vendor" / RUNTIME
    library = (vendor / LIBRARY).read_text(encoding="utf-8").replace(f"//# sourceMappingURL={LIBRARY}.map", "")
    runtime = {
        "loader": _packed(gzip.compress((vendor / LOADER).read_bytes(), mtime=0)),
        "binary": _packed((vendor / BINARY).read_bytes()),
    }
    about = {
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
        "model.js": _script("model", {**about, "onnx": _packed(gzip.compress(model, mtime=0))}),
        "runtime.js": _script("runtime", runtime),
        "onnxruntime.js": library,
        "onnxruntime-LICENSE.txt": (vendor / "LICENSE").read_text(encoding="utf-8"),
        "page.js": (here / "web" / "page.js").read_text(encoding="utf-8"),
        "page.css": (here / "web" / "page.css").read_text(encoding="utf-8"),
        "index.html": page,
    }


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _script(name: str, contents: Mapping[str, object]) -> str:
    """A script that leaves an object where the page finds it."""
    return f"(globalThis.pippin ??= {{}}).{name} = {json.dumps(contents)};\n"
