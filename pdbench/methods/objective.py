"""Objectives: a loss over what student and teacher expose.

A stage of config/methods.yaml names ``distill`` or ``finetune``, the paper's two, or the class of
an objective of one's own as ``module:Class``, here or in another package.
The class sees one batch at a time; order, budget, optimiser, precision and resuming are the
loop's, the same for every method.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional

from pdbench.core.errors import PdbenchError, UsageError, suggestion
from pdbench.engine import BertShape
from pdbench.engine.exposed import Exposed, ExposedLM
from pdbench.study.cells import seed_of


class _Described(nn.Module):
    """What the table of methods says about an objective, and the shapes that it connects.

    There are C labels, 1 of a regression, and 0 while pre-training. Parameters made here, such as
    projections where widths differ, train jointly with the student and are thrown away after the
    stage. A constructor takes its options as typed keyword arguments and raises ValueError where
    they do not fit the shapes.
    """

    title: ClassVar[str]
    """What the stage is called in the table."""

    formula: ClassVar[str]
    """The loss in one line."""

    exposes: ClassVar[str]
    """What the teacher must expose."""

    differs: ClassVar[tuple[str, ...]] = ()
    """What is not as in the paper that it is from, and why: a line each in the table."""

    def __init__(self, student: BertShape, teacher: BertShape, labels: int) -> None:
        super().__init__()
        self.student, self.teacher, self.labels = student, teacher, labels

    @classmethod
    def named(cls, path: str) -> type[Self]:
        """Import the class of this kind that config/methods.yaml names as ``module:Class``."""
        where = f"config/methods.yaml: {path}"
        module, _, name = path.partition(":")
        try:
            known = vars(importlib.import_module(module))
        except Exception as error:
            what = f"{where}: module {module} cannot be imported ({_in_words(error)})"
            raise UsageError(what, "mend it or its name, or install its package") from error
        if name not in known:
            raise UsageError(f"{where}: no class {name!r} in {module}", suggestion(name, known))
        found = known[name]
        if not (isinstance(found, type) and issubclass(found, cls)):
            remedy = f"derive it from pdbench.methods.objective.{cls.__name__}"
            raise UsageError(f"{where} is no {cls.__name__}", remedy)
        unsaid = [part for part in ("title", "formula", "exposes") if not hasattr(found, part)]
        if unsaid:
            what = f"{where} does not say its {', '.join(unsaid)}"
            raise UsageError(what, "write it in the class: the table of methods shows it")
        return found

    @classmethod
    def build(
        cls,
        path: str,
        options: Mapping[str, Any],
        student: BertShape,
        teacher: BertShape,
        labels: int,
        seed: int,
    ) -> Self:
        """Make a named objective; its own parameters have a stream of their own of ``seed``."""
        found, where = cls.named(path), f"config/methods.yaml: {path}"
        with torch.random.fork_rng(devices=[]), _blamed(where, found):
            keywords = _checked_options(found, options, where)
            torch.default_generator.manual_seed(seed_of("objective", seed))
            try:
                return found(student, teacher, labels, **keywords)
            except ValueError as error:
                raise UsageError(f"{where}: {error}", "change its options or the sizes") from error

    def checked_loss(self, student: object, teacher: object, targets: Tensor) -> Tensor:
        """The loss; its code may be anybody's, and what fails in it is said in a line."""
        name = f"{type(self).__module__}:{type(self).__name__}"
        with _blamed(name, type(self)):
            loss = self(student, teacher, targets)
        if not isinstance(loss, Tensor) or loss.ndim:
            is_tensor = isinstance(loss, Tensor)
            found = f"shape {tuple(loss.shape)}" if is_tensor else type(loss).__name__
            what = f"{name}: forward returns no scalar tensor, but {found}"
            raise UsageError(what, "return the mean loss over the items of the batch")
        if not loss.requires_grad:
            what = f"{name}: its loss has no gradient"
            raise UsageError(what, "compute it from what the student exposes, without detaching it")
        return loss


class Objective(_Described):
    """The base of an objective for a stage on a transfer set or on labelled data."""

    last_states: ClassVar[bool] = True
    """Whether :meth:`forward` reads all hidden states of a last layer, not the first piece's
    alone. Where it does not, saying so saves computing them."""

    task_loss: Callable[[Tensor, Tensor], Tensor]
    """What the task's kind makes of outputs and targets; it is set when the objective is made."""

    def forward(self, student: Exposed, teacher: Exposed, targets: Tensor) -> Tensor:
        """The mean loss over a batch, as a scalar.

        It must be a mean over items of what each item costs alone: large batches are then cut
        and their gradients added up without changing the loss. The teacher sees the student's
        inputs, without gradients and dropout; targets are on a transfer set its stored soft
        labels, (B, C) float32, and on labelled data the labels, (B,) int64.
        """
        raise NotImplementedError("it has no forward")


class PretrainingObjective(_Described):
    """The base of an objective for masked-LM pre-training from a deeper pre-trained model."""

    smoothing: float = 0.0
    """A piece with n occurrences in the corpus is masked in proportion to n^-smoothing; 0 masks
    all pieces alike."""

    freezes_positions: bool = False
    """Whether the position embeddings stay those of the deeper model."""

    def start_layers(self) -> tuple[int, ...]:
        """The teacher's layers, counted from 1, whose weights the student begins with."""
        return uniform_layers(self.student.layers, self.teacher.layers)

    def forward(self, student: ExposedLM, teacher: ExposedLM, targets: Tensor) -> Tensor:
        """The mean loss over the M masked pieces of a batch, as a scalar; they are the targets."""
        raise NotImplementedError("it has no forward")


class TaskLoss(Objective):
    """The distillation of Algorithm 1, and its fine-tuning: the same loss, with the labels.

    It has no temperature and no share of hard labels.
    """

    last_states = False

    def forward(self, student: Exposed, teacher: Exposed | None, targets: Tensor) -> Tensor:
        """The task's own loss; no teacher is asked, beyond the soft labels that it stored."""
        return self.task_loss(student.logits, targets)


class MaskedLanguage(PretrainingObjective):
    """Masked LM alone, from a start of the student's own."""

    def forward(self, student: ExposedLM, teacher: ExposedLM | None, targets: Tensor) -> Tensor:
        """The mean cross-entropy at the masked pieces."""
        return student.cross_entropy(targets)


def uniform_layers(student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's layer for each of the student's, counted from 1, in even steps to the last."""
    if teacher < student:
        raise ValueError(f"a teacher of {teacher} layers cannot match a student of {student}")
    return tuple(layer * teacher // student for layer in range(1, student + 1))


def projection(student: int, teacher: int) -> nn.Module:
    """A learnt linear map between two widths, as TinyBERT has it; the identity for equal ones."""
    return nn.Identity() if student == teacher else nn.Linear(student, teacher, bias=False)


def soft_loss(logits: Tensor, probabilities: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean soft cross-entropy at a temperature, (B, C) and (B, C) to a scalar.

    The teacher's probabilities are those at temperature 1; logits that give them are their
    logarithms.
    """
    if logits.shape[1] == 1:  # its softmax is 1, and this loss would be 0 for any model
        what = "this objective learns class probabilities, and a regression has none"
        raise UsageError(what, "choose another method for the task")
    tiny = torch.finfo(torch.float32).tiny
    softened = (probabilities.clamp_min(tiny).log() / temperature).softmax(dim=-1)
    return functional.cross_entropy(logits / temperature, softened)


def item_means(losses: Tensor, mask: Tensor) -> Tensor:
    """The mean over the items of a batch of each item's mean over its pieces: (B, S), (B, S)."""
    weights = mask.to(losses.dtype)
    return ((losses * weights).sum(dim=1) / weights.sum(dim=1)).mean()


@contextlib.contextmanager
def _blamed(where: str, found: type[_Described]) -> Iterator[None]:
    """Say in one line what fails in a class's own code; a lack of memory stays what it is."""
    try:
        yield
    except (PdbenchError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == inspect.getfile(found)]
        last = (own or frames)[-1]
        what = f"{where}: {_in_words(error)} ({last.filename}, line {last.lineno})"
        raise UsageError(what, "mend the class") from error


def _in_words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _checked_options(
    found: type[_Described], options: Mapping[str, Any], where: str
) -> dict[str, Any]:
    parameters = inspect.signature(found.__init__, eval_str=True).parameters.values()
    known = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    untyped = [p.name for p in known.values() if p.annotation is p.empty]
    if untyped:
        raise UsageError(f"{where}: option {untyped[0]} has no type", "annotate it in the class")
    checked = {}
    for name, value in options.items():
        if name not in known:
            remedy = suggestion(name, known) if known else "it has none"
            raise UsageError(f"{where}: unknown option {name!r}", remedy)
        try:
            adapter = TypeAdapter(known[name].annotation)
            checked[name] = adapter.validate_python(value, strict=False)
        except ValidationError as error:
            what = f"{where}: option {name}: {error.errors()[0]['msg']}, not {value!r}"
            raise UsageError(what, "mend it") from error
    unset = [name for name, p in known.items() if p.default is p.empty and name not in checked]
    if unset:
        raise UsageError(f"{where}: option {unset[0]} is missing", "give it under options")
    return checked
