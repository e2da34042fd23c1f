"""Product reviews as their releases have them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest

from pdbench.core.errors import DataError
from pdbench.data import amazon
from pdbench.data.amazon import _PARTS, _reviews
from pdbench.data.records import Breakage
from pdbench.data.sources import read_task, read_text
from pdbench.data.splits import arrange
from pdbench.study.settings import Task, Text

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ITEMS = 600


def _record(number: int, layout: str) -> dict[str, Any]:
    """Review ``number``: about one of 100 products, with 1 to 5 stars in turn."""
    text, stars, product = (
        f"Review {number} &amp; <br />more",
        number % 5 + 1,
        f"B{number % 100:04}",
    )
    if layout == "2018":
        return {
            "overall": float(stars),
            "verified": True,
            "reviewTime": "03 11, 2014",
            "reviewerID": "A3",
            "asin": product,
            "style": {"Format:": " Hardcover"},
            "reviewText": text,
            "summary": "Yes",
            "unixReviewTime": 1394496000,
        }
    return {
        "rating": float(stars),
        "title": "Yes",
        "text": text,
        "images": [],
        "asin": "X",
        "parent_asin": product,
        "user_id": "AF",
        "timestamp": 1440593717000,
        "helpful_vote": 1,
        "verified_purchase": True,
    }


def _write(folder: Path, layout: str = "2023", name: str = "Books.jsonl", *more: str) -> Path:
    path = folder / name
    lines = [json.dumps(_record(i, layout)) for i in range(ITEMS)]
    content = ("\n".join([*lines, *more]) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def _task(folder: Path, name: str = "Books.jsonl", **more: Any) -> Task:
    given: dict[str, Any] = {"ratings": {"negative": (1, 2), "positive": (4, 5)}, **more}
    return Task(
        source="directory",
        path=str(folder),
        file=name,
        labels=("negative", "positive"),
        metrics=("accuracy",),
        **given,
    )


def _text(folder: Path, name: str = "Books.jsonl", **more: Any) -> Text:
    return Text(source="directory", path=str(folder), file=name, size=50, **more)


@pytest.mark.parametrize("layout", ["2018", "2023"])
@pytest.mark.parametrize("name", ["Books.jsonl", "Books.json.gz"])
def test_both_releases_are_read(layout: str, name: str, tmp_path: Path) -> None:
    """Stars become labels, three stars are left out, and tags and entities are resolved."""
    _write(tmp_path, layout, name)

    splits = read_task(_task(tmp_path, name), tmp_path)
    rows = [row for split in splits.values() for row in split]

    assert set(splits) == {"train", "dev", "test"}
    for row in rows:
        number = int(row["text"].split()[1])
        assert row["text"] == f"Review {number} & more"
        assert row["label"] == {1: 0, 2: 0, 4: 1, 5: 1}[number % 5 + 1]


def test_no_two_parts_share_a_product(tmp_path: Path) -> None:
    """Test, dev, labelled set and text are of other products, and together all of them."""
    path = _write(tmp_path)
    splits = read_task(_task(tmp_path), tmp_path)
    text = read_text(_text(tmp_path), tmp_path, scratch=tmp_path)

    products = {
        name: {int(row["text"].split()[1]) % 100 for row in part}
        for name, part in {**splits, "text": text}.items()
    }

    found = [product for part in products.values() for product in part]
    assert len(found) == len(set(found))
    assert all(products[part] for part in _PARTS)
    assert len(list(_reviews(path, Breakage()))) == ITEMS


def test_repeated_reviews_are_kept_once(tmp_path: Path) -> None:
    """The same text of the same or another product counts once, where it comes first."""
    _write(tmp_path)
    once = read_text(_text(tmp_path), tmp_path, scratch=tmp_path)["text"][:]
    content = (tmp_path / "Books.jsonl").read_text()
    (tmp_path / "Books.jsonl").write_text(content * 2)

    twice = read_text(_text(tmp_path), tmp_path, scratch=tmp_path)["text"][:]

    assert twice == once
    assert len(set(once)) == len(once) > 300


def test_a_sample_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    """The first so many by sha256, with a few to spare for those that hold test sentences."""
    path = _write(tmp_path)
    every = {row["text"] for row in read_text(_text(tmp_path), tmp_path, scratch=tmp_path)}
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines)) + "\n")

    assert {row["text"] for row in read_text(_text(tmp_path), tmp_path, scratch=tmp_path)} == every


def test_texts_are_to_spare_for_those_with_a_test_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third may say what a whole test review says, and as many as asked for are left."""
    monkeypatch.setattr(amazon, "_ROWS", 1)
    _write(tmp_path)
    text = _text(tmp_path).model_copy(update={"size": 200})

    assert len(read_text(text, tmp_path, scratch=tmp_path)) >= 300


def test_a_text_is_not_in_memory(tmp_path: Path) -> None:
    """It is mapped from a file in the folder that its caller removes."""
    _write(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    found = read_text(_text(tmp_path), tmp_path, scratch=scratch)

    (file,) = found.cache_files
    assert Path(file["filename"]).parent == scratch


BROKEN = {
    "not JSON": ('{"rating": 5.0, "text": "cut', r"no review \(Invalid control character"),
    "no object": ("[1, 2]", r"no review \(no JSON object"),
    "no stars": ('{"text": "x", "parent_asin": "B1"}', r"it lacks rating and parent_asin or"),
    "stars no number": (
        '{"rating": "five", "text": "x", "parent_asin": "B1"}',
        r"could not convert string to float",
    ),
    "product no text": (
        '{"rating": 5.0, "text": "x", "parent_asin": 7}',
        r"parent_asin is no text",
    ),
    "half a character": ('{"rating": 5.0, "text": "\\ud800", "parent_asin": "B1"}', "surrogates"),
    "endless stars": ('{"rating": Infinity, "text": "x", "parent_asin": "B1"}', "inf, no number"),
    "half a star": ('{"rating": 4.5, "text": "x", "parent_asin": "B1"}', "4.5, no number of stars"),
    "too deep": ("[" * 100_000, "recursion"),
    "text no text": ('{"rating": 5.0, "text": 8, "parent_asin": "B1"}', r"text or parent_asin"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_record_is_named(case: str, tmp_path: Path) -> None:
    """File and line number, in one line."""
    line, message = BROKEN[case]
    _write(tmp_path, "2023", "Books.jsonl", line)

    with pytest.raises(DataError, match=rf"Books\.jsonl:{ITEMS + 1}: .*{message}") as caught:
        read_text(_text(tmp_path), tmp_path, scratch=tmp_path)

    assert "\n" not in str(caught.value)


def test_a_share_of_broken_records_is_left_out_and_counted(tmp_path: Path) -> None:
    """Up to the share that the study states; one more, and nothing is read."""
    _write(tmp_path, "2023", "Books.jsonl", "{", "{")
    breakage = Breakage()

    found = read_text(_text(tmp_path, broken=2 / ITEMS), tmp_path, breakage, tmp_path)

    assert (breakage.found, len(found) > 300) == (2, True)
    with pytest.raises(DataError, match=rf"2 of {ITEMS + 2} records are broken, first .*:601: no"):
        read_text(_text(tmp_path, broken=1 / ITEMS), tmp_path, scratch=tmp_path)


def test_reviews_without_text_are_no_error(tmp_path: Path) -> None:
    """The releases have some: stars alone."""
    empty = '{"overall": 5.0, "asin": "B1"}'
    path = _write(tmp_path, "2018", "Books.json", empty, empty)

    assert len(list(_reviews(path, Breakage()))) == ITEMS


def test_a_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    """A download that ended early."""
    path = _write(tmp_path, "2018", "Books.json.gz")
    path.write_bytes(path.read_bytes()[:-2000])

    with pytest.raises(DataError, match=r"Books\.json\.gz: cut short after line \d+"):
        read_task(_task(tmp_path, "Books.json.gz"), tmp_path)


def test_frequent_labels_are_thinned_in_every_split(tmp_path: Path) -> None:
    """As many of each, the first so many too, and the same whatever the order of the file."""
    lines = []
    for i in range(20_000):
        stars, text = (1.0 if i % 8 == 0 else 5.0), f"Review number {i}"
        lines.append(json.dumps({"rating": stars, "text": text, "parent_asin": f"B{i % 999}"}))
    path = tmp_path / "Books.jsonl"
    path.write_text("\n".join(lines) + "\n")
    task = _task(tmp_path, balanced=True, train=800, dev=200, test=100)

    found = read_task(task, tmp_path)
    chosen = arrange(found, task, "books")[0]
    path.write_text("\n".join(reversed(lines)) + "\n")
    again = arrange(read_task(task, tmp_path), task, "books")[0]

    for split, spread in (("train", 0.06), ("dev", 0.12), ("test", 0.16)):  # over three errors
        assert np.mean(found[split]["label"][:]) == pytest.approx(0.5, abs=spread), split
        assert np.mean(chosen[split]["label"][:]) == pytest.approx(0.5, abs=spread), split
        assert chosen[split].to_dict() == again[split].to_dict()
    as_it_is = read_task(task.model_copy(update={"balanced": False}), tmp_path)
    assert np.mean(as_it_is["train"]["label"][:]) == pytest.approx(7 / 8, abs=0.03)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Folder and file stand in the error."""
    with pytest.raises(DataError, match=r"Books\.jsonl: no such file"):
        read_task(_task(tmp_path), tmp_path)


def test_the_hub_gives_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its cache, without a network, at the pinned commit."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    name = "raw/review_categories/Books.jsonl"
    _write(cache / "datasets--org--reviews/snapshots" / COMMIT, "2023", name)
    _write(tmp_path / "local", "2023", name)
    text = Text(source="hub", name="org/reviews", revision=COMMIT, file=name, size=50)

    found = read_text(text, tmp_path, scratch=tmp_path)["text"][:]

    assert (
        found == read_text(_text(tmp_path / "local", name), tmp_path, scratch=tmp_path)["text"][:]
    )
    other = text.model_copy(update={"revision": "f" * 40})
    with pytest.raises(DataError, match=r"org/reviews@ffffffffffff: raw/.* cannot be fetched"):
        read_text(other, tmp_path, scratch=tmp_path)
