"""A file that this process writes, safe from programs that close descriptors which they do not know."""

from __future__ import annotations

import errno
import os


class OwnFile:
    """A file that is made where there is none (or only where there is none, with `os.O_EXCL` among the flags),
    held by its descriptor.

    A program may close every descriptor (daemons do), and get the same number for a file of its own.  So each
    use asks first whether the number still means this file, and opens it anew where it does not.  The numbers
    of the standard streams are never taken.  Raises OSError where the file can't be had.
    """

    def __init__(self, path: str, flags: int) -> None:
        self.path = path
        self._flags = flags & ~os.O_EXCL | os.O_CLOEXEC
        self._number = self._opened(os.O_CREAT | flags & os.O_EXCL)
        self._identity = _identity(self._number)

    def number(self) -> int:
        """The descriptor.  Raises OSError where the file is gone."""
        if self._number < 0:
            raise OSError(errno.EBADF, "is closed", self.path)
        if _identity(self._number) != self._identity:
            number = self._opened(0)
            if _identity(number) != self._identity:
                os.close(number)
                raise OSError(errno.ENOENT, "is gone", self.path)
            self._number = number
        return self._number

    def close(self) -> None:
        number, self._number = self._number, -1
        if number >= 0 and _identity(number) == self._identity:
            os.close(number)

    def _opened(self, flags: int) -> int:
        return above_standard_streams(os.open(self.path, self._flags | flags, 0o666))


def above_standard_streams(number: int) -> int:
    """A descriptor of the same file that is not a standard stream's, which the program has closed."""
    if number > 2:
        return number
    import fcntl

    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(number)


def _identity(number: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino
