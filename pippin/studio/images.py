"""Generated images that the page shows: kept in memory for a while, each under a name of its own."""

import secrets
import threading
from collections import OrderedDict

MAX_BYTES = 256 * 2**20
"""Largest size of all images that are kept, in bytes."""


class Images:
    """Image files by name. When they take more than `MAX_BYTES`, the oldest ones are forgotten."""

    def __init__(self) -> None:
        self._images: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, contents: bytes) -> str:
        """Keep a PNG file, and return its address."""
        name = secrets.token_hex(12)
        with self._lock:
            self._images[name] = contents
            self._bytes += len(contents)
            while self._bytes > MAX_BYTES:
                self._bytes -= len(self._images.popitem(last=False)[1])
        return f"/api/images/{name}.png"

    def get(self, name: str) -> bytes | None:
        """Return a file; None if there is none, or it was forgotten."""
        return self._images.get(name)
