"""S is 1 for a set and itself, falls with distance, and depends on words alone."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from pdbench.data.audit import _VOCABULARY, _similarity, _words

FILMS = ["the film is a fine film", "a poor film and the plot is dull", "the plot is fine"] * 3
OTHER = ["the senate and the house agree", "a plot of the house is poor"] * 3
FAR = ["congress shall levy taxes"] * 3


def word_counts(texts: Iterable[str]) -> Counter[str]:
    """How often each word of the texts occurs."""
    return Counter(_words(texts))


def test_a_set_is_like_itself() -> None:
    """S of a set with itself is exactly 1."""
    counts = word_counts(FILMS)

    assert _similarity(counts, counts) == 1


def test_more_of_the_same_is_as_similar() -> None:
    """Only ranks count, so repeating a set changes nothing."""
    assert _similarity(word_counts(FILMS), word_counts(FILMS * 7)) == 1


def test_order_does_not_matter() -> None:
    """S is a property of the set."""
    shuffled = random.Random(3).sample(OTHER, len(OTHER))

    assert _similarity(word_counts(FILMS), word_counts(OTHER)) == _similarity(
        word_counts(FILMS), word_counts(shuffled)
    )


def test_nearer_text_is_more_similar() -> None:
    """Itself, then text that shares words, then text that shares none."""
    found = [_similarity(word_counts(FILMS), word_counts(t)) for t in (FILMS, OTHER, FAR)]

    assert found == sorted(found, reverse=True)
    assert found[2] == 0


def test_only_the_most_frequent_words_count() -> None:
    """A rare word of the labelled set is not looked at."""
    labelled = word_counts(f"w{i} " * (_VOCABULARY + 2 - i) for i in range(_VOCABULARY + 1))
    changed = labelled.copy()
    changed[f"w{_VOCABULARY}"] = 10**6

    assert _similarity(labelled, changed) == 1


def test_words_are_lower_case_with_apostrophes() -> None:
    """What a word is, as documented."""
    assert word_counts(["Don't STOP-it, 'quoted' 3D"]) == {
        "don't": 1,
        "stop": 1,
        "it": 1,
        "quoted": 1,
        "3d": 1,
    }


def test_average_ranks_are_used_for_ties() -> None:
    """A worked example: counts 3, 2, 2, 1 against 1, 2, 2, 3."""
    assert _similarity(word_counts(["a a a b b c c d"]), word_counts(["a b b c c d d d"])) == (
        pytest.approx(-1)
    )
