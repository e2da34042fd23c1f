"""What Snakemake runs, and in which order."""

from __future__ import annotations

from workflow_project import Project

from pdbench.workflow.kinds import Job

CELLS = 9


def test_a_study_is_built_in_the_right_order(project: Project) -> None:
    """Every job runs once: latency before other work, the audit before training, then cells."""
    commands = project.run("study")

    kinds = [command.split()[0] for command in commands]
    assert len(commands) == len(set(commands))
    assert kinds.index("latency") < kinds.index("task")
    assert kinds[-1] == "report"
    assert kinds.count("cell") == CELLS
    assert kinds.index("audit") < min(kinds.index("teacher"), kinds.index("pretrain"))
    assert kinds.index("teacher") < kinds.index("soft-labels") < kinds.index("cell")
    assert (project.folder / "reports/small/index.html").is_file()


def test_jobs_leave_logs_and_benchmarks(finished: Project) -> None:
    """Each job has its log, and a table of the time and memory that it took."""
    with finished.opened() as paths:
        cells = [Job("cell", cell) for cell in paths.study.seed_counts]
        files = [paths.benchmarks / "cell" / f"{paths.label(cell)}.tsv" for cell in cells]

        assert all(file.is_file() for file in [*files, *map(paths.log, cells)])


def test_one_artefact_can_be_asked_for(project: Project) -> None:
    """Each artefact is a target of its own."""
    assert project.planned("figure8")["figure"] == 1
    assert "table" not in project.planned("figure8")
    assert project.planned("tables")["table"] == 1
    assert project.planned("figures")["figure"] == 2


def test_a_failed_job_keeps_what_is_done(project: Project) -> None:
    """After a failure the next run goes on where the first one stopped."""
    cell = "sentiment.d.1-64.films-1k.none"
    failed = project.snakemake("study", fails=cell, check=False)
    done = project.lines("commands.txt")

    rest = project.run("study")

    assert failed.returncode == 1
    assert len(done) > 5
    assert set(done) & set(rest) == {f"cell {cell} --threads 1"}
    assert rest[-1] == "report"


def test_training_follows_the_audit(project: Project) -> None:
    """When the audit fails, nothing is trained."""
    assert project.snakemake("study", "--keep-going", fails="audit", check=False).returncode == 1

    commands = {line.split()[0] for line in project.lines("commands.txt")}
    assert "audit" in commands
    assert not commands & {"teacher", "pretrain", "cell"}
