"""A whole study on a real SLURM."""

from __future__ import annotations

from collections import Counter

import pytest
import yaml

from tests.slurm.conftest import CELLS, Project

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]

GPU_RULES = ("teacher", "soft_labels", "pretrain", "bundle")


def test_a_study_is_built_on_the_cluster(whole_study: Project) -> None:
    """Every job runs on SLURM with what the profile asks for it, and cells share jobs.

    With another seed, each of a cell that is split has a job; the cell's own finds them done.
    """
    project = whole_study

    assert project.finish() == 0, project.output
    assert (project.folder / "reports/small/index.html").is_file()
    assert len(project.records()) == 15
    assert {job.state for job in project.jobs()} == {"COMPLETED"}
    counts = Counter(job.comment.split("_wildcards_")[0] for job in project.jobs())
    assert counts == {
        "rule_latency": 1,
        "rule_task": 1,
        "rule_text": 1,
        "rule_audit": 1,
        "rule_teacher": 1,
        "rule_soft_labels": 1,
        "rule_pretrain": 3,
        "rule_bundle": 5,
    }
    for rule in GPU_RULES:
        assert {(job.partition, job.gpus) for job in project.jobs(rule)} == {("gpu", "gres:gpu:1")}
    assert {(job.partition, job.gpus) for job in project.jobs("text")} == {("cpu", "N/A")}
    assert {job.memory for job in project.jobs("pretrain")} == {"8000M"}

    again = project.run(bundle=3600)

    assert "Nothing to be done" in again

    config = yaml.safe_load((project.folder / "small.yaml").read_text())
    config["artefacts"]["figure6"]["seeds"] = 2
    (project.folder / "small.yaml").write_text(yaml.safe_dump(config))
    with project.opened() as paths:
        target = str(paths.cell(paths.study.cells[CELLS[0]]))
    project.run("--", target, split=1e-6)

    seeds = project.jobs("seed")
    assert [(job.state, job.partition, job.memory) for job in seeds] == [
        ("COMPLETED", "gpu", "8000M")
    ] * 2
    runs = [path.name for path in project.folder.glob(f"results/store/run/{CELLS[0]}.*")]
    assert {name.removeprefix(f"{CELLS[0]}.")[:5] for name in runs} == {"seed0", "seed1"}
    assert len(runs) == 2
