"""The pdbench command, run inside the test's own process."""

from pdbench import cli


def run(*arguments: str) -> int:
    """Run the command in this process and return its exit code."""
    try:
        cli.main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0
