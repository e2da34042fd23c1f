"""Predictions for GLUE's server, and the scores that it answers with.

GLUE keeps the labels of its test sets. Its server takes a zip of one file for each task, named
by the task's title: a header ``index<TAB>prediction`` and a line for each example, with the
words of GLUE's own files (0 and 1, or entailment and the like) or a number from 0 to 5.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdbench.core.entries import RECORD, verified
from pdbench.core.errors import DataError, UsageError, suggestion
from pdbench.core.files import file_digest, read_json, replacing, write_json
from pdbench.data.columns import SUBMISSION, predictions_file, prepared_splits
from pdbench.data.records import open_rows
from pdbench.data.tokens import read_array
from pdbench.jobs.record import RunRecord, best_point, own_runs, selecting_scores, selection_metric
from pdbench.study import Cell, Study
from pdbench.study.catalogue.glue import GLUE, GlueTask, glue_name
from pdbench.workflow import Paths

_log = logging.getLogger(__name__)

_LARGEST_SCORE = 5.0
"""Of STS-B; predictions beyond the scale are set to its ends."""


def write_submission(
    study: Study,
    paths: Paths,
    cells: Iterable[Cell],
    target: Path,
    *,
    fill: bool = False,
    seed_number: int | None = None,
) -> dict[str, Any]:
    """Write the zip of one cell's predictions for each GLUE task, and its manifest beside it.

    Of each cell the run of a seed number counts, or else that which is best on dev, at the grid
    point that is best on dev over all seeds, as in every table. Tasks that have no hidden test are
    left out. The server takes whole submissions only: with ``fill`` a task without a cell is
    answered with one and the same prediction. The manifest says of each file its cell and run, or
    that it was filled.
    """
    if manifest_path(target) == target:
        raise UsageError(f"{target}: its manifest has this name", "let the zip end in .zip")
    content, files = _predictions(study, paths, cells, seed_number)
    missing = [task for task in GLUE.values() if task.title not in content]
    filled = [task.title for task in missing]
    if missing and not fill:
        _check_files(study, paths, filled)
        what = f"no predictions for {', '.join(filled)}, and GLUE's server takes whole submissions"
        raise UsageError(what, "add cells of these tasks, or give --fill to answer with one class")
    for task in missing:
        word = next(iter(task.classes), f"{_LARGEST_SCORE / 2:.3f}")
        content[task.title] = (word,) * task.items["test"]
    with replacing(target) as temporary:
        _write_zip(temporary, content)
    about = {"study": study.name, "zip": target.name, "sha256": file_digest(target)}
    manifest = {**about, "files": files, "filled": filled}
    write_json(manifest_path(target), manifest)
    return manifest


def manifest_path(target: Path) -> Path:
    """The manifest of a submission."""
    return target.with_suffix(".json")


def _predictions(
    study: Study, paths: Paths, cells: Iterable[Cell], seed_number: int | None
) -> tuple[dict[str, Sequence[str]], dict[str, dict[str, str]]]:
    """The answers to every GLUE task among the cells, and whose they are, by file."""
    chosen: dict[str, Cell] = {}
    for cell in cells:
        name = _glue_name(study, cell.task)
        if name is None or study.trained_by(cell) != cell:
            continue
        if name in chosen:
            what = f"several cells for one task, such as {chosen[name]}, {cell}"
            raise UsageError(what, "choose by --artefact and --architecture")
        chosen[name] = cell
    content: dict[str, Sequence[str]] = {}
    files: dict[str, dict[str, str]] = {}
    for cell in chosen.values():
        folder, record = _chosen_run(study, paths, cell, seed_number)
        for task in (cell.task, *study.scored_with(cell.task)):
            name = _glue_name(study, task)
            if name is None or SUBMISSION not in prepared_splits(paths.task(task)):
                continue
            file = predictions_file(SUBMISSION, task, cell.task)
            predictions = read_array(verified(folder / file))
            title = GLUE[name].title
            content[title] = _words(GLUE[name], study.tasks[task].labels, predictions)
            origin = {"task": task, "cell": replace(cell, task=task).key, "run": record.run}
            files[title] = {**origin, "sha256": record.outputs[file]}
    return content, files


def _check_files(study: Study, paths: Paths, missing: Sequence[str]) -> None:
    """Name the tasks that the study has, and whose hidden test it did not read."""
    for task in study.tasks:
        name = _glue_name(study, task)
        if name is not None and GLUE[name].title in missing and _is_read_without(paths, task):
            what = f"task {task!r} was read without GLUE's hidden test, {GLUE[name].unlabelled}"
            raise DataError(what, f"put it into {study.tasks[task].path or 'its folder'}")


def _is_read_without(paths: Paths, task: str) -> bool:
    folder = paths.task(task)
    return (folder / RECORD).is_file() and SUBMISSION not in prepared_splits(folder)


def _glue_name(study: Study, task: str) -> str | None:
    settings = study.tasks[task]
    return glue_name(settings.configuration, settings.name, task)


def _chosen_run(
    study: Study, paths: Paths, cell: Cell, seed_number: int | None
) -> tuple[Path, RunRecord]:
    if not paths.cell(cell).is_file():
        raise DataError(f"cell {cell} is not finished with these settings", "run it first")
    metric = selection_metric(study, cell.task)
    made = {run: RunRecord.read(paths.run(run)) for run in own_runs(study, paths, cell)}
    dev = {run: record.metrics["dev"][metric] for run, record in made.items()}
    point = best_point(selecting_scores(study, paths, cell))
    own = [run for run in dev if run.point == point and seed_number in (None, run.seed_number)]
    if not own:
        what = f"cell {cell} has no run of seed number {seed_number}"
        raise UsageError(what, f"name one below {study.seed_counts[cell]}")
    best = max(own, key=dev.__getitem__)
    return paths.run(best), made[best]


def _words(task: GlueTask, labels: tuple[str, ...], predictions: NDArray[Any]) -> Sequence[str]:
    if len(predictions) != task.items["test"]:
        what = f"{task.title}.tsv: {len(predictions)} predictions"
        raise DataError(what, f"GLUE's test set has {task.items['test']}; read the whole of it")
    if labels:
        words = {label: word for word, label in task.classes.items()}
        return [words[labels[index]] for index in predictions.tolist()]
    if np.isnan(predictions).any():
        raise DataError(f"{task.title}.tsv: a prediction is no number", "choose another run")
    return [f"{score:.3f}" for score in predictions.clip(0, _LARGEST_SCORE).tolist()]


def _write_zip(path: Path, content: Mapping[str, Sequence[str]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file, lines in sorted(content.items()):
            stamp = zipfile.ZipInfo(f"{file}.tsv", (1980, 1, 1, 0, 0, 0))  # the same bytes again
            stamp.compress_type = zipfile.ZIP_DEFLATED
            rows = (f"{index}\t{word}" for index, word in enumerate(lines))
            archive.writestr(stamp, "\n".join(["index\tprediction", *rows]) + "\n")


def import_scores(study: Study, paths: Paths, file: Path, manifest: Path) -> Path:
    """Keep what GLUE's server answered to a submission, for the next collection of results.

    It is a CSV file with the columns task (as the zip's files are called), metric and score, in
    per cent, as the server shows it.
    """
    about = read_json(manifest)
    if not isinstance(about, dict) or not {"study", "sha256", "files", "filled"} <= about.keys():
        raise DataError(f"{manifest}: no manifest", "name the .json that stands beside the zip")
    if about["study"] != study.name:
        what = f"{manifest}: a submission of study {about['study']!r}, not of {study.name!r}"
        raise UsageError(what, "name the study that was submitted")
    target = paths.submissions / f"{manifest.stem}.json"
    before: dict[str, dict[str, float]] = {}
    if target.is_file():
        kept = read_json(target)
        before = kept["scores"]
        if kept["sha256"] != about["sha256"]:
            what = f"{target}: the scores of another submission of this name"
            raise UsageError(what, "rename the manifest, or delete those scores")
    scores: dict[str, dict[str, float]] = {}
    for where, row in open_rows(file).whole():
        title, metric, score = _scored(row, {*about["files"], *about["filled"]}, where)
        if title in about["filled"]:
            _log.info("%s: %s was answered with one class and is left out", where, title)
            continue
        if metric in scores.setdefault(title, {}):
            raise DataError(f"{where}: {title} {metric} again", "give one score of each")
        if before.get(title, {}).get(metric, score) != score:
            what = f"{where}: {title} {metric} {100 * score:g}, and {target} has another score"
            raise DataError(what, "delete that file if it is wrong, and import again")
        scores[title][metric] = score
    if not scores:
        raise DataError(f"{file}: no scores", "write a line for each, below task,metric,score")
    merged = {title: before.get(title, {}) | scores.get(title, {}) for title in {*before, *scores}}
    write_json(target, {**about, "scores": merged})
    return target


def _scored(row: Mapping[str, Any], submitted: Iterable[str], where: str) -> tuple[str, str, float]:
    """The file, the metric and the score, as a fraction, of a line."""
    missing = {"task", "metric", "score"} - row.keys()
    if missing:
        raise DataError(f"{where}: no column {', '.join(sorted(missing))}", "name the columns so")
    title, metric = row["task"], row["metric"]
    if title not in submitted:
        raise DataError(f"{where}: {title!r} was not submitted", suggestion(title, submitted))
    known = next(task.metrics for task in GLUE.values() if task.title == title)
    if metric not in known:
        what = f"{where}: {metric!r} is no metric of {title}"
        raise DataError(what, suggestion(metric, known))
    text = str(row["score"] or "")
    try:
        score = float(text.removesuffix("%"))
    except ValueError:
        score = float("nan")
    if not -100 <= score <= 100 or (0 < abs(score) <= 1 and not text.endswith("%")):
        what = f"{where}: score {text!r}"
        raise DataError(what, "write per cent, as the server shows it; of 1 and less as in 0.5%")
    return title, metric, score / 100


def imported_scores(study: Study, paths: Paths) -> dict[tuple[str, str], dict[str, float]]:
    """Every imported score by (cell, run), then by its column in the table of results.

    Scores of predictions that have been made anew are refused; a partial table leaves them out.
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
    if run is None or not (paths.run(run) / RECORD).is_file():
        return None
    file = predictions_file(SUBMISSION, cell.task, host.task)
    return RunRecord.read(paths.run(run)).outputs.get(file, "")
