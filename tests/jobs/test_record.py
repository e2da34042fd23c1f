"""Records are typed, versioned, and know when they were edited."""

from pathlib import Path

import pytest
from synthetic import record

from pdbench.core.entries import write_record
from pdbench.core.errors import DataError
from pdbench.data.columns import SCHEMA_VERSION
from pdbench.jobs.record import RunRecord


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Floats survive exactly, tuples stay tuples."""
    record().write(tmp_path)

    assert RunRecord.read(tmp_path) == record()


def test_an_edited_record_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """A better score typed into the file is found out."""
    path = tmp_path / "record.json"
    record().write(tmp_path)
    path.write_text(path.read_text().replace('"accuracy": 0.7', '"accuracy": 0.9'))

    with pytest.raises(DataError, match=r"record\.json: .*edited"):
        RunRecord.read(tmp_path)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    """Results of different versions are not mixed."""
    write_record(tmp_path, {**record().model_dump(), "schema_version": SCHEMA_VERSION + 1})

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
