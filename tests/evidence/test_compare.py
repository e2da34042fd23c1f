"""Every published number gets one verdict, and the demo never claims to reproduce a score."""

from __future__ import annotations

from dataclasses import replace

import pytest
import synthetic

from pdbench.evidence import Comparison, Reference, Scores, Verdict, compare, load_references
from pdbench.study import Cell, Study


@pytest.fixture(scope="module")
def references() -> tuple[Reference, ...]:
    """All published numbers."""
    return load_references()


@pytest.fixture(scope="module")
def comparisons(demo: Study, references: tuple[Reference, ...]) -> tuple[Comparison, ...]:
    """All published numbers beside invented results of the whole demo."""
    return compare(Scores(demo, synthetic.results(demo)), references)


def of(study: Study, reference: Reference, missing: tuple[str, ...] = ()) -> Comparison:
    """Compare one published number with invented results."""
    (found,) = compare(Scores(study, synthetic.results(study, missing)), [reference])
    return found


def figure5(references: tuple[Reference, ...]) -> Reference:
    """The paper's PD at Tiny on MNLI."""
    return next(r for r in references if r.artefact == "figure5")


def tiny(study: Study) -> Cell:
    """This study's cell in the place of that number."""
    size = study.named_architectures["Tiny"]
    cells = study.artefact_cells("figure5")
    return next(c for c in cells if (c.method, c.architecture) == ("pd", size))


def with_scale(study: Study, scale: str) -> Study:
    """The same study at another scale."""
    return study.model_copy(update={"scale": scale})


def with_stand_ins(study: Study, artefact: str, **tasks: str) -> Study:
    """The same study with tasks of the paper mapped to its own."""
    needs = study.artefacts[artefact].model_copy(update={"stands_for": tasks})
    return study.model_copy(update={"artefacts": {**study.artefacts, artefact: needs}})


def test_verdicts_are_the_words_of_the_design() -> None:
    """The seven words, and no other."""
    assert [str(v) for v in Verdict] == [
        "reproduced",
        "consistent",
        "inconclusive",
        "deviates",
        "degenerate",
        "not-comparable",
        "missing",
    ]


def test_every_reference_has_a_comparison_with_a_reason(
    references: tuple[Reference, ...], comparisons: tuple[Comparison, ...]
) -> None:
    """Nothing is dropped, in order, and each says why."""
    assert [one.reference for one in comparisons] == list(references)
    assert all(one.reason for one in comparisons)


def test_parameters_of_all_24_sizes_are_reproduced(comparisons: tuple[Comparison, ...]) -> None:
    """Counted parameters are within 0.1 million of the printed ones."""
    found = [
        one
        for one in comparisons
        if one.reference.artefact == "sizes" and one.reference.metric == "params_millions"
    ]

    assert len(found) == 24
    assert {one.verdict for one in found} == {Verdict.REPRODUCED}


def test_wrong_parameter_count_deviates(demo: Study, references: tuple[Reference, ...]) -> None:
    """The count is compared, not waved through."""
    printed = next(r for r in references if r.metric == "params_millions")

    assert of(demo, replace(printed, value=9.9)).verdict is Verdict.DEVIATES


def test_demo_scores_are_not_comparable(comparisons: tuple[Comparison, ...]) -> None:
    """No score of the demo is said to reproduce or to miss a number of the paper."""
    verdicts = {one.verdict for one in comparisons if one.reference.artefact != "sizes"}

    assert verdicts <= {Verdict.NOT_COMPARABLE, Verdict.MISSING}


def test_demo_shows_its_own_number_beside_the_papers(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """The size of the same name and the figure's only task stand in for the paper's."""
    found = of(demo, figure5(references))

    assert found.verdict is Verdict.NOT_COMPARABLE
    assert found.ours.n == 3
    assert str(demo.named_architectures["Tiny"]) in found.reason


def test_size_without_a_counterpart_has_no_number(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """Figure 6's 10/768 has no size of that name in the demo."""
    reference = next(r for r in references if r.architecture == "10/768" and r.split != "-")

    found = of(demo, reference)

    assert found.verdict is Verdict.NOT_COMPARABLE
    assert found.ours.n == 0


def test_missing_cell_is_missing(demo: Study, references: tuple[Reference, ...]) -> None:
    """A cell of the study that has no results is not compared with anything."""
    cell = tiny(demo)

    found = of(demo, figure5(references), missing=(cell.key,))

    assert found.verdict is Verdict.MISSING
    assert found.reason.startswith("no finished runs")


def test_method_that_is_not_run_is_missing(demo: Study, references: tuple[Reference, ...]) -> None:
    """Patient KD is in the paper's table and in no cell."""
    study = with_stand_ins(demo, "table3", **{"SST-2": "sentiment"})
    reference = next(r for r in references if r.method == "patient-kd" and r.task == "SST-2")

    found = of(study, reference)

    assert (found.verdict, found.ours.n) == (Verdict.MISSING, 0)
    assert "is not run" in found.reason


def test_task_needs_a_stand_in_where_several_are_drawn(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """With two tasks in a table, the option says which stands for which of the paper's."""
    reference = next(
        r for r in references if (r.artefact, r.method, r.task) == ("table3", "pd", "SST-2")
    )

    without = of(with_stand_ins(demo, "table3"), reference)
    named = of(with_stand_ins(demo, "table3", **{"SST-2": "sentiment"}), reference)

    assert without.verdict is Verdict.MISSING
    assert "no task of this study stands for SST-2" in without.reason
    assert (named.verdict, named.ours.n) == (Verdict.NOT_COMPARABLE, 3)


def test_degenerate_runs_are_the_verdict(demo: Study, references: tuple[Reference, ...]) -> None:
    """A constant predictor is never compared."""
    cell = tiny(demo)
    frame = synthetic.results(demo, degenerate=(cell.key,))

    (found,) = compare(Scores(demo, frame), [figure5(references)])

    assert found.verdict is Verdict.DEGENERATE


def test_paper_scale_without_a_margin_is_inconclusive(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """Reproduced needs a margin named beforehand; without one nothing is claimed."""
    found = of(with_scale(demo, "paper"), figure5(references))

    assert found.verdict is Verdict.INCONCLUSIVE


def test_speed_ups_are_not_comparable(comparisons: tuple[Comparison, ...]) -> None:
    """A TPU v2 against BERT_LARGE is not this machine against the largest size."""
    found = {
        one.verdict for one in comparisons if one.reference.metric == "speedup_vs_BERT_LARGE_TPUv2"
    }

    assert found == {Verdict.NOT_COMPARABLE}
