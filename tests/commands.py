"""The pdbench command, inside the test's own process, and any command in one of its own."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from pdbench import cli


def run(*arguments: str) -> int:
    """Run the command in this process and return its exit code.

    The environment is as before afterwards: a command may set variables for its libraries.
    """
    with mock.patch.dict(os.environ):
        try:
            cli.main(list(arguments))
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def said(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], code: int
) -> list[str]:
    """The lines of a program in a process of its own, which ends with a code."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout.splitlines()
