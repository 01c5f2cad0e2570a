"""What a running studio holds: its arguments, and what its parts remember."""

import threading

from pippin.studio.config import StudioConfig


class Studio:
    """The parts of a running studio.

    Args:
        config: the arguments.

    Attributes:
        config: the arguments.
        ended: set when the server ends, so that streams of events end too.
    """

    def __init__(self, config: StudioConfig) -> None:
        self.config = config
        self.ended = threading.Event()

    def close(self) -> None:
        """End what the studio started, except trainings."""
        self.ended.set()
