"""Reports whose words are hostile have the structure of others, and show what was written."""

from __future__ import annotations

import contextlib
import csv
import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import synthetic
from hostile import NAME, TITLE, Html, assert_nothing_obeys, markdown, words
from study_files import SMALL, write_study_file

from pdbench.artefacts import draw, tables
from pdbench.core.entries import read_record, write_record
from pdbench.core.words import visible
from pdbench.evidence import paired
from pdbench.report import build, export_example
from pdbench.study import load_study

FILE = "it's $(x) & <i>.yaml"
DATASETS, FIGURE6 = Path("reports/small/tables/datasets"), Path("reports/small/figures/figure6")


def report(folder: Path, title: str, name: str) -> Path:
    """A folder with the report of a study that has a title everywhere, and data with a name."""
    block = {"task": "sentiment", "method": "d", "architecture": "1/64", "transfer": "films-300"}
    changes: dict[str, Any] = {
        **dict.fromkeys(("title", "tasks.sentiment.title"), title),
        "transfer_sets.films-300": {"text": "films", "size": 300, "label": title},
        "tasks.sentiment.train": {"value": 100, "origin": "assumed", "note": name},
        "architectures.named": {title: "1/64", "Base": "2/128"},
        "gate": [{"baseline": "d", "candidate": "pd", "margin": 0.5}],
        "artefacts": {
            "figure6": SMALL["artefacts"]["figure6"],
            "figure9": {"cells": [block]},
            **{name: {} for name in ("figure1", "methods", "sizes", "datasets")},
        },
    }
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "_RESAMPLES", 200)
        study = load_study(write_study_file(Path(FILE), changes))
        method = study.methods["pd"].model_copy(update={"name": title})
        study = study.model_copy(update={"methods": {**study.methods, "pd": method}})
        study.asked_for(FILE, FILE)
        paths = synthetic.write_study(study)
        frame = pd.read_parquet(paths.table)
        frame.assign(host=name, device=name).to_parquet(paths.table)
        audit = read_record(paths.audit.parent)
        audit["tasks"]["sentiment"] |= {"licence": name, "warnings": [name]}
        write_record(paths.audit.parent, audit)
        for artefact in study.artefacts:
            draw(study, paths, artefact)
        build(study, paths)
        export_example(study, paths, Path("example"))
    return folder


def as_hostile(text: str) -> str:
    """What the harmless report says, with the words of the hostile one."""
    return words(text.replace("Plaintitle", TITLE).replace("Plainname", visible(NAME)))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A harmless report and a hostile one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "save", lambda _, stem: stem.with_suffix(".png").touch())
        plain = report(tmp_path_factory.mktemp("plain"), "Plaintitle", "Plainname")
    return plain, report(tmp_path_factory.mktemp("hostile"), TITLE, NAME)


@pytest.fixture
def hostile(folders: tuple[Path, Path]) -> Path:
    """The hostile report."""
    return folders[1]


@pytest.mark.parametrize("page", ["index.html", "gate.html", "runs.html"])
def test_pages_have_the_tags_of_others(folders: tuple[Path, Path], page: str) -> None:
    """No title opens a tag or an attribute; each is text, and the same text."""
    plain, hostile = (
        Html((folder / "reports/small" / page).read_text(encoding="utf-8")) for folder in folders
    )

    assert hostile.tags == plain.tags
    assert hostile.text == as_hostile(plain.text)
    assert [words(value) for value in hostile.values] == list(map(as_hostile, plain.values))


def test_commands_on_pages_name_the_study_in_quotes(hostile: Path) -> None:
    """Whoever pastes one into a shell runs nothing of its name."""
    for page in ("index.html", "gate.html", "runs.html"):
        text = Html((hostile / "reports/small" / page).read_text(encoding="utf-8")).text
        (argument,) = set(
            re.findall(r"pdbench (?:claims --on|check --study|cell) ('.*?yaml')", text)
        )
        assert shlex.split(argument) == [FILE]


@pytest.mark.parametrize("file", ["example/README.md", "example/gate.md", f"{DATASETS}.md"])
def test_markdown_has_the_rows_and_headings_of_others(
    folders: tuple[Path, Path], file: str
) -> None:
    """A name with a bar or a line end makes no cell and no row."""
    plain, hostile = (markdown((folder / file).read_text(encoding="utf-8")) for folder in folders)

    assert hostile[0] == [list(map(as_hostile, row)) for row in plain[0]]
    assert hostile[1] == list(map(as_hostile, plain[1]))
    assert_nothing_obeys((folders[1] / file).read_text(encoding="utf-8"))


def test_spreadsheets_find_no_formula(hostile: Path) -> None:
    """What begins as one has an apostrophe before it; numbers stay numbers."""
    with (hostile / f"{DATASETS}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (hostile / f"{FIGURE6}.csv").open(encoding="utf-8", newline="") as file:
        marks = list(csv.DictReader(file))

    assert rows[0]["Task"] == f"'{TITLE}"
    assert {row["Licence"] for row in rows} == {"", f"'{visible(NAME)}", "invented licence"}
    assert all(float(mark["mean"]) > 0 for mark in marks)
    assert f"'{TITLE}" in {mark["series"] for mark in marks}


def test_latex_reads_one_row_a_line(hostile: Path) -> None:
    """No command, cell, comment or group comes from a name."""
    text = (hostile / f"{DATASETS}.tex").read_text(encoding="utf-8")

    (row,) = (line for line in text.splitlines() if line.startswith("=a") and "rotten" in line)
    assert row.startswith(r"=a \$x\textasciicircum{}\$ \{\textbackslash{}frac \& 100\% \#1 \_y\_ ")
    assert len(re.findall(r"(?<!\\)&", row)) == 7
    assert not re.findall(r"(?<!\\)[%#]", text.partition("\n")[2])
    plain = re.sub(r"\\[\\{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", text).count("table") == 1
    assert_nothing_obeys(text)
