"""`snakemake check`: it fails where something is worse, and what the gate found is kept."""

from __future__ import annotations

from workflow_project import Project

GATE = {"gate": [{"baseline": "d", "candidate": "pd"}], "evidence": {"margin": 0.5}}
FILES = ("gate.json", "gate.xml", "gate.md")


def test_the_gate_needs_no_figure(project: Project) -> None:
    """Checking asks for the results alone."""
    project.change(GATE)

    planned = project.planned("check")

    assert (planned["gate"], planned["check"], planned["collect"]) == (1, 1, 1)
    assert not {"figure", "table", "report"} & set(planned)


def test_what_is_worse_fails_and_its_files_stay(finished: Project) -> None:
    """The target fails again as long as the results are the same; the report can be built."""
    finished.change(GATE)
    (finished.folder / "worse").touch()

    done = finished.snakemake("check", check=False)
    assert done.returncode == 1
    assert "worse (exit code 1)" in done.stdout + done.stderr
    assert all((finished.folder / "reports/small" / name).is_file() for name in FILES)

    assert finished.snakemake("check", check=False).returncode == 1
    (finished.folder / "worse").unlink()
    assert finished.snakemake("check").returncode == 0


def test_without_a_gate_block_nothing_runs_before_the_check_says_so(project: Project) -> None:
    """`pdbench check` alone, whose one line says what is missing."""
    assert project.planned("check") == {"check": 1}


def test_the_report_waits_for_the_gate_where_the_study_has_one(finished: Project) -> None:
    """A study without a gate block is built as before."""
    assert finished.planned() == {}
    finished.change(GATE)

    commands = finished.run("study")

    written = [command for command in commands if command.startswith("check ")]
    assert len(written) == 1
    assert "--exit-zero --json reports/small/gate.json --junit reports/small/gate.xml" in written[0]
    assert commands.index(written[0]) < commands.index("report")
