"""The smoke study: the whole path, in two minutes."""

from __future__ import annotations

from pdbench.artefacts import ARTEFACTS
from pdbench.planning.schedule import makespan
from pdbench.study import load_study
from pdbench.study.axes import check_artefacts
from pdbench.workflow.graph import BUNDLE, Graph


def test_it_has_every_artefact_of_the_demo() -> None:
    """Whatever the demo draws is drawn here too, from one seed."""
    smoke = load_study("smoke")
    check_artefacts(smoke, ARTEFACTS)

    assert smoke.scale == "smoke"
    assert set(smoke.artefacts) == set(load_study("demo").artefacts)
    assert set(smoke.seed_counts.values()) == {1}


def test_it_is_planned_in_two_minutes_of_two_cores() -> None:
    """All jobs, pages too, on two cores of a laptop."""
    graph = Graph(load_study("smoke"), bundle=BUNDLE)

    seconds = makespan(graph.costs, graph.needs, lambda job: 1, 2, graph.priority)

    assert 30 < seconds < 120
