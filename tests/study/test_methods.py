"""Methods: how they are written, where they are found, and what is refused."""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from offered import METHODS, write_package
from pydantic import ValidationError

from pdbench.core.errors import UsageError
from pdbench.jobs.training import Walk
from pdbench.study import Architecture, Method, Start, Study, load_study
from pdbench.study.cells import Point
from pdbench.study.discovery import module_file, own_modules
from pdbench.study.loading import load_methods
from pdbench.study.settings import StageSettings
from pdbench.workflow import Paths
from pdbench.workflow.graph import Graph
from pdbench.workflow.kinds import KINDS, Job

MINILM = "pdbench.methods.minilm:MiniLM"
BLOCK = "artefacts.figure6.cells.0"


def method(*stages: Any, **keys: Any) -> Method:
    """A method of some stages."""
    raw = {"name": "Some", "initialisation": "pretrained", "stages": list(stages), **keys}
    return Method.model_validate(raw)


def test_plain_stages_are_words() -> None:
    """A known stage is written as a word, read as a stage, and written as the word again."""
    found = method("distill", "finetune")

    assert [stage.data for stage in found.stages] == ["transfer", "labelled"]
    assert found.model_dump()["stages"] == ("distill", "finetune")
    assert not found.asks_teacher


def test_own_stages_keep_what_they_were_given() -> None:
    """Reading what was written gives the same method."""
    found = method({"objective": MINILM, "share": 0.5}, {"objective": "distill", "share": 0.5})

    assert found.stages[0].name == "MiniLM"
    assert found.asks_teacher
    assert found.distils
    assert Method.model_validate(found.model_dump()) == found


def test_spans_share_the_updates_of_one_data_set() -> None:
    """Stages on one data set follow one another; another data set begins anew."""
    found = method(
        {"objective": MINILM, "share": 0.25}, "finetune", {"objective": "distill", "share": 0.75}
    )

    assert [found.span(i) for i in range(3)] == [(0, 0.25), (0, 1), (0.25, 1)]
    assert [found.turn(i) for i in range(3)] == [0, 0, 1]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.1, 0.2, 0.7), (0.1, 0.2, 0.2), (1 / 3,) * 3])
@pytest.mark.parametrize("whole", [1, 5, 7, 200, 10_001])
def test_shares_neither_repeat_nor_leave_out_an_update(
    shares: tuple[float, ...], whole: int
) -> None:
    """Stages take up where the one before ends, also in the middle of an odd number of updates."""
    found = method(*({"objective": f"a:Part{i}", "share": s} for i, s in enumerate(shares)))
    spans = [found.span(i) for i in range(len(shares))]
    settings = StageSettings(epochs=1, learning_rate=(1.0,))
    taken = [
        update for span in spans for update in Walk(settings, Point(1.0, 1), span, 0).updates(whole)
    ]

    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    assert taken == list(range(round(sum(shares) * whole)))


@pytest.mark.parametrize(
    ("stages", "keys", "words"),
    [
        (["destill"], {}, "'destill' is no objective: write distill, finetune or module:Class"),
        ([], {}, "at least 1 item"),
        (["distill", "distill"], {}, "two stages have one name in distill, distill"),
        (["distill", {"objective": MINILM, "share": 0.1}], {}, "on transfer data add up to 1.1"),
        ([{"objective": "finetune", "data": "transfer"}], {}, "finetune reads the labelled data"),
        ([{"objective": "distill", "options": {"t": 1}}], {}, "has no options"),
        ([{"objective": MINILM, "share": 0}], {}, "greater than 0"),
        ([{"objective": MINILM, "options": {"t": 10**400}}], {}, "less than or equal to 10{13}"),
        ([{"objective": MINILM, "options": {"t": float("nan")}}], {}, "finite number"),
        ([{"objective": MINILM, "date": "transfer"}], {}, "Extra inputs"),
        (["finetune"], {"pretraining": "distill"}, "no objective of one's own"),
        (["finetune"], {"pretraining": MINILM, "initialisation": "random"}, "needs the init"),
    ],
)
def test_a_method_that_cannot_be_meant_is_refused(stages, keys, words) -> None:
    """Every mistake says what is wrong."""
    with pytest.raises(ValidationError, match=words):
        method(*stages, **keys)


def test_the_files_mistakes_are_one_line(tmp_path: Path) -> None:
    """A broken definition names the file, the key and the reason."""
    (tmp_path / "config").mkdir()
    path = tmp_path / "config/methods.yaml"
    path.write_text(
        yaml.safe_dump({"x": {"name": "X", "initialisation": "random", "stages": ["a"]}})
    )

    with pytest.raises(UsageError, match=r"key x\.stages\.0.*'a' is no objective") as caught:
        load_methods(tmp_path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which packages are imported."""
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(folder)
    return folder


def test_packages_offer_methods_without_being_imported(site: Path) -> None:
    """An installed package's methods stand beside those of the project."""
    write_package(site)
    importlib.invalidate_caches()

    methods = load_methods()

    assert methods["toy"].stages[0].objective == "toy_methods.soft:Soft"
    assert "pd" in methods
    assert "toy_methods" not in sys.modules
    assert module_file("toy_methods.soft") is not None
    assert module_file("toy_methods.hard") is None


def test_two_definitions_of_one_method_name_both_files(site: Path) -> None:
    """A package that offers an id that is taken is refused."""
    package = write_package(site, METHODS.replace("toy:", "pd:"))

    with pytest.raises(UsageError, match=r"method 'pd' stands in .*methods\.yaml too") as caught:
        load_methods()

    assert str(package / "methods.yaml") in str(caught.value)


@pytest.mark.parametrize("value", ["nothing_there", "toy_methods.inner"])
def test_an_entry_point_without_methods_is_named(site: Path, value: str) -> None:
    """A package that was removed, or has no file, is one line."""
    write_package(site, value=value)

    with pytest.raises(UsageError, match=f"no package '{value}' with a methods.yaml"):
        load_methods()


def test_a_missing_module_is_found_before_anything_trains(site: Path, study_file) -> None:
    """A study that uses an objective nobody installed is refused when it is read."""
    write_package(site, METHODS.replace("soft:Soft", "hard:Soft"))

    with pytest.raises(UsageError, match=r"there is no module toy_methods\.hard"):
        load_study(study_file({f"{BLOCK}.method": ["pd", "toy"]}))


def test_a_changed_loss_is_trained_again(site: Path, study_file) -> None:
    """The code of an objective decides its cells, and no others; its comments do not."""
    package = write_package(site)
    file = study_file({f"{BLOCK}.method": ["pd", "toy"]})
    code = (package / "soft.py").read_text()

    def specs() -> dict[str, str]:
        study = load_study(file)
        paths = Paths(study)
        return {cell.method: paths.digest(Job("cell", cell)) for cell in study.seed_counts}

    before = specs()
    (package / "soft.py").write_text("# So it is.\n" + code.replace("Nothing but", "Only"))
    commented = specs()
    (package / "soft.py").write_text(code.replace("student.logits,", "2 * student.logits,"))
    changed = specs()
    (package / "soft.py").write_text(code + "def broken(:\n")

    assert commented == before
    assert changed == {**before, "toy": changed["toy"]}
    assert len({before["toy"], changed["toy"], specs()["toy"]}) == 3


def test_reading_methods_imports_no_torch() -> None:
    """Every cluster job reads them again."""
    code = (
        "import sys; from pdbench.study import load_study; load_study('demo');"
        "print(sorted({'torch', 'numpy', 'pdbench.methods'} & set(sys.modules)))"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.fixture
def own(study_file) -> Study:
    """The small study with MiniLM and DistilBERT at 1/128, whose deepest is 2/128."""
    changes = {
        f"{BLOCK}.method": ["pd", "pf", "minilm", "distilbert"],
        f"{BLOCK}.architecture": "1/128",
    }
    return load_study(study_file(changes))


def test_a_cell_that_asks_the_teacher_waits_for_it(own: Study) -> None:
    """Its checkpoint is an input of such cells, and of no others."""
    graph = Graph(own)

    waiting = [
        cell
        for cell in own.seed_counts
        if Job("teacher", "sentiment") in graph.needs[Job("cell", cell)]
    ]

    assert {cell.method for cell in own.seed_counts} > {"minilm", "distilbert"}
    assert {cell.method for cell in waiting} == {"minilm"}


def test_own_pretraining_is_a_job_of_its_own(own: Study) -> None:
    """It has a folder, waits for the deepest model, and is known by the method's id."""
    paths, graph = Paths(own), Graph(own)
    start = Start("general", Architecture(1, 128), 0, "distilbert")

    plain = Start("general", Architecture(1, 128), 0)

    assert {start, plain} <= set(own.pretrained)
    deepest = own.pretrained_by(start)
    assert deepest == Start("general", Architecture(2, 128), 0)
    job, without = Job("pretrain", start), Job("pretrain", plain)
    assert job.name == "general.1-128.distilbert.seed0"
    assert Job("pretrain", deepest) in graph.needs[job]
    assert Job("pretrain", deepest) not in graph.needs[without]
    cell = own.cells["sentiment.distilbert.1-128.none.general"]
    assert job in graph.needs[Job("cell", cell)]
    arguments = KINDS["pretrain"].arguments
    assert arguments(start) == "general 1/128 --method distilbert --seed 0"
    assert arguments(plain) == "general 1/128 --seed 0"
    assert paths.digest(job) != paths.digest(without)
    assert graph.costs[job] > graph.costs[without]


def test_asking_the_teacher_costs(own: Study) -> None:
    """The estimate counts the teacher's forward passes."""
    minilm, pd = (own.cells[f"sentiment.{m}.1-128.films-300.general"] for m in ("minilm", "pd"))

    costs = Graph(own).costs
    assert costs[Job("cell", minilm)] > costs[Job("cell", pd)]


def test_stages_that_share_updates_share_a_grid_point(own: Study) -> None:
    """A method of two stages chooses among as many runs as pd does."""
    minilm, pd = (own.cells[f"sentiment.{m}.1-128.films-300.general"] for m in ("minilm", "pd"))

    assert len(own.runs(minilm)) == len(own.runs(pd))
    assert all(len(set(run.points)) == 1 for run in own.runs(minilm))


def test_the_deepest_size_has_nobody_to_learn_from(study_file) -> None:
    """Pre-training from the deepest model of a width is refused at that size itself."""
    changes = {f"{BLOCK}.method": ["pd", "distilbert"], f"{BLOCK}.architecture": ["1/128", "2/128"]}

    with pytest.raises(UsageError, match=r"cells\.0\.architecture: 2/128 is the deepest") as caught:
        load_study(study_file(changes))

    assert "distilbert" in str(caught.value)


THEIRS = {"source": "directory", "path": "models"}


def test_models_by_a_method_are_where_it_begins(study_file) -> None:
    """Nobody pre-trains them here, at the deepest size neither, and no deeper model is asked."""
    changes = {
        "corpora.theirs": {**THEIRS, "by": "distilbert"},
        f"{BLOCK}.method": "distilbert",
        f"{BLOCK}.architecture": "2/128",
        f"{BLOCK}.corpus": "theirs",
    }
    study = load_study(study_file(changes))

    assert study.pretrained == (Start("theirs", Architecture(2, 128), None),)
    job = Job("pretrain", study.pretrained[0])
    assert not any(need.kind in ("pretrain", "text") for need in Graph(study).needs[job])


@pytest.mark.parametrize(
    ("by", "methods", "problem"),
    [
        (None, ["distilbert"], "'theirs' holds models by masked LM; name text, or models by dis"),
        ("distilbert", ["distilbert", "pf"], "'theirs' holds models by distilbert; .* for 'pf'"),
        ("distilbert", ["basic", "tf"], "models by masked LM, for 'tf'"),
        ("pd", ["pd"], r"corpora\.theirs\.by: unknown method with a pre-training .* 'pd'"),
    ],
)
def test_a_method_begins_with_no_other_methods_models(study_file, by, methods, problem) -> None:
    """A row would say another method than was run."""
    changes = {
        "corpora.theirs": {**THEIRS, "by": by},
        f"{BLOCK}.method": methods,
        f"{BLOCK}.architecture": "1/128",
        f"{BLOCK}.corpus": "theirs",
    }

    with pytest.raises(UsageError, match=problem):
        load_study(study_file(changes))


def test_the_code_of_a_loss_is_that_of_its_package_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it imports of its own package decides what it trains; other packages have versions."""
    files = {
        "__init__.py": "",
        "loss.py": "import torch\nfrom . import helper\nfrom .more.deep import f\n",
        "helper.py": "import own_losses.loss\n",
        "more/__init__.py": "",
        "more/deep.py": "def f(): ...\n",
        "unused.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "own_losses" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    found = own_modules("own_losses.loss")

    names = ("", ".helper", ".loss", ".more", ".more.deep")
    assert found == tuple(f"own_losses{name}" for name in names)
