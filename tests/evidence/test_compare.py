"""Every published number is joined by what it is a number of, and gets one verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import synthetic

from pdbench.evidence import Comparison, Reference, ResultsTable, Verdict, compare, load_references
from pdbench.evidence.stand_ins import stand_ins
from pdbench.study import Cell, Study, load_study
from pdbench.study.settings import Evidence


@pytest.fixture(scope="module")
def references() -> tuple[Reference, ...]:
    """All published numbers."""
    return load_references()


@pytest.fixture(scope="module")
def comparisons(demo: Study, references: tuple[Reference, ...]) -> tuple[Comparison, ...]:
    """All published numbers beside invented results of the whole demo."""
    return compare(ResultsTable(demo, synthetic.results(demo)), references)


def of(
    study: Study,
    reference: Reference,
    missing: tuple[str, ...] = (),
    similarity: dict[str, dict[str, float]] | None = None,
) -> Comparison:
    """Compare one published number with invented results."""
    scores = ResultsTable(study, synthetic.results(study, missing))
    (found,) = compare(scores, [reference], similarity)
    return found


def changed(study: Study, **changes: Any) -> Study:
    """The same study with some keys changed; nothing that it remembers is kept."""
    return Study.model_validate({**study.model_dump(), **changes})


def figure5(references: tuple[Reference, ...]) -> Reference:
    """The paper's PD at Tiny on MNLI."""
    return next(r for r in references if r.artefact == "figure5")


def tiny(study: Study) -> Cell:
    """This study's cell in the place of that number."""
    size = study.named_architectures["Tiny"]
    cells = study.artefact_cells("figure5")
    return next(c for c in cells if (c.method, c.architecture) == ("pd", size))


def with_stand_ins(study: Study, artefact: str, **tasks: str) -> Study:
    """The same study with tasks of the paper mapped to its own."""
    needs = study.artefacts[artefact].model_copy(update={"stands_for": tasks})
    return study.model_copy(update={"artefacts": {**study.artefacts, artefact: needs}})


COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = {"source": "hub", "name": "google-bert/bert-large-uncased", "revision": COMMIT}
REVIEWS = {"source": "hub", "name": "McAuley-Lab/Amazon-Reviews-2023", "revision": COMMIT}
MOVIES = {**REVIEWS, "file": "raw/Movies_and_TV.jsonl", "size": 1_700_000}
RELEASED = {
    "source": "hub",
    "name": "google/bert_uncased_L-{layers}_H-{hidden}_A-{heads}",
    "revision": COMMIT,
}


def paper_study(demo: Study, task: str = "sst2", **settings: Any) -> Study:
    """A study of figure6 as the paper made it, on one GLUE task and at Tiny's own size."""
    about = synthetic.glue_task(demo, task) | {"teacher": LARGE}
    figure6 = {
        "seeds": 5,
        "cells": [
            {
                "task": "glue",
                "method": ["pd", "pf", "d", "basic"],
                "architecture": "Tiny",
                "transfer": "movies",
                "corpus": "released",
            }
        ],
    }
    return changed(
        demo,
        architectures={"grid": {"layers": [2], "hidden": [128]}, "named": {"Tiny": "2/128"}},
        tasks={"glue": about | settings},
        texts={"movies": MOVIES},
        transfer_sets={"movies": {"text": "movies", "size": 1_700_000}},
        corpora={"released": RELEASED},
        artefacts={"figure6": figure6, "table3": figure6},
        evidence=Evidence(margin=0.5),
        gate=(),
    )


def with_scores(study: Study, method: str, runs: list[float], column: str = "test_accuracy") -> Any:
    """Invented results in which a method has these scores, in per cent."""
    frame = synthetic.results(study)
    frame.loc[frame["method"] == method, column] = [run / 100 for run in runs]
    return frame


def figure6(references: tuple[Reference, ...], method: str = "pd") -> Reference:
    """The paper's Tiny on SST-2."""
    found = (r for r in references if (r.artefact, r.architecture) == ("figure6", "2/128"))
    return next(r for r in found if r.method == method)


def test_every_reference_has_a_comparison_with_a_reason(
    references: tuple[Reference, ...], comparisons: tuple[Comparison, ...]
) -> None:
    """Nothing is dropped, in order, and each says why."""
    assert [one.reference for one in comparisons] == list(references)
    assert all(one.reason and one.mark for one in comparisons)


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

    found = of(demo, replace(printed, value=9.9))

    assert (found.verdict, found.mark) == (Verdict.DEVIATES, "\N{MINUS SIGN}")


def test_demo_scores_are_not_comparable(comparisons: tuple[Comparison, ...]) -> None:
    """No score of the demo is said to reproduce or to miss a number of the paper."""
    verdicts = {one.verdict for one in comparisons if one.reference.is_score}

    assert verdicts <= {Verdict.NOT_COMPARABLE, Verdict.MISSING}


def test_demo_shows_its_own_number_beside_the_papers(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """The size of the same name and the figure's only task stand in for the paper's."""
    found = of(demo, figure5(references))

    assert (found.verdict, found.mark) == (Verdict.NOT_COMPARABLE, "x")
    assert found.ours.n == 3
    assert found.cell == tiny(demo).key
    assert str(demo.named_architectures["Tiny"]) in found.reason


def test_size_without_a_counterpart_has_no_number(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """Figure 6's 10/768 has no size of that name in the demo."""
    reference = next(r for r in references if r.architecture == "10/768" and r.split != "-")

    found = of(demo, reference)

    assert found.verdict is Verdict.NOT_COMPARABLE
    assert found.ours.n == 0


def test_exactly_one_missing_cell_is_missing(
    demo: Study, references: tuple[Reference, ...], comparisons: tuple[Comparison, ...]
) -> None:
    """One cell without results takes the numbers in its place from comparison, and no others."""
    gone = tiny(demo).key

    found = compare(ResultsTable(demo, synthetic.results(demo, (gone,))), references)

    other = [now.verdict for now, then in zip(found, comparisons, strict=True) if then.cell != gone]
    missing = [now for now, then in zip(found, comparisons, strict=True) if then.cell == gone]
    assert other == [one.verdict for one in comparisons if one.cell != gone]
    assert missing
    assert {(one.verdict, one.mark) for one in missing} == {(Verdict.MISSING, ".")}


def test_exactly_one_missing_reference_changes_no_other(
    demo: Study, references: tuple[Reference, ...], comparisons: tuple[Comparison, ...]
) -> None:
    """Numbers are joined by what they are: dropping one and shuffling moves no verdict."""
    gone, *others = reversed(references)

    found = compare(ResultsTable(demo, synthetic.results(demo)), others)

    before = {one.reference: one for one in comparisons}
    assert all(one == before[one.reference] for one in found)
    assert gone not in {one.reference for one in found}


def test_method_that_is_not_run_is_missing(demo: Study, references: tuple[Reference, ...]) -> None:
    """Patient KD is in the paper's table, and here in no cell of the second task."""
    study = with_stand_ins(demo, "table3", MRPC="paraphrase")
    reference = next(r for r in references if r.method == "patient-kd" and r.task == "MRPC")

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

    (found,) = compare(ResultsTable(demo, frame), [figure5(references)])

    assert (found.verdict, found.mark) == (Verdict.DEGENERATE, "!")


def test_speed_ups_are_not_comparable(comparisons: tuple[Comparison, ...]) -> None:
    """A TPU v2 against BERT_LARGE is not this machine against the largest size."""
    found = {
        one.verdict for one in comparisons if one.reference.metric == "speedup_vs_BERT_LARGE_TPUv2"
    }

    assert found == {Verdict.NOT_COMPARABLE}


def test_context_is_never_a_target(comparisons: tuple[Comparison, ...]) -> None:
    """Secondary rows and other publications are shown and not judged."""
    found = {one.verdict for one in comparisons if one.reference.is_context}

    assert found == {Verdict.NOT_COMPARABLE}


def test_a_score_is_reproduced_within_the_named_margin(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """Runs close to the paper's Tiny reproduce it; the figure's split is open, so no more."""
    study, reference = paper_study(demo), figure6(references)
    near = [85.5, 85.6, 85.4, 85.5, 85.45]
    stated = replace(reference, split="dev")

    scores = ResultsTable(study, with_scores(study, "pd", near))
    open_, closed = compare(scores, [reference, stated])

    assert (open_.verdict, open_.mark) == (Verdict.CONSISTENT, "~")
    assert "states no split" in open_.reason
    assert (closed.verdict, closed.mark) == (Verdict.REPRODUCED, "=")


def test_an_artefact_may_have_a_margin_of_its_own(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """The narrower margin of the artefact stands in place of the study's."""
    study, reference = paper_study(demo), replace(figure6(references), split="dev")
    needs = study.artefacts["figure6"].model_copy(update={"margin": 0.01})
    narrow = study.model_copy(update={"artefacts": {**study.artefacts, "figure6": needs}})
    reference = replace(reference, best_of=1)
    runs = [85.8, 85.82, 85.78, 85.8, 85.79]

    verdicts = [
        compare(ResultsTable(one, with_scores(one, "pd", runs)), [reference])[0].verdict
        for one in (study, narrow)
    ]

    assert verdicts == [Verdict.REPRODUCED, Verdict.DEVIATES]


def test_paper_scale_without_a_margin_is_inconclusive(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """Reproduced needs a margin named beforehand; without one nothing is claimed."""
    study = changed(paper_study(demo), evidence=Evidence())
    scores = ResultsTable(study, with_scores(study, "pd", [85.5, 85.6, 85.4, 85.5, 85.45]))

    (found,) = compare(scores, [figure6(references)])

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no margin" in found.reason


def test_deviations_have_a_direction(demo: Study, references: tuple[Reference, ...]) -> None:
    """Better and worse are told apart by the mark."""
    study, reference = paper_study(demo), figure6(references)

    marks = []
    for runs in ([88.0, 88.1, 88.0, 87.9, 88.0], [83.0, 83.1, 83.0, 82.9, 83.0]):
        (found,) = compare(ResultsTable(study, with_scores(study, "pd", runs)), [reference])
        assert found.verdict is Verdict.DEVIATES
        marks.append(found.mark)

    assert marks == ["+", "\N{MINUS SIGN}"]


def test_the_numbers_of_an_artefact_are_tested_together(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """How many were is in the reason, with the runs behind both numbers; others do not count."""
    study = paper_study(demo)
    alike = [r for r in references if (r.artefact, r.architecture) == ("figure6", "2/128")]
    other = next(r for r in references if (r.artefact, r.task, r.split) == ("table3", "RTE", "dev"))
    scores = ResultsTable(study, with_scores(study, "pd", [88.0, 88.1, 88.0, 87.9, 88.0]))

    alone, together = (compare(scores, few)[0] for few in ([alike[0]], [*alike, other]))

    assert "Holm over 1 number)" in alone.reason
    assert "Holm over 4 numbers)" in together.reason
    assert "on this test set, 5 runs here, 1 there (assumed), the best of 5 (ass" in together.reason


QNLI = {"task": "QNLI", "task_version": "v2"}


@pytest.mark.parametrize(
    ("settings", "change", "words"),
    [
        ({}, {"task": "MNLI", "task_version": "unstated"}, "task glue, there MNLI"),
        ({"configuration": "mnli"}, {"task": "MNLI-mm"}, "task glue, there MNLI-mm"),
        ({"name": "other/glue"}, {}, "task glue, there SST-2"),
        ({"configuration": "qnli", "version": "v1"}, QNLI, "version v1, there v2"),
        ({"configuration": "qnli"}, QNLI, "version not stated (name tasks.*.version), there v2"),
        ({"train": 1000}, {}, "labelled set of 1,000 examples, there all"),
        ({"test": 400}, {}, "400 examples scored, there all 872"),
        (
            {"teacher": {**LARGE, "name": "prajjwal1/bert-tiny"}},
            {},
            "teacher prajjwal1/bert-tiny of size 6/384, th",
        ),
        ({}, {"metric": "f1"}, "f1 there; glue has accuracy"),
        ({}, {"split": "test"}, "split dev, there test"),
        ({}, {"architecture": "4/256"}, "size 2/128, there 4/256"),
        ({}, {"transfer_size": 1_000_000}, "no transfer set of this study has 1,000,000 items"),
        ({}, {"similarity": 0.43}, "no transfer set of this study has S = 0.43"),
        ({}, {"grade": "secondary"}, "context"),
    ],
)
def test_what_is_not_the_same_is_not_comparable(
    demo: Study,
    references: tuple[Reference, ...],
    settings: dict[str, Any],
    change: dict[str, Any],
    words: str,
) -> None:
    """Task, version, metric, split, size, transfer set and grade must all match."""
    study = paper_study(demo, **settings)

    found = of(study, replace(figure6(references), **change))

    assert (found.verdict, found.mark) == (Verdict.NOT_COMPARABLE, "x")
    assert words in found.reason


@pytest.mark.parametrize(
    ("task", "version", "word", "stated"),
    [("qnli", "v2", "QNLI", "v2"), ("mnli", "", "MNLI-m", "matched"), ("sst2", "", "SST-2", "")],
)
def test_what_is_the_same_is_compared(
    demo: Study,
    references: tuple[Reference, ...],
    task: str,
    version: str,
    word: str,
    stated: str,
) -> None:
    """The same version of the same task on the same split is judged."""
    study = paper_study(demo, task, version=version)
    reference = replace(figure6(references), task=word, task_version=stated, split="dev")

    found = of(study, reference)

    assert found.verdict in {Verdict.REPRODUCED, Verdict.DEVIATES, Verdict.CONSISTENT}


def test_an_open_version_is_no_match(demo: Study, references: tuple[Reference, ...]) -> None:
    """MNLI without saying which test set may be consistent, and no more."""
    study = paper_study(demo, "mnli")
    reference = replace(figure6(references), task="MNLI", task_version="unstated", split="dev")
    runs = with_scores(study, "pd", [85.5, 85.6, 85.4, 85.5, 85.45])

    (found,) = compare(ResultsTable(study, runs), [reference])

    assert found.verdict is Verdict.CONSISTENT
    assert "states no task version" in found.reason


def test_glue_test_scores_have_no_counterpart_and_dev_scores_do(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """GLUE hides its test labels, so our test split of a GLUE task is GLUE's dev split."""
    base = {**LARGE, "name": "google-bert/bert-base-uncased"}  # as in Table 3
    study = paper_study(demo, teacher=base)
    found = {
        r.split: of(study, replace(r, architecture="2/128"))
        for r in references
        if (r.artefact, r.method, r.task) == ("table3", "pd", "SST-2")
    }

    assert found["test"].verdict is Verdict.NOT_COMPARABLE
    assert found["dev"].verdict is not Verdict.NOT_COMPARABLE


def test_dev_numbers_stand_beside_dev_numbers(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """The paper's dev score is shown beside ours on dev, not beside ours on test."""
    frame = synthetic.results(demo).assign(dev_accuracy=0.6, test_accuracy=0.7)
    found = {
        r.split: compare(ResultsTable(demo, frame), [r])[0].ours.mean
        for r in references
        if (r.artefact, r.method, r.task) == ("table3", "pd", "SST-2")
    }

    assert found == pytest.approx({"dev": 60.0, "test": 70.0})


def test_a_split_that_chose_is_not_reported_beside_a_published_one(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """Where our dev chose the grid point, its score is not compared with a published dev score."""
    books = {**REVIEWS, "file": "Books.jsonl.gz", "configuration": None}
    study = paper_study(demo, **books)
    grid = study.training.distill.model_copy(update={"learning_rate": (1e-3, 2e-3)})
    training = study.training.model_copy(update={"distill": grid})
    choosing = study.model_copy(update={"training": training})
    reference = replace(figure6(references), task="Amazon Book Reviews", split="dev")

    free, chosen = of(study, reference), of(choosing, reference)

    assert free.verdict is not Verdict.NOT_COMPARABLE
    assert chosen.verdict is Verdict.NOT_COMPARABLE
    assert "our dev chose the grid point" in chosen.reason


def test_scale_alone_is_no_difference(demo: Study, references: tuple[Reference, ...]) -> None:
    """A laptop's number is comparable where all that its method uses is the paper's."""
    small = paper_study(demo)
    large = changed(small, scale="paper")

    for reference in (figure6(references, method) for method in ("pd", "pf", "d", "basic")):
        found = of(small, reference)
        assert found.comparable
        assert found == of(large, reference)


def test_every_difference_is_listed(demo: Study, references: tuple[Reference, ...]) -> None:
    """Not the first alone: the reader sees how far the two numbers are apart."""
    (found,) = (
        compare(ResultsTable(demo, synthetic.results(demo)), [reference])[0]
        for reference in references
        if (reference.artefact, reference.method, reference.architecture)
        == ("figure6", "pd", "4/256")
    )

    assert not found.comparable
    assert found.reason.startswith(
        "task sentiment, there SST-2; size 2/32, there 4/256; "
        "teacher all-minilm-l6-v2 of size 6/384, there BERT_LARGE of 24/1024; "
        "corpus film-sentences, there Wikipedia and books; the source states no split; "
        "transfer set snippets-4k of 4,000 items, there movie reviews (assumed) of 1,700,000"
    )


@pytest.mark.parametrize(
    ("method", "differing"),
    [
        ("basic", set()),
        ("pf", {"corpus"}),
        ("d", {"teacher", "transfer"}),
        ("pd", {"teacher", "transfer", "corpus"}),
    ],
)
def test_only_what_the_method_uses_can_differ(
    demo: Study, references: tuple[Reference, ...], method: str, differing: set[str]
) -> None:
    """Basic training has no teacher, no transfer set and no corpus, so that none is another."""
    study = paper_study(demo, teacher=demo.tasks["sentiment"].teacher)
    other = {"source": "embedded", "name": "imdb-sentences", "size": 1_700_000}
    corpus = [{"text": "movies", "tokens": 1000}]
    study = changed(study, texts={"movies": other}, corpora={"released": corpus})

    found = of(study, figure6(references, method))

    assert found.comparable == (not differing)
    words = found.reason.split(" (glue")[0]
    assert {one for one in ("teacher", "transfer", "corpus") if f"{one} " in words} == differing


def test_what_is_assumed_of_the_paper_is_said_and_not_held_against_us(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """No stored source states SST-2's transfer set: another is consistent at best."""
    same, reference = paper_study(demo), replace(figure6(references), split="dev")
    other = changed(same, texts={"movies": {**MOVIES, "file": "raw/Books.jsonl"}})
    runs = [85.5, 85.6, 85.4, 85.5, 85.45]

    one, two = (
        compare(ResultsTable(study, with_scores(study, "pd", runs)), [reference])[0]
        for study in (same, other)
    )

    assert (one.verdict, two.verdict) == (Verdict.REPRODUCED, Verdict.CONSISTENT)
    assert "that its transfer set is movie reviews is assumed" in one.reason
    assert "but transfer set movies, there movie reviews (assumed)" in two.reason


def test_a_teacher_that_is_called_bert_large_and_is_small_is_none(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """A folder may be said to be a copy of a repository; the size in its record tells."""
    copy = {"source": "directory", "name": LARGE["name"], "path": "models/large"}
    study = paper_study(demo, teacher=copy)
    frame = synthetic.results(study)
    assert compare(ResultsTable(study, frame), [figure6(references)])[0].comparable

    frame.loc[frame["method"] == "teacher", "architecture"] = "2/128"
    (found,) = compare(ResultsTable(study, frame), [figure6(references)])

    assert not found.comparable
    assert "bert-large-uncased of size 2/128, there BERT_LARGE of 24/1024" in found.reason


def test_a_task_that_is_only_called_as_a_published_one_is_another(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """An id decides nothing: embedded sentences under the name sst2 are not SST-2."""
    study = changed(
        demo,
        tasks={"sst2": demo.tasks["sentiment"].model_dump()},
        artefacts={"figure6": {"cells": [{"task": "sst2", "method": "basic"}]}},
        gate=(),
    )

    found = of(study, figure6(references, "basic"))

    assert found.reason.startswith("task sst2, there SST-2")


COMPARABLE = {
    "paper": {
        "sizes": 24,
        "table3": 30,
        "figure5": 20,
        "figure6": 97,
        "figure8": 20,
        "figure9": 15,
        "figure10": 15,
    },
    "basic": {"sizes": 24, "figure6": 6},
    "glue": {"sizes": 24},
    "demo": {"sizes": 24},
}


@pytest.mark.parametrize("name", COMPARABLE)
def test_comparable_numbers_of_each_study(name: str, references: tuple[Reference, ...]) -> None:
    """The paper's study throughout, GLUE's test split apart; basic's column; of the demo none."""
    study = load_study(name)
    measured = {chosen: dict.fromkeys(study.tasks, 0.7) for chosen in study.transfer_sets}
    if name == "paper":
        domains = ("book", "movie", "electronics", "clothing")
        for domain, own in zip(domains, (1.0, 0.76, 0.52, 0.43), strict=True):
            measured[f"{domain}-reviews"] = {"book-reviews": own}

    found = compare(ResultsTable(study, synthetic.results(study)), references, measured)

    shown = Counter(one.reference.artefact for one in found if one.comparable)
    assert shown == COMPARABLE[name]
    if name == "paper":
        others = [one for one in found if not one.comparable and one.ours.n]
        others = [one for one in others if one.verdict is not Verdict.DEGENERATE]
        others = [one for one in others if not one.reference.is_context]
        assert all(one.reason.startswith("split dev, there test") for one in others)


def test_stand_ins_of_each_study(references: tuple[Reference, ...]) -> None:
    """The demo says what it has for the paper's parts; the paper's study has no other models."""
    found = {}
    for name in ("demo", "paper"):
        study = load_study(name)
        beside = compare(ResultsTable(study, synthetic.results(study)), references)
        found[name] = {one.what: one for one in stand_ins(study, beside)}

    demo = found["demo"]
    assert list(demo) == ["task", "teacher", "transfer set", "corpus"]
    assert demo["teacher"].here == ("all-minilm-l6-v2",)
    assert set(demo["teacher"].there) == {"BERT_BASE", "BERT_LARGE"}
    assert "imdb-sentences + states of all-minilm-l6-v2" in demo["corpus"].here
    assert "Wikipedia and books" in demo["corpus"].there
    assert {"sentiment (rotten-tomatoes)"} <= set(demo["task"].here)
    assert "teacher" not in found["paper"]


def test_figure9_is_joined_by_similarity_too(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """Transfer sets of one size are told apart by S, and without S there is no counterpart."""
    study = changed(
        demo,
        transfer_sets={
            name: {**chosen.model_dump(), "size": 3000}
            for name, chosen in demo.transfer_sets.items()
        },
    )
    found = next(r for r in references if r.artefact == "figure9" and r.similarity == 0.76)
    reference = replace(found, transfer_size=3000)
    measured = {"films-3k": {"sentiment": 0.77}, "tweets-3k": {"sentiment": 0.58}}

    known, unknown = of(study, reference, similarity=measured), of(study, reference)

    assert known.cell == "sentiment.pd-f.2-32.films-3k.film-sentences"
    assert known.ours.n == 3
    assert (unknown.cell, unknown.ours.n) == (None, 0)
    assert "S = 0.76" in unknown.reason


def test_meta_score_is_compared_with_the_mean_of_six_tasks(
    demo: Study, references: tuple[Reference, ...]
) -> None:
    """Two scores of a task are averaged first, then the six tasks, seed by seed."""
    paper = load_study("paper")
    blocks = [
        {**block.model_dump(), "method": "pd", "architecture": "2/128"}
        for block in paper.artefacts["table3"].cells[:2]
    ]
    stands_for = paper.artefacts["table3"].stands_for
    table3 = {"seeds": 2, "cells": blocks, "stands_for": stands_for}
    study = changed(paper, artefacts={"table3": table3})
    frame = synthetic.results(study).assign(test_accuracy=0.8, test_f1=0.9)
    frame.loc[frame["task"].str.startswith("mnli"), "test_accuracy"] = 0.7
    wanted = ("meta_score", "dev", "pd")
    meta = next(r for r in references if (r.metric, r.split, r.method) == wanted)

    (found,) = compare(ResultsTable(study, frame), [replace(meta, architecture="2/128")])

    assert found.ours.mean == pytest.approx((80 + 85 + 85 + 70 + 80 + 80) / 6)
    assert found.ours.n == 2
    flagged = frame.assign(degenerate=frame["task"] == "rte-by-base")
    (collapsed,) = compare(ResultsTable(study, flagged), [replace(meta, architecture="2/128")])
    assert collapsed.verdict is Verdict.DEGENERATE
    (lacking,) = compare(ResultsTable(study, frame[frame["task"] != "rte-by-base"]), [meta])
    assert lacking.verdict in {Verdict.MISSING, Verdict.NOT_COMPARABLE}
    # Runs of 60.0 and 60.2 lie 20 points lower: clear for one run and for the best of five,
    # not for the mean of six bests of five, which is one of 15,625.
    frame["test_accuracy"] = frame["test_f1"] = 0.6 + 0.002 * frame["seed_index"]
    verdicts = [
        compare(ResultsTable(study, frame), [replace(meta, architecture="2/128", best_of=k)])
        for k in (1, 5)
    ]
    assert [one.verdict for (one,) in verdicts] == [Verdict.DEVIATES, Verdict.INCONCLUSIVE]


def test_the_study_may_have_any_order(demo: Study, references: tuple[Reference, ...]) -> None:
    """Shuffled rows give the same comparisons."""
    frame = synthetic.results(demo)
    shuffled: pd.DataFrame = frame.sample(frac=1, random_state=7)

    assert str(compare(ResultsTable(demo, frame), references)) == str(
        compare(ResultsTable(demo, shuffled), references)
    )


@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_a_size_of_the_same_name_is_shown_and_not_compared(
    demo: Study, references: tuple[Reference, ...], scale: str
) -> None:
    """What a study calls Tiny stands beside the paper's Tiny, and its size is listed."""
    study = changed(
        paper_study(demo),
        scale=scale,
        architectures={"grid": {"layers": [2], "hidden": [64]}, "named": {"Tiny": "2/64"}},
    )

    found = of(study, figure6(references))

    assert (found.verdict, found.ours.n) == (Verdict.NOT_COMPARABLE, 5)
    assert found.reason.startswith("size 2/64, there 2/128; ")
