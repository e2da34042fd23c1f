"""The jobs that plan and status know are those of the workflow."""

from __future__ import annotations

import csv
import io

import pytest
from workflow_project import Project

from pdbench.study import load_study
from pdbench.workflow.graph import Graph


@pytest.fixture
def rows(finished: Project) -> list[dict[str, str]]:
    """What Snakemake knows of every output of a finished study."""
    text = finished.snakemake("--detailed-summary").stdout
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_every_job_of_the_workflow_is_known(
    finished: Project, rows: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job's last file, log and predecessors are what Snakemake says they are."""
    monkeypatch.chdir(finished.folder)
    graph = Graph(load_study("small.yaml"))
    written = {row["output_file"]: row for row in rows if row["rule"] not in ("gate", "check")}

    assert {str(node.output) for node in graph.nodes.values()} <= written.keys()
    for key, node in graph.nodes.items():
        row = written[str(node.output)]
        assert row["rule"] in (node.rule, "figure")  # Snakemake names a table's rule so too
        assert row["log-file(s)"] == str(node.log)
        read = set(row["input-file(s)"].split(","))
        needed = {str(graph.nodes[need].output) for need in graph.needs[key]}
        known = {str(other.output) for other in graph.nodes.values()}
        assert read & known == needed, node.title


def test_an_artefact_needs_its_cells_and_what_they_wait_for() -> None:
    """And nothing of the other artefacts."""
    study = load_study("demo")
    graph = Graph(study)

    found = graph.of_artefact("figure10")

    cells = {name for rule, name in found if rule == "cell"}
    assert cells == {cell.key for cell in study.artefact_cells("figure10")}
    assert ("teacher", "sentiment") in found
    assert ("teacher", "paraphrase") not in found
    assert {name for rule, name in found if rule == "pretrain"} >= {"snippets-4k.3-128"}
    assert not any(name.startswith("reviews") for rule, name in found if rule == "pretrain")
