"""What a study reads from elsewhere: archives, data sets, files, models and folders.

Only names are gathered, so that this answers at once, without the hub's libraries. Which commit
a repository has now is asked of the hub once, and written down for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pdbench.core.errors import DataError
from pdbench.core.files import write_text
from pdbench.data.places import archives_of
from pdbench.study import ROOT, Study
from pdbench.study.catalogue.archives import ARCHIVES
from pdbench.study.loading import read_pins
from pdbench.study.settings import PINNED, PINS, Released, Source, is_commit

_Kind: TypeAlias = Literal["archive", "data set", "file", "model", "vocabulary", "directory"]

_LICENCES: dict[str, str] = {
    "google-bert/bert-base-uncased": "Apache-2.0",
    "google-bert/bert-large-uncased": "Apache-2.0",
    "google/bert_uncased_": "Apache-2.0",
    "community-datasets/re_dial": "CC-BY-4.0",
    "nyu-mll/glue": "each task has its own; see https://gluebenchmark.com/tasks",
    "rajpurkar/squad": "CC-BY-SA-4.0",
    "stanfordnlp/snli": "CC-BY-SA-4.0",
}
"""Licences of hub repositories as their cards state them, by how their names begin."""


_REPOSITORIES = {"data set": "dataset", "file": "dataset", "model": "model", "vocabulary": "model"}
"""What the hub calls them."""


@dataclass(frozen=True)
class Need:
    """One thing that a study reads: an archive, repository or path, and the source that asks."""

    kind: _Kind
    name: str
    source: Source

    @property
    def key(self) -> str:
        """What tells it from others, and how it is called in messages."""
        about: tuple[str | None, ...] = ()
        if self.kind in ("data set", "file"):
            about = (self.source.configuration, self.source.file)
        elif self.kind == "directory":
            about = (self.source.file,)
        return " ".join([self.kind, self.name, *filter(None, about)])

    @property
    def revision(self) -> str | None:
        """The version of an archive, or the commit of a repository."""
        return ARCHIVES[self.name].version if self.kind == "archive" else self.source.revision

    @property
    def licence(self) -> str:
        """The licence, as far as we know it."""
        if self.kind == "archive":
            return ARCHIVES[self.name].licence
        if self.kind == "directory":
            return "see the folder"
        known = (text for start, text in _LICENCES.items() if self.name.startswith(start))
        where = "" if self.kind in ("model", "vocabulary") else "datasets/"
        return next(known, f"not known to pdbench; see https://huggingface.co/{where}{self.name}")


def local_path(need: Need) -> Path:
    """Where something of kind ``directory`` stands: its folder, or the one file that is read."""
    return Path(need.name, need.source.file or "")


def needs_of(study: Study) -> list[Need]:
    """Everything that a study reads from elsewhere, each thing once, in a lasting order."""
    found = {need.key: need for need in _all(study)}
    if not any((n.kind, n.name) == ("model", study.vocabulary.name) for n in found.values()):
        found |= {need.key: need for need in _of(study.vocabulary, "vocabulary")}
    return [found[key] for key in sorted(found)]


def unpinned(study: Study) -> dict[str, str]:
    """The repositories that a study names as pinned and that are not, with their kind."""
    return {
        need.name: _REPOSITORIES[need.kind]
        for need in needs_of(study)
        if need.kind in _REPOSITORIES and need.source.revision == PINNED
    }


def pin(
    repositories: dict[str, str], ask: Callable[[str, str], str] | None = None
) -> dict[str, str]:
    """Add the present commits of repositories, ids by kind, to ``config/pins.yaml``; return them.

    None is changed, and if one cannot be had none is added. ``ask`` answers in the hub's place.
    """
    known, ask = read_pins(), ask or _ask
    new = sorted((name, kind) for name, kind in repositories.items() if name not in known)
    added = {name: ask(name, kind) for name, kind in new}
    if added:
        path = ROOT / PINS
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        apart = "\n" if before and not before.endswith("\n") else ""
        lines = "".join(f'{name}: "{commit}"\n' for name, commit in added.items())
        write_text(path, before + apart + lines)
    return added


def _all(study: Study) -> Iterator[Need]:
    for task in study.tasks.values():
        yield from _of(task)
        if task.teacher is not None:
            yield from _of(task.teacher, "model")
    for text in study.texts.values():
        for source in text.parts or (text,):
            yield from _of(source)
    for start in study.pretrained:
        corpus = study.corpora[start.corpus]
        if isinstance(corpus, Released) and start.method is None:
            yield from _of(corpus.of(start.architecture), "model")


def _of(source: Source, kind: _Kind | None = None) -> Iterator[Need]:
    if source.source == "embedded":
        for name in archives_of(source):
            yield Need("archive", name, source)
    elif source.source == "directory":
        yield Need("directory", str(source.path), source)
    else:
        yield Need(kind or ("file" if source.file else "data set"), source.name, source)


def _ask(name: str, kind: str) -> str:
    from huggingface_hub import HfApi

    try:
        found = HfApi().repo_info(name, repo_type=kind).sha
    except Exception as error:  # the library raises many kinds, for one cause: no answer
        reason = " ".join(str(error).split())
        raise DataError(
            f"{name}: the hub does not tell its commit ({reason})", "check the name and the network"
        ) from error
    if not is_commit(found):
        raise DataError(f"{name}: the hub tells no commit", f"write it to {PINS} by hand")
    return str(found)
