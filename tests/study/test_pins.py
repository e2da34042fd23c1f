"""Commits of hub repositories, and studies that are planned before they are pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdbench.core.errors import DataError, UsageError
from pdbench.data import needs
from pdbench.data.repositories import _commit
from pdbench.study import ROOT, Architecture, load_study
from pdbench.study.loading import _fill_in, read_pins
from pdbench.study.settings import Released, Source
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

FIRST, SECOND = "a" * 40, "b" * 40


def test_the_word_pinned_becomes_the_commit() -> None:
    """Wherever a source stands; a repository that is not pinned keeps the word."""
    known = {"source": "hub", "name": "org/a", "revision": "pinned"}
    other = {"source": "hub", "name": "org/b", "revision": "pinned"}
    own = {"source": "hub", "name": "org/a", "revision": SECOND}

    found = _fill_in({"tasks": {"x": {**known, "parts": [known, other, own]}}}, {"org/a": FIRST})

    task = found["tasks"]["x"]
    assert task["revision"] == FIRST
    assert [part["revision"] for part in task["parts"]] == [FIRST, "pinned", SECOND]


def test_a_template_gets_the_commits_of_its_sizes() -> None:
    """Each size's own, and none of another repository."""
    pins = {"org/L-2_H-64": FIRST, "org/L-4_H-64": SECOND, "org/L-x_H-64": FIRST, "org/M": FIRST}
    raw = {"source": "hub", "name": "org/L-{layers}_H-{hidden}", "revision": "pinned"}

    released = Released.model_validate(_fill_in(raw, pins))

    assert set(released.revisions) == {"org/L-2_H-64", "org/L-4_H-64"}
    assert _commit(released.of(Architecture(4, 64))) == SECOND
    with pytest.raises(
        UsageError, match=r"pins\.yaml: no commit of org/L-6_H-64; run `pdbench pin"
    ):
        _commit(released.of(Architecture(6, 64)))


@pytest.mark.parametrize(("line", "words"), [("org/a: main", "org/a: 'main'"), ("5: 7", "5: 7")])
def test_pins_must_be_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    """A branch can move, and a number is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/pins.yaml").write_text(f"{line}\n")

    with pytest.raises(UsageError, match=rf"pins\.yaml: key {words} is no commit"):
        read_pins()


def test_the_commits_are_part_of_what_decides_a_result() -> None:
    """A study that is pinned anew is another study."""
    study = load_study("paper")
    task = study.tasks["rte"]
    changed = study.model_copy(
        update={"tasks": {**study.tasks, "rte": task.model_copy(update={"revision": FIRST})}}
    )

    assert task.revision == read_pins()["nyu-mll/glue"]
    job = Job("task", "rte")
    assert Paths(changed).digest(job) != Paths(study).digest(job)


def test_pinning_adds_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands there stays as it is, comments too."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config/pins.yaml"
    path.parent.mkdir()
    path.write_text(f'# Commits.\norg/a: "{FIRST}"\n')
    asked = []

    def ask(name: str, kind: str) -> str:
        asked.append((name, kind))
        return SECOND

    added = needs.pin({"org/b": "dataset", "org/a": "model"}, ask)

    assert added == {"org/b": SECOND}
    assert asked == [("org/b", "dataset")]
    assert path.read_text() == f'# Commits.\norg/a: "{FIRST}"\norg/b: "{SECOND}"\n'
    assert needs.pin({"org/a": "model"}, ask) == {}


def test_a_last_line_without_an_end_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person has written may lack the new line at its end."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config/pins.yaml"
    path.parent.mkdir()
    path.write_text(f'org/a: "{FIRST}"')

    needs.pin({"org/b": "model"}, lambda *_: SECOND)

    assert read_pins() == {"org/a": FIRST, "org/b": SECOND}


def test_an_unreachable_hub_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One repository that cannot be asked, and the file stays as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(needs, "read_pins", dict)

    def ask(name: str, kind: str) -> str:
        if name == "org/b":
            raise DataError("no network", "connect")
        return FIRST

    with pytest.raises(DataError):
        needs.pin({"org/a": "model", "org/b": "model"}, ask)
    assert not (tmp_path / "config").exists()


def test_the_paper_says_which_repositories_are_not_pinned() -> None:
    """Those and only those that config/pins.yaml lacks; a pinned one is asked for nowhere."""
    missing = needs.unpinned(load_study("paper"))

    assert set(missing) & set(read_pins()) == set()
    assert all(name.startswith("google/bert_uncased_L-") for name in missing)
    assert len(missing) + sum(name.startswith("google/bert_") for name in read_pins()) == 24


def test_a_source_without_a_commit_is_not_read() -> None:
    """Neither a branch nor nothing."""
    for revision in (None, "main", "0123"):
        with pytest.raises(UsageError, match="40 hexadecimal digits"):
            _commit(Source(source="hub", name="org/a", revision=revision))
    assert (ROOT / "config/pins.yaml").is_file()
