"""Checkouts that were copied: what runs in one is its own, or is refused."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from pdbench.study import ROOT
from tests import commands

ENTRY = """\
import sys
from pdbench.cli import main
sys.exit(main())
"""
"""What pip writes below the line that names the interpreter."""

PYTHON = """\
#!/bin/sh
case "$*" in
-c*) exit 0 ;;
"-m venv "*) mkdir -p $3/bin && cp "$0" $3/bin/python ;;
*--editable*) { printf '#!%s -E\\n' {python}; echo 'import sys; sys.path.insert(0, "'$PWD'")'
  cat {entry}; } > .venv/bin/pdbench && chmod +x .venv/bin/pdbench ;;
esac
"""
"""A Python that installs pdbench from where it stands, and from no index."""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A checkout, copied with programs that run this one, in which the demo has one seed."""
    copy = tmp_path / "copy"
    for name in ("pdbench", "workflow", "config", "snakemake_logger_plugin_pdbench"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, copy)
    demo = copy / "config/demo.yaml"
    demo.write_text(demo.read_text().replace("seeds: 3", "seeds: 1"))
    (copy / ".venv/bin").mkdir(parents=True)
    for name, text in (
        ("pdbench", ENTRY),
        ("snakemake", ENTRY.replace("pdbench.cli", "snakemake.cli")),
    ):
        (copy / ".venv/bin" / name).write_text(f"#!{sys.executable}\n{text}")
        (copy / ".venv/bin" / name).chmod(0o755)
    for name in (".venv/bin/python", ".venv/.run"):
        (copy / name).touch()
    return copy


def said(*command: str | Path, folder: Path, code: int = 2) -> list[str]:
    """What a program says, which ends with a code and finds this checkout's pdbench."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return commands.said(command, folder, {**environment, "PYTHONPATH": str(ROOT)}, code)


def refusal(lines: list[str], copy: Path) -> bool:
    """Whether the one line of pdbench names both checkouts and the way out."""
    (line,) = [line for line in lines if not line.startswith("make")]
    what = f"pdbench: error: {copy}: another checkout than that of the pdbench that runs, {ROOT}; "
    return line.startswith(f"{what}remove .venv there, run make .venv/.run")


def test_the_programs_of_a_copy_are_refused(copied: Path) -> None:
    """In its folders, through links to it, and from anywhere by their path."""
    program = copied / ".venv/bin/pdbench"
    (copied.parent / "link").symlink_to(copied)

    for folder in (copied, copied / "config", copied.parent / "link", copied.parent):
        assert refusal(said(program, "plan", "demo", folder=folder), copied)


def test_a_link_to_the_programs_is_refused(copied: Path) -> None:
    """A copy whose .venv is another's, as a link, uses that one's package."""
    (copied / ".venv").rename(copied.parent / "other")
    (copied / ".venv").symlink_to(copied.parent / "other")

    assert refusal(said(copied / ".venv/bin/pdbench", "plan", "demo", folder=copied), copied)


def test_snakemake_and_make_are_refused(copied: Path) -> None:
    """Before anything is planned, run or removed."""
    snakemake = said(copied / ".venv/bin/snakemake", "-n", folder=copied)
    assert refusal(snakemake, copied)
    for target in ("reproduce", "clean", "example"):
        assert refusal(said("make", target, folder=copied), copied)
    assert not (copied / "results").exists()


def test_the_remedy_makes_the_copy_its_own(copied: Path) -> None:
    """With an environment that make installs anew, the study is the copy's."""
    python, entry = copied.parent / "python", copied.parent / "entry"
    entry.write_text(ENTRY)
    python.write_text(PYTHON.replace("{python}", sys.executable).replace("{entry}", str(entry)))
    python.chmod(0o755)
    shutil.rmtree(copied / ".venv")

    said("make", ".venv/.run", f"PYTHON={python}", folder=copied, code=0)
    own = said(copied / ".venv/bin/pdbench", "plan", "demo", folder=copied, code=0)

    ours = said(sys.executable, "-m", "pdbench", "plan", "demo", folder=ROOT, code=0)
    assert own[0].startswith("Study demo: ")
    assert own[0] != ours[0]


def test_a_checkout_in_another_repository_has_no_commit(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record names the commit of pdbench alone, not that of what it was unpacked into."""
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@b.org")
    said(*git, "init", "--quiet", folder=copied.parent, code=0)
    said(*git, "commit", "--allow-empty", "--quiet", "-m", "Theirs", folder=copied.parent, code=0)
    ask = (sys.executable, "-c", "from pdbench.study.discovery import commit; print(commit())")

    assert said(*ask, folder=copied, code=0) == ["unknown"]
    monkeypatch.setenv("GIT_DIR", str(copied.parent / ".git"))  # as in a hook of theirs
    assert said(*ask, folder=copied, code=0) == ["unknown"]
    monkeypatch.delenv("GIT_DIR")
    said(*git, "init", "--quiet", folder=copied, code=0)
    said(*git, "commit", "--allow-empty", "--quiet", "-m", "Ours", folder=copied, code=0)
    (own,) = said(*ask, folder=copied, code=0)
    assert [own] == said("git", "rev-parse", "HEAD", folder=copied, code=0)


def test_a_plain_folder_is_nobodys_checkout(tmp_path: Path) -> None:
    """A folder with links to a workflow and to studies is a user's own."""
    for name in ("workflow", "config", "Snakefile"):
        (tmp_path / name).symlink_to(ROOT / name)

    lines = said(sys.executable, "-m", "pdbench", "plan", "demo", folder=tmp_path, code=0)
    assert lines[0].startswith("Study demo: ")
