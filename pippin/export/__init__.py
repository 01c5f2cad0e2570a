"""What a run learnt, for use elsewhere: one module a format. They know a generator and what is known of it, no run."""

from pippin.export.formats import FORMATS, default_name, export
from pippin.export.onnx_file import painter
from pippin.export.trained import Trained

__all__ = ["FORMATS", "Trained", "default_name", "export", "painter"]
