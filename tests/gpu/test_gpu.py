"""A GPU gives the numbers that the CPU gives, repeats its own bits, and is never waited for."""

from __future__ import annotations

import functools
import gc
import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import invented
import numpy as np
import pytest
import torch
from invented import LABELS, PIECES
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import pdbench
from pdbench.data.batches import Batch
from pdbench.engine import Classifier, Keeper, MaskedLM, Progress, choose_device
from pdbench.engine.device import Device, predict
from pdbench.engine.exposed import Exposed
from pdbench.engine.operations import _less_one_
from pdbench.jobs.pretraining import train_masked_lm
from pdbench.jobs.training import OnlineTeacher, objective_of, train_whole
from pdbench.kinds import Labelled
from pdbench.methods.objective import MaskedLanguage
from pdbench.study import Stage
from pdbench.study.settings import Pretraining

SIZES = ("2/128", "4/256", "8/512", "12/768")
SIZED = pytest.mark.parametrize(
    ("device", "size"),
    [("cpu", "2/128"), *(pytest.param("cuda", s, marks=pytest.mark.gpu) for s in SIZES)],
    indirect=["device"],
)
KINDS = pytest.mark.parametrize("name", LABELS)
EXACT, ROUNDED = 1e-4, 0.1
"""How far gradients may be from the CPU's in float32, relative to their norm: of TF32 they would
be 1e-3; and in bf16, where the CPU's own are 0.03 away."""


def distance(found: Tensor, expected: Tensor) -> float:
    """The norm of a difference, relative to what is expected."""
    return float((found.cpu() - expected).norm() / expected.norm())


def gradients(model: nn.Module) -> Tensor:
    """All gradients of a model, one after the other, on the CPU."""
    return torch.cat([p.grad.flatten().cpu() for p in model.parameters() if p.grad is not None])


def weights(model: nn.Module) -> str:
    """The digest of all weights."""
    parts = (tensor.detach().cpu().numpy().tobytes() for tensor in model.state_dict().values())
    return hashlib.sha256(b"".join(parts)).hexdigest()


PAIRS = invented.batch(pairs=True, padded=True)


def computed(
    device: Device, size: str, batch: Batch = PAIRS, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Logits and gradients of a classifier."""
    kind, _ = invented.task("classification", 8)
    model = invented.classifier(size, kind, LABELS["classification"]).to(device.torch).train()
    model.bert.dropout = dropout
    logits = Exposed(model, *device.inputs(batch), device.autocast, last_states=False).logits
    kind.loss(logits, device.tensor(np.arange(len(batch.index)) % 3)).backward()
    return logits.detach(), gradients(model)


@SIZED
@pytest.mark.parametrize(("precision", "allowed"), [("fp32", EXACT), ("bf16", ROUNDED)])
@pytest.mark.parametrize(("pairs", "padded"), [(True, True), (False, False)])
def test_logits_and_gradients_are_the_cpus(
    device: str, size: str, precision: str, allowed: float, pairs: bool, padded: bool
) -> None:
    """Of texts and pairs, with padding and without."""
    batch = invented.batch(pairs=pairs, padded=padded)
    here = replace(choose_device(128), precision=precision)

    expected = computed(Device(torch.device("cpu"), "fp32"), size, batch)
    found = computed(here, size, batch)

    assert [distance(a, b) < allowed for a, b in zip(found, expected, strict=True)] == [True, True]


def masked_loss(device: Device, size: str, dropout: float = 0.0) -> tuple[Tensor, Tensor]:
    """The masked-LM loss of a batch, and its gradients."""
    model = invented.masked_lm(size, 30_522).to(device.torch).train()
    batch = invented.batch(pairs=False, padded=True)
    model.bert.dropout = dropout
    positions = np.arange(0, batch.ids.size, 7)
    with device.autocast():
        states = model.states(*device.inputs(batch), device.tensor(positions))
        loss = model.cross_entropy(states, device.tensor(batch.ids.reshape(-1)[positions]))
    loss.backward()
    return loss.detach(), gradients(model)


@SIZED
@pytest.mark.parametrize(("precision", "allowed"), [("fp32", EXACT), ("bf16", ROUNDED)])
def test_the_masked_lm_loss_and_its_gradients_are_the_cpus(
    device: str, size: str, precision: str, allowed: float
) -> None:
    """Though a GPU computes more rows of its scores together."""
    here = replace(choose_device(128), precision=precision)

    expected = masked_loss(Device(torch.device("cpu"), "fp32"), size)
    found = masked_loss(here, size)

    assert [distance(a, b) < allowed for a, b in zip(found, expected, strict=True)] == [True, True]


class _Like(torch.Tensor):
    """A tensor of the CPU that is taken for one of a GPU."""

    is_cuda = True


class _LikeGpu(Device):
    """The CPU, on which what is written for a GPU computes."""

    def tensor(self, array: NDArray[Any]) -> Tensor:
        return super().tensor(array).as_subclass(_Like)


@pytest.mark.parametrize("what", [computed, masked_loss])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_what_is_written_for_a_gpu_computes_the_same(
    what: Callable[..., tuple[Tensor, Tensor]], dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is none: torch's attention and dropout, and the loss in its larger blocks."""
    taken = []
    attention = functional.scaled_dot_product_attention

    def counted(*tensors: Tensor, **how: Any) -> Tensor:
        taken.append(tensors)
        return attention(*tensors, **how)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counted)
    monkeypatch.setattr("pdbench.engine.operations._GPU_SCORES", 30_522 * 20)
    cpu = torch.device("cpu")
    torch.manual_seed(0)

    expected = what(Device(cpu, "fp32"), "2/128", dropout=dropout)
    found = what(_LikeGpu(cpu, "fp32"), "2/128", dropout=dropout)

    assert len(taken) == 2
    near = [distance(a, b) < EXACT for a, b in zip(found, expected, strict=True)]
    assert near == [True, True] or dropout
    assert all(bool(tensor.isfinite().all()) for tensor in found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_is_subtracted_in_both_ways(device: str, dtype: torch.dtype) -> None:
    """A GPU compares all columns, the CPU scatters: the bits are the same."""
    x = torch.rand(5, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    at = torch.tensor([[0], [6], [3], [3], [1]])
    place = choose_device(128).torch

    expected = _less_one_(x.clone(), at, compares=False)
    found = _less_one_(x.to(place, copy=True), at.to(place), compares=True)

    assert torch.equal(found.cpu(), expected)


def finetuned(
    name: str,
    size: str = "2/128",
    epochs: int = 6,
    keeper: Keeper | None = None,
    items: int = 512,
    **how: object,
) -> tuple[Classifier, Progress, Labelled]:
    """A model that is trained on an invented task, where PDBENCH_DEVICE says."""
    kind, data = invented.task(name, items)
    model = invented.classifier(size, kind, LABELS[name])
    progress = train_whole(model, kind, data, invented.settings(epochs, **how), 1, keeper)
    return model, progress, data


@functools.cache
def trained(place: str, name: str) -> tuple[Classifier, float]:
    """A model that learnt a task to its end on a device, and its share of right answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PDBENCH_DEVICE", place)
        model, _, _ = finetuned(name)
        return model, share_right(name, model)


def share_right(name: str, model: Classifier) -> float:
    """How well a model does on examples that it was not trained on."""
    kind, fresh = invented.task(name, 256, seed=1)
    return invented.share_right(kind, model, fresh)


@KINDS
def test_finetuning_ends_at_the_cpus_score(device: str, name: str) -> None:
    """Classes, scores, spans and rankings are learnt as well, with dropout of other numbers."""
    _, expected = trained("cpu", name)

    assert expected > 0.9
    assert trained(device, name)[1] == pytest.approx(expected, abs=0.05)


@KINDS
def test_without_dropout_losses_follow_the_cpus(
    device: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step for step: the order of the data, the updates, the clipping are the same."""
    _, found, _ = finetuned(name, epochs=2, dropout=0.0)
    monkeypatch.setenv("PDBENCH_DEVICE", "cpu")
    _, expected, _ = finetuned(name, epochs=2, dropout=0.0)

    np.testing.assert_allclose(found.losses, expected.losses, rtol=0.1, atol=0.02)
    assert (found.steps, found.pieces) == (expected.steps, expected.pieces)


def test_distillation_ends_at_the_teachers_answers(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soft labels are the CPU's, and a student of the device learns from them."""
    teacher, _ = trained("cpu", "classification")
    kind, data = invented.task("classification")
    labelled = {}
    for place in ("cpu", device):
        monkeypatch.setenv("PDBENCH_DEVICE", place)
        path = tmp_path / f"{place}.npy"
        kind.soft_label(teacher, data.tokens, data.items, path)
        labelled[place] = np.load(path)
    soft = kind.soft_labelled(data.tokens, labelled[device], data.items)
    student = invented.classifier("2/128", kind, LABELS["classification"], seed=5)

    train_whole(student, kind, soft, invented.settings(6), 1)

    np.testing.assert_allclose(labelled[device], labelled["cpu"], atol=0.05)
    assert share_right("classification", student) > 0.9


def pretrained(
    size: str = "2/128", keeper: Keeper | None = None, longest: int = 16, batch_tokens: int = 512
) -> tuple[MaskedLM, Progress]:
    """A model that is pre-trained on an invented corpus, where PDBENCH_DEVICE says."""
    model, shape = invented.masked_lm(size), invented.shape(size)
    settings = Pretraining(batch_tokens=batch_tokens, learning_rate=2e-3)
    objective, corpus = MaskedLanguage(shape, shape, 0), invented.corpus(longest=longest)
    progress = train_masked_lm(model, corpus, settings, 2e-3, 1, objective, keeper=keeper)
    return model, progress


def test_masked_lm_ends_at_the_cpus_loss(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It falls below what a guess costs, as far as there."""
    _, found = pretrained()
    monkeypatch.setenv("PDBENCH_DEVICE", "cpu")
    _, expected = pretrained()

    assert expected.loss < 0.95 * np.log(PIECES - invented.PLAIN)
    assert found.loss == pytest.approx(expected.loss, rel=0.05)
    np.testing.assert_allclose(found.losses[:3], expected.losses[:3], rtol=0.02)


OBJECTIVES = [
    "pdbench.methods.minilm:MiniLM",
    "pdbench.methods.patient_kd:PatientKD",
    "pdbench.methods.tinybert:TinyBert",
]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives_that_ask_a_teacher_give_the_cpus_loss(
    device: str, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gradients, all of which can be repeated."""
    kind, data = invented.task("classification", 8)
    batch = data.batch(np.arange(8), None)
    soft = np.full((8, 3), 1 / 3, np.float32)

    def taught() -> tuple[Tensor, Tensor]:
        here = replace(choose_device(128), precision="fp32")
        student, asked = (invented.classifier(s, kind, 3, seed=9) for s in ("2/128", "4/256"))
        student.bert.dropout = 0.0
        teacher = OnlineTeacher(asked)
        teacher.device = here
        own = objective_of(Stage(objective=objective, data="transfer"), kind, student, teacher, 3)
        trained = nn.ModuleDict({"student": student, "objective": own}).to(here.torch).train()
        inputs = here.inputs(batch.batch)
        shown = Exposed(student, *inputs, here.autocast)
        loss = own.checked_loss(
            shown, Exposed(teacher.model, *inputs, teacher.computing), here.tensor(soft)
        )
        loss.backward()
        return loss.detach(), gradients(trained)

    found = taught()
    monkeypatch.setenv("PDBENCH_DEVICE", "cpu")
    expected = taught()

    assert [distance(a, b) < EXACT for a, b in zip(found, expected, strict=True)] == [True, True]


class _Dying(Keeper):
    """Keeps the fifth step, and dies then."""

    def save(self, tensors: object, note: dict[str, int]) -> None:
        if note["step"] == 5:
            super().save(tensors, note)
            raise KeyboardInterrupt


TRAININGS: dict[str, Callable[[str, Keeper | None], nn.Module]] = {
    "classification": lambda size, keeper: finetuned("classification", size, 1, keeper)[0],
    "span": lambda size, keeper: finetuned("span", size, 1, keeper)[0],
    "ranking": lambda size, keeper: finetuned("ranking", size, 1, keeper, at_once=400)[0],
    "masked LM": lambda size, keeper: pretrained(size, keeper)[0],
}


@SIZED
@pytest.mark.parametrize("training", ["classification", "masked LM"])
def test_a_killed_run_ends_with_the_same_bits(
    device: str, size: str, training: str, tmp_path: Path
) -> None:
    """Killed after a step and started again, dropout and all."""
    train = TRAININGS[training]
    expected = weights(train(size, None))
    with pytest.raises(KeyboardInterrupt):
        train(size, _Dying(tmp_path, {"run": 1}, every=0.0))

    resumed = Keeper(tmp_path, {"run": 1})
    assert weights(train(size, resumed)) == expected


@pytest.mark.parametrize("training", TRAININGS)
def test_a_run_that_is_repeated_ends_with_the_same_bits(device: str, training: str) -> None:
    """Of every kind, and where gradients are added up."""
    first, again = (weights(TRAININGS[training]("2/128", None)) for _ in range(2))

    assert first == again


TRAINS_ALONE = """
import sys
sys.path[:0] = {paths!r}
import test_gpu
print(test_gpu.weights(test_gpu.finetuned("classification", epochs=1)[0]))
"""


def test_two_processes_on_one_device_disturb_neither(device: str) -> None:
    """Both end with the bits of a process alone."""
    expected = weights(finetuned("classification", epochs=1)[0])
    paths = [str(Path(__file__).parent), str(Path(pdbench.__file__).parents[1])]
    command = [sys.executable, "-c", TRAINS_ALONE.format(paths=paths)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    found = [process.communicate()[0].strip() for process in started]

    assert found == [expected, expected]


def test_predictions_are_the_cpus_in_the_order_of_the_items(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though they are computed in that of their lengths, and fetched one batch behind."""
    kind, data = invented.task("classification", 700)
    model = invented.classifier("2/128", kind, 3)

    found = predict(model, data.tokens)
    monkeypatch.setenv("PDBENCH_DEVICE", "cpu")

    np.testing.assert_allclose(found, predict(model, data.tokens), atol=0.05)


def waits(train: Callable[[], object]) -> Counter[str]:
    """How often a training waits for the device, or copies memory for which it must wait."""
    with torch.profiler.profile() as found:  # of all devices that there are
        train()
    names = [event.name for event in found.events() or ()]
    assert names
    return Counter(n for n in names if "Synchronize" in n or "Pageable" in n)


def distilled(epochs: int) -> None:
    """Train a student by soft labels of no meaning."""
    kind, data = invented.task("classification", 64)
    soft = Labelled(data.tokens, np.full((data.items, 3), 1 / 3, np.float32))
    train_whole(invented.classifier("2/128", kind, 3), kind, soft, invented.settings(epochs), 1)


WORKS: dict[str, Callable[[int], object]] = {
    "classification": lambda epochs: finetuned("classification", epochs=epochs, items=64),
    "span": lambda epochs: finetuned("span", epochs=epochs, items=64),
    "distillation": distilled,
    "masked LM": lambda epochs: pretrained(batch_tokens=8192 // epochs),
}


@pytest.mark.parametrize("work", WORKS)
def test_no_step_waits_for_the_device(device: str, work: str) -> None:
    """Twice the steps wait no more often: what waits comes before and after them."""
    WORKS[work](1)

    assert waits(lambda: WORKS[work](2)) == waits(lambda: WORKS[work](1))


@pytest.fixture
def _fresh_memory() -> Iterator[None]:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield
    torch.cuda.empty_cache()


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda"], indirect=True)
@pytest.mark.usefixtures("_fresh_memory")
def test_memory_does_not_grow_with_steps_of_many_shapes(device: str) -> None:
    """What is reserved after an epoch is nearly enough for ten, and nothing stays behind."""
    reserved, allocated = [], []
    for epochs in (1, 10):
        finetuned("classification", "4/256", epochs)
        pretrained("4/256", longest=16 * epochs)
        gc.collect()
        reserved.append(torch.cuda.memory_reserved())
        allocated.append(torch.cuda.memory_allocated())

    assert reserved[1] < 1.5 * reserved[0] + 2**28
    assert allocated[1] < allocated[0] + 2**24


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda"], indirect=True)
@pytest.mark.usefixtures("_fresh_memory")
def test_masked_lm_of_a_large_batch_fits(device: str) -> None:
    """65,536 pieces of 12/768 in a step need less than 40 GB."""
    here, pieces = choose_device(768), 65_536
    model = invented.masked_lm("12/768", 30_522).to(here.torch).train()
    ids = here.tensor(np.full((pieces // 128, 128), invented.PLAIN))
    positions = torch.arange(0, pieces, 7, device=here.torch)
    with here.autocast():
        states = model.states(ids, None, None, positions)
        loss = model.cross_entropy(states, ids.flatten()[positions])
    loss.backward()

    assert bool(loss.isfinite())
    assert torch.cuda.max_memory_allocated() < 40e9
