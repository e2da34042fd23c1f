"""What the READMEs show was measured, and nothing else."""

from benchmarks.table import NUMBERS, WORDS, as_markdown, read_rows
from pdbench.study import ROOT

MEASURED = ROOT / "benchmarks/measured"
HEAD = f"| {' | '.join((*WORDS, *NUMBERS))} |"


def test_the_measured_table_is_that_of_the_files() -> None:
    """As the table command prints it, with every row of every file."""
    rows = [row for path in sorted(MEASURED.glob("*.json")) for row in read_rows(path)]

    written = (MEASURED / "README.md").read_text(encoding="utf-8")

    assert len(rows) > 10
    assert written.endswith(f"\n\n{as_markdown(rows)}\n")


def test_the_readme_shows_measured_rows() -> None:
    """The project's README has some of them, each as it was measured."""
    measured = (MEASURED / "README.md").read_text(encoding="utf-8").splitlines()
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    shown = lines[lines.index(HEAD) :]
    rows = shown[2 : shown.index("")]

    assert len(rows) > 5
    assert [row for row in rows if row not in measured] == []
