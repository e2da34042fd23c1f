"""The commands that the workflow's rules run, in its order."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import click

from pdbench.cli.options import CELL, FILE, METHOD, completed, known, with_seed, with_study
from pdbench.core.errors import UsageError
from pdbench.core.lines import say
from pdbench.study import Architecture, Start, Study, offline
from pdbench.workflow import Paths
from pdbench.workflow.kinds import KINDS
from pdbench.workflow.paths import ARCHIVES

COMMANDS = click.Group()


def _size(text: str) -> Architecture:
    try:
        return Architecture.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _prepare(context: click.Context, _: click.Parameter, threads: int) -> None:
    if not context.resilient_parsing:  # as a shell does that completes a line
        from pdbench.engine import prepare_process

        prepare_process(threads)


_with_threads = click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    callback=_prepare,
    expose_value=False,
    help="Threads that torch may use.",
)

_with_saves = click.option(
    "--save-every",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Wall time between two saved states, from which an interrupted job goes on; "
    "0 saves after every step.",
)


def _named(study: Study, word: str) -> Collection[str]:
    """The names that a word of a command line may be."""
    return study.fitted if word == "corpus" else getattr(study, f"{word}s")


def _job(kind: str, about: str, *asked: str, name: str = "") -> None:
    """Offer the command of a kind of job, which is ``asked`` for by names of the study, if any."""
    own = KINDS[kind]

    def command(study: Study, **given: Any) -> None:
        for word in asked:
            known(given[word], _named(study, word), word)
        module, _, function = own.runs.partition(":")
        getattr(importlib.import_module(module), function)(study=study, paths=Paths(study), **given)

    if own.model is not None:
        command = _with_saves(command)
    if own.on_device:
        command = _with_threads(command)
    for word in reversed(asked):
        names = completed(partial(_named, word=word))
        command = click.argument(word, shell_complete=names)(command)
    COMMANDS.command(name or kind.replace("_", "-"), help=about)(with_study(command))


@COMMANDS.command("archive")
@click.argument("name")
def _archive(name: str) -> None:
    """Download the pinned archive NAME and check its sha256."""
    from pdbench.data.places import fetch

    gathered = offline.data_folder()
    say(str(fetch(name, ARCHIVES, gathered and gathered / offline.ARCHIVES)))


_job("task", "Read TASK into splits, labels and tokens.", "task")
_job("text", "Read the unlabelled TEXT into tokens, without test sentences and dev items.", "text")
_job("audit", "Count all data, measure similarities and look for leaks of test and dev.")


@COMMANDS.command("pretrain")
@with_study
@click.argument("corpus", shell_complete=completed(lambda study: study.corpora))
@click.argument("architecture", type=_size)
@click.option(
    "--method",
    metavar="ID",
    shell_complete=METHOD,
    help="Pre-train by this method's own objective, from the deepest model of the width.",
)
@with_seed("The seed number of the runs that start from it, 0 if not given; released has none.")
@_with_threads
@_with_saves
def _pretrain(
    study: Study,
    corpus: str,
    architecture: Architecture,
    method: str | None,
    seed_number: int | None,
    save_every: float,
) -> None:
    """Pre-train ARCHITECTURE (layers/hidden) with masked LM on CORPUS.

    With several GPUs: torchrun --nproc-per-node N -m pdbench pretrain STUDY CORPUS
    ARCHITECTURE trains on N of them at once, to the same losses.

    On SIGTERM or SIGUSR1 it saves its state and ends with exit code 75 (try again); torchrun
    makes that its own code, 1.
    """
    from pdbench.jobs.pretraining import pretrain

    known(corpus, study.corpora, "corpus")
    if method is not None:
        own = [name for name, found in study.methods.items() if found.pretraining]
        known(method, own, "method with a pre-training of its own")
    is_released = study.is_released(corpus)
    if is_released and seed_number is not None:
        raise UsageError(f"corpus {corpus!r} holds released weights", "leave out --seed")
    number = None if is_released else seed_number or 0
    pretrain(study, Paths(study), Start(corpus, architecture, number, method), save_every)


_job(
    "teacher",
    """Fine-tune the teacher of TASK and check that it learnt something.

    On SIGTERM or SIGUSR1 it saves its state and ends with exit code 75 (try again).
    """,
    "task",
)
_job("soft_labels", "Label TEXT with the teacher of TASK.", "task", "text")


@COMMANDS.command("cell")
@with_study
@click.argument("key", shell_complete=CELL)
@with_seed("Train the runs of this seed number alone; the cell is done when it is trained without.")
@_with_threads
@_with_saves
def _cell(study: Study, key: str, seed_number: int | None, save_every: float) -> None:
    """Train all runs of the cell KEY that are not finished yet.

    On SIGTERM or SIGUSR1 it saves the state of the run that trains and ends with exit code
    75 (try again).
    """
    from pdbench.jobs.students import attempt

    chosen = study.cells[known(key, study.cells, "cell")]
    trained = study.seed_counts[chosen] if study.trained_by(chosen) == chosen else 0
    if seed_number is not None and seed_number >= trained:
        what = f"cell {key} trains {trained} seeds, and --seed is {seed_number}"
        raise UsageError(what, "leave --seed out, or name another, counted from 0")
    attempt(study, Paths(study), chosen, save_every, seed_number)


@COMMANDS.command("cells")
@with_study
@click.argument("keys", metavar="KEY...", nargs=-1, required=True, shell_complete=CELL)
@click.option("--then", "file", type=FILE, help="A file to write once all of them are done.")
@_with_threads
@_with_saves
def _cells(study: Study, keys: tuple[str, ...], file: Path | None, save_every: float) -> None:
    """Train the cells KEY... one after the other; one that fails stops no other.

    Each has its log below logs/, as if it had been trained by `pdbench cell`. On SIGTERM or
    SIGUSR1 it saves the state of the run that trains and ends with exit code 75 (try again).
    """
    from pdbench.jobs.students import attempt_all

    cells = [study.cells[known(key, study.cells, "cell")] for key in keys]
    attempt_all(study, Paths(study), cells, save_every, file)


_job(
    "states",
    "Compute what students of CORPUS learn of a larger model's hidden states, once for all.",
    "corpus",
)
_job("latency", "Time every size of the study on this machine.")
_job("collect", "Collect all runs into one Parquet file.")
_job(
    "figure", "Draw the table or figure ARTEFACT from stored results.", "artefact", name="artefact"
)


@COMMANDS.command("report")
@with_study
@click.option("--partial", is_flag=True, help="Of what there is, into a folder of its own.")
def _report(study: Study, partial: bool) -> None:
    """Write the report's page."""
    from pdbench.report import build, build_partial, remove_partial

    if partial:
        say(str(build_partial(study)))
    else:
        build(study, Paths(study))
        remove_partial(study)
