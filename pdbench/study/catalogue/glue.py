"""GLUE's tasks: one entry each. A new one is a new entry here, and no more.

No file of GLUE quotes its fields. Its test files have no labels: they are what its server asks
predictions for, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdbench.core.errors import UsageError, suggestion

_REPOSITORY = "nyu-mll/glue"  # where the hub has them


@dataclass(frozen=True)
class GlueTask:
    """A task of GLUE, and how its original files are written."""

    title: str  # in tables, and of its file for GLUE's server
    classes: Mapping[str, str]  # label names by what the label column says; none of a regression
    items: Mapping[str, int]  # how many train, dev and test have
    metrics: tuple[str, ...] = ("accuracy",)  # what GLUE reports for it
    texts: tuple[str, ...] = ("sentence1", "sentence2")  # the column of the text, or two of a pair
    label: str = "label"  # the column of the label
    dev: str = "dev.tsv"  # file of the dev split; the diagnostic set has none
    unlabelled: str = "test.tsv"  # file of the test split, whose labels are hidden
    header: tuple[str, ...] = ()  # names of the columns, where the files do not begin with them
    # Largest share of the lines of a file that are broken as it is published: cut short, or with
    # an empty text. They are left out.
    broken: float = 0.0
    version: str = ""  # which version of its data it is, where it was published in several
    model_of: str | None = None  # whose models are scored on it, where it has no training set
    aliases: tuple[str, ...] = ()  # what others call it

    @property
    def labels(self) -> tuple[str, ...]:
        """Its label names, as GLUE numbers them."""
        return tuple(self.classes.values())


def _zero_one(zero: str, one: str) -> dict[str, str]:
    return {"0": zero, "1": one}


def _items(train: int, dev: int, test: int) -> dict[str, int]:
    return {"train": train, "dev": dev, "test": test}


_MNLI = {label: label for label in ("entailment", "neutral", "contradiction")}
_ENTAILMENT = {label: label for label in ("entailment", "not_entailment")}

GLUE: dict[str, GlueTask] = {
    "cola": GlueTask(
        "CoLA",
        _zero_one("unacceptable", "acceptable"),
        _items(8_551, 1_043, 1_063),
        ("matthews",),
        ("sentence",),
        header=("source", "label", "star", "sentence"),
    ),
    "sst2": GlueTask(
        "SST-2",
        _zero_one("negative", "positive"),
        _items(67_349, 872, 1_821),
        texts=("sentence",),
        aliases=("sst-2",),
    ),
    "mrpc": GlueTask(
        "MRPC",
        _zero_one("not_equivalent", "equivalent"),
        _items(3_668, 408, 1_725),
        ("f1", "accuracy"),
        ("#1 String", "#2 String"),
        "Quality",
    ),
    "stsb": GlueTask(
        "STS-B",
        {},
        _items(5_749, 1_500, 1_379),
        ("pearson", "spearman"),
        label="score",
        aliases=("sts-b",),
    ),
    "mnli": GlueTask(
        "MNLI-m",
        _MNLI,
        _items(392_702, 9_815, 9_796),
        label="gold_label",
        dev="dev_matched.tsv",
        unlabelled="test_matched.tsv",
        aliases=("mnli-m",),
    ),
    "mnli-mismatched": GlueTask(
        "MNLI-mm",
        _MNLI,
        _items(392_702, 9_832, 9_847),
        label="gold_label",
        dev="dev_mismatched.tsv",
        unlabelled="test_mismatched.tsv",
        model_of="mnli",
        aliases=("mnli-mm",),
    ),
    "qnli": GlueTask(
        "QNLI",
        _ENTAILMENT,
        _items(104_743, 5_463, 5_463),
        texts=("question", "sentence"),
        version="v2",
    ),
    "qqp": GlueTask(
        "QQP",
        _zero_one("not_duplicate", "duplicate"),
        _items(363_846, 40_430, 390_965),
        ("f1", "accuracy"),
        ("question1", "question2"),
        "is_duplicate",
        broken=1e-3,
    ),
    "rte": GlueTask("RTE", _ENTAILMENT, _items(2_490, 277, 3_000)),
    "wnli": GlueTask("WNLI", _zero_one("not_entailment", "entailment"), _items(635, 71, 146)),
    "ax": GlueTask(
        "AX",
        _MNLI,
        _items(0, 0, 1_104),
        ("matthews",),
        dev="",
        unlabelled="diagnostic.tsv",
        model_of="mnli",
    ),
}
"""The tasks by the one spelling that everything here uses."""


def glue_name(*spellings: str | None) -> str | None:
    """The task that the first known of several spellings names; None if it is none of GLUE's."""
    known = {alias: name for name, task in GLUE.items() for alias in (name, *task.aliases)}
    plain = ((spelling or "").lower().replace("_", "-") for spelling in spellings)
    return next((known[spelling] for spelling in plain if spelling in known), None)


def published_task(source: str, name: str, configuration: str | None) -> GlueTask | None:
    """The task whose published data a source has; None of any other source."""
    if source == "hub":
        found = glue_name(configuration) if name == _REPOSITORY else None
    else:
        found = glue_name(name) if source == "directory" else None
    return None if found is None else GLUE[found]


def expanded(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a raw study in which ``glue: NAME`` of a task or a text is written out.

    A task gets its source, title, labels, metrics and version, a text or a part of one the
    source alone: the hub's, or GLUE's original files where a folder is named. What the study
    says itself counts.
    """
    found = dict(raw)
    if "texts" in raw:
        found["texts"] = _with_sources(raw["texts"], "texts")
    if isinstance(raw.get("tasks"), Mapping):
        tasks: Mapping[str, Any] = raw["tasks"]
        found["tasks"] = {name: _task(name, said, tasks) for name, said in tasks.items()}
    return found


def _with_sources(said: Any, key: str) -> Any:
    if isinstance(said, list):
        return [_with_sources(value, f"{key}.{i}") for i, value in enumerate(said)]
    if not isinstance(said, Mapping):
        return said
    inner = {name: _with_sources(value, f"{key}.{name}") for name, value in said.items()}
    return _written_out(inner, key) if "glue" in inner else inner


def _task(name: str, said: Any, tasks: Mapping[str, Any]) -> Any:
    if not isinstance(said, Mapping) or "glue" not in said:
        return said
    key = f"tasks.{name}"
    task = GLUE[_known(said, key)]
    about: dict[str, Any] = {"title": task.title, "version": task.version}
    about |= {"labels": list(task.labels), "metrics": list(task.metrics)}
    if task.model_of is not None and "model_of" not in said:
        hosts = [other for other, own in tasks.items() if _named(own) == task.model_of]
        if len(hosts) > 1:
            what = f"key {key}.model_of: missing, and {' and '.join(hosts)} are {task.model_of}"
            raise UsageError(what, "name the one whose models it scores")
        about["model_of"] = hosts[0] if hosts else None
    return _written_out(said, key, **about)


def _written_out(said: Mapping[str, Any], key: str, **about: Any) -> dict[str, Any]:
    name = _known(said, key)
    if "path" in said or said.get("source") == "directory":
        about |= {"source": "directory", "name": name}
    else:
        about |= {"source": "hub", "name": _REPOSITORY, "revision": "pinned"}
        about["configuration"] = name.replace("-", "_")
    return about | {key: value for key, value in said.items() if key != "glue"}


def _known(said: Mapping[str, Any], key: str) -> str:
    name = _named(said)
    if name is None:
        what = f"key {key}.glue: unknown GLUE task {said['glue']!r}"
        raise UsageError(what, suggestion(str(said["glue"]), GLUE))
    return name


def _named(said: Any) -> str | None:
    return glue_name(str(said.get("glue"))) if isinstance(said, Mapping) else None
