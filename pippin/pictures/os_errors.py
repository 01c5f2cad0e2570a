"""Errors of the operating system: what they say about a file, and how they are reported."""

import errno

_NAMES = (
    "EAGAIN EBUSY ECONNABORTED ECONNREFUSED ECONNRESET EHOSTDOWN EHOSTUNREACH EINTR EIO EMFILE ENETDOWN ENETRESET "
    "ENETUNREACH ENFILE ENODEV ENOLCK ENOMEM ENOTCONN ENXIO ESTALE ETIMEDOUT"
)
TEMPORARY = frozenset(getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name))
"""Error numbers that describe the state of the machine, a drive or a network, and may go away by themselves."""

OF_CONTENT = frozenset((errno.EINVAL, errno.EOVERFLOW, errno.ESPIPE, errno.EDOM, errno.ERANGE))
"""Error numbers to which damaged content leads, such as a seek to a negative position."""

OF_LIMITS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))
"""Error numbers of limits of the machine or the process, which other drives and folders do not change."""


def is_temporary(error: BaseException) -> bool:
    """Return whether an error may go away by itself: too many open files, a drive that was unplugged."""
    return isinstance(error, OSError) and error.errno in TEMPORARY


def could_not_be_read(error: BaseException) -> bool:
    """Return whether an error says that a file could not be read now, and nothing about its content.

    Such a file may be readable a minute later, so it must not be recorded as damaged. The system gives these errors a
    number; decoders raise an OSError without one for damaged content.
    """
    return isinstance(error, OSError) and error.errno is not None and error.errno not in OF_CONTENT


def why(error: BaseException) -> str:
    """Return the reason of an error on one line, in the words of the system if it has any."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    return text or type(error).__name__


def what_to_do(error: BaseException, otherwise: str) -> str:
    """Return what to do about an error: `otherwise`, unless a limit of the machine is the cause."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"raise the limit (`ulimit -f`), or {otherwise}"
    if isinstance(error, OSError) and error.errno in OF_LIMITS:
        return "close other programs, or raise the limit (`ulimit -n` for open files), and try again"
    return otherwise
