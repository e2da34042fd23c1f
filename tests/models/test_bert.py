"""Our BERT is transformers' BERT."""

import pytest
import torch
import transformers

from pdbench.models import Bert, BertShape, Classifier, MaskedLM, random_model, write_checkpoint
from pdbench.models.bert import keep_pieces
from pdbench.models.checkpoints import read_classifier
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


def test_classifier_has_transformers_logits_and_gradients(tmp_path) -> None:
    """Logits and gradients agree within 1e-5 for a padded batch of pairs."""
    ours = _classifier()
    write_checkpoint(tmp_path, ours, labels=["a", "b", "c"])
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ids, segments, mask = _batch()

    logits = ours(ids, segments, mask)
    expected = theirs(ids, token_type_ids=segments, attention_mask=mask.long()).logits
    logits.square().sum().backward()
    expected.square().sum().backward()

    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        ours.bert.word_embeddings.weight.grad,
        theirs.bert.embeddings.word_embeddings.weight.grad,
        atol=1e-5,
        rtol=1e-4,
    )
    assert theirs.config.id2label == {0: "a", 1: "b", 2: "c"}


def test_masked_lm_has_transformers_scores(tmp_path) -> None:
    """Scoring masked positions only gives the rows that scoring every position gives."""
    ours = MaskedLM(Bert(SHAPE)).eval()
    random_model(ours, 0.1, torch.Generator().manual_seed(3))
    write_checkpoint(tmp_path, ours)
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    ids, segments, mask = _batch()
    positions = torch.tensor([0, 5, 12, 23])

    found = ours(ids, segments, mask, positions)
    everywhere = theirs(ids, token_type_ids=segments, attention_mask=mask.long()).logits

    torch.testing.assert_close(found, everywhere.flatten(0, 1)[positions], atol=1e-5, rtol=1e-5)


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

    ours = read_classifier(tmp_path, ["a", "b", "c"]).eval()

    expected = theirs(ids, token_type_ids=segments, attention_mask=mask.long()).logits
    torch.testing.assert_close(ours(ids, segments, mask), expected, atol=1e-5, rtol=1e-5)


def test_two_evaluations_are_identical() -> None:
    """Evaluation mode has no dropout left in it."""
    model = _classifier()

    first, second = model(*_batch()), model(*_batch())

    assert torch.equal(first, second)


def test_training_mode_drops_out() -> None:
    """Dropout acts in training, as in BERT."""
    model = _classifier().train()

    assert not torch.equal(model(*_batch()), model(*_batch()))


def test_padding_changes_nothing() -> None:
    """An item alone and the same item in a padded batch have the same logits."""
    model = _classifier()
    ids, segments, mask = _batch()

    alone = model(ids[2:3, :3], segments[2:3, :3], None)

    torch.testing.assert_close(alone[0], model(ids, segments, mask)[2], atol=1e-5, rtol=1e-5)


def test_keeping_the_pieces_in_use_changes_no_logit() -> None:
    """A model with only the pieces of its input scores them alike."""
    model = _classifier()
    ids, segments, mask = _batch()
    expected = model(ids, segments, mask)
    kept = torch.unique(torch.cat([torch.zeros(1, dtype=torch.long), ids.flatten()]))
    numbers = torch.zeros(100, dtype=torch.long)
    numbers[kept] = torch.arange(len(kept))

    keep_pieces(model, kept)

    torch.testing.assert_close(model(numbers[ids], segments, mask), expected)


@pytest.mark.parametrize("architecture", PAPER_ARCHITECTURES[:2] + PAPER_ARCHITECTURES[6:8])
def test_built_models_have_the_counted_parameters(architecture: Architecture) -> None:
    """The formula of the paper's table counts what a built model has."""
    model = MaskedLM(Bert(BertShape.of(architecture)))

    assert sum(p.numel() for p in model.parameters()) == architecture.parameters()
