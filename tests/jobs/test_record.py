"""Records are typed, versioned, and know when they were edited."""

import json
from pathlib import Path

import pytest

from pdbench.core.errors import DataError
from pdbench.data.columns import SCHEMA_VERSION
from pdbench.jobs.record import Environment, RunRecord, StageRecord


def a_record(**changes: object) -> RunRecord:
    """A complete record; keyword arguments replace fields."""
    environment = Environment(
        host="node1",
        device="cpu",
        threads=1,
        precision="fp32",
        python="3.11",
        platform="Linux",
        pdbench="0",
        torch="2",
        commit="unknown",
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:00:01+00:00",
        seconds=1.0,
        peak_memory_mb=100.0,
    )
    stage = StageRecord(
        objective="finetune",
        learning_rate=1e-3,
        steps=10,
        examples=320,
        pieces=9000,
        padding=0.01,
        loss=1 / 3,
        seconds=0.5,
    )
    record = RunRecord(
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
        inputs={},
        outputs={},
        stages=(stage,),
        metrics={"dev": {"accuracy": 0.1 + 0.2}, "test": {"accuracy": 0.7}},
        majority={"dev": 0.5, "test": 0.5},
        degenerate=False,
        parameters=1,
        environment=environment,
    )
    return record.model_copy(update=changes)


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Floats survive exactly, tuples stay tuples."""
    a_record().write(tmp_path)

    assert RunRecord.read(tmp_path) == a_record()


def test_an_edited_record_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """A better score typed into the file is found out."""
    path = tmp_path / "record.json"
    a_record().write(tmp_path)
    path.write_text(path.read_text().replace('"accuracy": 0.7', '"accuracy": 0.9'))

    with pytest.raises(DataError, match=r"record\.json: .*edited; delete its folder"):
        RunRecord.read(tmp_path)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    """Results of different versions are not mixed."""
    path = tmp_path / "record.json"
    a_record().write(tmp_path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "schema_version": SCHEMA_VERSION + 1}))

    with pytest.raises(DataError, match=f"schema version {SCHEMA_VERSION}"):
        RunRecord.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    """Truncated or empty JSON names the file and the remedy, without a traceback."""
    path = tmp_path / "record.json"
    path.write_text(text)

    with pytest.raises(DataError, match=r"record\.json") as caught:
        RunRecord.read(tmp_path)

    assert "\n" not in str(caught.value)
