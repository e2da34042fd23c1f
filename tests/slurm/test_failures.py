"""What goes wrong on a cluster, done to a real SLURM: nothing is lost, and nothing runs twice."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from pdbench.core.files import read_json
from tests.slurm.conftest import CELLS, Project, cluster_sh, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]

Make = Callable[[int], Project]

SHORTEST, SHORT, LONG = 150, 250, 1000
"""Epochs: the largest cell trains for some 7, 12 and 50 seconds if it has a core."""


WAITING = {"PENDING", "REQUEUED"}


def slurm(*command: str) -> str:
    """Run a command of SLURM."""
    return subprocess.check_output(command, text=True)


def requeued(project: Project, cell: str) -> bool:
    """Whether a cell's job is waiting again."""
    return project.job(cell).state in WAITING


def test_interrupted_jobs_go_on(project: Make) -> None:
    """Requeue, preemption, a node that fails, a new slurmctld: the study ends as if undisturbed."""
    study = project(LONG)
    requeue, preempt, lost = CELLS
    study.start()
    study.wait_for_training(requeue)
    cluster_sh("restart-controller")
    slurm("scontrol", "requeue", study.job(requeue).number)
    wait_until(lambda: requeued(study, requeue), "requeue")

    study.wait_for_training(preempt)
    node = study.job(preempt).node
    urgent = slurm(
        *("sbatch", "--parsable", "-p", "urgent", "-w", node, "--exclusive", "-t", "1"),
        *("--output", "/dev/null", "--wrap", "sleep 1"),
    )
    wait_until(lambda: requeued(study, preempt), f"preemption by {urgent}")

    study.wait_for_training(lost)
    job = study.job(lost)
    cluster_sh("fail", job.node)
    wait_until(lambda: requeued(study, lost), f"requeue of {job}")

    assert study.finish() == 0, study.output
    cluster_sh("node", job.node)
    records = study.records()
    assert set(records) == set(CELLS)
    assert records[requeue].environment.resumed == 1
    assert records[preempt].environment.resumed == 1
    assert records[lost].environment.resumed == 0
    assert {len(study.jobs(f"cell_wildcards_{cell}")) for cell in CELLS} == {1}
    assert list(study.folder.glob("results/store/state/*")) == []


def test_an_interrupted_bundle_goes_on(project: Make) -> None:
    """Requeued in its second cell or third: what was done stays, and that one is resumed."""
    study = project(SHORTEST)
    study.start("--until", "bundle", bundle=3600)
    study.wait_for_training(CELLS[1])
    first = study.records()[CELLS[0]]
    (job,) = study.jobs("bundle")
    slurm("scontrol", "requeue", job.number)
    wait_until(lambda: study.jobs("bundle")[0].state in WAITING, "requeue")
    files = study.folder.glob("results/store/status/cell.*.json")
    *before, last = (read_json(file)["state"] for file in sorted(files))
    assert (set(before), last) == ({"done"}, "stopped")

    assert study.finish() == 0, study.output
    records = study.records()
    assert set(records) == set(CELLS)
    assert records[CELLS[0]] == first
    assert sum(record.environment.resumed for record in records.values()) == 1
    assert {study.status(cell)["state"] for cell in CELLS} == {"done"}
    assert len(study.jobs("bundle")) == 1
    assert list(study.folder.glob("results/store/state/*")) == []


def test_a_job_that_needs_more_gets_more(project: Make) -> None:
    """Out of memory and out of time: submitted again with more of it, and the training goes on."""
    study = project(LONG)
    _, large, slow = CELLS
    resources = {
        "mem_mb": f"150 if attempt == 1 and wildcards.job.startswith('{large}-') else 4000",
        "runtime": f"1 if attempt == 1 and wildcards.job.startswith('{slow}-') else 10",
        "slurm_extra": "'--signal=TERM@10'",
    }
    study.run("--set-resources", *(f"cell:{name}={value}" for name, value in resources.items()))

    assert set(study.records()) == set(CELLS)
    assert study.records()[slow].environment.resumed == 1
    first, second = study.jobs(f"cell_wildcards_{slow}")
    assert (first.limit, second.limit) == ("1:00", "10:00")
    assert first.state in {"FAILED", "TIMEOUT"}
    first, second = study.jobs(f"cell_wildcards_{large}")
    assert (first.memory, second.memory) == ("150M", "4000M")
    assert (first.state, second.state) == ("FAILED", "COMPLETED")


@pytest.mark.usefixtures("whole_study")
def test_a_failed_cell_stops_no_other(project: Make) -> None:
    """One cell fails, one is cancelled: the third is in the report, and the next run repairs."""
    study = project(SHORT)
    broken, good, cancelled = CELLS
    obstacle = study.break_cell(broken)
    study.start("--restart-times", "0")
    study.wait_for_training(cancelled)
    slurm("scancel", study.job(cancelled).number)

    assert study.finish() == 1
    assert set(study.records()) == {good}
    (log,) = study.folder.glob(f"logs/small/cell/{broken}-*.log")
    assert "Is a directory" in log.read_text(encoding="utf-8")
    partial = study.folder / "reports/small/partial/index.html"
    assert partial.is_file()
    assert not (study.folder / "reports/small/index.html").exists()
    first = study.records()[good]

    obstacle.rmdir()
    study.run()

    assert set(study.records()) == set(CELLS)
    assert study.records()[good] == first
    assert (study.folder / "reports/small/index.html").is_file()
    assert not partial.exists()


@pytest.mark.usefixtures("whole_study")
def test_snakemake_may_be_killed_and_started_again(project: Make) -> None:
    """After kill -9, jobs run on; a new Snakemake takes over what they do, and repeats nothing."""
    study = project(SHORT)
    snakemake = study.start()
    study.wait_for_training(CELLS[2])
    snakemake.kill()
    snakemake.wait()
    orphans = {job.number for job in study.jobs("cell")}

    study.start()
    assert study.finish() == 1
    assert "--unlock" in study.output
    study.run("--unlock")
    study.run()

    records = study.records()
    assert set(records) == set(CELLS)
    ran_in = {cell: str(record.environment.slurm_job) for cell, record in records.items()}
    assert set(ran_in.values()) <= orphans
    assert all(record.environment.resumed == 0 for record in records.values())
