"""S: how similar a transfer set is to a labelled set, from the ranks of word frequencies.

The paper varies S between 0.43 and 1 and does not say how it is computed, so this is ours:

1. Words are runs of ASCII letters and digits, with an apostrophe inside (``don't``), in
   lower case. Both sides of a pair count.
2. The vocabulary is the 1,000 most frequent words of the labelled set's training text (all
   of them if it has fewer; equal counts in alphabetical order).
3. Each of those words is counted in the labelled set and in the transfer set, where a word
   that does not occur counts 0. Counts are ranked, ties by their average rank.
4. S is Spearman's correlation of the two rankings.

S is 1 for a set and itself, does not depend on the order of the items, and is not symmetric:
it asks how well the transfer set covers the words of the task.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

_VOCABULARY = 1000
"""Most frequent words of the labelled set that are compared."""

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")


def word_counts(texts: Iterable[str]) -> Counter[str]:
    """Count the words of texts."""
    counts: Counter[str] = Counter()
    add_words(counts, texts)
    return counts


def add_words(counts: Counter[str], texts: Iterable[str]) -> None:
    """Add the words of texts to ``counts``."""
    for text in texts:
        counts.update(_WORD.findall(text.lower()))


def similarity(labelled: Counter[str], transfer: Counter[str]) -> float:
    """Return S of a transfer set to a labelled set, each given by its word counts.

    Where one ranking is constant, as when no word is shared, there is no correlation and
    S is 0.
    """
    from scipy.stats import spearmanr

    words = sorted(labelled, key=lambda word: (-labelled[word], word))[:_VOCABULARY]
    ours = [labelled[word] for word in words]
    theirs = [transfer[word] for word in words]
    if min(len(set(ours)), len(set(theirs))) < 2:
        return 0.0
    found = float(spearmanr(ours, theirs).statistic)
    return 0.0 if math.isnan(found) else found
