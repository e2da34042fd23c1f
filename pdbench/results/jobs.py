"""The training jobs of the workflow: each trains, then writes its record last.

A job that is killed and started again takes up where whole files say it stopped.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary, open_vocabulary
from pdbench.errors import DataError, PdbenchError
from pdbench.files import file_digest, read_json, replacing, write_json
from pdbench.methods.classification import majority
from pdbench.methods.pretraining import open_corpus, pretrain_student
from pdbench.methods.students import CellData, open_cell, train_student
from pdbench.methods.teachers import soft_label, train_teacher
from pdbench.models import write_checkpoint
from pdbench.results.environment import Stopwatch
from pdbench.results.record import (
    PREDICTIONS,
    RunRecord,
    StageRecord,
    read_record,
    write_record,
)
from pdbench.study import Architecture, Cell, Paths, Run, Study
from pdbench.study.paths import ARCHIVES
from pdbench.training import Progress, choose_device

TEACHER = "teacher"
PRETRAINING = "pretraining"
WEIGHTS = "model.safetensors"

log = logging.getLogger(__name__)


def use_threads(threads: int) -> None:
    """Let torch use so many CPU threads in this process."""
    torch.set_num_threads(threads)


def pretrain(study: Study, paths: Paths, corpus: str, architecture: Architecture) -> None:
    """Pre-train one student size on one corpus and write its checkpoint."""
    watch = Stopwatch()
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    device = choose_device(architecture.hidden)
    model, progress, seed = pretrain_student(study, paths, corpus, architecture, vocabulary, device)
    spec = study.pretrain_spec(corpus, architecture)
    rate = study.learning_rate(study.training.pretrain.learning_rate, architecture)
    record = RunRecord(
        study=study.name,
        scale=study.scale,
        cell=f"{PRETRAINING}.{corpus}.{architecture.slug}",
        task=None,
        method=PRETRAINING,
        architecture=str(architecture),
        transfer=None,
        corpus=corpus,
        run="seed0",
        seed_index=0,
        seed=seed,
        spec=study.digest_of(spec),
        inputs=_corpus_digests(study, paths, corpus),
        outputs={},
        stages=(_stage("pretrain", rate, progress),),
        metrics={},
        majority={},
        degenerate=False,
        parameters=architecture.parameters(vocabulary.size),
        environment=watch.environment(device),
    )
    with replacing(paths.pretrained(corpus, architecture)) as folder:
        folder.mkdir(parents=True)
        write_checkpoint(folder, model, vocabulary.files)
        write_record(folder / "record.json", _with_outputs(record, folder, WEIGHTS))
    log.info("pre-trained %s on %s: loss %.3f", architecture, corpus, progress.loss)


def teacher(study: Study, paths: Paths, task: str) -> None:
    """Fine-tune a task's teacher, guard it, and write its checkpoint and record."""
    watch = Stopwatch()
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    model, progress, scores, seed, device = train_teacher(study, paths, task, vocabulary)
    architecture = model.bert.shape.architecture
    record = RunRecord(
        study=study.name,
        scale=study.scale,
        cell=Cell(task, TEACHER, architecture, None, None).key,
        task=task,
        method=TEACHER,
        architecture=str(architecture),
        transfer=None,
        corpus=None,
        run="seed0",
        seed_index=0,
        seed=seed,
        spec=study.digest_of(study.task_spec(task)),
        inputs=_task_digests(paths, task),
        outputs={},
        stages=(_stage("finetune", study.tasks[task].teacher.learning_rate, progress),),
        metrics={split: found.metrics for split, found in scores.items()},
        majority=_majorities(paths, task),
        degenerate=scores["test"].constant,
        parameters=architecture.parameters(vocabulary.size),
        environment=watch.environment(device),
    )
    with replacing(paths.teacher(task)) as folder:
        folder.mkdir(parents=True)
        write_checkpoint(folder, model, vocabulary.files, study.tasks[task].labels)
        np.save(folder / PREDICTIONS, scores["test"].predictions, allow_pickle=False)
        named = _with_outputs(record, folder, WEIGHTS, PREDICTIONS)
        write_record(folder / "record.json", named)
    log.info("teacher of %s: %s", task, record.metrics)


def soft_labels(study: Study, paths: Paths, task: str, text: str) -> None:
    """Compute the teacher's probabilities on a text once, for every student to share."""
    items = study.soft_labelled()[task, text]
    probabilities = soft_label(study, paths, task, text, items)
    with replacing(paths.soft_labels(task, text)) as folder:
        folder.mkdir(parents=True)
        np.save(folder / "soft_labels.npy", probabilities, allow_pickle=False)
        content = {
            "task": task,
            "text": text,
            "items": len(probabilities),
            "labels": list(study.tasks[task].labels),
            "digest": file_digest(folder / "soft_labels.npy"),
            "text_digest": Tokens.open(paths.text(text)).digest,
            "teacher_digest": file_digest(paths.teacher(task) / "model.safetensors"),
        }
        write_json(folder / "soft_labels.json", content)
    mean = probabilities.astype(np.float32).mean(axis=0)
    log.info("soft labels of %s by the %s teacher: mean %s", text, task, mean)


def cell(study: Study, paths: Paths, key: str) -> None:
    """Train every run of a cell that is not there yet; a failed run stops no other.

    Raises:
        DataError: Some run failed; the others are kept and the cell stays missing.
    """
    chosen = study.cells[key]
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    data = open_cell(study, paths, chosen, vocabulary)
    spec = study.digest_of(study.cell_spec(chosen))
    inputs = _cell_digests(study, paths, data, chosen)
    failed: dict[str, Exception] = {}
    for run in study.runs(chosen):
        folder = paths.cell(key) / "runs" / run.name
        if _is_done(folder, spec, inputs):
            log.info("%s %s: already done", key, run.name)
            continue
        try:
            _train_run(study, paths, run, data, spec, inputs, vocabulary)
        except (PdbenchError, FloatingPointError, MemoryError, RuntimeError) as error:
            log.error("%s %s: %s", key, run.name, error)
            failed[run.name] = error
    if failed:
        name, cause = next(iter(failed.items()))
        raise DataError(
            f"cell {key}: {len(failed)} of {len(study.runs(chosen))} runs failed, "
            f"first {name}: {cause}",
            "mend the cause and run again; finished runs are kept",
        )
    runs = [run.name for run in study.runs(chosen)]
    write_json(paths.cell(key) / "cell.json", {"cell": key, "spec": spec, "runs": runs})


def _train_run(
    study: Study,
    paths: Paths,
    run: Run,
    data: CellData,
    spec: str,
    inputs: dict[str, str],
    vocabulary: Vocabulary,
) -> None:
    watch = Stopwatch()
    outcome = train_student(study, run, data)
    chosen = run.cell
    record = RunRecord(
        study=study.name,
        scale=study.scale,
        cell=chosen.key,
        task=chosen.task,
        method=chosen.method,
        architecture=str(chosen.architecture),
        transfer=chosen.transfer,
        corpus=chosen.corpus,
        run=run.name,
        seed_index=run.seed_index,
        seed=run.seed,
        spec=spec,
        inputs=inputs,
        outputs={},
        stages=tuple(
            _stage(objective, rate, progress)
            for (objective, progress), rate in zip(
                outcome.stages.items(), run.learning_rates, strict=True
            )
        ),
        metrics={split: scores.metrics for split, scores in outcome.scores.items()},
        majority=_majorities(paths, chosen.task),
        degenerate=outcome.scores["test"].constant,
        parameters=chosen.architecture.parameters(vocabulary.size),
        environment=watch.environment(outcome.device),
    )
    with replacing(paths.cell(chosen.key) / "runs" / run.name) as folder:
        folder.mkdir(parents=True)
        np.save(folder / PREDICTIONS, outcome.scores["test"].predictions, allow_pickle=False)
        write_record(folder / "record.json", _with_outputs(record, folder, PREDICTIONS))
    log.info(
        "%s %s: %s in %.1f s", chosen.key, run.name, record.metrics, record.environment.seconds
    )


def _is_done(folder: Path, spec: str, inputs: dict[str, str]) -> bool:
    """Whether a whole record of the same specification and inputs is there.

    A record of another specification is of an older study file; it is replaced when the
    new run has finished. An edited record is an error, never silently overwritten.
    """
    if not (folder / "record.json").is_file():
        return False
    record = read_record(folder / "record.json")
    return record.spec == spec and record.inputs == inputs


def _with_outputs(record: RunRecord, folder: Path, *names: str) -> RunRecord:
    return record.model_copy(update={"outputs": {n: file_digest(folder / n) for n in names}})


def _stage(objective: str, rate: float, progress: Progress) -> StageRecord:
    return StageRecord(
        objective=objective,
        learning_rate=rate,
        steps=progress.steps,
        examples=progress.examples,
        pieces=progress.pieces,
        padding=round(progress.padding, 4),
        loss=progress.loss,
        seconds=round(progress.seconds, 3),
    )


def _majorities(paths: Paths, task: str) -> dict[str, float]:
    return {split: majority(paths.task(task), split) for split in ("dev", "test")}


def _task_digests(paths: Paths, task: str) -> dict[str, str]:
    folder = paths.task(task)
    return {s: read_json(folder / s / "tokens.json")["digest"] for s in ("train", "dev", "test")}


def _corpus_digests(study: Study, paths: Paths, corpus: str) -> dict[str, str]:
    parts = open_corpus(study, paths, corpus)
    return {f"corpus.{i}": part.tokens.digest for i, part in enumerate(parts)}


def _cell_digests(study: Study, paths: Paths, data: CellData, chosen: Cell) -> dict[str, str]:
    found = _task_digests(paths, chosen.task)
    if chosen.transfer is not None:
        text = study.transfer_sets[chosen.transfer].text
        found["soft_labels"] = read_json(paths.soft_labels(chosen.task, text) / "soft_labels.json")[
            "digest"
        ]
    if data.checkpoint is not None:
        found["checkpoint"] = read_record(data.checkpoint / "record.json").outputs[WEIGHTS]
    return found
