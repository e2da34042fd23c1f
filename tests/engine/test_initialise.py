"""The four initialisations take exactly the weights they name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pdbench.core.errors import DataError
from pdbench.engine import Bert, BertShape, Classifier, MaskedLM, random_model, write_checkpoint
from pdbench.engine.initialise import initial_classifier, spectral_embeddings, standard_deviation
from pdbench.study import Architecture

DEEP = BertShape.of(Architecture(4, 32), vocabulary=50)
SHALLOW = BertShape.of(Architecture(2, 32), vocabulary=50)


@pytest.fixture
def checkpoint(tmp_path: Path) -> tuple[Path, MaskedLM]:
    """A pre-trained 4/32 model with recognisable weights."""
    model = MaskedLM(Bert(DEEP))
    random_model(model, 0.3, torch.Generator().manual_seed(0))
    write_checkpoint(tmp_path, model)
    return tmp_path, model


def _start(kind, shape, checkpoint, seed=1) -> Classifier:
    return initial_classifier(
        kind, shape, 2, torch.Generator().manual_seed(seed), "bert", checkpoint
    )


def _layer(model, number: int) -> torch.Tensor:
    return model.bert.layers[number].inner.weight


def test_random_depends_on_the_seed_alone() -> None:
    """The same seed gives the same weights, another seed gives others."""
    first, again, other = (_start("random", SHALLOW, None, seed) for seed in (1, 1, 2))

    assert torch.equal(_layer(first, 0), _layer(again, 0))
    assert not torch.equal(_layer(first, 0), _layer(other, 0))


def test_truncated_takes_embeddings_and_first_layers(checkpoint) -> None:
    """Truncation keeps the first layers of the deeper model."""
    folder, deep = checkpoint

    student = _start("truncated", SHALLOW, folder)

    assert torch.equal(student.bert.word_embeddings.weight, deep.bert.word_embeddings.weight)
    assert torch.equal(_layer(student, 1), _layer(deep, 1))


def test_embeddings_takes_word_embeddings_only(checkpoint) -> None:
    """Layers and positions stay random."""
    folder, deep = checkpoint

    student = _start("embeddings", SHALLOW, folder)

    assert torch.equal(student.bert.word_embeddings.weight, deep.bert.word_embeddings.weight)
    assert not torch.equal(_layer(student, 0), _layer(deep, 0))
    assert torch.equal(_layer(student, 0), _layer(_start("random", SHALLOW, None), 0))


def test_pretrained_takes_the_whole_encoder(checkpoint) -> None:
    """Everything but the pooler and the output layer, which masked LM does not train."""
    folder, deep = checkpoint

    student = _start("pretrained", DEEP, folder)

    assert torch.equal(_layer(student, 3), _layer(deep, 3))
    assert torch.equal(student.bert.pooler.weight, _start("random", DEEP, None).bert.pooler.weight)


def test_a_checkpoint_of_another_size_is_refused(checkpoint) -> None:
    """A student cannot start pre-trained from a deeper model."""
    folder, _ = checkpoint

    with pytest.raises(DataError, match="cannot start"):
        _start("pretrained", SHALLOW, folder)


def test_a_truncated_file_is_one_clear_line(checkpoint) -> None:
    """A checkpoint that was cut off names its file."""
    folder, _ = checkpoint
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(DataError, match=r"model\.safetensors: cannot be read"):
        _start("pretrained", DEEP, folder)


def test_scaled_spread_keeps_the_activation_scale() -> None:
    """H times the variance is the same at every width."""
    assert standard_deviation(768, "scaled") == pytest.approx(0.02)
    assert 128 * standard_deviation(128, "scaled") ** 2 == pytest.approx(768 * 0.02**2)
    assert standard_deviation(128, "bert") == 0.02


def _items() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    topics = [np.arange(5, 25), np.arange(25, 45)]
    return [rng.choice(topics[i % 2], 8) for i in range(400)]


def test_words_of_a_topic_are_near_each_other() -> None:
    """Within a topic the cosine is high, across topics it is low."""
    rows = spectral_embeddings(_items(), 50, 4, 0.1, seed=0)
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-9)

    within = (rows[5:25] @ rows[5:25].T).mean()
    across = (rows[5:25] @ rows[25:45].T).mean()

    assert within > across + 0.3


def test_absent_pieces_are_zero_and_present_ones_have_the_asked_scale() -> None:
    """Pieces that never occur keep their random start: their row here is zero."""
    rows = spectral_embeddings(_items(), 50, 4, 0.1, seed=0)

    assert not rows[:5].any()
    torch.testing.assert_close(rows[5:45].norm(dim=1), torch.full((40,), 0.2))


def test_global_randomness_is_untouched() -> None:
    """The decomposition leaves torch's generator as it was."""
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    spectral_embeddings(_items(), 50, 4, 0.1, seed=0)

    assert torch.equal(torch.rand(3), expected)
