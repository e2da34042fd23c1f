"""What the benchmarks say about themselves is so."""

from __future__ import annotations

import ast
import re

import pytest
import yaml

from benchmarks import data, distill_grid, finetune, mlm, planning, scaling
from pdbench.study import ROOT, Architecture, load_study
from pdbench.workflow.graph import Graph
from pdbench.workflow.snakefile import sizes_of_jobs

FOLDER = ROOT / "benchmarks"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
NAMES = ("finetune", "mlm", "distill_grid", "soft_labels", "startup", "scaling", "planning")


def pins(name: str) -> dict[str, str]:
    """The version of every package in a file of pins, by normalised name."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in pairs}


def test_peers_are_pinned() -> None:
    """Exactly, and nowhere against constraints.txt, which their installation obeys."""
    ours = pins("constraints.txt")
    peers = pins("benchmarks/peers.txt") | pins("benchmarks/peers-alone.txt")

    assert {"accelerate", "textbrewer", "torch", "torchdistill", "transformers"} <= set(peers)
    assert all(re.fullmatch(r"[\w.]+", version) for version in peers.values())
    assert {n: v for n, v in peers.items() if n in ours} == {
        n: v for n, v in ours.items() if n in peers
    }


@pytest.mark.parametrize("path", sorted((FOLDER / "peers").glob("*.py")), ids=lambda p: p.stem)
def test_peers_run_without_pdbench(path) -> None:
    """Their environment has nothing of ours but the worker's protocol and invented pieces."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    modules = {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    modules |= {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    own = {m for m in modules if m and m.split(".")[0] in ("pdbench", "benchmarks")}

    assert own <= {"benchmarks.peers", "benchmarks.pieces", "benchmarks.worker"}


def test_readme_and_makefile_name_every_benchmark() -> None:
    """Each is a module that can be run, in the README's table and, on a CPU, in `make bench`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert set(re.findall(r"`python -m benchmarks\.(\w+)", README)) == {
        *NAMES,
        *("choices", "gpu", "selection", "table"),
    }
    assert re.search(r"^BENCHMARKS := (.*)$", makefile, re.MULTILINE)[1].split() == list(NAMES)
    assert all((FOLDER / f"{name}.py").is_file() for name in NAMES)
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (FOLDER / link).exists(), link


def test_corpora_make_as_many_steps_as_their_names_say() -> None:
    """All batches but one are of blocks, the last is of every piece of the vocabulary."""
    study = data.study()
    batch = mlm.BLOCKS * data.BLOCK

    assert study.training.pretrain.batch_tokens == batch
    assert set(study.corpora) == {f"steps-{steps}" for steps in data.CORPUS_STEPS}
    for steps in data.CORPUS_STEPS:
        blocks, pieces = study.corpora[f"steps-{steps}"]
        assert blocks.tokens == (steps - 1) * batch
        assert 0 < pieces.tokens < batch
    assert {*mlm.STEPS.values(), *mlm.QUICK_STEPS.values()} <= set(data.CORPUS_STEPS)


def test_sizes_are_those_of_the_study() -> None:
    """What is trained stands in study.yaml."""
    named = set(data.study().named_architectures.values())
    sizes = {*finetune.SENTENCES, *mlm.STEPS, *distill_grid.STUDENTS, scaling.ARCH}

    assert {Architecture.parse(size) for size in sizes} <= named
    assert data.study().training.distill.epochs == distill_grid.EPOCHS
    assert len(data.study().cells) == 1


def test_difference_is_paired() -> None:
    """Mean and standard error are those of the differences, in points in the note."""
    found = finetune.difference([0.01, 0.02, 0.03])

    assert found["difference"] == pytest.approx(0.02)
    assert found["standard_error"] == pytest.approx(0.01 / 3**0.5)
    assert found["note"] == "mean difference +2.00 points, standard error 0.58"


@pytest.mark.parametrize("jobs", planning.JOBS[:2])
def test_planned_studies_have_their_size(jobs: int, tmp_path) -> None:
    """As many jobs as the row says, a tenth more or less."""
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(planning.study_of(jobs)))

    found = Graph(load_study(path)).jobs

    assert len(found) == pytest.approx(jobs, rel=0.1)


def test_the_profile_bundles_small_cells(tmp_path) -> None:
    """What is measured as the profile's has every cell, and far fewer jobs."""
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(planning.study_of(planning.JOBS[0])))
    study = load_study(path)

    bundles = Graph(study, sizes_of_jobs(ROOT / "slurm")[0]).bundles

    assert sum(len(bundle.cells) for bundle in bundles) == len(study.cells)
    assert len(bundles) < len(study.cells) / 10
