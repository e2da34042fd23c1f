"""What of a study is the same as what a publication speaks about: tasks, splits, transfer sets."""

from __future__ import annotations

from pdbench.evidence.registry import OWN_VERSION, TASKS
from pdbench.evidence.table import Split
from pdbench.study import Study
from pdbench.study.catalogue.glue import GLUE

SIMILARITY_TOLERANCE = 0.02
"""Similarities that are closer are one: S depends a little on which texts are drawn."""


def data_id(study: Study, artefact: str, task: str) -> str:
    """What a task of the study is: an id of :data:`~pdbench.evidence.registry.TASKS`, or its own.

    A task is a published one if the artefact says that it stands for it, or if its id or its
    data set has that name. At the demo's scale nothing stands for another thing.
    """
    known = set(TASKS.values()) - {""}
    if study.scale == "paper":
        for word, chosen in study.artefacts[artefact].stands_for.items():
            if chosen == task and TASKS.get(word):
                return TASKS[word]
    settings = study.tasks[task]
    names = ((settings.configuration or "").replace("_", "-"), settings.name, task)
    return next((name for name in names if name in known), task)


def in_place_of(study: Study, artefact: str, word: str) -> str | None:
    """The study's task that is shown in the place of a published one; None if there is none.

    It is the one that the artefact names, or the same, or the artefact's only task.
    """
    tasks = tuple(dict.fromkeys(cell.task for cell in study.artefact_cells(artefact)))
    named = study.artefacts[artefact].stands_for
    if word in named:
        return named[word] if named[word] in tasks else None
    if not TASKS[word]:
        return None
    same = [task for task in tasks if data_id(study, artefact, task) == TASKS[word]]
    if same:
        return same[0]
    return tasks[0] if len(tasks) == 1 and not named else None


def version_of(study: Study, task: str, identity: str) -> str:
    """Which version of a published task the study has: as it says, or as the id implies."""
    return study.tasks[task].version or OWN_VERSION.get(identity, "")


def published_split(split: Split, identity: str) -> str:
    """What a publication calls a split of the study.

    GLUE's test labels are hidden, so the study's test split is GLUE's dev, the study's own dev
    is held out of the training examples, and GLUE's test is what its server scored.
    """
    if identity in GLUE:
        return {"test": "dev", "dev": "held out", "submission": "test"}[split]
    return split
