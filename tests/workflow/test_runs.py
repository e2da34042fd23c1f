"""What Snakemake runs, and what it does not run again."""

from __future__ import annotations

import shutil

from workflow_project import Project

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
    key = "sentiment.pd.1-64.films-300.general"

    assert (finished.folder / f"logs/small/cell/{key}.log").is_file()
    assert (finished.folder / f"results/small/benchmarks/cell/{key}.tsv").is_file()


def test_a_second_run_does_nothing(finished: Project) -> None:
    """What is there and current is not made again."""
    assert finished.run("study") == []


def test_one_artefact_can_be_asked_for(project: Project) -> None:
    """Each artefact is a target of its own."""
    assert project.planned("figure8")["figure"] == 1
    assert "table" not in project.planned("figure8")
    assert project.planned("tables")["table"] == 1
    assert project.planned("figures")["figure"] == 2


def test_drawing_from_stored_results_trains_nothing(finished: Project) -> None:
    """With results.parquet at hand, figures and tables need no cell, teacher or data."""
    for folder in ("cells", "pretrained", "teachers", "texts", "tasks", "soft_labels"):
        shutil.rmtree(finished.folder / "results/small" / folder)
    for folder in ("figures", "tables"):
        shutil.rmtree(finished.folder / "reports/small" / folder)

    assert sorted(finished.run("figures")) == ["artefact figure6", "artefact figure8"]
    assert finished.run("tables") == ["artefact sizes"]


def test_one_more_seed_repeats_only_its_cells(finished: Project) -> None:
    """Another number of seeds sends the artefact's own cells back to work."""
    finished.change({"artefacts.figure8.seeds": 4})

    planned = finished.planned("study")

    assert planned["cell"] == 2
    assert not {"task", "text", "pretrain", "teacher", "soft_labels"} & set(planned)


def test_another_method_repeats_nothing(finished: Project) -> None:
    """A method added to an artefact trains its own cells and no other."""
    finished.change({"artefacts.figure6.cells.0.method": ["pd", "pf", "d", "basic", "pd-f"]})

    commands = finished.run("study")

    cells = sorted(command for command in commands if command.startswith("cell"))
    assert [cell.split(".")[1] for cell in cells] == ["pd-f", "pd-f"]
    assert not any(command.startswith(("teacher", "pretrain")) for command in commands)


def test_a_new_date_on_equal_content_repeats_nothing(finished: Project) -> None:
    """A record that was written again with the same content sends nobody back to work."""
    (finished.folder / "results/small/texts/films/text.json").touch()

    assert finished.planned("study") == {}


def test_a_failed_job_keeps_what_is_done(project: Project) -> None:
    """After a failure the next run goes on where the first one stopped."""
    cell = "sentiment.d.1-64.films-1k.none"
    failed = project.snakemake("study", fails=cell, check=False)
    text = (project.folder / "commands.txt").read_text(encoding="utf-8")
    done = text.replace("pdbench ", "").replace(" small.yaml", "").splitlines()

    rest = project.run("study")

    assert failed.returncode == 1
    assert len(done) > 5
    assert set(done) & set(rest) == {f"cell {cell} --threads 1"}
    assert rest[-1] == "report"


def test_training_follows_the_audit(project: Project) -> None:
    """When the audit fails, nothing is trained."""
    (project.folder / "small.yaml").rename(project.folder / "bad.yaml")
    (project.folder / "small.yaml").symlink_to("bad.yaml")
    stand_in = project.folder / "programs/pdbench"
    text = stand_in.read_text(encoding="utf-8")
    stand_in.write_text(text.replace("audit) write", "audit) exit 1; write"), encoding="utf-8")

    assert project.snakemake("study", "--keep-going", check=False).returncode == 1

    commands = (project.folder / "commands.txt").read_text(encoding="utf-8")
    assert "audit" in commands
    assert "teacher" not in commands
    assert "pretrain" not in commands
    assert "cell" not in commands
