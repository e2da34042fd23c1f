"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from pdbench.artefacts import ARTEFACTS
from pdbench.core.errors import UsageError, suggestion
from pdbench.study import Architecture, Study, load_study
from pdbench.study.axes import check_artefacts

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


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


def with_study_or_demo(command: Command) -> Command:
    """Give a command its first argument: the study, which is the demo if none is named."""
    return click.argument("study", type=StudyName(), default="demo")(command)


def with_json(command: Command) -> Command:
    """Let a command write what it prints as JSON too."""
    return click.option("--json", "json_file", type=FILE, help="Write it as JSON too.")(command)


def with_training(command: Command) -> Command:
    """Give a training command its threads, and the time between two saved states."""
    option = click.option(
        "--save-every",
        type=click.FloatRange(min=0),
        default=300,
        show_default=True,
        metavar="SECONDS",
        help="Wall time between two saved states, from which an interrupted job goes on; "
        "0 saves after every step.",
    )
    return with_threads(option(command))


def with_threads(command: Command) -> Command:
    """Give a command the number of threads that torch may use."""
    option = click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Threads that torch may use.",
    )
    return option(command)


def known(name: str, names: Iterable[str], kind: str) -> str:
    """Return ``name`` if the study has it.

    Raises:
        UsageError: It has not.
    """
    if name not in names:
        raise UsageError(f"unknown {kind} {name!r}", suggestion(name, names))
    return name
