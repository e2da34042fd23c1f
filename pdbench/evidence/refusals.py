"""Why two cells are not judged: other budgets, and what tells on a score that was not earned.

Each reason is a few words with both numbers, the baseline's first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from pdbench.data.columns import BUDGET, TEST_PREDICTIONS
from pdbench.evidence.paired import Estimator, Question, RunGroup, Sample
from pdbench.evidence.significance import Difference
from pdbench.evidence.table import ResultsTable
from pdbench.study import Architecture, Cell, Study

ITEMS_APART = 0.01
"""Share by which items seen may differ: where the last pass is not a whole one, it depends on the
seed whether the shorter batch of the pass was in it."""

PIECES_APART = 0.1
"""Share by which word pieces an update may differ."""

WALL_APART = 3.0
"""How many times the baseline's wall time an update may take, on the same device."""

GAP = 3.0
"""Points by which a test score may exceed what the dev score lets expect, and more by chance."""

GAP_OF_MEAN = 2.5
"""The same of a mean over cells."""

_CHANCE = 3.5  # standard errors over examples that chance explains: once in 4,000 cells
_LEAST_SECONDS = 1.0  # of a run beyond that factor: shorter times are not told from noise
_ONE_CLASS = 0.01  # share of other answers at which a run still answers one class only
_SEVERAL = 0.05  # share of other labels at which that is no skill

_COUNTED = (("updates", "steps", 0.0), ("items seen", "examples", ITEMS_APART))
"""What a budget counts: its name, its column, and the share by which both may differ."""

_LABELLED = (BUDGET["labelled_items"], "labelled_items", 0.0)
"""The same, where an imported side may have read others than its method's own."""

_MEASURED = ("steps", "examples", "tokens", "train_seconds")
_DATA = ("train", "dev", "test")
_SHARED = "soft_labels"


@dataclass(frozen=True)
class Side:
    """The runs of one cell in a table: a baseline's or a candidate's."""

    table: ResultsTable
    cell: Cell

    @property
    def study(self) -> Study:
        """The study whose cell it is."""
        return self.table.study

    @property
    def is_imported(self) -> bool:
        """Whether another code base trained its runs."""
        return self.cell in self.study.imported

    @property
    def runs(self) -> Any:
        """All its runs."""
        return self.table.runs(self.cell.key)

    @property
    def grid(self) -> Any:
        """Those that select the grid point: all, or those of the first seed."""
        rows = self.runs
        return rows[[self.study.selects(self.cell, number) for number in rows["seed_index"]]]

    @property
    def chosen(self) -> Any:
        """Those of the grid point that dev chose."""
        return self.table.chosen(self.cell.key)

    @property
    def grid_points(self) -> dict[int, int]:
        """The grid points at which each seed number was trained, by the number."""
        if self.is_imported:
            stated = zip(self.runs["seed_index"], self.runs["grid_points"], strict=True)
            return {int(number): int(points) for number, points in stated}
        return self.table.grid_points(self.cell.key)

    def mean(self, column: str) -> float:
        """The mean of a column over the runs of the grid; NaN without it."""
        return float(self.grid[column].mean()) if column in self.runs else math.nan

    def score(self, split: str, metric: str, numbers: Collection[int] | None = None) -> float:
        """The mean score of the chosen runs, in per cent; NaN where it was not recorded.

        Of all of them, or of those of some seed numbers.
        """
        rows, column = self.chosen, f"{split}_{metric}"
        if numbers is not None:
            rows = rows[rows["seed_index"].isin(numbers)]
        return 100 * float(rows[column].mean()) if column in rows else math.nan

    @property
    def constant(self) -> int:
        """How many of the chosen runs answer one class to all but a hundredth of the examples."""
        answers = [np.asarray(found) for found in self.chosen[TEST_PREDICTIONS]]
        task = self.study.tasks[self.cell.task]
        is_flagged = self.chosen["degenerate"].astype(bool)
        if task.kind != "classification" or not task.labels:
            return int(is_flagged.sum())
        if _others(np.asarray(self.table.labels(self.cell.task))) < _SEVERAL:
            return int(is_flagged.sum())
        pairs = zip(is_flagged, answers, strict=True)
        return sum(bool(flag) or _others(own) < _ONE_CLASS for flag, own in pairs)


def _others(values: Any) -> float:
    """The share of values that are not the most frequent one."""
    return 1 - float(np.unique(values, return_counts=True)[1].max()) / len(values)


def unmeasured(side: Side) -> Iterator[str]:
    """What a run did not record of its budget, or not as a finite number.

    Of an imported one, what was not stated of it.
    """
    rows = side.runs
    scored = [f"dev_{metric}" for metric in side.study.tasks[side.cell.task].metrics]
    if side.is_imported:
        if unstated := [name for column, name in BUDGET.items() if rows[column].isna().any()]:
            yield f"imported, and its {', '.join(unstated)} are not stated"
        if not {*scored} <= {*rows} or rows[scored].isna().any(axis=None):
            yield "imported, and its predictions on dev are not"
        return
    for column in (*_MEASURED, *scored):
        values = rows[column].to_numpy(float) if column in rows else np.zeros(0)
        if column not in rows:
            yield f"no {column} recorded"
        elif len(broken := np.flatnonzero(~(np.isfinite(values) & (values >= _least(column))))):
            yield f"{column} {values[broken[0]]} in {rows['run'].iloc[broken[0]]}"
    if "teacher_seconds" in rows and not (rows["teacher_seconds"] <= rows["train_seconds"]).all():
        yield "teacher_seconds beyond train_seconds"


def _least(column: str) -> float:
    """The least value of a column: a correlation may be negative."""
    return 0.0 if column in _MEASURED else -1.0


def other_seeds(side: Side) -> Iterator[str]:
    """Whether the runs have other seeds, or other numbers of them, than the study gives them."""
    if side.is_imported:  # whose numbers are its own
        return
    rows, made = side.runs, side.study.runs(side.study.trained_by(side.cell))
    seeds = {run.name: run.seed for run in made}
    found = zip(rows["run"], rows["seed"], strict=True)
    if own := next(((n, seed) for n, seed in found if seed != seeds.get(n, seed)), None):
        yield f"seed {own[1]} of {own[0]}, and the study's is {seeds[own[0]]}"


def other_budget(first: Side, second: Side, *, by_seed: bool) -> Iterator[str]:
    """Every quantity in which the budgets of both differ: "updates 250 v 200".

    The data themselves are compared where both tables have their digests. Where the weights begin
    is no part of the budget: it is what a method is. Two versions of the code (``by_seed``) must
    have the same seeds and test examples; their teachers and so their soft labels may differ.
    """
    if first.cell.transfer != second.cell.transfer:
        yield f"transfer set {first.cell.transfer or 'none'} v {second.cell.transfer or 'none'}"
    is_stated = first.is_imported or second.is_imported
    for name, column, apart in (*_COUNTED, *([_LABELLED] if is_stated else [])):
        mean, its = first.mean(column), second.mean(column)
        if not abs(mean - its) <= apart * mean:
            yield f"{name} {mean:,.0f} v {its:,.0f}"
    for side in (first, second):
        yield from _beyond_its_grid(side)
    if not is_stated:
        yield from _other_pace(first, second)
    points = [side.grid_points for side in (first, second)]
    numbers = [set(map(int, side.chosen["seed_index"])) for side in (first, second)]
    for number in sorted(numbers[0] & numbers[1]):
        if points[0][number] != points[1][number]:
            of_it = "" if number == min(numbers[0]) else f" of seed number {number}"
            yield f"grid points{of_it} {points[0][number]} v {points[1][number]}"
            break
    if numbers[0] != numbers[1]:
        two = " v ".join(map(_listed, numbers))
        yield f"seed numbers {two}; train both with as many seeds"
    for role in _DATA if by_seed else (*_DATA, _SHARED):
        digests = [_values(side.runs, f"{role}_digest") for side in (first, second)]
        if digests[0] and digests[1] not in ([], digests[0]):
            yield f"data of {role} not the same"
    if by_seed:
        yield from _other_draws(first, second)
    elif not is_stated and (other := other_code(first, second)):
        yield f"{other}; run the study again"


def _other_pace(first: Side, second: Side) -> Iterator[str]:
    """Word pieces and wall time of an update, which nobody states of imported runs."""
    pieces, its = (side.mean("tokens") / side.mean("steps") for side in (first, second))
    if not abs(pieces - its) <= PIECES_APART * pieces:
        yield f"word pieces an update {pieces:,.0f} v {its:,.0f}"
    yield from _slower(first, second)


def _beyond_its_grid(side: Side) -> Iterator[str]:
    """Says where the first seed selects, and another's budget is not the first one's at the point.

    The others' budgets are in no mean: they follow from the point that each side selects.
    """
    if not side.study.first_selects(side.cell):
        return
    own, chosen = side.chosen["seed_index"] == 0, side.chosen
    for name, column, apart in _COUNTED:
        for mean in chosen.loc[own, column]:
            if other := [its for its in chosen[column] if not abs(mean - its) <= apart * mean]:
                yield f"{name} {mean:,.0f} of seed number 0 v {other[0]:,.0f} of others"


def other_code(first: Side, second: Side) -> str:
    """Says that the runs of both are not all of one engine; nothing where no engine is recorded."""
    engines = [_values(side.runs, "engine") for side in (first, second)]
    if not any(engines) or (all(engines) and len({*engines[0], *engines[1]}) == 1):
        return ""
    return f"other code: engine {' v '.join(_listed(found) or 'none' for found in engines)}"


def _slower(first: Side, second: Side) -> Iterator[str]:
    """Says where the second takes far longer for an update, on the same device."""
    devices = [_values(side.runs, "device") for side in (first, second)]
    if devices[0] != devices[1] or len(devices[0]) != 1:
        return
    times = [_seconds(side) for side in (first, second)]
    allowed = WALL_APART * times[0] / first.mean("steps") * second.mean("steps")
    if times[1] > max(allowed, times[0] + _LEAST_SECONDS):
        steps = first.mean("steps"), second.mean("steps")
        each = [f"{1000 * time / n:,.1f}" for time, n in zip(times, steps, strict=True)]
        yield f"milliseconds an update {' v '.join(each)}, without those of a teacher"


def _seconds(side: Side) -> float:
    """The mean wall time of training a run, less what asking the teacher took.

    That is no more than an update with a teacher can cost beyond one without, and just so much
    where it was not measured, as on a GPU.
    """
    rows = side.grid
    whole = rows["train_seconds"].to_numpy(float)
    least = whole / _times_with_teacher(side)
    if "teacher_seconds" not in rows:
        return float(least.mean())
    asked = rows["teacher_seconds"].to_numpy(float)
    return float(np.where(asked > 0, np.maximum(whole - asked, least), least).mean())


def _times_with_teacher(side: Side) -> float:
    """How many times as long an update takes where the teacher is asked in it.

    An update costs a student three passes, forward and twice that backward, and the teacher one.
    """
    task = side.study.tasks[side.cell.task].model_of or side.cell.task
    sizes = _values(side.table.teachers(task), "architecture")
    if not side.study.methods[side.cell.method].asks_teacher or len(sizes) != 1:
        return 1.0
    teacher = Architecture.parse(sizes[0]).encoder_parameters
    return 1 + teacher / (3 * side.cell.architecture.encoder_parameters)


def _other_draws(first: Side, second: Side) -> Iterator[str]:
    """Whether two versions of the code had other seeds or other test examples."""
    seeds = [list(side.chosen["seed"]) for side in (first, second)]
    if seeds[0] != seeds[1]:
        yield "seeds " + " v ".join(", ".join(map(str, found)) for found in seeds)
    if list(first.table.labels(first.cell.task)) != list(second.table.labels(second.cell.task)):
        yield "labels of the test examples not the same"


def unearned(first: Side, second: Side, metric: str, found: Difference) -> Iterator[str]:
    """What tells on the candidate's test score: the dev score, the teacher, one answer to all.

    ``found`` is the difference of the test scores, with its error over examples.
    """
    constant = first.constant, second.constant
    if constant[1] > constant[0] or (constant[1] == len(second.chosen) and found.error > 0):
        yield f"one class for an answer in {constant[0]} v {constant[1]} runs"
    yield from too_far_above_dev([(first, second)], metric, found, GAP)
    yield from _above_teacher(first, second, metric)


def too_far_above_dev(
    pairs: Sequence[tuple[Side, Side]], metric: str, found: Difference, least: float
) -> Iterator[str]:
    """Says where candidates' test scores exceed their dev scores more than baselines' do.

    In the mean over pairs, by more than ``least`` points and than chance explains; ``found`` is the
    difference of the test scores, with its error over examples.
    """
    gaps = [
        fmean(side.score("test", metric) - side.score("dev", metric) for side in sides)
        for sides in zip(*pairs, strict=True)
    ]
    # As far as dev examples go: those of the test set, at another number.
    known = [len(one.table.labels(one.cell.task)) / _dev_items(other) for one, other in pairs]
    error = found.examples * math.sqrt(1 + max(known))
    if gaps[1] - gaps[0] > max(least, _CHANCE * error):
        two = f"{gaps[0]:+.1f} v {gaps[1]:+.1f}"
        yield f"{metric} on test less dev {two}, as if test labels had been seen"


def _above_teacher(first: Side, second: Side, metric: str) -> Iterator[str]:
    """Says where the candidate is above the teacher on test alone, and the baseline is not."""
    task = second.cell.task
    teachers, column = second.table.teachers(task), f"dev_{metric}"
    if len(teachers) != 1 or column not in teachers:
        return
    dev, test = (100 * float(teachers[f"{split}_{metric}"].iloc[0]) for split in ("dev", "test"))
    on_dev, on_test = second.score("dev", metric) - dev, second.score("test", metric) - test
    if not on_dev <= 0 < on_test or first.score("test", metric) > test:
        return
    rows = pd.concat([teachers, second.chosen])
    sample = Sample.of(second.table, task, rows)
    runs = dict(enumerate(range(1, len(rows))))
    groups = {"teacher": RunGroup(task, {0: 0}, is_fixed=True), "own": RunGroup(task, runs)}
    terms = {("own", metric): 1.0, ("teacher", metric): -1.0}
    error = Estimator({task: sample}, groups).estimate(terms, question=Question.EXAMPLES).examples
    if on_test > _CHANCE * error:
        where = f"{on_test:+.1f} on test and {on_dev:+.1f} on dev"
        yield f"{metric} from the teacher's {where}, as if test labels had been seen"


def _dev_items(side: Side) -> int:
    """How many dev examples a task has at least: the denominator of the shares of them.

    As many as test examples where no share is recorded.
    """
    rows = side.table.frame[side.table.frame["task"] == side.cell.task]
    columns = [c for c in ("majority_dev", "dev_accuracy") if c in rows]
    shares = {float(value) for column in columns for value in rows[column] if math.isfinite(value)}
    denominators = [Fraction(share).limit_denominator(10**5).denominator for share in shares]
    if max(denominators, default=1) == 1:
        return len(side.table.labels(side.cell.task))
    return max(denominators)


def _values(rows: Any, column: str) -> list[str]:
    """The values of a column, each once."""
    return sorted(set(map(str, rows[column].dropna()))) if column in rows else []


def _listed(values: Any) -> str:
    return ", ".join(map(str, sorted(values)))
