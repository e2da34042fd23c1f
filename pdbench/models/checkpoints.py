"""Hugging Face checkpoints: config.json and model.safetensors, read and written.

A folder written here is loaded by transformers' AutoModelForSequenceClassification or
AutoModelForMaskedLM; one written by transformers is read here. Pickled weights are not.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pdbench.errors import DataError
from pdbench.files import read_json, write_json
from pdbench.models.bert import Bert, BertShape, Classifier, MaskedLM

_RENAMED = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "segment_embeddings": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
    "pooler": "pooler.dense",
}
_RENAMED_IN_LAYER = {
    "attended": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "output_norm": "output.LayerNorm",
}
_RENAMED_HEADS = {
    "output": "classifier",
    "transform": "cls.predictions.transform.dense",
    "transform_norm": "cls.predictions.transform.LayerNorm",
}
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}  # of checkpoints converted from TensorFlow


def write_checkpoint(
    folder: Path,
    model: Classifier | MaskedLM,
    vocabulary_files: Sequence[Path] = (),
    labels: Sequence[str] = (),
) -> None:
    """Write a model, its configuration and its vocabulary into an existing folder.

    Args:
        folder: Where to write; callers make it appear whole (:func:`pdbench.files.replacing`).
        model: The model.
        vocabulary_files: Tokenizer files to copy beside the weights.
        labels: Label names in class order, for a classifier.
    """
    weights = {k: v.contiguous() for k, v in to_hugging_face(model).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", _configuration(model, labels))
    for path in vocabulary_files:
        shutil.copyfile(path, folder / path.name)


def read_checkpoint(folder: Path) -> tuple[BertShape, dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint folder.

    Returns:
        The shape, the weights in float32 under our names (without a leading "bert."), and
        the raw configuration.

    Raises:
        DataError: A file is missing, truncated, or not a BERT of this configuration.
    """
    configuration = read_json(folder / "config.json")
    shape = _shape(configuration, folder)
    path = folder / "model.safetensors"
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{path}: cannot be read ({error})", "delete the folder and run again"
        ) from error
    return shape, from_hugging_face(stored, shape, path), configuration


def read_bert(folder: Path, dropout: float = 0.1) -> Bert:
    """Read the encoder of a checkpoint; a pooler that it lacks stays zero.

    Raises:
        DataError: As :func:`read_checkpoint`.
    """
    shape, weights, _ = read_checkpoint(folder)
    bert = Bert(shape, dropout)
    load_encoder(bert, weights)
    return bert


def read_classifier(folder: Path, labels: Sequence[str], dropout: float = 0.1) -> Classifier:
    """Read a fine-tuned classifier whose label names must be ``labels``, in that order.

    Raises:
        DataError: The checkpoint has other labels, or as :func:`read_checkpoint`.
    """
    shape, weights, configuration = read_checkpoint(folder)
    stored = configuration.get("id2label", {})
    found = [stored[str(i)] for i in range(len(stored))]
    if found != list(labels):
        raise DataError(
            f"{folder / 'config.json'}: labels {found} are not the task's {list(labels)}",
            "give the checkpoint's labels in the task's order",
        )
    model = Classifier(Bert(shape, dropout), len(labels))
    load_encoder(model.bert, weights)
    model.output.load_state_dict(_below(weights, "output."))
    return model


def load_encoder(bert: Bert, weights: Mapping[str, Tensor]) -> None:
    """Copy the encoder's weights into ``bert``, which may be shallower than they are."""
    own = bert.state_dict()
    missing = own.keys() - weights.keys() - {"pooler.weight", "pooler.bias"}
    if missing:
        raise DataError(f"the checkpoint lacks {sorted(missing)[0]}", "use a BERT checkpoint")
    bert.load_state_dict({k: weights.get(k, torch.zeros_like(v)) for k, v in own.items()})


def to_hugging_face(model: Classifier | MaskedLM) -> dict[str, Tensor]:
    """Return the weights under transformers' names."""
    weights: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name == "bias":
            weights["cls.predictions.bias"] = tensor
        elif not name.startswith("bert."):
            head, _, kind = name.rpartition(".")
            weights[f"{_RENAMED_HEADS[head]}.{kind}"] = tensor
        elif isinstance(model, Classifier) or not name.startswith("bert.pooler."):
            weights.update(_encoder_names(name.removeprefix("bert."), tensor))
    return weights


def _encoder_names(name: str, tensor: Tensor) -> dict[str, Tensor]:
    part, _, kind = name.rpartition(".")
    if not part.startswith("layers."):
        return {f"bert.{_RENAMED[part]}.{kind}": tensor}
    _, number, part = part.split(".")
    prefix = f"bert.encoder.layer.{number}"
    if part == "query_key_value":
        thirds = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
        return {f"{prefix}.attention.self.{which}.{kind}": t.clone() for which, t in thirds}
    return {f"{prefix}.{_RENAMED_IN_LAYER[part]}.{kind}": tensor}


def from_hugging_face(
    stored: Mapping[str, Tensor], shape: BertShape, path: Path
) -> dict[str, Tensor]:
    """Return float32 weights under our names; those of unknown heads are left out."""
    plain = {_modern(name).removeprefix("bert."): t.float() for name, t in stored.items()}
    weights = _renamed(plain, _RENAMED, "", "") | _renamed(plain, _RENAMED_HEADS, "", "")
    if "cls.predictions.bias" in plain:
        weights["bias"] = plain["cls.predictions.bias"]
    try:
        for n in range(shape.layers):
            theirs, ours = f"encoder.layer.{n}.", f"layers.{n}."
            weights |= _renamed(plain, _RENAMED_IN_LAYER, theirs, ours)
            for kind in ("weight", "bias"):
                attention = f"{theirs}attention.self."
                thirds = [plain[f"{attention}{w}.{kind}"] for w in ("query", "key", "value")]
                weights[f"{ours}query_key_value.{kind}"] = torch.cat(thirds)
    except KeyError as error:
        raise DataError(f"{path}: lacks {error.args[0]}", "use a BERT checkpoint") from error
    return weights


def _renamed(
    plain: Mapping[str, Tensor], table: Mapping[str, str], theirs: str, ours: str
) -> dict[str, Tensor]:
    return {
        f"{ours}{name}.{kind}": plain[f"{theirs}{old}.{kind}"]
        for name, old in table.items()
        for kind in ("weight", "bias")
        if f"{theirs}{old}.{kind}" in plain
    }


def _modern(name: str) -> str:
    return re.sub(r"(gamma|beta)$", lambda m: _OLD_NAMES[m[0]], name)


def _below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def _configuration(model: Classifier | MaskedLM, labels: Sequence[str]) -> dict[str, Any]:
    shape = model.bert.shape
    kind = "ForSequenceClassification" if isinstance(model, Classifier) else "ForMaskedLM"
    return {
        "architectures": [f"Bert{kind}"],
        "model_type": "bert",
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.segments,
        "hidden_act": "gelu",
        "hidden_dropout_prob": model.bert.dropout,
        "attention_probs_dropout_prob": model.bert.dropout,
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.02,
        "pad_token_id": 0,
        **_label_maps(labels),
    }


def _label_maps(labels: Sequence[str]) -> dict[str, Any]:
    if not labels:
        return {}
    return {
        "id2label": {str(i): name for i, name in enumerate(labels)},
        "label2id": {name: i for i, name in enumerate(labels)},
    }


def _shape(configuration: Mapping[str, Any], folder: Path) -> BertShape:
    try:
        if configuration["model_type"] != "bert":
            raise DataError(
                f"{folder / 'config.json'}: model_type is {configuration['model_type']!r}",
                "use a BERT checkpoint",
            )
        return BertShape(
            layers=configuration["num_hidden_layers"],
            hidden=configuration["hidden_size"],
            heads=configuration["num_attention_heads"],
            feed_forward=configuration["intermediate_size"],
            vocabulary=configuration["vocab_size"],
            positions=configuration["max_position_embeddings"],
            segments=configuration["type_vocab_size"],
        )
    except KeyError as error:
        raise DataError(
            f"{folder / 'config.json'}: lacks {error.args[0]}", "use a BERT checkpoint"
        ) from error
