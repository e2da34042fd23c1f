"""A study: the grid at one scale, and everything that follows from it without training."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, Field

from pdbench.files import digest
from pdbench.study.architecture import Architecture
from pdbench.study.cells import Cell, Run
from pdbench.study.methods import Method
from pdbench.study.settings import (
    Architectures,
    ArtefactNeeds,
    Assumption,
    Block,
    CorpusPart,
    Evidence,
    Name,
    Names,
    Source,
    StageSettings,
    Strict,
    Task,
    Text,
    Training,
    TransferSet,
)


class Study(Strict):
    """A grid at one scale: everything that ``config/<name>.yaml`` says."""

    name: Name = Field(description="Folder name under results/ and reports/.")
    title: str = Field(description="The title of the report.")
    scale: Literal["demo", "paper"] = Field(
        description="demo marks every absolute number as not comparable with the paper."
    )
    vocabulary: Source = Field(description="The WordPiece vocabulary of teacher and students.")
    architectures: Architectures = Field(description="The sizes of the students.")
    tasks: dict[Name, Task] = Field(description="Labelled data by task id.")
    texts: dict[Name, Text] = Field(default={}, description="Unlabelled text by text id.")
    transfer_sets: dict[Name, TransferSet] = Field(default={}, description="Transfer sets by id.")
    corpora: dict[Name, tuple[CorpusPart, ...]] = Field(default={}, description="Corpora by id.")
    training: Training = Field(description="How everything is trained.")
    evidence: Evidence = Field(
        default=Evidence(), description="When a published number counts as reproduced."
    )
    artefacts: dict[str, ArtefactNeeds] = Field(description="Tables and figures, in report order.")
    methods: dict[str, Method] = Field(
        default={}, description="Filled from config/methods.yaml; give none here."
    )
    assumptions: tuple[Assumption, ...] = Field(
        default=(), description="Filled from the sourced values; give none here."
    )

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

    def initial_checkpoint(self, cell: Cell) -> tuple[str, Architecture] | None:
        """The (corpus, architecture) whose pre-trained weights a cell starts from."""
        kind = self.methods[cell.method].initialisation
        if cell.corpus is None or kind == "random":
            return None
        own = kind == "pretrained"
        return cell.corpus, cell.architecture if own else self.deepest(cell.architecture)

    @cached_property
    def seeds(self) -> dict[Cell, int]:
        """Every cell with its number of seeds: the most that any artefact asks for."""
        counts: dict[Cell, int] = {}
        for needs in self.artefacts.values():
            for cell in self.cells_of(needs):
                counts[cell] = max(counts.get(cell, 0), needs.seeds)
        return dict(sorted(counts.items()))

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Every cell by its key."""
        return {cell.key: cell for cell in self.seeds}

    def artefact_cells(self, artefact: str) -> tuple[Cell, ...]:
        """The cells that an artefact needs, each once, in the order of its blocks."""
        return self.cells_of(self.artefacts[artefact])

    def margin(self, artefact: str) -> float | None:
        """The margin of equivalence of an artefact's numbers, in points; None if none is named."""
        needs = self.artefacts.get(artefact)
        own = None if needs is None else needs.margin
        return self.evidence.margin if own is None else own

    def cells_of(self, needs: ArtefactNeeds) -> tuple[Cell, ...]:
        """Expand the blocks of an artefact into cells."""
        found = itertools.chain.from_iterable(self._expand(block) for block in needs.cells)
        return tuple(dict.fromkeys(found))

    def _expand(self, block: Block) -> list[Cell]:
        cells = []
        for task, method in itertools.product(_listed(block.task), _listed(block.method)):
            definition = self.methods[method]
            transfers: tuple[str | None, ...] = (None,)
            if definition.distils and block.transfer is not None:
                transfers = _listed(block.transfer)
            corpus = block.corpus if definition.needs_corpus else None
            cells += [
                Cell(task, method, architecture, transfer, corpus)
                for architecture in self.select(block.architecture)
                for transfer in transfers
            ]
        return cells

    def select(self, names: Names) -> tuple[Architecture, ...]:
        """Turn "all", "named", names or L/H into architectures."""
        if names == "all":
            return self.all_architectures
        if names == "named":
            return tuple(self.named_architectures.values())
        known = self.named_architectures
        return tuple(known.get(n) or Architecture.parse(n) for n in _listed(names))

    def runs(self, cell: Cell) -> tuple[Run, ...]:
        """The runs of a cell: its seeds by the grid of its stages' learning rates."""
        stages = self.methods[cell.method].stages
        grids = [self._rates(cell.architecture, objective) for objective in stages]
        points = list(itertools.product(*grids))
        return tuple(Run(cell, i, point) for i in range(self.seeds[cell]) for point in points)

    def learning_rate(self, base: float, architecture: Architecture) -> float:
        """A configured learning rate at the width of an architecture."""
        width = self.training.rates_hold_at
        return base if width is None else base * width / architecture.hidden

    def _rates(self, architecture: Architecture, objective: str) -> tuple[float, ...]:
        return tuple(
            self.learning_rate(base, architecture) for base in self.stage(objective).learning_rate
        )

    def stage(self, objective: str) -> StageSettings:
        """The settings of a stage by its objective."""
        settings: StageSettings = getattr(self.training, objective)
        return settings

    @cached_property
    def pretrained(self) -> tuple[tuple[str, Architecture], ...]:
        """The (corpus, architecture) pairs that cells start from, largest first."""
        found = {self.initial_checkpoint(cell) for cell in self.seeds} - {None}
        pairs = [pair for pair in found if pair is not None]
        return tuple(sorted(pairs, key=lambda p: (-p[1].encoder_parameters, p)))

    @cached_property
    def taught(self) -> tuple[str, ...]:
        """The tasks that need a teacher: all that have a cell."""
        used = {cell.task for cell in self.seeds}
        return tuple(task for task in self.tasks if task in used)

    def soft_labelled(self) -> dict[tuple[str, str], int]:
        """The (task, text) pairs that a teacher labels, with the number of items."""
        sizes: dict[tuple[str, str], int] = {}
        for cell in self.seeds:
            if cell.transfer is not None:
                chosen = self.transfer_sets[cell.transfer]
                pair = cell.task, chosen.text
                sizes[pair] = max(sizes.get(pair, 0), chosen.size)
        return dict(sorted(sizes.items()))

    def corpus_spec(self, corpus: str) -> dict[str, Any]:
        """All settings that decide the content of a corpus."""
        parts = [part.model_dump(mode="json") for part in self.corpora[corpus]]
        texts = {part.text: self.text_spec(part.text) for part in self.corpora[corpus]}
        return {"parts": parts, "texts": texts, "vocabulary": self._dump(self.vocabulary)}

    def text_spec(self, text: str) -> dict[str, Any]:
        """All settings that decide the content of a text."""
        own = {"labels", "metrics", "train", "dev", "max_length", "version", "teacher"}
        tests = {name: self._dump(task, own) for name, task in self.tasks.items()}
        return {**self._dump(self.texts[text]), "excluded_tests": tests}

    def task_spec(self, task: str) -> dict[str, Any]:
        """All settings that decide a task's splits and its teacher."""
        return {
            **self._dump(self.tasks[task], {"version"}),
            "vocabulary": self._dump(self.vocabulary),
        }

    def pretrain_spec(self, corpus: str, architecture: Architecture) -> dict[str, Any]:
        """All settings that decide the weights of a pre-trained student."""
        return {
            "architecture": str(architecture),
            "corpus": self.corpus_spec(corpus),
            "pretrain": self._dump(self.training.pretrain),
            "initializer_range": self.training.initializer_range,
            "rates_hold_at": self.training.rates_hold_at,
        }

    def cell_spec(self, cell: Cell) -> dict[str, Any]:
        """All settings that decide the results of a cell's runs, but not which runs."""
        method = self.methods[cell.method]
        start = self.initial_checkpoint(cell)
        task = self.task_spec(cell.task)
        if not method.distils:
            del task["teacher"]
        spec: dict[str, Any] = {
            "cell": cell.key,
            "architecture": str(cell.architecture),
            "method": self._dump(method, {"name"}),
            "task": task,
            "initializer_range": self.training.initializer_range,
            "stages": {s: self._dump(self.stage(s), {"learning_rate"}) for s in method.stages},
        }
        if cell.transfer is not None:
            chosen = self.transfer_sets[cell.transfer]
            spec["transfer"] = {"size": chosen.size, "text": self.text_spec(chosen.text)}
        if start is not None:
            spec["start"] = self.pretrain_spec(*start)
        return spec

    def digest_of(self, spec: dict[str, Any]) -> str:
        """The first 16 digits of a specification's sha256."""
        return digest(spec)[:16]

    @staticmethod
    def _dump(model: BaseModel, exclude: set[str] | None = None) -> dict[str, Any]:
        return model.model_dump(mode="json", exclude=exclude)


def _listed(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names
