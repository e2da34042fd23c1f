"""A pass that is laid open is the pass of the plain classifier."""

from __future__ import annotations

import pytest
import torch

from pdbench.engine import Bert, BertShape, Classifier, random_model
from pdbench.engine.exposed import Exposed

SHAPE = BertShape(layers=3, hidden=32, heads=2, feed_forward=64, vocabulary=20)


def _model(dropout: float = 0.0) -> Classifier:
    model = Classifier(Bert(SHAPE, dropout), 2)
    random_model(model, torch.Generator().manual_seed(0), 0.2)
    return model.train(dropout > 0)


def _inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.randint(1, 20, (4, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(7)[None, :] < torch.tensor([7, 5, 3, 1])[:, None]
    return ids, torch.zeros_like(ids), mask


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_logits_and_gradients_are_the_classifiers_own(dropout: float) -> None:
    """Without the last layer's states, not a bit differs, dropout included."""
    found = []
    for plain in (True, False):
        model = _model(dropout)
        torch.manual_seed(7)
        if plain:
            logits = model(*_inputs())
        else:
            logits = Exposed(model, *_inputs(), last_states=False).logits
        logits.square().sum().backward()
        found.append([logits, *(p.grad for p in model.parameters() if p.grad is not None)])

    assert len(found[0]) == len(found[1])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_states_are_those_of_the_layers() -> None:
    """The last state is what the encoder returns, and the logits follow from it."""
    model = _model()
    exposed = Exposed(model, *_inputs())

    assert torch.equal(exposed.hidden(3), model.bert(*_inputs()))
    assert torch.allclose(exposed.logits, model(*_inputs()), atol=1e-6)
    assert exposed.layers == 3


@pytest.mark.parametrize("whole", [True, False])
def test_first_pieces_are_those_of_the_states(whole: bool) -> None:
    """[CLS] alone is [CLS] of all, whatever was asked for before."""
    model = _model()
    all_states = Exposed(model, *_inputs())
    for order in ((3, 2, 1), (1, 2, 3)):
        exposed = Exposed(model, *_inputs(), last_states=whole)
        for layer in order:
            assert torch.allclose(exposed.first(layer), all_states.hidden(layer)[:, 0], atol=1e-6)


def test_dropout_falls_once_on_a_layer() -> None:
    """What is asked for twice, or by another name, is the same pass."""
    torch.manual_seed(3)
    exposed = Exposed(_model(0.5), *_inputs(), last_states=False)
    first = exposed.first(3)

    assert torch.equal(exposed.first(3), first)
    assert torch.equal(exposed.first(2), exposed.hidden(2)[:, 0])
    assert torch.equal(exposed.logits, exposed.logits)


def test_scores_are_scaled_products() -> None:
    """Attention scores come from queries and keys, before mask and softmax."""
    exposed = Exposed(_model(), *_inputs())
    queries, keys = exposed.queries(2), exposed.keys(2)

    assert queries.shape == keys.shape == exposed.values(2).shape == (4, 2, 7, 16)
    expected = torch.einsum("bhid,bhjd->bhij", queries, keys) / 4
    assert torch.allclose(exposed.scores(2), expected, atol=1e-6)


def test_only_what_is_asked_for_is_computed() -> None:
    """A loss on the first layer runs one layer of three."""
    model = _model()
    ran: list[int] = []
    for number, layer in enumerate(model.bert.layers):
        layer.inner.register_forward_hook(lambda *_, n=number: ran.append(n))

    Exposed(model, *_inputs()).hidden(1)
    assert ran == [0]

    Exposed(model, *_inputs()).keys(2)
    assert ran == [0, 0]


def test_states_that_were_given_up_are_refused() -> None:
    """An objective that said it reads no last states is told so when it does."""
    with pytest.raises(ValueError, match="last_states = False"):
        Exposed(_model(), *_inputs(), last_states=False).hidden(3)


def test_the_mask_is_whole_without_padding() -> None:
    """Inputs without padding have a mask of ones."""
    ids, segments, _ = _inputs()

    assert Exposed(_model(), ids, segments, None).mask.all()
