"""Spectral embeddings put words that keep company together."""

import numpy as np
import torch

from pdbench.engine.spectral import spectral_embeddings


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
