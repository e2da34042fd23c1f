"""Methods with objectives of their own in the table of methods and in the diagram."""

from __future__ import annotations

import re
from typing import Any

from pdbench.artefacts.methods import DRAWINGS, _steps
from pdbench.artefacts.tables import ABSENT, Drawn
from pdbench.core.files import read_json
from pdbench.methods.tinybert import TinyBert
from pdbench.study import Study
from pdbench.workflow import Paths


def _drawn(study: Study) -> Drawn:
    return DRAWINGS["methods"](type("Context", (), {"study": study})())


def _row(demo: Study, method: str) -> dict[str, Any]:
    (row,) = [row for row in _drawn(demo).rows if row["Id"] == method]
    return dict(row)


def test_stages_loss_and_exposure_come_from_the_class(demo: Study) -> None:
    """MiniLM's row says its loss, its shares, its data, and what the teacher must expose."""
    row = _row(demo, "minilm")

    assert row["Stages"] == (
        "distillation of self-attention relations (50% of the updates), then "
        "distillation (50% of the updates)"
    )
    assert row["Losses"].startswith("Σ over Q, K, V of KL")
    assert row["Losses"].endswith(", then cross-entropy with the teacher's soft labels")
    assert row["Data"] == "D_LM, D_T"
    assert row["Teacher exposes"] == (
        "queries, keys and values of the last layer, class probabilities"
    )


def test_own_pretraining_is_in_its_row(demo: Study) -> None:
    """DistilBERT's loss and what its teacher exposes are those of its pre-training."""
    row = _row(demo, "distilbert")

    assert row["Begins as"] == "Distillation while pre-training"
    assert row["Losses"].endswith("(1 - cos(h_S, h_T)), then cross-entropy with the labels")
    assert row["Teacher exposes"] == "masked-LM probabilities, last hidden states"


def test_what_differs_from_a_methods_paper_is_a_line_each(demo: Study) -> None:
    """Of TinyBERT as its class says; once for methods of one class; nothing of the paper's own."""
    _, table = _drawn(demo).tables

    of_tinybert = [line for names, line in table.rows if names == "TinyBERT"]
    assert of_tinybert == list(TinyBert.differs)
    assert "10 and 3 epochs" in " ".join(of_tinybert)
    assert _row(demo, "tinybert")["Differs from its paper"] == "; ".join(of_tinybert)
    assert {names for names, _ in table.rows} == {
        "Patient KD, Patient KD (unnormalised), Patient KD (last)",
        *("TinyBERT", "MiniLM", "DistilBERT"),
    }
    assert _row(demo, "pd")["Differs from its paper"] == ""


def test_known_methods_read_as_before(demo: Study) -> None:
    """Pre-trained distillation has one stage, one loss and class probabilities alone."""
    row = _row(demo, "pd")

    assert row["Stages"] == "distillation"
    assert row["Losses"] == "cross-entropy with the teacher's soft labels"
    assert row["Teacher exposes"] == "class probabilities"


def test_every_method_has_steps(demo: Study) -> None:
    """Each step of each method has a kind, a name and what a diagram needs."""
    for method in demo.methods.values():
        assert len(list(_steps(method))) == 1 + len(method.stages)


def test_cells_that_are_not_asked_for_are_not_missing(drawn: Paths) -> None:
    """A method that runs on one task has dashes for the others, and no mean."""
    words = read_json(drawn.artefact("table3")[0].with_suffix(".json"))
    table = next(table for table in words["tables"] if table["title"] == "This study, test")
    row = next(row for row in table["rows"] if row[0] == drawn.study.methods["minilm"].name)

    assert re.fullmatch(r"[\d.]+ ± [\d.]+", row[1])
    assert set(row[2:]) == {ABSENT}
