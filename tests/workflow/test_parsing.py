"""Reading the workflow: what every job of a cluster does again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from workflow_project import Project

from pdbench.study import ROOT, load_study

DRY_RUN = """
import sys
from snakemake.cli import get_argument_parser, main
get_argument_parser()  # loads Snakemake's plugins, of which SLURM's imports pandas itself
before = set(sys.modules)
try:
    main(["--snakefile", "Snakefile", "--dry-run", "--quiet", "all", "--nolock"])
except SystemExit as end:
    assert not end.code, end.code
heavy = {"torch", "pandas", "transformers", "datasets", "evaluate", "matplotlib", "scipy"}
print("heavy:", sorted(heavy & set(sys.modules) - before))
"""


def python(code: str, folder: Path = ROOT) -> str:
    """What a new Python prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.check_output(
        [sys.executable, "-c", code],
        text=True,
        cwd=folder,
        env=environment,
        stderr=subprocess.STDOUT,
    )


def test_a_dry_run_imports_nothing_heavy(project: Project) -> None:
    """`snakemake -n` on the demo loads no torch, pandas, transformers or datasets.

    In a folder where nothing was run yet: where pandas is installed, Snakemake itself imports
    it to compare the parameters of jobs that were run before.
    """
    assert python(DRY_RUN, project.folder).splitlines()[-1] == "heavy: []"


def test_there_is_a_target_for_every_artefact() -> None:
    """All targets that the README names exist."""
    targets = set(python("from snakemake.cli import main; main(['--list-target-rules'])").split())

    assert targets >= {"study", "all", "tables", "figures", "report", *load_study("demo").artefacts}


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("study=nothing", "config/nothing.yaml: no such study"),
        ("study=none.yaml", "none.yaml: no such study file"),
        ("sutdy=demo", "--config sutdy: unknown key"),
    ],
)
def test_a_wrong_configuration_is_one_line(project: Project, argument: str, words: str) -> None:
    """A study that does not exist ends Snakemake with one line and exit code 2."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--config", argument]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)

    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2
    assert len(lines) == 1
    assert words in lines[0]


def test_a_broken_study_is_one_line(project: Project) -> None:
    """A mistake inside the study file is found before anything runs."""
    project.change({"training.distill.epochs": "many"})

    done = project.snakemake("study", check=False)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "small.yaml: key training.distill.epochs: " in done.stderr
    assert not (project.folder / "results").exists()


def test_the_workflow_file_is_a_workflow_of_its_own(project: Project) -> None:
    """workflow/Snakefile alone builds the same study, as the workflow catalogue expects."""
    (project.folder / "Snakefile").unlink()

    assert project.planned("--snakefile", "workflow/Snakefile")["cell"] == 9


def test_the_root_snakefile_builds_the_study(project: Project) -> None:
    """The committed Snakefile has a first target, which an include alone has not."""
    (project.folder / "Snakefile").write_bytes((ROOT / "Snakefile").read_bytes())

    assert project.planned()["report"] == 1


def test_the_snakefile_is_short_and_rules_hold_no_python() -> None:
    """The workflow has at most 40 lines, and rules neither run blocks nor functions."""
    assert len((ROOT / "workflow/Snakefile").read_text(encoding="utf-8").splitlines()) <= 40
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(run:|script:|def |import |from )", text, re.MULTILINE), path


def test_every_job_leaves_traces() -> None:
    """Each rule that runs a command has log, benchmark and message."""
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            if "shell:" in rule:
                for word in ("log:", "benchmark:", "message:", "> {log} 2>&1"):
                    assert word in rule, f"{path.name}: rule {rule.split(':')[0]} lacks {word}"


def test_what_jobs_need_stands_in_the_profile_alone() -> None:
    """No rule names memory, time or a partition; the profile names only rules that there are."""
    profile = yaml.safe_load((ROOT / "slurm/config.yaml").read_text(encoding="utf-8"))
    rules = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk")
    )

    assert "resources:" not in rules
    assert {"mem_mb", "runtime", "slurm_partition"} <= set(profile["default-resources"])
    for rule in {*profile["set-resources"], *profile["set-threads"]}:
        assert re.search(rf"^rule {rule}:", rules, re.MULTILINE), rule
    asked = set(re.findall(r"wildcards\.(\w+)", str(profile)))
    assert all(f"{{{name}}}" in rules for name in asked)


def test_the_cluster_profile_is_one_for_slurm() -> None:
    """It asks squeue, queues again what was preempted, and is nobody's default."""
    profile = yaml.safe_load((ROOT / "slurm/config.yaml").read_text(encoding="utf-8"))

    assert profile["executor"] == "slurm"
    assert profile["slurm-status-command"] == "squeue"
    assert profile["slurm-requeue"] is True
    assert not (ROOT / "profiles/default").exists()
    assert not (ROOT / "workflow/profiles/default").exists()
