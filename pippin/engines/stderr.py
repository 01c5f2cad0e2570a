"""Suppressing standard error, for compiled code that writes there whatever its settings are."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def suppressed_stderr(replay: bool) -> Iterator[None]:
    """Suppress everything that this process writes to standard error, from Python or from compiled code.

    Args:
        replay: Whether to write it after all when an exception ends the block.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            if replay:
                captured.seek(0)
                os.write(original, captured.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
