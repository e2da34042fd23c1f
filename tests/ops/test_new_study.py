"""A new study is planned as it is written; what files do not say is asked for in one line."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import run

from pdbench.artefacts import ARTEFACTS
from pdbench.study import ROOT, Study, load_study
from pdbench.study.axes import check_artefacts
from pdbench.testing.small_study import write_small_study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.plan import Plan


@pytest.fixture(scope="module")
def _written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_small_study(folder)
    return folder / "data"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _written: Path) -> Path:
    """A working folder with a task of two classes, a text and a teacher, where the test runs."""
    shutil.copytree(_written, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = {
    "--task": "data/task",
    "--text": "data/text/text.txt",
    "--teacher": "data/model",
    "--sizes": "1/32,2/64",
}


def init(*arguments: str, **changed: str) -> int:
    """Run ``pdbench init`` on the files, some of which are others."""
    options = FILES | {f"--{key}": value for key, value in changed.items()}
    return run("init", *arguments, *(word for pair in options.items() for word in pair if pair[1]))


def planned(name: str) -> Study:
    """The study as it stands in config/, planned."""
    study = load_study(name)
    check_artefacts(study, ARTEFACTS)
    assert Plan(study).as_text()
    return study


def rewrite(split: str, header: Sequence[str], labels: dict[str, str] | None = None) -> None:
    """Write a split with other names of columns, and with other labels."""
    path = Path("data/task", f"{split}.csv")
    _, *rows = csv.reader(path.read_text().splitlines())
    with path.open("w", newline="") as file:
        csv.writer(file).writerow(header)
        csv.writer(file).writerows([text, (labels or {}).get(own, own)] for text, own in rows)


def test_a_folder_begins_with_a_study_that_extends_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be planned at once, beside a profile for clusters; nothing is written twice."""
    monkeypatch.chdir(tmp_path)

    assert run("init", "new") == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote new/config/mine.yaml",
        "wrote new/slurm/",
        "Go there:         cd new",
        "What it costs:    pdbench plan mine",
        "Make it:          pdbench run mine",
    ]
    monkeypatch.chdir("new")
    mine, before = planned("mine"), Path("config/mine.yaml").read_bytes()
    assert mine.cells == load_study("smoke").cells
    assert Path("slurm/config.yaml").read_bytes() == (ROOT / "slurm/config.yaml").read_bytes()
    assert run("init") == 2
    assert "config/mine.yaml is there already; choose another" in capsys.readouterr().err
    assert Path("config/mine.yaml").read_bytes() == before
    assert run("init", "--name", "other") == 0
    assert load_study("other").name == "other"


def test_what_it_shows_in_comments_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys of the overlay that are there to be taken in."""
    monkeypatch.chdir(tmp_path)
    assert run("init") == 0
    path = Path("config/mine.yaml")
    shown = re.findall(r"^#   ( *(?:\w+:|named|grid).*)$", path.read_text(), re.MULTILINE)
    path.write_text(path.read_text() + "\n".join(shown) + "\n")

    mine = planned("mine")

    assert [str(size) for size in mine.named_architectures.values()] == ["1/32", "2/64"]
    assert mine.artefacts["figure5"].seeds == 3


def test_a_study_is_made_of_what_files_say(folder: Path) -> None:
    """Labels, splits, sizes and the number of different items; it is planned as it is written."""
    text = Path("data/text/text.txt")
    different = len(set(text.read_text().splitlines()))
    text.write_text(text.read_text() * 2)

    assert init() == 0
    study = planned("task")

    task = study.tasks["task"]
    assert (task.path, task.labels, task.metrics) == (
        "data/task",
        ("negative", "positive"),
        ("accuracy",),
    )
    assert task.teacher is not None
    assert task.teacher.path == study.vocabulary.path == "data/model"
    assert study.texts["text"].size == study.transfer_sets["text"].size == different
    assert [str(size) for size in study.all_architectures] == ["1/32", "2/64"]
    written = Path("config/task.yaml").read_text()
    assert "path: data/task # train: 300 items, dev: 100 items, test: 100 items\n" in written
    assert task.max_length == 32  # up to 9 words
    assert all(own.origin == "assumed" for own in study.assumptions)


def test_dev_is_held_out_where_there_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And that is said; test is asked for."""
    Path("data/task/dev.csv").unlink()

    assert init(name="other") == 0

    assert (
        "train: 300 items, test: 100 items; dev is held out"
        in Path("config/other.yaml").read_text()
    )
    planned("other")
    Path("data/task/test.csv").unlink()
    assert init() == 2
    line = "data/task: labelled splits: train; call its files train, and dev or test: train.csv"
    assert line in capsys.readouterr().err


def test_a_folder_elsewhere_is_named_from_there(folder: Path) -> None:
    """Files outside of the working folder by whole paths."""
    assert init("work") == 0
    assert str(folder / "data/task") in Path("work/config/task.yaml").read_text()


@pytest.mark.parametrize(
    ("teacher", "source", "said"),
    [
        ("all-minilm-l6-v2", ("embedded", "bert-base-uncased"), ""),
        ("org/bert", ("hub", "org/bert"), "Pin org/bert: pdbench pin task"),
    ],
)
def test_a_teacher_may_be_elsewhere(
    teacher: str,
    source: tuple[str, str],
    said: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Embedded, or on the hub, where its commit is to be pinned."""
    assert init(teacher=teacher) == 0
    vocabulary = planned("task").vocabulary
    assert (vocabulary.source, vocabulary.name) == source
    assert said in capsys.readouterr().out


def test_labels_that_are_numbers_are_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may be classes, whose names nobody knows, or scores."""
    for split in ("train", "dev", "test"):
        rewrite(split, ["text", "label"], {"negative": "0", "positive": "1"})

    assert init() == 2
    line = "data/task/train.csv: its labels are numbers, 0, 1: classes or scores?; say --labels"
    assert line in capsys.readouterr().err
    assert not Path("config").exists() or not any(Path("config").iterdir())
    assert init(labels="bad,good") == 0
    assert planned("task").tasks["task"].labels == ("bad", "good")
    assert init(labels="scores", name="scores") == 0
    assert planned("scores").tasks["scores"].metrics == ("pearson", "spearman")
    capsys.readouterr()
    assert init(labels="bad", name="x") == 2
    assert "--labels bad; name two classes or more" in capsys.readouterr().err


def test_columns_are_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where their names do not say what they are; the text has names of its own."""
    for split in ("train", "dev", "test"):
        rewrite(split, ["review", "stars"])

    assert init() == 2
    err = capsys.readouterr().err
    assert "columns 'review', 'stars', and none of " in err
    assert "say it with --columns text=NAME,label=NAME" in err
    assert init(columns="text=review") == 2
    assert "no label column among 'review', 'stars'; say which it is" in capsys.readouterr().err
    assert init(columns="text=review,label=stars") == 0
    columns = planned("task").tasks["task"].columns
    assert (columns.text, columns.label) == ("review", "stars")
    assert init(columns="txt=review") == 2
    assert "write text, text_a, text_b, label as KEY=NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"task": "nothing"}, "nothing: no such folder; name that of the labelled splits"),
        ({"task": ""}, "pdbench init: --task is missing; name the folder of the labelled splits"),
        ({"sizes": ""}, "pdbench init: --sizes is missing; name those of the students"),
        (
            {"task": "data/text"},
            "text.txt, of which none is called train or dev or test; call the files",
        ),
        ({"task": "."}, ".: results would stand among the data, which they must not; move"),
        ({"text": "data/none.txt"}, "data/none.txt: no such file; name that of the unlabelled"),
        ({"text": "data/pairs.csv"}, "data/pairs.csv: 2 texts an item, and data/task has another"),
        ({"teacher": "bert"}, "--teacher 'bert': neither a folder nor owner/name of a repository"),
        ({"teacher": "data/text"}, "data/text: "),
        ({"name": "a b"}, "'a b' is no name of a study; say another with --name"),
        ({"labels": "good,fair"}, "labels negative, positive, and named are good, fair; name"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    changed: dict[str, str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written."""
    Path("data/pairs.csv").write_text("text_a,text_b\na,b\n")

    assert init(**changed) != 0

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pdbench: error: ")
    assert words in line
    assert not Path("config/task.yaml").exists()
    assert not Path("slurm").exists()


def test_a_broken_row_is_found_and_nothing_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a job would say of the files is said at once."""
    path = Path("data/task/train.csv")
    path.write_text(path.read_text().replace("\n", "\n,negative\n", 1))

    assert init() == 1
    assert "train.csv:2: empty text; fill or remove the row" in capsys.readouterr().err
    assert list(Path("config").iterdir()) == []


def test_files_beside_a_text_that_is_named_decide_nothing(folder: Path) -> None:
    """The text may stand in the working folder, where results are written."""
    shutil.move("data/text/text.txt", "text.txt")
    assert init(text="text.txt") == 0
    study, job = load_study("task"), Job("text", "text")
    before = Paths(study).digest(job)

    Path("results").mkdir()
    Path("results/table.csv").write_text("a\n")
    assert Paths(study).digest(job) == before
    Path("text.txt").write_text("another\n" * 300)
    assert Paths(study).digest(job) != before
