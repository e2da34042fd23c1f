"""The parts of Algorithm 1, over texts and models in memory: no study file, no folders.

Each takes the same path as the jobs of a study; what they leave out are its grid, its guards, its
records and its resuming.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import DatasetDict
from numpy.typing import NDArray

from pdbench.core.files import replacing
from pdbench.data import places
from pdbench.data.places import model_folder
from pdbench.data.sources import read_task, read_text
from pdbench.data.tokens import Tokens
from pdbench.data.vocabulary import Vocabulary, encode, open_vocabulary
from pdbench.engine import Bert, BertShape, Classifier, MaskedLM, write_checkpoint
from pdbench.engine.checkpoints import Checkpoint
from pdbench.engine.device import predict
from pdbench.engine.initialise import (
    BERT_RANGE,
    adopted_classifier,
    random_classifier,
    random_model,
)
from pdbench.jobs.corpus import Corpus
from pdbench.jobs.pretraining import train_masked_lm
from pdbench.jobs.training import train_whole
from pdbench.kinds import Labelled
from pdbench.kinds.classes import Classes
from pdbench.methods.objective import MaskedLanguage
from pdbench.study import Architecture
from pdbench.study.settings import Pretraining, Source, StageSettings, Task, Text, VocabularySource
from pdbench.workflow.paths import ARCHIVES


def labelled_data(name: str, labels: Sequence[str]) -> DatasetDict:
    """Fetch and read the splits of an embedded task: columns text and label."""
    task = Task(source="embedded", name=name, labels=tuple(labels), metrics=("accuracy",))
    return read_task(task, _fetched(task))


def unlabelled_text(name: str) -> list[str]:
    """Fetch and read an embedded text."""
    text = Text(source="embedded", name=name, size=1)
    return list(read_text(text, _fetched(text))["text"])


def embedded_vocabulary(name: str = "bert-base-uncased") -> Vocabulary:
    """Fetch and open an embedded vocabulary."""
    source = VocabularySource(source="embedded", name=name)
    return open_vocabulary(source, _fetched(source))


def tokens_of(texts: Sequence[str], vocabulary: Vocabulary, max_length: int = 64) -> Tokens:
    """The word pieces of texts, each cut to ``max_length``."""
    return encode(vocabulary, texts, None, max_length)


def pretrain(
    tokens: Tokens, size: str, vocabulary: Vocabulary, pieces: int, seed: int = 0
) -> MaskedLM:
    """Pre-train a student of a size, such as 2/128, by masked LM on so many word pieces."""
    shape = BertShape.of(Architecture.parse(size), vocabulary.size)
    settings, random = Pretraining(), torch.Generator().manual_seed(seed)
    model = random_model(MaskedLM(Bert(shape, settings.dropout)), BERT_RANGE, random)
    corpus, objective = Corpus([tokens], [pieces], vocabulary), MaskedLanguage(shape, shape, 0)
    train_masked_lm(model, corpus, settings, settings.learning_rate, seed, objective)
    return model


def embedded_teacher(name: str, labels: int, seed: int = 0) -> Classifier:
    """Fetch the weights of an embedded model, under a new output layer."""
    source = Source(source="embedded", name=name)
    return adopted_classifier(Checkpoint(model_folder(source, _fetched(source))), labels, seed)


def student_of(pretrained: MaskedLM, labels: int, seed: int = 0) -> Classifier:
    """A student that begins with a pre-trained encoder, under a new pooler and output layer."""
    shape, random = pretrained.bert.shape, torch.Generator().manual_seed(seed)
    model = random_classifier(shape, labels, BERT_RANGE, random)
    kept = {k: v for k, v in pretrained.bert.state_dict().items() if not k.startswith("pooler.")}
    model.bert.load_state_dict(kept, strict=False)
    return model


def finetune(
    model: Classifier,
    tokens: Tokens,
    labels: NDArray[np.int64],
    settings: StageSettings,
    seed: int = 0,
) -> float:
    """Fine-tune on labels, (N,); return the final training loss."""
    return train_whole(model, _kind(model), Labelled(tokens, labels), settings, seed).loss


def soft_labels(teacher: Classifier, tokens: Tokens) -> NDArray[np.float32]:
    """The teacher's probabilities of every item, (N, C)."""
    found: NDArray[np.float32] = Classes.soft(torch.from_numpy(predict(teacher, tokens))).numpy()
    return found


def distill(
    student: Classifier,
    tokens: Tokens,
    probabilities: NDArray[np.float32],
    settings: StageSettings,
    seed: int = 0,
) -> float:
    """Distil on soft labels, (N, C); return the final training loss."""
    data = Labelled(tokens, probabilities)
    return train_whole(student, _kind(student), data, settings, seed).loss


def accuracy(model: Classifier, tokens: Tokens, labels: NDArray[np.int64]) -> float:
    """The share of items whose most likely class is their label, (N,)."""
    scores = _kind(model).score(model, Labelled(tokens, labels), ("accuracy",))
    return scores.metrics["accuracy"]


def write_model(
    folder: Path, model: Classifier, vocabulary: Vocabulary, labels: Sequence[str]
) -> None:
    """Write a checkpoint that transformers loads; a folder that is there is replaced."""
    with replacing(folder) as target:
        target.mkdir(parents=True)
        write_checkpoint(target, model.cpu(), vocabulary, labels)


def _fetched(source: Source) -> Path:
    for name in places.archives_of(source):
        places.fetch(name, ARCHIVES)
    return ARCHIVES


def _kind(model: Classifier) -> Classes:
    labels = tuple(str(number) for number in range(model.output.out_features))
    return Classes(Task(source="embedded", labels=labels, metrics=("accuracy",)))
