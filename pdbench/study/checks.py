"""What a study may not say: every check yields what is wrong with a key, and what to write.

The first problem ends the reading of a study: a check relies on those before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from pdbench.core.errors import suggestion
from pdbench.study.catalogue.archives import EMBEDDED
from pdbench.study.catalogue.glue import published_task
from pdbench.study.catalogue.metrics import METRICS, metrics_for
from pdbench.study.cells import Architecture, Run
from pdbench.study.config import Study, listed
from pdbench.study.discovery import module_file
from pdbench.study.kinds import Problems, kind_of_task
from pdbench.study.settings import (
    MOST_CELLS,
    PINNED,
    Block,
    Columns,
    Data,
    Fitted,
    Released,
    Source,
    Task,
    Text,
    is_commit,
)

_MOST_RUNS = 1_000_000
"""Of a study; the paper has seventeen thousand."""

_TAKEN = ("archives", "example", "store")
"""Folders below results/ and reports/ that are no study's."""

_LONGEST_NAME = 160
"""Of a run. A name of a file has 255 bytes, of which a digest and a random number have theirs."""


def problems_of(study: Study) -> Problems:
    """What is wrong with the references and the combinations of keys in a study."""
    if study.name in _TAKEN:
        yield f"key name: {study.name!r} is a folder of pdbench's own", "give it another name"
    for key, source in _sources(study):
        yield from _of_source(key, source)
    for name, transfer in study.transfer_sets.items():
        key = f"transfer_sets.{name}"
        yield from unknown(f"{key}.text", transfer.text, study.texts, "text")
        if transfer.size > (most := study.texts[transfer.text].size):
            what = f"key {key}.size: {transfer.size} items, but text {transfer.text!r} keeps {most}"
            yield what, f"lower it or raise texts.{transfer.text}.size"
    for name, task in study.tasks.items():
        yield from _of_task(f"tasks.{name}", task, study)
    for name in study.corpora:
        for i, part in enumerate(study.corpus_parts(name)):
            place = f"{name}.texts.{i}" if study.fitted_on(name) else f"{name}.{i}"
            yield from unknown(f"corpora.{place}.text", part.text, study.texts, "text")
        yield from _of_released(f"corpora.{name}.by", study.corpora[name], study)
    yield from _of_grid(study)
    for artefact, needs in study.artefacts.items():
        for i, block in enumerate(needs.cells):
            yield from _of_block(f"artefacts.{artefact}.cells.{i}", block, study)
        for published, task_id in needs.stands_for.items():
            key = f"artefacts.{artefact}.stands_for.{published}"
            yield from unknown(key, task_id, study.tasks, "task")
    yield from _of_runs(study)
    yield from _of_gate(study)


def unknown(key: str, name: str, known: Iterable[str], kind: str) -> Problems:
    """A name that is none of those that a key may have."""
    if name not in known:
        yield f"key {key}: unknown {kind} {name!r}", suggestion(name, known)


def _sources(study: Study) -> Iterator[tuple[str, Source]]:
    yield "vocabulary", study.vocabulary
    for name, task in study.tasks.items():
        yield f"tasks.{name}", task
        if task.teacher:
            yield f"tasks.{name}.teacher", task.teacher
    for name, text in study.texts.items():
        yield f"texts.{name}", text
        yield from ((f"texts.{name}.parts.{i}", part) for i, part in enumerate(text.parts))
    for name, corpus in study.corpora.items():
        if isinstance(corpus, Released):
            yield f"corpora.{name}", corpus
        elif isinstance(corpus, Fitted):
            yield f"corpora.{name}.fits", corpus.fits


def _of_source(key: str, source: Source) -> Problems:
    if (source.source == "mixture") != bool(isinstance(source, Text) and source.parts):
        yield f"key {key}.parts: a mixture has parts, other sources none", "add or remove them"
    if source.source == "embedded":
        yield from unknown(f"{key}.name", source.name, EMBEDDED, "embedded data")
    if source.source == "directory" and not source.path:
        yield f"key {key}.path: missing", "name the folder that a directory source reads"
    if source.source == "hub" and not source.revision:
        yield f"key {key}.revision: missing", "pin a commit of the hub repository"
    if source.source == "hub" and source.revision != PINNED and not is_commit(source.revision):
        what = f"key {key}.revision: {source.revision!r} is no commit"
        yield what, "pin one by its 40 hexadecimal digits: branches and tags move"
    if isinstance(source, Data):
        yield from _of_layout(key, source)
    if isinstance(source, Released):
        try:
            source.of(Architecture(2, 128))
        except (KeyError, IndexError, ValueError) as error:
            what = f"key {key}: name or path cannot be filled in ({error})"
            yield what, "it may hold {layers}, {hidden} and {heads}"


def _of_released(key: str, corpus: object, study: Study) -> Problems:
    if isinstance(corpus, Released) and corpus.by is not None:
        own = [name for name, method in study.methods.items() if method.pretraining]
        yield from unknown(key, corpus.by, own, "method with a pre-training of its own")


def _of_layout(key: str, data: Data) -> Problems:
    """Keys that say how files are written, which only one's own and others' files have."""
    said = data.model_fields_set & {"splits", "columns", "header", "format", "quotes"}
    is_glue = data.source == "directory" and bool(data.name)
    own = isinstance(data, Task) and not kind_of_task(data).has_labels
    if said and (data.source in ("embedded", "mixture") or data.file or is_glue or own):
        yield f"key {key}.{min(said)}: this source has a layout of its own", "leave the key out"
    if data.source == "hub" and (wrong := said - {"splits", "columns"}):
        yield f"key {key}.{min(wrong)}: of files, and its source is hub", "leave the key out"
    is_task = isinstance(data, Task)
    for split in data.splits:
        if (split == "text") == is_task:
            what = f"key {key}.splits.{split}: of a {'task' if is_task else 'text'}"
            yield what, "a task has train, dev and test, a text has text"
    if "..." in data.header[:-1]:
        yield f"key {key}.header: ... stands before other names", "write it last"
    yield from _of_columns(f"{key}.columns", data.columns)


def _of_columns(key: str, columns: Columns) -> Problems:
    pair = (columns.text_a, columns.text_b)
    if any(pair) and (columns.text or not all(pair)):
        yield f"key {key}: {', '.join(columns.texts)}", "name text, or text_a and text_b"
    if len({*columns.texts, columns.label}) < len(columns.texts) + 1:
        yield f"key {key}: a column stands twice", "name each once"


def _of_task(key: str, task: Task, study: Study) -> Problems:
    if task.model_of is not None:
        yield from unknown(f"{key}.model_of", task.model_of, study.tasks, "task")
        host = study.tasks[task.model_of]
        if host.model_of is not None:
            yield f"key {key}.model_of: {task.model_of!r} trains no models", "name a task that does"
        if host.labels != task.labels:
            labels = ", ".join(host.labels)
            what = f"key {key}.model_of: the labels of {task.model_of!r} are {labels}"
            yield what, "write the same labels in the same order"
    known, kind = metrics_for(task.kind), kind_of_task(task)
    strange = [metric for metric in task.metrics if metric not in known]
    if strange:
        what = f"key {key}.metrics: {', '.join(strange)}, and its kind is {task.kind}"
        yield what, f"choose among {', '.join(known)}"
    if kind.has_labels:
        yield from _of_labels(key, task)
    elif task.labels or task.model_of or task.file or task.source not in ("directory", "hub"):
        what = f"key {key}: a {task.kind} has no label names, model_of or file"
        yield what, "write labels: [], and source directory or hub"
    yield from kind.problems(key, task)
    yield from _of_ratings(f"{key}.ratings", task)
    yield from _of_glue(key, task)


def _of_labels(key: str, task: Task) -> Problems:
    if len(task.labels) == 1 or len(set(task.labels)) < len(task.labels):
        what = f"key {key}.labels: {', '.join(task.labels)}"
        yield what, "name two or more, each once, or none of a regression"
    for metric in task.metrics:
        what = f"key {key}.metrics: {metric}, and it has {len(task.labels)} labels"
        if METRICS[metric].of_scores == bool(task.labels):
            known = ", ".join(name for name, own in METRICS.items() if own.of_scores)
            yield what, f"a regression, without labels, has {known}"
        if metric == "f1" and len(task.labels) != 2:
            yield what, "f1 is that of the second of two labels"


def _of_ratings(key: str, task: Task) -> Problems:
    if task.file is None and (task.ratings or task.balanced):
        yield f"key {key}, or balanced: no key file names reviews", "name it, or leave them out"
    if task.file is not None and not task.ratings:
        yield f"key {key}: missing, and key file names reviews", "say which stars make a label"
    if task.ratings and (set(task.ratings) != set(task.labels) or not all(task.ratings.values())):
        yield f"key {key}: {', '.join(task.ratings)}", "give every label stars"
    stars = [star for own in task.ratings.values() for star in own]
    if len(set(stars)) < len(stars):
        yield f"key {key}: a number of stars has two labels", "give each to one"


def _of_glue(key: str, task: Task) -> Problems:
    """A GLUE task without its official metrics, or whose F1 would be of another class."""
    official = published_task(task.source, task.name, task.configuration)
    if official is None:
        return
    if not set(official.metrics) <= set(task.metrics):
        what = f"key {key}.metrics: {', '.join(task.metrics)}, for {official.title}"
        yield what, f"write what GLUE reports, [{', '.join(official.metrics)}]"
    same = sorted(official.labels) == sorted(task.labels)
    if "f1" in official.metrics and same and task.labels != official.labels:
        what = f"key {key}.labels: {', '.join(task.labels)}, and F1 is of the second"
        yield what, f"write them as GLUE numbers them, [{', '.join(official.labels)}]"


def _of_grid(study: Study) -> Problems:
    """More cells than anybody trains, before they are written out."""
    sizes = {"all": len(study.all_architectures), "named": len(study.named_architectures)}
    count = 0
    for artefact, needs in study.artefacts.items():
        for block in needs.cells:
            own = len(listed(block.architecture))
            if isinstance(block.architecture, str):
                own = sizes.get(block.architecture, own)
            names = (block.task, block.method, block.transfer or "")
            count += own * math.prod(len(listed(several)) for several in names)
        if count > MOST_CELLS:
            what = f"key artefacts.{artefact}.cells: with those before it {count:,} cells"
            yield what, f"name fewer tasks, methods, sizes or transfer sets: {MOST_CELLS:,} at most"


def _of_runs(study: Study) -> Problems:
    """More runs than anybody trains, and names that no file has."""
    count = sum(map(study.number_of_runs, study.seed_counts))
    if count > _MOST_RUNS:
        what = f"key artefacts: {count:,} runs"
        yield what, f"ask for fewer seeds or points of training's grids: {_MOST_RUNS:,} at most"
    longest = {c.method: c for c in sorted(study.seed_counts, key=lambda c: len(c.key))}
    for cell in longest.values():
        run = max((Run(cell, 999, own).name for own in study.points(cell)), key=len)
        over = len(f"{cell.key}.{run}") - _LONGEST_NAME
        if over > 0:
            ids = {"methods": cell.method, "tasks": cell.task}
            ids |= {"transfer_sets": cell.transfer or "", "corpora": cell.corpus or ""}
            block = max(ids, key=lambda block: len(ids[block]))
            what = f"key {block}.{ids[block]}: {cell.key}.{run} is too long for a name of a file"
            yield what, f"shorten it, or its companions, by {over} letters"


def _of_block(key: str, block: Block, study: Study) -> Problems:
    for task in listed(block.task):
        yield from unknown(f"{key}.task", task, study.tasks, "task")
        asked = study.tasks[task]
        glue = published_task(asked.source, asked.name, asked.configuration)
        if glue is not None and not glue.items["dev"]:
            what = f"key {key}.task: of {task!r} no labels are published, so that nothing is scored"
            yield what, "leave it out: `pdbench submission` answers it with the models of model_of"
    for name in listed(block.method):
        yield from unknown(f"{key}.method", name, study.methods, "method")
        yield from _of_method(key, name, block, study)
    for transfer in listed(block.transfer):
        yield from unknown(f"{key}.transfer", transfer, study.transfer_sets, "transfer set")
    for corpus in listed(block.corpus):
        yield from unknown(f"{key}.corpus", corpus, study.corpora, "corpus")
    for size in () if block.architecture in ("all", "named") else listed(block.architecture):
        yield from _of_size(f"{key}.architecture", size, study)
    for name in listed(block.method):
        if study.methods[name].needs_corpus:
            yield from _of_start(key, name, block, study)


def _of_start(key: str, name: str, block: Block, study: Study) -> Problems:
    """A method that begins with what others have pre-trained otherwise, or with no deeper model."""
    own, corpus = study.methods[name].pretraining, study.corpora[str(block.corpus)]
    if isinstance(corpus, Released):
        if corpus.by != (name if own else None):
            what = f"key {key}.corpus: {block.corpus!r} holds models by {corpus.by or 'masked LM'}"
            yield what, f"name text, or models by {name if own else 'masked LM'}, for {name!r}"
    elif own and isinstance(corpus, Fitted):
        what = f"key {key}.corpus: on {block.corpus!r} students fit a larger model"
        yield what, f"name text for masked LM: method {name!r} has a pre-training of its own"
    elif own:
        for architecture in study.select(block.architecture):
            if architecture == study.deepest(architecture):
                what = f"key {key}.architecture: {architecture} is the deepest of its width"
                yield what, f"name shallower ones: method {name!r} pre-trains from the deepest"


def _of_method(key: str, name: str, block: Block, study: Study) -> Problems:
    method = study.methods[name]
    if method.distils and block.transfer is None:
        what = f"key {key}.transfer: missing, and method {name!r} distils"
        yield what, "name a transfer set"
    if method.needs_corpus and block.corpus is None:
        what = f"key {key}.corpus: missing, and method {name!r} starts pre-trained"
        yield what, "name a corpus"
    for task in listed(block.task):
        teacher = study.tasks[study.tasks[task].model_of or task].teacher
        if teacher is None and (method.distils or method.asks_teacher):
            what = f"key tasks.{task}.teacher: missing, and method {name!r} needs one"
            yield what, "name a teacher"
    objectives = [stage.objective for stage in method.stages if stage.is_custom]
    if method.pretraining is not None:
        objectives.append(method.pretraining.objective)
    for objective in objectives:
        module = objective.partition(":")[0]
        if module_file(module) is None:
            what = f"method {name!r}: objective {objective}: there is no module {module}"
            yield what, "mend its name in methods.yaml, or install its package"
    for task in listed(block.task) if method.asks_teacher else ():
        if not kind_of_task(study.tasks[task]).has_stages:
            kind = study.tasks[task].kind
            what = f"key {key}.method: {name!r} has an objective of its own, and {task!r} is of"
            yield f"{what} {kind}s", "choose a method of distill and finetune alone"


def _of_size(key: str, text: str, study: Study) -> Problems:
    try:
        (found,) = study.select((text,))
    except ValueError as error:
        yield f"key {key}: {error}", "see architectures in the study file"
    else:
        if found not in study.all_architectures:
            yield f"key {key}: {text!r} is not a size of the study", "add it to architectures.grid"


def _of_gate(study: Study) -> Problems:
    trained = {cell.method for cell in study.seed_counts}
    for i, match in enumerate(study.gate):
        for role, method in (("baseline", match.baseline), ("candidate", match.candidate)):
            yield from unknown(f"gate.{i}.{role}", method, study.methods, "method")
            if method not in trained:
                what = f"key gate.{i}.{role}: no artefact has a cell of method {method!r}"
                yield what, "name it in the cells of an artefact"
        if match.margin is None and study.evidence.margin is None:
            yield f"key gate.{i}.margin: missing", "give it in points, or evidence.margin for all"
        if match.baseline == match.candidate:
            yield f"key gate.{i}: {match.baseline!r} with itself", "name two methods"
