"""Pre-training of a student on the hidden states of a larger model (general distillation).

The states are computed once for each corpus, and every student learns them by regression, as in
the general distillation of TinyBERT (Jiao et al., 2020), but of the last layer alone. What stands
in the place of [CLS] is the mean over the item's states: what models of sentences, which are what
a small machine has at hand, say of a sentence.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pdbench.core.entries import verified_digest, write_record
from pdbench.core.files import file_digest, replacing
from pdbench.data.batches import collate, sorted_buckets
from pdbench.data.places import model_folder, weights_file
from pdbench.data.tokens import Tokens, read_array
from pdbench.data.vocabulary import Vocabulary, open_vocabulary
from pdbench.engine import Bert, BertShape, Keeper, Progress, choose_device
from pdbench.engine.bert import only_pieces
from pdbench.engine.checkpoints import Checkpoint
from pdbench.engine.device import refuse_slow
from pdbench.engine.initialise import random_model, standard_deviation
from pdbench.engine.loop import Optimisation, optimise
from pdbench.engine.projection import Components, in_parts, project_embeddings
from pdbench.engine.state import Stopwatch
from pdbench.engine.targets import StatesBatch
from pdbench.jobs.corpus import CorpusOrder, open_corpus, texts_of
from pdbench.jobs.training import are_there, environment, refuse_several
from pdbench.study import Start, Study
from pdbench.study.settings import Fitted
from pdbench.workflow import Paths
from pdbench.workflow.paths import ARCHIVES

_log = logging.getLogger(__name__)

_STATES = "states.npy"
_BATCH = 64  # items whose states are computed together


def states(study: Study, paths: Paths, corpus: str) -> None:
    """Compute what students of a corpus learn of its model's hidden states, once for all."""
    refuse_several()
    target = paths.fitted(corpus)
    with paths.making(target):
        watch, asked = Stopwatch(), read_from(study, paths, corpus)
        if are_there(target, asked):
            _log.info("states of %s: already done", corpus)
            return
        refuse_slow(study)
        vocabulary = open_vocabulary(study.vocabulary, ARCHIVES)
        model = open_model(study, corpus, vocabulary)
        texts = open_corpus(study, paths, corpus, vocabulary).texts
        found = [_states_of(model, tokens) for tokens in texts]
        learnt = _learnt(found, texts, study.training.fit.dimensions)
        with replacing(target) as folder:
            folder.mkdir(parents=True)
            np.save(folder / _STATES, learnt, allow_pickle=False)
            made = environment(watch, choose_device(model.shape.hidden)).model_dump(mode="json")
            write_record(folder, {**asked, "environment": made})
    _log.info("states of %s: %d pieces, %d numbers each", corpus, *learnt.shape)


def read_from(study: Study, paths: Paths, corpus: str) -> dict[str, Any]:
    """What the states of a corpus are made from, as their record says it."""
    weights = weights_file(model_folder(_chosen(study, corpus).fits, ARCHIVES))
    return {"corpus": corpus, "model": file_digest(weights), **texts_of(study, paths, corpus)}


def inputs_of(study: Study, paths: Paths, start: Start) -> dict[str, str]:
    """The digests of what a student is fitted on, as its record says them."""
    states = verified_digest(paths.fitted(start.corpus) / _STATES)
    return {**texts_of(study, paths, start.corpus), "states": states}


def fit_student(
    study: Study,
    paths: Paths,
    start: Start,
    vocabulary: Vocabulary,
    model: Bert,
    keeper: Keeper | None = None,
) -> tuple[Bert, Progress]:
    """Train a student to regress its corpus's states, from projected embeddings of their model.

    As in masked LM, the word pieces that occur in the corpus are trained alone.
    """
    settings, shape = study.training.fit, BertShape.of(start.architecture, vocabulary.size)
    corpus = open_corpus(study, paths, start.corpus, vocabulary)
    deviation = standard_deviation(shape.hidden, study.training.initializer_range)
    random = torch.Generator().manual_seed(start.seed)
    student = random_model(Bert(shape, settings.dropout), deviation, random)
    kept = torch.from_numpy(corpus.kept[corpus.special :])
    project_embeddings(student, model, kept, deviation)
    student.pooler.requires_grad_(False)  # no state passes through it

    learnt = read_array(paths.fitted(start.corpus) / _STATES, mapped=True)
    output = random_model(nn.Linear(shape.hidden, learnt.shape[1]), shape.hidden**-0.5, random)
    order = CorpusOrder(corpus, settings.batch_tokens, start.seed)
    device, begins = choose_device(shape.hidden), _begins(corpus.texts)

    def batch_of(step: int) -> StatesBatch:
        text, index = order[step]
        tokens = corpus.texts[text]
        rows = [learnt[begins[text] + tokens.offsets[i] :][: tokens.lengths[i]] for i in index]
        targets = np.concatenate(rows, dtype=np.float32)
        return StatesBatch(collate(tokens, index, student.numbers), targets)

    def loss_of(batch: StatesBatch) -> Tensor:
        ids, segments, mask = device.inputs(batch.batch)
        with device.autocast():
            found = student(ids, segments, mask, student.noise())
            said = output(found.flatten(0, 1) if mask is None else found[mask])
        return functional.mse_loss(said.float(), device.tensor(batch.targets))

    rate = study.learning_rate(settings.learning_rate, start.architecture)
    how = Optimisation(len(order), rate, settings)
    with only_pieces(student, corpus.kept):
        trained = nn.ModuleDict({"student": student, "output": output}).to(device.torch)
        progress = optimise(trained, batch_of, loss_of, how, start.seed, keeper)
        student.cpu()
    return student, progress


def _chosen(study: Study, corpus: str) -> Fitted:
    chosen = study.fitted_on(corpus)
    assert chosen is not None
    return chosen


def open_model(study: Study, corpus: str, vocabulary: Vocabulary) -> Bert:
    """The model that students of a corpus fit."""
    checkpoint = Checkpoint(model_folder(_chosen(study, corpus).fits, ARCHIVES))
    checkpoint.check(vocabulary)
    model = Bert(checkpoint.shape)
    checkpoint.load_encoder(model)
    return model.eval()


def _states_of(model: Bert, tokens: Tokens) -> NDArray[np.float16]:
    """The last hidden states of all T pieces of a text, (T, E); an item's mean for its first."""
    device = choose_device(model.shape.hidden)
    found = np.empty((int(tokens.offsets[-1]), model.shape.hidden), np.float16)
    model.to(device.torch)
    for index in sorted_buckets(tokens.lengths, _BATCH):
        batch = collate(tokens, index)
        with torch.inference_mode(), device.autocast():
            own = model(*device.inputs(batch)).float().cpu().numpy()
        for item, rows in zip(index, own, strict=True):
            start, end = tokens.offsets[item : item + 2]
            found[start:end] = rows[: end - start]
            found[start] = rows[: end - start].mean(axis=0)
    return found


def _learnt(
    found: list[NDArray[np.float16]], texts: Sequence[Tokens], dimensions: int
) -> NDArray[np.float16]:
    """The states in their directions of most variance, (T, K), with a mean square of 1.

    The means over items vary less than states, and would count for less than one piece each:
    they are spread until they vary as much.
    """
    rows = torch.from_numpy(np.concatenate(found))
    firsts = torch.from_numpy(_firsts(texts))
    rows[firsts] = _spread_as(rows, rows[firsts]).half()
    components = Components.of(rows, dimensions)
    parts = [components.project(part) for part in in_parts(rows)]
    projected = torch.cat(parts)
    return (projected / projected.square().mean().sqrt()).half().numpy()


def _spread_as(rows: Tensor, means: Tensor) -> Tensor:
    """Means (N, E) about their own mean, as far as rows (T, E) are about theirs on average."""
    whole, own = (_deviation(one) for one in (rows, means))
    centre = means.double().mean(dim=0)
    return centre + (means.double() - centre) * (whole / own)


def _deviation(rows: Tensor) -> float:
    """The standard deviation of a column, in the mean over the columns."""
    squares, total = torch.zeros(2, rows.shape[1], dtype=torch.float64)
    for part in in_parts(rows):
        squares, total = squares + part.square().sum(dim=0), total + part.sum(dim=0)
    variance = squares / len(rows) - (total / len(rows)).square()
    return float(variance.clamp_min(0).sqrt().mean())


def _begins(texts: Sequence[Tokens]) -> NDArray[np.int64]:
    """The row of each text's first piece in the states of all, (N,)."""
    return np.concatenate([[0], np.cumsum([int(tokens.offsets[-1]) for tokens in texts])[:-1]])


def _firsts(texts: Sequence[Tokens]) -> NDArray[np.int64]:
    """The rows of the first pieces of all items."""
    pairs = zip(_begins(texts), texts, strict=True)
    return np.concatenate([begin + tokens.offsets[:-1] for begin, tokens in pairs])
