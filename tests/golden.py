"""Golden losses: 20 training steps of three small runs on one engine, to the last bit.

`KERAS_BACKEND=jax python tests/golden.py` prints them as JSON. With `--write` it replaces `tests/golden/jax.json`; do
that only for a change that is meant to change training, and say so in the commit. `test_golden.py` compares them.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import sys
from pathlib import Path

import keras
import numpy as np

from pippin import engines, networks
from pippin.pictures import Labels
from pippin.settings import choose
from pippin.training.trainer import Trainer

FILES = Path(__file__).parent / "golden"
STEPS = 20
CASES = {
    "features": {"preset": "standard", "image_size": 16, "batch_size": 4},
    "pixels": {"preset": "standard", "image_size": 16, "batch_size": 4, "latent_dim": 16, "features": "none"},
    "classic": {"preset": "classic", "image_size": 16, "batch_size": 4, "latent_dim": 16},
}
"""Name → settings. "features" is the usual recipe; "pixels" adds labels and transparency."""


class Pictures:
    """Random images of 4×4 plain blocks, uint8 (N, S, S, C), with labels if they have four channels."""

    def __init__(self, size: int, channels: int, count: int = 24):
        coarse = np.random.default_rng(7).integers(0, 256, (count, 4, 4, channels), dtype=np.uint8)
        self._images = coarse.repeat(size // 4, axis=1).repeat(size // 4, axis=2)
        self.labels = Labels(("disc", "square", "star"), np.arange(count) % 3) if channels == 4 else None

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, which):
        return self._images[which]


def losses(name: str) -> dict[str, object]:
    """Train one case; return each measure's values as hexadecimal floats, and a digest of the state at the end."""
    settings = choose(**CASES[name], batches=STEPS, seed=11, warmup=4).settings
    pictures = Pictures(settings.image_size, 4 if name == "pixels" else 3)
    more = {"labels": 3} if name == "pixels" else {}
    pair = networks.build(
        settings.preset,
        settings.image_size,
        settings.latent_dim,
        settings.seed,
        settings.features,
        channels=4 if name == "pixels" else 3,
        **more,
    )
    engine = engines.current()
    trainer = Trainer(engine, settings, pair, pictures)
    measured = [engine.to_host(trainer.step()) for _ in range(STEPS)]
    digest = hashlib.sha256()
    for array in keras.tree.flatten(trainer.state_on_host()):
        digest.update(np.ascontiguousarray(array).tobytes())
    values = {key: [float(step[key]).hex() for step in measured] for key in sorted(measured[0])}
    return {"measures": values, "state": digest.hexdigest()}


def environment() -> dict[str, str]:
    """Return what the last bits depend on."""
    facts = dict(re.split(r"\s*:\s*", line, maxsplit=1) for line in cpu_lines() if ":" in line)
    vectors = sorted(flag for flag in facts.get("flags", "").split() if flag.startswith(("avx", "amx", "fma", "sse")))
    model = facts.get("model name", "unknown")
    module = {"tensorflow": "tensorflow-cpu"}.get(keras.backend.backend(), keras.backend.backend())
    versions = {name: importlib.metadata.version(name) for name in ("keras", "numpy", module)}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": f"{platform.machine()}, {model}",
        "vectors": " ".join(vectors),
        "cores": str(cores),
        **versions,
    }


def cpu_lines() -> list[str]:
    """Return the lines of /proc/cpuinfo; none where there is no such file."""
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def main() -> None:
    found = {"environment": environment(), **{name: losses(name) for name in CASES}}
    text = json.dumps(found, indent=1) + "\n"
    if "--write" in sys.argv:
        FILES.mkdir(exist_ok=True)
        (FILES / f"{keras.backend.backend()}.json").write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
