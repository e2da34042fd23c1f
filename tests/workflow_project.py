"""A copy of the workflow whose jobs train nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study_files import write_study_file

from pdbench.study import ROOT, load_study
from pdbench.workflow import Paths

SNAKEFILE = """
include: "workflow/Snakefile"
shell.prefix("PATH={folder}:$PATH; ")
rule study:
    input: rules.all.input
"""


@dataclass(frozen=True)
class Project:
    """A folder with the workflow, the small study, and a stand-in for the pdbench command.

    Attributes:
        folder: The folder.
        bundle: Estimated seconds of a bundle; 0 gives each cell a job of its own.
        split: Estimated seconds of a cell that is split by seed; 0 splits none.
        study: The study's file, as Snakemake is told it.
    """

    folder: Path
    bundle: int = 0
    split: float = 0
    study: str = "small.yaml"

    def snakemake(
        self, *arguments: str, fails: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake on the small study."""
        command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2"]
        sizes = [f"bundle={self.bundle}", f"split={self.split}"]
        done = subprocess.run(
            [*command, "--config", f"study={self.study}", *sizes],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "WORKFLOW_FAILS": fails},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def run(self, *arguments: str) -> list[str]:
        """Run Snakemake and return the commands that its jobs ran, without the study."""
        for name in ("commands.txt", "runs.txt"):
            (self.folder / name).unlink(missing_ok=True)
        self.snakemake(*arguments)
        return self.lines("commands.txt")

    @property
    def trained(self) -> list[str]:
        """The runs that the jobs trained since, each as its cell and its name."""
        return self.lines("runs.txt")

    def lines(self, name: str) -> list[str]:
        """What the stand-in noted in a file."""
        record = self.folder / name
        return record.read_text(encoding="utf-8").splitlines() if record.exists() else []

    @contextlib.contextmanager
    def opened(self) -> Iterator[Paths]:
        """The paths of the study as it is written, with the folder as the working directory."""
        with contextlib.chdir(self.folder):
            yield Paths(load_study(self.study))

    def planned(self, *arguments: str) -> dict[str, int]:
        """The number of jobs that a dry run finds, by rule."""
        text = self.snakemake("--dry-run", *arguments).stdout
        first = re.search(r"^Job stats:\n.*?^total", text, re.DOTALL | re.MULTILINE)
        if first is None:
            assert "Nothing to be done" in text, text
            return {}
        return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", first[0], re.MULTILINE)}

    def change(self, changes: dict[str, Any]) -> None:
        """Write the small study again with some keys changed."""
        write_study_file(self.folder / "small.yaml", changes)


def make_project(folder: Path) -> Project:
    """Set up a project in an empty folder."""
    shutil.copytree(ROOT / "workflow", folder / "workflow")
    programs = folder / "programs"
    programs.mkdir()
    code = (Path(__file__).parent / "workflow/stand_in.py").read_text(encoding="utf-8")
    (programs / "pdbench").write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    (programs / "pdbench").chmod(0o755)
    (folder / "Snakefile").write_text(SNAKEFILE.format(folder=programs), encoding="utf-8")
    write_study_file(folder / "small.yaml")
    return Project(folder)
