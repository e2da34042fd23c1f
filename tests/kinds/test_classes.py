"""Guards of teachers before their soft labels are used."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from numpy.typing import NDArray

from pdbench.core.errors import GuardError
from pdbench.kinds import Scores
from pdbench.kinds.classes import Classes, Rankings, _best_order
from pdbench.study.settings import Task

NLI = ("entailment", "neutral", "contradiction")
TRUE = np.repeat([0, 1, 2], 50)


def guard(predictions: NDArray[np.int64], margin: float) -> None:
    """Guard a teacher of MNLI that predicts this on ``TRUE``."""
    teacher = {"source": "directory", "path": "teacher", "margin": margin}
    about = {"source": "directory", "path": "mnli", "labels": NLI, "metrics": ["accuracy"]}
    task = Task.model_validate({**about, "teacher": teacher})
    Classes(task).guard("mnli", scores_of(predictions), TRUE, {"accuracy": 1 / 3})


def scores_of(predictions: NDArray[np.int64]) -> Scores:
    """Dev scores of predictions on ``TRUE``."""
    accuracy = float((predictions == TRUE).mean())
    return Scores({"accuracy": accuracy}, predictions.astype(np.int16))


def good(seed: int = 0) -> NDArray[np.int64]:
    """Predictions of a teacher that is right on nine examples of ten."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(TRUE)) < 0.9, TRUE, rng.integers(3, size=len(TRUE)))


def test_a_good_teacher_passes() -> None:
    """Nothing is said."""
    guard(good(), 0.05)


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0), (2, 1, 0), (0, 2, 1)])
def test_labels_in_another_order_are_named(order: tuple[int, ...]) -> None:
    """Heads of NLI are published with contradiction first, or last, or in the middle."""
    mixed_up = np.array(order)[good()]
    names = tuple(NLI[order.index(place)] for place in range(3))

    with pytest.raises(GuardError, match=f"mixed up: in the order {', '.join(names)} it") as error:
        guard(mixed_up, 0.5)

    assert "tasks.mnli.teacher.margin" in str(error.value)


def test_a_teacher_that_learnt_nothing_has_no_better_order() -> None:
    """One class for every example is no matter of order."""
    with pytest.raises(GuardError, match="learning rate and its epochs"):
        guard(np.zeros_like(TRUE), 0.05)


def test_the_best_order_is_that_of_most_agreement() -> None:
    """Two classes that are swapped, but for one example."""
    order, reached = _best_order(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 0]), ("no", "yes"))

    assert (order, reached) == (("yes", "no"), 0.75)


FILMS = ["a"] * 5 + ["b"] * 3 + ["c"]


def test_a_ranking_is_held_against_the_most_frequent_items() -> None:
    """At each number of items: a list of the ones that train names most finds many."""
    teacher = {"source": "directory", "path": "teacher", "margin": 0.05}
    about = {"source": "directory", "path": "films", "labels": [], "kind": "ranking"}
    metrics = ["recall@10", "recall@1"]
    kind = Rankings(Task.model_validate({**about, "metrics": metrics, "teacher": teacher}))
    items = {"train": FILMS, "dev": ["a", "b", "b", "new"], "test": ["c", "c"]}
    texts = {s: Dataset.from_dict({"text": own, "item": own}) for s, own in items.items()}
    constants = kind.constants(kind.numbered(DatasetDict(texts))[1])

    assert constants["dev"] == {"recall@1": 0.25, "recall@10": 0.75}
    assert constants["test"] == {"recall@1": 0.0, "recall@10": 1.0}
    for first, tenth, words in ((0.25, 0.9, "0.25;"), (0.5, 0.79, "asks 0.05 more;")):
        dev = Scores({"recall@1": first, "recall@10": tenth}, np.zeros(4, np.int32))
        with pytest.raises(GuardError, match=rf"recall@\d+ is .*, a constant answer .*{words}"):
            kind.guard("films", dev, np.zeros(4), constants["dev"])
    dev = Scores({"recall@1": 0.26, "recall@10": 0.8}, np.zeros(4, np.int32))
    kind.guard("films", dev, np.zeros(4), constants["dev"])
