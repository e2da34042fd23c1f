"""Published numbers are read whole, with their provenance, or refused with file and line."""

import csv
import shutil
from pathlib import Path

import pytest

from pdbench.core.errors import DataError
from pdbench.evidence import PAPER_SIZES, load_references
from pdbench.evidence.references import _COLUMNS, _FILES, _SPLITS, _VERSIONS
from pdbench.study import PAPER_ARCHITECTURES, ROOT


def test_every_line_of_every_file_is_read() -> None:
    """No number is lost between the files and the references."""
    lines = 0
    for name in _FILES:
        with (ROOT / "config/reference" / name).open(encoding="utf-8", newline="") as handle:
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
    ("file", "line", "old", "new", "words"),
    [
        ("paper", 121, ",72.16,", ",about 72,", r"paper\.csv:121: could not convert .*; mend the"),
        ("paper", 121, ",72.16,", ",nan,", r"paper\.csv:121: value and tolerance must be finite"),
        ("paper", 121, ",0.1,", ",-0.1,", r"paper\.csv:121: .* not negative"),
        ("paper", 121, ",72.16,", ",721.6,", r"paper\.csv:121: value 721.6 is more than 100%"),
        ("paper", 121, ",0.1,", ",,", r"paper\.csv:121: a digitised value needs a tolerance"),
        ("paper", 51, ",,unstated,", ",0.1,unstated,", r"paper\.csv:51: .* and no other has one"),
        ("paper", 121, ",,,72.16", ",,4.3,72.16", r"paper\.csv:121: similarity 4.3 is not between"),
        ("paper", 121, "2/128", "2-128", r"paper\.csv:121: .*write layers/hidden"),
        ("paper", 121, ",MNLI,", ",MLNI,", r"paper\.csv:121: unknown task 'MLNI' .*did you mean"),
        ("paper", 121, "unstated,unstated", "v2,unstated", r"121: unknown task_version 'v2'"),
        ("paper", 121, "unstated,acc", "train,acc", r"paper\.csv:121: unknown split 'train'"),
        ("paper", 121, ",accuracy,", ",acuracy,", r"121: unknown metric 'acuracy' .*did you mean"),
        ("paper", 121, ",%,", ",points,", r"121: unit 'points', but accuracy is in %"),
        ("paper", 121, ",digitised,", ",guessed,", r"121: unknown obtained 'guessed'"),
        ("paper", 121, ",primary,", ",tertiary,", r"121: unknown grade 'tertiary'"),
        ("paper", 121, "figure5,", ",", r"paper\.csv:121: artefact is empty"),
        ("paper", 121, "figure5,", "figure5,5,", r"paper\.csv:121: not as many fields"),
        ("paper", 122, "4/256", "2/128", r"paper\.csv:122: the same number as line 121"),
        ("paper", 1, ",arch,", ",size,", r"paper\.csv: no column 'arch'; give it the columns"),
        ("released_models", 1, ",source", ",source,more", r"released_models\.csv: columns .*more"),
        ("concurrent_work", 2, ",%,", ",ratio,", r"concurrent_work\.csv:2: unit 'ratio'"),
        ("paper", 121, "unstated,unstated,dig", "0,1,dig", r"121: seeds '0' is neither a number"),
        ("paper", 121, "unstated,unstated,dig", "5,few,dig", r"121: best_of 'few' is neither"),
        ("paper", 121, "unstated,unstated,dig", "5,-,dig", r"121: best_of '-': a score has runs"),
        ("paper", 2, ",-,-,printed", ",5,1,printed", r"paper\.csv:2: seeds '5': a score has runs"),
        ("usual_runs", 2, "dev,", "train,", r"usual_runs\.csv:2: split 'train' is not known"),
        ("usual_runs", 3, "test,", "dev,", r"usual_runs\.csv:3: split 'dev' is .* stands there tw"),
        (
            "usual_runs",
            2,
            "dev,1,",
            "dev,0,",
            r"usual_runs\.csv:2: seeds and best_of count runs; wr",
        ),
        ("usual_runs", 1, ",why", ",because", r"usual_runs\.csv: no column 'why'"),
        ("made_with", 2, "table3,-", "table3,SST2", r"made_with\.csv:2: unknown task 'SST2'; did"),
        ("made_with", 2, "teacher", "tutor", r"made_with\.csv:2: unknown part 'tutor'; .*teacher"),
        ("made_with", 2, ",paper,", ",guess,", r"made_with\.csv:2: unknown origin 'guess'"),
        ("made_with", 2, "google-bert/bert-base-uncased", " + ", r"csv:2: .* sources are empty"),
        ("made_with", 9, "1.7m", "many", r"made_with\.csv:9: .*; write items like 1.3m"),
        ("made_with", 2, "table3,-", "tabel3,-", r"made_with\.csv: unknown artefact 'tabel3'; did"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(
    tmp_path: Path, file: str, line: int, old: str, new: str, words: str
) -> None:
    """Whatever is wrong, the message names the file, the line and what is known instead."""
    folder = shutil.copytree(ROOT / "config/reference", tmp_path / "reference")
    path = folder / f"{file}.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_text("".join(lines), encoding="utf-8")

    with pytest.raises(DataError, match=words):
        load_references(folder)


def test_every_score_of_the_paper_says_what_it_was_made_with() -> None:
    """A score of a figure or table has its teacher, and the transfer set of its own task."""
    scores = [r for r in load_references() if r.file == "paper.csv" and r.is_score]
    scores = [r for r in scores if r.behind_artefact and r.task not in ("-", "GLUE-6")]

    assert len(scores) > 200
    for one in scores:
        assert one.made_with("teacher"), one
        assert one.made_with("transfer set"), one
        assert one.made_with("corpus"), one
    (books,) = next(r for r in scores if r.artefact == "figure8").made_with("transfer set")
    assert (books.name, books.items) == ("book reviews", None)


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    """A folder without the files is an error with a remedy, not a traceback."""
    with pytest.raises(DataError, match=r"usual_runs\.csv: cannot be read .*; restore"):
        load_references(tmp_path)


def test_every_split_has_a_usual_number_of_runs(tmp_path: Path) -> None:
    """A source that does not say is never without an assumption."""
    folder = shutil.copytree(ROOT / "config/reference", tmp_path / "reference")
    path = folder / "usual_runs.csv"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]))

    with pytest.raises(DataError, match=r"usual_runs\.csv: no line for the split unstated; add it"):
        load_references(folder)


def test_the_runs_behind_a_number_are_stated_or_said_to_be_assumed() -> None:
    """Every score has them; the README of the released models states its grid."""
    found = {r.artefact: r for r in load_references() if r.is_score}

    assert all(r.seeds >= 1 <= r.best_of for r in load_references() if r.is_score)
    assert found["figure6"].behind == "1 there (assumed), the best of 5 (assumed)"
    assert found["released_models"].behind == "1 there (assumed), the best of 20"


def test_the_documented_columns_are_those_of_the_code() -> None:
    """The README of the folder describes every column."""
    text = (ROOT / "config/reference" / "README.md").read_text(encoding="utf-8")

    assert [name for name in _COLUMNS if f"\n| `{name}` | " not in text] == []


def test_uncertainty_is_the_reading_error_or_half_a_digit() -> None:
    """A digitised value is as uncertain as it was read, a printed one as it was rounded."""
    found = {(r.obtained, r.printed): r.uncertainty for r in load_references()}

    assert found["digitised", "72.16"] == 0.1
    assert found["printed", "90.7"] == pytest.approx(0.05)
    assert found["printed", "65.24"] == pytest.approx(0.005)
    assert found["printed", "31"] == 0.5


def test_every_score_says_which_split_metric_and_version() -> None:
    """No score is without its split; MNLI and QNLI say which of theirs, or that nobody knows."""
    for r in load_references():
        assert (r.split in _SPLITS) == r.is_score
        assert bool(r.task_version) == (r.task in _VERSIONS)


def test_other_publications_and_secondary_numbers_are_context() -> None:
    """They are shown, and never a target."""
    found = load_references()

    assert all(r.is_context for r in found if r.grade == "secondary")
    assert all(r.is_context == (r.grade == "secondary") for r in found if r.file == "paper.csv")
    assert all(r.is_context for r in found if r.file == "concurrent_work.csv")
