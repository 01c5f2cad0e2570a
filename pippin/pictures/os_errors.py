"""Errors of the operating system: which of them are temporary, and how they are reported."""

import errno

_NAMES = (
    "EAGAIN EBUSY ECONNABORTED ECONNREFUSED ECONNRESET EHOSTDOWN EHOSTUNREACH EINTR EIO EMFILE ENETDOWN ENETRESET "
    "ENETUNREACH ENFILE ENODEV ENOLCK ENOMEM ENOTCONN ENXIO ESTALE ETIMEDOUT"
)
TEMPORARY = frozenset(getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name))
"""Error numbers that describe the state of the machine, a drive or a network, and not the content of a file. A file
that failed with one of them may be readable a minute later, so it must not be recorded as damaged."""


def is_temporary(error: BaseException) -> bool:
    """Return whether an error may go away by itself: too many open files, a drive that was unplugged."""
    return isinstance(error, OSError) and error.errno in TEMPORARY


def why(error: BaseException) -> str:
    """Return the reason of an error on one line, in the words of the system if it has any."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    return text or type(error).__name__
