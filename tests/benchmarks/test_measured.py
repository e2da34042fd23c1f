"""The README shows what was measured, and nothing else."""

from benchmarks.table import as_markdown, read_rows
from pdbench.study import ROOT

MEASURED = ROOT / "benchmarks/measured"


def test_the_readme_has_every_measured_row() -> None:
    """Each row of the stored files stands in the README as the table command prints it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    files = sorted(MEASURED.glob("*.json"))

    rows = [line for path in files for line in as_markdown(read_rows(path)).splitlines() if line]

    assert len(rows) > len(files)
    assert [line for line in rows if line not in readme] == []
