"""pdbench as a wheel installs it: a folder outside of any checkout, with nothing beside it."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pdbench.study import ROOT
from tests.commands import said


@dataclass(frozen=True)
class Installed:
    """A folder of installed packages."""

    site: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Python finds this pdbench, and its command is this one."""
        path = os.pathsep.join([str(self.site), os.environ["PATH"]])
        return {**os.environ, "PYTHONPATH": str(self.site), "PATH": path}

    def run(self, *arguments: str, folder: Path, code: int = 0) -> list[str]:
        """What the command says in a working folder, which ends with a code."""
        command = [sys.executable, "-P", "-m", "pdbench", *arguments]
        return said(command, folder, self.environment, code)


def install(site: Path) -> Installed:
    """Put into a folder what the wheel has: what pyproject.toml includes, where it says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    ignored = shutil.ignore_patterns("__pycache__")
    for name in sorted(wheel["only-include"], key=lambda name: name in wheel["sources"]):
        shutil.copytree(ROOT / name, site / wheel["sources"].get(name, name), ignore=ignored)
    return Installed(site)
