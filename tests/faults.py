"""Faults in the writes to a folder: a full disk, an input or output error, a short write, a crash, a power failure.

`Faults` replaces the functions of Python by which files are written, and counts their calls. The call of a chosen
number fails. A crash is simulated: from that call on, nothing changes the folder any more, whatever the code does to
clean up. A power failure is a crash after which each file has lost what was written since it was flushed to the disk.
"""

import builtins
import errno
import io
import os
import stat
from pathlib import Path

import pytest

KINDS = "full disk", "input/output error", "short write", "crash", "power failure"
ENDS = "crash", "power failure"
"""The kinds that end the process."""


class Crash(BaseException):
    """The process ended here."""


class Faults:
    """A context manager that lets one call of writing fail.

    Args:
        folder: the folder whose files are meant; calls that write elsewhere are not counted.
        at: number of the call that fails, from 0; None: no call does.
        kind: one of `KINDS`.
        lasting: whether all later calls fail too, as on a disk that stays full.

    Attributes:
        calls: the names of the calls so far.
        unflushed: inode of a file → its size when it was flushed to the disk last, if it was written since.
        unflushed_folders: inodes of folders in which files were renamed since they were flushed.
    """

    def __init__(self, folder, at=None, kind="full disk", lasting=False):
        self.folder, self.at, self.kind, self.lasting = os.path.abspath(folder), at, kind, lasting
        self.calls, self.descriptors, self.dead = [], set(), False
        self.unflushed, self.unflushed_folders = {}, set()

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        for name in ("unlink", "remove", "mkdir", "rmdir", "truncate", "chmod", "utime"):
            self.patch.setattr(os, name, self._faulty(name, getattr(os, name)))
        for name in ("replace", "rename"):
            self.patch.setattr(os, name, self._rename(self._faulty(name, getattr(os, name))))
        self.patch.setattr(os, "fsync", self._fsync(self._faulty("fsync", os.fsync)))
        self.patch.setattr(os, "open", self._open_descriptor(os.open))
        opened = self._open_file(io.open)
        self.patch.setattr(io, "open", opened)
        self.patch.setattr(builtins, "open", opened)
        return self

    def __exit__(self, *error):
        self.patch.undo()

    def concerns(self, path):
        """Return whether a path or a descriptor is one of the folder's."""
        if isinstance(path, int):
            return path in self.descriptors
        try:
            return (os.path.abspath(os.fsdecode(path)) + os.sep).startswith(self.folder + os.sep)
        except TypeError:
            return False

    def reached(self, name):
        """Count a call. Return whether it does anything, or raise its fault."""
        if self.dead:
            return False
        number = len(self.calls)
        self.calls.append(name)
        if self.at is None or number < self.at or (number > self.at and not self.lasting):
            return True
        if self.kind in ENDS:
            self.dead = True
            if self.kind == "power failure":
                self._lose_what_is_not_flushed()
            raise Crash
        number = errno.EIO if self.kind == "input/output error" else errno.ENOSPC
        raise OSError(number, os.strerror(number))

    def _lose_what_is_not_flushed(self):
        for path in Path(self.folder).rglob("*"):
            size = self.unflushed.get(path.stat().st_ino)
            if size is not None and path.is_file():
                descriptor = os.open(path, os.O_RDWR)
                os.ftruncate(descriptor, size)
                os.close(descriptor)

    def _rename(self, function):
        def call(path, target):
            function(path, target)
            if not self.dead and self.concerns(target):
                self.unflushed_folders.add(os.stat(os.path.dirname(target)).st_ino)

        return call

    def _fsync(self, function):
        def call(descriptor):
            function(descriptor)
            if not self.dead:
                status = os.fstat(descriptor)
                if stat.S_ISDIR(status.st_mode):
                    self.unflushed_folders.discard(status.st_ino)
                else:
                    self.unflushed.pop(status.st_ino, None)

        return call

    def _faulty(self, name, function):
        def call(path, *args, **kwargs):
            if not self.concerns(path):
                return function(path, *args, **kwargs)
            return function(path, *args, **kwargs) if self.reached(name) else None

        return call

    def _open_descriptor(self, function):
        def call(path, flags, *args, **kwargs):
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not (writes and self.concerns(path)):
                return function(path, flags, *args, **kwargs)
            if not self.reached("open"):
                raise Crash
            descriptor = function(path, flags, *args, **kwargs)
            self.descriptors.add(descriptor)
            return descriptor

        return call

    def _open_file(self, function):
        def call(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
            if not (set(mode) & set("wax+") and self.concerns(file)):
                return function(file, mode, buffering, encoding, errors, newline, closefd, opener)
            if not isinstance(file, int) and not self.reached("open"):
                raise Crash
            raw = FaultyFile(self, file, mode.replace("b", "").replace("t", ""), closefd, opener)
            self.descriptors.add(raw.fileno())
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        return call


class FaultyFile(io.FileIO):
    """A file whose writes are calls of `Faults`."""

    def __init__(self, faults, *args):
        self.faults = faults
        super().__init__(*args)
        if self.tell() == 0 == os.fstat(self.fileno()).st_size:
            faults.unflushed.pop(os.fstat(self.fileno()).st_ino, None)  # a new file may get the inode of a removed one

    def write(self, data):
        """Write; half of it in the call that fails with a short write or a crash."""
        status = os.fstat(self.fileno())
        try:
            if not self.faults.reached("write"):
                return len(data)
            self.faults.unflushed.setdefault(status.st_ino, status.st_size)
            return super().write(data)
        except (OSError, Crash):
            if self.faults.kind in ("short write", "crash"):
                super().write(bytes(data)[: len(data) // 2])
            raise

    def truncate(self, size=None):
        """Truncate, as a call of `Faults`."""
        return super().truncate(size) if self.faults.reached("truncate") else size

    def close(self):
        """Close; the number of the descriptor may be used for another file from now on."""
        if not self.closed:
            self.faults.descriptors.discard(self.fileno())
        super().close()
