"""Table of data: the sizes of every task, transfer set and corpus, counted."""

from __future__ import annotations

from collections.abc import Iterator

from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import ABSENT, Drawn, Row, Table
from pdbench.evidence.made_with import known_as
from pdbench.study.kinds import kind_of_task

_CAPTION = (
    "All data of the study, counted; nothing of it is part of the software. S is the similarity "
    "of a transfer set to a task's labelled set: the Spearman correlation of their "
    "word-frequency ranks. Majority is the test accuracy of always answering the largest class. "
    "Left out counts items of a text, of train or of dev that are also held out, Broken a text's "
    "records that could not be read."
)
_LEAKS = (
    "The leak check looked at {checked:,} items of texts, training and dev splits and found "
    "{found} that are also held out; {shared} labelled items share a sentence with a test set."
)


def draw(context: Context) -> Drawn:
    """Write one table each of tasks, transfer sets, corpora and the texts behind them."""
    parts = {
        "Tasks": list(_tasks(context)),
        "Transfer sets (D_T)": list(_transfer_sets(context)),
        "Corpora (D_LM)": list(_corpora(context)),
        "Texts": list(_texts(context)),
        "Licences": list(_licences(context)),
    }
    filled = {title: rows for title, rows in parts.items() if rows}
    tables = [_table(title, rows) for title, rows in filled.items()]
    plain = [{"table": title, **row} for title, rows in filled.items() for row in rows]
    leaks = context.audit["leaks"]
    shared = sum(leaks["shared_sentences"].values())
    found = _LEAKS.format(checked=leaks["checked"], found=leaks["found"], shared=shared)
    return Drawn(plain, " ".join([_CAPTION, found, *_warnings(context)]), tables)


def _warnings(context: Context) -> Iterator[str]:
    for name in context.study.tasks:
        for line in context.audit["tasks"][name]["warnings"]:
            yield f"{context.task_title(name)}: {line}."


def _tasks(context: Context) -> Iterator[Row]:
    for name, task in context.study.tasks.items():
        found = context.audit["tasks"][name]
        items = {split: about["items"] for split, about in found["splits"].items()}
        majority = found["majority"].get("test")
        labels, in_words = found["labels"], kind_of_task(task).in_words
        named = f"{len(labels):,} {in_words}" if labels and not task.labels else ", ".join(labels)
        yield {
            "Task": context.task_title(name),
            "Source": task.name,
            "Labels": named or in_words,
            "Labelled": items.get("train"),
            "Dev": items.get("dev"),
            "Test": items.get("test"),
            "Left out": sum(sum(own.values()) for own in found["excluded"].values()),
            "Majority (%)": None if majority is None else round(100 * majority, 1),
        }


def _transfer_sets(context: Context) -> Iterator[Row]:
    for name, chosen in context.study.transfer_sets.items():
        found = context.audit["transfer_sets"][name]
        counts = {"Items": found["items"], "Word pieces": found["pieces"]}
        similar = {
            f"S to {task}": None if value is None else round(value, 2)
            for task, value in found["similarity"].items()
        }
        yield {"Transfer set": name, "Text": chosen.text, **counts, **similar}


def _corpora(context: Context) -> Iterator[Row]:
    for name in context.study.corpora:
        for part in context.study.corpus_parts(name):
            text = context.audit["texts"][part.text]
            fitted = context.study.fitted_on(name)
            yield {
                "Corpus": name,
                "Learnt": f"states of {known_as(fitted.fits)}" if fitted else "masked LM",
                "Text": part.text,
                "Items": part.size or text["items"],
                "Word pieces trained on": part.tokens,
            }


def _texts(context: Context) -> Iterator[Row]:
    for name, text in context.study.texts.items():
        found = context.audit["texts"][name]
        yield {
            "Text": name,
            "Source": text.name or ", ".join(part.name for part in text.parts),
            "Items": found["items"],
            "Word pieces": found["pieces"],
            "Left out": found["excluded"],
            "Broken": found.get("broken", 0),
        }


def _licences(context: Context) -> Iterator[Row]:
    for kind in ("tasks", "texts"):
        for name in getattr(context.study, kind):
            found = context.audit[kind][name]
            yield {"Task or text": name, "Licence": found["licence"], "Citation": found["citation"]}


def _table(title: str, rows: list[Row]) -> Table:
    align = "".join("l" if isinstance(value, str) else "r" for value in rows[0].values())
    body = tuple(tuple(map(_text, row.values())) for row in rows)
    return Table(title, tuple(rows[0]), body, align)


def _text(value: object) -> str:
    if value is None:
        return ABSENT
    return f"{value:,}" if isinstance(value, int) else str(value)
