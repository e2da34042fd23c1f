"""A study: the grid at one scale, and everything that follows from it without training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from pdbench.core.words import shown
from pdbench.study.cells import Architecture, Cell, Point, Run, SoftLabelled, Start
from pdbench.study.methods import ImportedMethod, Method, Objective
from pdbench.study.settings import (
    Architectures,
    ArtefactNeeds,
    Assumption,
    Block,
    Corpus,
    CorpusPart,
    Evidence,
    Fitted,
    GateMatch,
    Name,
    Names,
    Released,
    StageSettings,
    Strict,
    Task,
    Text,
    Title,
    Training,
    TransferSet,
    VocabularySource,
)


class Study(Strict):
    """A grid at one scale: everything that ``config/<name>.yaml`` says."""

    name: Name = Field(description="Folder name under results/ and reports/.")
    title: Title = Field(description="The title of the report.")
    scale: Literal["smoke", "demo", "paper"] = Field(
        description="paper: it needs a GPU, and the magnitudes of the paper's claims are asked; "
        "demo: it trains on a CPU, and their direction alone is; smoke: it shows that the path "
        "works, and nothing can be concluded. Which numbers are comparable with published ones "
        "does not depend on it."
    )
    vocabulary: VocabularySource = Field(
        description="The WordPiece vocabulary of teacher and students."
    )
    architectures: Architectures = Field(description="The sizes of the students.")
    tasks: dict[Name, Task] = Field(description="Labelled data by task id.")
    texts: dict[Name, Text] = Field({}, description="Unlabelled text by text id.")
    transfer_sets: dict[Name, TransferSet] = Field({}, description="Transfer sets by id.")
    corpora: dict[Name, Corpus] = Field(
        {},
        description="Corpora by id: texts for masked LM, texts with a larger model that students "
        "fit on them, or released checkpoints in the place of both.",
    )
    training: Training = Field(description="How everything is trained.")
    evidence: Evidence = Field(
        Evidence(), description="When a published number counts as reproduced."
    )
    gate: tuple[GateMatch, ...] = Field(
        (), description="What `pdbench check` and `snakemake check` compare."
    )
    artefacts: dict[str, ArtefactNeeds] = Field(description="Tables and figures, in report order.")
    methods: dict[str, Method] = Field(
        {}, description="Filled from config/methods.yaml; give none here."
    )
    assumptions: tuple[Assumption, ...] = Field(
        (), description="Filled from the sourced values; give none here."
    )

    _argument: str | None = PrivateAttr(default=None)
    _file: str = PrivateAttr(default="")
    _is_shipped: bool = PrivateAttr(default=False)
    _imported: dict[Cell, int] = PrivateAttr(default_factory=dict)

    def asked_for(self, argument: str, file: str, *, is_shipped: bool = False) -> None:
        """Remember by which name or path the study was asked for, and which file it is.

        ``is_shipped`` says that it is pdbench's own, and none of the working folder.
        """
        self._argument, self._file, self._is_shipped = argument, file, is_shipped

    @property
    def whose(self) -> str:
        """What follows its name where it is first said: that it is none of the working folder."""
        return ", pdbench's own" if self._is_shipped else ""

    @property
    def file(self) -> str:
        """The study's file: its path in the project or from the working directory, or its name."""
        return self._file or self.name

    @property
    def argument(self) -> str:
        """What the commands that are printed for it call it."""
        return self._argument or self.name

    @property
    def shown(self) -> str:
        """What pages call it, which others read."""
        return shown(self.argument)

    def changed(self, **keys: Any) -> Study:
        """A study that is this one but for some keys, whose values are not checked."""
        found = self.model_copy(update=keys)
        for name in found.__dict__.keys() - type(self).model_fields.keys():
            del found.__dict__[name]  # what was kept of this one
        return found

    @property
    def imported(self) -> Mapping[Cell, int]:
        """The cells whose runs another code base trained, each with its number of seeds."""
        return self._imported

    def with_imported(self, cells: Mapping[Cell, int]) -> Study:
        """This study with cells that nobody trains here, as its results are judged and shown.

        Each stands in the artefacts that have a cell of its task, size and transfer set.
        """
        names = {cell.method for cell in cells}
        added = {name: ImportedMethod(name=f"{name} (imported)") for name in sorted(names)}
        found = self.changed(methods=self.methods | added)
        found._imported = dict(cells)
        return found

    @cached_property
    def named_architectures(self) -> dict[str, Architecture]:
        """The named sizes, from small to large."""
        return {n: Architecture.parse(text) for n, text in self.architectures.named.items()}

    @cached_property
    def all_architectures(self) -> tuple[Architecture, ...]:
        """Every size of the study, by width and then depth."""
        grid = self.architectures.grid
        product = {Architecture(layers, h) for layers in grid.layers for h in grid.hidden}
        found = product | set(self.named_architectures.values())
        return tuple(sorted(found, key=lambda a: (a.hidden, a.layers)))

    def deepest(self, architecture: Architecture) -> Architecture:
        """The deepest size of the same width: what truncation takes its layers from."""
        return max(a for a in self.all_architectures if a.hidden == architecture.hidden)

    def initial_checkpoint(self, cell: Cell, seed_number: int) -> Start | None:
        """The pre-trained weights that the runs of a cell with a seed number start from.

        Pre-training made here has the runs' seed numbers; released weights have none.
        """
        method = self.methods[cell.method]
        if cell.corpus is None or not method.needs_corpus:
            return None
        number = None if self.is_released(cell.corpus) else seed_number
        if method.initialisation != "pretrained":
            return Start(cell.corpus, self.deepest(cell.architecture), number)
        is_trained = method.pretraining and not self.is_released(cell.corpus)
        return Start(cell.corpus, cell.architecture, number, cell.method if is_trained else None)

    def starts(self, cell: Cell) -> tuple[Start, ...]:
        """What the runs of a cell start from, each once, by seed number."""
        numbers = range(self.seed_counts[cell])
        found = (self.initial_checkpoint(cell, number) for number in numbers)
        return tuple(dict.fromkeys(start for start in found if start is not None))

    def is_released(self, corpus: str) -> bool:
        """Whether released checkpoints stand in the place of a corpus."""
        return isinstance(self.corpora[corpus], Released)

    def pretrained_by(self, start: Start) -> Start | None:
        """The deeper pre-trained model that teaches one whose objective is a method's own."""
        if start.method is None:
            return None
        return Start(start.corpus, self.deepest(start.architecture), start.seed_number)

    def same_model(self, cell: Cell) -> Cell:
        """The cell of the study whose models are the very same; itself where there is none.

        Two cells have the same models where task, size, transfer set, stages and start are the
        same: what is truncated from a pre-trained model of its own depth is that model. Of several
        cells it is the first whose start is not "truncated".
        """
        return self._same_models.get(cell, cell)

    @cached_property
    def _same_models(self) -> dict[Cell, Cell]:
        alike: dict[Hashable, list[Cell]] = {}
        for cell in self.seed_counts:
            alike.setdefault(self._made_of(cell), []).append(cell)
        return {cell: min(own, key=self._is_truncated) for own in alike.values() for cell in own}

    def _is_truncated(self, cell: Cell) -> bool:
        return self.methods[cell.method].initialisation == "truncated"

    def _made_of(self, cell: Cell) -> Hashable:
        """What makes the models of a cell, whatever its method is called."""
        start, *others = self._parts[cell.method]
        if start == "truncated" and self.deepest(cell.architecture) == cell.architecture:
            start = "pretrained"
        return cell.task, cell.architecture, cell.transfer, cell.corpus, start, *others

    @cached_property
    def _parts(self) -> dict[str, tuple[str, ...]]:
        """What each method is made of: its start, its own pre-training and its stages."""
        return {
            name: (name,)
            if method.is_imported
            else (method.initialisation, method.model_dump_json(include={"pretraining", "stages"}))
            for name, method in self.methods.items()
        }

    @cached_property
    def seed_counts(self) -> dict[Cell, int]:
        """Every cell with its number of seeds: the most that any artefact asks for."""
        counts: dict[Cell, int] = {}
        for artefact, needs in self.artefacts.items():
            for cell in self.artefact_cells(artefact):
                for own in {cell, self.trained_by(cell)}:
                    counts[own] = max(counts.get(own, 0), needs.seeds)
        return dict(sorted((counts | self._imported).items()))

    def trained_by(self, cell: Cell) -> Cell:
        """The cell whose models a cell scores: itself, or its task's ``model_of``."""
        host = self.tasks[cell.task].model_of
        return cell if host is None else replace(cell, task=host)

    def scored_with(self, task: str) -> tuple[str, ...]:
        """The other tasks on which the models of a task are scored."""
        return tuple(name for name, other in self.tasks.items() if other.model_of == task)

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Every cell by its key."""
        return {cell.key: cell for cell in self.seed_counts}

    def artefact_cells(self, artefact: str) -> tuple[Cell, ...]:
        """The cells that an artefact needs, each once, in the order of its blocks."""
        blocks = self.artefacts[artefact].cells
        own = dict.fromkeys(cell for block in blocks for cell in self._expand(block))
        places = {(cell.task, cell.architecture, cell.transfer) for cell in own}
        beside = (c for c in self._imported if (c.task, c.architecture, c.transfer) in places)
        return (*own, *beside)

    def margin(self, artefact: str) -> float | None:
        """The margin of equivalence of an artefact's numbers, in points; None if none is named."""
        needs = self.artefacts.get(artefact)
        own = None if needs is None else needs.margin
        return self.evidence.margin if own is None else own

    def _expand(self, block: Block) -> Iterator[Cell]:
        for task, method in itertools.product(listed(block.task), listed(block.method)):
            definition = self.methods[method]
            transfers = listed(block.transfer) if definition.distils else ()
            corpus = block.corpus if definition.needs_corpus else None
            for architecture in self.select(block.architecture):
                for transfer in transfers or (None,):
                    yield Cell(task, method, architecture, transfer, corpus)

    def select(self, names: Names) -> tuple[Architecture, ...]:
        """Turn "all", "named", names or L/H into architectures."""
        if names == "all":
            return self.all_architectures
        known = self.named_architectures
        chosen = tuple(known) if names == "named" else listed(names)
        return tuple(known.get(n) or Architecture.parse(n) for n in chosen)

    def runs(self, cell: Cell) -> tuple[Run, ...]:
        """The runs that a cell may have: its seeds by the grid of its stages.

        Stages with the same settings share a point, so that a method of more stages does not
        choose among more runs. Where the first seed selects, of the others' runs those at its best
        point are trained alone, which is known once its own have been.
        """
        points = self.points(cell)
        return tuple(Run(cell, i, point) for i in range(self.seed_counts[cell]) for point in points)

    def points(self, cell: Cell) -> list[tuple[Point, ...]]:
        """The points of a cell's grid, each with that of every stage."""
        used = [stage.settings for stage in self.methods[cell.method].stages]
        grids: dict[Objective, list[Point]] = {}
        for name in used:
            settings = self.stage(name)
            rates = [self.learning_rate(r, cell.architecture) for r in settings.learning_rate]
            pairs = itertools.product(rates, settings.batch_size)
            grids[name] = [Point(*pair) for pair in pairs]
        chosen = [dict(zip(grids, p, strict=True)) for p in itertools.product(*grids.values())]
        return [tuple(point[name] for name in used) for point in chosen]

    def first_selects(self, cell: Cell) -> bool:
        """Whether the first seed number alone is trained over the grid of a cell that has more."""
        has_more = self.seed_counts[cell] > 1 and self._number_of_points(cell) > 1
        return has_more and self.training.select == "first-seed"

    def selects(self, cell: Cell, seed_number: int) -> bool:
        """Whether the runs of a seed number are among those that select a cell's grid point."""
        return not (seed_number and self.first_selects(cell))

    def number_of_runs(
        self, cell: Cell, seed_number: int | None = None, stages: int | None = None
    ) -> int:
        """How many runs of a cell are trained, or of one seed number of it.

        With ``stages``, those whose points agree in the first so many stages count once.
        """
        points, seeds = self._number_of_points(cell, stages), self.seed_counts[cell]
        if not self.first_selects(cell):
            return points * (seeds if seed_number is None else 1)
        if seed_number is None:
            return points + seeds - 1
        return points if self.selects(cell, seed_number) else 1

    def number_of_kept(self, cell: Cell) -> int:
        """How many students of a cell stay, which are none where it scores another's."""
        if self.trained_by(cell) != cell:
            return 0
        kept = {"none": 0, "chosen": 1, "all": self.number_of_runs(cell)}
        return kept[self.training.keep_students]

    def number_waiting(self, cell: Cell) -> int:
        """How many students of a cell wait, at most, until dev has chosen the one that stays."""
        if self.number_of_kept(cell) != 1 or self.number_of_runs(cell) == 1:
            return 0
        unknown = self.seed_counts[cell] > 1 and not self.first_selects(cell)
        return self._number_of_points(cell) if unknown else 1

    def _number_of_points(self, cell: Cell, stages: int | None = None) -> int:
        used = {stage.settings for stage in self.methods[cell.method].stages[:stages]}
        grids = [(own.learning_rate, own.batch_size) for own in map(self.stage, used)]
        return math.prod(len(rates) * len(sizes) for rates, sizes in grids)

    def learning_rate(self, base: float, architecture: Architecture) -> float:
        """A configured learning rate at the width of an architecture."""
        width = self.training.rates_hold_at
        return base if width is None else base * width / architecture.hidden

    def stage(self, settings: Objective) -> StageSettings:
        """The settings of a stage, by the name of their block."""
        return self.training.distill if settings == "distill" else self.training.finetune

    @cached_property
    def pretrained(self) -> tuple[Start, ...]:
        """What cells start from, and what teaches those in turn; the largest first."""
        direct = {start for cell in self.seed_counts for start in self.starts(cell)}
        teachers = {self.pretrained_by(start) for start in direct}
        found = [start for start in direct | teachers if start is not None]

        def place(start: Start) -> tuple[int, str, str, int]:
            largest = -start.architecture.encoder_parameters
            return largest, start.corpus, start.method or "", start.seed_number or 0

        return tuple(sorted(found, key=place))

    @cached_property
    def taught(self) -> tuple[str, ...]:
        """The tasks whose teacher is trained: all that have one and have a cell."""
        used = {cell.task for cell in self.seed_counts}
        return tuple(name for name, task in self.tasks.items() if name in used and task.teacher)

    @cached_property
    def soft_labelled(self) -> tuple[SoftLabelled, ...]:
        """The texts that a teacher labels, each with its task."""
        own = [
            (c.task, c.transfer) for c in self.seed_counts if c.transfer and self.trained_by(c) == c
        ]
        return tuple(sorted({SoftLabelled(t, self.transfer_sets[name].text) for t, name in own}))

    def items_labelled(self, text: str) -> int:
        """How many items of a text a teacher labels: those of the largest set made of it."""
        return max(own.size for own in self.transfer_sets.values() if own.text == text)

    def corpus_parts(self, corpus: str) -> tuple[CorpusPart, ...]:
        """The texts of a corpus; released checkpoints stand in the place of one and have none."""
        chosen = self.corpora[corpus]
        if isinstance(chosen, Released):
            return ()
        return chosen.texts if isinstance(chosen, Fitted) else chosen

    def fitted_on(self, corpus: str) -> Fitted | None:
        """The corpus, if students fit a larger model on it."""
        chosen = self.corpora[corpus]
        return chosen if isinstance(chosen, Fitted) else None

    @cached_property
    def fitted(self) -> tuple[str, ...]:
        """The corpora on which students fit a larger model, as far as any does."""
        used = {start.corpus for start in self.pretrained}
        return tuple(sorted(name for name in used if self.fitted_on(name)))


def listed(names: Names | None) -> tuple[str, ...]:
    """The names of a key that may be left out, or have one of them or several."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else names
