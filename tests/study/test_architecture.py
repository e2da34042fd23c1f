"""Sizes of BERT and what they cost."""

from __future__ import annotations

import csv

import pytest

from pdbench.study import PAPER_ARCHITECTURES, ROOT, Architecture


def published_parameters() -> list[tuple[str, float]]:
    """The paper's parameter counts in millions, by size."""
    with (ROOT / "config/reference/paper.csv").open(encoding="utf-8") as handle:
        return [
            (row["arch"], float(row["value"]))
            for row in csv.DictReader(handle)
            if row["artefact"] == "sizes" and row["metric"] == "params_millions"
        ]


def test_the_paper_names_all_24_sizes() -> None:
    """The reference table and the list of the paper's sizes are the same 24."""
    assert {name for name, _ in published_parameters()} == set(map(str, PAPER_ARCHITECTURES))
    assert len(PAPER_ARCHITECTURES) == 24


@pytest.mark.parametrize(("name", "millions"), published_parameters())
def test_parameters_are_the_papers(name: str, millions: float) -> None:
    """Counted parameters, the tied MLM head with them, are the paper's within 0.1 million."""
    counted = Architecture.parse(name).parameters() / 1e6

    assert counted == pytest.approx(millions, abs=0.1)


def test_heads_and_feed_forward_follow_the_width() -> None:
    """Heads are H/64, one below 64; the feed-forward size is 4H."""
    assert (Architecture(4, 256).heads, Architecture(4, 256).feed_forward) == (4, 1024)
    assert Architecture(1, 32).heads == 1


def test_a_size_is_written_as_it_is_read() -> None:
    """Parsing and printing are inverse."""
    assert str(Architecture.parse("12/768")) == "12/768"
    assert Architecture.parse("12/768").slug == "12-768"


@pytest.mark.parametrize("text", ["", "4", "4-256", "0/64", "4/", "4/256/1", "04/64", "4/100"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Anything but two positive integers whose width divides into heads is an error."""
    with pytest.raises(ValueError, match=r"architecture|multiple"):
        Architecture.parse(text)
