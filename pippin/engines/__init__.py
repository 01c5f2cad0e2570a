"""The differences between TensorFlow, JAX and PyTorch, and nothing else.

All computation is written in `keras.ops`. An engine adds derivatives, compilation and device placement.
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

from pippin.engines.execution import Execution
from pippin.engines.stderr import suppressed_stderr
from pippin.errors import EngineError

ENGINES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
"""Each engine's name as a Keras backend, and the module that must be installed for it."""

INSTALL = "pip install tensorflow-cpu (a CPU), jax (GPUs, TPUs) or torch (Apple GPUs)"
"""How to install an engine, for error messages."""


class Engine(Protocol):
    """The interface that the modules `tensorflow`, `jax` and `torch` implement."""

    name: str

    def vjp(self, function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any], Any]:
        """Compute a function and prepare its vector-Jacobian product.

        Calls may be nested: a pullback that is called inside the function of an outer `vjp` is differentiated by it.

        Args:
            function: Takes `primals`, returns `(output, aux)`, both nested structures of tensors.
            *primals: Nested structures of float tensors to differentiate with respect to.

        Returns:
            `(output, pullback, aux)`. `pullback(cotangents)` takes a structure like `output` and returns a tuple of
            gradients, one for each primal and with its structure. It may be called once.
        """

    def jit(self, function: Callable[..., Any], donate: bool = False) -> Callable[..., Any]:
        """Compile a pure function of nested structures of tensors.

        Args:
            function: Pure; positional arguments only.
            donate: Whether the memory of its first argument may be reused for the result. The caller must not use
                those tensors afterwards.
        """

    def to_device(self, tree: Any) -> Any:
        """Copy a nested structure of NumPy arrays to the device, as tensors."""

    def to_host(self, tree: Any) -> Any:
        """Copy a nested structure of tensors to NumPy arrays, after all pending computation."""

    def device(self) -> str:
        """Return the device in a word or two, such as "CPU" or "2 GPU"."""

    def execution(self) -> Execution:
        """Return how training steps are executed on this hardware."""

    def loop(self, step: Callable[..., Any], select: Callable[..., Any]) -> Any:
        """Compile a loop of training steps; see `pippin.engines.jax_loop.JaxLoop`.

        It is called only by engines whose `execution` has more than one step in a call.
        """


def select_backend() -> None:
    """Set `KERAS_BACKEND` to the chosen engine, unless Keras is loaded. Loads nothing; `current` raises the errors."""
    if "keras" not in sys.modules:
        with contextlib.suppress(EngineError):
            os.environ["KERAS_BACKEND"] = choose()


def current() -> Engine:
    """Load Keras and return the engine of its backend.

    Raises:
        EngineError: No engine is installed, the chosen one is not, or Keras uses another backend.
    """
    if "keras" not in sys.modules:
        choose()
    with _quiet_loading():
        keras = _load_keras()
        backend = keras.backend.backend()
        if backend not in ENGINES:
            raise EngineError(f"Pippin trains on {', '.join(ENGINES)}. Received: KERAS_BACKEND={backend}")
        engine: Engine = importlib.import_module(f"pippin.engines.{backend}")
        engine.device()
    return engine


def _load_keras() -> Any:
    """Return Keras. It reads `keras.json` while it is imported, and raises errors of many classes for wrong values."""
    try:
        return importlib.import_module("keras")
    except MemoryError:
        raise
    except Exception as problem:
        reason = " ".join(str(problem).split())[:300] or type(problem).__name__
        advice = "correct or remove its configuration, free some memory, or install Keras again"
        raise EngineError(f"Keras cannot be loaded ({reason}); {advice}. Received: {_keras_json_path()}") from None


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """Suppress what TensorFlow's C++ code writes while it is loaded, whatever its settings, unless loading fails."""
    if "pippin.engines.tensorflow" in sys.modules or os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppressed_stderr(replay=True):
        yield


def choose() -> str:
    """Choose the engine: by `KERAS_BACKEND`, then by `keras.json`, then the best installed one for the hardware.

    Keras itself writes a `keras.json` that names TensorFlow. So an engine that is named there but not installed is
    taken for that default, not for the user's choice.

    Returns:
        One of `ENGINES`.

    Raises:
        EngineError: See `current`.
    """
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen:
        if chosen not in ENGINES:
            raise EngineError(f"Pippin trains on {', '.join(ENGINES)}. Received: KERAS_BACKEND={chosen}")
        if not _installed(ENGINES[chosen]):
            raise EngineError(f"KERAS_BACKEND={chosen}, but {chosen} is not installed. Install it with {INSTALL}")
        return chosen
    configured = _keras_json()
    if configured in ENGINES and _installed(ENGINES[configured]):
        return configured
    for name in _preference():
        if _installed(ENGINES[name]):
            return name
    raise EngineError(f"No engine to compute with: neither TensorFlow nor JAX nor PyTorch is installed. {INSTALL}")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _keras_json() -> str:
    """Return the backend that `keras.json` names, or "" if it names none."""
    try:
        return str(json.loads(_keras_json_path().read_text(encoding="utf-8")).get("backend"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""


def _keras_json_path() -> Path:
    """Return the path of Keras' configuration file, which Keras chooses in the same way."""
    folder = os.environ.get("KERAS_HOME")
    if folder is None:
        home = os.path.expanduser("~")
        folder = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return Path(os.path.expanduser(os.path.join(folder, "keras.json")))


def _preference() -> list[str]:
    """Return the engines from the best one for this hardware to the worst, without loading any."""
    nvidia = Path("/dev/nvidiactl").exists()
    if _installed("libtpu") or (nvidia and (_installed("jax_cuda13_plugin") or _installed("jax_cuda12_plugin"))):
        return ["jax", "torch", "tensorflow"]
    if (platform.system() == "Darwin" and platform.machine() == "arm64") or (nvidia and _torch_has_cuda()):
        return ["torch", "tensorflow", "jax"]
    return ["tensorflow", "jax", "torch"]


def _torch_has_cuda() -> bool:
    return _installed("torch") and "+cpu" not in importlib.metadata.version("torch")
