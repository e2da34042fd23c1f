"""Students taken home: a checkpoint that transformers loads, and a card that says what it is."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from pdbench.core.entries import RECORD
from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import read_json, replacing, write_json
from pdbench.core.words import visible
from pdbench.data.sources import provenance
from pdbench.evidence import ResultsTable
from pdbench.evidence.paired import Sample
from pdbench.evidence.references import data_id, published_split
from pdbench.evidence.significance import ALPHA
from pdbench.jobs.collect import gathered
from pdbench.jobs.record import RunRecord, best_runs
from pdbench.jobs.students import command_of, kept_student
from pdbench.kinds import kind_of
from pdbench.report.build import rendered
from pdbench.study import Cell, Run, Study
from pdbench.study.catalogue.metrics import METRICS
from pdbench.study.kinds import kind_of_task
from pdbench.study.settings import Released, Source, is_commit
from pdbench.workflow import Paths

CARD = "README.md"

_HUBS_METRICS = {
    "matthews": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}
"""What the hub calls metrics that it names otherwise."""


def export(study: Study, paths: Paths, cell: Cell, target: Path) -> Run:
    """Write the kept student of a cell into a folder that is not there yet; return its run.

    Beside the weights are the tokenizer, which cuts texts where the task does, and the card.

    Raises:
        UsageError: The cell scores another's students, or there is something in the folder.
        DataError: The cell is not trained, or none of its students was kept.
    """
    if (host := study.trained_by(cell)) != cell:
        raise UsageError(f"cell {cell} has no student: it scores those of {host}", f"name {host}")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{target}: there is something in it", "name a new folder with --to")
    if not paths.cell(cell).is_file():
        what = f"cell {cell} is not trained with these settings"
        all_cells = f"pdbench run {shlex.quote(study.argument)}"
        raise DataError(what, f"run {all_cells}, or {command_of(study, cell)}")
    (run,) = best_runs(study, paths, cell)
    kept, card = kept_student(study, paths, run), _card(study, paths, run)
    with replacing(target) as folder:
        shutil.copytree(kept, folder, ignore=shutil.ignore_patterns(RECORD))
        _cut_as(study, cell.task, folder / "tokenizer_config.json")
        (folder / CARD).write_text(card, encoding="utf-8")
    return run


def _cut_as(study: Study, task: str, path: Path) -> None:
    """Let a tokenizer that truncates keep of a text what the task keeps."""
    kind = kind_of(study.tasks[task])
    side = {"truncation_side": "left"} if kind.keeps == "end" else {}
    write_json(path, {**read_json(path), "model_max_length": kind.task.max_length, **side})


def _card(study: Study, paths: Paths, run: Run) -> str:
    """The model card of a run's student: data for the hub, then words."""
    from huggingface_hub import ModelCardData

    cell, record = run.cell, RunRecord.read(paths.run(run))
    table = ResultsTable(study, gathered(study, paths, [cell]))
    rows = table.runs(cell.key)
    own = rows[rows["run"] == run.name]
    named = visible(shlex.quote(study.shown))
    about = ModelCardData(
        model_name=f"{study.name}.{cell.key}",
        library_name="transformers",
        pipeline_tag=kind_of_task(study.tasks[cell.task]).pipeline,
        metrics=[_HUBS_METRICS.get(m, m) for m in study.tasks[cell.task].metrics],
        tags=["pdbench", "knowledge-distillation", "bert"],
        eval_results=list(_results(study, cell, own)),
    )
    page = {
        "data": Markup(about.to_yaml()),
        "study": study,
        "cell": cell,
        "run": run,
        "seeds": study.seed_counts[cell],
        "title": _title(study, cell.task),
        "method": study.methods[cell.method],
        "kind": study.tasks[cell.task].kind,
        "scores": list(_scores(table, cell, own)),
        "sources": list(_sources(study, cell)),
        "record": record,
        "trained": Markup(f"pdbench run {named}"),
        "exported": Markup(f"pdbench export {named} {cell} --to DIR"),
    }
    return rendered("student.md.j2", page)


def _title(study: Study, task: str) -> str:
    return study.tasks[task].title or task


def _results(study: Study, cell: Cell, own: Any) -> Iterator[Any]:
    """What the run scores on test, as the hub's model index has it: fractions or correlations."""
    from huggingface_hub import EvalResult

    task = study.tasks[cell.task]
    split = published_split("test", data_id(study, cell.task))
    for metric in task.metrics:
        yield EvalResult(
            task_type=kind_of_task(task).pipeline,
            dataset_name=_title(study, cell.task),
            dataset_type=task.name or cell.task,
            dataset_config=task.configuration,
            dataset_revision=task.revision if is_commit(task.revision) else None,
            dataset_split={"dev": "validation"}.get(split, split),
            metric_type=_HUBS_METRICS.get(metric, metric),
            metric_name=f"{METRICS[metric].title} on test",
            metric_value=float(own[f"test_{metric}"].iloc[0]),
        )


def _scores(table: ResultsTable, cell: Cell, own: Any) -> Iterator[dict[str, str]]:
    """For each metric the run's scores with an interval, its cell's mean, and the teacher's."""
    sample = Sample.of(table, cell.task, own)
    for metric in table.study.tasks[cell.task].metrics:
        ends = 100 * np.quantile(sample.replicates(metric)[:, 0], [ALPHA / 2, 1 - ALPHA / 2])
        test, dev = (100 * float(own[f"{split}_{metric}"].iloc[0]) for split in ("test", "dev"))
        taught = table.teacher(cell.task, metric=metric).runs
        yield {
            "metric": METRICS[metric].title,
            "test": f"{test:.1f} [{ends[0]:.1f}, {ends[1]:.1f}]",
            "dev": f"{dev:.1f}",
            "mean": str(table.of(cell, metric=metric).interval),
            "teacher": f"{taught[0]:.1f}" if taught else "-",
        }


def _sources(study: Study, cell: Cell) -> Iterator[dict[str, str]]:
    """What a cell's students were made of, with licence and citation as far as they are known."""
    task, method = study.tasks[cell.task], study.methods[cell.method]
    found: dict[str, Source | None] = {"labelled data": task, "vocabulary": study.vocabulary}
    if method.distils or method.asks_teacher:
        found["teacher"] = task.teacher
    if cell.transfer is not None:
        found["transfer set"] = study.texts[study.transfer_sets[cell.transfer].text]
    if cell.corpus is not None and method.needs_corpus:
        corpus = study.corpora[cell.corpus]
        if isinstance(corpus, Released):
            found["pre-trained weights"] = corpus.of(cell.architecture)
        for part in study.corpus_parts(cell.corpus):
            found[f"pre-training, {part.text}"] = study.texts[part.text]
        if chosen := study.fitted_on(cell.corpus):
            found["pre-training, a model"] = chosen.fits
    for role, source in found.items():
        if source is not None:
            yield {"role": role, **provenance(source)}
