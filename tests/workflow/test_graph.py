"""The jobs of a study: what each waits for, which go first, and what they cost."""

from __future__ import annotations

import csv
import io
import itertools

import pytest
from workflow_project import Project

from pdbench.planning.costs import Work
from pdbench.planning.machines import LAPTOP
from pdbench.study import Cell, Study, load_study
from pdbench.study.cells import SeedOf
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import _AUDIT, _TABLE, KINDS, OF_CELLS, SHOWN, Job

PD, BASIC = "sentiment.pd.1-64.films-300.general", "sentiment.basic.1-64.none.none"


@pytest.fixture
def graph(study: Study) -> Graph:
    """The small study's jobs, one for each cell."""
    return Graph(study)


def needed(graph: Graph, job: Job) -> list[str]:
    """The jobs that one waits for, in words."""
    return [str(need) for need in graph.needs[job]]


def test_every_job_of_the_workflow_is_known(finished: Project) -> None:
    """Each job's files, log and predecessors are what Snakemake says they are."""
    text = finished.snakemake("--detailed-summary").stdout
    rows = {row["output_file"]: row for row in csv.DictReader(io.StringIO(text), delimiter="\t")}
    with finished.opened() as paths:
        graph = Graph(paths.study)
        assert {str(file) for job in graph.jobs for file in paths.outputs(job)} == {*rows}
        for job in graph.jobs:
            row = rows[str(paths.output(job))]
            assert row["rule"] in (job.kind, "figure")  # Snakemake names a table's rule so too
            assert row["log-file(s)"] == str(paths.log(job))
            read = {str(file) for need in graph.needs[job] for file in paths.outputs(need)}
            read |= {str(paths.asked(job))} if job.kind in SHOWN else set()
            assert set(row["input-file(s)"].split(",")) - {""} == read, job


def test_a_cell_reads_its_data_its_start_and_its_soft_labels(graph: Graph) -> None:
    """Each method waits for what it uses and for nothing else."""
    cells = graph.study.cells

    assert needed(graph, Job("cell", cells[PD])) == [
        "task sentiment",
        "text films",
        "soft_labels sentiment.films",
        "pretrain general.1-64.seed0",
        "pretrain general.1-64.seed1",
        "audit",
    ]
    assert needed(graph, Job("cell", cells[BASIC])) == ["task sentiment", "audit"]


def test_a_seed_waits_for_its_own_start_alone(study: Study) -> None:
    """Run k starts from pre-training k; the cell waits for all of them."""
    graph, cell = Graph(study, split=1e-6), study.cells[PD]

    for number in range(2):
        found = needed(graph, Job("seed", SeedOf(cell, number)))
        starts = [name for name in found if name.startswith("pretrain")]
        assert starts == [f"pretrain general.1-64.seed{number}"]


def test_a_text_waits_for_every_task(graph: Graph) -> None:
    """The test sentences of all tasks are left out of each text, so they come first."""
    tasks = {Job("task", task) for task in graph.study.tasks}

    assert all(tasks <= set(graph.needs[Job("text", text)]) for text in graph.study.texts)


def test_training_follows_the_audit(graph: Graph) -> None:
    """Nothing is trained on data that were not looked at."""
    trained = [job for job in graph.jobs if KINDS[job.kind].model]

    assert trained
    assert all(_AUDIT in graph.needs[job] for job in trained)


def test_an_artefact_needs_its_cells_and_what_they_wait_for() -> None:
    """And nothing of the other artefacts."""
    study = load_study("demo")

    found = Graph(study).upstream(Job("cell", cell) for cell in study.artefact_cells("figure10"))

    names = {(job.kind, job.name) for job in found}
    assert {job.key for job in found if job.kind == "cell"} == set(study.artefact_cells("figure10"))
    assert ("teacher", "sentiment") in names
    assert ("teacher", "paraphrase") not in names
    starts = {name for kind, name in names if kind == "pretrain"}
    assert {f"snippets-4k.3-64.seed{number}" for number in range(3)} <= starts
    assert not any(name.startswith("film-sentences") for name in starts)


def test_what_others_wait_for_goes_first(graph: Graph) -> None:
    """Priority falls from downloads to the report, and latency has the machine before all."""
    ranks = ["latency", "archive", "text", "teacher", "soft_labels", "pretrain", "cell", "report"]
    by_kind = {
        kind: [graph.priority(job) for job in graph.jobs if job.kind == kind] for kind in ranks
    }

    for earlier, later in itertools.pairwise(ranks):
        assert min(by_kind[earlier]) > max(by_kind[later]), later
    for kind in ("cell", "pretrain"):
        jobs = [job for job in graph.jobs if job.kind == kind]
        by_cost = sorted(jobs, key=graph.costs.__getitem__)
        assert by_cost == sorted(by_cost, key=graph.priority)


def test_more_work_costs_more(study: Study, graph: Graph) -> None:
    """A longer transfer set, a larger student and more seeds cost more."""

    def cost(key: str) -> float:
        return graph.costs[Job("cell", study.cells[key])]

    assert (
        cost("sentiment.d.1-64.films-1k.none")
        > cost("sentiment.d.1-64.films-300.none")
        > cost(PD)
        > 0
    )
    assert cost("sentiment.d.2-128.films-300.none") > cost(PD)


def test_every_kind_of_job_has_a_cost_and_a_place(study: Study) -> None:
    """No rule of the workflow is forgotten: each has costs, and each a priority."""
    every = [*Graph(study, split=1e-9).jobs, *Graph(study, bundle=1e9).jobs]

    assert {job.kind for job in every} == set(KINDS) - {*OF_CELLS, "gate", "states"}
    assert all(Graph(study).priority(job) > 0 for job in every)


def test_large_cells_are_split_by_seed(study: Study, graph: Graph) -> None:
    """Each seed has its share of the work and a start, and what is collected stays the same."""
    costs = {job.key: seconds for job, seconds in graph.costs.items() if job.kind == "cell"}
    limit = sorted(costs.values())[4]

    split = Graph(study, split=limit)

    large: list[Cell] = [cell for cell, seconds in costs.items() if seconds >= limit]
    assert split.split == {cell: tuple(range(study.seed_counts[cell])) for cell in large}
    for cell in large:
        seeds = [job for job in split.needs[Job("cell", cell)] if job.kind == "seed"]
        assert [job.key for job in seeds] == [(cell, number) for number in split.split[cell]]
        starts = LAPTOP.seconds(Work(starts=len(seeds) - 1))
        assert sum(split.costs[seed] for seed in seeds) == pytest.approx(costs[cell] + starts)
        assert split.priority(seeds[0]) > split.priority(Job("cell", cell))
    assert split.needs[_TABLE] == graph.needs[_TABLE]


def test_what_is_bundled_is_not_split(study: Study) -> None:
    """A cell is in a bundle or is split, whatever the two limits are."""
    together = Graph(study, bundle=1e9, split=1e-9)
    alone = set(together.alone)

    assert not alone & {cell for bundle in together.bundles for cell in bundle.cells}
    assert set(together.split) <= alone


@pytest.mark.parametrize(("bundle", "split"), [(0, 0), (0, 1e-9), (1e-9, 0), (20, 0)])
def test_there_are_never_more_jobs_than_allowed(study: Study, bundle: float, split: float) -> None:
    """Cells share jobs whatever was asked for, each in one; no more of them than there must."""
    for most in (4, 6, 8):
        graph = Graph(study, bundle, split, most)
        bundled = [cell for own in graph.bundles for cell in own.cells]
        assert sorted([*graph.alone, *bundled]) == sorted(study.seed_counts)
        assert 2 < len(graph.alone) + len(graph.bundles) <= most
        assert graph.split == {}
    enough = Graph(study, bundle, split, most=100)
    assert enough.jobs == Graph(study, bundle, split).jobs


def test_what_jobs_wait_for_is_the_same_in_bundles(study: Study, graph: Graph) -> None:
    """A bundle reads what its cells read, and collecting waits for every cell."""
    bundled = Graph(study, bundle=1e9)

    for bundle in bundled.bundles:
        own = {need for cell in bundle.cells for need in graph.needs[Job("cell", cell)]}
        assert set(bundled.needs[Job("bundle", bundle)]) == own
    assert bundled.alone == []
    assert len(graph.alone) == len(study.cells)
    assert set(bundled.needs[_TABLE]) == {
        Job("teacher", "sentiment"),
        *(Job("bundle", bundle) for bundle in bundled.bundles),
    }


def test_the_graph_has_no_circle(study: Study) -> None:
    """Every job can be put after all that it waits for."""
    graph, paths = Graph(study, split=1e-9), Paths(study)

    for job in graph.jobs:
        assert job not in graph.upstream(graph.needs[job])
    outputs = [file for job in graph.jobs for file in paths.outputs(job)]
    assert len(outputs) == len(set(outputs))
