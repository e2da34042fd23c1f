"""Work is cut into portions and shares without losing or changing anything."""

from __future__ import annotations

import numpy as np
import pytest

from pdbench.data.batches import Batch
from pdbench.engine.loop import _portions
from pdbench.engine.targets import Masked, _rows_of


def batch(items: int = 7, width: int = 9) -> Batch:
    """Items of different lengths and two segments."""
    rng = np.random.default_rng(0)
    lengths = np.sort(rng.integers(3, width + 1, items))
    lengths[-1] = width
    mask = np.arange(width) < lengths[:, None]
    ids = np.where(mask, rng.integers(5, 1000, (items, width)), 0)
    segments = ((np.arange(width) >= 2) & mask).astype(np.int64)
    return Batch(np.arange(items), ids, segments, mask)


def masked() -> Masked:
    """A batch with half of its pieces to predict."""
    return Masked.of(batch(), 0.5, range(5, 1000), 4, np.random.default_rng(1))


def predictions(work: Masked) -> set[tuple[int, int, int]]:
    """Item, column and true piece of everything that is to be predicted."""
    rows, columns = np.divmod(work.positions, work.batch.ids.shape[1])
    items = work.batch.index[rows]
    return set(zip(items.tolist(), columns.tolist(), work.targets.tolist(), strict=True))


CUTS = [
    [slice(0, 3), slice(3, 7)],
    [slice(i, None, 3) for i in range(3)],
    [slice(0, 0), slice(0, 7)],
]


@pytest.mark.parametrize("cuts", CUTS)
def test_rows_keep_their_predictions(cuts: list[slice]) -> None:
    """Every piece to predict is in exactly one share, at the place where it stands."""
    whole = masked()

    shares = [whole.rows(cut) for cut in cuts]

    assert sum(len(share) for share in shares) == len(whole) > 10
    assert set.union(*(predictions(share) for share in shares)) == predictions(whole)
    for share in shares:
        for row, item in enumerate(share.batch.index):
            width = share.batch.ids.shape[1]
            assert (share.batch.ids[row] == whole.batch.ids[item, :width]).all()
            assert (share.batch.segments[row] == whole.batch.segments[item, :width]).all()


def test_rows_are_not_padded_more_than_they_need() -> None:
    """Short rows alone lose the columns of the long ones, and equal rows their mask."""
    whole = batch()
    lengths = whole.mask.sum(axis=1)

    short = _rows_of(whole, slice(0, 2))
    single = _rows_of(whole, slice(0, 1))

    assert short.ids.shape == (2, lengths[:2].max())
    assert single.mask is None
    assert single.ids.shape == (1, lengths[0])


@pytest.mark.parametrize(
    ("largest", "sizes"), [(None, [7]), (63, [7]), (62, [6, 1]), (20, [2, 2, 2, 1]), (1, [1] * 7)]
)
def test_portions_hold_as_many_items_as_fit(largest: int | None, sizes: list[int]) -> None:
    """Counting padding, and never fewer than one."""
    found = list(_portions(masked(), largest))

    assert [len(portion.batch.index) for portion in found] == sizes
    assert np.concatenate([p.batch.index for p in found]).tolist() == list(range(7))


def test_rare_pieces_are_masked_more_often() -> None:
    """Drawn without replacement in proportion to the weights, and as many as without any."""
    ids = np.tile([4, 5, 6, 6], (250, 1))  # 4 is special
    whole = Batch(np.arange(250), ids, None, None)
    weights = np.array([1, 1, 1, 1, 1, 3.0, 1.0])

    drawn = [
        Masked.of(whole, 0.1, range(5, 7), 4, np.random.default_rng(seed), weights)
        for seed in range(40)
    ]

    assert {len(masked) for masked in drawn} == {75}  # a tenth of 750
    assert all((np.diff(masked.positions) > 0).all() for masked in drawn)
    rare = np.mean([np.mean(masked.targets == 5) for masked in drawn])
    assert rare == pytest.approx(3 / 5, abs=0.03)  # of 250 with weight 3 and 500 with weight 1
