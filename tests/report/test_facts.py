"""The head of a report adds up what the records say."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic

from pdbench.jobs.record import Environment, RunRecord, StageRecord
from pdbench.report.facts import gather
from pdbench.study import Study
from pdbench.workflow import Paths


def environment(started: str, finished: str, seconds: float) -> Environment:
    """A machine that ran for so long."""
    return Environment(
        host="invented-host",
        device="Invented CPU",
        threads=1,
        precision="fp32",
        python="3.11.7",
        platform="Linux",
        pdbench="0.1.0",
        torch="2.13.0",
        commit="unknown",
        started=f"2026-11-21T{started}+00:00",
        finished=f"2026-11-21T{finished}+00:00",
        seconds=seconds,
        peak_memory_mb=100.0,
    )


def pretraining(found: Environment) -> RunRecord:
    """The record of a pre-trained checkpoint."""
    stage = StageRecord(
        objective="pretrain",
        learning_rate=0.002,
        steps=100,
        examples=1000,
        pieces=20_000,
        padding=0.1,
        loss=5.0,
        seconds=60,
    )
    return RunRecord(
        cell="pretraining",
        task=None,
        method="pretraining",
        architecture="1/32",
        transfer=None,
        corpus="any",
        run="seed0",
        seed_index=0,
        seed=1,
        spec="0" * 16,
        inputs={},
        outputs={},
        stages=(stage,),
        metrics={},
        majority={},
        degenerate=False,
        parameters=1,
        environment=found,
    )


@pytest.fixture
def paths(demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The files of the demo in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Paths(demo)


def test_pretraining_is_a_stage(demo: Study, paths: Paths) -> None:
    """Checkpoints count with the wall time of their own records."""
    spans = [("10:00:00", "10:01:00", 60.0), ("10:00:30", "10:02:00", 90.0)]
    for start, span in zip(demo.pretrained, spans, strict=False):
        record = pretraining(environment(*span))
        record.write(paths.pretrained(start))

    stage = gather(demo, paths, synthetic.results(demo)).stages[0]

    assert (stage.name, stage.runs) == ("Pre-training of students", 2)
    assert (stage.seconds, stage.elapsed) == (150.0, 120.0)


def test_stages_add_up_to_all_runs(demo: Study, paths: Paths) -> None:
    """Teachers and students are each counted once, in the order of the methods."""
    frame = synthetic.results(demo)

    facts = gather(demo, paths, frame)

    assert sum(stage.runs for stage in facts.stages) == len(frame)
    assert facts.runs == len(frame) - len(demo.tasks)
    assert facts.seconds == pytest.approx(frame["seconds"].sum())
    assert facts.elapsed == 480


def test_missing_and_degenerate_are_counted(demo: Study, paths: Paths) -> None:
    """A cell without runs is missing, a constant predictor is degenerate."""
    gone, constant = list(demo.cells)[:2]
    frame = synthetic.results(demo, missing=(gone,), degenerate=(constant,))

    facts = gather(demo, paths, frame)

    assert facts.missing == (gone,)
    assert facts.degenerate == demo.seed_counts[demo.cells[constant]]


def test_several_machines_are_all_named(demo: Study, paths: Paths) -> None:
    """A study that ran on two hosts says so."""
    frame = synthetic.results(demo)
    frame.loc[frame.index[0], "host"] = "another-host"

    facts = gather(demo, paths, frame)

    assert facts.machine["Host"] == "another-host, invented-host"
