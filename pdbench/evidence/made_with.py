"""What a published number's model was made with, and whether a study's model was made with it too.

``config/reference/made_with.csv`` has a line for each teacher, transfer set and corpus of an
artefact's tasks. A study's own are recognised by where they come from, never by their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pdbench.study import Architecture, Cell, Study
from pdbench.study.catalogue.glue import glue_name, published_task
from pdbench.study.settings import Fitted, Released, Source, Text

PartName: TypeAlias = Literal["teacher", "transfer set", "corpus"]

PARTS = get_args(PartName)
ORIGINS = ("paper", "readme", "assumed")

_EXACT = 0.05  # items are printed with two digits: 1.3m

_TEACHERS = {"BERT_LARGE": Architecture(24, 1024), "BERT_BASE": Architecture(12, 768)}
"""The sizes of the paper's teachers."""


@dataclass(frozen=True)
class MadeWith:
    """A teacher, transfer set or corpus of a publication: a line of the file."""

    artefact: str
    task: str  # in the publication's words; "-" for every task of the artefact
    part: PartName
    name: str  # in the publication's words
    sources: frozenset[str]  # what it is read from, as :func:`known_as` has it
    items: int | None  # None where the source does not say, or each number does itself
    origin: str  # paper, readme or assumed
    source: str

    @property
    def is_assumed(self) -> bool:
        """Whether no stored source says it."""
        return self.origin == "assumed"

    @property
    def shown(self) -> str:
        """Its name, and that it is assumed."""
        return self.name + (" (assumed)" if self.is_assumed else "")


@dataclass(frozen=True)
class OwnPart:
    """A teacher, transfer set or corpus of a study."""

    part: PartName
    name: str  # as the study calls it
    sources: frozenset[str]
    items: int | None = None  # None where it is not known from the study alone
    size: Architecture | None = None  # of a teacher that was trained

    def lacks(self, published: MadeWith) -> str:
        """What makes it another than a published one, in words; empty if nothing does."""
        own, there, size = "", "", _TEACHERS.get(published.name)
        if self.size and size and self.size != size:
            own, there = f" of size {self.size}", f" of {size}"
        if self.items and published.items and not _same_count(self.items, published.items):
            own, there = f" of {self.items:,} items", f" of {published.items:,}"
        if self.sources == published.sources and not own:
            return ""
        return f"{self.part} {self.name}{own}, there {published.shown}{there}"


def _same_count(own: int, published: int) -> bool:
    return abs(own - published) <= _EXACT * published


def teacher_of(study: Study, task: str, size: Architecture | None) -> OwnPart | None:
    """The teacher of a task, with the size that its record has; None of a task without one."""
    teacher = study.tasks[study.tasks[task].model_of or task].teacher
    if teacher is None:
        return None
    name = teacher.name or str(teacher.path)
    return OwnPart("teacher", name, frozenset({known_as(teacher)}), size=size)


def transfer_set_of(study: Study, name: str) -> OwnPart:
    """A transfer set of a study."""
    chosen = study.transfer_sets[name]
    return OwnPart("transfer set", name, _sources(study.texts[chosen.text]), chosen.size)


def corpus_of(study: Study, name: str) -> OwnPart:
    """A corpus of a study; that of released checkpoints is known by their repository."""
    corpus = study.corpora[name]
    if isinstance(corpus, Released):
        return OwnPart("corpus", name, frozenset({known_as(corpus)}))
    texts = [(study.texts[part.text], part.size) for part in study.corpus_parts(name)]
    sources = frozenset().union(*(_sources(text) for text, _ in texts))
    if isinstance(corpus, Fitted):  # other than any on which masked LM alone was trained
        sources |= {f"states of {known_as(corpus.fits)}"}
    items = sum(min(size or text.size, text.size) for text, size in texts)
    return OwnPart("corpus", name, sources, items)


def made_of(
    study: Study, task: str, cell: Cell | None, teacher: Architecture | None = None
) -> Iterator[OwnPart]:
    """What the models of a cell are made with, of what its method uses; None is a task's teacher.

    ``teacher`` is the size that its record has, as far as it is known.
    """
    method = study.methods[cell.method] if cell else None
    if method is None or method.distils or method.asks_teacher:
        found = teacher_of(study, task, teacher)
        yield from () if found is None else (found,)
    if cell is not None and cell.transfer is not None:
        yield transfer_set_of(study, cell.transfer)
    if cell is not None and cell.corpus is not None:
        yield corpus_of(study, cell.corpus)


def _sources(text: Text) -> frozenset[str]:
    return frozenset(known_as(source) for source in text.parts or (text,))


def known_as(source: Source) -> str:
    """What a source holds: a task of GLUE, a category of product reviews, or its name.

    The name is the repository on the hub, or what a local folder is said to be a copy of; a
    folder of which nothing is said is itself alone.
    """
    found = published_task(source.source, source.name, source.configuration)
    if found is not None:
        return str(glue_name(found.title))
    if source.file is not None:
        return Path(source.file).name.partition(".")[0]
    return source.name or f"folder {source.path}"


@dataclass(frozen=True)
class Finding:
    """What is to be said of a part that is not known to be the published one."""

    kind: Literal["differs", "open", "assumed"]  # open: no source states what the published one is
    words: str


def compared(own: OwnPart, published: tuple[MadeWith, ...]) -> Finding | None:
    """What is to be said of a part of a study beside the ways in which a publication has it.

    What is only assumed of the publication is not held against a study that has another: it is
    open. None where the part is the published one, as its source states it.
    """
    if not published:
        return Finding("open", f"the source states no {own.part}")
    lacking = {one: own.lacks(one) for one in published}
    if same := [one for one, words in lacking.items() if not words]:
        if all(one.is_assumed for one in same):
            return Finding("assumed", f"that its {own.part} is {same[0].name} is assumed")
        return None
    words = next(iter(lacking.values()))
    if len(names := dict.fromkeys(one.shown for one in published)) > 1:
        words = f"{own.part} {own.name}, there {' or '.join(names)}"
    return Finding("open" if all(one.is_assumed for one in published) else "differs", words)
