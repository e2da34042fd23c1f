"""Runs of other code bases: from a filled template to the gate, and what is refused on the way."""

from __future__ import annotations

import contextlib
import csv
import json
import runpy
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pdbench.core.errors import DataError, PdbenchError, UsageError
from pdbench.core.files import read_json, write_json
from pdbench.data.tokens import read_array
from pdbench.evidence.gate import Row, check
from pdbench.evidence.judging import GateOutcome
from pdbench.evidence.pairs import Match
from pdbench.evidence.table import ResultsTable, read_results
from pdbench.jobs.collect import collect
from pdbench.jobs.imports import import_runs, write_template
from pdbench.jobs.prepare import prepare_task
from pdbench.jobs.students import attempt
from pdbench.study import ROOT, Study, load_study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from tests.commands import run
from tests.prepared import copied

BESIDE = "films.pd.1-32.more-100.plain"
OWN = "films.mine.1-32.more-100.none"
LABELS = ("negative", "positive")
AS_PD = {"steps": 8, "examples": 200, "labelled_items": 0, "grid_points": 1}
SEEDS = (7, 42)


@pytest.fixture(scope="module")
def baseline(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which one cell is trained, and a template that stands beside it."""
    folder = tmp_path_factory.mktemp("imports") / "project"
    shutil.copytree(prepared, folder)
    with contextlib.chdir(folder):
        study = load_study("small.yaml")
        attempt(study, Paths(study), study.cells[BESIDE])
        write_template(study, Paths(study), study.cells[BESIDE], Path("template.csv"))
    return folder


@pytest.fixture
def project(baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Paths]:
    """A copy of it, as the working directory."""
    return copied(baseline, tmp_path, monkeypatch)


def filled(paths: Paths, seeds: tuple[int, ...] = SEEDS, dev: bool = True) -> list[dict[str, Any]]:
    """The template's lines for each seed; every tenth answer is wrong, from another item on."""
    with Path("template.csv").open(encoding="utf-8") as file:
        asked = list(csv.DictReader(file))
    true = {s: read_array(paths.task("films") / s / "labels.npy") for s in ("train", "dev", "test")}
    rows = []
    for place, seed in enumerate(seeds):
        for row in asked:
            split, _, number = row["item"].split("-")
            if split == "train" or (split == "dev" and not dev):
                continue
            label = int(true[split][int(number)]) ^ ((int(number) + place) % 10 == 0)
            rows.append({**row, "seed": seed, "prediction": LABELS[label]})
    return rows


def write(rows: list[dict[str, Any]], path: Path = Path("filled.csv")) -> Path:
    """Write lines as CSV, or as Parquet."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def judged(study: Study, paths: Paths) -> Row:
    """The row of the imported cell beside its baseline, after the results were collected."""
    collect(study, paths)
    frame = read_results(paths.table)
    found = check(study, frame, Match("pd", "mine", 2.0), date(2026, 11, 28))
    (row,) = found.cells
    assert row.name == OWN
    return row


def test_imported_runs_are_scored_marked_and_judged(project: tuple[Study, Paths]) -> None:
    """By the project's own metric, in the table, the artefacts and the gate; no job trains them."""
    study, paths = project
    before = paths.digest(Job("collect")), paths.digest(Job("cell", study.cells[BESIDE]))
    with Path("template.csv").open(encoding="utf-8") as file:
        asked = list(csv.DictReader(file))
    assert [sum(row["item"].startswith(s) for row in asked) for s in ("train", "dev", "test")] == [
        300, 100, 100
    ]  # fmt: skip
    assert {row["label"] for row in asked if row["item"].startswith("test")} == {""}

    (kept,) = import_runs(study, paths, [write(filled(paths))], "mine", AS_PD)
    row = judged(study, paths)

    scores = ResultsTable(study, read_results(paths.table))
    cell = scores.study.cells[OWN]
    assert scores.of(cell).runs == (90.0, 90.0)
    assert scores.of(cell, "dev").runs == (90.0, 90.0)
    rows = scores.chosen(OWN)
    assert list(rows["imported"]) == [True, True]
    assert list(rows["seed"]) == list(SEEDS)
    assert not scores.runs(BESIDE)["imported"].any()
    assert scores.study.methods["mine"].name == "mine (imported)"
    assert cell in scores.study.artefact_cells("figure6")
    assert row.outcome is GateOutcome.BETTER
    assert any(
        note.startswith("imported: budget, data and start are as stated") for note in row.notes
    )
    after = Paths(study)
    assert after.digest(Job("collect")) != before[0], "the next run collects again"
    assert after.digest(Job("cell", study.cells[BESIDE])) == before[1], "and trains nothing"
    assert after.imported_runs == [kept]


@pytest.mark.parametrize(
    ("budget", "dev", "words"),
    [
        ({}, True, "imported, and its updates, items seen, labelled items, grid points are not"),
        ({**AS_PD, "labelled_items": None}, True, "imported, and its labelled items are not"),
        (AS_PD, False, "imported, and its predictions on dev are not"),
        ({**AS_PD, "steps": 9}, True, "updates 8 v 9"),
        ({**AS_PD, "labelled_items": 300}, True, "labelled items 0 v 300"),
        ({**AS_PD, "grid_points": 4}, True, "grid points 1 v 4"),
    ],
)
def test_what_is_not_stated_or_not_equal_is_no_equal_budget(
    project: tuple[Study, Paths], budget: dict[str, int | None], dev: bool, words: str
) -> None:
    """However good it is; the reason says what is missing."""
    study, paths = project
    import_runs(study, paths, [write(filled(paths, dev=dev))], "mine", budget)

    row = judged(study, paths)

    assert row.outcome is GateOutcome.REFUSED
    assert words in row.reason


def test_probabilities_and_parquet_say_the_same(project: tuple[Study, Paths]) -> None:
    """The most likely label is what is predicted; each seed may have a file of its own."""
    study, paths = project
    rows = filled(paths)
    for row in rows:
        likely = row.pop("prediction") == "positive"
        row |= {"p_negative": 0.2 if likely else 0.7, "p_positive": 0.8 if likely else 0.3}
    files = [
        write([row for row in rows if row["seed"] == seed], Path(f"{seed}.parquet"))
        for seed in SEEDS
    ]

    (kept,) = import_runs(study, paths, files, "mine", AS_PD)
    said = read_json(kept)["said"]
    kept.unlink()
    import_runs(study, paths, [write(filled(paths))], "mine", AS_PD)

    assert read_json(kept)["said"] == said


def _all(**values: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row |= values

    return change


def _one(**values: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda rows: rows[-1].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_one(item="test-00000000-99"), r"csv:\d+: test-0+-99 is an item of other data than film"),
        (_one(item="99"), r"csv:\d+: '99' is no id of an item; fill a template"),
        (lambda rows: rows.append(rows[-1]), r"csv:\d+: test-\w+-99 of seed 42 again"),
        (lambda rows: rows.pop(), r"seed 42: 1 of 100 items of test missing, such as test-\w+-99"),
        (lambda rows: rows.pop(0), r"seed 7: 1 of 100 items of dev missing, such as dev-\w+-0"),
        (_one(prediction="good"), r"csv:\d+: 'good' is no label; there are negative, positive"),
        (_one(prediction=""), r"csv:\d+: no prediction of test-\w+-99; predict every item"),
        (_one(seed="first"), r"csv:\d+: seed 'first'; write the whole number"),
        (_one(cell="films.other.1-32.none.none"), r"csv:\d+: 'films.other.*' is no cell"),
        (_one(cell="films.pd-f.1-32.more-100.plain"), r"csv:\d+: another cell of the same task"),
        (_all(p_fine=0.5), r"csv:2: column 'p_fine' is of no label; there are p_negative, p_pos"),
        (
            _all(prediction="", p_negative=0.5, p_positive=0.6),
            r"csv:2: probabilities 0\.5, 0\.6, whose sum is no one; write the softmax",
        ),
        (_all(prediction="", p_negative="nan", p_positive=1), r"csv:2: 'nan' is no number"),
        (lambda rows: [row.pop("seed") for row in rows], r"csv:2: no column 'seed'; fill a templ"),
    ],
)  # fmt: skip
def test_bad_files_are_one_line_and_nothing_is_kept(
    project: tuple[Study, Paths], change: Callable[[list[dict[str, Any]]], None], message: str
) -> None:
    """The line names the file, its line and the remedy."""
    study, paths = project
    rows = filled(paths)
    change(rows)

    with pytest.raises(DataError, match=message) as error:
        import_runs(study, paths, [write(rows)], "mine", AS_PD)

    assert "\n" not in str(error.value)
    assert paths.imported_runs == []


def test_the_command_writes_a_template_and_takes_it_up(
    project: tuple[Study, Paths], capsys: pytest.CaptureFixture[str]
) -> None:
    """What it refuses ends with exit code 2 and one line; a name that is taken has another."""
    _, paths = project
    template = ["import-runs", "small.yaml", "--template"]
    assert run(*template, BESIDE, "--to", "again.csv") == 0
    assert Path("again.csv").read_bytes() == Path("template.csv").read_bytes()
    assert run(*template, "films.pd.1-32.more-100.plane") == 2
    assert run(*template, BESIDE, "--to", "again.txt") == 2
    file = str(write(filled(paths)))
    assert run("import-runs", "small.yaml", file, "--method", "pd") == 2
    assert "name it otherwise, such as pd-elsewhere" in capsys.readouterr().err
    assert run("import-runs", "small.yaml", file) == 2

    assert run("import-runs", "small.yaml", file, "--method", "pd-elsewhere", "--updates", "8") == 0
    assert run("collect", "small.yaml") == 0
    two = ["--baseline", "pd", "--candidate", "pd-elsewhere", "--margin", "2"]
    assert run("check", "--study", "small.yaml", *two) == 2

    assert "items seen, labelled items, grid points are not stated" in " ".join(
        capsys.readouterr().out.split()
    )


def test_both_are_compared_item_by_item(
    project: tuple[Study, Paths], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the texts that changed sides; what another code base did not state is none."""
    study, paths = project
    import_runs(study, paths, [write(filled(paths))], "mine", AS_PD)
    collect(study, paths)
    capsys.readouterr()

    two = [f"small.yaml:{BESIDE}:seed0_lr0.001-b32", f"small.yaml:{OWN}:seed0"]
    code = run("compare", *two, "--json", "two.json")

    text, found = capsys.readouterr().out, read_json(Path("two.json"))
    (pair,) = found["pairs"]
    changed = pair["changed"]
    assert (code, pair["paired"], pair["runs"]) == (0, True, [1, 1])
    assert pair["metrics"]["accuracy"]["b"]["value"] == 90.0
    assert found["settings"]["imported"] == ["False", "True"]
    assert found["environments"]["threads"] == ["1", "none"]
    assert changed["a_alone"] + changed["b_alone"] > 0
    assert len(changed["examples"]) == min(4, changed["a_alone"] + changed["b_alone"])
    for example in changed["examples"]:
        assert example["text"] in text
        assert (example["a"] == example["label"]) != (example["b"] == example["label"])
    assert run("compare", "small.yaml", f"{paths.table}:{BESIDE}") == 2
    assert run("compare", "small.yaml", "elsewhere.parquet") == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line.partition(": error: ")[2].partition(";")[0] for line in errors] == [
        f"small.yaml and {paths.table}:{BESIDE}: a whole table beside a part of one",
        "elsewhere.parquet: no such file",
    ]
    assert run("compare", "small.yaml", str(paths.table)) == 0
    assert "Environments that differ: none" in capsys.readouterr().out


def test_the_example_of_another_code_base_is_judged(project: tuple[Study, Paths]) -> None:
    """It knows the template alone; what it prints is the whole budget."""
    study, paths = project
    cell = study.cells["films.basic.1-32.none.none"]
    write_template(study, paths, cell, Path("template.csv"))
    example = runpy.run_path(str(ROOT / "examples/another_code_base.py"))

    budget = example["main"](Path("template.csv"), Path("filled.csv"))
    asked = ["import-runs", "small.yaml", "filled.csv", "--method", "words"]
    code = run(
        *asked, *(part for name, count in budget.items() for part in (f"--{name}", str(count)))
    )
    collect(study, paths)

    scores = ResultsTable(study, read_results(paths.table))
    row = scores.chosen("films.words.1-32.none.none").iloc[0]
    assert (code, row["seed"], row["labelled_items"], row["grid_points"]) == (0, 1, 300, 1)
    assert (row["steps"], row["examples"]) == (10, 300)
    assert 0 <= row["test_accuracy"] <= 1
    text = (ROOT / "examples/another_code_base.py").read_text(encoding="utf-8")
    assert "import pdbench" not in text
    assert len(text.splitlines()) <= 100


def test_other_runs_take_no_ones_place_until_it_is_empty(project: tuple[Study, Paths]) -> None:
    """The same again is no change; a table of earlier runs says so in the gate."""
    study, paths = project
    file = write(filled(paths))
    (kept,) = import_runs(study, paths, [file], "mine", AS_PD)
    collect(study, paths)
    import_runs(study, paths, [file], "mine", AS_PD)
    other = write(filled(paths, (1, 2)))

    with pytest.raises(UsageError, match="other runs of mine; delete it if these replace them"):
        import_runs(study, paths, [other], "mine", AS_PD)
    kept.unlink()
    import_runs(study, paths, [other], "mine", AS_PD)

    found = check(study, read_results(paths.table), Match("pd", "mine", 2.0), date(2026, 11, 28))
    assert found.cells[0].outcome is GateOutcome.MISSING
    assert "other runs were imported since; collect the results again" in found.cells[0].reason
    assert judged(study, paths).outcome is GateOutcome.BETTER


def test_an_edited_import_and_one_of_other_items_are_refused(project: tuple[Study, Paths]) -> None:
    """What it says to do helps; a table of what there is leaves the latter out."""
    study, paths = project
    (kept,) = import_runs(study, paths, [write(filled(paths))], "mine", AS_PD)
    content = json.loads(kept.read_text())
    write_json(kept, {**content, "budget": {**content["budget"], "steps": 200}})
    with pytest.raises(DataError, match="it was edited; delete it and import again"):
        collect(study, paths)
    kept.unlink()
    import_runs(study, paths, [write(filled(paths))], "mine", AS_PD)
    collect(study, paths)

    test = Path("data/task/test.csv")
    test.write_text("\n".join(test.read_text().splitlines()[:-2]) + "\n")
    study = load_study("small.yaml")
    prepare_task(study, "films", Paths(study))
    with pytest.raises(PdbenchError, match="it answers other items than films has now; delete it"):
        collect(study, Paths(study))


def test_the_gate_of_versions_takes_imported_runs_as_they_are(
    project: tuple[Study, Paths],
) -> None:
    """New where the stored results lack them, and else not worse: no code of ours trained them."""
    study, paths = project
    collect(study, paths)
    before = read_results(paths.table)
    import_runs(study, paths, [write(filled(paths))], "mine", {})
    collect(study, paths)
    frame, match = read_results(paths.table), Match("stored", "", 2.0)

    def outcome(stored: Any) -> GateOutcome:
        found = check(study, frame, match, date(2026, 11, 28), stored=stored)
        return next(row.outcome for row in found.cells if row.name == OWN)

    assert outcome(before) is GateOutcome.NEW
    assert outcome(frame) is GateOutcome.NOT_WORSE
    assert np.isnan(frame.loc[frame["imported"], "steps"]).all()
