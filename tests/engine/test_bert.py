"""BERTs are built, written and read; that they compute one is in test_equality."""

import numpy as np
import pytest
import torch
import transformers

from pdbench.data.tokens import Tokens
from pdbench.engine import Bert, BertShape, Classifier, MaskedLM, random_model, write_checkpoint
from pdbench.engine.bert import keep_pieces
from pdbench.engine.checkpoints import Checkpoint
from pdbench.engine.device import Device, predict
from pdbench.study import PAPER_ARCHITECTURES, Architecture

SHAPE = BertShape(layers=3, hidden=128, heads=2, feed_forward=512, vocabulary=100)


def _classifier(labels: int = 3) -> Classifier:
    model = Classifier(Bert(SHAPE), labels)
    random_model(model, 0.1, torch.Generator().manual_seed(1))
    return model.eval()


def _batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 100, (4, 11), generator=torch.Generator().manual_seed(2))
    lengths = torch.tensor([11, 7, 3, 11])
    mask = torch.arange(11)[None] < lengths[:, None]
    segments = (torch.arange(11)[None] >= 4).long() * mask
    return ids * mask, segments, mask


def test_transformers_reads_what_was_written(tmp_path) -> None:
    """A checkpoint has the same logits there, and the names of the labels."""
    ours = _classifier()
    write_checkpoint(tmp_path, ours, labels=["a", "b", "c"])
    ids, segments, mask = _batch()

    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()

    expected = theirs(ids, token_type_ids=segments, attention_mask=mask.long()).logits
    torch.testing.assert_close(ours(ids, segments, mask), expected, atol=1e-5, rtol=1e-5)
    assert theirs.config.id2label == {0: "a", 1: "b", 2: "c"}


def test_transformers_reads_a_written_masked_lm(tmp_path) -> None:
    """Nothing is missing and nothing is left over; the output matrix is the embeddings."""
    ours = MaskedLM(Bert(SHAPE)).eval()
    random_model(ours, 0.1, torch.Generator().manual_seed(3))
    write_checkpoint(tmp_path, ours)

    theirs, report = transformers.AutoModelForMaskedLM.from_pretrained(
        tmp_path, output_loading_info=True
    )

    assert not any(report.values())
    assert torch.equal(theirs.get_output_embeddings().weight, ours.bert.word_embeddings.weight)


def test_reads_what_transformers_wrote(tmp_path) -> None:
    """A checkpoint of transformers gives the same logits here."""
    configuration = transformers.BertConfig(
        vocab_size=100,
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=512,
        id2label={0: "a", 1: "b", 2: "c"},
    )
    theirs = transformers.BertForSequenceClassification(configuration).eval()
    theirs.save_pretrained(tmp_path)
    ids, segments, mask = _batch()

    ours = Checkpoint(tmp_path).classifier(["a", "b", "c"]).eval()

    expected = theirs(ids, token_type_ids=segments, attention_mask=mask.long()).logits
    torch.testing.assert_close(ours(ids, segments, mask), expected, atol=1e-5, rtol=1e-5)


def test_keeping_the_pieces_in_use_changes_no_logit() -> None:
    """A model with only the pieces of its input scores them alike."""
    model = _classifier()
    ids, segments, mask = _batch()
    expected = model(ids, segments, mask)
    kept = torch.unique(torch.cat([torch.zeros(1, dtype=torch.long), ids.flatten()]))
    before = model.bert.word_embeddings.weight.detach().clone()

    put_back = keep_pieces(model, kept.numpy())

    numbers = torch.from_numpy(model.bert.numbers)
    torch.testing.assert_close(model(numbers[ids], segments, mask), expected)
    with torch.no_grad():
        model.bert.word_embeddings.weight += 1
    put_back()
    changed = (model.bert.word_embeddings.weight != before).any(dim=1)
    assert changed.nonzero().flatten().tolist() == kept.tolist()
    assert model.bert.numbers is None


@pytest.mark.parametrize("architecture", PAPER_ARCHITECTURES[:2] + PAPER_ARCHITECTURES[6:8])
def test_built_models_have_the_counted_parameters(architecture: Architecture) -> None:
    """The formula of the paper's table counts what a built model has."""
    model = MaskedLM(Bert(BertShape.of(architecture)))

    assert sum(p.numel() for p in model.parameters()) == architecture.parameters()


@pytest.mark.parametrize("outputs", [1, 3])
def test_scores_are_as_fine_as_float32(outputs: int) -> None:
    """Also where everything before the output layer is computed in bfloat16."""
    model = Classifier(Bert(BertShape.of(Architecture(2, 64), 100)), outputs)
    random_model(model, 0.07, torch.Generator().manual_seed(0))
    model.output.bias.data.fill_(2.7)
    random = np.random.default_rng(0)
    offsets = np.arange(0, 8 * 501, 8)
    pieces = random.integers(10, 100, 8 * 500).astype(np.uint16)
    tokens = Tokens(pieces, offsets, np.full(500, 8, np.int32), "invented", 8)

    low, high = (
        predict(model, tokens, Device(torch.device("cpu"), precision))[:, 0]
        for precision in ("bf16", "fp32")
    )

    assert len(np.unique(low)) > 490
    assert np.corrcoef(low, high)[0, 1] > 0.99
