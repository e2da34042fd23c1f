"""Cells, runs, keys and seeds."""

from __future__ import annotations

import subprocess
import sys

from pdbench.study import Architecture, Cell, Run, Start, Study, load_study
from pdbench.study.cells import Point, seed_of


def test_a_key_is_made_of_names() -> None:
    """A cell's key has the five names in order, and "none" where there is none."""
    whole = Cell("sentiment", "pd", Architecture(4, 128), "films-3k", "general")
    basic = Cell("sentiment", "basic", Architecture(4, 128), None, None)

    assert whole.key == "sentiment.pd.4-128.films-3k.general"
    assert basic.key == "sentiment.basic.4-128.none.none"


def test_seeds_are_the_same_in_every_process() -> None:
    """Seeds come from sha256, not from Python's salted hash."""
    code = "from pdbench.study.cells import seed_of; print(seed_of('a.b', 1))"
    elsewhere = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert int(elsewhere) == seed_of("a.b", 1)
    assert 0 <= seed_of("a.b", 1) < 2**31


def test_seeds_stay_what_they_are() -> None:
    """Golden values: another derivation would make stored results unrepeatable."""
    assert seed_of("sentiment.pd.4-256.films.general", 0) == 144931508
    assert seed_of("a.b", 1) == 1253444905


def test_learning_rates_fall_with_width(demo: Study) -> None:
    """A rate that holds at width 64 is halved at 128; null leaves it alone."""
    fixed = demo.training.model_copy(update={"rates_hold_at": None})
    unscaled = demo.model_copy(update={"training": fixed})

    assert demo.training.rates_hold_at == 64
    assert demo.learning_rate(1e-3, Architecture(2, 64)) == 1e-3
    assert demo.learning_rate(1e-3, Architecture(2, 128)) == 5e-4
    assert unscaled.learning_rate(1e-3, Architecture(2, 128)) == 1e-3


def test_parts_of_a_seed_do_not_run_together() -> None:
    """("ab", "c") and ("a", "bc") give different seeds."""
    assert seed_of("ab", "c") != seed_of("a", "bc")


def test_runs_of_one_number_share_their_randomness() -> None:
    """The seed is of task, size and seed number, whatever method, texts and grid point."""
    size = Architecture(1, 64)
    cell = Cell("t", "pd", size, "x", "y")
    others = (Cell("t", "renamed", size, None, None), Cell("t", "pd-f", size, "z", "y"))
    others_yet = (Cell("u", "pd", size, "x", "y"), Cell("t", "pd", Architecture(2, 64), "x", "y"))

    assert {Run(own, 3, ()).seed for own in (cell, *others)} == {seed_of("t", "1/64", 3)}
    assert len({Run(own, 3, ()).seed for own in (cell, *others_yet)} | {Run(cell, 2, ()).seed}) == 4


def test_pretraining_draws_the_same_for_every_objective() -> None:
    """Its seed is of corpus, size and number, so that methods are compared on the same masks."""
    plain, own = (Start("c", Architecture(1, 64), 2, method) for method in (None, "own"))

    assert plain.seed == own.seed == seed_of("pretrain", "c", "1/64", 2)
    assert plain.seed != Start("c", Architecture(1, 64), 1).seed
    assert (plain.size, own.size) == ("1-64.seed2", "1-64.own.seed2")


def test_released_weights_have_no_seed() -> None:
    """They are what they are: all runs of a cell start from one checkpoint, by its old name."""
    paper = load_study("paper")
    cell = next(c for c in paper.seed_counts if c.corpus == "released" and c.method == "pd")

    (start,) = paper.starts(cell)

    assert paper.seed_counts[cell] > 1
    assert (start.seed_number, start.size) == (None, start.architecture.slug)


def test_runs_start_from_the_pretraining_of_their_number(demo: Study) -> None:
    """Run k of a cell starts from pre-training k, and all of them are pre-trained."""
    cell = next(cell for cell in demo.seed_counts if cell.method == "pd")

    assert [start.seed_number for start in demo.starts(cell)] == [0, 1, 2]
    assert set(demo.starts(cell)) <= set(demo.pretrained)
    assert demo.initial_checkpoint(cell, 1) == demo.starts(cell)[1]


def same(study: Study, task: str, size: str) -> dict[str, str]:
    """The method whose models are the very same, by method, for cells of one task and size."""
    cells = [c for c in study.seed_counts if c.task == task and str(c.architecture) == size]
    found = {cell: study.same_model(cell) for cell in cells}
    return {c.method: own.method for c, own in found.items() if own != c}


def test_truncation_at_its_own_depth_is_the_same_model(demo: Study) -> None:
    """It takes all layers of the pre-trained model; at less depth it does not."""
    assert same(demo, "sentiment", "3/64") == {"tf": "pf", "pd-truncated": "pd"}
    assert same(demo, "sentiment", "2/64") == {}
    assert same(load_study("paper"), "mnli", "12/768") == {"pd-truncated": "pd"}


def test_only_cells_of_the_study_are_the_same_model(study: Study, study_file) -> None:
    """A truncated model is itself where the study has no pre-trained one; so is any other cell."""
    cells = [{"task": "sentiment", "method": ["tf", "d"], "architecture": "2/128"}]
    cells[0] |= {"transfer": "films-300", "corpus": "general"}
    alone = load_study(study_file({"artefacts.figure6.cells": cells}))
    elsewhere = Cell("sentiment", "tf", Architecture(2, 128), None, "elsewhere")

    assert all(alone.same_model(cell) == cell for cell in (*alone.seed_counts, elsewhere))


def test_grid_points_of_a_seed_meet_the_same_randomness() -> None:
    """The seed does not depend on the grid point; the name does."""
    cell = Cell("t", "d", Architecture(1, 64), "x", None)
    low, high = (Point(1e-4, 32),), (Point(1e-3, 8),)
    low, high, other = Run(cell, 0, low), Run(cell, 0, high), Run(cell, 1, high)

    assert low.seed == high.seed != other.seed
    assert (low.name, high.name) == ("seed0_lr0.0001-b32", "seed0_lr0.001-b8")


def test_methods_use_only_what_they_need(study: Study) -> None:
    """A method that does not distil has no transfer set, one that starts random no corpus."""
    cells = {cell.method: cell for cell in study.artefact_cells("figure6")}

    assert (cells["pd"].transfer, cells["pd"].corpus) == ("films-300", "general")
    assert (cells["pf"].transfer, cells["pf"].corpus) == (None, "general")
    assert (cells["d"].transfer, cells["d"].corpus) == ("films-300", None)
    assert (cells["basic"].transfer, cells["basic"].corpus) == (None, None)


def test_shared_cells_are_trained_once_with_the_most_seeds(study: Study) -> None:
    """A cell of two artefacts is one cell and has the larger number of seeds."""
    shared = study.cells["sentiment.d.1-64.films-300.none"]

    assert shared in study.artefact_cells("figure6")
    assert shared in study.artefact_cells("figure8")
    assert study.seed_counts[shared] == 3
    assert study.seed_counts[study.cells["sentiment.d.2-128.films-300.none"]] == 2


def test_runs_are_seeds_by_learning_rates(study: Study) -> None:
    """Every seed meets every grid point."""
    cell = study.cells["sentiment.d.1-64.films-1k.none"]

    names = [run.name for run in study.runs(cell)]

    assert len(names) == len(set(names)) == 3 * 2


def test_another_method_changes_no_key(study: Study, study_file) -> None:
    """Adding a method to an artefact leaves the other cells and their seeds as they were."""
    more = load_study(
        study_file({"artefacts.figure6.cells.0.method": ["tf", "pd", "pf", "d", "basic"]})
    )

    assert set(study.cells) < set(more.cells)
    for key, cell in study.cells.items():
        assert study.runs(cell) == more.runs(more.cells[key])


def test_students_start_from_the_right_checkpoint(study: Study) -> None:
    """Truncation takes its layers from the deepest size of the width, pre-training its own."""
    size = Architecture(1, 128)
    truncated = Cell("sentiment", "tf", size, None, "general")
    pretrained = Cell("sentiment", "pf", size, None, "general")
    random = Cell("sentiment", "basic", size, None, None)

    assert study.initial_checkpoint(truncated, 0) == Start("general", Architecture(2, 128), 0)
    assert study.initial_checkpoint(pretrained, 0) == Start("general", size, 0)
    assert study.initial_checkpoint(random, 0) is None


def test_only_needed_checkpoints_are_pretrained(study: Study) -> None:
    """The study pre-trains the sizes that its cells start from, the largest first, by seed."""
    sizes = Architecture(2, 128), Architecture(1, 64)
    assert study.pretrained == tuple(
        Start("general", size, number) for size in sizes for number in range(2)
    )


def test_a_teacher_labels_the_longest_transfer_set(study: Study) -> None:
    """Soft labels are computed once for a text, for its largest transfer set."""
    assert study.soft_labelled == (("sentiment", "films"),)
    assert study.items_labelled("films") == 1000
