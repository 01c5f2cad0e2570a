"""How an engine executes training steps on the hardware that it found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Execution:
    """How training steps are executed.

    On a processor a step is bound by arithmetic, so each step is a call of its own on plain arrays. On an accelerator a
    small step is bound by the time that Python and the driver need to start it, so several steps share a call, and the
    arrays of the state are packed into a few.

    Attributes:
        devices: Number of devices that share a batch.
        steps_per_call: Most training steps in one call of the compiled function. With more than 1, `Engine.loop` runs
            them.
        packed: Whether the arrays of the state are packed into a few; see `pippin.training.packing`.
        resident_bytes: With several steps in a call, the largest training set that is copied to the device as a whole,
            in bytes of uint8. The batches of a larger one are copied while the device computes the ones before.
    """

    devices: int = 1
    steps_per_call: int = 1
    packed: bool = False
    resident_bytes: int = 0
