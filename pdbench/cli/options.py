"""What commands share: arguments, options, and the line with which they end in an error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from pdbench.artefacts import ARTEFACTS
from pdbench.core.errors import UsageError, of_system, suggestion
from pdbench.core.lines import say
from pdbench.study import Study, load_study
from pdbench.study.axes import check_artefacts
from pdbench.study.loading import studies_in
from pdbench.workflow import Paths
from pdbench.workflow.shown import refuse_others

FILE = click.Path(path_type=Path, dir_okay=False)


class StudyName(click.ParamType[Study]):
    """A study by its name in ``config/`` or by the path of its file."""

    name = "study"

    def convert(self, value: Any, param: Any, ctx: Any) -> Study:
        """Load the study, which must be the one whose results stand under its name."""
        study = load_study(value)
        check_artefacts(study, ARTEFACTS)
        refuse_others(Paths(study))
        return study

    def shell_complete(self, _: Any, __: Any, incomplete: str) -> list[CompletionItem]:
        """The names of studies that begin so; else files."""
        names = [CompletionItem(name) for name in studies_in() if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


def completed(names: Callable[[Study], Iterable[str]]) -> Callable[[Any, Any, str], list[str]]:
    """What completes a name of a study, which the command line has named before, in a shell."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        study = context.params.get("study")
        found = names(study) if isinstance(study, Study) else ()
        return [name for name in found if name.startswith(incomplete)]

    return complete


METHOD = completed(lambda study: study.methods)
CELL = completed(lambda study: study.cells)
ARTEFACT = completed(lambda study: study.artefacts)

with_study = click.argument("study", type=StudyName())
with_json = click.option("--json", "json_file", type=FILE, help="Write it as JSON too.")


def with_seed(words: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option that names a seed number; the words say what it is for."""
    number = click.IntRange(min=0)
    return click.option("--seed", "seed_number", type=number, metavar="NUMBER", help=words)


def known(name: str, names: Iterable[str], kind: str) -> str:
    """Return ``name`` if the study has it, else UsageError."""
    if name not in names:
        raise UsageError(f"unknown {kind} {name!r}", suggestion(name, names))
    return name


def fail(error: OSError | str, code: int) -> NoReturn:
    """End the program with one line on stderr; the system's errors get a remedy."""
    line = of_system(error) if isinstance(error, OSError) else error
    say(f"pdbench: error: {line}", err=True)
    sys.exit(code)
