"""Export of a trained generator, one module for each format. It needs a generator and facts about it, but no run."""

from pippin.export.formats import FORMATS, default_name, export
from pippin.export.onnx_file import onnx_forward
from pippin.export.trained_generator import TrainedGenerator

__all__ = ["FORMATS", "TrainedGenerator", "default_name", "export", "onnx_forward"]
