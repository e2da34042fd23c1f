"""Runs of one seed number share what they can: first weights, order and noise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from pdbench.data.batches import ItemBatches, Purpose
from pdbench.engine import BertShape, loop
from pdbench.jobs import students, training
from pdbench.jobs.students import CellData, train_student
from pdbench.methods.patient_kd import PatientKD
from pdbench.study import Architecture, Run, Study, load_study
from pdbench.study.methods import Method
from pdbench.testing.small_study import prepare_cells
from pdbench.workflow import Paths

HEAD = ("output", "bert.pooler")
Project = tuple[Study, Paths]
DEEPEST = Architecture(2, 32)
METHODS = ["pf", "pd", "pd-f", "tf", "pd-truncated"]
PATIENT = "pdbench.methods.patient_kd:PatientKD"
MINILM = "pdbench.methods.minilm:MiniLM"


@pytest.fixture
def study(project: Project) -> Study:
    """The small study at its deepest size, by methods that share stages and starts."""
    raw = yaml.safe_load(Path("small.yaml").read_text(encoding="utf-8"))
    raw["training"]["finetune"]["learning_rate"] = [1e-3]
    block = raw["artefacts"]["figure6"]["cells"][0]
    block |= {"method": METHODS, "architecture": str(DEEPEST)}
    Path("small.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    found = load_study("small.yaml")
    prepare_cells(found, Paths(found))
    return found


def run_of(study: Study, method: str, number: int = 0) -> Run:
    """The run of a method with a seed number."""
    (cell,) = (cell for cell in study.seed_counts if cell.method == method)
    return next(run for run in study.runs(cell) if run.seed_number == number)


def weights(study: Study, method: str, number: int = 0) -> dict[str, torch.Tensor]:
    """The weights of a trained run."""
    run = run_of(study, method, number)
    data = CellData.open(study, Paths(study), run.cell)
    return train_student(study, run, data).model.state_dict()


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether all weights agree bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_truncated_at_its_own_depth_is_the_same_model(study: Study) -> None:
    """TF is PF bit for bit, and so is pd-truncated PD; other numbers are other models."""
    found = {method: weights(study, method) for method in ("pf", "tf", "pd", "pd-truncated")}

    assert study.same_model(run_of(study, "tf").cell).method == "pf"
    assert are_equal(found["tf"], found["pf"])
    assert are_equal(found["pd-truncated"], found["pd"])
    assert not are_equal(found["pf"], weights(study, "pf", 1))


def test_a_renamed_method_draws_nothing_new(study: Study) -> None:
    """Its runs have the same bits: a new name is no new chance."""
    before = weights(study, "pd-f")
    fields = {name: getattr(study, name) for name in Study.model_fields}
    needs = study.artefacts["figure6"]
    block = needs.cells[0].model_copy(update={"method": ("mine",)})
    fields["artefacts"] = {"figure6": needs.model_copy(update={"cells": (block,)})}
    fields["methods"] = {**study.methods, "mine": study.methods["pd-f"]}

    assert are_equal(before, weights(Study.model_construct(**fields), "mine"))


def test_starts_share_the_first_weights_of_the_head(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pooler and output layer of one number are the same for every start."""
    heads = []

    def stop(student: torch.nn.Module, *_: object) -> None:
        state = student.state_dict()
        heads.append({n: w.clone() for n, w in state.items() if n.startswith(HEAD)})
        raise InterruptedError

    monkeypatch.setattr(students, "train_stage", stop)
    for method in ("pf", "pd", "pd-truncated"):
        with pytest.raises(InterruptedError):
            weights(study, method)

    assert heads[0]
    assert are_equal(heads[0], heads[1])
    assert are_equal(heads[0], heads[2])


def draws(
    study: Study, run: Run, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[list[list[int]], set[int]]]:
    """The items of each update and the seeds of the noise, by the loss of the stage."""
    found: dict[str, tuple[list[list[int]], set[int]]] = {}
    train, order, stream = training.train_stage, ItemBatches.__getitem__, loop.stream

    def noted(student, objective, *rest):
        found[f"{len(found)} {type(objective).__name__}"] = ([], set())
        return train(student, objective, *rest)

    def ordered(self, step):
        chosen = order(self, step)
        found[list(found)[-1]][0].append(chosen.tolist())
        return chosen

    def drawn(purpose, seed, *rest):
        assert purpose == Purpose.DROPOUT
        found[list(found)[-1]][1].add(seed)
        return stream(purpose, seed, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(students, "train_stage", noted)
        patch.setattr(ItemBatches, "__getitem__", ordered)
        patch.setattr(loop, "stream", drawn)
        train_student(study, run, CellData.open(study, Paths(study), run.cell))
    return found


def test_stages_on_the_same_data_share_order_and_noise(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fine-tuning of pd-f is drawn like that of pf, and its distillation like that of pd."""
    pf, pd, both = (draws(study, run_of(study, m), monkeypatch) for m in ("pf", "pd", "pd-f"))

    assert list(both.values()) == [*pd.values(), *pf.values()]
    assert pf != draws(study, run_of(study, "pf", 1), monkeypatch)


def test_stages_that_share_data_go_on_in_one_order(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins where the first ends, with noise of its own."""
    halves = [{"objective": MINILM, "data": "transfer", "share": 0.5}]
    halves += [{"objective": "distill", "share": 0.5}]
    method = Method(name="Halves", initialisation="pretrained", stages=halves)
    split = study.model_copy(update={"methods": {**study.methods, "pd": method}})
    whole = draws(study, run_of(study, "pd"), monkeypatch)

    parts = list(draws(split, run_of(split, "pd"), monkeypatch).values())

    assert [item for own in parts for item in own[0]] == next(iter(whole.values()))[0]
    seed = run_of(study, "pd").seed
    assert [own[1] for own in parts] == [{seed}, {seed + 1}]


def test_an_objectives_own_parameters_shift_no_draws() -> None:
    """They have a stream of their own of the seed, which is not that of the student's weights."""
    student, teacher = (BertShape.of(Architecture(2, hidden), 60) for hidden in (32, 64))
    before = torch.get_rng_state()

    first, again = (PatientKD.build(PATIENT, {}, student, teacher, 2, 7) for _ in range(2))

    assert torch.equal(torch.get_rng_state(), before)
    (own,), (same,) = first.parameters(), again.parameters()
    assert torch.equal(own, same)
    torch.manual_seed(7)
    assert not torch.equal(own, torch.nn.Linear(*own.shape[::-1], bias=False).weight)
    torch.set_rng_state(before)
