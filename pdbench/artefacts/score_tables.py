"""Tables of scores: methods down, tasks and metrics across."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple, TypeAlias

from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import (
    ABSENT,
    Drawn,
    Row,
    Table,
    marks_in_words,
    numbers,
    seeds_in_words,
)
from pdbench.evidence import Interval, Reference, Score, Split
from pdbench.study import Cell, Study
from pdbench.study.catalogue.metrics import METRICS

_Part: TypeAlias = tuple[Table, list[Row]]  # a table, and its numbers as plain rows

_MEAN = "Mean"
_MEANS = {"meta_score": _MEAN, "glue_score": "GLUE score"}
_SERVER = "GLUE's server, one run"

_TABLE3 = (
    "Three ways to make a student of one size, in per cent. Students here have size {}, the "
    "paper's {}."
)
_OURS = (
    " Ours are means over {seeds}, ± half a 95% t interval over seeds on the split shown; the "
    "teacher is one run. Mean is the mean over tasks, where two metrics of a task, or MNLI-m and "
    "MNLI-mm, count as their average."
)
_RELEASED = (
    "GLUE test scores of four released checkpoints after plain fine-tuning, in per cent, as "
    "printed in the README of google-research/bert."
)
_NOT_RUN = (
    " Not run in this study: it needs the released checkpoints, which only the hub holds, so "
    "every number stands without one of ours beside it."
)
_SCORES = (
    "Scores in per cent, with the task's official metrics. The paper has no number of these tasks. "
    "Means over {seeds}, ± half a 95% t interval over seeds on the split shown; a teacher is one "
    "run. The best constant answer of a ranking is the list of train's most frequent items."
)


class _TableScore(NamedTuple):
    """One score of a row; its ``key`` is None where a method has no such cell."""

    task: str
    metric: str
    score: Score
    key: str | None


def _draw_table3(context: Context) -> Drawn:
    """Write this study's dev and test scores, and the paper's below them."""
    cells, references = context.scores.study.artefact_cells("table3"), context.published("table3")
    published = [
        _published_scores(context, references, f"Turc et al. (2019), Table 3, {split}", split)
        for split in ("dev", "test")
    ]
    caption = _TABLE3.format(cells[0].architecture, references[0].architecture) + _OURS
    parts = [*_own_scores(context, cells), *published]
    return _captioned(context, parts, caption, cells, references)


def _draw_released_models(context: Context) -> Drawn:
    """Write the published scores beside this study's, or say that there are none of ours."""
    cells = context.scores.study.artefact_cells("released_models")
    references = context.published("released_models")
    title = "README of google-research/bert, test"
    parts = [_published_scores(context, references, title, "test", head="Model")]
    for size in dict.fromkeys(cell.architecture for cell in cells):
        own = [cell for cell in cells if cell.architecture == size]
        parts += _own_scores(context, own, context.size_name(size))
    caption = _RELEASED + (_OURS if cells else _NOT_RUN)
    return _captioned(context, parts, caption, cells, references)


def _draw_scores(context: Context) -> Drawn:
    """Write a dev and a test table for every task of the cells."""
    cells = context.scores.study.artefact_cells("scores")
    by_task = {task: [c for c in cells if c.task == task] for task in context.study.tasks}
    parts = [
        _task_scores(context, own, s) for own in by_task.values() if own for s in ("dev", "test")
    ]
    return _captioned(context, parts, _SCORES, cells)


def _own_scores(context: Context, cells: Sequence[Cell], size: str = "") -> list[_Part]:
    """This study's dev and test scores, and what GLUE's server has scored, a table each.

    A row a method, and the teacher's below them; ``size`` names the students' size where a page
    has tables of several.
    """
    answered = any(context.scores.of(cell, "submission").runs for cell in cells)
    splits: tuple[Split, ...] = ("dev", "test", "submission") if answered else ("dev", "test")
    return [_own_split(context, cells, split, size) for split in splits]


def _own_split(context: Context, cells: Sequence[Cell], split: Split, size: str) -> _Part:
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    by_method: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        by_method.setdefault(cell.method, {})[cell.task] = cell
    lines = [
        ((context.method_name(method),), _entries(context, tasks, split, own))
        for method, own in by_method.items()
    ]
    lines.append((("Teacher",), _entries(context, tasks, split)))
    heads = (_head(context.task_title(one.task), one.metric) for one in lines[-1][1])
    title = ["This study", *([size] if size else []), _SERVER if split == "submission" else split]
    with_means = [(names, [*entries, _mean(context.study, entries)]) for names, entries in lines]
    return _own_table(", ".join(title), ("Method", *heads, _MEAN), with_means, split)


def _task_scores(context: Context, cells: Sequence[Cell], split: Split) -> _Part:
    task = cells[0].task
    lines = []
    for cell in cells:
        names = (context.method_name(cell.method), context.size_name(cell.architecture))
        lines.append((names, _entries(context, [task], split, {task: cell})))
    lines.append((("Teacher", ""), _entries(context, [task], split)))
    if constant := context.audit["tasks"][task]["constants"].get(split):
        metrics = context.study.tasks[task].metrics
        entries = [_TableScore(task, m, Score((100 * constant[m],), 0), "") for m in metrics]
        lines.append((("Best constant answer of train", ""), entries))
    heads = ("Method", "Size", *(METRICS[m].title for m in context.study.tasks[task].metrics))
    return _own_table(f"{context.task_title(task)}, {split}", heads, lines, split)


def _published_scores(
    context: Context, references: Sequence[Reference], title: str, split: str, head: str = "Method"
) -> _Part:
    own = [r for r in references if r.split == split]
    heads = list(dict.fromkeys((r.task, r.metric) for r in own))
    numbers_of: dict[str, dict[tuple[str, str], str]] = {}
    plain = []
    for r in own:
        name, verdict = _name(context, r), context.verdict(r)
        numbers_of.setdefault(name, {})[r.task, r.metric] = f"{r.value:.1f} {verdict}"
        row = _row(r.source, split, name, r.task, r.metric, Interval(r.value, n=1))
        plain.append({**row, "verdict": verdict})
    rows = tuple(
        (name, *(shown.get(one, ABSENT) for one in heads)) for name, shown in numbers_of.items()
    )
    columns = (head, *(_head(task, metric) for task, metric in heads))
    return Table(title, columns, rows, align="l" + "r" * len(heads)), plain


def _captioned(
    context: Context,
    parts: Iterable[_Part],
    caption: str,
    cells: Iterable[Cell],
    references: Iterable[Reference] = (),
) -> Drawn:
    """Put tables under one caption, with the seeds of their cells and the marks of verdicts."""
    tables, rows = zip(*parts, strict=True)
    runs = {cell.key: len(context.scores.of(cell).runs) for cell in cells}
    words = [caption.format(seeds=seeds_in_words(runs.values()))]
    if references:
        words.append(marks_in_words(map(context.verdict, references)))
    missing = tuple(key for key, count in runs.items() if not count)
    return Drawn([row for plain in rows for row in plain], " ".join(words), tables, missing)


def _entries(
    context: Context, tasks: Iterable[str], split: Split, cells: Mapping[str, Cell] | None = None
) -> list[_TableScore]:
    """The scores of a row: of a method's cells, or without any of the teachers."""
    scores, found = context.scores, []
    for task in tasks:
        for metric in context.study.tasks[task].metrics:
            score, key = Score((), 0), None
            if cells is None:
                score, key = scores.teacher(task, split, metric), scores.teacher_key(task) or ""
            elif task in cells:
                score, key = scores.of(cells[task], split, metric), cells[task].key
            found.append(_TableScore(task, metric, score, key))
    return found


def _mean(study: Study, entries: Sequence[_TableScore]) -> _TableScore:
    """The paper's meta score: the mean over tasks, the scores of each model averaged first.

    A task's metrics count as one, and so do MNLI-m and MNLI-mm, which score the same models.
    The interval is over seeds: the score of one seed is taken across all tasks.
    """
    runs = []
    for seed in range(min(len(one.score.runs) for one in entries)):
        tasks: dict[str, list[float]] = {}
        for one in entries:
            scored = study.tasks[one.task].model_of or one.task
            tasks.setdefault(scored, []).append(one.score.runs[seed])
        runs.append(fmean(map(fmean, tasks.values())))
    asked = all(one.key is not None for one in entries)
    return _TableScore(_MEAN, "mean", Score(tuple(runs), 0), "" if asked else None)


def _own_table(
    title: str,
    columns: tuple[str, ...],
    lines: Iterable[tuple[tuple[str, ...], Sequence[_TableScore]]],
    split: Split,
) -> _Part:
    rows, keys, plain = [], [], []
    for names, entries in lines:
        words = (ABSENT if one.key is None else str(one.score.interval) for one in entries)
        rows.append((*names, *words))
        keys.append((*("" for _ in names), *(one.key or "" for one in entries)))
        name = ", ".join(filter(None, names))
        for one in entries:
            place = ("this study", split, name, one.task, one.metric)
            plain.append(_row(*place, one.score.interval))
        align = "l" * len(names) + "r" * len(entries)
    return Table(title, columns, tuple(rows), align, tuple(keys)), plain


def _head(task: str, metric: str) -> str:
    """The head of a column; a mean over tasks is named by itself."""
    return _MEANS.get(metric) or f"{task} {METRICS[metric].title if metric in METRICS else metric}"


def _name(context: Context, reference: Reference) -> str:
    if reference.file != "paper.csv":
        return f"{reference.name or ''} {reference.architecture}".strip()
    known = context.study.methods.get(reference.method)
    return known.name if known else f"{reference.method_word}, {reference.series}"


def _row(source: str, split: str, method: str, task: str, metric: str, interval: Interval) -> Row:
    names = {"source": source, "split": split, "method": method, "task": task, "metric": metric}
    return {**names, **numbers(interval)}


DRAWINGS = {
    "table3": _draw_table3,
    "released_models": _draw_released_models,
    "scores": _draw_scores,
}
