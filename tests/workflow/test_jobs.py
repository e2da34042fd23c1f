"""When jobs run again, which go first, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest
from pdbench.workflow.jobs import Jobs

from pdbench.study import Study, load_study

CELL = "sentiment.pd.1-64.films-300.general"


@pytest.fixture
def jobs(study: Study) -> Jobs:
    """The small study's jobs, one for each cell."""
    return Jobs(study, bundle=0)


def specs(jobs: Jobs) -> dict[str, str]:
    """The digests of one job of every kind, and of two kinds of cells."""
    return {
        "task": jobs.task_spec("sentiment"),
        "text": jobs.text_spec("films"),
        "pretrain": jobs.pretrain_spec("general", "1/64"),
        "teacher": jobs.teacher_spec("sentiment"),
        "soft_labels": jobs.soft_labels_spec("sentiment", "films"),
        "pd": jobs.cell_spec(CELL),
        "basic": jobs.cell_spec("sentiment.basic.1-64.none.none"),
        "figure6": jobs.artefact_spec("figure6"),
    }


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"title": "Another"}, set()),
        ({"artefacts.sizes.stands_for": {"RTE": "sentiment"}}, set()),
        ({"artefacts.figure6.seeds": 5}, {"pd", "basic", "figure6"}),
        ({"training.distill.epochs": 9}, {"pd"}),
        ({"training.finetune.learning_rate": [1e-4, 1e-3]}, {"basic"}),
        ({"training.pretrain.dropout": 0.3}, {"pretrain", "pd"}),
        ({"corpora.general.0.tokens": 1000}, {"pretrain", "pd"}),
        ({"texts.reviews.size": 400}, {"pretrain", "pd"}),
        (
            {"tasks.sentiment.teacher.epochs": 1},
            {"teacher", "soft_labels", "pd", "figure6"},
        ),
        (
            {"tasks.sentiment.train": 50},
            {"task", "teacher", "soft_labels", "pd", "basic", "figure6"},
        ),
    ],
)
def test_a_change_repeats_what_depends_on_it(
    study_file, jobs: Jobs, change: dict[str, Any], again: set[str]
) -> None:
    """Only jobs whose results a setting decides get another digest when it changes."""
    before, after = specs(jobs), specs(Jobs(load_study(study_file(change))))

    assert {name for name in before if before[name] != after[name]} == again


def test_another_method_repeats_no_other_cell(study_file, jobs: Jobs) -> None:
    """Adding a method to an artefact leaves the digests of all other cells."""
    change = {"artefacts.figure6.cells.0.method": ["pd", "pf", "d", "basic", "tf"]}
    more = Jobs(load_study(study_file(change)))

    for key in jobs.study.cells:
        assert jobs.cell_spec(key) == more.cell_spec(key)


def test_what_others_wait_for_goes_first(jobs: Jobs) -> None:
    """Priority falls from downloads to the report, and latency has the machine before all."""
    names = [
        ("latency", ""),
        ("archive", "x"),
        ("text", "films"),
        ("teacher", "sentiment"),
        ("soft_labels", "sentiment.films"),
        ("pretrain", "general.2.128"),
        ("pretrain", "general.1.64"),
        ("cell", "sentiment.pd.2-128.films-300.general"),
        ("cell", "sentiment.pd.1-64.films-300.general"),
        ("report", ""),
    ]

    priorities = [jobs.priority(rule, name) for rule, name in names]

    assert priorities == sorted(priorities, reverse=True)


def test_more_work_costs_more(jobs: Jobs) -> None:
    """A longer transfer set, a larger student and more seeds cost more."""
    costs = jobs.costs["cell"]

    assert (
        costs["sentiment.d.1-64.films-1k.none"]
        > costs["sentiment.d.1-64.films-300.none"]
        > costs["sentiment.pd.1-64.films-300.general"]
        > 0
    )
    assert costs["sentiment.d.2-128.films-300.none"] > costs["sentiment.pd.1-64.films-300.general"]


def test_every_kind_of_job_has_a_cost_and_a_place(jobs: Jobs) -> None:
    """No rule of the workflow is forgotten: each has costs, and each a priority."""
    assert set(jobs.costs) == {
        *("archive", "task", "text", "audit", "latency", "teacher", "soft_labels"),
        *("pretrain", "cell", "collect", "figure", "table", "report"),
    }
    assert all(jobs.priority(rule) > 0 for rule in jobs.costs)


def test_large_cells_are_split_by_seed(study: Study, jobs: Jobs) -> None:
    """Each of their seeds has its share of the work, and what is collected stays the same."""
    costs = jobs.costs["cell"]
    limit = sorted(costs.values())[4]

    split = Jobs(study, bundle=0, split=limit)

    assert set(split.split) == {key for key, seconds in costs.items() if seconds >= limit}
    assert {key: len(seeds) for key, seeds in split.split.items()} == {
        key: study.seeds[study.cells[key]] for key in split.split
    }
    seeds = split.costs["seed"]
    for key, numbers in split.split.items():
        assert sum(seeds[f"{key}.seed{n}"] for n in numbers) == pytest.approx(costs[key])
        assert split.seed_files(key) == [split.paths.seed(key, n) for n in numbers]
        assert split.priority("seed", f"{key}.seed0") > split.priority("cell", key)
    assert split.results_files == jobs.results_files


def test_what_is_bundled_is_not_split(study: Study) -> None:
    """A cell is in a bundle or is split, whatever the two limits are."""
    together = Jobs(study, bundle=1e9, split=1e-9)

    assert not set(together.split) & {k for b in together.bundles.values() for k in b.cells}
    assert set(together.split) <= set(together.alone)


def test_each_seed_knows_what_decides_it(study: Study, study_file, jobs: Jobs) -> None:
    """One more seed repeats no other; a setting of the training repeats all."""
    more = Jobs(load_study(study_file({"artefacts.figure6.seeds": 5})))
    other = Jobs(load_study(study_file({"training.distill.epochs": 9})))

    assert jobs.seed_spec(CELL, 0) == more.seed_spec(CELL, 0) != other.seed_spec(CELL, 0)
    assert jobs.seed_spec(CELL, 0) != jobs.seed_spec(CELL, 1)
