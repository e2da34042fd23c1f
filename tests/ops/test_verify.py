"""All that a study has is compared with what was written, and what is wrong is named."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from prepared import reseal

from pdbench.cli import main
from pdbench.jobs.collect import collect
from pdbench.jobs.students import attempt
from pdbench.ops.verify import verify
from pdbench.study import Study, load_study
from pdbench.workflow import Paths

Find = Callable[[Paths], Path]

FILES: dict[str, Find] = {
    "word pieces": lambda paths: paths.task("films") / "train/pieces.npy",
    "labels": lambda paths: paths.task("films") / "test/labels.npy",
    "texts": lambda paths: paths.text("more") / "text.parquet",
    "teacher": lambda paths: paths.teacher("films") / "model.safetensors",
    "soft labels": lambda paths: paths.soft_labels("films", "more") / "soft_labels.npy",
    "student": lambda paths: next(Path("results/store/pretrain").glob("*/model.safetensors")),
    "predictions": lambda paths: next(Path("results/store/run").glob("*/test_predictions.npy")),
    "record": lambda paths: next(Path("results/store/run").glob("*/record.json")),
    "table": lambda paths: paths.table,
}


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study with one cell trained, and collected."""
    folder = tmp_path_factory.mktemp("verified") / "project"
    shutil.copytree(prepared, folder)
    with contextlib.chdir(folder):
        study = load_study("small.yaml")
        paths = Paths(study)
        attempt(study, paths, next(cell for cell in study.seed_counts if cell.method == "pd"))
        collect(study, paths)
    return folder


@pytest.fixture
def finished(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Paths]:
    """A copy of it, as the working directory."""
    shutil.copytree(trained, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    study = load_study("small.yaml")
    return study, Paths(study)


def _wrong(study: Study, paths: Paths) -> list[str]:
    return [str(error) for error in verify(study, paths) if error is not None]


def test_what_was_written_is_found(
    finished: tuple[Study, Paths], capsys: pytest.CaptureFixture
) -> None:
    """Nothing is wrong, and it says how much was compared; so it is where nothing is yet."""
    assert _wrong(*finished) == []
    with pytest.raises(SystemExit) as ended:
        main(["verify", "small.yaml"])

    assert ended.value.code == 0
    count = capsys.readouterr().out.split()[0]
    assert int(count) > 6
    shutil.rmtree("results")
    shutil.rmtree("reports")
    assert list(verify(*finished)) == []


@pytest.mark.parametrize("find", FILES.values(), ids=FILES)
def test_a_flipped_bit_is_named_and_the_remedy_is_right(
    finished: tuple[Study, Paths], find: Find
) -> None:
    """In a file of every kind; without what the line says to delete, nothing is wrong."""
    path = find(finished[1])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))

    first, *_ = _wrong(*finished)

    named = first.partition("; delete ")[2].removesuffix(" and run again")
    assert path.is_relative_to(named)
    assert path.name in first
    shutil.rmtree(named) if Path(named).is_dir() else Path(named).unlink()
    finished[1].table.unlink(missing_ok=True)
    said = [line for line in _wrong(*finished) if str(path) in line]
    assert all("run the job that makes it" in line for line in said)


def test_what_is_lost_is_named(finished: tuple[Study, Paths]) -> None:
    """The record of an entry, and the runs of a cell that says that it is done."""
    study, paths = finished
    (paths.task("films") / "record.json").unlink()
    for folder in Path("results/store/run").iterdir():
        shutil.rmtree(folder)

    lines = _wrong(study, paths)

    assert any(line.startswith(f"{paths.task('films')}/record.json: ") for line in lines)
    assert any(line.startswith("results/store/run/films.pd.1-32.") for line in lines)


def test_what_was_made_from_something_else_is_named(finished: tuple[Study, Paths]) -> None:
    """Soft labels and runs of a teacher that was made anew; a table of other predictions."""
    study, paths = finished
    predictions = FILES["predictions"](paths)
    np.save(predictions, 1 - np.load(predictions))
    reseal(predictions.parent)
    assert [line.partition("; ")[0] for line in _wrong(study, paths)] == [
        f"{paths.table}: it does not say what the records of the runs say"
    ]

    labels = FILES["soft labels"](paths)
    np.save(labels, np.load(labels) * 0.99)
    reseal(labels.parent)
    lines = [line.partition("; ")[0] for line in _wrong(study, paths)]
    assert f"{predictions.parent}: made from other inputs than there are now" in lines
