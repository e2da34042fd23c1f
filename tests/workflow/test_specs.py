"""What decides what a job makes: its digest changes with that, and with nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdbench.core.errors import DataError
from pdbench.core.files import digest, read_json, write_json
from pdbench.study import Architecture, Start, Study, load_study
from pdbench.study.cells import SeedOf, SoftLabelled
from pdbench.workflow import Paths, specs
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import _AUDIT, KINDS, OF_CELLS, Job

PD, BASIC = "sentiment.pd.1-64.films-300.general", "sentiment.basic.1-64.none.none"
DATA = {"audit", "task", "text", "pretrain", "teacher", "soft_labels", "pd", "basic"}


def jobs_of(study: Study) -> dict[str, Job]:
    """A job of every kind whose product stands in the store, and cells of two methods."""
    pd, basic = study.cells[PD], study.cells[BASIC]
    return {
        "task": Job("task", "sentiment"),
        "text": Job("text", "films"),
        "pretrain": Job("pretrain", Start("general", Architecture(1, 64), 0)),
        "audit": _AUDIT,
        "teacher": Job("teacher", "sentiment"),
        "soft_labels": Job("soft_labels", SoftLabelled("sentiment", "films")),
        "pd": Job("cell", pd),
        "pd's run": Job("run", study.runs(pd)[0]),
        "basic": Job("cell", basic),
        "basic's run": Job("run", study.runs(basic)[0]),
        "figure6": Job("figure", "figure6"),
    }


def digests(file: Path) -> dict[str, str]:
    """The digest of each of them, as a process that reads the study anew comes to it."""
    study = load_study(file)
    paths = Paths(study)
    return {name: paths.digest(job) for name, job in jobs_of(study).items()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """What has another digest, figures left out, which show what the study says."""
    return {name for name in before if before[name] != after[name]} - {"figure6"}


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"title": "Another", "name": "other"}, set()),
        ({"artefacts.sizes.stands_for": {"RTE": "sentiment"}}, set()),
        ({"artefacts.figure6.seeds": 5}, {"pd", "basic"}),
        ({"training.distill.epochs": 9}, {"pd", "pd's run"}),
        ({"training.distill.learning_rate": [1e-3]}, {"pd"}),
        ({"training.finetune.learning_rate": [1e-4, 1e-3]}, {"basic", "basic's run"}),
        ({"training.pretrain.dropout": 0.3}, {"pretrain", "pd", "pd's run"}),
        ({"corpora.general.0.tokens": 1000}, {"pretrain", "pd", "pd's run"}),
        ({"texts.reviews.size": 400}, {"audit", "pretrain", "pd", "pd's run"}),
        ({"tasks.sentiment.teacher.epochs": 1}, {"teacher", "soft_labels", "pd", "pd's run"}),
        (
            {"tasks.sentiment.train": 50},
            {"audit", "task", "teacher", "soft_labels", "pd", "pd's run", "basic", "basic's run"},
        ),
    ],
)
def test_a_setting_changes_what_depends_on_it(
    study_file: Callable[..., Path], change: dict[str, Any], again: set[str]
) -> None:
    """And nothing else; saying it back brings the old digests back."""
    before = digests(study_file())

    assert changed(before, digests(study_file(change))) == again
    assert digests(study_file()) == before


def test_a_default_that_is_written_changes_nothing(study_file: Callable[..., Path]) -> None:
    """As a new key with a default does not: of settings only what is no default counts."""
    before, study = digests(study_file()), load_study(study_file())
    written = {
        f"training.{name}.{key}": value
        for name in ("pretrain", "distill", "finetune")
        for key, value in getattr(study.training, name).model_dump(mode="json").items()
        if value is not None
    }
    written["tasks.sentiment.max_length"] = study.tasks["sentiment"].max_length

    assert changed(before, digests(study_file(written))) == set()


def test_a_run_is_the_same_whatever_others_a_cell_has(study_file: Callable[..., Path]) -> None:
    """Other seeds and other rates are other runs; its own digest stays."""
    more = {"artefacts.figure6.seeds": 5, "training.distill.learning_rate": [1e-3, 3e-3, 1e-2]}
    studies = [load_study(study_file(change)) for change in ({}, more)]

    old, new = (
        {Paths(study).digest(Job("run", run)) for run in study.runs(study.cells[PD])}
        for study in studies
    )

    assert old < new


def test_each_seed_knows_what_decides_it(study: Study, study_file: Callable[..., Path]) -> None:
    """One more seed repeats no other; a setting of the training repeats all."""
    changes = {}, {"artefacts.figure6.seeds": 5}, {"training.distill.epochs": 9}
    own, more, other = (Paths(load_study(study_file(change))) for change in changes)
    first, second = (Job("seed", SeedOf(study.cells[PD], number)) for number in (0, 1))

    assert own.digest(first) == more.digest(first) != other.digest(first)
    assert own.digest(first) != own.digest(second)


def test_another_method_changes_no_other_cell(
    study: Study, study_file: Callable[..., Path]
) -> None:
    """Adding a method to an artefact leaves the digests of all other cells."""
    change = {"artefacts.figure6.cells.0.method": ["pd", "pf", "d", "basic", "tf"]}
    before, after = Paths(study), Paths(load_study(study_file(change)))

    assert all(before.cell(cell) == after.cell(cell) for cell in study.seed_counts)


def test_a_bundle_depends_on_what_its_cells_depend_on(
    study: Study, study_file: Callable[..., Path]
) -> None:
    """A setting of one cell gives its bundle another digest, under the same name."""

    def bundles(study: Study) -> dict[str, str]:
        jobs = (Job("bundle", bundle) for bundle in Graph(study, bundle=1e9).bundles)
        return {job.name: Paths(study).digest(job) for job in jobs}

    before = bundles(study)
    after = bundles(load_study(study_file({"training.distill.epochs": 9})))

    assert before.keys() == after.keys()
    assert {name.split(".")[1] for name in before if before[name] != after[name]} == {"pd", "d"}


@pytest.fixture
def local(tmp_path: Path, study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study whose data, vocabulary and teacher are local files, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "data/train.tsv": "sentence\tlabel\ngood\tpositive\n",
        "texts/films.txt": "A film.\n",
        "words/vocab.txt": "[PAD]\nfilm\n",
        "teacher/model.safetensors": "weights",
        "teacher/vocab.txt": "[PAD]\nfilm\n",
        "teacher/notes.txt": "not read",
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")
    folder = {"source": "directory"}
    return study_file(
        {
            "tasks.sentiment.source": "directory",
            "tasks.sentiment.path": "data",
            "tasks.sentiment.teacher": {**folder, "path": "teacher"},
            "texts.films": {**folder, "path": "texts", "size": 1000},
            "vocabulary": {**folder, "path": "words"},
        }
    )


@pytest.mark.parametrize(
    ("name", "again"),
    [
        # What is held out of texts is decided by the task's files.
        ("data/train.tsv", DATA),
        ("texts/films.txt", {"audit", "text", "soft_labels", "pd"}),
        ("words/vocab.txt", DATA),
        ("teacher/model.safetensors", {"teacher", "soft_labels", "pd"}),
        ("teacher/notes.txt", set()),
    ],
)
def test_the_content_of_files_decides(local: Path, name: str, again: set[str]) -> None:
    """Also where size and date stay as they were; the old content has the old digests."""
    before, file = digests(local), Path(name)
    about, content = file.stat(), file.read_bytes()

    file.write_bytes(content[:-2] + b"!" + content[-1:])
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    after = digests(local)

    assert file.stat().st_size == about.st_size
    assert {name for name in changed(before, after) if "run" not in name} == again
    file.write_bytes(content)
    assert digests(local) == before


def test_a_job_reads_its_files_whatever_their_dates_say(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit that flips on the disk leaves all dates as they are."""
    monkeypatch.setattr(specs, "_SETTLED", -1.0)
    digests(local)
    paths, job = Paths(load_study(local)), Job("task", "sentiment")
    paths.look_again(job)
    known = read_json(specs.CONTENTS)
    name = digest(str(Path("data/train.tsv").absolute()))
    write_json(specs.CONTENTS, {**known, name: ["0" * 64, *known[name][1:]]})

    with pytest.raises(DataError, match=r"^task sentiment: a file that it reads has changed"):
        Paths(load_study(local)).look_again(job)
    specs.CONTENTS.unlink()  # as the remedy says
    Paths(load_study(local)).look_again(job)


def test_the_place_of_files_decides_nothing(local: Path) -> None:
    """A folder that was moved, or is named by its absolute path, holds the same data."""
    before = digests(local)
    raw = yaml.safe_load(local.read_text(encoding="utf-8"))
    shutil.move("data", "moved")
    raw["tasks"]["sentiment"]["path"] = str(Path("moved").absolute())
    local.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")

    assert changed(before, digests(local)) == set()


def test_what_is_kept_of_files_names_no_folder(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their digests stand in the store, which others may read."""
    monkeypatch.setattr(specs, "_SETTLED", -1.0)

    digests(local)

    kept = Path("results/store/contents.json").read_text(encoding="utf-8")
    assert len(json.loads(kept)) > 2
    assert "data" not in kept


def test_every_kind_has_a_digest_for_each_of_its_jobs(study: Study) -> None:
    """No two jobs of a kind share one, and none is left without."""
    paths, graph = Paths(study), Graph(study, split=1e-9)
    jobs = [*graph.jobs, *(Job(kind, run) for kind in OF_CELLS for run in KINDS[kind].keys(graph))]

    found = {(job.kind, paths.digest(job)) for job in jobs}

    assert len(found) == len(jobs)
    assert {kind for kind, _ in found} == set(KINDS) - {"bundle", "gate", "states"}


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ({"splits": {"train": "mine.data", "dev": "dev.data"}, "format": "tsv"}, "mine.data"),
        ({"splits": {"train": "own", "dev": "dev"}}, "own/positive/1.txt"),
        ({}, "train-00001-of-00002.parquet"),
        ({"splits": {"train": "../far"}}, "../far/positive/1.txt"),
        ({"format": "tsv"}, "train.data"),
        ({"format": "tsv"}, "train"),
        ({}, "train.CSV"),
        ({}, "train.jsonl.gz"),
        ({"file": "Books.jsonl", "ratings": {"negative": [1], "positive": [5]}}, "Books.jsonl"),
    ],
)
def test_every_file_that_is_read_decides(said: dict[str, Any], file: str, local: Path) -> None:
    """Whatever it is called, and wherever in the folder it stands; also if its dates stay."""
    raw = yaml.safe_load(local.read_text(encoding="utf-8"))
    raw["tasks"]["sentiment"] |= {"name": "", **said}
    local.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    path = Path("data", file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"content one")
    about, before = path.stat(), digests(local)

    path.unlink()
    path.write_bytes(b"content two")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))

    assert changed(before, digests(local)) >= {"task", "teacher", "pd", "basic"}


def test_links_to_data_are_followed_and_circles_are_not(local: Path) -> None:
    """A folder of texts may stand on another disk."""
    far = Path("far/positive")
    far.mkdir(parents=True)
    Path("data/train").symlink_to(far.parent.absolute())
    Path("data/circle").symlink_to(Path("data").absolute())
    before = digests(local)

    (far / "1.txt").write_text("a film")

    assert "task" in changed(before, digests(local))
