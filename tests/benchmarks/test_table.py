"""Tables show what was measured, and refuse what was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.table import as_markdown, as_text, main, read_rows
from pdbench.core.errors import DataError

ROW = {
    "work": "fine-tuning",
    "arch": "4/256",
    "peer": "HF Trainer",
    "measure": "peer's seconds / ours",
    "ours": 0.6612,
    "theirs": 1539.2,
    "ratio": 4.0,
    "ratio_min": 3.87,
    "ratio_max": 12.345,
    "pairs": 5,
    "command": "python -m benchmarks.finetune",
    "machine": {"device": "Some CPU", "cores": 2, "torch": "2.13.0"},
}


def changed(**keys: Any) -> dict[str, Any]:
    """The row with other values."""
    return {**ROW, **keys}


def test_text_is_aligned() -> None:
    """Words stand left and numbers right in columns of equal width."""
    first, second, third = as_text([ROW, changed(work="masked LM", theirs=7)]).split("\n")

    assert second.index("4/256") == third.index("4/256") == first.index("L/H")
    assert len(first) == len(second) == len(third)
    assert "0.661   1,539   4.00  3.87 to 12.3      5" in second


def test_notes_stand_below_the_table() -> None:
    """What a row has to say in words follows the table."""
    rows = [changed(note="within two standard errors"), ROW]

    assert as_text(rows).split("\n")[-1] == "fine-tuning: within two standard errors"
    assert "\n\nfine-tuning: within two standard errors\n\n" in as_markdown(rows)


def test_markdown_has_a_table_and_each_command_once() -> None:
    """One line a row with as many cells as the header; commands are not repeated."""
    text = as_markdown([ROW, changed(peer="another"), changed(command="python -m benchmarks.mlm")])

    table = [line for line in text.split("\n") if line.startswith("|")]
    assert len(table) == 5
    assert {line.count("|") for line in table} == {10}
    assert text.count("    python -m benchmarks.finetune") == 1
    assert text.count("    python -m benchmarks.mlm") == 1
    assert text.startswith("2 cores of Some CPU, torch 2.13.0\n")


def test_machines_have_tables_of_their_own() -> None:
    """Numbers of two machines are not mixed."""
    text = as_markdown([ROW, changed(machine={"device": "Other CPU", "cores": 8, "torch": "2"})])

    assert text.count("| work |") == 2
    assert "8 cores of Other CPU, torch 2\n" in text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no JSON file"),
        ("{", "no JSON file"),
        ("{}", "no list of rows"),
        ("[1]", "no list of rows"),
        (json.dumps([ROW, {k: v for k, v in ROW.items() if k != "pairs"}]), "row 1 has no pairs"),
    ],
)
def test_a_file_without_rows_is_one_clear_line(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    """The line names the file, what is wrong and the remedy, and nothing is printed."""
    path = tmp_path / "rows.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(DataError, match=reason):
        read_rows(path)
    done = CliRunner().invoke(main, [str(path)])

    assert done.exit_code == 1
    assert done.output.startswith(f"Error: {path}")
    assert "--json" in done.output


def test_command_prints_the_rows_of_all_files(tmp_path: Path) -> None:
    """Files are shown in the order in which they are named."""
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in paths:
        path.write_text(json.dumps([changed(work=path.stem)]))

    done = CliRunner().invoke(main, [str(path) for path in reversed(paths)])

    assert done.output.index("| b |") < done.output.index("| a |")
