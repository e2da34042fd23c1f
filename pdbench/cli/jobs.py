"""The commands that the workflow's rules run, in its order."""

from __future__ import annotations

from pathlib import Path

import click

from pdbench.cli.options import (
    FILE,
    ArchitectureName,
    known,
    with_study,
    with_threads,
    with_training,
)
from pdbench.core.errors import UsageError
from pdbench.study import Architecture, Start, Study, offline
from pdbench.workflow import Paths
from pdbench.workflow.paths import ARCHIVES


@click.command()
@click.argument("name")
def archive(name: str) -> None:
    """Download the pinned archive NAME and check its sha256."""
    from pdbench.data.places import fetch

    gathered = offline.data_folder()
    click.echo(fetch(name, ARCHIVES, gathered and gathered / offline.ARCHIVES))


@click.command()
@with_study
@click.argument("task")
def task(study: Study, task: str) -> None:
    """Read TASK into splits, labels and tokens."""
    from pdbench.jobs.prepare import prepare_task

    prepare_task(study, known(task, study.tasks, "task"), Paths(study))


@click.command()
@with_study
@click.argument("text")
def text(study: Study, text: str) -> None:
    """Read the unlabelled TEXT into tokens, without test sentences and dev items."""
    from pdbench.jobs.prepare import prepare_text

    prepare_text(study, known(text, study.texts, "text"), Paths(study))


@click.command()
@with_study
def audit(study: Study) -> None:
    """Count all data, measure similarities and look for leaks of test and dev."""
    from pdbench.data.audit import audit as run

    run(study, Paths(study))


@click.command()
@with_study
@click.argument("corpus")
@click.argument("architecture", type=ArchitectureName())
@click.option(
    "--method",
    metavar="ID",
    help="Pre-train by this method's own objective, from the deepest model of the width.",
)
@with_training
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
    from pdbench.engine import prepare_process
    from pdbench.jobs import pretraining as jobs

    known(corpus, study.corpora, "corpus")
    if method is not None:
        own = [name for name, found in study.methods.items() if found.pretraining]
        known(method, own, "method with a pre-training of its own")
    prepare_process(threads)
    jobs.pretrain(study, Paths(study), Start(corpus, architecture, method), save_every)


@click.command()
@with_study
@click.argument("task")
@with_training
def teacher(study: Study, task: str, threads: int, save_every: float) -> None:
    """Fine-tune the teacher of TASK and check that it learnt something.

    On SIGTERM or SIGUSR1 it saves its state and ends with exit code 75 (try again).
    """
    from pdbench.engine import prepare_process
    from pdbench.jobs import teachers as jobs

    known(task, study.tasks, "task")
    prepare_process(threads)
    jobs.teacher(study, Paths(study), task, save_every)


@click.command("soft-labels")
@with_study
@click.argument("task")
@click.argument("text")
@with_threads
def soft_labels(study: Study, task: str, text: str, threads: int) -> None:
    """Label TEXT with the teacher of TASK."""
    from pdbench.engine import prepare_process
    from pdbench.jobs import teachers as jobs

    known(task, study.tasks, "task")
    known(text, study.texts, "text")
    prepare_process(threads)
    jobs.soft_labels(study, Paths(study), task, text)


@click.command()
@with_study
@click.argument("key")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    help="Train the runs of one seed alone, counted from 0; the cell is done when it is trained "
    "without.",
)
@with_training
def cell(study: Study, key: str, seed: int | None, threads: int, save_every: float) -> None:
    """Train all runs of the cell KEY that are not finished yet.

    On SIGTERM or SIGUSR1 it saves the state of the run that trains and ends with exit code
    75 (try again).
    """
    chosen = study.cells[known(key, study.cells, "cell")]
    trained = study.seeds[chosen] if study.trained_by(chosen) == chosen else 0
    if seed is not None and seed >= trained:
        what = f"cell {key} trains {trained} seeds, and --seed is {seed}"
        raise UsageError(what, "leave --seed out, or name another, counted from 0")
    from pdbench.engine import prepare_process
    from pdbench.jobs.students import attempt

    prepare_process(threads)
    attempt(study, Paths(study), chosen, save_every, seed)


@click.command()
@with_study
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--then", "file", type=FILE, help="A file to write once all of them are done.")
@with_training
def cells(
    study: Study, keys: tuple[str, ...], file: Path | None, threads: int, save_every: float
) -> None:
    """Train the cells KEY... one after the other; one that fails stops no other.

    Each has its log below logs/, as if it had been trained by `pdbench cell`. On SIGTERM or
    SIGUSR1 it saves the state of the run that trains and ends with exit code 75 (try again).
    """
    chosen = [study.cells[known(key, study.cells, "cell")] for key in keys]
    from pdbench.engine import prepare_process
    from pdbench.jobs.students import attempt_all

    prepare_process(threads)
    attempt_all(study, Paths(study), chosen, save_every, file)


@click.command()
@with_study
def latency(study: Study) -> None:
    """Time every size of the study on this machine."""
    from pdbench.engine.latency import measure

    measure(study, Paths(study))


@click.command()
@with_study
def collect(study: Study) -> None:
    """Collect all runs into one Parquet file."""
    from pdbench.jobs.collect import collect as run

    run(study, Paths(study))


@click.command()
@with_study
@click.argument("artefact")
def artefact(study: Study, artefact: str) -> None:
    """Draw the table or figure ARTEFACT from stored results."""
    from pdbench.artefacts import draw

    draw(study, Paths(study), known(artefact, study.artefacts, "artefact"))


@click.command()
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


COMMANDS = (
    archive,
    task,
    text,
    audit,
    pretrain,
    teacher,
    soft_labels,
    cell,
    cells,
    latency,
    collect,
    artefact,
    report,
)
