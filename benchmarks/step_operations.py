"""Arrays, fusions and convolutions of JAX's compiled training step: one by one, and several steps in a call.

    KERAS_BACKEND=jax python benchmarks/step_operations.py [--image-size 64] [--batch-size 8]

On a GPU a fusion or a convolution is a kernel, and each of them takes a few microseconds to start, however small it is.
On a processor the numbers are those of XLA's compiler for processors, which fuses by the same rules but is not the same
compiler. The block is compiled once for any number of steps, so its numbers are for one step.
"""

import argparse
import re
from typing import Any

import harness

COUNTED = ("fusion", "convolution", "custom-call", "copy", "all-reduce", "all-gather", "collective-permute")


def main() -> None:
    """Compile both and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=8)
    args = parser.parse_args()
    import jax

    print(f"standard at {args.image_size}×{args.image_size}, batch {args.batch_size}, {harness.machine()}")
    print(f"JAX {jax.__version__}, {jax.device_count()} {jax.default_backend()}")
    print(f"| | arrays in the state | {' | '.join(COUNTED)} |")
    print(f"| --- {'| --- ' * (len(COUNTED) + 1)}|")
    for name, packed in (("single", False), ("block", True)):
        arrays, text = compiled_step(args.image_size, args.batch_size, packed)
        counts = [str(count_operations(text, operation)) for operation in COUNTED]
        print(f"| {name} | {arrays} | {' | '.join(counts)} |", flush=True)


def compiled_step(image_size: int, batch_size: int, packed: bool) -> tuple[int, str]:
    """Return the number of arrays in the state, and the compiled program, of a single step or of a block of steps."""
    import jax
    import numpy as np

    from pippin import engines, networks
    from pippin.engines import Execution
    from pippin.settings import choose
    from pippin.training.trainer import Trainer

    engine: Any = engines.current()
    engine.execution = lambda: Execution(steps_per_call=10, packed=True) if packed else Execution()
    settings = choose("standard", image_size, batch_size=batch_size, anchored=0.0).settings
    pair = networks.build("standard", image_size, settings.latent_dim, features=settings.features)
    images = np.zeros((64, image_size, image_size, 3), np.uint8)
    trainer = Trainer(engine, settings, pair, images)
    lowered = trainer.lower_step()
    return len(jax.tree.leaves(trainer.packed_state)), lowered.compile().as_text()


def count_operations(text: str, operation: str) -> int:
    """Return how often an operation occurs in a compiled program."""
    return len(re.findall(rf" {operation}(?:-start)?\(", text))


if __name__ == "__main__":
    main()
