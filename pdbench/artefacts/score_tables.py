"""Tables of scores: methods down, tasks and metrics across."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from pdbench.artefacts.chart import Row
from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import ABSENT, Table
from pdbench.evidence import Interval, Reference, Score, Split, t_interval
from pdbench.study import Cell
from pdbench.study.catalogue.metrics import METRICS

MEAN = "Mean"
MEANS = {"meta_score": MEAN, "glue_score": "GLUE score"}


SERVER = "GLUE's server, one run"


def own_splits(context: Context, cells: Sequence[Cell]) -> tuple[Split, ...]:
    """The splits that tables show: dev and test, and what GLUE's server has scored."""
    answered = any(context.scores.of(cell, "submission").runs for cell in cells)
    return ("dev", "test", "submission") if answered else ("dev", "test")


def own_scores(
    context: Context, cells: Sequence[Cell], split: Split, size: str = ""
) -> tuple[Table, list[Row]]:
    """This study's scores on a split: a row a method, and the teacher's below them.

    ``size`` names the students' size where a page has tables of several.
    """
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    heads: list[tuple[str, str]] = [
        (task, metric) for task in tasks for metric in context.study.tasks[task].metrics
    ]
    body, plain, keys = [], [], []
    for method, scores, found in _score_rows(context, cells, heads, split):
        score_of = dict(zip(heads, scores, strict=True))
        keys.append(("", *(key or "" for key in found), ""))
        intervals = [*(score.interval for score in scores), _mean(score_of)]
        asked = [key is not None for key in found]
        shown = zip(intervals, [*asked, all(asked)], strict=True)
        body.append((method, *(str(value) if here else ABSENT for value, here in shown)))
        labels = [*heads, (MEAN, "mean")]
        for (task, metric), interval in zip(labels, intervals, strict=True):
            plain.append(_row("this study", split, method, task, metric, interval))
    columns = ("Method", *(_head(context.task_title(task), metric) for task, metric in heads), MEAN)
    words = [size] if size else []
    title = ", ".join(["This study", *words, SERVER if split == "submission" else split])
    return _table(title, columns, tuple(body), tuple(keys)), plain


def task_scores(context: Context, cells: Sequence[Cell], split: Split) -> tuple[Table, list[Row]]:
    """This study's scores of one task on a split: a row a method and size, the teacher last."""
    task = cells[0].task
    metrics = context.study.tasks[task].metrics
    body, plain, keys = [], [], []
    found = [
        (
            context.method_name(cell.method),
            context.size_name(cell.architecture) or str(cell.architecture),
            cell.key,
            [context.scores.of(cell, split, metric).interval for metric in metrics],
        )
        for cell in cells
    ]
    teacher = [context.scores.teacher(task, split, metric).interval for metric in metrics]
    found.append(("Teacher", "", context.scores.teacher_key(task) or "", teacher))
    for method, size, key, intervals in found:
        body.append((method, size, *map(str, intervals)))
        keys.append(("", "", *(key for _ in metrics)))
        name = f"{method}, {size}".removesuffix(", ")
        plain += [
            _row("this study", split, name, task, metric, interval)
            for metric, interval in zip(metrics, intervals, strict=True)
        ]
    columns = ("Method", "Size", *(METRICS[metric].title for metric in metrics))
    title = f"{context.task_title(task)}, {split}"
    align = "ll" + "r" * len(metrics)
    return Table(title, columns, tuple(body), align, tuple(keys)), plain


def published_scores(
    context: Context, references: Sequence[Reference], title: str, split: str, head: str = "Method"
) -> tuple[Table, list[Row]]:
    """Published scores of a split with their verdicts, in the order of their source."""
    own = [r for r in references if r.split == split]
    heads = list(dict.fromkeys((r.task, r.metric) for r in own))
    named = {(_name(context, r), r.task, r.metric): r for r in own}
    body = tuple(
        (name, *(_number(context, named.get((name, *head))) for head in heads))
        for name in dict.fromkeys(_name(context, r) for r in own)
    )
    columns = (head, *(_head(task, metric) for task, metric in heads))
    plain = [_published_row(context, r) for r in own]
    return _table(title, columns, body), plain


def _table(
    title: str,
    columns: tuple[str, ...],
    rows: tuple[tuple[str, ...], ...],
    keys: tuple[tuple[str, ...], ...] = (),
) -> Table:
    return Table(title, columns, rows, align="l" + "r" * (len(columns) - 1), keys=keys)


def _head(task: str, metric: str) -> str:
    """The head of a column; a mean over tasks is named by itself."""
    return MEANS.get(metric) or f"{task} {METRICS[metric].title if metric in METRICS else metric}"


def _score_rows(
    context: Context, cells: Sequence[Cell], heads: Sequence[tuple[str, str]], split: Split
) -> Iterable[tuple[str, list[Score], list[str | None]]]:
    """The name, the scores and the keys of the cells of every row; None: not asked for."""
    by_place = {(cell.method, cell.task): cell for cell in cells}
    for method in dict.fromkeys(cell.method for cell in cells):
        found = [by_place.get((method, task)) for task, _ in heads]
        scores = [
            context.scores.of(cell, split, metric) if cell else Score((), 0)
            for cell, (_, metric) in zip(found, heads, strict=True)
        ]
        yield context.method_name(method), scores, [cell.key if cell else None for cell in found]
    scores = [context.scores.teacher(task, split, metric) for task, metric in heads]
    yield "Teacher", scores, [context.scores.teacher_key(task) or "" for task, _ in heads]


def _mean(scores: dict[tuple[str, str], Score]) -> Interval:
    """The paper's meta score: the mean over tasks, each task's metrics averaged first.

    Its interval is over seeds: the score of one seed is taken across all tasks.
    """
    seeds = min((len(score.runs) for score in scores.values()), default=0)
    return t_interval([_meta(scores, seed) for seed in range(seeds)])


def _meta(scores: dict[tuple[str, str], Score], seed: int) -> float:
    tasks: dict[str, list[float]] = {}
    for (task, _), score in scores.items():
        tasks.setdefault(task, []).append(score.runs[seed])
    return fmean(map(fmean, tasks.values()))


def _name(context: Context, reference: Reference) -> str:
    if reference.file != "paper.csv":
        return f"{reference.name or ''} {reference.architecture}".strip()
    known = context.study.methods.get(reference.method)
    return known.name if known else f"{reference.method_word}, {reference.series}"


def _number(context: Context, reference: Reference | None) -> str:
    if reference is None:
        return ABSENT
    return f"{reference.value:.1f} {context.verdict(reference)}"


def _row(source: str, split: str, method: str, task: str, metric: str, interval: Interval) -> Row:
    values = (interval.mean, interval.low, interval.high)
    mean, low, high = (None if math.isnan(value) else round(value, 4) for value in values)
    return {
        "source": source,
        "split": split,
        "method": method,
        "task": task,
        "metric": metric,
        "mean": mean,
        "low": low,
        "high": high,
        "n": interval.n,
    }


def _published_row(context: Context, reference: Reference) -> Row:
    value = Interval(reference.value, math.nan, math.nan, 1)
    name = _name(context, reference)
    row = _row(reference.source, reference.split, name, reference.task, reference.metric, value)
    return {**row, "verdict": context.verdict(reference)}
