"""Studies that extend others: what they share is the same, and a mistake is that of its file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdbench.core.errors import UsageError
from pdbench.study import Study, load_study
from pdbench.study.overlays import overlaid
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import SHOWN


def written(name: str = "mine", extends: Any = "demo", **keys: Any) -> Path:
    """An overlay in the working folder's config/."""
    path = Path("config", f"{name}.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"name": name, "extends": extends, **keys}))
    return path


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("base", "over", "both"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": [1, {"b": 2}]}, {"a": [{"b": 3}]}, {"a": [{"b": 3}]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        (
            {"a": {"value": 1, "origin": "paper", "note": "table 1"}},
            {"a": {"value": 2, "origin": "assumed"}},
            {"a": {"value": 2, "origin": "assumed"}},
        ),
        ({"a": {"value": 1, "origin": "paper"}}, {"a": {"note": "x"}}, {"a": {"note": "x"}}),
        (
            {"a": {"source": "hub", "name": "x", "size": 1}},
            {"a": {"size": 2}},
            {"a": {"source": "hub", "name": "x", "size": 2}},
        ),
        (
            {"a": {"source": "hub", "name": "x"}},
            {"a": {"source": "directory", "path": "y"}},
            {"a": {"source": "directory", "path": "y"}},
        ),
        ({"a": {"source": "hub"}}, {"a": {"glue": "RTE"}}, {"a": {"glue": "RTE"}}),
        (
            {"a": {"b": 1}},
            {"a": {"value": {"c": 1}, "origin": "assumed"}},
            {"a": {"value": {"c": 1}, "origin": "assumed"}},
        ),
    ],
)
def test_mappings_are_merged_and_all_else_replaced(base: Any, over: Any, both: Any) -> None:
    """Also a value with its origin, and whatever has another source."""
    assert overlaid([(Path("over"), over), (Path("base"), base)]) == both


def test_only_what_differs_has_another_digest(demo: Study) -> None:
    """An overlay of figure8 trains its new cells, and the audit looks at their transfer set."""
    demos = demo.artefacts["figure8"].cells[0]
    sizes = {"snippets-800": {"text": "snippets", "size": 800}}
    block = demos.model_dump(mode="json") | {"transfer": ["snippets-40", "snippets-800"]}
    figure = {
        "cells": [block, *(b.model_dump(mode="json") for b in demo.artefacts["figure8"].cells)]
    }
    written(transfer_sets=sizes, artefacts={"figure8": figure})

    mine = load_study("mine")

    def store(study: Study) -> set[Path]:
        paths = Paths(study)
        return {paths.output(job) for job in Graph(study).jobs if job.kind not in SHOWN}

    def kinds(paths: set[Path]) -> set[str]:
        return {path.parent.parent.name for path in paths}

    assert kinds(store(demo) - store(mine)) == {"audit"}
    assert kinds(store(mine) - store(demo)) == {"audit", "cell"}
    assert {c.transfer for c in set(mine.seed_counts) - set(demo.seed_counts)} == {"snippets-800"}


def test_origins_are_those_of_what_counts(demo: Study) -> None:
    """A value that stays keeps its origin, and one that is replaced has its own, or none."""
    written(
        training={
            "distill": {"epochs": 5, "batch_size": {"value": 64, "origin": "paper"}},
        }
    )

    mine = {own.key: own for own in load_study("mine").assumptions}
    theirs = {own.key: own for own in demo.assumptions}
    assert theirs.keys() - mine.keys() == {"training.distill.epochs"}
    changed = {key for key, own in mine.items() if own != theirs[key]}
    assert changed == {"training.distill.batch_size"}
    assert mine["training.distill.batch_size"].origin == "paper"


def test_a_study_may_extend_pdbenchs_own_of_its_name(demo: Study) -> None:
    """And one that extends another; each is named by its place in config/ or its path."""
    written("demo", title="Ours")
    written("mine", extends="demo", evidence={"margin": 1.0})
    Path("config/mine.yaml").rename("elsewhere.yaml")
    written("last", extends="elsewhere.yaml")

    last = load_study("last")

    assert (last.name, last.title, last.evidence.margin) == ("last", "Ours", 1.0)
    assert last.tasks == demo.tasks


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"trainning": {}}, "config/mine.yaml: key trainning: unknown key; remove it"),
        (
            {"tasks": {"sentiment": {"trian": 3}}},
            "config/mine.yaml: key tasks.sentiment.trian: unknown key",
        ),
        ({"tasks": {"new": {"source": "hub"}}}, "config/mine.yaml: key tasks.new.labels: missing"),
        (
            {"transfer_sets": {"snippets-4k": {"size": 10**6}}},
            "config/mine.yaml: key transfer_sets.snippets-4k.size: 1000000 items",
        ),
        ({"tasks": {"sentiment": None}}, "config/mine.yaml: key tasks.sentiment: "),
        (
            {"tasks": {"sentiment": {"source": "directory", "path": "x"}}},
            "config/mine.yaml: key tasks.sentiment.labels: missing",
        ),
        (
            {"tasks": {"paraphrase": {"title": "x" * 300}}},
            "config/mine.yaml: key tasks.paraphrase.title: ",
        ),
        (
            {"corpora": {"film-sentences": [{"text": "films", "tokens": 9}, {"text": "film"}]}},
            "config/mine.yaml: key corpora.film-sentences.1.tokens: missing",
        ),
        ({"tasks": {"rte": {"glue": "RTEE"}}}, "config/mine.yaml: key tasks.rte.glue: "),
        (
            {"extends": "dmo"},
            "config/mine.yaml: key extends: config/dmo.yaml: no such study; there",
        ),
        (
            {"extends": "no.yaml"},
            "config/mine.yaml: key extends: no.yaml: no such study file; give",
        ),
        ({"extends": ["demo"]}, r"config/mine.yaml: key extends: \['demo'\] is no study; name one"),
        (
            {"extends": "mine"},
            "config/mine.yaml: key extends: config/mine.yaml would extend itself",
        ),
        ({"extends": "x" * 300}, "config/mine.yaml: key extends: x+: File name too long; name a"),
        ({"methods": {}}, "config/mine.yaml: unknown key 'methods'"),
    ],
)
def test_a_mistake_of_an_overlay_is_one_line(keys: dict[str, Any], words: str) -> None:
    """It names the overlay, where it is to be mended."""
    written(**keys)

    with pytest.raises(UsageError, match=f"^{words}") as caught:
        load_study("mine")
    assert "\n" not in str(caught.value)


def test_a_mistake_of_what_is_extended_names_that() -> None:
    """The overlay is right."""
    base = Path("base.yaml")
    written("mine", extends="base.yaml", title="Mine")
    base.write_text("name: base\nextends: demo\ntasks: {sentiment: {trian: 3}}\n")
    with pytest.raises(
        UsageError, match=re.escape("base.yaml: key tasks.sentiment.trian: unknown")
    ):
        load_study("mine")

    base.write_text("name: base\nextends: demo\ntransfer_sets: {snippets-4k: {size: 1000000}}\n")
    with pytest.raises(
        UsageError, match=re.escape("base.yaml: key transfer_sets.snippets-4k.size")
    ):
        load_study("mine")


def test_an_overlay_has_a_name_of_its_own() -> None:
    """Without one its results would be those of the study that it extends."""
    path = written()
    path.write_text("extends: demo\n")
    with pytest.raises(UsageError, match="key name: missing, and it extends 'demo'; give it one"):
        load_study("mine")
    path.write_text("extends: demo\nname: mine\n")
    assert load_study("mine").name == "mine"


def test_a_circle_is_refused() -> None:
    """Two overlays of each other."""
    written("mine", extends="other")
    written("other", extends="mine")
    with pytest.raises(
        UsageError, match=r"^config/other.yaml: key extends: config/mine.yaml would"
    ):
        load_study("mine")
