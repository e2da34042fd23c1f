"""A study whose cells an artefact cannot show is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import synthetic
from study_files import SMALL

from pdbench.artefacts import ARTEFACTS
from pdbench.artefacts.charts import chart_of
from pdbench.artefacts.context import Context
from pdbench.artefacts.render import render
from pdbench.core.errors import UsageError
from pdbench.study import load_study
from pdbench.study.axes import check_artefacts

StudyFile = Callable[..., Path]

SETS = {
    "films-300": {"text": "films", "size": 300},
    "films-1k": {"text": "films", "size": 1000},
    "same": {"text": "films", "size": 300},
    "reviews-300": {"text": "reviews", "size": 300},
}
TASK = SMALL["tasks"]["sentiment"]
TASKS = {"sentiment": TASK, "other": {**TASK, "title": "Other films"}}


def block(**changes: Any) -> dict[str, Any]:
    """Cells of plain distillation and of a student without a teacher, at one size."""
    cells = {"task": "sentiment", "method": ["d", "basic"], "architecture": "Mini"}
    return {**cells, "transfer": "films-300", **changes}


def changed(artefact: str, *cells: dict[str, Any]) -> dict[str, Any]:
    """The small study with one artefact of these cells."""
    needs = {artefact: {"cells": list(cells)}}
    return {"artefacts": needs, "transfer_sets": SETS, "tasks": TASKS}


@pytest.mark.parametrize(
    ("artefact", "cells", "problem"),
    [
        ("figure1", [block()], "figure1 shows no cells; remove them"),
        ("datasets", [block()], "datasets shows no cells; remove them"),
        ("figure5", [], "missing, and figure5 shows nothing else; name cells"),
        (
            "table3",
            [block(architecture="all")],
            "layers varies (1, 2), and table3 has x by task",
        ),
        ("figure7", [block(transfer=["films-300", "films-1k"])], "the size of the transfer set"),
        ("figure10", [block(), block(method="d", transfer="reviews-300")], "the text of the"),
        ("figure8", [block(transfer=["films-1k", "reviews-300"])], "the text of the transfer set"),
        ("figure8", [block(transfer=["films-300", "same"])], "would stand at one place"),
        ("figure9", [block(transfer=["films-1k", "reviews-300"])], "the size of the transfer set"),
        (
            "figure9",
            [block(architecture="named")],
            "the number of layers varies (1, 2)",
        ),
        ("scores", [block(transfer=["films-300", "films-1k"])], "the size of the transfer set"),
    ],
)
def test_cells_that_have_no_place_are_refused(
    study_file: StudyFile, artefact: str, cells: list[dict[str, Any]], problem: str
) -> None:
    """One line names the study, the key, what varies, and the remedy."""
    study = load_study(study_file(changed(artefact, *cells)))

    with pytest.raises(UsageError) as found:
        check_artefacts(study, ARTEFACTS)

    assert f"study small: key artefacts.{artefact}.cells: " in str(found.value)
    assert problem in str(found.value)


@pytest.mark.parametrize("name", ["smoke", "demo", "paper", "glue", "basic", "extended"])
def test_the_cells_of_every_study_fit(name: str) -> None:
    """The studies of the project are shown whole."""
    check_artefacts(load_study(name), ARTEFACTS)


@pytest.mark.parametrize(
    ("artefact", "cells", "panels"),
    [
        ("figure6", [block(task=["sentiment", "other"], architecture="all")], 4),
        ("figure8", [block(architecture="all", transfer=["films-300", "films-1k"])], 1),
        ("figure8", [block(task=["sentiment", "other"])], 2),
        ("figure9", [block(task=["other", "sentiment"], transfer=["films-300"])], 2),
        ("figure7", [block(), block(task="other", transfer="reviews-300")], 2),
    ],
)
def test_every_cell_that_fits_has_one_mark_or_line(
    study_file: StudyFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    artefact: str,
    cells: list[dict[str, Any]],
    panels: int,
) -> None:
    """Two tasks have panels of their own, and three and more sizes looks of their own."""
    monkeypatch.chdir(tmp_path)
    study = load_study(study_file(changed(artefact, *cells)))
    check_artefacts(study, ARTEFACTS)

    chart = chart_of(Context(study, synthetic.write_study(study)), artefact)
    own = [panel for panel in chart.panels if not panel.published]
    shown = [one.cell for panel in own for one in panel.shown if ".teacher." not in f"{one.cell}"]

    assert sorted(filter(None, shown)) == sorted(
        cell.key for cell in study.artefact_cells(artefact)
    )
    assert len(own) == panels
    assert len({panel.title for panel in own}) == panels
    assert len(render(chart).axes) == len(chart.panels)
