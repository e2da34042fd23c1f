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

from pdbench.core.errors import DataError
from pdbench.core.files import read_json, write_json
from pdbench.data.places import configuration_file, weights_file
from pdbench.data.vocabulary import Vocabulary, open_vocabulary, write_vocabulary
from pdbench.engine.bert import LAYER_NORM_EPSILON, Bert, BertShape, Classifier, MaskedLM
from pdbench.study import Architecture
from pdbench.study.catalogue.models import WEIGHTS_FILES
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
    model: Classifier | MaskedLM,
    vocabulary: Vocabulary | None = None,
    labels: Sequence[str] = (),
) -> None:
    """Write a model, its configuration and its vocabulary into an existing folder.

    Callers make the folder appear whole (:func:`pdbench.core.files.replacing`). Label names of a
    classifier are in class order.
    """
    weights = _to_hugging_face(model)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / "config.json", _configuration(model, labels))
    if vocabulary is not None:
        write_vocabulary(folder, vocabulary, model.bert.shape.positions)


def read_checkpoint(
    folder: Path, head: type[Classifier] = Classifier
) -> tuple[BertShape, dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint folder, and the output layer of a kind of model if it has one.

    The weights are in float32 under our names, without a leading "bert."; the configuration is raw.

    Raises:
        DataError: A file is missing, truncated, or not a BERT of this configuration.
    """
    shape, configuration = read_shape(folder)
    path = weights_file(folder)
    weights = _from_hugging_face(_stored(path), shape, path, head.output_name)
    return shape, weights, configuration


def convert_checkpoint(source: Path, target: Path) -> BertShape:
    """Write a checkpoint's encoder, pooler and masked-LM head into a folder, as safetensors."""
    shape, configuration = read_shape(source)
    path = weights_file(source)
    stored = _stored(path)
    load_encoder(Bert(shape), _from_hugging_face(stored, shape, path, ""), path)
    known = set(itertools.chain(*_published_names(shape.layers, "").values()))
    named = ((_bare(name), tensor) for name, tensor in stored.items())
    kept = {
        name if name.startswith("cls.") else f"bert.{name}": tensor.clone()
        for name, tensor in named
        if name in known
    }
    save_file(kept, target / WEIGHTS, metadata={"format": "pt"})
    kind = {"model_type": "bert", "architectures": [MaskedLM.published_as]}
    write_json(target / "config.json", {**configuration, **kind})
    return shape


def checked_architecture(folder: Path, vocabulary: Vocabulary) -> Architecture:
    """The size of a checkpoint; one whose pieces are not the study's is refused.

    Its pieces are compared as far as it says which it has.
    """
    shape, _ = read_shape(folder)
    remedy = "name this checkpoint's own vocabulary under key vocabulary"
    if any((folder / name).is_file() for name in ("vocab.txt", "tokenizer.json")):
        pieces = open_vocabulary(Source(source="directory", path=str(folder)), folder).pieces
        pairs = itertools.zip_longest(pieces, vocabulary.pieces)
        found = next((i for i, (theirs, ours) in enumerate(pairs) if theirs != ours), None)
        if found is not None:
            what = f"{folder}: its vocabulary differs from the study's, first in piece {found}"
            raise DataError(what, remedy)
    if shape.vocabulary != vocabulary.size:
        what = f"{folder}: {shape.vocabulary} word embeddings, and {vocabulary.size} pieces"
        raise DataError(what, remedy)
    return shape.architecture


def _stored(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file, as they are called there."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200] or "it ends too early"
        remedy = "fetch it again, or delete the folder and run again"
        raise DataError(f"{path}: cannot be read ({reason})", remedy) from error
    except UnpicklingError as error:
        what = f"{path}: is corrupt, or holds more than tensors, which is never run"
        raise DataError(what, "fetch it again, or use one saved in safetensors") from error
    if not isinstance(stored, dict) or not all(isinstance(t, Tensor) for t in stored.values()):
        raise DataError(f"{path}: no table of tensors", "use a checkpoint saved in safetensors")
    return stored


def read_classifier(
    folder: Path,
    labels: Sequence[str],
    head: type[Classifier] = Classifier,
) -> Classifier:
    """Read a fine-tuned classifier whose label names must be ``labels``, in that order."""
    shape, weights, configuration = read_checkpoint(folder, head)
    if (found := _labels_of(configuration)) != list(labels):
        raise DataError(
            f"{folder / 'config.json'}: labels {found} are not the task's {list(labels)}",
            "give the checkpoint's labels in the task's order",
        )
    model = head(Bert(shape), head.outputs(len(labels)))
    load_encoder(model.bert, weights, folder)
    output = {name: t for name, t in weights.items() if name.startswith("output.")}
    _load_head(model, output, folder)
    return model


def read_masked_lm(folder: Path) -> MaskedLM:
    """Read a pre-trained model with its masked-LM head; a pooler that it lacks stays zero."""
    shape, weights, _ = read_checkpoint(folder)
    model = MaskedLM(Bert(shape))
    load_encoder(model.bert, weights, folder)
    head = [name for name in model.state_dict() if not name.startswith("bert.")]
    if not weights.keys() >= set(head):
        raise DataError(f"{folder}: no masked-LM head", "pre-train the model anew")
    _load_head(model, {name: weights[name] for name in head}, folder)
    return model


def _labels_of(configuration: Mapping[str, Any]) -> list[str]:
    """The names of a checkpoint's labels in order; none of a regression."""
    stored = configuration.get("id2label")
    regresses = configuration.get("problem_type") == _REGRESSION["problem_type"]
    if regresses or not isinstance(stored, dict):
        return []
    return [stored.get(str(i), "") for i in range(len(stored))]


def _load_head(model: Classifier | MaskedLM, weights: Mapping[str, Tensor], folder: Path) -> None:
    try:
        model.load_state_dict({**model.bert.state_dict(prefix="bert."), **weights})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{folder}: its head does not fit ({reason})", "train it anew") from error


def load_encoder(bert: Bert, weights: Mapping[str, Tensor], where: Path) -> None:
    """Copy the encoder's weights, which stand ``where``, into ``bert``, which may be shallower."""
    own = bert.state_dict()
    missing = own.keys() - weights.keys() - {"pooler.weight", "pooler.bias"}
    if missing:
        raise DataError(f"{where}: lacks {sorted(missing)[0]}", "use a BERT checkpoint")
    found = {k: weights.get(k, torch.zeros_like(v)) for k, v in own.items()}
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            what = f"{name} has shape {tuple(tensor.shape)}, expected {tuple(own[name].shape)}"
            raise DataError(f"{where}: {what}", "use one whose config.json is its own")
    bert.load_state_dict(found)


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


def _to_hugging_face(model: Classifier | MaskedLM) -> dict[str, Tensor]:
    output = model.output_name if isinstance(model, Classifier) else ""
    names = _published_names(model.bert.shape.layers, output)
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


def _configuration(model: Classifier | MaskedLM, labels: Sequence[str]) -> dict[str, Any]:
    shape = model.bert.shape
    configuration = {
        "architectures": [model.published_as],
        "model_type": "bert",
        **{theirs: getattr(shape, ours) for ours, theirs in _SIZES.items()},
        "hidden_act": "gelu",
        "hidden_dropout_prob": model.bert.dropout,
        "attention_probs_dropout_prob": model.bert.dropout,
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


def read_shape(folder: Path) -> tuple[BertShape, dict[str, Any]]:
    """Read the configuration of a checkpoint: its shape, and as it is."""
    path = configuration_file(folder)
    configuration = read_json(path)
    if not isinstance(configuration, dict):
        raise DataError(f"{path}: not a mapping of keys", "use a BERT checkpoint")
    for key, ours in _COMPUTED.items():
        if configuration.get(key, ours) != ours:
            what = f"{path}: {key} is {configuration[key]!r}, not {ours!r}"
            raise DataError(what, "use a BERT checkpoint")
    try:
        sizes = {ours: configuration[theirs] for ours, theirs in _SIZES.items()}
    except KeyError as error:
        raise DataError(f"{path}: lacks {error.args[0]}", "use a BERT checkpoint") from error
    odd = next((name for name, size in sizes.items() if type(size) is not int or size < 1), None)
    if odd:
        what = f"{path}: {_SIZES[odd]} is {sizes[odd]!r}"
        raise DataError(what, "use one whose config.json is its own")
    shape = BertShape(**sizes)
    if shape.hidden % shape.heads:
        what = f"{path}: {shape.heads} heads do not divide hidden_size, {shape.hidden}"
        raise DataError(what, "use one whose config.json is its own")
    return shape, configuration
