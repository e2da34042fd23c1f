"""Pre-training of a student on a corpus: by masked LM, or by what the corpus or a method asks."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pdbench.core.entries import verified_digest
from pdbench.core.errors import DataError
from pdbench.core.files import file_digest
from pdbench.data.batches import Purpose, collate, generator
from pdbench.data.columns import LOSSES
from pdbench.data.places import model_folder, weights_file
from pdbench.data.vocabulary import Vocabulary, open_vocabulary, write_vocabulary
from pdbench.engine import (
    Bert,
    BertShape,
    Keeper,
    MaskedLM,
    Progress,
    choose_device,
    write_checkpoint,
)
from pdbench.engine.bert import keep_pieces, only_pieces
from pdbench.engine.checkpoints import WEIGHTS, Checkpoint
from pdbench.engine.device import refuse_slow
from pdbench.engine.distributed import ALONE, Ranks, processes
from pdbench.engine.exposed import ExposedLM
from pdbench.engine.initialise import random_model, spectral_embeddings, standard_deviation
from pdbench.engine.loop import Optimisation, optimise
from pdbench.engine.state import SAVE_EVERY
from pdbench.engine.targets import Masked
from pdbench.jobs.corpus import Corpus, CorpusOrder, open_corpus, texts_of
from pdbench.jobs.fitting import fit_student, open_model
from pdbench.jobs.fitting import inputs_of as fitted_inputs
from pdbench.jobs.record import FIT, PRETRAIN, RunRequest, StageRecord
from pdbench.jobs.training import (
    OnlineTeacher,
    TrainingJob,
    refuse_several,
    seconds_of,
)
from pdbench.jobs.unseen import closed_labels
from pdbench.methods.objective import (
    MaskedLanguage,
    PretrainingObjective,
)
from pdbench.study import Start, Study
from pdbench.study.settings import Fitted, Pretraining, Released, Source
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job
from pdbench.workflow.paths import ARCHIVES

_log = logging.getLogger(__name__)


def pretrain(study: Study, paths: Paths, start: Start, save_every: float = SAVE_EVERY) -> None:
    """Pre-train one student size on one corpus and write its checkpoint.

    Under torchrun all its processes train together, and the first of them writes.
    """
    corpus = study.corpora[start.corpus]
    if isinstance(corpus, Released | Fitted):
        refuse_several()
    if isinstance(corpus, Released):
        with paths.making(paths.pretrained(start)):
            _convert(study, paths, start, corpus.of(start.architecture))
    elif processes() > 1:
        with Ranks.joined() as ranks, _locked_by_first(paths, start, ranks):
            _pretrain(study, paths, start, save_every, ranks)
    else:
        with paths.making(paths.pretrained(start)):
            _pretrain(study, paths, start, save_every, ALONE)


@contextlib.contextmanager
def _locked_by_first(paths: Paths, start: Start, ranks: Ranks) -> Iterator[None]:
    """Let the first of the processes that train together hold the lock."""
    is_first = ranks.rank == 0
    with paths.making(paths.pretrained(start)) if is_first else contextlib.nullcontext():
        yield


def _convert(study: Study, paths: Paths, start: Start, source: Source) -> None:
    """Take a released checkpoint in the place of pre-training, converted once to safetensors."""
    paths.look_again(Job("pretrain", start))
    vocabulary, folder = open_vocabulary(study.vocabulary, ARCHIVES), model_folder(source, ARCHIVES)
    checkpoint = Checkpoint(folder)
    found = checkpoint.shape.architecture
    if found != start.architecture:
        what = f"{folder}: a {found} model in the place of {start.architecture}"
        raise DataError(what, "mend the name or the path of the released checkpoints")
    checkpoint.check(vocabulary)
    job = _job(paths, start, inputs_of(study, paths, start))
    if job.is_done(f"{start.size} of {start.corpus}"):
        return

    def write(target: Path) -> None:
        checkpoint.convert(target)
        write_vocabulary(target, vocabulary, checkpoint.shape.positions)

    job.finish([], start.architecture.parameters(vocabulary.size), write=write)
    _log.info("took %s from %s", start.size, folder)


def _pretrain(study: Study, paths: Paths, start: Start, save_every: float, ranks: Ranks) -> None:
    vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
    job = _job(paths, start, inputs_of(study, paths, start), save_every, writes=ranks.rank == 0)
    if ranks is ALONE and job.is_done(f"{start.size} on {start.corpus}"):
        return
    refuse_slow(study)
    fits = study.fitted_on(start.corpus) is not None
    larger = open_model(study, start.corpus, vocabulary) if fits else None
    with closed_labels(study):
        model: Bert | MaskedLM
        if larger is not None:
            model, progress = fit_student(study, paths, start, vocabulary, larger, job.keeper)
        else:
            model, progress = pretrain_student(study, paths, start, vocabulary, job.keeper, ranks)
    if ranks.rank:
        return
    settings, name = (study.training.fit, FIT) if fits else (study.training.pretrain, PRETRAIN)
    own = study.methods[start.method].pretraining if start.method else None
    rate = study.learning_rate(settings.learning_rate, start.architecture)
    stage = StageRecord.of(own.name if own else name, rate, progress)
    parameters = start.architecture.parameters(vocabulary.size)
    write = partial(write_checkpoint, model=model, vocabulary=vocabulary)
    job.finish([stage], parameters, arrays={LOSSES: progress.losses}, write=write)
    _log.info("pre-trained %s on %s: loss %.3f", start, start.corpus, progress.loss)


def inputs_of(study: Study, paths: Paths, start: Start) -> dict[str, str]:
    """The digests of what a student is pre-trained on and by, as its record says them."""
    released = study.corpora[start.corpus]
    if isinstance(released, Released):
        folder = model_folder(released.of(start.architecture), ARCHIVES)
        return {"released": file_digest(weights_file(folder))}
    if study.fitted_on(start.corpus):
        return fitted_inputs(study, paths, start)
    found = texts_of(study, paths, start.corpus)
    deeper = study.pretrained_by(start)
    if deeper is not None:
        found["teacher"] = verified_digest(paths.pretrained(deeper) / WEIGHTS)
    return found


def _job(
    paths: Paths,
    start: Start,
    inputs: dict[str, str],
    save_every: float = SAVE_EVERY,
    writes: bool = True,
) -> TrainingJob:
    number = start.seed_number or 0
    asked = RunRequest(
        cell=f"pretraining.{start.corpus}.{start.size}",
        method="pretraining",
        architecture=str(start.architecture),
        corpus=start.corpus,
        run=f"seed{number}",
        seed_index=number,
        seed=start.seed,
        **paths.decided_by(Job("pretrain", start)),
        inputs=inputs,
    )
    return TrainingJob(paths, paths.pretrained(start), asked, save_every, writes)


def pretrain_student(
    study: Study,
    paths: Paths,
    start: Start,
    vocabulary: Vocabulary,
    keeper: Keeper | None = None,
    ranks: Ranks = ALONE,
) -> tuple[MaskedLM, Progress]:
    """Train a student by masked LM, or by a method's own objective, from its first weights.

    The model has the whole vocabulary, but only pieces that occur in the corpus are trained; the
    others keep their first weights.
    """
    settings, shape = study.training.pretrain, BertShape.of(start.architecture, vocabulary.size)
    corpus = open_corpus(study, paths, start.corpus, vocabulary)
    deeper, teacher = study.pretrained_by(start), None
    if deeper is None or start.method is None:
        objective: PretrainingObjective = MaskedLanguage(shape, shape, 0)
        model = _first_weights(study, start, corpus, shape)
    else:
        teacher = OnlineTeacher(Checkpoint(paths.pretrained(deeper)).masked_lm())
        own, theirs = study.methods[start.method].pretraining, teacher.model.bert.shape
        assert own is not None
        objective = PretrainingObjective.build(
            own.objective, own.options, shape, theirs, 0, start.seed
        )
        model = _student_of(teacher.model, objective, settings.dropout)
    rate = study.learning_rate(settings.learning_rate, start.architecture)
    progress = train_masked_lm(
        model, corpus, settings, rate, start.seed, objective, teacher, keeper, ranks
    )
    return model, progress


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


def _first_weights(study: Study, start: Start, corpus: Corpus, shape: BertShape) -> MaskedLM:
    settings, seed = study.training.pretrain, start.seed
    deviation = standard_deviation(shape.hidden, study.training.initializer_range)
    random = torch.Generator().manual_seed(seed)
    model = random_model(MaskedLM(Bert(shape, settings.dropout)), deviation, random)
    if settings.embedding_start == "spectral":
        items = [
            corpus.numbers[tokens.item(i).astype(np.int64)]
            for tokens in corpus.texts
            for i in range(len(tokens))
        ]
        rows = spectral_embeddings(items, len(corpus.kept), shape.hidden, deviation, seed)
        rows[: corpus.special] = 0
        found = rows.abs().sum(dim=1) > 0
        whole = model.bert.word_embeddings.weight.detach()
        whole[torch.from_numpy(corpus.kept)[found]] = rows[found]
    return model


def train_masked_lm(
    model: MaskedLM,
    corpus: Corpus,
    settings: Pretraining,
    learning_rate: float,
    seed: int,
    objective: PretrainingObjective,
    teacher: OnlineTeacher[MaskedLM] | None = None,
    keeper: Keeper | None = None,
    ranks: Ranks = ALONE,
) -> Progress:
    """Train a model with the whole vocabulary on the pieces that occur in a corpus.

    It stands on the CPU, before and after. The seed decides the order of the items, the masks and
    the dropout; the teacher is the deeper model that the objective asks, if it does.
    """
    device = choose_device(model.bert.shape.hidden)
    if teacher:
        keep_pieces(teacher.model, corpus.kept)
    model.bert.pooler.requires_grad_(False)  # masked LM does not use it
    model.bert.position_embeddings.requires_grad_(not objective.freezes_positions)
    order = CorpusOrder(corpus, settings.batch_tokens, seed)
    predicted = corpus.predicted(settings.softmax_pieces)
    weights = corpus.weights(objective.smoothing)

    def batch_of(step: int) -> Masked:
        text, index = order[step]
        batch = collate(corpus.texts[text], index, corpus.numbers)
        random = generator(Purpose.MASKS, seed, step)
        return Masked.of(batch, settings.masked, predicted, corpus.mask, random, weights)

    def loss_of(masked: Masked) -> Tensor:
        asked = device.inputs(masked.batch), device.tensor(masked.positions), predicted.stop
        ours = ExposedLM(model, *asked, device.autocast)
        theirs = teacher and ExposedLM(teacher.model, *asked, teacher.computing)
        return objective.checked_loss(ours, theirs, device.tensor(masked.targets))

    how = Optimisation(len(order), learning_rate, settings)
    with only_pieces(model, corpus.kept):
        trained = nn.ModuleDict({"student": model, "objective": objective}).to(device.torch)
        progress = optimise(
            trained, batch_of, loss_of, how, seed, keeper, ranks, teaching=seconds_of(teacher)
        )
        model.cpu()
    return progress
