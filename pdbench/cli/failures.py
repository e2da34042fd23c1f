"""How the program ends where something went wrong: one line with a remedy, and an exit code."""

from __future__ import annotations

import errno
import sys
from typing import NoReturn

import click

REMEDIES = {
    errno.ENOSPC: "free some space and run again; finished work is kept",
    errno.EDQUOT: "free some of your quota and run again; finished work is kept",
    errno.EROFS: "the file system is read-only: run where you can write",
    errno.EACCES: "you may not write or read there: change its permissions",
    errno.EPERM: "you may not write or read there: change its permissions",
    errno.ENOENT: "run the job that makes it",
}


def fail(line: str, code: int) -> NoReturn:
    """Print one line on stderr and end the program."""
    click.echo(f"pdbench: error: {line}", err=True)
    sys.exit(code)


def describe(error: OSError) -> str:
    """Turn an operating-system error into one line with a file and a remedy."""
    where = f"{error.filename}: " if error.filename else ""
    what = error.strerror or str(error)
    remedy = REMEDIES.get(error.errno or 0, "see that the file can be read and written")
    return f"{where}{what}; {remedy}"
