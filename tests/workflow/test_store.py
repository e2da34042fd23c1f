"""What is in the store is not made again, and what is not in it is."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from study_files import write_study_file
from workflow_project import Project

from pdbench.core.entries import write_record
from pdbench.ops.clean import redo
from pdbench.ops.status import Survey
from pdbench.study import load_study

PD = "sentiment.pd.1-64.films-300.general"
LOOKS = {"collect", "figure", "table", "report", "study"}
"""The jobs that show what is in the store."""


def test_a_second_run_does_nothing(finished: Project) -> None:
    """What is there and current is not made again, whatever dates its files have."""
    for path in finished.folder.glob("results/store/t*/*/*.json"):
        path.touch()

    assert finished.run("study") == []


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"training.pretrain.dropout": 0.3}, {"pretrain": 4, "cell": 4}),
        ({"artefacts.figure6.cells.0.method": ["pd", "pf", "d", "basic", "pd-f"]}, {"cell": 2}),
        ({"title": "Another"}, {}),
    ],
)
def test_a_change_makes_what_depends_on_it(
    finished: Project, change: dict[str, object], again: dict[str, int]
) -> None:
    """Whatever else is in the store stays."""
    finished.change(change)

    planned = finished.planned("study")

    assert {kind: n for kind, n in planned.items() if kind not in LOOKS} == again


def test_changing_back_costs_nothing(finished: Project) -> None:
    """Another setting is another place: what it replaced is still there."""
    finished.change({"training.distill.epochs": 3})
    finished.run("study")
    assert {run.split(".")[1] for run in finished.trained} == {"pd", "d"}

    finished.change({})

    assert set(finished.planned("study")) <= LOOKS


def test_one_more_seed_trains_one_more_run_of_each_cell(finished: Project) -> None:
    """Runs and pre-trainings are entries of their own: those of other seeds are there."""
    finished.change({"artefacts.figure6.seeds": 3})

    commands = finished.run("study")

    # Those of figure8, one of which figure6 shares, have three seeds already.
    cells = {run.split("/")[0] for run in finished.trained}
    with finished.opened() as paths:
        assert cells == {c.key for c in paths.study.artefact_cells("figure6")} - {
            "sentiment.d.1-64.films-300.none"
        }
    assert {run.split("/")[1].split("_")[0] for run in finished.trained} == {"seed2"}
    assert {command.split()[0] for command in commands} & {"task", "teacher"} == set()
    starts = sorted(command for command in commands if command.startswith("pretrain"))
    sizes = ("1/64", "2/128")
    assert starts == [f"pretrain general {size} --seed 2 --threads 1" for size in sizes]


def test_a_copy_under_another_name_and_path_trains_nothing(finished: Project) -> None:
    """Its table and report are drawn; no name or place of a study decides a result."""
    text = (finished.folder / "small.yaml").read_text(encoding="utf-8")
    other = finished.folder / "elsewhere/other.yaml"
    other.parent.mkdir()
    other.write_text(text.replace("name: small\n", "name: other\n"), encoding="utf-8")
    copied = replace(finished, study="elsewhere/other.yaml")

    commands = copied.run("study")

    assert {command.split()[0] for command in commands} == {"collect", "artefact", "report"}
    assert (finished.folder / "reports/other/index.html").is_file()
    assert finished.planned("study") == {}


def test_every_spelling_of_a_study_is_the_same(finished: Project) -> None:
    """An absolute path, a detour and a moved file run nothing."""
    file = finished.folder / "small.yaml"
    for spelling in (str(file), "./workflow/../small.yaml"):
        assert replace(finished, study=spelling).planned("study") == {}

    file.rename(finished.folder / "workflow/moved.yaml")

    assert replace(finished, study="workflow/moved.yaml").planned("study") == {}


def test_results_go_without_what_snakemake_remembers(finished: Project) -> None:
    """Moved results run nothing; after a setting changes, what depends on it is made."""
    shutil.rmtree(finished.folder / ".snakemake")
    moved = replace(finished, folder=finished.folder.rename(finished.folder.parent / "moved"))

    assert moved.run("study") == []
    moved.change({"training.finetune.epochs": 5})
    moved.run("study")
    assert {run.split(".")[1] for run in moved.trained} == {"basic", "pf"}


def test_what_was_drawn_from_other_settings_is_drawn_anew(finished: Project) -> None:
    """Whatever dates a copy gave the files, or a clock that was set back."""
    finished.change({"tasks.sentiment.title": "Films"})
    assert "report" in finished.planned("study")
    for path in (finished.folder / "reports").rglob("*"):
        path.touch()

    assert finished.run("study")[-1] == "report"
    assert finished.planned("study") == {}


def test_another_study_of_the_same_name_is_refused(finished: Project) -> None:
    """Before anything is made; nothing of the first one's changes."""
    other = finished.folder / "downloaded.yaml"
    write_study_file(other, {"title": "Of somebody else"})
    theirs = replace(finished, study="downloaded.yaml")
    page = (finished.folder / "reports/small/index.html").read_bytes()

    done = theirs.snakemake("study", check=False)

    assert done.returncode == 2
    assert "downloaded.yaml: its name, small, is that of small.yaml" in done.stderr
    assert (finished.folder / "reports/small/index.html").read_bytes() == page


@pytest.mark.parametrize("lost", ["record.json", "test_predictions.npy"])
def test_a_run_of_which_a_file_is_lost_is_trained_again(finished: Project, lost: str) -> None:
    """It alone, although its cell says that it is done; then the results are collected."""
    with finished.opened() as paths:
        run = next(iter(paths.study.runs(paths.study.cells[PD])))
        (paths.run(run) / lost).unlink()

    commands = finished.run("study")

    assert finished.trained == [f"{PD}/{run.name}"]
    assert commands[0].startswith(f"cell {PD} ")
    assert commands[1] == "collect"


@pytest.mark.parametrize("kind", ["task", "text", "teacher", "pretrain", "soft_labels"])
def test_an_entry_of_which_a_file_is_lost_is_made_again(finished: Project, kind: str) -> None:
    """Once it is needed, also where power failed and left it empty."""
    for entry in (finished.folder / "results/store" / kind).iterdir():
        (entry / "more").write_text("")
        (entry / "record.json").unlink()
        write_record(entry, {})
    finished.change({"artefacts.figure6.seeds": 3})

    assert finished.planned("study")[kind]


def test_a_deleted_figure_is_drawn_again(finished: Project) -> None:
    """And nothing is trained for it, also when the data and the cells have gone."""
    figure = finished.folder / "reports/small/figures/figure6.png"
    for spoil in (figure.unlink, lambda: figure.write_text("")):  # as a loss of power leaves it
        spoil()
        assert finished.run("study") == ["artefact figure6", "report"]

    for kind in ("text", "pretrain", "soft_labels", "teacher"):
        shutil.rmtree(finished.folder / "results/store" / kind)
    shutil.rmtree(finished.folder / "reports/small/figures")
    assert sorted(finished.run("figures")) == ["artefact figure6", "artefact figure8"]


def test_redoing_all_trains_every_run(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data, teachers and pre-trained students stay."""
    monkeypatch.chdir(finished.folder)
    study = load_study("small.yaml")
    (said,) = redo(Survey.of(study), "all", yes=False)[:1]
    assert said.endswith("all that is finished among them; nothing was removed: say --yes")
    redo(Survey.of(study), "all", yes=True)

    commands = finished.run("study")

    assert len(finished.trained) == len(set(finished.trained))
    assert len(finished.trained) == sum(study.number_of_runs(cell) for cell in study.seed_counts)
    kinds = {command.split()[0] for command in commands}
    assert kinds == {"cell", "collect", "artefact", "report"}
