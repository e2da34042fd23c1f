"""What is computed is transformers' BERT: logits, losses, every gradient, and dropout.

The engine packs nothing: a batch is padded to its longest item and a little more, so padded
and bucketed batches are all there are.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

from pdbench.data.batches import Batch, _shuffled_buckets, collate
from pdbench.data.tokens import Tokens
from pdbench.engine import Bert, BertShape, Classifier, MaskedLM, random_model, write_checkpoint
from pdbench.engine.checkpoints import Checkpoint, _to_hugging_face
from pdbench.engine.device import Device, predict
from pdbench.engine.loop import _portions
from pdbench.engine.targets import LabelledBatch, Masked
from pdbench.kinds.classes import Classes

PIECES, MASK_ID, LABELS = 90, 4, 3
SHAPES = {
    "one head": BertShape(layers=1, hidden=16, heads=1, feed_forward=64, vocabulary=PIECES),
    "two heads": BertShape(layers=2, hidden=32, heads=2, feed_forward=128, vocabulary=PIECES),
    "four heads": BertShape(layers=3, hidden=64, heads=4, feed_forward=256, vocabulary=PIECES),
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-11}
CPU = Device(torch.device("cpu"), "fp32")

every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
every_type = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
every_text = pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For many small passes: threads that wait for busy cores make each ten times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _text(
    items: int, *, pairs: bool = False, low: int = 3, high: int = 40, seed: int = 0
) -> Tokens:
    """Items of ``low`` to ``high`` random pieces; of pairs, the second segment begins anywhere."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(low, high + 1, items)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pieces = rng.integers(5, PIECES, offsets[-1]).astype(np.uint16)
    seconds = rng.integers(1, lengths) if pairs else lengths
    return Tokens(pieces, offsets, seconds.astype(np.int32), "vocabulary", high)


def _classifier(shape: BertShape, dropout: float = 0.1) -> Classifier:
    return _drawn(Classifier(Bert(shape, dropout), LABELS))


def _masked_lm(shape: BertShape) -> MaskedLM:
    return _drawn(MaskedLM(Bert(shape)))


def _drawn(model):
    """Random weights, none of them at a value that would hide an error, such as a zero bias."""
    generator = torch.Generator().manual_seed(1)
    random_model(model, 0.15, generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    return model.eval()


def _theirs(ours: Classifier | MaskedLM) -> transformers.PreTrainedModel:
    """Transformers' model with the same weights and no dropout."""
    shape = ours.bert.shape
    configuration = transformers.BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        num_labels=LABELS,
    )
    if isinstance(ours, Classifier):
        model = transformers.BertForSequenceClassification(configuration)
    else:
        model = transformers.BertForMaskedLM(configuration)
    dtype = ours.bert.word_embeddings.weight.dtype
    found = model.to(dtype).load_state_dict(_to_hugging_face(ours), strict=False)
    assert not found.unexpected_keys
    assert all(".decoder." in key for key in found.missing_keys)  # tied to the embeddings
    return model.eval()


def _inputs(batch: Batch) -> tuple[Tensor, Tensor | None, Tensor | None]:
    return CPU.inputs(batch)


def _their_inputs(batch: Batch) -> dict[str, Tensor]:
    ids, segments, mask = _inputs(batch)
    return {
        "input_ids": ids,
        "token_type_ids": torch.zeros_like(ids) if segments is None else segments,
        "attention_mask": torch.ones_like(ids) if mask is None else mask.long(),
    }


def _same(found: Tensor, expected: Tensor) -> None:
    tolerance = TOLERANCE[expected.dtype]
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


def _same_gradients(ours: Classifier | MaskedLM, theirs: nn.Module) -> None:
    """The gradient of every parameter, by transformers' names."""
    holder = copy.deepcopy(ours)
    for own, held in zip(ours.parameters(), holder.parameters(), strict=True):
        held.data = torch.zeros_like(own) if own.grad is None else own.grad
    found = _to_hugging_face(holder)
    expected = {name: p.grad for name, p in theirs.named_parameters()}
    assert found.keys() == expected.keys()
    tolerance = TOLERANCE[ours.bert.word_embeddings.weight.dtype]
    for name, gradient in expected.items():
        difference = (found[name] - gradient).abs().max()
        assert difference <= tolerance, f"{name}: {difference:.1e} of {gradient.abs().max():.1e}"
        assert gradient.any() or "key.bias" in name or "token_type" in name, name


def _batch(tokens: Tokens, index: list[int] | None = None) -> Batch:
    return collate(tokens, np.arange(len(tokens)) if index is None else np.array(index))


@every_shape
@every_type
@every_text
@pytest.mark.parametrize("low", [3, 40], ids=["padded", "full"])
def test_a_classifier_has_transformers_logits_and_gradients(shape, dtype, pairs, low) -> None:
    """With and without padding, segments and several heads; of every parameter."""
    ours = _classifier(shape).to(dtype)
    theirs = _theirs(ours)
    batch = _batch(_text(8, pairs=pairs, low=low))
    labels = torch.arange(8) % LABELS

    logits, expected = ours(*_inputs(batch)), theirs(**_their_inputs(batch)).logits
    Classes.loss(logits, labels).backward()
    functional.cross_entropy(expected, labels).backward()

    assert (batch.mask is None) == (low == 40)
    assert (batch.segments is None) == (not pairs)
    _same(logits, expected)
    _same_gradients(ours, theirs)


def test_soft_labels_have_transformers_gradients() -> None:
    """The loss of distillation is the cross-entropy with probabilities."""
    ours = _classifier(SHAPES["two heads"])
    theirs = _theirs(ours)
    batch = _batch(_text(8, pairs=True))
    soft = torch.rand(8, LABELS, generator=torch.Generator().manual_seed(5)).softmax(dim=1)

    Classes.loss(ours(*_inputs(batch)), soft).backward()
    log_probabilities = theirs(**_their_inputs(batch)).logits.log_softmax(dim=1)
    (-(soft * log_probabilities).sum() / 8).backward()

    _same_gradients(ours, theirs)


def _masked(tokens: Tokens) -> tuple[Batch, Tensor, Tensor]:
    rng = np.random.default_rng(2)
    masked = Masked.of(_batch(tokens), 0.3, range(5, PIECES), MASK_ID, rng)
    return masked.batch, torch.from_numpy(masked.positions), torch.from_numpy(masked.targets)


def _their_scores(theirs: nn.Module, batch: Batch, positions: Tensor) -> Tensor:
    return theirs(**_their_inputs(batch)).logits.flatten(0, 1)[positions]


@every_shape
@every_type
@every_text
def test_masked_lm_has_transformers_scores_and_gradients(shape, dtype, pairs) -> None:
    """Scoring masked positions alone gives what scoring every position gives."""
    ours = _masked_lm(shape).to(dtype)
    theirs = _theirs(ours)
    batch, positions, targets = _masked(_text(8, pairs=pairs))

    found = ours.scores(ours.states(*_inputs(batch), positions))
    expected = _their_scores(theirs, batch, positions)
    functional.cross_entropy(found, targets).backward()
    functional.cross_entropy(expected, targets).backward()

    _same(found, expected)
    _same_gradients(ours, theirs)


@every_shape
@every_text
@pytest.mark.parametrize("scored", [None, 60], ids=["all pieces", "60 pieces"])
def test_the_masked_lm_loss_has_transformers_gradients(shape, pairs, scored) -> None:
    """The loss that training uses keeps no scores and may choose among the first pieces."""
    ours = _masked_lm(shape)
    theirs = _theirs(ours)
    batch, positions, targets = _masked(_text(8, pairs=pairs))
    targets = targets % (scored or PIECES)

    loss = ours.cross_entropy(ours.states(*_inputs(batch), positions), targets, scored)
    scores = _their_scores(theirs, batch, positions)[:, :scored]
    expected = functional.cross_entropy(scores, targets)
    loss.backward()
    expected.backward()

    _same(loss, expected)
    _same_gradients(ours, theirs)


@pytest.mark.usefixtures("one_thread")
@every_text
def test_buckets_have_the_logits_and_gradients_of_any_other_batches(pairs) -> None:
    """One pass over 300 items of many lengths in buckets, against file order padded to 64."""
    ours = _classifier(SHAPES["four heads"])
    theirs = _theirs(ours)
    tokens = _text(300, pairs=pairs, high=64)
    labels = torch.arange(300) % LABELS
    found, expected = torch.zeros(300, LABELS), torch.zeros(300, LABELS)

    for index in _shuffled_buckets(tokens.lengths, 32, np.random.default_rng(0)):
        logits = ours(*_inputs(collate(tokens, index)))
        (functional.cross_entropy(logits, labels[index], reduction="sum") / 300).backward()
        found[index] = logits.detach()
    for batch in _padded_to_64(tokens):
        logits = theirs(**_their_inputs(batch)).logits
        (functional.cross_entropy(logits, labels[batch.index], reduction="sum") / 300).backward()
        expected[batch.index] = logits.detach()

    _same(found, expected)
    _same_gradients(ours, theirs)


def _padded_to_64(tokens: Tokens) -> Iterator[Batch]:
    for start in range(0, len(tokens), 50):
        batch = collate(tokens, np.arange(start, start + 50))
        wide = ((0, 0), (0, 64 - batch.ids.shape[1]))
        ids, mask = np.pad(batch.ids, wide), np.pad(batch.mask, wide)
        segments = None if batch.segments is None else np.pad(batch.segments, wide)
        yield Batch(batch.index, ids, segments, mask)


def _gradients(model: nn.Module) -> list[Tensor]:
    found = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    return found


@every_text
def test_batch_8_is_batch_4_accumulated_twice(pairs) -> None:
    """The mean over 8 items is the mean of two halves, although the halves pad differently."""
    model = _classifier(SHAPES["four heads"])
    tokens = _text(8, pairs=pairs)
    order = np.argsort(tokens.lengths)
    whole = LabelledBatch(collate(tokens, order), np.arange(8) % LABELS)
    halves = list(_portions(whole, 4 * whole.batch.ids.shape[1]))

    assert [len(half) for half in halves] == [4, 4]
    assert halves[0].batch.ids.shape < halves[1].batch.ids.shape
    _mean_loss(model, whole).backward()
    expected = _gradients(model)
    for half in halves:
        (_mean_loss(model, half) * len(half) / len(whole)).backward()

    for ours, wanted in zip(_gradients(model), expected, strict=True):
        _same(ours, wanted)


def _mean_loss(model: Classifier, work: LabelledBatch) -> Tensor:
    return Classes.loss(model(*_inputs(work.batch)), torch.from_numpy(work.targets))


def test_masked_lm_accumulates_by_masked_pieces() -> None:
    """Halves with unlike numbers of masked pieces weigh as much as they have of them."""
    model = _masked_lm(SHAPES["four heads"])
    tokens = _text(8)
    whole = Masked.of(_batch(tokens), 0.3, range(5, PIECES), MASK_ID, np.random.default_rng(3))
    halves = list(_portions(whole, 4 * whole.batch.ids.shape[1]))

    def mean_loss(work) -> Tensor:
        positions, targets = torch.from_numpy(work.positions), torch.from_numpy(work.targets)
        return model.cross_entropy(model.states(*_inputs(work.batch), positions), targets)

    assert len(halves) == 2
    assert len(halves[0]) != len(halves[1])
    mean_loss(whole).backward()
    expected = _gradients(model)
    for half in halves:
        (mean_loss(half) * len(half) / len(whole)).backward()

    for ours, wanted in zip(_gradients(model), expected, strict=True):
        _same(ours, wanted)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_evaluations_of_a_checkpoint_are_identical(precision, tmp_path: Path) -> None:
    """Read twice and scored twice: the same bits."""
    tokens = _text(300, pairs=True, high=64)
    write_checkpoint(tmp_path, _classifier(SHAPES["four heads"]), labels=["a", "b", "c"])
    device = Device(torch.device("cpu"), precision)

    first, second = (
        predict(Checkpoint(tmp_path).classifier(["a", "b", "c"]), tokens, device) for _ in range(2)
    )

    assert first.tobytes() == second.tobytes()


@every_text
def test_an_items_logits_do_not_depend_on_its_batch(pairs) -> None:
    """Alone, or among others of any length."""
    model = _classifier(SHAPES["four heads"])
    tokens = _text(200, pairs=pairs, high=64)

    together = torch.from_numpy(predict(model, tokens, CPU))
    with torch.inference_mode():
        alone = torch.cat([model(*_inputs(_batch(tokens, [i]))) for i in range(200)])

    _same(together, alone)


def test_what_stands_at_padding_changes_nothing() -> None:
    """Neither logits nor gradients see the ids and segments behind an item."""
    model = _classifier(SHAPES["two heads"])
    batch = _batch(_text(8, pairs=True))
    noisy = Batch(
        batch.index,
        np.where(batch.mask, batch.ids, 77),
        np.where(batch.mask, batch.segments, 1),
        batch.mask,
    )
    found = []
    for each in (batch, noisy):
        logits = model(*_inputs(each))
        logits.square().sum().backward()
        found.append((logits.detach(), _gradients(model)))

    assert torch.equal(found[0][0], found[1][0])
    for first, second in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(first, second, atol=1e-6, rtol=1e-5)


DROPPED = 0.25


def _dropped_numbers(model: Classifier, items: int, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """What goes into and comes out of each dropout of a forward pass in training mode.

    A dropout that is added to a residual is what the sum has more than the residual.
    """
    seen: dict[str, Tensor] = {}

    def into(name: str):
        return lambda _, inputs: seen.update({f"into {name}": inputs[0].detach().clone()})

    def out_of(name: str):
        return lambda _, __, output: seen.update({f"out of {name}": output.detach().clone()})

    layer = model.bert.layers[0]
    parts = {
        "embedding_norm": model.bert.embedding_norm,
        "layer": layer,
        "attended": layer.attended,
        "attention_norm": layer.attention_norm,
        "outer": layer.outer,
        "output_norm": layer.output_norm,
        "output": model.output,
        "pooler": model.bert.pooler,
    }
    hooks = [part.register_forward_pre_hook(into(name)) for name, part in parts.items()]
    hooks += [part.register_forward_hook(out_of(name)) for name, part in parts.items()]
    torch.manual_seed(seed)
    model.train()
    model(*_inputs(_batch(_text(items, pairs=True))))
    for hook in hooks:
        hook.remove()
    after_attention = seen["into attention_norm"] - seen["into layer"]
    after_inner = seen["into output_norm"] - seen["out of attention_norm"]
    return {
        "embeddings": (seen["out of embedding_norm"], seen["into layer"]),
        "attention output": (seen["out of attended"], after_attention),
        "feed-forward output": (seen["out of outer"], after_inner),
        "pooled": (seen["out of pooler"].tanh(), seen["into output"]),
    }


PLACES = ["embeddings", "attention output", "feed-forward output", "pooled"]


@pytest.mark.parametrize("place", PLACES)
def test_dropout_acts_where_berts_does(place) -> None:
    """A share p becomes zero, the others are divided by 1 - p, everywhere that BERT drops."""
    model = _classifier(SHAPES["two heads"], DROPPED).double()

    before, after = _dropped_numbers(model, 64, 0)[place]

    zero = after.abs() < 1e-12
    share = zero.double().mean()
    assert abs(share - DROPPED) < 5 * (DROPPED * (1 - DROPPED) / zero.numel()) ** 0.5
    torch.testing.assert_close(after[~zero], before[~zero] / (1 - DROPPED))


@pytest.mark.usefixtures("one_thread")
def test_attention_weights_drop_out() -> None:
    """What a layer attends to is another mixture each time, and on average the whole one."""
    bert = _classifier(SHAPES["two heads"], DROPPED).train().bert
    layer = bert.layers[0]
    x = torch.randn(4, 9, 32, generator=torch.Generator().manual_seed(0))
    seen: list[Tensor] = []
    layer.attended.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    for seed in range(400):
        torch.manual_seed(seed)
        layer(x, layer.project(x), None, bert.noise(), None)
    layer(x, layer.project(x), None, None, None)
    *drawn, expected = seen
    stacked = torch.stack(drawn)

    assert not torch.equal(drawn[0], drawn[1])
    assert ((stacked.mean(0) - expected).abs() < 5 * stacked.std(0) / 400**0.5).all()


@pytest.mark.usefixtures("one_thread")
def test_a_linear_probe_of_dropped_numbers_has_the_mean_of_the_whole_ones() -> None:
    """Over many seeds, the output layer sees on average what it sees without dropout."""
    model = _classifier(SHAPES["two heads"], DROPPED).double()
    with torch.no_grad():
        differences = []
        for seed in range(200):
            before, after = _dropped_numbers(model, 4, seed)["pooled"]
            differences.append(model.output(after) - model.output(before))
    stacked = torch.stack(differences).flatten(1)

    assert (stacked.std(0) > 0).all()
    assert (stacked.mean(0).abs() < 5 * stacked.std(0) / 200**0.5).all()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("make", [_classifier, _masked_lm], ids=["classifier", "masked lm"])
@every_text
def test_gradients_with_dropout_are_those_of_what_was_computed(make, pairs) -> None:
    """A small step in any direction changes the loss as its gradient says, masks being fixed."""
    model = make(SHAPES["two heads"]).double().train()
    batch, positions, targets = _masked(_text(8, pairs=pairs))
    model.bert.dropout = DROPPED

    def loss() -> Tensor:
        torch.manual_seed(7)
        if isinstance(model, Classifier):
            return Classes.loss(model(*_inputs(batch)), torch.arange(8) % LABELS)
        scores = model.scores(model.states(*_inputs(batch), positions))
        return Classes.loss(scores, targets)

    loss().backward()
    gradients, weights = _gradients(model), [p.detach().clone() for p in model.parameters()]
    generator = torch.Generator().manual_seed(8)
    for _ in range(4):
        direction = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights]
        changes = []
        for step in (1e-6, -1e-6):
            for parameter, weight, way in zip(model.parameters(), weights, direction, strict=True):
                parameter.data = weight + step * way
            changes.append(loss().detach())
        expected = sum((g * way).sum() for g, way in zip(gradients, direction, strict=True))
        torch.testing.assert_close((changes[0] - changes[1]) / 2e-6, expected, atol=0, rtol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_seed_decides_the_dropout(precision) -> None:
    """Same seed, same logits and gradients, to the bit; another seed, others."""
    model = _classifier(SHAPES["four heads"]).train()
    place, batch = Device(torch.device("cpu"), precision), _batch(_text(8, pairs=True))

    def trained(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        with place.autocast():
            logits = model(*_inputs(batch))
        logits.float().square().sum().backward()
        return [logits, *_gradients(model)]

    first, again, other = trained(1), trained(1), trained(2)

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_no_dropout_is_evaluation() -> None:
    """In training mode too, where the probability is zero."""
    model = _classifier(SHAPES["two heads"], 0.0)
    batch = _batch(_text(8))
    expected = model.eval()(*_inputs(batch))

    assert torch.equal(model.train()(*_inputs(batch)), expected)
