"""The ``pdbench`` command: one subcommand for each job of the workflow, and a few for people.

Every job of the workflow can be run by hand with the line that its log shows. Heavy imports
stand inside the commands, so that ``pdbench --help`` and ``pdbench plan`` answer at once.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from pdbench import __version__, cli_cluster
from pdbench.cli_options import (
    ArchitectureName,
    StudyName,
    with_saving,
    with_study,
    with_threads,
)
from pdbench.errors import REQUEUE, PdbenchError, Stopped, UsageError, suggestion
from pdbench.study import Architecture, Paths, Start, Study, offline
from pdbench.study.paths import ARCHIVES

FilePath = click.Path(path_type=Path, dir_okay=False)
INTERRUPTED = 130
ONLINE = ("doctor", "fetch", "pin")
"""Commands that may ask the network although PDBENCH_DATA names a folder of fetched data."""

REMEDIES = {
    errno.ENOSPC: "free some space and run again; finished work is kept",
    errno.EDQUOT: "free some of your quota and run again; finished work is kept",
    errno.EROFS: "the file system is read-only: run where you can write",
    errno.EACCES: "you may not write or read there: change its permissions",
    errno.EPERM: "you may not write or read there: change its permissions",
    errno.ENOENT: "run the job that makes it",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pdbench")
@click.pass_context
def cli(context: click.Context) -> None:
    """Reproduce "Well-Read Students Learn Better" and judge new compression methods.

    STUDY is a name in config/ (demo) or the path of a study file. `snakemake` runs all
    commands that a study needs in the right order; each can also be run by hand.
    """
    if context.invoked_subcommand not in ONLINE:
        offline.go_offline()


@cli.command()
@click.argument("name")
def archive(name: str) -> None:
    """Download the pinned archive NAME and check its sha256."""
    from pdbench.data.archives import fetch

    gathered = offline.data_folder()
    click.echo(fetch(name, ARCHIVES, gathered and gathered / offline.ARCHIVES))


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
@click.option(
    "--method",
    metavar="ID",
    help="Pre-train by this method's own objective, from the deepest model of the width.",
)
@with_threads
@with_saving
def pretrain(
    study: Study,
    corpus: str,
    architecture: Architecture,
    method: str | None,
    threads: int,
    save_every: float,
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
    if method is not None:
        own = [name for name, found in study.methods.items() if found.pretraining]
        known(method, own, "method with a pre-training of its own")
    prepare_process(threads)
    jobs.pretrain(study, Paths(study), Start(corpus, architecture, method), save_every)


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
    from pdbench.results.attempts import attempt
    from pdbench.training import prepare_process

    prepare_process(threads)
    attempt(study, Paths(study), key, save_every)


@cli.command()
@with_study
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option(
    "--then",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file to write once all of them are done.",
)
@with_threads
@with_saving
def cells(
    study: Study, keys: tuple[str, ...], file: Path | None, threads: int, save_every: float
) -> None:
    """Train the cells KEY... one after the other; one that fails stops no other.

    Each has its log below logs/, as if it had been trained by `pdbench cell`. On SIGTERM or
    SIGUSR1 it saves the state of the run that trains and ends with exit code 75 (try again).
    """
    for key in keys:
        known(key, study.cells, "cell")
    from pdbench.results.attempts import attempt_all
    from pdbench.training import prepare_process

    prepare_process(threads)
    attempt_all(study, Paths(study), keys, save_every, file)


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
@click.option("--partial", is_flag=True, help="Of what there is, into a folder of its own.")
def report(study: Study, partial: bool) -> None:
    """Write the report's page."""
    from pdbench.report import build, build_partial, remove_partial

    if partial:
        click.echo(build_partial(study))
    else:
        build(study, Paths(study))
        remove_partial(study)


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
@click.option("--study", type=StudyName(), default="demo", show_default=True, help="Name or path.")
@click.option("--baseline", help="The method that is the measure.")
@click.option("--candidate", help="The method that must not be worse.")
@click.option(
    "--against",
    "stored",
    type=FilePath,
    help="Compare every run with that of the same seed in these stored results.",
)
@click.option("--results", "table", type=FilePath, help="Other results than the study's own.")
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    metavar="POINTS",
    help="What the candidate may lose; evidence.margin of the study by default.",
)
@click.option(
    "--waivers", type=FilePath, help="Accepted regressions; config/waivers.yaml by default."
)
@click.option("--strict", is_flag=True, help="Take unresolved cells as incomplete.")
@click.option("--junit", type=FilePath, help="Write JUnit XML.")
@click.option(
    "--markdown",
    type=FilePath,
    help="Write a summary as Markdown; appended to the file that $GITHUB_STEP_SUMMARY names.",
)
@click.option("--json", "json", type=FilePath, help="Write it as JSON too.")
@click.option(
    "--annotations/--no-annotations",
    default=lambda: os.environ.get("GITHUB_ACTIONS") == "true",
    help="Print ::error lines; by default where GITHUB_ACTIONS=true.",
)
@click.option("--exit-zero", is_flag=True, help="Leave the verdict to who reads the files.")
def check(**options: Any) -> None:
    """Say whether a method is worse than a baseline, or this code than stored results.

    With --baseline and --candidate, or --against, or else as the study's gate block says. Exit
    code 0: no regression; 1: a regression; 2: incomplete or misuse, which is never a pass.
    """
    from pdbench.report.checking import Options, run

    try:
        code = run(Options(**options))
    except PdbenchError as error:
        # 1 would say that something is worse.
        raise UsageError(error.what, error.remedy) from error
    except OSError as error:
        fail(describe(error), UsageError.exit_code)
    sys.exit(code)


@cli.command("new-method")
@click.argument("name")
@click.option(
    "--package",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder of another package, which is to hold it.",
)
def new_method(name: str, package: Path | None) -> None:
    """Write a method NAME with an objective of its own, its test and its entry."""
    from pdbench.testing.new_method import NewMethod

    made = NewMethod.in_package(name, package) if package else NewMethod.in_project(name)
    made.write()
    click.echo(made.next_steps())


@cli.command()
@with_study
def pin(study: Study) -> None:
    """Write the present commits of the hub repositories that STUDY has not pinned yet.

    They are added to config/pins.yaml, and what stands there is never changed.
    """
    from pdbench.data.pinning import pin as run
    from pdbench.data.pinning import unpinned

    added = run(unpinned(study))
    for name, commit in added.items():
        click.echo(f"{name} {commit}")
    if not added:
        click.echo("every repository is pinned")


@cli.command()
@with_study
@click.option("--to", "target", type=FilePath, required=True, help="The zip file to write.")
@click.option("--method", required=True, metavar="ID", help="The method to submit.")
@click.option(
    "--architecture", metavar="SIZE", help="The size to submit: its name or layers/hidden."
)
@click.option("--artefact", metavar="ID", help="Take the cells of this table or figure.")
@click.option(
    "--fill",
    is_flag=True,
    help="Answer with one class where there are no predictions for a task: GLUE's server takes "
    "whole submissions only.",
)
def submission(
    study: Study,
    target: Path,
    method: str,
    architecture: str | None,
    artefact: str | None,
    fill: bool,
) -> None:
    """Write predictions on GLUE's test sets as the zip that its server takes.

    A manifest with the ending .json beside it says which runs they are of.
    """
    from pdbench.results.submission import manifest_path, write_submission

    known(method, study.methods, "method")
    if artefact is not None:
        known(artefact, study.artefacts, "artefact")
    sizes = study.select(architecture) if architecture else study.all_architectures
    among = tuple(study.seeds) if artefact is None else study.artefact_cells(artefact)
    trained = dict.fromkeys(study.trained_by(cell) for cell in among)
    cells = [cell for cell in trained if cell.method == method and cell.architecture in sizes]
    about = write_submission(study, Paths(study), cells, target, fill=fill)
    for file, origin in sorted(about["files"].items()):
        click.echo(f"{file}.tsv: {origin['cell']} {origin['run']}")
    for file in about["filled"]:
        click.echo(f"{file}.tsv: one and the same answer, as there are no predictions")
    click.echo(f"{target} and {manifest_path(target)}")


@cli.command("import-scores")
@with_study
@click.argument("scores", type=FilePath)
@click.option(
    "--of", "manifest", type=FilePath, required=True, help="The manifest of the submission."
)
def import_scores(study: Study, scores: Path, manifest: Path) -> None:
    """Take the answer of GLUE's server back: a CSV file with task, metric and score.

    The next collection puts them beside the runs that were submitted, as their scores on the
    published test split.
    """
    from pdbench.results.submission import import_scores as run

    click.echo(run(study, Paths(study), scores, manifest))


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


for command in cli_cluster.COMMANDS:
    cli.add_command(command)


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
