"""What differs between kinds of tasks: how splits and soft labels are opened, and the head."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from pdbench.core.files import read_json
from pdbench.data.tokens import Tokens
from pdbench.engine import Classifier, SpanReader
from pdbench.engine.checkpoints import outputs
from pdbench.kinds import classification
from pdbench.kinds.classification import Labelled
from pdbench.kinds.ranking import Ranked
from pdbench.kinds.spans import SoftWindowed, Windowed
from pdbench.study.settings import Kind, Task


class Head(NamedTuple):
    """What stands on a task's encoder: the kind of model, and its labels in order."""

    model: type[Classifier]
    labels: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """How many outputs it has."""
        return outputs(self.labels, self.model)


def head_of(task: Task, folder: Path) -> Head:
    """The head of a task's models; the items of a ranking are those of the prepared task."""
    if task.kind == "span":
        return Head(SpanReader, ())
    if task.kind == "ranking":
        return Head(Classifier, tuple(read_json(folder / "task.json")["labels"]))
    return Head(Classifier, task.labels)


def open_split(task_folder: Path, split: str) -> Labelled:
    """Open one split of a prepared task of any kind."""
    kind: Kind = read_json(task_folder / "task.json").get("kind", "classification")
    if kind == "span":
        return Windowed.open(task_folder, split)
    plain = classification.open_split(task_folder, split)
    return Ranked(plain.tokens, plain.targets) if kind == "ranking" else plain


def soft_labelled(task: Task, tokens: Tokens, soft: NDArray[Any], size: int) -> Labelled:
    """The first ``size`` items of a text with a teacher's soft labels, as they are stored."""
    first = tokens.first(size)
    if task.kind == "span":  # one for each piece
        return SoftWindowed(first, soft[: len(first.pieces)])
    return Labelled(first, soft[:size])
