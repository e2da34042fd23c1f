"""What `pdbench check` prints and writes, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import gate_results
import pandas as pd
import pytest
from commands import run
from hostile import NAME, assert_nothing_obeys, markdown, words

from pdbench.core.files import write_json
from pdbench.core.words import shortened, visible
from pdbench.evidence import paired
from pdbench.evidence.gate import Gate, Row
from pdbench.evidence.judging import GateOutcome
from pdbench.evidence.pairs import Match
from pdbench.evidence.significance import Difference
from pdbench.report import gate
from pdbench.study import Study

ONE = "sentiment.pd.2-128.films-300.general"
SOON = (datetime.now(UTC).date() + timedelta(30)).isoformat()
WHY = "too small to copy its teacher"
TWO = ["--baseline", "d", "--candidate", "pd", "--margin", "2"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Six cells each of pd and d."""
    return gate_results.small_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def tables(study: Study) -> dict[str, pd.DataFrame]:
    """Results in which pd is better than d in every cell, or worse in one."""
    return {
        "better": gate_results.table(study, {"pd": 0.3}),
        "worse": gate_results.table(study, {"pd": 0.3, ONE: -1.2}),
    }


@pytest.fixture
def folder(
    tables: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with the study, its results and those with a regression; the test runs there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paired, "_RESAMPLES", 200)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    gate_results.small_study(tmp_path, {"gate": [{"baseline": "d", "candidate": "pd"}]})
    (tmp_path / "reports/small").mkdir(parents=True)
    tables["better"].to_parquet("reports/small/results.parquet")
    tables["worse"].to_parquet("worse.parquet")
    return tmp_path


def check(*arguments: str) -> int:
    """The exit code of `pdbench check`."""
    return run("check", "--study", "small.yaml", *arguments)


def test_a_better_method_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every cell in a row of its own, aligned, and the outcome last."""
    assert check(*TWO) == 0

    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("+")]
    assert len(rows) == 7
    assert len({line.index("better") for line in rows}) == 1
    assert lines[-2:] == ["7 better", "better (exit code 0)"]
    assert not [line for line in lines if "\x1b" in line]


def test_a_regression_fails_and_everything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and each file names the cell."""
    files = ["--json", "g.json", "--junit", "g.xml", "--markdown", "g.md", "--annotations"]

    assert check(*TWO, "--results", "worse.parquet", *files) == 1

    out = capsys.readouterr().out
    found = json.loads((folder / "g.json").read_text(encoding="utf-8"))
    assert (found["code"], found["verdict"]) == (1, "worse")
    assert found["checks"][0]["outcomes"]["worse"] == 1
    (worst,) = (row for row in found["checks"][0]["rows"] if row["outcome"] == "worse")
    assert worst["name"] == ONE
    assert worst["high"] < -2
    assert f"| worse | {ONE} | accuracy |" in (folder / "g.md").read_text(encoding="utf-8")
    assert f'name="{ONE} v ' in (folder / "g.xml").read_text(encoding="utf-8")
    (line,) = (line for line in out.splitlines() if line.startswith("::error "))
    assert f"title=pdbench check%2C worse%3A {ONE}::accuracy worse by more than 2" in line


def test_files_may_be_wanted_without_the_verdict(folder: Path) -> None:
    """``--exit-zero`` writes them, and says the exit code there."""
    assert check(*TWO, "--results", "worse.parquet", "--exit-zero", "--json", "g.json") == 0
    assert json.loads((folder / "g.json").read_text(encoding="utf-8"))["code"] == 1


def test_what_was_written_is_said_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is checked twice: the same words and the same exit code, without the results."""
    check(*TWO, "--results", "worse.parquet", "--exit-zero", "--json", "g.json")
    said = capsys.readouterr().out
    (folder / "worse.parquet").unlink()

    assert run("check", "--from", "g.json") == 1
    assert capsys.readouterr().out == said


def test_the_study_says_what_is_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its gate block, with its margin, where no method is named."""
    assert check() == 0
    assert "small: pd v d, margin 2 points" in capsys.readouterr().out


def test_a_new_version_is_compared_with_stored_results(folder: Path) -> None:
    """The same results pass; a cell that became worse does not, nor does one that is lost."""
    stored = "reports/small/results.parquet"
    assert check("--against", stored) == 0
    assert check("--against", stored, "--results", "worse.parquet") == 1

    frame = pd.read_parquet(stored)
    gate_results.without(frame, cell=ONE, seed_index=0).to_parquet("less.parquet")
    assert check("--against", "less.parquet") == 2


@pytest.mark.parametrize("column", ["corpus", "transfer", "task", "method"])
def test_the_names_of_a_strangers_table_are_shown_and_not_obeyed(
    column: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is one row of every output, in which it is text, and one annotation."""
    frame = pd.read_parquet("worse.parquet")
    row = frame[frame["cell"] == ONE].iloc[:1].assign(**{"cell": NAME, column: NAME})
    pd.concat([frame, row]).to_parquet("strange.parquet")
    files = ["--json", "g.json", "--junit", "g.xml", "--markdown", "g.md", "--annotations"]

    assert check("--against", "strange.parquet", *files) == 2

    said = capsys.readouterr().out
    root = ET.parse(folder / "g.xml")
    rows, _ = markdown((folder / "g.md").read_text(encoding="utf-8"))
    found = json.loads((folder / "g.json").read_text(encoding="utf-8"))["checks"][0]["rows"]
    (strange,) = (row["name"] for row in found if row["outcome"] == "missing")
    assert NAME in strange
    assert [line for line in said.splitlines() if line.startswith("::error file=config/")]
    assert [
        case.attrib["name"] for case in root.iter("testcase") if case.find("error") is not None
    ] == [visible(strange)]
    assert [cells[2] for cells in rows if cells[1] == "missing"] == [
        words(shortened(visible(strange), 160))
    ]
    assert len(rows) == len(found) + 1
    assert {len(cells) for cells in rows} == {12}
    for text in (
        said,
        *((folder / file).read_text(encoding="utf-8") for file in ("g.xml", "g.md")),
    ):
        assert_nothing_obeys(text)


@pytest.mark.parametrize("option", ["--json", "--junit", "--markdown"])
def test_what_is_said_again_to_a_terminal_is_not_obeyed(
    option: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The findings of somebody else's check, in every format on standard output."""
    found = plain(judged(*rows(), problems=(NAME,)))
    notes = [NAME, "::error::x", "- y", "==", "1. w", " ::error::z"]
    found["checks"][0] |= {"title": NAME, "notes": notes, "counted": NAME}
    for row in found["checks"][0]["rows"]:
        row |= {"name": NAME, "reason": NAME, "notes": [NAME], "cells": [NAME, NAME]}
    write_json(folder / "g.json", found | {"verdict": NAME})

    assert check("--from", "g.json", option, "-", "--annotations") == 1

    said = capsys.readouterr()
    assert_nothing_obeys(said.out)
    assert_nothing_obeys(said.err)
    if option == "--json":
        assert json.loads(said.out)["verdict"] == NAME
    if option == "--junit":
        cases = ET.fromstring(said.out.partition("\n")[2]).iter("testcase")
        assert {case.attrib["name"] for case in cases} == {
            f"{visible(NAME)} v {visible(NAME)}",
            "waivers",
        }
    if option == "--markdown":
        assert {len(cells) for cells in markdown(said.out)[0]} == {12}
        assert markdown(said.out)[1] == [words(f"pdbench check: {visible(NAME)}")]
        assert "\n\n\\- y\n\n\\==\n\n1\\. w\n\n" in said.out


def test_a_waivers_reason_is_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrapped to any width, it begins no line as a command."""
    waiver = {"study": "small", "baseline": "d", "cell": ONE, "expires": SOON}
    text = json.dumps({"waivers": [{**waiver, "reason": "::error ::x ##[error]y \x1b[2J " * 20}]})
    (folder / "w.yaml").write_text(text, encoding="utf-8")

    assert check(*TWO, "--results", "worse.parquet", "--waivers", "w.yaml") == 0

    said = capsys.readouterr().out
    assert_nothing_obeys(said)
    assert f"waived until {SOON}: \\u003a:error" in said or f"until {SOON}: ::error" in said


def test_waivers_are_read_from_their_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A waived regression passes and is printed with its reason."""
    words = f"{{study: small, baseline: d, cell: {ONE}, reason: {WHY}, expires: {SOON}}}"
    (folder / "w.yaml").write_text(f"waivers: [{words}]", encoding="utf-8")

    assert check(*TWO, "--results", "worse.parquet", "--waivers", "w.yaml") == 0
    assert f"waived until {SOON}: {WHY}" in " ".join(capsys.readouterr().out.split())


def test_a_jobs_page_keeps_what_others_wrote(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the file that GITHUB_STEP_SUMMARY names is appended to."""
    for name in ("page.md", "other.md"):
        (folder / name).write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "page.md")

    assert check(*TWO, "--markdown", "page.md") == 0
    assert check(*TWO, "--markdown", "other.md") == 0

    assert (folder / "page.md").read_text(encoding="utf-8").startswith("before\n### pdbench check")
    assert (folder / "other.md").read_text(encoding="utf-8").startswith("### pdbench check: better")


def test_annotations_appear_in_actions(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where GITHUB_ACTIONS says so, and not where they are refused."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    worse = [*TWO, "--results", "worse.parquet"]

    check(*worse)
    assert "::error " in capsys.readouterr().out
    check(*worse, "--no-annotations")
    assert "::error " not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--baseline", "d"], "name two methods"),
        (["--baseline", "d", "--candidate", "dp"], "unknown method 'dp'"),
        (["--baseline", "stored", "--candidate", "d"], "unknown method 'stored'"),
        (["--against", "worse.parquet", "--candidate", "d"], "--against compares every method"),
        (["--against", "none.parquet"], "none.parquet: no such file"),
        (["--results", "small.yaml"], "small.yaml: cannot be read"),
        (["--waivers", "none.yaml"], "none.yaml: cannot be read"),
        (["--from", "none.json"], "none.json: no such file"),
        (["--from", "small.yaml"], "small.yaml: not valid JSON"),
        (["--from", "list.json"], "list.json: not written by pdbench check"),
        (["--from", "other.json"], "other.json: not written by pdbench check"),
        (["--from", "deep.json"], "deep.json: not valid JSON"),
        (["--from", "list.json", "--allow-undecided"], "--from repeats a check"),
        (["--margin", "1"], "--margin needs two methods"),
        ([*TWO[:4], "--margin", "nan"], "a margin of nan points decides nothing"),
        ([*TWO[:4], "--margin", "inf"], "a margin of inf points decides nothing"),
        ([*TWO[:4], "--margin", "5"], "a margin of 5 points is wider than the study's, 2"),
        (["--against", "worse.parquet", "--margin", "5"], "wider than the study's, 2"),
    ],
)
def test_misuse_is_one_line_and_no_regression(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, also for files that cannot be read: 1 would say that something is worse."""
    (folder / "list.json").write_text("[]", encoding="utf-8")
    (folder / "other.json").write_text('{"checks": [{}], "code": 0}', encoding="utf-8")
    (folder / "deep.json").write_text("[" * 100_000, encoding="utf-8")

    assert check(*arguments) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


BROKEN: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "old": (lambda frame: frame.assign(schema_version=0), "not results of schema version"),
    "without cells": (lambda frame: frame.drop(columns="cell"), "no column 'cell'"),
    "without updates": (lambda frame: frame.drop(columns="steps"), "no column 'steps'"),
    "without a task": (lambda frame: frame.assign(task=None), "row 0: task is no name"),
    "twice the same": (
        lambda frame: pd.concat([frame, frame[frame["cell"] == ONE]], ignore_index=True),
        f"6 runs stand in it twice, first one of {ONE}",
    ),
    "lists": (
        lambda frame: frame.assign(run=[["a", "b"]] * len(frame)),
        "column 'run' holds lists or records",
    ),
}


@pytest.mark.parametrize("option", ["--results", "--against"])
@pytest.mark.parametrize(("harm", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_table_that_is_not_whole_is_misuse(
    folder: Path,
    harm: Callable[[pd.DataFrame], pd.DataFrame],
    words: str,
    option: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither a regression nor a pass: a run that counts twice would look like two that agree."""
    harm(pd.read_parquet("worse.parquet")).to_parquet("harmed.parquet")

    assert check(option, "harmed.parquet") == 2

    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert words in said


@pytest.mark.parametrize("size", [None, NAME])
def test_a_stored_cell_of_no_size_is_misuse(
    size: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The study does not have it, so that its size is the table's word alone."""
    frame = pd.read_parquet("worse.parquet")
    frame.loc[frame["cell"] == ONE, ["cell", "architecture"]] = [NAME, size]
    frame.to_parquet("harmed.parquet")

    assert check("--against", "harmed.parquet") == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert " is no size; collect the results again" in line


def test_no_results_at_all_are_incomplete(folder: Path) -> None:
    """A table without rows passes in no comparison."""
    pd.read_parquet("worse.parquet").iloc[:0].to_parquet("empty.parquet")

    assert check(*TWO, "--results", "empty.parquet") == 2
    assert check("--against", "empty.parquet") == 2


def test_a_defect_of_pdbench_is_no_regression(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python ends with 1 after an error that nobody expected, which means a regression here."""
    monkeypatch.setattr(gate, "_as_text", lambda *_, **__: 1 / 0)

    assert check(*TWO) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_no_regression(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was asked for and is not there is misuse."""
    (folder / "file").write_text("", encoding="utf-8")

    assert check(*TWO, "--json", "file/g.json") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def rows() -> tuple[Row, ...]:
    """One row of each outcome."""
    estimate, cells = Difference(-1.0, 0.5, 20.0), ("base", "task.x.1-32.none.none")
    return tuple(
        Row(
            f"cell-{one.replace(' ', '-')}",
            cells,
            one,
            f"why <{one}>",
            "f1",
            estimate,
            estimate,
            0.01,
            (70.0, 69.0),
            (3, 2),
        )
        for one in GateOutcome
    )


def judged(*found: Row, problems: tuple[str, ...] = ()) -> Gate:
    """A check with these rows."""
    return Gate("demo", Match("pd", "d", 0.5), (0.5,), found, (), problems, (), date(2026, 11, 21))


def plain(*gates: Gate, allow_undecided: bool = False) -> gate._Plain:
    """What several checks found."""
    return gate._as_plain(gates, allow_undecided=allow_undecided)


def test_junit_has_the_shape_that_ci_reads() -> None:
    """The elements, attributes and order of Jenkins' schema, with counts that agree."""
    text = gate._as_junit(
        plain(judged(*rows(), problems=("waiver of nothing",)), judged(rows()[0]))
    )

    root = ET.fromstring(text)
    assert (root.tag, [suite.tag for suite in root]) == ("testsuites", ["testsuite"] * 2)
    assert {key: root.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "10",
        "failures": "2",
        "errors": "4",
    }
    first = root[0]
    counts = {key: first.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "9", "failures": "1", "errors": "4", "skipped": "2"}
    assert set(first.attrib) == {"name", "timestamp", *counts}
    for case in root.iter("testcase"):
        assert {"classname", "name"} <= set(case.attrib) <= {"classname", "name", "time"}
        assert [part.tag for part in case] in ([], ["failure"], ["error"], ["skipped"])
        assert all(part.get("message") for part in case)


def test_undecided_is_an_error_unless_it_is_allowed() -> None:
    """In every format; where it is allowed the case is skipped."""
    undecided = judged(*(row for row in rows() if row.outcome is GateOutcome.UNDECIDED))

    lenient, usual = plain(undecided, allow_undecided=True), plain(undecided)

    assert "<skipped" in gate._as_junit(lenient)
    assert "<error" in gate._as_junit(usual)
    assert list(gate._error_lines(lenient)) == []
    assert len(list(gate._error_lines(usual))) == 1
    assert (lenient["verdict"], usual["verdict"]) == (
        "nothing shown to be worse: 1 undecided",
        "incomplete: 1 undecided",
    )


def test_annotations_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Per cent, colons and commas, as the runner undoes them; line ends are blanks."""
    monkeypatch.chdir(tmp_path)
    row = Row("a:b,c", ("x",), GateOutcome.MISSING, "100%\nlost: a, b")

    (line,) = gate._error_lines(plain(judged(row)))

    assert line == (
        "::error file=config/demo.yaml,title=pdbench check%2C missing%3A a%3Ab%2Cc"
        "::100%25 lost: a, b"
    )


def test_annotations_point_at_the_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its line of the methods' file; problems of waivers at theirs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/methods.yaml").write_text("dd:\n  x: 1\nd:\n  x: 2\n", encoding="utf-8")

    lines = list(gate._error_lines(plain(judged(rows()[0], problems=("old",)))))

    assert lines[0].startswith("::error file=config/methods.yaml,line=3,")
    assert lines[1].startswith(
        "::error file=config/waivers.yaml,title=pdbench check%2C waiver::old"
    )


@pytest.mark.parametrize(
    ("outcomes", "code", "verdict"),
    [
        ([GateOutcome.NOT_WORSE], 0, "not worse"),
        ([GateOutcome.BETTER], 0, "better"),
        ([GateOutcome.NOT_WORSE, GateOutcome.BETTER], 0, "not worse"),
        ([GateOutcome.NOT_WORSE, GateOutcome.UNDECIDED], 2, "incomplete: 1 undecided"),
        ([GateOutcome.NOT_WORSE, GateOutcome.WAIVED, GateOutcome.NEW], 0, "not worse, 1 waived"),
        (
            [GateOutcome.UNDECIDED, GateOutcome.MISSING],
            2,
            "incomplete: 1 missing, 1 undecided",
        ),
        ([GateOutcome.REFUSED], 2, "incomplete: 1 refused"),
        ([GateOutcome.WORSE, GateOutcome.MISSING, GateOutcome.BETTER], 1, "worse"),
    ],
)
def test_several_checks_have_one_code(outcomes: list[GateOutcome], code: int, verdict: str) -> None:
    """What is worse in any of them comes before something incomplete in another."""
    found = plain(*(judged(row) for row in rows() if row.outcome in outcomes))

    assert found["code"] == code
    assert gate._as_markdown(found).startswith(f"### pdbench check: {verdict}\n")


def test_rows_without_a_comparison_have_no_numbers() -> None:
    """What is missing shows no score, and JSON has null."""
    found = plain(judged(Row("cell", ("cell",), GateOutcome.MISSING, "lost")))

    (row,) = found["checks"][0]["rows"]
    assert "| . | missing | cell |  |  |  |  |  |  |  |  | lost |" in gate._as_markdown(found)
    assert (row["difference"], row["p"], row["scores"]) == (None, None, [None, None])
    json.dumps(found, allow_nan=False)


def test_every_margin_is_said() -> None:
    """Cells of several artefacts may have several."""
    several = replace(judged(*rows()), margins=(0.5, 1.0, 2.0))

    (found,) = plain(several)["checks"]

    assert found["margins"] == [0.5, 1, 2]
    assert "margin 0.5 to 2 points" in found["title"]


def test_every_outcome_has_a_colour_besides_its_mark() -> None:
    """On a terminal."""
    assert set(gate._COLOURS) == set(GateOutcome)
