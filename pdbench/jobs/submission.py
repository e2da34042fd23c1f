"""Predictions for GLUE's server, and the scores that it answers with.

GLUE keeps the labels of its test sets. Its server takes a zip of one file for each task, named
by the task's title: a header ``index<TAB>prediction`` and a line for each example, with the
words of GLUE's own files (0 and 1, or entailment and the like) or a number from 0 to 5.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdbench.core.errors import DataError, UsageError, suggestion
from pdbench.core.files import file_digest, read_json, replacing, write_json
from pdbench.data.columns import SUBMISSION, predictions_file, prepared_splits
from pdbench.data.records import records
from pdbench.jobs.record import (
    RunRecord,
    best_point,
    point_of,
    read_record,
    selection_metric,
    verified,
)
from pdbench.study import Cell, Study
from pdbench.study.catalogue.glue import GLUE, GlueTask, glue_name
from pdbench.workflow import Paths

_HEADER = "index\tprediction"
_LARGEST_SCORE = 5.0
"""Of STS-B; predictions beyond the scale are set to its ends."""


@dataclass(frozen=True)
class _Predictions:
    """The predictions of one task, their digest, and the run that made them."""

    task: str
    cell: Cell
    run: str
    digest: str
    lines: tuple[str, ...]


def write_submission(
    study: Study, paths: Paths, cells: Iterable[Cell], target: Path, *, fill: bool = False
) -> dict[str, Any]:
    """Write the zip of one cell's predictions for each GLUE task, and its manifest beside it.

    Of each cell that run counts which is best on dev, at the grid point that is best on dev over
    all seeds, as in every table.

    Args:
        cells: The cells to submit, one for a task; tasks that have no hidden test are left out.
        target: The zip file.
        fill: Answer with one and the same prediction where there is no cell for a task; the
            server takes whole submissions only.

    Returns:
        The manifest: of each file its cell and run, or that it was filled.

    Raises:
        UsageError: A task has several cells or none, or the zip is called as its manifest.
        DataError: A run is missing or was edited, or its predictions are not of GLUE's test set.
    """
    if manifest_path(target) == target:
        raise UsageError(f"{target}: its manifest has this name", "let the zip end in .zip")
    entries = _entries(study, paths, cells)
    missing = [task.title for name, task in GLUE.items() if name not in entries]
    if missing and not fill:
        what = f"no predictions for {', '.join(missing)}, and GLUE's server takes whole submissions"
        raise UsageError(what, "add cells of these tasks, or give --fill to answer with one class")
    content = {GLUE[name].title: entry.lines for name, entry in entries.items()}
    content |= {task.title: _filled(task) for task in GLUE.values() if task.title in missing}
    with replacing(target) as temporary:
        _write_zip(temporary, content)
        _check_submission(temporary, target)
    manifest = {
        "study": study.name,
        "zip": target.name,
        "sha256": file_digest(target),
        "files": {
            GLUE[name].title: {"task": e.task, "cell": e.cell.key, "run": e.run, "sha256": e.digest}
            for name, e in entries.items()
        },
        "filled": missing,
    }
    write_json(manifest_path(target), manifest)
    return manifest


def _write_zip(path: Path, content: Mapping[str, Sequence[str]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file, lines in sorted(content.items()):
            stamp = zipfile.ZipInfo(f"{file}.tsv", (1980, 1, 1, 0, 0, 0))  # the same bytes again
            stamp.compress_type = zipfile.ZIP_DEFLATED
            rows = (f"{index}\t{word}" for index, word in enumerate(lines))
            archive.writestr(stamp, "\n".join([_HEADER, *rows]) + "\n")


def manifest_path(target: Path) -> Path:
    """The manifest of a submission."""
    return target.with_suffix(".json")


def _check_submission(path: Path, named: Path | None = None) -> None:
    """Refuse a zip that GLUE's server would not take."""
    named = named or path
    with zipfile.ZipFile(path) as archive:
        wanted = {f"{task.title}.tsv" for task in GLUE.values()}
        if set(archive.namelist()) != wanted:
            odd = sorted(set(archive.namelist()) ^ wanted)[0]
            raise DataError(f"{named}: {odd} is missing or unknown", "write it again")
        for task in GLUE.values():
            file = f"{task.title}.tsv"
            header, *lines = archive.read(file).decode().splitlines()
            if header != _HEADER or len(lines) != task.items["test"]:
                what = f"{named}: {file}: {len(lines)} predictions below {header!r}"
                raise DataError(what, f"GLUE's has {task.items['test']} below {_HEADER!r}")
            for number, line in enumerate(lines):
                index, _, word = line.partition("\t")
                if index != str(number) or not _is_word(task, word):
                    what = f"{named}: {file}:{number + 2}: {line!r}"
                    raise DataError(what, "write it again")


def _is_word(task: GlueTask, word: str) -> bool:
    if task.classes:
        return word in task.classes
    try:
        return 0 <= float(word) <= _LARGEST_SCORE
    except ValueError:
        return False


def import_scores(study: Study, paths: Paths, file: Path, manifest: Path) -> Path:
    """Keep what GLUE's server answered to a submission, for the next collection of results.

    Args:
        file: A CSV file with the columns task (as the zip's files are called), metric and
            score, in per cent, as the server shows it.
        manifest: What :func:`write_submission` wrote beside the zip.

    Raises:
        UsageError: The manifest is of another study, or another submission's scores are kept
            under its name.
        DataError: It is no manifest; or a line names no file of the submission or no metric of
            it, or no score, or one that another line has.
    """
    about = _read_manifest(manifest)
    if about["study"] != study.name:
        what = f"{manifest}: a submission of study {about['study']!r}, not of {study.name!r}"
        raise UsageError(what, "name the study that was submitted")
    target = paths.submissions / f"{manifest.stem}.json"
    if target.is_file() and read_json(target)["sha256"] != about["sha256"]:
        what = f"{target}: the scores of another submission of this name"
        raise UsageError(what, "rename the manifest, or delete those scores")
    scores: dict[str, dict[str, float]] = {}
    for where, row in records(file):
        published, metric = _scored(row, about["files"], where)
        if metric in scores.setdefault(published, {}):
            raise DataError(f"{where}: {published} {metric} again", "give one score of each")
        scores[published][metric] = _score(row["score"], where)
    if not scores:
        raise DataError(f"{file}: no scores", "write a line for each, below task,metric,score")
    write_json(target, {**about, "scores": scores})
    return target


def _read_manifest(path: Path) -> dict[str, Any]:
    about = read_json(path)
    if not isinstance(about, dict) or not {"study", "sha256", "files"} <= about.keys():
        raise DataError(f"{path}: no manifest", "name the .json that stands beside the zip")
    return about


def _scored(row: Mapping[str, Any], submitted: Iterable[str], where: str) -> tuple[str, str]:
    """The file and the metric that a line has a score of."""
    missing = {"task", "metric", "score"} - row.keys()
    if missing:
        raise DataError(f"{where}: no column {', '.join(sorted(missing))}", "name the columns so")
    if row["task"] not in submitted:
        what = f"{where}: {row['task']!r} was not submitted"
        raise DataError(what, suggestion(row["task"], submitted))
    known = next(task.metrics for task in GLUE.values() if task.title == row["task"])
    if row["metric"] not in known:
        what = f"{where}: {row['metric']!r} is no metric of {row['task']}"
        raise DataError(what, suggestion(row["metric"], known))
    return row["task"], row["metric"]


def _score(text: str | None, where: str) -> float:
    """A score in per cent as a fraction."""
    try:
        score = float(text or "")
    except ValueError:
        score = float("nan")
    if not -100 <= score <= 100:
        raise DataError(f"{where}: score {text!r}", "write per cent, as the server shows it")
    return score / 100


def imported_scores(study: Study, paths: Paths) -> dict[tuple[str, str], dict[str, float]]:
    """Every imported score by (cell, run), then by its column in the table of results.

    A partial table leaves out the scores of predictions that have been made anew.

    Raises:
        DataError: A file of scores is no JSON, or its scores are of other predictions than
            those that are there.
    """
    found: dict[tuple[str, str], dict[str, float]] = {}
    for path in paths.imported:
        about = read_json(path)
        for file, scores in about["scores"].items():
            origin = about["files"][file]
            if _present_digest(study, paths, origin) not in (None, origin["sha256"]):
                if paths.partial:
                    continue
                what = f"{path}: {file} was scored with predictions that have been made anew"
                raise DataError(what, "delete it, and submit again")
            row = found.setdefault((origin["cell"], origin["run"]), {})
            row |= {f"{SUBMISSION}_{metric}": value for metric, value in scores.items()}
    return found


def _present_digest(study: Study, paths: Paths, origin: Mapping[str, str]) -> str | None:
    """The digest of the predictions that a run has now; None where there is no such run."""
    cell = study.cells.get(origin["cell"])
    if cell is None:
        return None
    host = study.trained_by(cell)
    run = next((run for run in study.runs(host) if run.name == origin["run"]), None)
    if run is None:
        return None
    record = paths.run(run) / "record.json"
    if not record.is_file():
        return None
    file = predictions_file(SUBMISSION, None if cell == host else cell.task)
    return read_record(record).outputs.get(file, "")


def _entries(study: Study, paths: Paths, cells: Iterable[Cell]) -> dict[str, _Predictions]:
    """The entry of every GLUE task among the cells, by its name."""
    chosen: dict[str, list[Cell]] = {}
    for cell in cells:
        name = _glue_name(study, cell.task)
        if name is not None and study.trained_by(cell) == cell:
            chosen.setdefault(name, []).append(cell)
    several = next((found for found in chosen.values() if len(found) > 1), None)
    if several:
        keys = ", ".join(cell.key for cell in several[:2])
        what = f"{len(several)} cells for one task, such as {keys}"
        raise UsageError(what, "choose by --artefact and --architecture")
    entries: dict[str, _Predictions] = {}
    for (cell,) in chosen.values():
        folder, record = _best_run(study, paths, cell)
        for task in (cell.task, *study.scored_with(cell.task)):
            name = _glue_name(study, task)
            if name is not None and SUBMISSION in prepared_splits(paths.task(task)):
                file = predictions_file(SUBMISSION, None if task == cell.task else task)
                predictions = np.load(verified(folder / file, record), allow_pickle=False)
                lines = _words(GLUE[name], study.tasks[task].labels, predictions)
                scored = replace(cell, task=task)
                entries[name] = _Predictions(task, scored, record.run, record.outputs[file], lines)
    return entries


def _glue_name(study: Study, task: str) -> str | None:
    settings = study.tasks[task]
    return glue_name(settings.configuration, settings.name, task)


def _best_run(study: Study, paths: Paths, cell: Cell) -> tuple[Path, RunRecord]:
    if not paths.cell(cell).is_file():
        what = f"cell {cell.key} is not finished with these settings"
        raise DataError(what, "run it first")
    metric = selection_metric(study, cell.task)
    runs: dict[str, tuple[Path, RunRecord, float]] = {}
    for run in study.runs(cell):
        folder = paths.run(run)
        record = read_record(folder / "record.json")
        runs[run.name] = folder, record, record.metrics["dev"][metric]
    chosen = best_point((point_of(name), dev) for name, (_, _, dev) in runs.items())
    alike = (run for name, run in runs.items() if point_of(name) == chosen)
    folder, record, _ = max(alike, key=lambda run: run[2])
    return folder, record


def _words(task: GlueTask, labels: tuple[str, ...], predictions: NDArray[Any]) -> tuple[str, ...]:
    """Predictions as GLUE writes them."""
    if len(predictions) != task.items["test"]:
        what = f"{task.title}.tsv: {len(predictions)} predictions"
        raise DataError(what, f"GLUE's test set has {task.items['test']}; read the whole of it")
    if not labels:
        return tuple(f"{score:.3f}" for score in predictions.clip(0, _LARGEST_SCORE).tolist())
    words = {label: word for word, label in task.classes.items()}
    return tuple(words[labels[index]] for index in predictions.tolist())


def _filled(task: GlueTask) -> tuple[str, ...]:
    return (next(iter(task.classes), f"{_LARGEST_SCORE / 2:.3f}"),) * task.items["test"]
