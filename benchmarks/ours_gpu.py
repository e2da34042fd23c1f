"""pdbench's side of the measurements on a GPU: the functions that its jobs call."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks import pieces
from benchmarks.worker import Clock, Request, serve
from pdbench.data.tokens import Tokens
from pdbench.engine import Bert, BertShape, MaskedLM, Progress, choose_device, prepare_process
from pdbench.engine.device import device_name, use_gpu
from pdbench.engine.initialise import BERT_RANGE, random_classifier, random_model
from pdbench.jobs.corpus import Corpus
from pdbench.jobs.pretraining import train_masked_lm
from pdbench.jobs.training import train_whole
from pdbench.kinds import Labelled, kind_of
from pdbench.methods.objective import MaskedLanguage
from pdbench.study import Architecture
from pdbench.study.settings import Pretraining, StageSettings, Task

_REPEATS = 20
_RATE = 1e-4


def finetune(request: Request, clock: Clock) -> dict[str, Any]:
    """Fine-tune on invented sentences for so many steps."""
    count = request["steps"] * request["batch"]
    tokens = _tokens(*pieces.sentences(count))
    about = {"source": "embedded", "labels": ["no", "yes"], "metrics": ["accuracy"]}
    kind, shape = kind_of(Task.model_validate(about)), _shape(request)
    model = random_classifier(shape, 2, BERT_RANGE, torch.Generator())
    model.restrict_pieces([tokens])
    batch = (request["batch"],)
    settings = StageSettings(epochs=1, learning_rate=(_RATE,), batch_size=batch)
    labelled = Labelled(tokens, np.arange(count) % 2)
    with clock:
        progress = train_whole(model, kind, labelled, settings, 0)
    return _answer(request, progress, len(model.bert.word_embeddings.weight))


def mlm(request: Request, clock: Clock) -> dict[str, Any]:
    """Pre-train on invented blocks for so many steps, all pieces scored."""
    shape, count = _shape(request), request["steps"] * request["batch"]
    tokens = _tokens(*pieces.blocks(count))
    model = random_model(MaskedLM(Bert(shape)), BERT_RANGE, torch.Generator())
    about = {"size": shape.vocabulary, "index": lambda _: pieces.MASK}
    special = (0, pieces.CLS, pieces.SEP, pieces.MASK)
    vocabulary: Any = SimpleNamespace(**about, special=special)
    corpus = Corpus([tokens], [len(tokens.pieces)], vocabulary)
    settings = Pretraining(batch_tokens=request["batch"] * pieces.LONGEST)
    objective = MaskedLanguage(shape, shape, 0)
    with clock:
        progress = train_masked_lm(model, corpus, settings, _RATE, 0, objective)
    return _answer(request, progress, len(corpus.kept))


def peak(request: Request, clock: Clock) -> dict[str, Any]:
    """Operations a second of the bf16 product of two square matrices."""
    size = request["size"]
    place = choose_device(size).torch
    a, b = (torch.randn(size, size, device=place).to(torch.bfloat16) for _ in range(2))
    best = float("inf")
    with clock:
        for _ in range(_REPEATS):
            started = time.perf_counter()
            float(torch.mm(a, b)[0, 0])  # waits for it
            best = min(best, time.perf_counter() - started)
    return {"peak": 2 * size**3 / best}


def _tokens(found: Any, offsets: Any) -> Tokens:
    lengths = np.diff(offsets).astype(np.int32)
    return Tokens(found, offsets, lengths, "invented", pieces.LONGEST)


def _shape(request: Request) -> BertShape:
    return BertShape.of(Architecture.parse(request["arch"]), pieces.VOCABULARY)


def _answer(request: Request, progress: Progress, distinct: int) -> dict[str, Any]:
    device = choose_device(Architecture.parse(request["arch"]).hidden)
    return {
        "seconds": progress.seconds,
        "steps": progress.steps,
        "items": progress.examples,
        "pieces": progress.pieces,
        "padding": progress.padding,
        "distinct": distinct,
        "precision": device.precision,
        "device": device_name(device.torch),
        "gpu_memory_mb": torch.cuda.max_memory_allocated() / 2**20 if use_gpu() else 0.0,
    }


WORKS = {"finetune": finetune, "mlm": mlm, "peak": peak}

if __name__ == "__main__":
    prepare_process(int(os.environ["OMP_NUM_THREADS"]))
    serve(WORKS)
