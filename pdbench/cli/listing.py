"""What there is to name: studies, methods, artefacts and cells, with a word about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import click

from pdbench.artefacts import ARTEFACTS
from pdbench.cli.options import StudyName
from pdbench.core.errors import PdbenchError, UsageError
from pdbench.core.lines import say
from pdbench.core.words import visible
from pdbench.study import Method, Study, load_study
from pdbench.study.loading import load_methods, studies_in

COMMANDS = click.Group()

_Named = Iterator[tuple[str, str]]


def _studies(study: Study | None) -> _Named:
    for name in studies_in() if study is None else [study.argument]:
        try:
            found = load_study(name)
        except PdbenchError as error:  # it is there, and the others can be listed
            yield name, f"cannot be read: {error}"
        else:
            yield name, f"{found.scale}, {len(found.cells)} cells: {found.title}{found.whose}"


def _methods(study: Study | None) -> _Named:
    known: Mapping[str, Method] = load_methods() if study is None else study.methods
    used = None if study is None else {cell.method for cell in study.seed_counts}
    for name, method in known.items():
        if used is None or name in used:
            parts = " + ".join([method.initialisation, *(stage.name for stage in method.stages)])
            yield name, f"{method.name}: {parts}"


def _artefacts(study: Study | None) -> _Named:
    for name in ARTEFACTS if study is None else study.artefacts:
        count = 0 if study is None else len(study.artefact_cells(name))
        yield name, ARTEFACTS[name].title + (f", {count} cells" if count else "")


def _cells(study: Study | None) -> _Named:
    if study is None:
        raise UsageError("pdbench list cells: which study's?", "pdbench list cells STUDY")
    shows = {name: set(study.artefact_cells(name)) for name in study.artefacts}
    for key, cell in study.cells.items():
        seeds = study.seed_counts[cell]
        where = ", ".join(name for name, own in shows.items() if cell in own)
        yield key, f"{seeds} seed{'s' * (seeds > 1)}" + (f", {where}" if where else "")


_KINDS: Mapping[str, Callable[[Study | None], _Named]] = {
    "studies": _studies,
    "methods": _methods,
    "artefacts": _artefacts,
    "cells": _cells,
}


@COMMANDS.command("list")
@click.argument("what", type=click.Choice([*_KINDS]))
@click.argument("study", type=StudyName(), required=False)
def _list(what: str, study: Study | None) -> None:
    """List what may be named, a line each: its name first, then what it is.

    Studies are those of config/ here and pdbench's own; methods and artefacts all that there are,
    or those of STUDY; cells those of STUDY.
    """
    rows = [(visible(name), visible(about)) for name, about in _KINDS[what](study)]
    width = max((len(name) for name, _ in rows), default=0)
    say(*(f"{name:<{width}}  {about}" for name, about in rows))
