"""Study files: what is wrong with one is said in one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdbench.artefacts import ARTEFACTS
from pdbench.core.errors import UsageError
from pdbench.study import ROOT, load_study
from pdbench.study.axes import check_artefacts
from pdbench.study.loading import read_yaml, studies_in
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job


def test_every_study_that_is_shipped_loads() -> None:
    """All other files of config/ are studies that name what exists."""
    assert {"demo", "paper"} <= set(studies_in())
    for name in studies_in():
        assert load_study(name).name == name


def test_a_study_is_found_by_name_or_path() -> None:
    """The name and the path of a file give the same study."""
    assert load_study("demo") == load_study(ROOT / "config/demo.yaml")


def test_titles_are_lines(study_file) -> None:
    """YAML's ways to write long texts end them with a line end; signs of formulas are kept."""
    study = load_study(study_file({"title": "one\n  two $x^$\n"}))

    assert study.title == "one two $x^$"


def test_sourced_values_become_assumptions(study_file) -> None:
    """A value written with its source counts as the value, and is listed with its key."""
    study = load_study(study_file())

    assert study.tasks["sentiment"].train == 100
    (assumption,) = study.assumptions
    assert (assumption.key, assumption.origin, assumption.note) == (
        "tasks.sentiment.train",
        "assumed",
        "few",
    )


REVIEWS = {
    "tasks.sentiment.source": "directory",
    "tasks.sentiment.path": "reviews",
    "tasks.sentiment.file": "Books.jsonl",
}


def _rated(negative: list[int], positive: list[int]) -> dict[str, Any]:
    return REVIEWS | {"tasks.sentiment.ratings": {"negative": negative, "positive": positive}}


FOLDER = {
    f"tasks.sentiment.{key}": value
    for key, value in {"source": "directory", "path": "own", "name": ""}.items()
}
DIAGNOSTIC = {"source": "directory", "path": "AX", "name": "ax", "metrics": ["matthews"]}
HUB = {"source": "hub", "name": "x", "revision": "pinned"}
FITS = {"fits": HUB, "texts": [{"text": "nothing", "tokens": 9}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"titel": "x"}, "key titel: unknown key"),
        ({"tasks.sentiment.trian": 3}, "key tasks.sentiment.trian: unknown key"),
        ({"training.distill.epochs": 0}, "key training.distill.epochs: .*greater than or equal"),
        ({"training.distill.epochs": "two"}, "key training.distill.epochs: .*not 'two'"),
        ({"scale": "huge"}, "key scale: .*'demo' or 'paper'"),
        ({"name": "../up"}, "key name: "),
        *(({"name": name}, "key name: .*give it another") for name in ("store", "archives")),
        ({"title": "x" * 2_000}, "key title: .*at most 200 characters, not 'xxx.*; workflow/"),
        ({"tasks.sentiment.title": "a\x1b[2J"}, r"title: 'a\\x1b\[2J' has characters that cannot"),
        ({"transfer_sets.films-300.label": "a\u202eb"}, "films-300.label: .*cannot be shown"),
        ({"architectures.named": {"a\x08": "1/64"}}, r"named.a\\x08.*cannot be shown"),
        ({"vocabulary.name": "bert-base"}, "did you mean 'bert-base-uncased'"),
        ({"texts.films.name": "imdb-sentence"}, "did you mean 'imdb-sentences'"),
        ({"tasks.sentiment.teacher.name": "x"}, "key tasks.sentiment.teacher.name: unknown"),
        ({"transfer_sets.films-300.text": "film"}, "unknown text 'film'; did you mean 'films'"),
        ({"transfer_sets.films-300.size": 5000}, "5000 items, but text 'films' keeps 1000"),
        ({"corpora.general.0.text": "nothing"}, "unknown text 'nothing'"),
        ({"architectures.named.Mini": "Mini"}, "key architectures.named.Mini: .*no architecture"),
        ({"architectures.grid.hidden": [100]}, "key architectures.grid.hidden.0: .*multiple of 64"),
        ({"tasks.sentiment.metrics": ["bleu"]}, "key tasks.sentiment.metrics.0: "),
        ({"tasks.sentiment.source": "directory"}, "key tasks.sentiment.path: missing"),
        ({"texts.films.source": "hub"}, "key texts.films.revision: missing"),
        ({"artefacts.figure8.cells.0.task": "mnli"}, "unknown task 'mnli'"),
        ({"artefacts.figure8.cells.0.method": "pdf"}, "unknown method 'pdf'; did you mean"),
        ({"artefacts.figure8.cells.0.architecture": "9/64"}, "not a size of the study"),
        ({"artefacts.figure8.cells.0.architecture": "Huge"}, "no architecture"),
        ({"artefacts.figure8.cells.0.transfer": "films"}, "unknown transfer set 'films'"),
        ({"artefacts.figure6.cells.0.corpus": "wiki"}, "unknown corpus 'wiki'"),
        ({"artefacts.figure8.stands_for": {"RTE": "rte"}}, "stands_for.RTE: unknown task .rte."),
        ({"methods": {}}, "unknown key 'methods'"),
        ({"corpora.general.0.tokens": 0}, "key corpora.general.0.tokens: "),
        ({"corpora.general": {"source": "hub", "nam": "x"}}, "key corpora.general.nam: unknown"),
        ({"corpora.general": {"fits": HUB}}, "key corpora.general.texts: "),
        (
            {"corpora.general": {"fits": HUB | {"nam": "x"}}},
            "key corpora.general.fits.nam: unknown",
        ),
        (
            {"corpora.general": FITS | {"fits": HUB | {"revision": "main"}}},
            "general.fits.revision: 'm",
        ),
        ({"corpora.general": FITS}, "key corpora.general.texts.0.text: unknown text 'nothing'"),
        ({"corpora.general": {"source": "hub", "name": "x"}}, "corpora.general.revision: missing"),
        ({"corpora.general": HUB | {"revision": "main"}}, "corpora.general.revision: 'main' is no"),
        ({"corpora.general": HUB | {"name": "x_{size}"}}, "corpora.general: name or path .*'size'"),
        ({"tasks.sentiment.model_of": "mnli"}, "key tasks.sentiment.model_of: unknown task"),
        ({"tasks.sentiment.model_of": "sentiment"}, "'sentiment' trains no models"),
        ({"tasks.sentiment.labels": ["bad", "bad"]}, "key tasks.sentiment.labels: bad, bad; "),
        ({"tasks.sentiment.labels": ["bad"]}, "key tasks.sentiment.labels: bad; name two"),
        ({"tasks.sentiment.labels": []}, "key tasks.sentiment.metrics: accuracy, .* 0 labels"),
        ({"tasks.sentiment.metrics": ["pearson"]}, "metrics: pearson, and it has 2 labels"),
        ({"tasks.sentiment.metrics": ["accuracy", "accuracy"]}, "metrics: a value stands twice"),
        (
            {"tasks.sentiment.labels": list("abc"), "tasks.sentiment.metrics": ["f1"]},
            "metrics: f1, and it has 3 labels",
        ),
        ({"tasks.sentiment.ratings": {"negative": [1]}}, "ratings.* no key file names reviews"),
        ({"tasks.sentiment.balanced": True}, "balanced: no key file names reviews"),
        (REVIEWS, "key tasks.sentiment.ratings: missing"),
        (_rated([], [5]), "ratings: .*every label stars"),
        (REVIEWS | {"tasks.sentiment.ratings": {"negative": [1]}}, "ratings: .*every label stars"),
        (_rated([1, 2], [2, 5]), "ratings: .* two labels"),
        (_rated([1], [6]), "ratings.positive.0: .*equal to 5"),
        ({"tasks.sentiment.columns": {"label": "x"}}, "columns: this source has a layout of its"),
        (FOLDER | {"tasks.sentiment.columns": {"text_a": "x"}}, "columns: x; name text, or text_a"),
        (
            FOLDER | {"tasks.sentiment.columns": {"text": "x", "label": "x"}},
            "columns: a column stands twice",
        ),
        (FOLDER | {"tasks.sentiment.header": ["...", "x"]}, "header: ... stands before"),
        (FOLDER | {"tasks.sentiment.splits": {"text": "x"}}, "splits.text: of a task"),
        ({"tasks.sentiment.splits": {"tset": "x"}}, "key tasks.sentiment.splits.tset"),
        (
            {f"tasks.sentiment.{key}": value for key, value in DIAGNOSTIC.items()},
            "artefacts.figure6.cells.0.task: of 'sentiment' no labels .*; leave it out",
        ),
        ({"tasks.sentiment.max_length": 600}, "key tasks.sentiment.max_length: .*equal to 512"),
        ({"texts.films.max_length": 2}, "key texts.films.max_length: .*equal to 3"),
        ({"texts.films.source": "mixture"}, "key texts.films.parts: a mixture has parts"),
        ({"texts.films.parts": [{"source": "hub"}]}, "films.parts: .*other sources none"),
        ({"training.finetune.batch_size": [8, 0]}, "key training.finetune.batch_size.1: "),
        ({"training.finetune.batch_size": [8, 8]}, "batch_size: a value stands twice"),
        ({"training.finetune.learning_rate": float("inf")}, "learning_rate.0: .*finite"),
        ({"training.finetune.batch_size": []}, "key training.finetune.batch_size: "),
        (
            {"training.distill.learning_rate": {"value": [1e-3], "origin": "guessed"}},
            "a value with its origin has",
        ),
        (
            {"training.distill.epochs": {"value": 1, "origin": "assumed", "note": 3}},
            "key training.distill.epochs: a value with its origin .* a text as note",
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(
    study_file, change: dict[str, Any], words: str
) -> None:
    """Whatever is wrong, the message is one line that names the file, the key and a remedy."""
    path = study_file(change)

    with pytest.raises(UsageError) as caught:
        load_study(path)

    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert re.search(words, message), message
    assert caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("key", ["scale", "training", "tasks.sentiment.labels", "texts.films.size"])
def test_a_missing_key_is_named(study_file, key: str) -> None:
    """A missing key is called missing, by its whole name."""
    with pytest.raises(UsageError, match=rf"key {re.escape(key)}: missing"):
        load_study(study_file(without=key))


@pytest.mark.parametrize(("key", "method"), [("transfer", "distils"), ("corpus", "pre-trained")])
def test_a_block_names_what_its_methods_need(study_file, key: str, method: str) -> None:
    """A distilling method needs a transfer set, a pre-trained start a corpus."""
    with pytest.raises(UsageError, match=rf"cells\.0\.{key}: missing, and method .*{method}"):
        load_study(study_file(without=f"artefacts.figure6.cells.0.{key}"))


def test_a_task_without_a_teacher_is_not_distilled(study_file) -> None:
    """It may be fine-tuned."""
    fine = {"artefacts.figure8.cells.0.method": "basic", "artefacts.figure6.cells.0.method": "pf"}

    with pytest.raises(
        UsageError, match=r"key tasks\.sentiment\.teacher: missing, and method 'pd'"
    ):
        load_study(study_file(without="tasks.sentiment.teacher"))
    study = load_study(study_file(fine, without="tasks.sentiment.teacher"))
    assert study.taught == ()


@pytest.mark.parametrize("content", ["- a list", "a: [1", "\x00", "3"])
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, content: str) -> None:
    """A list, broken YAML, control characters and a number are each one line."""
    path = tmp_path / "broken.yaml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(UsageError, match=re.escape(str(path))) as caught:
        load_study(path)

    assert "\n" not in str(caught.value)


def test_a_key_that_stands_twice_is_refused(study_file) -> None:
    """YAML would take the second value and say nothing; merging is no repetition."""
    path = study_file()
    text = path.read_text()
    path.write_text(f"{text}\nname: other\n")

    with pytest.raises(UsageError, match=r"key 'name' stands twice in .* line \d+") as caught:
        load_study(path)
    assert "\n" not in str(caught.value)
    path.write_text("a: &a {x: 1, y: 2}\nb: &b {<<: *a, y: 3}\nc: {<<: *b, x: 4}\n")
    assert read_yaml(path)["c"] == {"x": 4, "y": 3}


_TEN = ",".join("x" * 10)
_BOMBS = {
    "aliases": f"a0: &a0 [{_TEN}]\n"
    + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)),
    "merges": "a0: &a0 {x: 1, y: 2}\n"
    + "".join(f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12)),
    "itself": "a: &a [*a]",
    "brackets": "a: " + "[" * 100_000,
    "depth": "".join(" " * i + "a:\n" for i in range(100)),
    "values": "a: [" + "1," * 100_000 + "]",
    "text": "a: " + "x" * 100_000,
    "key": "x" * 1000 * 4 + ": 1",
    "digits": "a: 0x" + "f" * 100_000,
    "size": "# " + "x" * 2**21,
    "tag": "a: !!int ''",
    "half a character": 'a: "\\ud800"',
}


@pytest.mark.parametrize("bomb", _BOMBS)
def test_a_bomb_is_refused_while_it_is_read(tmp_path: Path, bomb: str) -> None:
    """In one line that names the file, soon, and in little memory."""
    path = tmp_path / "bomb.yaml"
    path.write_text(_BOMBS[bomb], encoding="utf-8")
    code = (
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from pdbench.core.errors import PdbenchError\n"
        "from pdbench.study.loading import read_yaml\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))\n"
        "begun = time.process_time()\n"
        "try:\n"
        "    read_yaml(Path(sys.argv[1]))\n"
        "except PdbenchError as error:\n"
        "    print(time.process_time() - begun, error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )

    seconds, _, line = done.stdout.partition(" ")
    assert float(seconds) < 10
    assert str(path) in line
    assert line.count("\n") == 1
    assert len(line) < 1000


@pytest.mark.parametrize("number", [10**400, 1e308])
@pytest.mark.parametrize(
    "key",
    [
        "tasks.sentiment.train",
        "tasks.sentiment.max_length",
        "tasks.sentiment.windows.stride",
        "tasks.sentiment.teacher.epochs",
        "texts.films.size",
        "corpora.general.0.tokens",
        "training.pretrain.batch_tokens",
        "training.distill.epochs",
        "training.distill.least_steps",
        "training.distill.batch_size",
        "training.distill.learning_rate",
        "training.rates_hold_at",
        "architectures.grid.layers",
        "architectures.grid.hidden",
        "artefacts.figure6.seeds",
    ],
)
def test_a_number_beyond_any_use_is_refused(study_file, key: str, number: float) -> None:
    """The line names its key, and does not print hundreds of digits."""
    *_, last = key.split(".")
    change = {key: [number] if last in ("layers", "hidden") else number}
    if last == "stride":
        change = {"tasks.sentiment.windows": {last: number}}

    with pytest.raises(UsageError, match=rf"key {re.escape(key)}(\.0)?: ") as caught:
        load_study(study_file(change))

    assert len(str(caught.value)) < 600


_BLOCK = "artefacts.figure6.cells.0"
_LONG = "l" * 64
_RATES = [i * 1e-7 for i in range(1, 9000)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {
                "architectures.grid.layers": list(range(1, 900)),
                "architectures.grid.hidden": [64 * i for i in range(1, 900)],
            },
            "key architectures: a grid of 808,201 sizes",
        ),
        (
            {f"{_BLOCK}.task": ["sentiment"] * 1000, f"{_BLOCK}.method": ["d"] * 1000},
            r"key artefacts\.figure6\.cells: .* 2,000,000 cells; name fewer",
        ),
        (
            {
                "training.distill.learning_rate": _RATES,
                "training.distill.batch_size": list(range(1, 9000)),
            },
            "key artefacts: .* runs; ask for fewer seeds or points",
        ),
        ({"name": "n" * 65}, "key name: .*at most 64 characters"),
        ({"tasks": {"t" * 65: {}}}, r"key tasks\.tttt.*at most 64 characters"),
        (
            {
                "corpora": {_LONG: [{"text": "films", "tokens": 9}]},
                f"{_BLOCK}.corpus": _LONG,
                "transfer_sets.films-300.text": "films",
                "tasks.sentiment.title": "x",
                "texts.films": {"source": "embedded", "name": "imdb-sentences", "size": 1000},
                "artefacts.figure8": {},
                "transfer_sets": {_LONG: {"text": "films", "size": 9}},
                f"{_BLOCK}.transfer": _LONG,
            },
            rf"key transfer_sets\.{_LONG}: .* is too long for a name of a file; shorten it",
        ),
        (
            {"vocabulary": {"source": "directory", "path": "x" * 256}},
            r"key vocabulary\.path: too long for a name",
        ),
        (
            {"vocabulary": {"source": "directory", "path": "x\0y"}},
            r"key vocabulary\.path: control characters",
        ),
        ({"tasks.sentiment.splits": {"train": "a\x1b[2J"}}, r"splits\.train: control characters"),
        (
            {"corpora.general": {"source": "directory", "path": "{layers:>1000000000}"}},
            r"key corpora\.general: name or path cannot be filled in",
        ),
        ({"tasks.sentiment.labels": ["a"] * 20_000}, r"key tasks\.sentiment\.labels: a, a"),
    ],
)
def test_a_study_of_any_size_is_refused_in_a_line(
    study_file, change: dict[str, Any], words: str
) -> None:
    """Before its grid is written out, and before a file has a name that none can have."""
    with pytest.raises(UsageError, match=words) as caught:
        load_study(study_file(change))

    assert len(str(caught.value)) < 2500


def test_names_may_be_as_long_as_files_can_be_called(study_file) -> None:
    """A long name alone is none too long."""
    study = load_study(
        study_file(
            {"corpora": {_LONG: [{"text": "films", "tokens": 9}]}, f"{_BLOCK}.corpus": _LONG}
        )
    )

    paths = Paths(study)
    runs = [run for cell in study.cells.values() for run in study.runs(cell)]
    label = max((paths.label(Job("run", run)) for run in runs), key=len)
    assert _LONG in label
    assert len(f".{label}.{'host' * 16}.4194304") <= 255  # as it is called while it is written


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".yaml"])
def test_a_study_whose_name_no_file_has(name: str) -> None:
    """It is as unknown as any other."""
    with pytest.raises(UsageError, match=r"(x|yaml): File name too long"):
        load_study(name)


def test_an_unknown_study_lists_the_known_ones() -> None:
    """A name that is not in config/ is answered with those that are."""
    with pytest.raises(UsageError, match=r"config/nothing\.yaml: no such study; there are .*demo"):
        load_study("nothing")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that does not exist is named."""
    with pytest.raises(UsageError, match=r"none\.yaml: no such study file"):
        load_study(tmp_path / "none.yaml")


def test_an_artefact_nobody_draws_is_refused(study_file) -> None:
    """An unknown artefact is found when the study is opened, not after training."""
    study = load_study(study_file())

    check_artefacts(study, ARTEFACTS)
    with pytest.raises(UsageError, match="unknown artefact 'figure8'"):
        check_artefacts(study, {name: ARTEFACTS[name] for name in ("figure6", "sizes")})
