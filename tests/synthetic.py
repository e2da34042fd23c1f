"""Invented results of a study, so that tables, figures and pages can be tested untrained.

The numbers are made up by a formula; they look roughly like the paper's and mean nothing.
"""

from __future__ import annotations

import math
import random
from datetime import date
from typing import Any

import pandas as pd

from pdbench.core.entries import write_record
from pdbench.core.files import write_json, write_text
from pdbench.data.metrics import compute
from pdbench.jobs.record import Environment, RunRecord, StageRecord
from pdbench.report import gate
from pdbench.study import Architecture, Run, Study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

GAINS = {
    "basic": 0,
    "d": 4,
    "pf": 8,
    "pd": 11,
    "pd-f": 11.5,
    "tf": 6,
    "pd-truncated": 8,
    "pd-embeddings": 5,
}
LABELS = tuple(random.Random("labels").sample([1] * 204 + [0] * 196, 400))
"""The true labels of every task's invented test examples."""

TEACHERS = {
    "google-bert/bert-large-uncased": Architecture(24, 1024),
    "google-bert/bert-base-uncased": Architecture(12, 768),
}
"""The sizes of teachers; every other has 6/384."""

SIMILARITIES = (0.799, 0.721, 0.525, 0.581, 0.543, 0.467, 0.516)
MACHINE = {
    "precision": "fp32",
    "threads": 1,
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "device": "Invented CPU",
    "started": "2026-11-21T10:00:00+00:00",
    "finished": "2026-11-21T10:08:00+00:00",
}
ENVIRONMENT = {
    **MACHINE,
    "torch_version": "2.13.0",
    "pdbench_version": "0.1.0",
    "schema_version": 1,
}


def environment(**changes: Any) -> Environment:
    """An invented machine; keyword arguments replace fields."""
    named = {"pdbench": ENVIRONMENT["pdbench_version"], "torch": ENVIRONMENT["torch_version"]}
    used = {"host": "invented-host", "python": "3.11.7", "platform": "Linux", "seconds": 1.0}
    used["peak_memory_mb"] = 100.0
    return Environment.model_validate({**MACHINE, **named, **used, **changes})


def record(**changes: Any) -> RunRecord:
    """The complete record of a student; keyword arguments replace fields."""
    stage = StageRecord(
        objective="finetune",
        learning_rate=1e-3,
        steps=10,
        examples=320,
        pieces=9000,
        padding=0.01,
        loss=1 / 3,
        seconds=0.5,
        teacher_seconds=0.0,
    )
    found = RunRecord(
        cell="sentiment.basic.1-32.none.none",
        task="sentiment",
        method="basic",
        architecture="1/32",
        transfer=None,
        corpus=None,
        run="seed0_lr0.001-b32",
        seed_index=0,
        seed=1,
        spec="s",
        engine="1",
        inputs={},
        outputs={},
        stages=(stage,),
        metrics={"dev": {"accuracy": 0.7, "f1": 0.1 + 0.2}},
        degenerate=False,
        parameters=1,
        environment=environment(),
    )
    return found.model_copy(update=changes)


def write_study(
    study: Study, missing: tuple[str, ...] = (), degenerate: tuple[str, ...] = ()
) -> Paths:
    """Write invented results of every cell but the ``missing`` ones, below the folder we are in."""
    paths = Paths(study)
    paths.table.parent.mkdir(parents=True, exist_ok=True)
    results(study, missing, degenerate).to_parquet(paths.table)
    write_record(paths.audit.parent, audit(study))
    write_record(paths.latency.parent, latency(study))
    if study.gate:
        gates = gate._evaluate(study, gate._matches(study), paths.table, (), date(2026, 11, 21))
        found = gate._as_plain(gates)
        write_json(paths.gate["json"], found)
        write_text(paths.gate["xml"], gate._as_junit(found))
        write_text(paths.gate["md"], gate._as_markdown(found))
    return paths


def glue_task(study: Study, name: str = "sst2") -> dict[str, Any]:
    """The demo's sentiment task, whole, as if it were read from GLUE on the hub."""
    source = {"source": "hub", "name": "nyu-mll/glue", "configuration": name, "revision": "0" * 40}
    return study.tasks["sentiment"].model_dump() | source | {"train": None, "dev": None}


def results(
    study: Study, missing: tuple[str, ...] = (), degenerate: tuple[str, ...] = ()
) -> pd.DataFrame:
    """One row a run, teachers first."""
    paths = Paths(study)
    rows = [_teacher(study, paths, name) for name, task in study.tasks.items() if task.teacher]
    rows += [
        _row(study, paths, run, degenerate=cell.key in degenerate)
        for cell in study.seed_counts
        if cell.key not in missing
        for run in study.runs(cell)
    ]
    later = set()
    for row in rows:  # the first of each task carries its labels
        row["test_labels"] = None if row["task"] in later else list(LABELS)
        later.add(row["task"])
    return pd.DataFrame(rows)


def audit(study: Study) -> dict[str, Any]:
    """What the audit counts."""
    similarity = {
        name: dict.fromkeys(study.tasks, SIMILARITIES[i % len(SIMILARITIES)])
        for i, name in enumerate(dict.fromkeys(s.text for s in study.transfer_sets.values()))
    }
    return {
        "tasks": {name: _task(study, name) for name in study.tasks},
        "texts": {
            name: {
                "items": text.size,
                "pieces": text.size * 21,
                "words": text.size * 17,
                "excluded": 3,
                "licence": "invented licence",
                "citation": "Invented 2026",
                "similarity": dict.fromkeys(study.tasks, 0.7),
            }
            for name, text in study.texts.items()
        },
        "transfer_sets": {
            name: {
                "text": chosen.text,
                "items": chosen.size,
                "pieces": 21 * chosen.size,
                "similarity": similarity[chosen.text],
            }
            for name, chosen in study.transfer_sets.items()
        },
        "leaks": {
            "checked": 123_456,
            "found": 0,
            "shared_sentences": dict.fromkeys(study.tasks, 0),
        },
    }


def latency(study: Study) -> dict[str, Any]:
    """What timing measures."""
    sizes = {str(s): 0.3 + s.encoder_parameters / 4e5 for s in study.all_architectures}
    sizes["6/384"] = 30.0
    return {
        "batch_size": 1,
        "sequence_length": 128,
        "threads": 2,
        "rounds": 15,
        "device": "Invented CPU",
        "precision": "fp32",
        "largest": "6/384",
        "architectures": {
            name: {"milliseconds": ms, "low": ms * 0.95, "high": ms * 1.1}
            for name, ms in sizes.items()
        },
    }


def _task(study: Study, name: str) -> dict[str, Any]:
    labels = study.tasks[name].labels
    counts = {"train": 1000, "dev": 800, "test": 2000}
    return {
        "labels": list(labels),
        "metrics": list(study.tasks[name].metrics),
        "licence": "invented licence",
        "citation": "Invented 2026",
        "majority": {"dev": 0.505, "test": 0.51},
        "excluded": {"train": {"test": 2, "dev": 1}},
        "warnings": [],
        "constants": {},
        "splits": {
            split: {
                "items": count,
                "labels": dict.fromkeys(labels, count // len(labels)),
                "pieces": 20 * count,
                "words": 16 * count,
            }
            for split, count in counts.items()
        },
    }


def _teacher(study: Study, paths: Paths, task: str) -> dict[str, Any]:
    teacher = study.tasks[task].teacher
    size = TEACHERS.get(teacher.name if teacher else "", Architecture(6, 384))
    cell = f"{task}.teacher.{size.slug}.none.none"
    row = {
        "method": "teacher",
        "architecture": str(size),
        "layers": size.layers,
        "hidden": size.hidden,
        "transfer": None,
        "corpus": None,
        "cell": cell,
        "run": "seed0",
        "seed_index": 0,
        "seed": 1,
        "learning_rates": "5e-05",
        "parameters": 22_700_000,
        "spec": paths.digest(Job("task", task)),
    }
    return row | _common(study, task) | _scores(study, task, 84.2, "teacher")


def _row(study: Study, paths: Paths, run: Run, *, degenerate: bool) -> dict[str, Any]:
    cell = run.cell
    row = {
        "method": cell.method,
        "architecture": str(cell.architecture),
        "layers": cell.architecture.layers,
        "hidden": cell.architecture.hidden,
        "transfer": cell.transfer,
        "corpus": cell.corpus,
        "cell": cell.key,
        "run": run.name,
        "seed_index": run.seed_number,
        "seed": run.seed,
        "learning_rates": "/".join(f"{p.learning_rate:g}" for p in run.points),
        "parameters": cell.architecture.parameters(),
        "spec": paths.digest(Job("run", run)),
    }
    score = None if degenerate else _invent(study, run)
    found = row | _common(study, cell.task) | _scores(study, cell.task, score, run.name + cell.key)
    flags = {"degenerate": degenerate, "selected": run == _first(study, run)}
    return found | flags


def _first(study: Study, run: Run) -> Run:
    return next(one for one in study.runs(run.cell) if one.seed_number == run.seed_number)


def _common(study: Study, task: str) -> dict[str, Any]:
    training = {
        "train_loss": 0.4,
        "steps": 400,
        "examples": 12_000,
        "tokens": 250_000,
        "padding_share": 0.04,
        "train_seconds": 5.5,
        "teacher_seconds": 0.0,
        "seconds": 6.25,
        "peak_memory_mb": 512.0,
    }
    named = {"study": study.name, "scale": study.scale, "task": task}
    flags = {"selected": True, "degenerate": False, "majority_dev": 0.505, "majority_test": 0.51}
    return named | training | flags | ENVIRONMENT


def _scores(study: Study, task: str, score: float | None, salt: str) -> dict[str, Any]:
    """Dev scores near ``score``, and test scores of predictions that are right so often.

    Without a score, every prediction is the larger class.
    """
    noise = random.Random(f"{task}{salt}")
    metrics = study.tasks[task].metrics
    dev = {m: round(((score or 51.0) + noise.gauss(0, 0.3)) / 100, 4) for m in metrics}
    wrong: set[int] = set()
    if score is not None:
        count = round((1 - (score + noise.gauss(0, 0.3)) / 100) * len(LABELS))
        wrong = set(noise.sample(range(len(LABELS)), count))
    truth = [1] * len(LABELS) if score is None else LABELS
    predictions = [label ^ (i in wrong) for i, label in enumerate(truth)]
    test = compute(metrics, predictions, LABELS)
    scores = {"dev": dev, "test": test}
    found: dict[str, Any] = {f"{s}_{m}": v for s, all_ in scores.items() for m, v in all_.items()}
    return found | {"test_predictions": predictions}


def _invent(study: Study, run: Run) -> float:
    cell = run.cell
    size = math.log(cell.architecture.encoder_parameters) - 9
    score = 58 + GAINS.get(cell.method, 7) + 1.6 * size + 4 * (cell.task != "sentiment")
    if cell.transfer is not None:
        chosen = study.transfer_sets[cell.transfer]
        slope = 1.1 if cell.method == "pd" else 2.0
        score += slope * math.log10(chosen.size / 3000)
        texts = list(dict.fromkeys(s.text for s in study.transfer_sets.values()))
        score -= (
            (0.5 if cell.method == "pd-f" else 1.4)
            * texts.index(chosen.text)
            * (cell.task == "sentiment")
        )
    return score + random.Random(f"{cell.key}{run.name}").gauss(0, 0.5)
