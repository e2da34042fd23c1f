"""Published numbers are read whole, with their provenance, or refused with file and line."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from pdbench.errors import DataError
from pdbench.evidence import PAPER_SIZES, load_references
from pdbench.evidence.references import FILES, FOLDER
from pdbench.study import PAPER_ARCHITECTURES


def test_every_line_of_every_file_is_read() -> None:
    """No number is lost between the files and the references."""
    lines = 0
    for name in FILES:
        with (FOLDER / name).open(encoding="utf-8", newline="") as handle:
            lines += len(list(csv.DictReader(handle)))

    assert len(load_references()) == lines


def test_provenance_is_kept() -> None:
    """A value read off a plot says so, with its reading error and its place in the paper."""
    found = next(r for r in load_references() if r.artefact == "figure5")

    assert (found.value, found.tolerance, found.obtained) == (72.16, 0.1, "digitised")
    assert "Figure 5" in found.source
    assert (found.architecture, found.name, found.method, found.method_word) == (
        "2/128",
        "Tiny",
        "pd",
        "PD",
    )


def test_counts_and_similarities_are_numbers() -> None:
    """Transfer-set sizes like 1.7m and similarities are read as numbers."""
    found = next(r for r in load_references() if r.artefact == "figure9")

    assert (found.transfer_size, found.similarity) == (1_700_000, 0.43)


def test_initialisations_are_methods_of_this_project() -> None:
    """Figure 5's four series carry the method ids that the study uses."""
    found = {r.method for r in load_references() if r.artefact == "figure5"}

    assert found == {"pd", "pd-truncated", "pd-embeddings", "d"}


def test_named_sizes_are_among_the_24() -> None:
    """Tiny to Base are sizes of the paper."""
    assert set(PAPER_SIZES.values()) <= set(PAPER_ARCHITECTURES)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (",72.16,", ",about 72,", "paper.csv: line"),
        ("artefact,series,arch", "artefact,series,size", "paper.csv: no column 'arch'"),
    ],
)
def test_broken_file_is_one_line_with_its_place(
    tmp_path: Path, old: str, new: str, part: str
) -> None:
    """A value that is no number and a lost column name the file, and the line if there is one."""
    folder = shutil.copytree(FOLDER, tmp_path / "reference")
    path = folder / "paper.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    with pytest.raises(DataError, match=part):
        load_references(folder)


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    """A folder without the files is an error with a remedy, not a traceback."""
    with pytest.raises(DataError, match=r"paper\.csv: cannot be read .*; restore"):
        load_references(tmp_path)
