"""Writes the page, the page of an unfinished study, and the copy of it that can be committed."""

from __future__ import annotations

import logging
import math
import os
import platform
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pdbench import __version__
from pdbench.artefacts import ARTEFACTS, draw
from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import Table, escape_markdown
from pdbench.core import words
from pdbench.core.entries import RECORD
from pdbench.core.errors import DataError, PdbenchError
from pdbench.core.files import mended, read_json, replacing, write_json, write_text
from pdbench.data.columns import IMPORTED, TEACHER
from pdbench.evidence import Comparison, ResultsTable, compare, load_references
from pdbench.evidence.aggregate import standings
from pdbench.evidence.compare import RULES
from pdbench.evidence.outcomes import load_claims, on_study
from pdbench.evidence.stand_ins import stand_ins
from pdbench.jobs.collect import collect
from pdbench.jobs.record import RunRecord
from pdbench.report import claims
from pdbench.study import Study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job, kind_of
from pdbench.workflow.shown import note_made

_log = logging.getLogger(__name__)

_INDEX, _RUNS, _GATE = "index.html", "runs.html", "gate.html"
_ACROSS = "figure7"  # compares methods over several tasks and sizes
_PAPER_URL = "https://arxiv.org/abs/1908.08962"
_DRAWN_WITH = ("numpy", "scipy", "pandas", "pyarrow", "matplotlib", "jinja2")
_MACHINE = {
    "device": "Device",
    "threads": "Threads a job",
    "precision": "Precision",
    "torch_version": "PyTorch",
    "pdbench_version": "pdbench",
    "commit": "Commit",
}


def build(study: Study, paths: Paths) -> None:
    """Write ``index.html``, and beside it the runs, the gate, the claims as JSON, the results."""
    page = _gather(study, paths)
    write_json(paths.index.with_name("claims.json"), claims.as_json(page["claims"]))
    templates = {_RUNS: "runs.html.j2", _INDEX: "page.html.j2"}
    if page["gate"] is not None:
        templates[_GATE] = "gate.html.j2"
    for file, template in templates.items():
        write_text(paths.index.with_name(file), rendered(template, page))
    note_made(paths, Job("report"))


def build_partial(study: Study) -> Path:
    """Collect what is finished and report on it; what cannot be drawn from it is left out.

    It has a folder of its own, so that nobody, Snakemake included, takes it for the whole report.
    """
    paths = Paths(study, partial=True)
    collect(study, paths)
    drawn = {}
    for artefact, needs in study.artefacts.items():
        try:
            draw(study, paths, artefact)
        except (PdbenchError, OSError) as error:
            _log.warning("%s cannot be drawn yet: %s", artefact, error)
        else:
            drawn[artefact] = needs
    build(study.model_copy(update={"artefacts": drawn, "gate": ()}), paths)
    return paths.index


def remove_partial(study: Study) -> None:
    """Remove the partial report: the whole one is there."""
    paths = Paths(study, partial=True)
    shutil.rmtree(paths.reports, ignore_errors=True)
    paths.table.unlink(missing_ok=True)


def export_example(study: Study, paths: Paths, target: Path) -> None:
    """Write a copy of the report that a repository host shows: Markdown, PNG and Parquet."""
    page = _gather(study, paths)
    with replacing(target) as folder:
        for section in page["sections"]:
            ending = ".png" if section["kind"] == "figure" else ".md"
            source = paths.artefact(section["id"])[0].with_suffix(ending)
            copy = folder / source.parent.name / source.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        shutil.copyfile(paths.table, folder / "results.parquet")
        (folder / "README.md").write_text(rendered("readme.md.j2", page), encoding="utf-8")
        if page["gate"] is not None:
            for file in paths.gate.values():
                shutil.copyfile(file, folder / file.name)


def _gather(study: Study, paths: Paths) -> dict[str, Any]:
    """Everything that the templates show."""
    context = Context(study, paths)
    scores, similar = context.scores, context.similarities
    beside: dict[str, list[Comparison]] = {name: [] for name in study.artefacts}
    others: list[Comparison] = []
    found = compare(scores, load_references(), similar)
    for one in found:
        beside.get(one.reference.artefact, others).append(one)
    return {
        "study": study,
        "facts": _facts(paths, scores),
        "sections": [_section(paths, name, found) for name, found in beside.items()],
        "others": others,
        "notice": _notice(study, found),
        "stand_ins": stand_ins(study, found),
        "claims": on_study(load_claims(), scores, similar),
        "standings": standings(scores, _ACROSS, "pd") if _ACROSS in study.artefacts else (),
        "runs": list(_runs(paths, scores)),
        "audit": context.audit,
        "gate": read_json(paths.gate["json"]) if study.gate else None,
    }


def _notice(study: Study, comparisons: Iterable[Comparison]) -> str:
    """What may be concluded: how many of the scores beside published ones are comparable."""
    if study.scale == "smoke":
        return (
            "Nothing can be concluded from this page. A smoke study shows that the path from text "
            "to report works: few steps, few items, one seed. No number, order or curve here says "
            "anything about a method."
        )
    shown = [one for one in comparisons if one.reference.is_score and one.ours.n]
    same = Counter(one.reference.artefact for one in shown if one.comparable)
    if not shown:
        return "No score of this study stands beside a published one."
    whole = f"{len(shown)} scores that stand beside published ones"
    counted = ", ".join(f"{count} of {name}" for name, count in same.items())
    lead = f"Of the {whole}, {same.total()} are comparable ({counted})."
    lead = lead if same else f"None of the {whole} is comparable."
    if same.total() == len(shown):
        return lead
    which = "each of the others" if same else "each"
    differs = f"What differs is listed beside {which}"
    return f"{lead} {differs}: compare the order and the shape of the curves alone."


def _told(path: Path) -> dict[str, Any]:
    """The words and tables around an artefact."""
    told = read_json(path)
    try:
        tables = [Table(**one) for one in told["tables"]]
        return {"caption": told["caption"], "alt": told["alt"], "tables": tables}
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not what drawing an artefact writes", mended(path)) from error


def _section(paths: Paths, artefact: str, comparisons: list[Comparison]) -> dict[str, Any]:
    """One artefact on the page: what it shows, as whom, and its published numbers beside ours."""
    files = paths.artefact(artefact)
    told = _told(files[0].with_suffix(".json"))
    counts = Counter(str(one.verdict) for one in comparisons)
    return {
        "id": artefact,
        "kind": kind_of(artefact),
        "title": ARTEFACTS[artefact].title,
        "caption": told["caption"],
        "alt": told["alt"],
        "tables": told["tables"],
        "files": [file.suffix[1:] for file in files if file.suffix != ".json"],
        "comparisons": comparisons,
        "verdicts": ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()),
    }


def _facts(paths: Paths, scores: ResultsTable) -> dict[str, Any]:
    """What was run and on what, from the runs and the records of pre-training.

    ``stages`` has for each kind of training its ``name``, its number of ``runs``, the ``seconds``
    of all added up and those ``elapsed`` from the first start to the last end.
    """
    study, whole = scores.study, scores.frame
    frame = whole[~whole[IMPORTED].eq(True)] if IMPORTED in whole else whole  # trained by the study
    stages = list(_stages(study, paths, frame))
    return {
        "runs": int((frame["method"] != TEACHER).sum()),
        "imported": len(whole) - len(frame),
        "cells": len(study.seed_counts),
        "missing": [cell.key for cell in study.seed_counts if not scores.is_whole(cell)],
        "degenerate": int(whole["degenerate"].sum()),
        "seconds": sum(stage["seconds"] for stage in stages),
        "elapsed": _elapsed(frame["started"], frame["finished"]),
        "stages": stages,
        "machine": {
            label: ", ".join(sorted(set(map(str, frame[column]))))
            for column, label in _MACHINE.items()
        },
        "software": {"Python": platform.python_version(), **{n: version(n) for n in _DRAWN_WITH}},
    }


def _stages(study: Study, paths: Paths, frame: Any) -> Iterator[dict[str, Any]]:
    folders = map(paths.pretrained, study.pretrained)
    made = [folder for folder in folders if (folder / RECORD).is_file()]
    environments = [dict(RunRecord.read(folder).environment) for folder in made]
    parts = {"Pre-training of students": pd.DataFrame(environments)}
    parts["Fine-tuning of teachers"] = frame[frame["method"] == TEACHER]
    for name, method in study.methods.items():
        parts[f"Students: {method.name}"] = frame[frame["method"] == name]
    for name, rows in parts.items():
        if len(rows):
            elapsed, seconds = _elapsed(rows["started"], rows["finished"]), rows["seconds"].sum()
            yield {"name": name, "runs": len(rows), "seconds": float(seconds), "elapsed": elapsed}


def _elapsed(started: Iterable[str], finished: Iterable[str]) -> float:
    first = min(map(datetime.fromisoformat, started))
    return (max(map(datetime.fromisoformat, finished)) - first).total_seconds()


def _runs(paths: Paths, scores: ResultsTable) -> Iterator[dict[str, Any]]:
    """The ``key``, ``metrics``, ``command`` and ``runs`` of every teacher and cell, whole or not.

    A cell without any run is there too.
    """
    study, frame = scores.study, scores.frame
    argument = shlex.quote(study.shown)
    for task in study.taught:
        rows = frame[(frame["method"] == TEACHER) & (frame["task"] == task)].to_dict("records")
        if rows:
            about = {"key": rows[0]["cell"], "metrics": study.tasks[task].metrics}
            record = paths.teacher(task) / RECORD
            runs = [_run(row, paths, record, about["metrics"]) for row in rows]
            yield {**about, "command": f"pdbench teacher {argument} {task}", "runs": runs}
    by_cell = {key: rows.to_dict("records") for key, rows in frame.groupby("cell", sort=False)}
    for key, cell in study.cells.items():
        about = {"key": key, "metrics": study.tasks[cell.task].metrics}
        if cell in study.imported:
            kept = paths.imported_cell(cell)
            runs = [_run(row, paths, kept, about["metrics"]) for row in by_cell[key]]
            command = f"pdbench import-runs {argument} FILE --method {cell.method}"
            yield {**about, "command": command, "runs": runs}
            continue
        folders = {run.name: paths.run(run) for run in study.runs(cell)}
        rows = by_cell.get(key, [])
        runs = [_run(row, paths, folders[row["run"]] / RECORD, about["metrics"]) for row in rows]
        yield {**about, "command": f"pdbench cell {argument} {key}", "runs": runs}


def _run(
    row: dict[str, Any], paths: Paths, record: Path, metrics: tuple[str, ...]
) -> dict[str, Any]:
    """A run's row with its scores in per cent, dev and test, and the place of its record.

    What was not stated of an imported run is an empty word.
    """
    scores = [[_percent(row.get(f"{s}_{m}", math.nan)) for s in ("dev", "test")] for m in metrics]
    known = {name: value for name, value in row.items() if not _is_none(value)}
    said = {
        "steps": int(known["steps"]) if "steps" in known else "",
        "time": words.duration(known["seconds"]) if "seconds" in known else "",
        "commit": known.get("commit", "imported")[:10],
    }
    link = os.path.relpath(record, paths.reports)
    return {**row, **said, "scores": scores, "record": record, "link": link}


def _percent(score: float) -> str:
    return "" if math.isnan(score) else f"{100 * score:.2f}"


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def rendered(template: str, page: dict[str, Any]) -> str:
    """A page from its template beside this module; what it shows is escaped for its format."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible if template.endswith(".html.j2") else _in_markdown,
    )
    environment.filters |= {"subscripts": _subscripts, "quoted": shlex.quote}
    text: str = environment.get_template(template).render(page=page, **_helpers())
    return text


def _visible(value: object) -> Markup | str:
    """What an expression of a page shows: text without control characters, to be escaped."""
    return value if isinstance(value, Markup) else words.visible(str(value))


def _in_markdown(value: object) -> str:
    """What an expression of a Markdown file shows; what is Markdown already is marked as safe."""
    return value if isinstance(value, Markup) else escape_markdown(str(value))


def _helpers() -> dict[str, Any]:
    return {
        "style": (Path(__file__).parent / "style.css").read_text(encoding="utf-8"),
        "version": __version__,
        "paper_url": _PAPER_URL,
        "duration": words.duration,
        "signed": words.signed,
        "p_value": words.p_value,
        "listed": _listed,
        "rules": RULES,
        "claims": claims,
        "report_page": _INDEX,
        "runs_page": _RUNS,
        "gate_page": _GATE,
    }


def _subscripts(text: str) -> Markup:
    """Escape a text for HTML and set the names of data sets with their subscripts."""
    shown = str(escape(words.visible(text)))
    return Markup(re.sub(r"\bD_(LM|T|L)\b", r"D<sub>\1</sub>", shown))


def _listed(value: Any) -> str:
    """A configuration value on one line."""
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
