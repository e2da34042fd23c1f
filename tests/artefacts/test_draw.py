"""Every table and figure of the demo is drawn from stored results, the same bytes each time."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import synthetic

from pdbench.artefacts import ARTEFACTS, draw
from pdbench.artefacts.catalogue import ScoreFigure
from pdbench.artefacts.context import Context
from pdbench.artefacts.methods import _STEPS
from pdbench.artefacts.score_tables import _mean, _TableScore
from pdbench.core.errors import DataError
from pdbench.core.files import file_digest, read_json
from pdbench.evidence import Score
from pdbench.study import Initialisation, Objective, Study, load_study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import kind_of

DRAWN = [name for name in ARTEFACTS if name != "scores"]
"""The artefacts of the demo: it has no task beyond the paper's kinds."""

CHARTS = [name for name, one in ARTEFACTS.items() if isinstance(one, ScoreFigure)]


def rows_of(paths: Paths, artefact: str) -> list[dict[str, str]]:
    """The plotted numbers of an artefact."""
    path = paths.artefact(artefact)[0].with_suffix(".csv")
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def words_of(paths: Paths, artefact: str) -> dict[str, object]:
    """The caption and the other words of an artefact."""
    found: dict[str, object] = read_json(paths.artefact(artefact)[0].with_suffix(".json"))
    return found


def test_the_demo_has_every_artefact(demo: Study) -> None:
    """All that the catalogue declares is drawn below."""
    assert set(demo.artefacts) == set(DRAWN)


@pytest.mark.parametrize("artefact", DRAWN)
def test_all_files_are_written(drawn: Paths, artefact: str) -> None:
    """Each artefact has every file that the workflow expects, none of them empty."""
    assert all(path.stat().st_size > 50 for path in drawn.artefact(artefact))


@pytest.mark.parametrize("artefact", DRAWN)
def test_words_say_what_is_seen(drawn: Paths, artefact: str) -> None:
    """A caption for all, an alternative text for figures, a table for tables."""
    words = words_of(drawn, artefact)

    assert str(words["caption"]).endswith(".")
    assert words["missing"] == []
    assert bool(words["alt"]) == (kind_of(artefact) == "figure")
    assert words["tables"] or artefact == "figure1"


@pytest.mark.parametrize("artefact", CHARTS)
def test_every_cell_is_plotted(drawn: Paths, artefact: str) -> None:
    """No cell that an artefact needs is left out of its numbers, and none comes twice."""
    rows = [row for row in rows_of(drawn, artefact) if row["series"] != "Teacher"]
    plotted = [row["cell"] for row in rows if row["cell"]]

    assert sorted(plotted) == sorted(c.key for c in drawn.study.artefact_cells(artefact))


@pytest.mark.parametrize("artefact", [chart for chart in CHARTS if chart != "figure7"])
def test_every_published_score_is_plotted(drawn: Paths, artefact: str) -> None:
    """The paper's own curve stands beside ours, whole."""
    published = Context(drawn.study, drawn).published(artefact)
    scores = {r.value for r in published if r.split != "-"}

    plotted = {float(r["mean"]) for r in rows_of(drawn, artefact) if r["source"] == "paper"}

    assert plotted == scores


@pytest.mark.parametrize("artefact", CHARTS)
def test_teacher_and_majority_have_lines(drawn: Paths, artefact: str) -> None:
    """Students stand between the majority class and the teacher."""
    found = {row["series"] for row in rows_of(drawn, artefact) if row["source"] == "this study"}

    assert {"Teacher", "Majority class"} <= found


@pytest.mark.parametrize("artefact", ["figure1", "figure7", "figure9", "table3"])
def test_drawing_twice_gives_the_same_bytes(
    drawn: Paths, artefact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Picture, vector file, numbers and words do not change between two drawings."""
    before = [file_digest(path) for path in drawn.artefact(artefact)]
    monkeypatch.chdir(tmp_path)
    again = synthetic.write_study(drawn.study)

    draw(drawn.study, again, artefact)

    assert [file_digest(path) for path in again.artefact(artefact)] == before


def test_missing_cell_is_shown_as_missing(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The cell stays in the numbers without a mean, in the caption and in the log."""
    monkeypatch.chdir(tmp_path)
    key = demo.artefact_cells("figure5")[0].key
    paths = synthetic.write_study(demo, missing=(key,))

    draw(demo, paths, "figure5")

    row = next(row for row in rows_of(paths, "figure5") if row["cell"] == key)
    assert (row["mean"], row["n"]) == ("", "0")
    assert words_of(paths, "figure5")["missing"] == [key]
    assert f"cell {key} is missing" in caplog.text


def test_missing_cell_is_missing_in_a_table(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method that lacks a cell has no mean over tasks either."""
    monkeypatch.chdir(tmp_path)
    cell = demo.artefact_cells("table3")[0]
    paths = synthetic.write_study(demo, missing=(cell.key,))

    draw(demo, paths, "table3")

    rows = [r for r in rows_of(paths, "table3") if r["method"] == demo.methods[cell.method].name]
    own = {r["task"]: r["n"] for r in rows if r["source"] == "this study"}
    assert own[cell.task] == own["Mean"] == "0"
    assert words_of(paths, "table3")["missing"] == [cell.key]


def test_meta_score_averages_the_metrics_of_a_task_first(drawn: Paths) -> None:
    """Table 3's mean counts a task with two metrics once, as the paper does."""
    rows = [
        row
        for row in rows_of(drawn, "table3")
        if row["source"] == "this study" and row["method"] == "Teacher" and row["split"] == "test"
    ]
    means = {(row["task"], row["metric"]): float(row["mean"]) for row in rows}
    paraphrase = (means["paraphrase", "accuracy"] + means["paraphrase", "f1"]) / 2

    expected = (means["sentiment", "accuracy"] + paraphrase) / 2

    assert means["Mean", "mean"] == pytest.approx(expected, abs=1e-3)


def test_tasks_that_score_the_same_models_count_as_one(demo: Study) -> None:
    """MNLI-m and MNLI-mm are one task of the mean, as GLUE and the paper have it."""
    twin = demo.tasks["paraphrase"].model_copy(update={"model_of": "paraphrase"})
    study = demo.model_copy(update={"tasks": {**demo.tasks, "mismatched": twin}})
    scores = {"sentiment": 90.0, "paraphrase": 70.0, "mismatched": 60.0}
    entries = [_TableScore(t, "accuracy", Score((s,), 0), t) for t, s in scores.items()]

    assert _mean(study, entries).score.runs == (77.5,)


def test_comparable_numbers_share_one_axis(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ours and the paper's can be compared, one axis is theirs; else each has its own."""
    from pdbench.artefacts.charts import chart_of
    from pdbench.artefacts.render import render

    monkeypatch.chdir(tmp_path)
    same, other = (
        render(chart_of(Context(study, synthetic.write_study(study)), "figure6")).axes
        for study in (load_study("basic"), demo)
    )

    assert len({panel.get_ylim() for panel in same}) == 1
    assert len({panel.get_ylim() for panel in other}) == 2


def test_sizes_are_those_of_the_paper_and_of_the_study(drawn: Paths) -> None:
    """24 sizes beside the paper's count, and each timed size relative to the largest."""
    rows = rows_of(drawn, "sizes")
    paper = [row for row in rows if row["table"] == "paper"]
    own = [row for row in rows if row["table"] == "this study"]

    assert len(paper) == 24
    assert all(abs(float(row["Difference (M)"])) <= 0.1 for row in paper)
    assert [row["L/H"] for row in own] == [*map(str, drawn.study.all_architectures), "6/384"]
    assert float(own[-1]["Speed-up"]) == 1


def test_released_models_say_that_they_were_not_run(drawn: Paths) -> None:
    """Without cells, the published table stands alone and says why."""
    assert "Not run in this study" in str(words_of(drawn, "released_models")["caption"])


def test_released_models_that_were_run_say_what_is_missing(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every table does, beside how many seeds the others have."""
    monkeypatch.chdir(tmp_path)
    study = demo.model_copy(update={"artefacts": {"released_models": demo.artefacts["table3"]}})
    key = study.artefact_cells("released_models")[0].key
    paths = synthetic.write_study(study, missing=(key,))

    draw(study, paths, "released_models")

    words = words_of(paths, "released_models")
    assert words["missing"] == [key]
    assert "Ours are means over 3 seeds" in str(words["caption"])


def test_every_step_of_a_method_has_words() -> None:
    """A new initialisation or objective cannot be forgotten in diagram and table."""
    assert set(_STEPS) == {*get_args(Initialisation), *get_args(Objective)}


def test_no_results_is_one_line(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing before anything ran names the file that is not there."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DataError, match=r"results\.parquet"):
        draw(demo, Paths(demo), "figure5")


def test_registry_imports_nothing_heavy() -> None:
    """The list of artefacts is free: no matplotlib, no pandas, no scipy, no torch."""
    code = (
        "import sys, pdbench.artefacts;"
        "print(sorted({'matplotlib', 'pandas', 'scipy', 'torch'} & set(sys.modules)))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_the_user_s_machine_decides_nothing(
    drawn: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matplotlibrc of one's own, and the backend of a notebook, change no byte."""
    figure = drawn.artefact("figure6")[0]
    before = file_digest(figure)
    (tmp_path / "matplotlibrc").write_text(
        "savefig.bbox: tight\nfont.size: 20\npdf.fonttype: 3\naxes.prop_cycle: cycler(color='r')\n"
    )
    shutil.copytree(Path.cwd(), tmp_path / "copy")
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    command = [sys.executable, "-m", "pdbench", "artefact", "demo", "figure6"]

    subprocess.run(command, cwd=tmp_path / "copy", check=True)

    assert file_digest(tmp_path / "copy" / figure) == before
    pdf = (tmp_path / "copy" / figure.with_suffix(".pdf")).read_bytes()
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf  # TrueType, which conferences accept
