"""Masked-LM pre-training of a student on a corpus."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdbench.core.files import exclusive_lock, file_digest
from pdbench.data.batches import PieceBatches, Purpose, collate, generator, renumbering
from pdbench.data.places import model_folder, weights_file
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary, open_vocabulary, write_vocabulary
from pdbench.engine import (
    ALONE,
    Bert,
    BertShape,
    Device,
    Keeper,
    MaskedLM,
    Optimisation,
    Progress,
    Ranks,
    optimise,
    write_checkpoint,
)
from pdbench.engine.bert import embedding_of, keep_pieces
from pdbench.engine.checkpoints import check_checkpoint, convert_checkpoint, read_masked_lm
from pdbench.engine.distributed import joined, processes
from pdbench.engine.exposed import ExposedLM
from pdbench.engine.initialise import random_model, spectral_embeddings, standard_deviation
from pdbench.engine.state import SAVE_EVERY
from pdbench.engine.targets import Masked, mask_pieces
from pdbench.jobs.record import RunRequest
from pdbench.jobs.training import (
    OnlineTeacher,
    TrainingJob,
    refuse_several,
    stage_record,
    tokens_digest,
    weights_digest,
)
from pdbench.methods.objective import (
    MaskedLanguage,
    PretrainingObjective,
    build_objective,
    checked_loss,
)
from pdbench.study import Start, Study
from pdbench.study.cells import seed_of
from pdbench.study.settings import Pretraining, Released, Source
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import ARCHIVES

_PRETRAINING = "pretraining"

_log = logging.getLogger(__name__)


def pretrain(study: Study, paths: Paths, start: Start, save_every: float = SAVE_EVERY) -> None:
    """Pre-train one student size on one corpus and write its checkpoint.

    Under torchrun all its processes train together, and the first of them writes.
    """
    released = study.corpora[start.corpus]
    if isinstance(released, Released):
        refuse_several()
        _convert(study, paths, start, released.of(start.architecture), save_every)
    elif processes() > 1:
        with joined() as ranks:
            _pretrain(study, paths, start, save_every, ranks)
    else:
        with exclusive_lock(paths.lock(paths.pretrained(start))):
            _pretrain(study, paths, start, save_every, ALONE)


def _convert(study: Study, paths: Paths, start: Start, source: Source, save_every: float) -> None:
    """Take a released checkpoint in the place of pre-training, converted once to safetensors."""
    vocabulary, folder = open_vocabulary(study.vocabulary, ARCHIVES), model_folder(source, ARCHIVES)
    check_checkpoint(folder, start.architecture, vocabulary)
    inputs = {"released": file_digest(weights_file(folder))}
    job = _job(paths, start, inputs, save_every)

    def write(target: Path) -> None:
        shape = convert_checkpoint(folder, target)
        write_vocabulary(target, vocabulary, shape.positions)

    job.finish(write, [], start.architecture.parameters(vocabulary.size))
    _log.info("took %s from %s", start.size, folder)


def _pretrain(study: Study, paths: Paths, start: Start, save_every: float, ranks: Ranks) -> None:
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    job = _job(paths, start, _digests(study, paths, start), save_every, ranks.first)
    if ranks is ALONE and job.is_done:
        _log.info("%s on %s: already done", start.size, start.corpus)
        return
    device, keeper = job.device, job.keeper
    model, progress = pretrain_student(study, paths, start, vocabulary, device, keeper, ranks)
    if not ranks.first:
        return

    def write(folder: Path) -> None:
        write_checkpoint(folder, model, vocabulary)
        np.save(folder / "losses.npy", progress.losses, allow_pickle=False)  # of every step

    rate = study.learning_rate(study.training.pretrain.learning_rate, start.architecture)
    own = study.methods[start.method].pretraining if start.method else None
    stage = stage_record(own.name if own else "pretrain", rate, progress)
    job.finish(write, [stage], start.architecture.parameters(vocabulary.size))
    _log.info("pre-trained %s on %s: loss %.3f", start, start.corpus, progress.loss)


def _job(
    paths: Paths, start: Start, inputs: dict[str, str], save_every: float, writes: bool = True
) -> TrainingJob:
    asked = RunRequest(
        cell=f"{_PRETRAINING}.{start.corpus}.{start.size}",
        method=_PRETRAINING,
        architecture=str(start.architecture),
        corpus=start.corpus,
        seed=_seed(start),
        spec=paths.digest(Job("pretrain", start)),
        inputs=inputs,
    )
    return TrainingJob(paths, paths.pretrained(start), asked, save_every, writes)


def _seed(start: Start) -> int:
    own = () if start.method is None else (start.method,)
    return seed_of("pretrain", start.corpus, start.architecture, *own)


def _digests(study: Study, paths: Paths, start: Start) -> dict[str, str]:
    """Digests of a corpus, and of the model that teaches a pre-trained student if one does."""
    parts = enumerate(study.corpus_parts(start.corpus))
    found = {f"corpus.{i}": tokens_digest(paths.text(part.text)) for i, part in parts}
    teacher = study.pretrained_by(start)
    if teacher is not None:
        found["teacher"] = weights_digest(paths.pretrained(teacher))
    return found


def pretrain_student(
    study: Study,
    paths: Paths,
    start: Start,
    vocabulary: Vocabulary,
    device: Device,
    keeper: Keeper | None = None,
    ranks: Ranks = ALONE,
) -> tuple[MaskedLM, Progress]:
    """Train a student by masked LM, or by a method's own objective, from its first weights.

    Only pieces that occur in the corpus are trained; the others keep their first weights.

    Returns:
        The model with the whole vocabulary, and what training did.
    """
    settings, seed = study.training.pretrain, _seed(start)
    texts = _open_corpus(study, paths, start.corpus)
    pieces = corpus_pieces(texts, vocabulary)
    deeper = study.pretrained_by(start)
    teacher = deeper and OnlineTeacher(read_masked_lm(paths.pretrained(deeper)))
    objective = _objective(study, start, vocabulary.size, teacher)
    model = (
        _student_of(teacher.model, objective, settings.dropout)
        if teacher
        else _first_weights(study, start, texts, pieces, vocabulary)
    )
    rate = study.learning_rate(settings.learning_rate, start.architecture)
    progress = train_masked_lm(
        model, texts, pieces, settings, rate, device, seed, objective, teacher, keeper, ranks
    )
    return model, progress


def _objective(
    study: Study, start: Start, vocabulary: int, teacher: OnlineTeacher[MaskedLM] | None
) -> PretrainingObjective:
    """Masked LM, or what the method of a pre-trained student names."""
    shape = BertShape.of(start.architecture, vocabulary)
    if teacher is None or start.method is None:
        return MaskedLanguage(shape, shape, 0)
    own, theirs = study.methods[start.method].pretraining, teacher.model.bert.shape
    assert own is not None
    seed = seed_of("objective", start.corpus, start.architecture, start.method)
    return build_objective(own.objective, PretrainingObjective, own.options, shape, theirs, 0, seed)


def _student_of(teacher: MaskedLM, objective: PretrainingObjective, dropout: float) -> MaskedLM:
    """A student that begins with the embeddings, the head and some layers of its teacher."""
    model = MaskedLM(Bert(objective.student, dropout))
    theirs = teacher.state_dict()
    weights = dict(theirs)
    for own, layer in enumerate(objective.start_layers()):
        prefix = f"bert.layers.{layer - 1}."
        found = {name: tensor for name, tensor in theirs.items() if name.startswith(prefix)}
        weights |= {k.replace(prefix, f"bert.layers.{own}."): v for k, v in found.items()}
    model.load_state_dict({name: weights[name].clone() for name in model.state_dict()})
    return model


def _first_weights(
    study: Study, start: Start, texts: list[CorpusText], pieces: _Pieces, vocabulary: Vocabulary
) -> MaskedLM:
    settings, hidden, seed = study.training.pretrain, start.architecture.hidden, _seed(start)
    deviation = standard_deviation(hidden, study.training.initializer_range)
    shape = BertShape.of(start.architecture, vocabulary.size)
    random = torch.Generator().manual_seed(seed)
    model = random_model(MaskedLM(Bert(shape, settings.dropout)), deviation, random)
    if settings.embedding_start == "spectral":
        items = [
            pieces.numbers[text.tokens.item(i).astype(np.int64)]
            for text in texts
            for i in range(text.items)
        ]
        rows = spectral_embeddings(items, len(pieces.kept), hidden, deviation, seed)
        rows[: pieces.special] = 0
        found = rows.abs().sum(dim=1) > 0
        whole = model.bert.word_embeddings.weight.detach()
        whole[torch.from_numpy(pieces.kept)[found]] = rows[found]
    return model


@dataclass(frozen=True)
class CorpusText:
    """One text of a corpus: its items and the word pieces to train on."""

    tokens: Tokens
    items: int
    budget: int


def _open_corpus(study: Study, paths: Paths, corpus: str) -> list[CorpusText]:
    texts = []
    for part in study.corpus_parts(corpus):
        tokens = Tokens.open(paths.text(part.text))
        items = len(tokens) if part.size is None else min(part.size, len(tokens))
        texts.append(CorpusText(tokens, items, part.tokens))
    return texts


@dataclass(frozen=True)
class _Pieces:
    """The word pieces of a corpus: special ones first, then the others by frequency.

    Attributes:
        kept: Their ids in the vocabulary, (K,).
        numbers: Table from id to position in ``kept``, (V,).
        special: How many special pieces lead.
        mask: The position of [MASK] in ``kept``.
    """

    kept: NDArray[np.int64]
    numbers: NDArray[np.int64]
    special: int
    mask: int

    def predicted(self, limit: int | None) -> range:
        """The pieces that may be masked and predicted, at most ``limit`` of them."""
        end = len(self.kept) if limit is None else min(len(self.kept), self.special + limit)
        return range(self.special, end)


def corpus_pieces(texts: Sequence[CorpusText], vocabulary: Vocabulary) -> _Pieces:
    """Count the word pieces of a corpus and order them by frequency."""
    counts = np.zeros(vocabulary.size, dtype=np.int64)
    for text in texts:
        counts += text.tokens.first(text.items).counts(vocabulary.size)
    special = np.array(vocabulary.special, dtype=np.int64)
    counts[special] = 0
    order = np.argsort(-counts, kind="stable")
    kept = np.concatenate([special, order[: np.count_nonzero(counts)]])
    numbers = renumbering(kept, vocabulary.size)
    return _Pieces(kept, numbers, len(special), int(numbers[vocabulary.index("[MASK]")]))


class _CorpusOrder:
    """The batch of each step: the texts mixed, each until its budget is met.

    Args:
        batch_tokens: Most word pieces of a batch, padding counted.
    """

    def __init__(self, texts: Sequence[CorpusText], batch_tokens: int, seed: int) -> None:
        self._batches = [
            PieceBatches(text.tokens.lengths[: text.items], batch_tokens, seed, number)
            for number, text in enumerate(texts)
        ]
        pairs = zip(self._batches, texts, strict=True)
        steps = [batches.steps(text.budget) for batches, text in pairs]
        texts_of_steps = np.repeat(np.arange(len(texts), dtype=np.uint16), steps)
        self._texts = generator(Purpose.MIXTURE, seed, 0).permutation(texts_of_steps)
        self._turns = np.empty(len(self._texts), np.uint32)  # among the steps of the same text
        for number, count in enumerate(steps):
            self._turns[self._texts == number] = np.arange(count)

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, step: int) -> tuple[int, NDArray[np.int64]]:
        """The number of a step's text, and the positions of its items in it, (B,)."""
        text = int(self._texts[step])
        return text, self._batches[text][int(self._turns[step])]


def train_masked_lm(
    model: MaskedLM,
    texts: Sequence[CorpusText],
    pieces: _Pieces,
    settings: Pretraining,
    learning_rate: float,
    device: Device,
    seed: int,
    objective: PretrainingObjective,
    teacher: OnlineTeacher[MaskedLM] | None = None,
    keeper: Keeper | None = None,
    ranks: Ranks = ALONE,
) -> Progress:
    """Train a model with the whole vocabulary on the pieces that occur in the texts.

    It stands on the CPU, before and after. The seed decides the order of the items, the masks and
    the dropout; the teacher is the deeper model that the objective asks, if it does.
    """
    whole, bias = model.bert.word_embeddings.weight.detach(), model.bias.detach()
    kept = torch.from_numpy(pieces.kept)
    keep_pieces(model, kept)
    if teacher:
        keep_pieces(teacher.model, kept)
    model.bert.pooler.requires_grad_(False)  # masked LM does not use it
    trained = nn.ModuleDict({"student": model, "objective": objective}).to(device.torch)
    order = _CorpusOrder(texts, settings.batch_tokens, seed)
    predicted = pieces.predicted(settings.softmax_pieces)

    def batch_of(step: int) -> Masked:
        text, index = order[step]
        batch = collate(texts[text].tokens, index, pieces.numbers)
        random = generator(Purpose.MASKS, seed, step)
        return mask_pieces(batch, settings.masked, predicted, pieces.mask, random)

    def loss_of(masked: Masked) -> Tensor:
        asked = device.inputs(masked.batch), device.tensor(masked.positions), predicted.stop
        ours = ExposedLM(model, *asked, device.autocast)
        theirs = teacher and ExposedLM(teacher.model, *asked, teacher.computing)
        return checked_loss(objective, ours, theirs, device.tensor(masked.targets))

    how = Optimisation(len(order), learning_rate, settings)
    progress = optimise(trained, batch_of, loss_of, how, seed, keeper, ranks)
    model.cpu()
    whole[kept], bias[kept] = model.bert.word_embeddings.weight.detach(), model.bias.detach()
    model.bert.word_embeddings, model.bias = embedding_of(whole), nn.Parameter(bias)
    return progress
