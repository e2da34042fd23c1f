"""SQuAD v1.1: its published files, and the rows that the hub has of it.

Every example is a question, a context, the true answers and the character of the context where
each begins. The test set is not published, so the published dev set is test; articles by whose
questions dev chooses are wholly held out of the training set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from pdbench.core.errors import DataError
from pdbench.core.files import read_json
from pdbench.data import hub
from pdbench.data.records import Breakage
from pdbench.data.splits import is_held_out
from pdbench.study.settings import Source, Task

_FILES = {"train": "train-v1.1.json", "dev": "dev-v1.1.json"}

_LONGEST = 2**20
"""Characters of a question and its context, each window of which is an input."""

_ROWS = pa.schema(
    {
        "text_a": pa.string(),
        "text_b": pa.string(),
        "answers": pa.list_(pa.string()),
        "starts": pa.list_(pa.int64()),
    }
)


class _Question(NamedTuple):
    """A question and its context, and where it stands for messages."""

    where: str
    article: str
    text_a: str
    text_b: str
    answers: list[str]
    starts: list[int]


def reads(source: Source) -> bool:
    """Whether a text is the published files'."""
    return source.source == "directory" and source.name == "squad"


def read_splits(task: Task, breakage: Breakage) -> dict[str, pa.Table]:
    """Read train, dev (held out by article) and test (the published dev)."""
    published = {split: _questions(task, split, breakage) for split in _FILES}
    found: dict[str, list[_Question]] = {"train": [], "dev": [], "test": published["dev"]}
    for example in published["train"]:
        found["dev" if is_held_out(example.article) else "train"].append(example)
    return {split: _table(examples) for split, examples in found.items()}


def read_text(source: Source, breakage: Breakage) -> pa.Table:
    """Read the questions of the training file with their contexts, without the answers."""
    return _table(_questions(source, "train", breakage)).select(["text_a", "text_b"])


def _table(examples: list[_Question]) -> pa.Table:
    return pa.Table.from_pylist([example._asdict() for example in examples], _ROWS)


def _questions(source: Source, split: str, breakage: Breakage) -> list[_Question]:
    """The questions of a published split, but broken ones."""
    if source.source == "directory":
        found = _from_file(Path(source.path or "") / _FILES[split])
    else:
        found = _from_hub(source, "validation" if split == "dev" else split)
    return list(breakage.checked(_sound(found, breakage)))


def _from_file(path: Path) -> Iterator[_Question]:
    if not path.is_file():
        raise DataError(f"{path}: no such file", "mend key path, or fetch SQuAD's own files")
    where = f"{path}"
    try:
        for article in read_json(path, 2**30)["data"]:
            for number, paragraph in enumerate(article["paragraphs"], start=1):
                where = f"{path}: {article['title']}, paragraph {number}"
                for asked in paragraph["qas"]:
                    pairs = [
                        (answer["text"], answer["answer_start"]) for answer in asked["answers"]
                    ]
                    about = (asked["question"], paragraph["context"], pairs)
                    yield _question(f"{path}: question {asked['id']}", article["title"], *about)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"{where}: not SQuAD v1.1's layout ({type(error).__name__}: {error})"
        raise DataError(what, "use its own files") from error


def _from_hub(source: Source, split: str) -> Iterator[_Question]:
    rows, wanted = hub.open_split(source, split), ["title", "question", "context", "answers"]
    if missing := set(wanted) - set(rows.columns):
        what = f"{rows.where}: no column {', '.join(sorted(missing))}"
        raise DataError(what, "use a data set in SQuAD's layout")
    for where, row in rows.read(wanted, Breakage()):
        pairs = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
        yield _question(where, row["title"], row["question"], row["context"], list(pairs))


def _question(
    where: str, article: str, asked: str, context: str, answers: list[tuple[str, Any]]
) -> _Question:
    texts, starts = [text for text, _ in answers], [int(start) for _, start in answers]
    return _Question(where, article, " ".join(asked.split()), context, texts, starts)


def _sound(examples: Iterator[_Question], breakage: Breakage) -> Iterator[_Question]:
    for example in examples:
        if problem := _problem(example):
            what = f"{example.where}: {problem}"
            breakage.leave_out(DataError(what, "mend the file, or set key broken"))
        else:
            yield example


def _problem(example: _Question) -> str:
    if not example.text_a or not example.text_b.strip():
        return "empty question or context"
    if len(example.text_a) + len(example.text_b) > _LONGEST:
        return f"question and context of over {_LONGEST:,} characters"
    if not example.answers:
        return "no answer; questions without one are of SQuAD v2.0"
    for text, start in zip(example.answers, example.starts, strict=True):
        if start < 0 or not text.strip() or example.text_b[start : start + len(text)] != text:
            return f"answer {text[:40]!r} does not stand at character {start} of its context"
    return ""
