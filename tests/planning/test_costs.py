"""What each job of a study computes, and how much data that needs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pdbench.core.entries import RECORD, write_record
from pdbench.planning.costs import _FILLED, Costs, Sizes, _size_of
from pdbench.planning.machines import LAPTOP
from pdbench.study import Architecture, Cell, Study, load_study
from pdbench.study.cells import SoftLabelled
from pdbench.study.settings import Source

D = Cell("sentiment", "d", Architecture(1, 64), "films-300", None)


@pytest.fixture
def audit() -> dict[str, object]:
    """What an audit of the small study counted."""
    splits = {"train": (90, 900), "dev": (50, 500), "test": (60, 600)}
    return {
        "tasks": {
            "sentiment": {"splits": {s: {"items": n, "pieces": t} for s, (n, t) in splits.items()}}
        },
        "texts": {"films": {"items": 1000, "pieces": 20_000}},
    }


def test_sizes_are_assumed_until_they_are_counted(study: Study, audit, tmp_path: Path) -> None:
    """An audit replaces every guess, and its absence widens what is said."""
    assumed = Sizes.counted(study, tmp_path / RECORD)
    write_record(tmp_path, audit)
    counted = Sizes.counted(study, tmp_path / RECORD)

    assert assumed.uncertainty > 0 == counted.uncertainty
    assert (assumed.items("sentiment", "train"), counted.items("sentiment", "train")) == (100, 90)
    assert assumed.text_pieces("films") == pytest.approx(_FILLED * 128)
    assert (counted.text_pieces("films"), counted.task_pieces("sentiment")) == (20, 10)


@pytest.mark.parametrize(
    ("change", "items"),
    [
        ({"tasks.sentiment.name": "mnli"}, 100),
        ({"tasks.sentiment.name": "sst-2", "tasks.sentiment.train": None}, 67_349),
        ({"tasks.sentiment.name": "mnli-mismatched", "tasks.sentiment.train": None}, 392_702),
        ({"tasks.sentiment.train": None}, 10_000),
    ],
)
def test_published_sizes_are_known(study_file, change, items: int) -> None:
    """A GLUE task that takes all of its examples has as many as were published."""
    changes = {"tasks.sentiment.source": "directory", "tasks.sentiment.path": "x", **change}

    assert Sizes(load_study(study_file(changes))).items("sentiment", "train") == items


def test_soft_labels_follow_the_counts(study: Study, audit) -> None:
    """Half the word pieces, half of what is computed and moved for them."""
    found = []
    for pieces in (20_000, 10_000):
        audit["texts"]["films"]["pieces"] = pieces
        key = SoftLabelled("sentiment", "films")
        found.append(Costs(study, Sizes(study, audit)).soft_labels(key))

    whole, half = found
    assert half.products / whole.products == pytest.approx(0.5, abs=0.05)
    assert half.traffic / whole.traffic == pytest.approx(0.5, abs=0.05)
    assert half.starts == whole.starts == 1


def test_runs_of_a_cell_are_trained_one_by_one(study_file, study: Study) -> None:
    """Everything but the start is repeated for each run."""
    more = load_study(study_file({"artefacts.figure8.seeds": 9}))
    found, thrice = Costs(study).cell(D), Costs(more).cell(D)

    assert study.number_of_runs(D) == len(study.runs(D)) == 6
    assert found.starts == thrice.starts == 1
    assert thrice.products == pytest.approx(3 * found.products)


def test_a_grid_of_batches_takes_the_steps_of_each(study_file) -> None:
    """The steps are those of the mean of 1/batch."""

    def launches(batches: list[int]) -> float:
        change = {"training.distill.batch_size": batches, "training.distill.epochs": 32}
        found = load_study(study_file(change))
        return Costs(found).cell(D).launches / found.number_of_runs(D)

    both, small, large = launches([8, 32]), launches([8]), launches([32])

    assert both == pytest.approx((small + large) / 2, rel=1e-2)
    assert small > 3 * large


def test_least_steps_are_made(study_file) -> None:
    """Data too small for them is seen again: 300 items make 19 steps in two epochs."""
    least = (19, 1900, 3800)
    studies = [load_study(study_file({"training.distill.least_steps": n})) for n in least]
    few, many, more = (Costs(study).cell(D) for study in studies)

    assert few == Costs(load_study(study_file())).cell(D)
    for kind in ("launches", "products", "traffic", "updates"):
        ones = [getattr(work, kind) for work in (few, many, more)]
        assert (ones[2] - ones[0]) / (ones[1] - ones[0]) == pytest.approx(3781 / 1881, rel=1e-2)


def test_seconds_of_a_cell_grow_with_its_size(study: Study) -> None:
    """What bundling and priorities ask for."""
    wide = dataclasses.replace(D, architecture=Architecture(2, 128))
    study.seed_counts[wide] = study.seed_counts[D]

    costs = Costs(study)
    assert LAPTOP.seconds(costs.cell(wide)) > LAPTOP.seconds(costs.cell(D)) > 0


@pytest.mark.parametrize(
    ("name", "path", "size"),
    [
        ("google/bert_uncased_L-4_H-256_A-4", None, "4/256"),
        ("google-bert/bert-large-uncased", None, "24/1024"),
        ("", "models/bert-base-uncased", "12/768"),
        ("all-minilm-l6-v2", None, "6/384"),
    ],
)
def test_teachers_are_known_by_name(name: str, path: str | None, size: str) -> None:
    """As far as their names say how large they are."""
    kind = "hub" if path is None else "directory"
    assert str(_size_of(Source(source=kind, name=name, path=path))) == size
