"""What differs between TensorFlow, JAX and PyTorch, and nothing else.

Everything that computes is written in `keras.ops`; an engine adds derivatives, compilation and device placement.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from pippin.engines.stderr import suppressed_stderr
from pippin.errors import EngineError

ENGINES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
"""Each engine's name for Keras, and the module that must be importable for it."""

INSTALL = "pip install tensorflow-cpu (a CPU), jax (GPUs, TPUs) or torch (Apple GPUs)"


class Engine(Protocol):
    """The interface that `tensorflow.py`, `jax.py` and `torch.py` fill, as modules."""

    name: str

    def vjp(self, function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any], Any]:
        """Compute a function and prepare its vector-Jacobian product.

        May be nested: a pullback called inside the function of an outer `vjp` is differentiated by that one.

        Args:
            function: takes `primals`, returns `(output, aux)`, both nested structures of tensors.
            *primals: nested structures of float tensors to differentiate with respect to.

        Returns:
            `(output, pullback, aux)`. `pullback(cotangents)`, called at most once, takes a structure like `output`
            and returns a tuple of gradients, one for each primal and of its structure.
        """

    def jit(self, function: Callable[..., Any], donate: bool = False) -> Callable[..., Any]:
        """Compile a pure function of nested structures of tensors.

        Args:
            function: Pure; positional arguments only.
            donate: Whether the memory of its first argument may be reused for the result. The caller must not use
                those tensors afterwards.
        """

    def to_device(self, tree: Any) -> Any:
        """Turn a nested structure of NumPy arrays into tensors where the engine computes."""

    def to_host(self, tree: Any) -> Any:
        """Turn a nested structure of tensors into NumPy arrays, waiting for what is still being computed."""

    def device(self) -> str:
        """Say in a word or two what the engine computes on."""


def select_backend() -> None:
    """Tell Keras which engine to use, before it is loaded. Loads nothing, and leaves complaints to `current`."""
    if "keras" not in sys.modules:
        with contextlib.suppress(EngineError):
            os.environ["KERAS_BACKEND"] = choose()


def current() -> Engine:
    """Load Keras and return the engine that it computes with.

    Raises:
        EngineError: none is installed, or the chosen one is not, or Keras was told to use another backend.
    """
    if "keras" not in sys.modules:
        choose()
    with _quiet_loading():
        import keras

        backend = keras.backend.backend()
        if backend not in ENGINES:
            raise EngineError(f"Pippin trains on {', '.join(ENGINES)}. Received: KERAS_BACKEND={backend}")
        engine: Engine = importlib.import_module(f"pippin.engines.{backend}")
        engine.device()
    return engine


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """Hold back what TensorFlow's C++ says when it is loaded (no setting of its own does), unless loading fails."""
    if "pippin.engines.tensorflow" in sys.modules or os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppressed_stderr(replay=True):
        yield


def choose() -> str:
    """Name the engine that Keras is to use, by Keras' own means: `KERAS_BACKEND`, then `keras.json`.

    Keras writes a `keras.json` that names TensorFlow by itself, so an engine named there but not installed is taken
    for that default and not for somebody's wish. If nothing is chosen: the best installed one for the hardware.

    Returns:
        One of `ENGINES`.

    Raises:
        EngineError: see `current`.
    """
    wish = os.environ.get("KERAS_BACKEND")
    if wish:
        if wish not in ENGINES:
            raise EngineError(f"Pippin trains on {', '.join(ENGINES)}. Received: KERAS_BACKEND={wish}")
        if not _installed(ENGINES[wish]):
            raise EngineError(f"KERAS_BACKEND={wish}, but {wish} is not installed. Install it with {INSTALL}")
        return wish
    written = _keras_json()
    if written in ENGINES and _installed(ENGINES[written]):
        return written
    for name in _preference():
        if _installed(ENGINES[name]):
            return name
    raise EngineError(f"No engine to compute with: neither TensorFlow nor JAX nor PyTorch is installed. {INSTALL}")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _keras_json() -> str | None:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        return None


def _preference() -> list[str]:
    """Order the engines for this hardware without loading any of them."""
    nvidia = Path("/dev/nvidiactl").exists()
    if _installed("libtpu") or (nvidia and (_installed("jax_cuda13_plugin") or _installed("jax_cuda12_plugin"))):
        return ["jax", "torch", "tensorflow"]
    if (platform.system() == "Darwin" and platform.machine() == "arm64") or (nvidia and _torch_has_cuda()):
        return ["torch", "tensorflow", "jax"]
    return ["tensorflow", "jax", "torch"]


def _torch_has_cuda() -> bool:
    return _installed("torch") and "+cpu" not in importlib.metadata.version("torch")
