"""Tasks that rank all items of the labelled set: a classifier over the items.

ReDial and INSPIRED are read by :mod:`pdbench.kinds.dialogues`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pdbench.core.files import read_json
from pdbench.data.metrics import UNSEEN, compute, ranks
from pdbench.engine import Classifier, Device, predict_ranges
from pdbench.kinds.classes import Classes
from pdbench.kinds.kind import Kind, Labelled, Scores

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pdbench.data.sources import Reader


class Rankings(Kind):
    """Dialogues with the number of the next item; -1 is one that the labelled set lacks."""

    keeps = "end"
    loss = staticmethod(Classes.loss)

    @classmethod
    def reader(cls) -> Reader:
        """The reader of dialogues."""
        from pdbench.kinds import dialogues

        return dialogues

    def numbered(self, splits: DatasetDict) -> tuple[list[str], DatasetDict]:
        """Number the items of the labelled set in alphabetical order; others have -1."""
        from datasets import Dataset, DatasetDict

        items = sorted(set(splits["train"]["item"][:]))
        known = {item: number for number, item in enumerate(items)}

        def numbered(split: Dataset) -> Dataset:
            labels = [known.get(item, UNSEEN) for item in split["item"][:]]
            return Dataset.from_dict({"text": split["text"][:], "label": labels})

        return items, DatasetDict({name: numbered(split) for name, split in splits.items()})

    def labels(self, folder: Path) -> tuple[str, ...]:
        """The items of the prepared task."""
        return tuple(read_json(folder / "task.json")["labels"])

    def score(
        self,
        model: Classifier,
        data: Labelled,
        metrics: Sequence[str],
        device: Device,
        numbers: NDArray[np.int64] | None = None,
    ) -> Scores:
        """Score the rank of each true item among all."""
        found, firsts = [], []
        for chosen, logits in predict_ranges(model, data.tokens, device, numbers):
            found.append(ranks(logits, data.targets[chosen]))
            firsts.append(logits.argmax(axis=1).astype(np.int32))
        placed = np.concatenate(found)
        means = compute(metrics, placed, data.targets)
        return Scores(means, placed, answered=np.concatenate(firsts))
