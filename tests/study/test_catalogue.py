"""A GLUE task is one entry of the catalogue, and one key of a study."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pdbench.core.errors import UsageError
from pdbench.planning.costs import Sizes
from pdbench.study import load_study
from pdbench.study.catalogue.glue import GLUE, GlueTask, expanded, glue_name


def test_a_task_is_written_out() -> None:
    """From the hub, or from a folder that is named; what is said counts."""
    raw = {
        "tasks": {
            "a": {"glue": "mnli_mismatched", "title": "Mine", "model_of": "b"},
            "b": {"glue": "mnli", "path": "data/MNLI", "train": 5},
            "c": {"labels": ["x", "y"]},
        }
    }

    tasks = expanded(raw)["tasks"]

    labels = ["entailment", "neutral", "contradiction"]
    about = {"labels": labels, "metrics": ["accuracy"], "version": ""}
    hub = {"source": "hub", "name": "nyu-mll/glue", "revision": "pinned"}
    hub["configuration"] = "mnli_mismatched"
    assert tasks["a"] == {**hub, **about, "title": "Mine", "model_of": "b"}
    folder = {"source": "directory", "name": "mnli", "path": "data/MNLI"}
    assert tasks["b"] == {**folder, **about, "title": "MNLI-m", "train": 5}
    assert tasks["c"] == {"labels": ["x", "y"]}


def test_texts_take_the_source_alone() -> None:
    """Also as parts of a mixture."""
    raw = {"texts": {"a": {"parts": [{"glue": "qqp", "broken": 0.1}]}, "b": {"glue": "sst-2"}}}

    texts = expanded(raw)["texts"]

    hub = {"source": "hub", "name": "nyu-mll/glue", "revision": "pinned"}
    assert texts["a"]["parts"] == [{**hub, "configuration": "qqp", "broken": 0.1}]
    assert texts["b"] == {**hub, "configuration": "sst2"}


def test_models_are_those_of_the_only_task_that_trains_them() -> None:
    """With several, the study must say which."""
    one = {"mine": {"glue": "mnli"}, "ax": {"glue": "ax"}}

    assert expanded({"tasks": one})["tasks"]["ax"]["model_of"] == "mine"
    assert expanded({"tasks": {"ax": {"glue": "ax"}}})["tasks"]["ax"]["model_of"] is None
    with pytest.raises(UsageError, match=r"key tasks\.ax\.model_of: missing, and mine and more"):
        expanded({"tasks": {**one, "more": {"glue": "mnli"}}})


def test_an_unknown_task_is_named_with_its_file(study_file: Callable[..., Path]) -> None:
    """The message has the file, the key and the nearest known name."""
    path = study_file({"tasks.sentiment": {"glue": "sst3"}})

    with pytest.raises(
        UsageError, match=rf"{path}: key tasks.sentiment.glue: .*did you mean 'sst2'"
    ):
        load_study(path)


def test_a_new_task_is_one_entry(
    study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its labels, metrics, names and sizes are known wherever a study meets it."""
    items = {"train": 9, "dev": 4, "test": 4}
    diagnosis = GlueTask("NEW", {"0": "negative", "1": "positive"}, items)
    monkeypatch.setitem(GLUE, "new", diagnosis)
    settings: dict[str, Any] = {"glue": "new", "path": "data/NEW"}
    teacher = {"source": "directory", "path": "teacher"}

    study = load_study(study_file({"tasks.sentiment": {**settings, "teacher": teacher}}))

    task = study.tasks["sentiment"]
    assert (task.title, task.labels) == ("NEW", ("negative", "positive"))
    assert task.metrics == ("accuracy",)
    assert Sizes(study).items("sentiment", "train") == 9


def test_aliases_name_one_task() -> None:
    """No two tasks share a spelling; all others are unknown."""
    spellings = [spelling for name, task in GLUE.items() for spelling in (name, *task.aliases)]

    assert len(set(spellings)) == len(spellings)
    assert glue_name("STS-B") == "stsb"
    assert glue_name(None, "other", "MNLI_mismatched") == "mnli-mismatched"
    assert glue_name("other") is None


def test_the_catalogue_is_light() -> None:
    """Every cluster job reads it."""
    code = (
        "import sys; from pdbench.study.catalogue import archives, glue, metrics; "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'torch', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_glue_tasks_report_what_glue_reports(study_file) -> None:
    """More metrics may be asked for, the official ones must be."""
    mrpc = {"source": "directory", "path": "x", "name": "mrpc", "labels": ["a", "b"]}

    def load(**said: Any) -> None:
        changes = {f"tasks.sentiment.{key}": value for key, value in {**mrpc, **said}.items()}
        load_study(study_file(changes))

    load(metrics=["accuracy", "f1"])
    load(name="", metrics=["accuracy"])
    missing = r"key tasks\.sentiment\.metrics: accuracy, for MRPC; .*\[f1, accuracy\]"
    with pytest.raises(UsageError, match=missing):
        load(metrics=["accuracy"])


@pytest.mark.parametrize("name", ["mrpc", "qqp"])
def test_f1_is_that_of_glues_second_class(name: str, study_file) -> None:
    """In another order it would be the F1 of the pairs that do not mean the same."""
    official = list(GLUE[name].labels)
    hub = {"source": "hub", "name": "nyu-mll/glue", "revision": "pinned", "configuration": name}
    changes = {f"tasks.sentiment.{key}": value for key, value in hub.items()}
    changes["tasks.sentiment.metrics"] = ["f1", "accuracy"]

    load_study(study_file({**changes, "tasks.sentiment.labels": official}))
    wrong = rf"tasks\.sentiment\.labels: .*F1 is of the second; .*\[{', '.join(official)}\]"
    with pytest.raises(UsageError, match=wrong):
        load_study(study_file({**changes, "tasks.sentiment.labels": official[::-1]}))
