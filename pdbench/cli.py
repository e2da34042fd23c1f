"""The ``pdbench`` command: one subcommand for each job of the workflow, and a few for people.

Every job of the workflow can be run by hand with the line that its log shows. Heavy imports
stand inside the commands, so that ``pdbench --help`` and ``pdbench plan`` answer at once.
"""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pdbench import __version__
from pdbench.artefacts import ARTEFACTS
from pdbench.errors import REQUEUE, PdbenchError, Stopped, UsageError, suggestion
from pdbench.study import Architecture, Paths, Study, load_study
from pdbench.study.loading import check_artefacts
from pdbench.study.paths import ARCHIVES

Command = TypeVar("Command", bound=Callable[..., Any])

INTERRUPTED = 130
REMEDIES = {
    errno.ENOSPC: "free some space and run again; finished work is kept",
    errno.EDQUOT: "free some of your quota and run again; finished work is kept",
    errno.EROFS: "the file system is read-only: run where you can write",
    errno.EACCES: "you may not write or read there: change its permissions",
    errno.EPERM: "you may not write or read there: change its permissions",
    errno.ENOENT: "run the job that makes it",
}


class StudyName(click.ParamType[Study]):
    """A study by its name in ``config/`` or by the path of its file."""

    name = "study"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Study:
        """Load the study."""
        study = load_study(value)
        check_artefacts(study, ARTEFACTS)
        return study


class ArchitectureName(click.ParamType[Architecture]):
    """An architecture, written layers/hidden."""

    name = "architecture"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Architecture:
        """Read the architecture."""
        try:
            return Architecture.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def with_study(command: Command) -> Command:
    """Give a command its first argument: the study."""
    return click.argument("study", type=StudyName())(command)


def with_threads(command: Command) -> Command:
    """Give a training command the number of threads that torch may use."""
    option = click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Threads that torch may use.",
    )
    return option(command)


def with_saving(command: Command) -> Command:
    """Give a training command the time between two saved states."""
    option = click.option(
        "--save-every",
        type=click.FloatRange(min=0),
        default=300,
        show_default=True,
        metavar="SECONDS",
        help="Wall time between two saved states, from which an interrupted job goes on; "
        "0 saves after every step.",
    )
    return option(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pdbench")
def cli() -> None:
    """Reproduce "Well-Read Students Learn Better" and judge new compression methods.

    STUDY is a name in config/ (demo) or the path of a study file. `snakemake` runs all
    commands that a study needs in the right order; each can also be run by hand.
    """


@cli.command()
@click.argument("name")
def archive(name: str) -> None:
    """Download the pinned archive NAME and check its sha256."""
    from pdbench.data.archives import fetch

    click.echo(fetch(name, ARCHIVES))


@cli.command()
@with_study
@click.argument("task")
def task(study: Study, task: str) -> None:
    """Read TASK into splits, labels and tokens."""
    from pdbench.data.prepare import prepare_task

    prepare_task(study, known(task, study.tasks, "task"), Paths(study))


@cli.command()
@with_study
@click.argument("text")
def text(study: Study, text: str) -> None:
    """Read the unlabelled TEXT into tokens, without any test sentence."""
    from pdbench.data.prepare import prepare_text

    prepare_text(study, known(text, study.texts, "text"), Paths(study))


@cli.command()
@with_study
def audit(study: Study) -> None:
    """Count all data, measure similarities and look for leaked test sentences."""
    from pdbench.data.audit import audit as run

    run(study, Paths(study))


@cli.command()
@with_study
@click.argument("corpus")
@click.argument("architecture", type=ArchitectureName())
@with_threads
@with_saving
def pretrain(
    study: Study, corpus: str, architecture: Architecture, threads: int, save_every: float
) -> None:
    """Pre-train ARCHITECTURE (layers/hidden) with masked LM on CORPUS.

    With several GPUs: torchrun --nproc-per-node N -m pdbench pretrain STUDY CORPUS
    ARCHITECTURE trains on N of them at once, to the same losses.

    On SIGTERM or SIGUSR1 it saves its state and ends with exit code 75 (try again); torchrun
    makes that its own code, 1.
    """
    from pdbench.results import jobs
    from pdbench.training import prepare_process

    known(corpus, study.corpora, "corpus")
    prepare_process(threads)
    jobs.pretrain(study, Paths(study), corpus, architecture, save_every)


@cli.command()
@with_study
@click.argument("task")
@with_threads
@with_saving
def teacher(study: Study, task: str, threads: int, save_every: float) -> None:
    """Fine-tune the teacher of TASK and check that it learnt something.

    On SIGTERM or SIGUSR1 it saves its state and ends with exit code 75 (try again).
    """
    from pdbench.results import jobs
    from pdbench.training import prepare_process

    known(task, study.tasks, "task")
    prepare_process(threads)
    jobs.teacher(study, Paths(study), task, save_every)


@cli.command("soft-labels")
@with_study
@click.argument("task")
@click.argument("text")
@with_threads
def soft_labels(study: Study, task: str, text: str, threads: int) -> None:
    """Label TEXT with the teacher of TASK."""
    from pdbench.results import jobs
    from pdbench.training import prepare_process

    known(task, study.tasks, "task")
    known(text, study.texts, "text")
    prepare_process(threads)
    jobs.soft_labels(study, Paths(study), task, text)


@cli.command()
@with_study
@click.argument("key")
@with_threads
@with_saving
def cell(study: Study, key: str, threads: int, save_every: float) -> None:
    """Train all runs of the cell KEY that are not finished yet.

    On SIGTERM or SIGUSR1 it saves the state of the run that trains and ends with exit code
    75 (try again).
    """
    known(key, study.cells, "cell")
    from pdbench.results import jobs
    from pdbench.training import prepare_process

    prepare_process(threads)
    jobs.cell(study, Paths(study), key, save_every)


@cli.command()
@with_study
def latency(study: Study) -> None:
    """Time every size of the study on this machine."""
    from pdbench.models.latency import measure

    measure(study, Paths(study))


@cli.command()
@with_study
def collect(study: Study) -> None:
    """Collect all runs into one Parquet file."""
    from pdbench.results.collect import collect as run

    run(study, Paths(study))


@cli.command()
@with_study
@click.argument("artefact")
def artefact(study: Study, artefact: str) -> None:
    """Draw the table or figure ARTEFACT from stored results."""
    from pdbench.artefacts import draw

    draw(study, Paths(study), known(artefact, study.artefacts, "artefact"))


@cli.command()
@with_study
def report(study: Study) -> None:
    """Write the report's page."""
    from pdbench.report import build

    build(study, Paths(study))


@cli.command()
@with_study
@click.option(
    "--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it as JSON too."
)
def plan(study: Study, file: Path | None) -> None:
    """Print what STUDY would make: artefacts, cells, jobs and runs."""
    from pdbench.files import write_json
    from pdbench.study.plan import Plan

    found = Plan.of(study)
    click.echo(found.as_text())
    if file is not None:
        write_json(file, found.as_json())


class Ground(click.ParamType["Study | None"]):
    """What claims are put to: the paper's own numbers (None) or a study."""

    name = "reference|study"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Study | None:
        """Load the study, if it is one."""
        return None if value == "reference" else StudyName().convert(value, param, ctx)


@cli.command()
@click.option(
    "--on",
    "study",
    type=Ground(),
    required=True,
    help="reference: the paper's own numbers; else a study, by name or path.",
)
@click.option(
    "--results",
    "table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Another results.parquet of the study, such as reports/example/results.parquet.",
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it as JSON too."
)
def claims(study: Study | None, table: Path | None, file: Path | None) -> None:
    """Say which claims of the paper hold, on its own numbers or on the runs of a study."""
    from pdbench.files import write_json
    from pdbench.report import claims as found

    if study is None and table is not None:
        raise UsageError("--results needs a study", "name it with --on")
    results = found.check_study(study, Paths(study), table) if study else found.check_reference()
    click.echo(found.as_text(results))
    if file is not None:
        write_json(file, found.as_json(results))


@cli.command()
def schema() -> None:
    """Write the JSON schemas of all configuration files to workflow/schemas/."""
    from pdbench.study.schemas import write_schemas

    for path in write_schemas():
        click.echo(path)


@cli.command()
@with_study
def example(study: Study) -> None:
    """Copy the report of STUDY to reports/example, where the README shows it."""
    from pdbench.report import export_example

    export_example(study, Paths(study), Path("reports/example"))


def known(name: str, names: Any, kind: str) -> str:
    """Return ``name`` if the study has it.

    Raises:
        UsageError: It has not.
    """
    if name not in names:
        raise UsageError(f"unknown {kind} {name!r}", suggestion(name, names))
    return name


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every expected failure is one line on stderr."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        cli.main(args=arguments, prog_name="pdbench", standalone_mode=False)
    except click.exceptions.Abort:
        fail("interrupted; finished work is kept", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PdbenchError as error:
        fail(str(error), error.exit_code)
    except Stopped:
        sys.exit(REQUEUE)
    except OSError as error:
        fail(describe(error), 1)


def fail(line: str, code: int) -> None:
    """Print one line on stderr and end the program."""
    print(f"pdbench: error: {line}", file=sys.stderr)
    sys.exit(code)


def describe(error: OSError) -> str:
    """Turn an operating-system error into one line with a file and a remedy."""
    where = f"{error.filename}: " if error.filename else ""
    what = error.strerror or str(error)
    remedy = REMEDIES.get(error.errno or 0, "see that the file can be read and written")
    return f"{where}{what}; {remedy}"
