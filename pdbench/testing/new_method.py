"""A new method from a template: its objective, its test, and its entry in methods.yaml.

The templates are the files in ``pdbench/testing/templates/``, with $-names filled in.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

import yaml

from pdbench.core.errors import UsageError
from pdbench.core.files import write_text
from pdbench.study.discovery import ROOT
from pdbench.study.loading import load_methods

_OWN = "pdbench.methods"
_TEMPLATES = Path(__file__).parent / "templates"
_IMPORTS = (
    "from pdbench.engine import Bert, BertShape, Classifier, random_model",
    "from pdbench.engine.exposed import Exposed",
    "from pdbench.testing.contract import MethodContract",
)
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


@dataclass(frozen=True)
class NewMethod:
    """A method's id, the package that holds it, its files, and the methods.yaml it is added to."""

    method: str
    package: str
    module: Path
    test: Path
    methods: Path

    @classmethod
    def in_project(cls, name: str, root: Path = ROOT) -> NewMethod:
        """A method of this project."""
        method, stem = _named(name)
        module = root / "pdbench" / "methods" / f"{stem}.py"
        test = root / "tests" / "methods" / f"test_{stem}.py"
        return cls(method, _OWN, module, test, root / "config" / "methods.yaml")

    @classmethod
    def in_package(cls, name: str, folder: Path) -> NewMethod:
        """A method of another package, in whose folder (with ``__init__.py``) it is written."""
        method, stem = _named(name)
        package, root = _package(folder)
        test = root / "tests" / f"test_{stem}.py"
        return cls(method, package, folder / f"{stem}.py", test, folder / "methods.yaml")

    def write(self) -> None:
        """Write the files and the entry, or nothing where one of them is there already."""
        what, entry = f"method {self.method!r}", re.compile(rf"(?m)^{re.escape(self.method)}:")
        is_known = self.package == _OWN and self.method in load_methods(self.methods.parents[1])
        taken = [what] if is_known else []
        taken += [f"{path}:" for path in (self.module, self.test) if path.exists()]
        # Not those of all packages: this one may be offered before it has its first method.
        files = (self.methods, ROOT / "config" / "methods.yaml")
        taken += [f"{path}: {what}" for path in files if entry.search(_text_of(path))]
        for one in taken:
            raise UsageError(f"{one} is there already", "choose another name")
        entries = f"{_text_of(self.methods).rstrip()}\n{self._filled('method.yaml.txt')}"
        write_text(self.module, self._filled("objective.py.txt"))
        write_text(self.test, self._filled("test_objective.py.txt"))
        write_text(self.methods, entries.lstrip())

    def next_steps(self) -> str:
        """What its author does next."""
        entry_point = f"""
Offer it, in the package's pyproject.toml, and install the package again:
  [project.entry-points."pdbench.methods"]
  {self.package.rpartition(".")[2]} = "{self.package}"
and list {self.methods.name} among the package's data files.
"""
        return f"""\
wrote {self.module}
wrote {self.test}
added {self.method} to {self.methods}
{"" if self.package == _OWN else entry_point}
Test it:        pytest {self.test}
Run it beside pd: add {self.method} to the methods of a block in a study, such as
  table3:
    cells:
      - {{task: sentiment, method: [pd, {self.method}], architecture: Base, ...}}
  of config/demo.yaml, and run it: pdbench run STUDY
Judge it:       pdbench check --baseline pd --candidate {self.method}"""

    def _filled(self, template: str) -> str:
        module, class_name = f"{self.package}.{self.module.stem}", _class_name(self.method)
        imports = "\n".join(sorted([f"from {module} import {class_name}", *_IMPORTS]))
        title = self.method.replace("-", " ").capitalize()
        return Template(_text_of(_TEMPLATES / template)).substitute(
            method=self.method, module=module, class_name=class_name, imports=imports, title=title
        )


def _named(name: str) -> tuple[str, str]:
    """A new method's id, and the name of its module; a name that is neither is refused."""
    stem = name.replace("-", "_")
    method = stem.replace("_", "-")
    if not _NAME.fullmatch(name) or keyword.iskeyword(stem) or yaml.safe_load(name) != name:
        what = f"{name!r} is no name of a method"
        raise UsageError(what, "write lower-case words, like my-method")
    class_name = _class_name(method)
    imports = "\n".join([_text_of(_TEMPLATES / "objective.py.txt"), *_IMPORTS])
    if keyword.iskeyword(class_name) or re.search(rf"import .*\b{class_name}\b", imports):
        what = f"{name!r} would name a class {class_name}, which is something else"
        raise UsageError(what, "choose another name")
    return method, stem


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _class_name(method: str) -> str:
    return "".join(part.capitalize() for part in method.split("-"))


def _package(folder: Path) -> tuple[str, Path]:
    """The name of a package by which it is imported, and the folder of its project."""
    if not (folder / "__init__.py").is_file():
        raise UsageError(f"{folder}: no package: it has no __init__.py", "name its folder")
    top, parts = folder.resolve(), [folder.resolve().name]
    while (top.parent / "__init__.py").is_file():
        top = top.parent
        parts.insert(0, top.name)
    for part in parts:
        if not part.isidentifier() or keyword.iskeyword(part):
            raise UsageError(f"{folder}: {part!r} cannot be imported", "rename its folder")
    root = top.parent
    return ".".join(parts), root.parent if root.name == "src" else root
