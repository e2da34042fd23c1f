"""Hugging Face checkpoints: config.json and model.safetensors, read and written.

A folder written here is loaded by transformers' AutoModelForSequenceClassification or
AutoModelForMaskedLM; one written by transformers is read here. Older checkpoints, which are
pickles, are read as tensors alone: nothing else that a pickle may hold is run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pdbench.core.entries import RECORD, whole
from pdbench.core.errors import DataError
from pdbench.core.files import mended, read_json, share, write_json
from pdbench.data.places import configuration_file, weights_file
from pdbench.data.vocabulary import Vocabulary, open_vocabulary, write_vocabulary
from pdbench.engine.bert import (
    LAYER_NORM_EPSILON,
    Bert,
    BertShape,
    Classifier,
    MaskedLM,
    encoder_of,
)
from pdbench.study.catalogue import WEIGHTS_FILES
from pdbench.study.settings import Source

WEIGHTS = WEIGHTS_FILES[0]
"""The weights of a checkpoint that is written here."""

_NAMES = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "segment_embeddings": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
    "pooler": "pooler.dense",
    "transform": "cls.predictions.transform.dense",
    "transform_norm": "cls.predictions.transform.LayerNorm",
}
"""Transformers' names of what a layer is not, by ours."""
_NAMES_IN_LAYER = {
    "query_key_value": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attended": ("attention.output.dense",),
    "attention_norm": ("attention.output.LayerNorm",),
    "inner": ("intermediate.dense",),
    "outer": ("output.dense",),
    "output_norm": ("output.LayerNorm",),
}
_SIZES = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "feed_forward": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "segments": "type_vocab_size",
}
"""The keys of a configuration by our names."""
_DISTILBERT_KEYS = {
    "n_layers": "num_hidden_layers",
    "dim": "hidden_size",
    "n_heads": "num_attention_heads",
    "hidden_dim": "intermediate_size",
    "activation": "hidden_act",
}
"""BERT's keys of a configuration by DistilBERT's."""
_DISTILBERT_NAMES = {
    "transformer.layer": "encoder.layer",
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
    "vocab_transform": "cls.predictions.transform.dense",
    "vocab_layer_norm": "cls.predictions.transform.LayerNorm",
    "vocab_projector.bias": "cls.predictions.bias",
}
"""BERT's names of weights, or parts of them, by DistilBERT's."""
_DISTILBERT_SEGMENTS = 2  # so that it reads pairs as a BERT does; it has none itself
_MOST_WEIGHTS = 5 * 10**9  # the largest BERT that was published has 3.9
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}  # of checkpoints converted from TensorFlow
_REGRESSION = {
    "problem_type": "regression",
    "id2label": {"0": "LABEL_0"},
    "label2id": {"LABEL_0": 0},
}
"""How transformers says that a model's one output is a score."""
_COMPUTED = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "layer_norm_eps": LAYER_NORM_EPSILON,
}
"""What a configuration may not say otherwise: its weights would mean something else here."""


def write_checkpoint(
    folder: Path,
    model: Bert | Classifier | MaskedLM,
    vocabulary: Vocabulary | None = None,
    labels: Sequence[str] = (),
) -> None:
    """Write a model, its configuration and its vocabulary into an existing folder.

    Callers make the folder appear whole (:func:`pdbench.core.files.replacing`). Label names of a
    classifier are in class order.
    """
    weights = _to_hugging_face(model)
    _write_weights(folder, weights)
    write_json(folder / "config.json", _configuration(model, labels))
    if vocabulary is not None:
        write_vocabulary(folder, vocabulary, encoder_of(model).shape.positions)


class Checkpoint:
    """A BERT in a folder, whose weights are read whenever they are asked for.

    A DistilBERT is read too: as a BERT without pooler whose segment embeddings are zeros.

    Raises:
        DataError: A file is missing, truncated, other than the folder's record says if it has one,
            or not a BERT of this configuration.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = whole(folder) if (folder / RECORD).is_file() else folder
        self._configuration = _read_configuration(configuration_file(folder))
        self.shape = _shape_of(self._configuration, configuration_file(folder))

    def weights(self, output: str = Classifier.output_name) -> dict[str, Tensor]:
        """Float32 weights under our names: the encoder, masked LM's head, and an output layer."""
        path = weights_file(self._folder)
        return _from_hugging_face(_read_weights(path), self.shape, path, output)

    def check(self, vocabulary: Vocabulary) -> None:
        """Refuse it if its pieces are not the study's, as far as it says which it has."""
        folder, remedy = self._folder, "name this checkpoint's own vocabulary under key vocabulary"
        if any((folder / name).is_file() for name in ("vocab.txt", "tokenizer.json")):
            pieces = open_vocabulary(Source(source="directory", path=str(folder)), folder).pieces
            pairs = itertools.zip_longest(pieces, vocabulary.pieces)
            found = next((i for i, (theirs, ours) in enumerate(pairs) if theirs != ours), None)
            if found is not None:
                what = f"{folder}: its vocabulary differs from the study's, first in piece {found}"
                raise DataError(what, remedy)
        if self.shape.vocabulary != vocabulary.size:
            what = f"{self.shape.vocabulary} word embeddings, and {vocabulary.size} pieces"
            raise DataError(f"{folder}: {what}", remedy)

    def convert(self, target: Path) -> None:
        """Write the encoder, the pooler and the masked-LM head into a folder, as safetensors."""
        self.load_encoder(Bert(self.shape))
        stored = _read_weights(weights_file(self._folder))
        known = set(itertools.chain(*_published_names(self.shape.layers, "").values()))
        named = ((_bare(name), tensor) for name, tensor in stored.items())
        kept = {
            name if name.startswith("cls.") else f"bert.{name}": tensor.clone()
            for name, tensor in named
            if name in known
        }
        _write_weights(target, kept)
        kind = {"model_type": "bert", "architectures": [MaskedLM.published_as]}
        write_json(target / "config.json", {**self._configuration, **kind})

    def classifier(self, labels: Sequence[str], head: type[Classifier] = Classifier) -> Classifier:
        """The fine-tuned classifier, whose label names must be ``labels``, in that order."""
        if (found := _labels_of(self._configuration)) != list(labels):
            raise DataError(
                f"{self._folder / 'config.json'}: labels {found} are not the task's {list(labels)}",
                "give the checkpoint's labels in the task's order",
            )
        model = head(Bert(self.shape), head.outputs(len(labels)))
        weights = self.weights(head.output_name)
        self._load_encoder(model.bert, weights)
        self._load_head(model, {n: t for n, t in weights.items() if n.startswith("output.")})
        return model

    def masked_lm(self) -> MaskedLM:
        """The pre-trained model with its masked-LM head."""
        model, weights = MaskedLM(Bert(self.shape)), self.weights()
        self._load_encoder(model.bert, weights)
        head = [name for name in model.state_dict() if not name.startswith("bert.")]
        if not weights.keys() >= set(head):
            raise DataError(f"{self._folder}: no masked-LM head", mended(self._folder / WEIGHTS))
        self._load_head(model, {name: weights[name] for name in head})
        return model

    def load_encoder(self, bert: Bert, *, keeps_pooler: bool = False) -> None:
        """Copy the encoder into ``bert``, which may be shallower.

        A pooler that the checkpoint lacks is zero, or stays what it is.
        """
        kept = bert.pooler.state_dict(prefix="pooler.") if keeps_pooler else {}
        self._load_encoder(bert, {**kept, **self.weights("")})

    def _load_encoder(self, bert: Bert, weights: Mapping[str, Tensor]) -> None:
        own, path = bert.state_dict(), weights_file(self._folder)
        missing = own.keys() - weights.keys() - {"pooler.weight", "pooler.bias"}
        if missing:
            raise DataError(f"{path}: lacks {sorted(missing)[0]}", "use a BERT checkpoint")
        found = {name: weights.get(name, torch.zeros_like(t)) for name, t in own.items()}
        for name, tensor in found.items():
            if tensor.shape != own[name].shape:
                what = f"{name} has shape {tuple(tensor.shape)}, expected {tuple(own[name].shape)}"
                raise DataError(f"{path}: {what}", "use one whose config.json is its own")
        bert.load_state_dict(found)

    def _load_head(self, model: Classifier | MaskedLM, weights: Mapping[str, Tensor]) -> None:
        try:
            model.load_state_dict({**model.bert.state_dict(prefix="bert."), **weights})
        except RuntimeError as error:
            what = f"{self._folder}: its head does not fit ({' '.join(str(error).split())[:200]})"
            raise DataError(what, mended(self._folder / WEIGHTS)) from error


def _write_weights(folder: Path, weights: dict[str, Tensor]) -> None:
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    share(folder / WEIGHTS)


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return _under_berts_names(load_file(path))
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200] or "it ends too early"
        raise DataError(f"{path}: cannot be read ({reason})", mended(path)) from error
    except UnpicklingError as error:
        what = f"{path}: is corrupt, or holds more than tensors, which is never run"
        raise DataError(what, "fetch it again, or use one saved in safetensors") from error
    if not isinstance(stored, dict) or not all(isinstance(t, Tensor) for t in stored.values()):
        raise DataError(f"{path}: no table of tensors", "use a checkpoint saved in safetensors")
    return _under_berts_names(stored)


def _under_berts_names(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights as they are, or those of a DistilBERT, with segment embeddings of zeros."""
    plain = {name.removeprefix("distilbert."): tensor for name, tensor in stored.items()}
    if not any(name.startswith("transformer.layer.") for name in plain):
        return stored
    parts = re.compile("|".join(map(re.escape, _DISTILBERT_NAMES)))
    found = {parts.sub(lambda part: _DISTILBERT_NAMES[part[0]], n): t for n, t in plain.items()}
    positions = found.get("embeddings.position_embeddings.weight", torch.zeros(0, 0))
    segments = torch.zeros(_DISTILBERT_SEGMENTS, *positions.shape[1:])
    return {**found, "embeddings.token_type_embeddings.weight": segments}


def _labels_of(configuration: Mapping[str, Any]) -> list[str]:
    """The names of a checkpoint's labels in order; none of a regression."""
    stored = configuration.get("id2label")
    regresses = configuration.get("problem_type") == _REGRESSION["problem_type"]
    if regresses or not isinstance(stored, dict):
        return []
    return [stored.get(str(i), "") for i in range(len(stored))]


def _published_names(layers: int, output: str) -> dict[str, tuple[str, ...]]:
    """Transformers' names of every weight by ours, without "bert."; ours may join three."""
    names: dict[str, tuple[str, ...]] = {"output": (output,)}
    names |= {ours: (theirs,) for ours, theirs in _NAMES.items()}
    for n in range(layers):
        for ours, parts in _NAMES_IN_LAYER.items():
            names[f"layers.{n}.{ours}"] = tuple(f"encoder.layer.{n}.{part}" for part in parts)
    found = {
        f"{ours}.{kind}": tuple(f"{part}.{kind}" for part in theirs)
        for ours, theirs in names.items()
        for kind in ("weight", "bias")
    }
    return {**found, "bias": ("cls.predictions.bias",)}


def _to_hugging_face(model: Bert | Classifier | MaskedLM) -> dict[str, Tensor]:
    output = model.output_name if isinstance(model, Classifier) else ""
    names = _published_names(encoder_of(model).shape.layers, output)
    pools = isinstance(model, Classifier) and model.rows == "first"
    weights: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        ours = name.removeprefix("bert.")
        if ours.startswith("pooler.") and not pools:
            continue
        prefix, theirs = name[: -len(ours)], names[ours]
        parts = zip(theirs, tensor.chunk(len(theirs)), strict=True)
        weights |= {f"{prefix}{part}": t.clone() for part, t in parts}
    return weights


def _from_hugging_face(
    stored: Mapping[str, Tensor], shape: BertShape, path: Path, output: str
) -> dict[str, Tensor]:
    """Float32 weights under our names: the encoder, masked LM's head, and one output layer."""
    plain = {_bare(name): tensor.float() for name, tensor in stored.items()}
    weights = {}
    for ours, theirs in _published_names(shape.layers, output).items():
        lacking = next((name for name in theirs if name not in plain), None)
        if lacking is not None and ours.startswith("layers."):
            raise DataError(f"{path}: lacks {lacking}", "use a BERT checkpoint")
        if lacking is not None:
            continue
        parts = [plain[name] for name in theirs]
        try:
            weights[ours] = parts[0] if len(parts) == 1 else torch.cat(parts)
        except RuntimeError as error:
            what = f"{path}: {', '.join(theirs)} have different shapes"
            raise DataError(what, "use a BERT checkpoint") from error
    return weights


def _bare(name: str) -> str:
    """The name of a stored weight as it is written today, without "bert."."""
    return re.sub(r"(gamma|beta)$", lambda m: _OLD_NAMES[m[0]], name).removeprefix("bert.")


def _configuration(model: Bert | Classifier | MaskedLM, labels: Sequence[str]) -> dict[str, Any]:
    bert = encoder_of(model)
    shape = bert.shape
    configuration = {
        "architectures": [model.published_as],
        "model_type": "bert",
        **{theirs: getattr(shape, ours) for ours, theirs in _SIZES.items()},
        "hidden_act": "gelu",
        "hidden_dropout_prob": bert.dropout,
        "attention_probs_dropout_prob": bert.dropout,
        "layer_norm_eps": LAYER_NORM_EPSILON,
        "initializer_range": 0.02,
        "pad_token_id": 0,
    }
    if labels:
        configuration["id2label"] = {str(i): name for i, name in enumerate(labels)}
        configuration["label2id"] = {name: i for i, name in enumerate(labels)}
    if isinstance(model, Classifier) and model.output.out_features == 1:
        configuration |= _REGRESSION
    return configuration


def _read_configuration(path: Path) -> dict[str, Any]:
    configuration = read_json(path)
    if not isinstance(configuration, dict):
        raise DataError(f"{path}: not a mapping of keys", "use a BERT checkpoint")
    if configuration.get("model_type") == "distilbert":
        configuration = {_DISTILBERT_KEYS.get(key, key): v for key, v in configuration.items()}
        configuration |= {"model_type": "bert", "type_vocab_size": _DISTILBERT_SEGMENTS}
    for key, ours in _COMPUTED.items():
        if configuration.get(key, ours) != ours:
            what = f"{path}: {key} is {configuration[key]!r}, not {ours!r}"
            raise DataError(what, "use a BERT checkpoint")
    return configuration


def _shape_of(configuration: Mapping[str, Any], path: Path) -> BertShape:
    try:
        sizes = {ours: configuration[theirs] for ours, theirs in _SIZES.items()}
    except KeyError as error:
        raise DataError(f"{path}: lacks {error.args[0]}", "use a BERT checkpoint") from error
    odd = next((name for name, size in sizes.items() if type(size) is not int or size < 1), None)
    if odd:
        what = f"{path}: {_SIZES[odd]} is {sizes[odd]!r:.80}"
        raise DataError(what, "use one whose config.json is its own")
    shape = BertShape(**sizes)
    embeddings = shape.hidden * (shape.vocabulary + shape.positions + shape.segments)
    layers = shape.layers * shape.hidden * (4 * shape.hidden + 2 * shape.feed_forward)
    if embeddings + layers > _MOST_WEIGHTS:
        what = f"{path}: sizes of over {_MOST_WEIGHTS:,} weights"
        raise DataError(what, "use one whose config.json is its own")
    if shape.hidden % shape.heads:
        what = f"{path}: {shape.heads} heads do not divide hidden_size, {shape.hidden}"
        raise DataError(what, "use one whose config.json is its own")
    return shape
