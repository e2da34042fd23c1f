"""The choices that decide what basic training scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import choices
from pdbench.study import load_study

SENTENCES = [f"the film {n} is good , and the plot {n} is bad" for n in range(40)]
PHRASES = [part for n in range(40) for part in (f"the film {n} is good", f"plot {n} is bad")]


def test_whole_sentences_have_their_phrases() -> None:
    """What is part of another text is no sentence, and neither is what has no parts."""
    found = choices.whole_sentences([*SENTENCES, *PHRASES, "alone"])

    assert set(found) == set(SENTENCES)
    assert found[SENTENCES[3]] == {"the film 3 is good", "plot 3 is bad"}


def test_no_phrase_of_a_held_out_sentence_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is scored stands in no other split, and keeps its labels."""
    monkeypatch.setattr(choices, "_PHRASES", 10)
    monkeypatch.setattr(choices, "_SENTENCES", 5)
    texts = [*SENTENCES, *PHRASES]
    labels = [len(text) % 2 for text in texts]

    data = choices.split(texts, labels, (["new"], [1]))

    held_out = data.scored["sentences"][0]
    assert len(held_out) == 5
    assert len(data.scored["phrases"][0]) == 10
    assert len(data.train[0]) == len(texts) - 5 * 3 - 10
    parts = {part for text in held_out for part in choices.whole_sentences(texts)[text]}
    assert parts.isdisjoint(data.train[0])
    assert parts.isdisjoint(data.scored["phrases"][0])
    assert [len(text) % 2 for text in data.train[0]] == data.train[1].tolist()


def test_every_choice_changes_a_setting() -> None:
    """A misspelt key would train the same model again under another name."""
    base = choices.settings_of(load_study("basic"))

    for choice, changed in choices.CHOICES.items():
        assert all(value != base[key] for key, value in changed.items()), choice
    assert [c for c, changed in choices.CHOICES.items() if not changed] == [*choices.CHOICES][:1]


def test_a_folder_without_data_is_one_line(tmp_path: Path) -> None:
    """Before anything is trained."""
    result = CliRunner().invoke(choices.main, [str(tmp_path)])

    assert result.exit_code == 1
    assert "Error: " in result.output
    assert "Traceback" not in result.output
