"""Every benchmark has the same options, prints a table and writes JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from benchmarks.options import FULL_PAIRS, QUICK_PAIRS, Options, with_options
from benchmarks.rows import Row, row
from benchmarks.table import read_rows
from pdbench.core.errors import DataError
from pdbench.study import ROOT


def run(*arguments: str, **result: Any) -> tuple[Result, list[Any]]:
    """Run a benchmark that measures one row; return what it was asked for too."""
    seen: list[Any] = []

    @click.command()
    @with_options
    @click.option("--more", default=0)
    def main(options: Options, more: int) -> list[Row]:
        """Measure nothing."""
        seen.extend([options, more, Path.cwd()])
        if "error" in result:
            raise result["error"]
        return [row("training", "2/128", "a peer", [(1, 4)], "peer's seconds / ours")]

    return CliRunner().invoke(main, list(arguments)), seen


@pytest.fixture(autouse=True)
def _return(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_prints_a_table_and_writes_the_rows(tmp_path: Path) -> None:
    """The file stands where the user named it, though the work is done at the root."""
    done, (_, _, folder) = run("--json", "rows.json")

    assert done.exit_code == 0, done.output
    assert "4.00" in done.output
    assert folder == ROOT
    assert [found["ratio"] for found in read_rows(tmp_path / "rows.json")] == [4]


def test_defaults_are_one_thread_and_all_pairs() -> None:
    """The full form has five pairs and no deadline."""
    _, (options, more, _) = run()

    assert (options.quick, options.threads, options.pairs, more) == (False, 1, FULL_PAIRS, 0)
    assert FULL_PAIRS >= 5
    assert options.deadline is None


def test_quick_ends_within_a_minute() -> None:
    """No pair may end later than leaves time for what comes after the pairs."""
    _, (options, *_) = run("--quick")

    assert options.pairs == QUICK_PAIRS
    assert options.deadline - options.started <= 50


def test_options_are_handed_over() -> None:
    """The shared ones in one object, a benchmark's own by name."""
    _, (options, more, _) = run("--threads", "2", "--pairs", "7", "--more", "3", "--quick")

    assert (options.threads, options.pairs, more) == (2, 7, 3)


def test_an_expected_failure_is_one_line(tmp_path: Path) -> None:
    """Nothing is written then."""
    done, _ = run("--json", "rows.json", error=DataError("no peers", "install them"))

    assert done.exit_code == 1
    assert done.output == "Error: no peers; install them\n"
    assert not (tmp_path / "rows.json").exists()


def test_rows_are_json_for_others(tmp_path: Path) -> None:
    """A plain list of objects."""
    run("--json", "rows.json")

    (found,) = json.loads((tmp_path / "rows.json").read_text())
    assert found["peer"] == "a peer"
