"""What compiled code says on standard error past every setting."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def suppressed_stderr(replay: bool) -> Iterator[None]:
    """Hold back what this process writes to standard error, by whichever code.

    Args:
        replay: whether to say it after all when an exception ends the block.
    """
    sys.stderr.flush()
    outside = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            if replay:
                held.seek(0)
                os.write(outside, held.read())
            raise
        finally:
            os.dup2(outside, 2)
            os.close(outside)
