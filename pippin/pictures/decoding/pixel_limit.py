"""Pillow's limit against decompression bombs, raised for a block: it is global, and belongs to the user afterwards."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_LOCK = threading.Lock()
_limits: list[int] = []
"""Pillow's own limit, followed by those of the blocks that run now, which may be in several threads."""


@contextmanager
def raised_pixel_limit(most: int) -> Iterator[None]:
    """Let Pillow open pictures of up to `most` pixels in the block, or more if its limit is higher or switched off."""
    with _LOCK:
        if is_raised := Image.MAX_IMAGE_PIXELS is not None:
            _limits.extend([most] if _limits else [Image.MAX_IMAGE_PIXELS, most])
            Image.MAX_IMAGE_PIXELS = max(_limits)
    try:
        yield
    finally:
        if is_raised:
            with _LOCK:
                _limits.remove(most)
                Image.MAX_IMAGE_PIXELS = max(_limits)
                if len(_limits) == 1:
                    _limits.clear()
