"""A new method from a template: its objective, its test, and its entry in methods.yaml.

The templates are the files in ``pdbench/testing/templates/``, with $-names filled in.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from pdbench.errors import UsageError
from pdbench.files import write_text
from pdbench.study.loading import ROOT, load_methods

OWN = "pdbench.methods"
TEMPLATES = Path(__file__).parent / "templates"
_IMPORTS = (
    "from pdbench.models import Bert, BertShape, Classifier, random_model",
    "from pdbench.models.exposed import Exposed",
    "from pdbench.testing.contract import MethodContract",
)
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


@dataclass(frozen=True)
class NewMethod:
    """Where the parts of a new method stand.

    Attributes:
        method: Its id.
        package: The name of the package that holds it.
        module: The file of its objective.
        test: The file of its test.
        methods: The file of methods that it is added to.
    """

    method: str
    package: str
    module: Path
    test: Path
    methods: Path

    @classmethod
    def in_project(cls, name: str, root: Path = ROOT) -> NewMethod:
        """A method of this project.

        Raises:
            UsageError: The name is taken, or no name of a method.
        """
        stem = _stem(name)
        module = root / "pdbench" / "methods" / f"{stem}.py"
        test = root / "tests" / "methods" / f"test_{stem}.py"
        methods = root / "config" / "methods.yaml"
        return cls(stem.replace("_", "-"), OWN, module, test, methods)

    @classmethod
    def in_package(cls, name: str, folder: Path) -> NewMethod:
        """A method of another package, in whose folder (with ``__init__.py``) it is written.

        Raises:
            UsageError: As :meth:`in_project`, or the folder is no package.
        """
        stem = _stem(name)
        if not (folder / "__init__.py").is_file():
            raise UsageError(f"{folder}: no package: it has no __init__.py", "name its folder")
        test = folder.resolve().parent / "tests" / f"test_{stem}.py"
        package = folder.resolve().name
        return cls(
            stem.replace("_", "-"), package, folder / f"{stem}.py", test, folder / "methods.yaml"
        )

    @property
    def words(self) -> dict[str, str]:
        """What the templates' names are filled with."""
        parts = self.method.split("-")
        module = f"{self.package}.{self.module.stem}"
        class_name = "".join(part.capitalize() for part in parts)
        return {
            "method": self.method,
            "module": module,
            "class_name": class_name,
            "imports": "\n".join(sorted([f"from {module} import {class_name}", *_IMPORTS])),
            "title": " ".join(parts).capitalize(),
        }

    def write(self) -> None:
        """Write the files and the entry.

        Raises:
            UsageError: The method or one of its files is there already; nothing is written.
        """
        known = load_methods(self.methods.parents[1]) if self.package == OWN else {}
        if self.method in known:
            raise UsageError(f"method {self.method!r} is there already", "choose another name")
        for path in (self.module, self.test):
            if path.exists():
                raise UsageError(f"{path}: is there already", "choose another name")
        entries = self.methods.read_text(encoding="utf-8") if self.methods.exists() else ""
        if re.search(rf"^{re.escape(self.method)}:", entries, re.MULTILINE):
            what = f"{self.methods}: method {self.method!r} is there already"
            raise UsageError(what, "choose another name")
        entry = self._filled("method.yaml.txt")
        for path, text in (
            (self.module, self._filled("objective.py.txt")),
            (self.test, self._filled("test_objective.py.txt")),
            (self.methods, f"{entries.rstrip()}\n{entry}" if entries.strip() else entry.lstrip()),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)

    def next_steps(self) -> str:
        """What its author does next."""
        entry_point = (
            ""
            if self.package == OWN
            else f"""
Offer it, in the package's pyproject.toml, and install the package again:
  [project.entry-points."pdbench.methods"]
  {self.package} = "{self.package}"
and list {self.methods.name} among the package's data files.
"""
        )
        return f"""\
wrote {self.module}
wrote {self.test}
added {self.method} to {self.methods}
{entry_point}
Test it:        pytest {self.test}
Run it beside pd: add {self.method} to the methods of a block in a study, such as
  table3:
    cells:
      - {{task: sentiment, method: [pd, {self.method}], architecture: Base, ...}}
  of config/demo.yaml, and run snakemake
Judge it:       pdbench check --baseline pd --candidate {self.method}"""

    def _filled(self, template: str) -> str:
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        return Template(text).substitute(self.words)


def _stem(name: str) -> str:
    stem = name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(stem):
        raise UsageError(
            f"{name!r} is no name of a method", "write lower-case words, like my-method"
        )
    return stem
