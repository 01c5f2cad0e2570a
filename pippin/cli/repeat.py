"""The command that repeats the training of a run."""

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pippin.runs.record import RunRecord

OPTIONS = {
    "preset": "--preset",
    "image_size": "--image-size",
    "batches": "--batches",
    "minutes": "--minutes",
    "seed": "--seed",
    "batch_size": "--batch-size",
    "from_run": "--from",
}
"""Setting → its option of `pippin train`. They are always given, because their defaults depend on the pictures or the
machine."""

ALWAYS_SET = {"start"}
"""Settings that are always given with `--set`, because older runs had another default. Other settings are given if the
user gave them."""

OF_NETWORKS = {"latent_dim", "features"}
"""Settings that follow from the user's own networks, if a run has them. The command line has no option for these."""

BUILT_IN, ARRAY = "built-in:", "array:"
"""Beginnings of the stored names of sources that are no paths."""


def training_command(run: "RunRecord") -> str:
    """Return a command line that trains the same again, in another folder.

    With the same versions on the same machine, its result is the same to the bit on TensorFlow and JAX on a processor.
    """
    settings, choice = run.settings.to_dict(), run.folder.choice
    source = str(run.about["source"])
    words = ["pippin", "train", "ARRAY" if source.startswith(ARRAY) else source.removeprefix(BUILT_IN)]
    for name, value in settings.items():
        if value is None or name not in {*OPTIONS, *ALWAYS_SET, *choice.given}:
            continue
        words += [OPTIONS[name], f"{value}"] if name in OPTIONS else ["--set", f"{name}={value}"]
    for name, value in run.folder.preparation.non_default().items():
        option = f"--{name.replace('_', '-')}"
        words += [option] if value is True else [option, f"{value}"]
    command = f"KERAS_BACKEND={run.about['engine']} {shlex.join([*words, '--run', 'REPEATED'])}"
    return f"{command} (in Python, with its own networks)" if choice.derived & OF_NETWORKS else command
