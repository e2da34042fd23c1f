"""The pdbench command, run inside the test's own process."""

import os
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
