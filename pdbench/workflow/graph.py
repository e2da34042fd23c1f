"""The jobs of a study as the workflow joins them: what each writes, logs and waits for.

Cells stand here one by one, also those that share a job (:mod:`pdbench.workflow.bundles`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pdbench.study.config import Study
from pdbench.workflow.paths import Paths, kind_of

Key: TypeAlias = tuple[str, str]
"""A job's rule and name, as :class:`pdbench.workflow.jobs.Jobs` knows it."""


class Node(NamedTuple):
    """One job.

    Attributes:
        rule: Its rule.
        name: Its name among the jobs of the rule; empty where there is only one.
        output: The file that it writes last: the job is done where it stands.
        log: What it printed.
    """

    rule: str
    name: str
    output: Path
    log: Path

    @property
    def key(self) -> Key:
        """Rule and name."""
        return self.rule, self.name

    @property
    def title(self) -> str:
        """The job as one line names it."""
        return f"{self.rule} {self.name}".rstrip()


class Graph:
    """All jobs of a study.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.paths = Paths(study)
        self._logs = self.paths.log("", "").parent

    @cached_property
    def nodes(self) -> dict[Key, Node]:
        """Every job by its key, in the order of the workflow."""
        return {node.key: node for node in self._all()}

    @cached_property
    def cells(self) -> dict[str, Node]:
        """The jobs of the cells, by the cells' keys."""
        return {name: node for (rule, name), node in self.nodes.items() if rule == "cell"}

    @cached_property
    def needs(self) -> dict[Key, tuple[Key, ...]]:
        """The jobs that each waits for, by its key."""
        writers = {path: node.key for node in self.nodes.values() for path in self._outputs(node)}
        return {
            key: tuple(dict.fromkeys(writers[p] for p in self._inputs(node) if p in writers))
            for key, node in self.nodes.items()
        }

    def upstream(self, keys: Iterable[Key]) -> set[Key]:
        """Some jobs, and all that they wait for, directly or not."""
        found: set[Key] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting.extend(self.needs[key])
        return found

    def of_artefact(self, artefact: str) -> set[Key]:
        """The jobs that an artefact's own cells need; those cells are among them."""
        return self.upstream(("cell", cell.key) for cell in self.study.artefact_cells(artefact))

    def _all(self) -> Iterator[Node]:
        study, paths = self.study, self.paths
        for file in paths.all_archives:
            yield self._node("archive", file.name, file)
        for task in study.tasks:
            yield self._node("task", task, paths.task(task) / "task.json")
        for text in study.texts:
            yield self._node("text", text, paths.text(text) / "text.json")
        yield Node("audit", "", paths.audit, self._logs / "audit.log")
        yield Node("latency", "", paths.latency, self._logs / "latency.log")
        for start in study.pretrained:
            record = paths.pretrained(*start) / "record.json"
            yield self._node("pretrain", f"{start.corpus}.{start.size}", record)
        for task in study.taught:
            yield self._node("teacher", task, paths.teacher(task) / "record.json")
        for task, text in study.soft_labelled():
            labels = paths.soft_labels(task, text) / "soft_labels.json"
            yield self._node("soft_labels", f"{task}.{text}", labels)
        for key in study.cells:
            yield self._node("cell", key, paths.cell(key) / "cell.json")
        yield Node("collect", "", paths.table, self._logs / "collect.log")
        for artefact in study.artefacts:
            last, log = paths.artefact(artefact)[-1], paths.log("artefact", artefact)
            yield Node(kind_of(artefact), artefact, last, log)
        if study.gate:
            yield Node("gate", "", paths.gate["md"], self._logs / "gate.log")
        yield Node("report", "", paths.index, self._logs / "report.log")

    def _node(self, rule: str, name: str, output: Path) -> Node:
        return Node(rule, name, output, self.paths.log(rule, name))

    def _outputs(self, node: Node) -> list[Path]:
        if node.rule in ("figure", "table"):
            return self.paths.artefact(node.name)
        if node.rule == "gate":
            return list(self.paths.gate.values())
        return [node.output]

    def _inputs(self, node: Node) -> list[Path]:
        """The files that a job reads, as its rule in the workflow asks for them."""
        paths, rule, name = self.paths, node.rule, node.name
        if rule == "task":
            return paths.task_inputs(name)
        if rule == "text":
            return paths.text_inputs(name)
        if rule == "audit":
            return paths.task_files + paths.text_files
        if rule == "latency":
            return paths.teacher_archives
        if rule == "pretrain":
            corpus, _, size = name.partition(".")
            return [*paths.pretrain_inputs(corpus, size), paths.audit]
        if rule == "teacher":
            return [paths.task(name) / "task.json", *paths.teacher_inputs(name), paths.audit]
        if rule == "soft_labels":
            task, _, text = name.partition(".")
            return [paths.teacher(task) / "record.json", paths.text(text) / "text.json"]
        if rule == "cell":
            found = paths.cell_inputs(name).values()
            return [*(path for group in found for path in group), paths.audit]
        if rule == "collect":
            return [n.output for n in self.nodes.values() if n.rule in ("teacher", "cell")]
        if rule in ("figure", "table"):
            return paths.artefact_inputs()
        if rule == "gate":
            return paths.gate_inputs
        if rule == "report":
            return paths.report_inputs
        return []
