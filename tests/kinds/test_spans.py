"""The model of spans equals transformers' BertForQuestionAnswering, and its losses the formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from pdbench.engine import Bert, BertShape, random_model, write_checkpoint
from pdbench.engine.checkpoints import Checkpoint
from pdbench.kinds.spans import _PADDED, Spans, _best_span, _SpanReader

IDS = torch.tensor([[2, 5, 6, 3, 20, 21, 3], [2, 8, 3, 9, 3, 0, 0]])
SEGMENTS = torch.tensor([[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]])
MASK = IDS > 0


@pytest.fixture
def model() -> _SpanReader:
    """A small model with random weights."""
    found = _SpanReader(Bert(BertShape(2, 16, 2, 32, 40)), 2)
    random_model(found, 0.2, torch.Generator().manual_seed(0))
    return found.eval()


def test_checkpoints_are_transformers_own(model: _SpanReader, tmp_path: Path) -> None:
    """It reads what is written here and says the same, and so does what is read back."""
    from transformers import BertForQuestionAnswering

    write_checkpoint(tmp_path, model)
    theirs = BertForQuestionAnswering.from_pretrained(tmp_path).eval()
    again = Checkpoint(tmp_path).classifier((), head=_SpanReader).eval()
    with torch.no_grad():
        expected = theirs(input_ids=IDS, token_type_ids=SEGMENTS, attention_mask=MASK.long())
        ours, back = model(IDS, SEGMENTS, MASK), again(IDS, SEGMENTS, MASK)

    for place, logits in enumerate((expected.start_logits, expected.end_logits)):
        assert torch.allclose(ours[..., place][MASK], logits[MASK], atol=1e-5)
    assert torch.equal(ours, back)
    assert (ours[~MASK] == _PADDED).all()


def test_losses_are_means_of_both_places(model: _SpanReader) -> None:
    """Half of each cross-entropy, with the answer's pieces and with a teacher's distributions."""
    logits = model(IDS, SEGMENTS, MASK).detach()
    places = torch.tensor([[4, 5], [0, 0]])
    soft = torch.rand(2, 9, 2).masked_fill(~functional.pad(MASK, (0, 2))[..., None], 0.0)
    soft = soft / soft.sum(dim=1, keepdim=True)  # padded further than the logits

    hard = sum(functional.cross_entropy(logits[..., i], places[:, i]) for i in (0, 1)) / 2
    logs = logits.log_softmax(dim=1)
    expected = -(soft[:, :7] * logs).sum(dim=1).mean()

    assert Spans.loss(logits, places).item() == pytest.approx(float(hard), rel=1e-6)
    assert Spans.loss(logits, soft).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("longest", [1, 2, 3, 9])
def test_the_best_span_is_the_best_of_all(longest: int) -> None:
    """As if every first and last piece were tried."""
    logits = np.random.default_rng(longest).normal(size=(7, 2)).astype(np.float32)
    pairs = [(i, j) for i in range(7) for j in range(i, min(7, i + longest))]

    score, first, last = _best_span(logits, longest)

    assert (first, last) == max(pairs, key=lambda pair: logits[pair[0], 0] + logits[pair[1], 1])
    assert score == pytest.approx(float(logits[first, 0] + logits[last, 1]))
