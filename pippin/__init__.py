"""Pippin trains a generator (GAN) on a folder of pictures and generates new pictures like them."""

import importlib
from typing import TYPE_CHECKING, Any

from pippin import engines

if TYPE_CHECKING:
    from pippin.auditing import audit
    from pippin.collecting import collect
    from pippin.pictures import Preparation
    from pippin.runs.curation import curate
    from pippin.runs.diagrams import diagram
    from pippin.runs.evaluation import evaluate
    from pippin.runs.provenance import again
    from pippin.runs.run import Run, open_run
    from pippin.session.plan import plan
    from pippin.session.train import train

__version__ = "0.1.0"
__all__ = [
    "Preparation",
    "Run",
    "__version__",
    "again",
    "audit",
    "collect",
    "curate",
    "diagram",
    "evaluate",
    "open_run",
    "plan",
    "train",
]

engines.select_backend()

_MODULES_WITHOUT_ENGINE = {
    "Preparation": "pippin.pictures",
    "audit": "pippin.auditing",
    "collect": "pippin.collecting",
}
"""Public name → its module, for modules that do not import Keras. They load an engine only if a call needs one."""

_MODULES_WITH_ENGINE = {
    "Run": "pippin.runs.run",
    "again": "pippin.runs.provenance",
    "curate": "pippin.runs.curation",
    "diagram": "pippin.runs.diagrams",
    "evaluate": "pippin.runs.evaluation",
    "open_run": "pippin.runs.run",
    "plan": "pippin.session.plan",
    "train": "pippin.session.train",
}
"""Public name → its module, for modules that import Keras. The engine is checked and loaded first."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import pippin` loads no engine."""
    module = _MODULES_WITHOUT_ENGINE.get(name)
    if module is None:
        if name not in _MODULES_WITH_ENGINE:
            raise AttributeError(f"module 'pippin' has no attribute {name!r}")
        engines.current()
        module = _MODULES_WITH_ENGINE[name]
    return getattr(importlib.import_module(module), name)
