"""The errors a user can cause, each of which is one line that names the remedy."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable

from pdbench.core.words import shortened, visible

_LONGEST = 1_000  # characters of what is wrong, before the remedy

_SECRET = re.compile(r"(?<=://)[^/\s]+(?=@)|\bhf_[A-Za-z0-9]{30,}")
"""Name and password in an address, and a token of the hub."""


class PdbenchError(Exception):
    """Something in the input or on the machine is wrong; the run itself can go on later.

    ``what`` names the file and the key, ``remedy`` what the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str) -> None:
        self.what = _SECRET.sub("***", what)  # it may hold what a library said of an address
        self.remedy = remedy
        super().__init__(visible(f"{shortened(self.what, _LONGEST)}; {remedy}"))


class UsageError(PdbenchError):
    """The command or a configuration file asks for something that does not exist."""

    exit_code = 2


class DataError(PdbenchError):
    """A data file, archive, checkpoint or record is not what it should be."""


class GuardError(PdbenchError):
    """A guard refused to spend compute: leaked test data, a teacher that learnt nothing."""


_REMEDIES = {
    errno.ENOSPC: "free some space and run again; finished work is kept",
    errno.EDQUOT: "free some of your quota and run again; finished work is kept",
    errno.EROFS: "the file system is read-only: run where you can write",
    errno.EACCES: "you may not write or read there: change its permissions",
    errno.EPERM: "you may not write or read there: change its permissions",
    errno.ENOENT: "run the job that makes it",
}


def of_system(error: OSError) -> DataError:
    """An error of the operating system, with its remedy."""
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "see that the file can be read and written")
    return DataError(f"{where}{error.strerror or error}", remedy)


# Exit code of a training job that wants to be started again (EX_TEMPFAIL of sysexits.h).
REQUEUE = 75


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """A signal asked a training job to stop, and its state is saved.

    Not a :class:`PdbenchError`: no run failed, and none is to be tried after it.
    """


_MOST_NAMES = 20  # that one line lists


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the remedy for an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        shown += f" and {len(names) - _MOST_NAMES} more"
    return f"there are {shown}" if names else "there are none"
