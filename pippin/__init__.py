"""Pippin: point it at a folder of pictures, and it learns to paint new ones like them."""

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

_HOMES = {
    "Preparation": "pippin.pictures",
    "Run": "pippin.runs.run",
    "again": "pippin.runs.provenance",
    "audit": "pippin.auditing",
    "collect": "pippin.collecting",
    "curate": "pippin.runs.curation",
    "diagram": "pippin.runs.diagrams",
    "evaluate": "pippin.runs.evaluation",
    "open_run": "pippin.runs.run",
    "plan": "pippin.session.plan",
    "train": "pippin.session.train",
}


def __getattr__(name: str) -> Any:
    """Load what computes only when it is asked for, so that `import pippin` loads no engine."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pippin' has no attribute {name!r}")
    if name != "audit":  # which loads an engine by itself, where it needs one
        engines.current()
    return getattr(importlib.import_module(_HOMES[name]), name)
