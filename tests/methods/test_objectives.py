"""The losses of other papers' methods, against plain re-implementations of their formulas."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from pdbench.core.errors import UsageError
from pdbench.engine import Bert, BertShape, Classifier, random_model
from pdbench.engine.exposed import Exposed
from pdbench.methods.distilbert import DistilBert
from pdbench.methods.minilm import MiniLM
from pdbench.methods.objective import (
    Objective,
    soft_loss,
    uniform_layers,
)
from pdbench.methods.patient_kd import PatientKD
from pdbench.methods.tinybert import TinyBert

Array = NDArray[np.float64]

STUDENT = BertShape(layers=2, hidden=32, heads=1, feed_forward=64, vocabulary=30)
TEACHER = BertShape(layers=4, hidden=64, heads=2, feed_forward=128, vocabulary=30)
LENGTHS = (6, 4, 2)
SOFT = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]])
HARD = np.array([1, 0, 1])


def _model(shape: BertShape, seed: int) -> Classifier:
    model = Classifier(Bert(shape, dropout=0.0), 2).eval()
    random_model(model, 0.3, torch.Generator().manual_seed(seed))
    return model


@pytest.fixture(scope="module")
def models() -> tuple[Classifier, Classifier]:
    """A student and a teacher of other depth, width and heads."""
    return _model(STUDENT, 0), _model(TEACHER, 1)


def _inputs() -> tuple[torch.Tensor, None, torch.Tensor]:
    ids = torch.from_numpy(np.random.default_rng(0).integers(1, 30, (3, max(LENGTHS))))
    mask = torch.arange(max(LENGTHS))[None, :] < torch.tensor(LENGTHS)[:, None]
    return ids * mask, None, mask


def _loss(
    objective: Objective, models: tuple[Classifier, Classifier], targets: Array | NDArray[np.int64]
) -> float:
    soft = targets.ndim == 2
    tensor = torch.from_numpy(targets.astype(np.float32 if soft else np.int64))
    whole = objective.last_states
    with torch.no_grad():
        ours, theirs = (Exposed(m, *_inputs(), last_states=whole) for m in models)
        return float(objective(ours, theirs, tensor))


class Plain:
    """A BERT in numpy, one sentence at a time, which keeps everything on the way."""

    def __init__(self, model: Classifier, ids: Array) -> None:
        self.w = {k: v.numpy().astype(np.float64) for k, v in model.state_dict().items()}
        shape = model.bert.shape
        size = shape.hidden // shape.heads
        x = self.w["bert.word_embeddings.weight"][ids.astype(int)]
        x = x + self.w["bert.position_embeddings.weight"][: len(ids)]
        x = self._norm(x + self.w["bert.segment_embeddings.weight"][0], "bert.embedding_norm")
        self.states, self.qkv, self.scores = [x], [], []
        for i in range(shape.layers):
            name = f"bert.layers.{i}"
            q, k, v = np.split(self._linear(x, f"{name}.query_key_value"), 3, axis=1)
            self.qkv.append((q, k, v))
            heads = [slice(a * size, (a + 1) * size) for a in range(shape.heads)]
            scores = [q[:, a] @ k[:, a].T / math.sqrt(size) for a in heads]
            self.scores.append(np.stack(scores))
            context = [softmax(s) @ v[:, a] for s, a in zip(scores, heads, strict=True)]
            attended = self._linear(np.concatenate(context, axis=1), f"{name}.attended")
            x = self._norm(x + attended, f"{name}.attention_norm")
            inner = self._linear(x, f"{name}.inner")
            gelu = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
            x = self._norm(x + self._linear(gelu, f"{name}.outer"), f"{name}.output_norm")
            self.states.append(x)
        self.logits = self._linear(np.tanh(self._linear(x[0], "bert.pooler")), "output")

    def _linear(self, x: Array, name: str) -> Array:
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def _norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return scaled * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]


def softmax(x: Array) -> Array:
    """Over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def plain(models: tuple[Classifier, Classifier]) -> list[tuple[Plain, Plain]]:
    """Student and teacher in numpy, for each sentence without its padding."""
    ids, _, _ = _inputs()
    return [
        (Plain(models[0], ids[i, :n].numpy()), Plain(models[1], ids[i, :n].numpy()))
        for i, n in enumerate(LENGTHS)
    ]


def _matrix(module: nn.Module) -> Array:
    return module.weight.detach().numpy().astype(np.float64).T  # type: ignore[operator, union-attr]


def _unit(x: Array) -> Array:
    return x / np.sqrt((x**2).sum())


@pytest.mark.parametrize("normalised", [True, False], ids=["norm 1", "as they are"])
@pytest.mark.parametrize(("layers", "mapped"), [("skip", 2), ("last", 3)])
@pytest.mark.parametrize("targets", [SOFT, HARD], ids=["soft", "hard"])
def test_patient_kd(models, plain, layers, mapped, targets, normalised) -> None:
    """(1 - a) CE + a T^2 soft CE + b patience, where layer 1 of 2 meets layer 2 or 3 of 4."""
    a, b, t = 0.3, 50.0, 4.0
    options = {"alpha": a, "beta": b, "temperature": t, "normalised": normalised}
    objective = PatientKD(STUDENT, TEACHER, 2, layers=layers, **options)
    w = _matrix(objective.projections[0])
    scaled = _unit if normalised else np.array

    costs = []
    for i, (student, teacher) in enumerate(plain):
        hard = targets.ndim == 1
        q = softmax(teacher.logits / t) if hard else softmax(np.log(targets[i]) / t)
        soft = -(q * np.log(softmax(student.logits / t))).sum()
        patience = scaled(student.states[1][0] @ w) - scaled(teacher.states[mapped][0])
        cost = a * t**2 * soft + b * (patience**2).mean()
        if hard:
            cost -= (1 - a) * np.log(softmax(student.logits))[targets[i]]
        costs.append(cost)

    assert len(objective.mapped) == 1
    assert _loss(objective, models, targets) == pytest.approx(np.mean(costs), rel=1e-4)


def test_patient_kd_maps_the_papers_layers() -> None:
    """Of 12 layers to 6, PKD-skip takes 2, 4, 6, 8, 10 and PKD-last 7 to 11."""
    six, twelve = (BertShape(n, 64, 1, 256, 30) for n in (6, 12))

    assert PatientKD(six, twelve, 2, layers="skip").mapped == (2, 4, 6, 8, 10)
    assert PatientKD(six, twelve, 2, layers="last").mapped == (7, 8, 9, 10, 11)


def test_patient_kd_takes_its_authors_grid() -> None:
    """Every temperature, alpha and beta, with normalised states or not, as options of a stage."""
    grid = {"temperature": (5, 10, 20), "alpha": (0.2, 0.5, 0.7), "beta": (1, 10, 100, 500, 1000)}
    for values in itertools.product(*grid.values(), (True, False)):
        options = dict(zip([*grid, "normalised"], values, strict=True))
        path = "pdbench.methods.patient_kd:PatientKD"
        found = Objective.build(path, options, STUDENT, TEACHER, 2, 0)
        assert {name: getattr(found, name) for name in options} == options


def test_class_probabilities_are_not_learnt_in_a_regression() -> None:
    """One output has the softmax 1 whatever the model says: refused, not a loss of 0."""
    with pytest.raises(UsageError, match="a regression has none"):
        soft_loss(torch.randn(4, 1), torch.randn(4, 1))


def test_tinybert(models, plain) -> None:
    """Embeddings, states and scores of layers 1 and 2 against 2 and 4, mean scores of heads."""
    objective = TinyBert(STUDENT, TEACHER, 2)
    of_embeddings, of_states = _matrix(objective.of_embeddings), _matrix(objective.of_states)

    costs = []
    for student, teacher in plain:
        cost = ((student.states[0] @ of_embeddings - teacher.states[0]) ** 2).mean()
        for own, theirs in ((1, 2), (2, 4)):
            cost += ((student.states[own] @ of_states - teacher.states[theirs]) ** 2).mean()
            means = [m.scores[n - 1].mean(axis=0) for m, n in ((student, own), (teacher, theirs))]
            cost += ((means[0] - means[1]) ** 2).mean()
        costs.append(cost)

    assert _loss(objective, models, SOFT) == pytest.approx(np.mean(costs), rel=1e-4)


def test_tinybert_compares_heads_where_they_are_as_many(plain) -> None:
    """With equal head counts every head is compared with its own."""
    same = BertShape(layers=2, hidden=64, heads=2, feed_forward=64, vocabulary=30)
    objective = TinyBert(same, TEACHER, 2)
    models = _model(same, 5), _model(TEACHER, 1)
    ids, _, _ = _inputs()

    costs = []
    for i, n in enumerate(LENGTHS):
        student, teacher = (Plain(m, ids[i, :n].numpy()) for m in models)
        cost = ((student.states[0] - teacher.states[0]) ** 2).mean()
        for own, theirs in ((1, 2), (2, 4)):
            cost += ((student.states[own] - teacher.states[theirs]) ** 2).mean()
            cost += ((student.scores[own - 1] - teacher.scores[theirs - 1]) ** 2).mean()
        costs.append(cost)

    assert _loss(objective, models, SOFT) == pytest.approx(np.mean(costs), rel=1e-4)


@pytest.mark.parametrize("heads", [1, 8])
def test_minilm(models, plain, heads) -> None:
    """The divergence of the relations of queries, keys and values, in any number of heads."""
    objective = MiniLM(STUDENT, TEACHER, 2, relation_heads=heads)

    costs = []
    for student, teacher in plain:
        cost = 0.0
        for ours, theirs in zip(student.qkv[-1], teacher.qkv[-1], strict=True):
            pairs = zip(np.split(ours, heads, 1), np.split(theirs, heads, 1), strict=True)
            for a, b in pairs:
                p, q = (softmax(x @ x.T / math.sqrt(x.shape[1])) for x in (b, a))
                cost += (p * np.log(p / q)).sum(axis=1).mean() / heads
        costs.append(cost)

    assert _loss(objective, models, SOFT) == pytest.approx(np.mean(costs), rel=1e-4)


def test_distilbert() -> None:
    """Soft cross-entropy at T, masked-LM cross-entropy and cosines, weighted 5, 2 and 1."""
    rng = np.random.default_rng(0)
    ours, theirs = (rng.normal(size=(5, 9)) for _ in range(2))
    h_s, h_t = (rng.normal(size=(5, 4)) for _ in range(2))
    targets, t = np.array([0, 3, 8, 2, 2]), 2.0
    objective = DistilBert(STUDENT, STUDENT, 0, temperature=t)

    found = objective(
        *(
            SimpleNamespace(states=torch.tensor(h), logits=torch.tensor(z))
            for h, z in ((h_s, ours), (h_t, theirs))
        ),
        torch.tensor(targets),
    )

    soft = -(softmax(theirs / t) * np.log(softmax(ours / t))).sum(axis=1)
    masked = -np.log(softmax(ours))[np.arange(5), targets]
    cosine = [_unit(a) @ _unit(b) for a, b in zip(h_s, h_t, strict=True)]
    expected = (5 * t**2 * soft + 2 * masked + 1 - np.array(cosine)).mean()
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("student", "teacher", "layers"),
    [(6, 12, (0, 2, 4, 7, 9, 11)), (1, 4, (0,)), (2, 12, (0, 11)), (3, 3, (0, 1, 2))],
)
def test_distilbert_begins_with_the_authors_layers(student, teacher, layers) -> None:
    """From the first to the last, counted from 0 as scripts/extract_distilbert.py does."""
    shapes = (BertShape(n, 64, 1, 256, 30) for n in (student, teacher))

    assert [n - 1 for n in DistilBert(*shapes, 0).start_layers()] == list(layers)


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"masked": -1.0}, {"smoothing": -0.5}])
def test_distilbert_refuses_what_cannot_train(options) -> None:
    """A temperature of 0 would be a loss that is not a number, found after the training."""
    with pytest.raises(ValueError, match="temperature above 0"):
        DistilBert(STUDENT, STUDENT, 0, **options)


@pytest.mark.parametrize("kind", [PatientKD, TinyBert, MiniLM])
def test_a_batch_costs_the_mean_of_its_items(kind, models) -> None:
    """Padding and company change nothing, so that gradients of portions may be added up."""
    objective = kind(STUDENT, TEACHER, 2)
    ids, _, mask = _inputs()
    whole = _loss(objective, models, SOFT)

    alone = []
    for i, n in enumerate(LENGTHS):
        pair = [
            Exposed(m, ids[i : i + 1, :n], None, None, last_states=objective.last_states)
            for m in models
        ]
        target = torch.from_numpy(SOFT[i : i + 1].astype(np.float32))
        alone.append(float(objective(*pair, target).detach()))

    assert mask.any()
    assert whole == pytest.approx(np.mean(alone), rel=1e-4)


def test_equal_widths_need_no_projection() -> None:
    """Nothing is learnt beside the student where widths agree."""
    for kind in (PatientKD, TinyBert, MiniLM):
        assert list(kind(TEACHER, TEACHER, 2).parameters()) == []
        assert all(p.requires_grad for p in kind(STUDENT, TEACHER, 2).parameters())


def test_layers_are_taken_evenly() -> None:
    """The last layer meets the last, and a shallower teacher is refused."""
    assert uniform_layers(6, 12) == (2, 4, 6, 8, 10, 12)
    assert uniform_layers(3, 3) == (1, 2, 3)
    assert uniform_layers(4, 6) == (1, 3, 4, 6)
    with pytest.raises(ValueError, match="teacher of 2 layers cannot match a student of 3"):
        uniform_layers(3, 2)


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("pdbench.methods.minilm:MiniLM", {"relation_head": 4}, "did you mean 'relation_heads'"),
        ("pdbench.methods.minilm:MiniLM", {"relation_heads": "many"}, "option relation_heads"),
        ("pdbench.methods.minilm:MiniLM", {"relation_heads": 5}, "5 does not divide the student's"),
        ("pdbench.methods.minilm:MiniLM", {"relation_heads": 0}, "does not divide"),
        ("pdbench.methods.patient_kd:PatientKD", {"layers": "first"}, "option layers"),
        ("pdbench.methods.patient_kd:PatientKD", {"alpha": 1.5}, "alpha is from 0 to 1"),
        ("pdbench.methods.patient_kd:PatientKD", {"temperature": 0}, "temperature above 0"),
        ("pdbench.methods.tinybert:TinyBert", {"beta": 1}, "unknown option 'beta'; it has none"),
        ("pdbench.methods.tinybert:TinyBERT", {}, "no class 'TinyBERT'.*did you mean 'TinyBert'"),
        ("pdbench.methods.nothing:Nothing", {}, "cannot be imported"),
        ("pdbench.methods.distilbert:DistilBert", {}, "is no Objective"),
    ],
)
def test_a_wrong_objective_is_one_line(path, options, words) -> None:
    """What methods.yaml can get wrong names the file, the class and the remedy."""
    with pytest.raises(UsageError, match=words) as caught:
        Objective.build(path, options, STUDENT, TEACHER, 2, seed=0)

    assert str(caught.value).startswith("config/methods.yaml: ")
    assert "\n" not in str(caught.value)


class Strange(Objective):
    """An objective whose loss, or failure, is handed to it."""

    title, formula, exposes = "Strange", "any", "nothing"

    def __init__(self, student, teacher, labels, *, weight: float, power=2) -> None:
        super().__init__(student, teacher, labels)

    def forward(self, student, teacher, targets):
        if isinstance(targets, Exception):
            raise targets
        return targets


class Unsaid(Objective):
    """An objective without words for the table of methods."""


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "forward returns no scalar tensor, but NoneType; return the mean"),
        (0.5, "forward returns no scalar tensor, but float"),
        (torch.ones(3, requires_grad=True), r"no scalar tensor, but shape \(3,\)"),
        (torch.tensor(0.5), "its loss has no gradient"),
        (KeyError("a\nb"), r"KeyError: 'a\\nb' \(.*test_objectives.py, line \d+\); mend"),
        (RuntimeError("mat1\nand mat2"), "RuntimeError: mat1 and mat2 .*test_objectives.py"),
    ],
)
def test_a_loss_that_cannot_train_is_one_line(returned, words) -> None:
    """What an objective does wrong in a batch names its class, and where its code failed."""
    objective = Strange(STUDENT, TEACHER, 2, weight=1.0)

    with pytest.raises(UsageError, match=words) as caught:
        objective.checked_loss(None, None, returned)

    assert str(caught.value).startswith(f"{__name__}:Strange: ")
    assert "\n" not in str(caught.value)


def test_a_lack_of_memory_is_not_the_objectives_fault() -> None:
    """It stays what it is, and so does a line of our own."""
    objective = Strange(STUDENT, TEACHER, 2, weight=1.0)
    for error in (MemoryError(), torch.OutOfMemoryError(), UsageError("this", "that")):
        with pytest.raises(type(error)) as caught:
            objective.checked_loss(None, None, error)
        assert caught.value is error


def test_options_are_typed_and_whole(monkeypatch) -> None:
    """An option without a type, one that is missing, and a class without words are refused."""

    def build(name: str, **options: float) -> None:
        Objective.build(f"{__name__}:{name}", options, STUDENT, TEACHER, 2, seed=0)

    with pytest.raises(UsageError, match="option power has no type; annotate it"):
        build("Strange", weight=1.0)
    monkeypatch.setattr(Strange.__init__, "__annotations__", {"weight": float, "power": int})
    with pytest.raises(UsageError, match="option weight is missing; give it under options"):
        build("Strange")
    with pytest.raises(UsageError, match="does not say its title, formula, exposes"):
        build("Unsaid")


@pytest.mark.parametrize("text", ["def forward(:\n", "weight = no_such_name\n", "1 / 0\n"])
def test_a_module_that_fails_is_one_line(text, tmp_path, monkeypatch) -> None:
    """Whatever stops the import of an objective's module, its author reads one line."""
    (tmp_path / "failing_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(UsageError, match="module failing_module cannot be imported") as caught:
        Objective.build("failing_module:My", {}, STUDENT, TEACHER, 2, seed=0)

    assert "\n" not in str(caught.value)


def test_own_parameters_come_from_the_seed() -> None:
    """Projections are drawn from the run's seed, and torch's own generator stays as it was."""
    path = "pdbench.methods.tinybert:TinyBert"
    before = torch.random.get_rng_state()

    one, again, other = (Objective.build(path, {}, STUDENT, TEACHER, 2, seed=s) for s in (1, 1, 2))

    weights = [model.of_states.weight for model in (one, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(before, torch.random.get_rng_state())
