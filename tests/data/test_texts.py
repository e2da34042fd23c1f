"""Two sentences are the same when only their writing differs."""

import pytest

from pdbench.data.texts import clean, normalise, sentences


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It's GOOD, really.", "its good - really"),
        ("Lovely &amp; Amazing", "lovely & amazing"),
        ("naïve café", "NAÏVE  CAFÉ!"),
        ("ﬁne", "fine"),
    ],
)
def test_writing_does_not_matter(one: str, other: str) -> None:
    """Case, spacing, punctuation, entities and ligatures are ignored."""
    assert normalise(one) == normalise(other)


def test_letters_matter() -> None:
    """Accents make another word, and so does another script."""
    assert len({normalise(text) for text in ("resume", "résumé", "резюме", "resumes")}) == 4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("👍", "👎"),
        ("❤️ ❤️", "⭐️"),
        ("...", "!?"),
        ("की", "का"),  # Devanagari writes vowels as marks
        ("ไม่ดี", "ไมดี"),
        ("مُحَمَّد", "محمود"),
    ],
)
def test_no_other_text_is_the_same(first: str, second: str) -> None:
    """Marks of vowels count; a text of signs alone is what it is."""
    assert normalise(first) != normalise(second)
    assert "" not in (normalise(first), normalise(second))


@pytest.mark.parametrize("text", ["Good film", "GOOD   film!", "“good” film…", "good\u00a0film ❤️"])
def test_the_same_text_is_the_same(text: str) -> None:
    """Signs beside words do not count, nor how an emoji is drawn."""
    assert normalise(text) == "goodfilm"
    assert normalise("👍 👍") == normalise("👍👍")


def test_sentences_end_at_marks_and_lines() -> None:
    """Line-break tags are line ends; short sentences can be left out."""
    text = clean("A first one.<br /><br />Really?  Yes &amp; no! And then some more")

    assert sentences(text) == ["A first one.", "Really?", "Yes & no!", "And then some more"]
    assert sentences(text, 3) == ["A first one.", "Yes & no!", "And then some more"]
