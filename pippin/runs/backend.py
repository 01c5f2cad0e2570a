"""Image backends: what computes a run's images, ONNX Runtime or the engine."""

from typing import TYPE_CHECKING

from pippin import engines, export
from pippin.host.text import printable
from pippin.sampling.generation import ImageGenerator

if TYPE_CHECKING:
    from pippin.runs.run import Run

ONNX_RUNTIME = "onnxruntime"
"""Name of the image backend that is the fastest on a CPU."""


def default_backend() -> str:
    """Return the name of the default image backend: ONNX Runtime on a CPU, or else the engine."""
    engine = engines.current()
    return ONNX_RUNTIME if engine.device() == "CPU" else engine.name


def make_backend(run: "Run", name: str) -> tuple[str, ImageGenerator]:
    """Return an image backend for a run's generator, and its name.

    Args:
        run: the run.
        name: "onnxruntime", which is used if it is installed and supports the generator's layers. Any other name stands
            for the engine.
    """
    if name == ONNX_RUNTIME and (forward := export.onnx_forward(trained_generator(run))):
        return ONNX_RUNTIME, ImageGenerator(run.generator, forward)
    return engines.current().name, ImageGenerator(run.generator)


def trained_generator(run: "Run") -> export.TrainedGenerator:
    """Return a run's generator with what is known about its training, the input of every export format."""
    return export.TrainedGenerator(
        name=printable(run.path.resolve().name),
        generator=run.generator,
        settings=run.settings,
        about=run.about,
        batches=run.batches,
        seconds=run.seconds,
        best=run.best,
        audit=run.folder.audit_summary(),
        evaluation=run.evaluation(),
    )
