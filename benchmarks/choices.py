"""Which choices decide what basic training scores on SST-2, and which dev can tell.

Run ``python -m benchmarks.choices data/glue/SST-2`` on GLUE's files. It changes one setting of
``config/basic.yaml`` at a time, trains 2/128 with each seed number, and scores three sets: GLUE's
dev, beside which the paper's numbers stand; training phrases that were held out at random; and
whole training sentences, of whose phrases none is trained on.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

import pdbench
from pdbench.core.errors import PdbenchError
from pdbench.core.files import write_json
from pdbench.core.lines import say
from pdbench.data.sources import read_task
from pdbench.data.texts import hashed
from pdbench.engine.bert import BertShape
from pdbench.engine.initialise import random_classifier, standard_deviation
from pdbench.study import Architecture, Study, load_study
from pdbench.study.cells import seed_of
from pdbench.study.settings import StageSettings
from pdbench.workflow.paths import ARCHIVES

_STUDY, _TASK = "basic", "sst2"
_SIZE = Architecture(2, 128)
_PHRASES, _SENTENCES = 2000, 800  # held out
_WORD = re.compile(r"\w+")

CHOICES: dict[str, dict[str, Any]] = {
    "as in config/basic.yaml, its highest rate": {},
    "rate 3e-4": {"learning_rate": (3e-4,)},
    "rate 1e-4": {"learning_rate": (1e-4,)},
    "4 epochs": {"epochs": 4},
    "4 epochs, rate 3e-4": {"epochs": 4, "learning_rate": (3e-4,)},
    "4 epochs, rate 3e-4, batch 32": {"epochs": 4, "learning_rate": (3e-4,), "batch_size": (32,)},
    "weights begin with 0.02 * sqrt(768 / H)": {"initializer_range": "scaled"},
    "32 word pieces": {"max_length": 32},
    "no dropout": {"dropout": 0.0},
}
"""What is changed, in words and by the study's keys."""


@dataclass(frozen=True)
class Data:
    """The split trained on, and those scored, by name: texts with their labels, (N,)."""

    train: tuple[list[str], NDArray[np.int64]]
    scored: dict[str, tuple[list[str], NDArray[np.int64]]]


def whole_sentences(texts: Sequence[str]) -> dict[str, set[str]]:
    """The texts that are no part of another one, each with the texts that are part of it.

    SST-2's training items are the phrases of its sentences, and the sentences. Texts are compared
    by their words in lower case.
    """
    words = {text: tuple(_WORD.findall(text.lower())) for text in texts}
    known = {spoken: text for text, spoken in words.items()}
    parts: dict[str, set[str]] = {}
    for text, spoken in words.items():
        spans = (spoken[i:j] for i in range(len(spoken)) for j in range(i + 1, len(spoken) + 1))
        parts[text] = {known[span] for span in spans if span in known} - {text}
    inner = set().union(*parts.values())
    return {text: own for text, own in parts.items() if text not in inner and own}


def split(texts: Sequence[str], labels: Sequence[int], dev: Sequence[list[Any]]) -> Data:
    """Hold out phrases at random, and whole sentences with all their phrases.

    ``dev`` has the texts of GLUE's dev and their labels.
    """
    sentences = sorted(whole_sentences(texts).items(), key=lambda item: hashed(item[0]))
    chosen = dict(sentences[:_SENTENCES])
    left_out = set(chosen).union(*chosen.values())
    rest = sorted((t for t in set(texts) - left_out), key=hashed)
    phrases = set(rest[:_PHRASES])
    whose = dict(zip(texts, labels, strict=True))

    def of(own: Sequence[str]) -> tuple[list[str], Any]:
        return list(own), np.array([whose[text] for text in own])

    return Data(
        of([t for t in texts if t not in left_out and t not in phrases]),
        {
            "GLUE's dev": (dev[0], np.array(dev[1])),
            "phrases": of(rest[:_PHRASES]),
            "sentences": of(list(chosen)),
        },
    )


def settings_of(study: Study) -> dict[str, Any]:
    """The study's settings of what the choices change, by key."""
    finetune = study.training.finetune
    return {
        **finetune.model_dump(),
        "learning_rate": (max(finetune.learning_rate),),
        "initializer_range": study.training.initializer_range,
        "max_length": study.tasks[_TASK].max_length,
    }


def measured(data: Data, chosen: dict[str, Any], seeds: int) -> Iterator[dict[str, float]]:
    """The accuracies in per cent on each scored set, of each seed number."""
    vocabulary, length = pdbench.embedded_vocabulary(), chosen["max_length"]
    train = pdbench.tokens_of(data.train[0], vocabulary, length)
    scored = {n: pdbench.tokens_of(own, vocabulary, length) for n, (own, _) in data.scored.items()}
    how = StageSettings(**{k: v for k, v in chosen.items() if k in StageSettings.model_fields})
    deviation = standard_deviation(_SIZE.hidden, chosen["initializer_range"])
    for number in range(seeds):
        seed = seed_of(_TASK, _SIZE, number)
        random = torch.Generator().manual_seed(seed)
        model = random_classifier(BertShape.of(_SIZE, vocabulary.size), 2, deviation, random)
        model.restrict_pieces([train, *scored.values()])
        pdbench.finetune(model, train, data.train[1], how, seed)
        yield {
            n: 100 * pdbench.accuracy(model, own, data.scored[n][1]) for n, own in scored.items()
        }


def lines(found: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """A Markdown table: each choice with its mean and standard deviation over seed numbers."""
    names = list(next(iter(found.values()))[0])
    yield f"| {_SIZE}, changed | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"
    for choice, runs in found.items():
        each = ([run[name] for run in runs] for name in names)
        cells = (
            f"{fmean(own):.1f} ± {stdev(own):.1f}" if len(own) > 1 else f"{own[0]:.1f}"
            for own in each
        )
        yield f"| {choice} | {' | '.join(cells)} |"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Seed numbers.")
@click.option("--only", multiple=True, type=click.Choice(list(CHOICES)), help="Choices to train.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write all scores to FILE.")
def main(folder: Path, seeds: int, only: tuple[str, ...], file: Path | None) -> None:
    """Train 2/128 on SST-2 in FOLDER with one choice changed at a time; print a table."""
    torch.set_num_threads(1)
    try:
        study = load_study(_STUDY)
        task = study.tasks[_TASK].model_copy(update={"path": str(folder)})
        splits = read_task(task, ARCHIVES)
    except PdbenchError as error:
        raise click.ClickException(str(error)) from error
    (texts, labels), dev = ([splits[s][c][:] for c in ("text", "label")] for s in ("train", "dev"))
    data, settings = split(texts, labels, dev), settings_of(study)
    found: dict[str, list[dict[str, float]]] = {}
    for choice in only or CHOICES:
        found[choice] = list(measured(data, settings | CHOICES[choice], seeds))
        print(choice, found[choice], file=sys.stderr, flush=True)
    if file is not None:
        write_json(file, {"trained": len(data.train[0]), "seeds": seeds, "scores": found})
    sizes = ", ".join(f"{n} {len(own):,}" for n, (own, _) in data.scored.items())
    say(
        f"{len(data.train[0]):,} training phrases; scored: {sizes}; {seeds} seed numbers",
        *lines(found),
    )


if __name__ == "__main__":
    main()
