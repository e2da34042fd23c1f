"""The ``pdbench`` command: one subcommand for each job of the workflow, and others for people.

Every job of the workflow can be run by hand with the line that its log shows. Heavy imports
stand inside the commands, so that ``pdbench --help`` and ``pdbench plan`` answer at once.
"""

from __future__ import annotations

import io
import logging
import os
import sys

import click

from pdbench import __version__
from pdbench.cli import evidence, jobs, listing, studies
from pdbench.cli.options import fail
from pdbench.core.errors import REQUEUE, PdbenchError, Stopped
from pdbench.core.lines import Lines, say, say_defect
from pdbench.study import offline
from pdbench.study.loading import refuse_other_checkouts

# Commands that may ask the network although PDBENCH_DATA names a folder of fetched data.
_ONLINE = ("doctor", "export", "fetch", "pin")

_SECTIONS = {
    "Before and during a run": studies.COMMANDS,
    "What there is": listing.COMMANDS,
    "What the results say": evidence.COMMANDS,
    "Work on pdbench itself": studies.PROJECT,
    "Jobs of the workflow, which snakemake runs": jobs.COMMANDS,
}
"""The commands as the help lists them."""


class _Sectioned(click.Group):
    """A group whose help lists its commands in :data:`_SECTIONS`."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list a section."""
        width = max(map(len, self.commands))
        for title, commands in _SECTIONS.items():
            limit = formatter.width - 6 - width
            listed = commands.commands.items()
            rows = [(f"{name:<{width}}", c.get_short_help_str(limit)) for name, c in listed]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(cls=_Sectioned, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pdbench")
@click.pass_context
def cli(context: click.Context) -> None:
    """Reproduce "Well-Read Students Learn Better" and judge new compression methods.

    STUDY is a name in config/ (demo) or the path of a study file. `snakemake` runs all
    commands that a study needs in the right order; each can also be run by hand.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False
    refuse_other_checkouts()
    if context.invoked_subcommand not in _ONLINE:
        offline.go_offline()


for _group in _SECTIONS.values():
    cli.commands.update(_group.commands)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every expected failure is one line on stderr."""
    os.environ.pop("MPLBACKEND", None)  # a notebook's, which only the notebook can load
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not every terminal can show every letter
            stream.reconfigure(errors="backslashreplace")
    sys.excepthook = say_defect
    logging.captureWarnings(True)
    handler = logging.StreamHandler()
    handler.setFormatter(Lines("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for client in ("httpx", "httpx2"):  # a line a request, with addresses that open private files
        logging.getLogger(client).setLevel(logging.WARNING)
    for library in ("huggingface_hub", "datasets"):  # which write their warnings themselves
        logging.getLogger(library).propagate = False
    try:
        cli.main(args=arguments, prog_name="pdbench", standalone_mode=False)
    except click.exceptions.Abort:
        fail("interrupted; finished work is kept", 130)  # as shells say it of SIGINT
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        say(*shown.getvalue().splitlines(), err=True)
        sys.exit(error.exit_code)
    except PdbenchError as error:
        fail(str(error), error.exit_code)
    except Stopped:
        sys.exit(REQUEUE)
    except OSError as error:
        fail(error, 1)
