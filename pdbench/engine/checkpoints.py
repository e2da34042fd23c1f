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
from torch import Tensor, nn

from pdbench.core.errors import DataError
from pdbench.core.files import read_json, write_json
from pdbench.data.places import configuration_file, weights_file
from pdbench.data.vocabulary import Vocabulary, open_vocabulary, write_vocabulary
from pdbench.engine.bert import LAYER_NORM_EPSILON, Bert, BertShape, Classifier, MaskedLM
from pdbench.study import Architecture
from pdbench.study.settings import Source

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
_RENAMED_LM_HEAD = {
    "transform": "cls.predictions.transform.dense",
    "transform_norm": "cls.predictions.transform.LayerNorm",
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


def write_checkpoint(
    folder: Path,
    model: Classifier | MaskedLM,
    vocabulary: Vocabulary | None = None,
    labels: Sequence[str] = (),
) -> None:
    """Write a model, its configuration and its vocabulary into an existing folder.

    Args:
        folder: Where to write; callers make it appear whole (:func:`pdbench.core.files.replacing`).
        model: The model.
        vocabulary: The tokenizer to write beside the weights.
        labels: Label names in class order, for a classifier.
    """
    weights = {k: v.contiguous() for k, v in _to_hugging_face(model).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", _configuration(model, labels))
    if vocabulary is not None:
        write_vocabulary(folder, vocabulary, model.bert.shape.positions)


def read_checkpoint(
    folder: Path, head: type[Classifier] | None = None
) -> tuple[BertShape, dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint folder, and the output layer of a kind of model if one is named.

    Returns:
        The shape, the weights in float32 under our names (without a leading "bert."), and
        the raw configuration.

    Raises:
        DataError: A file is missing, truncated, or not a BERT of this configuration.
    """
    shape, configuration = _read_shape(folder)
    path = weights_file(folder)
    names = {} if head is None else {"output": head.output_name}
    return shape, _from_hugging_face(_stored(path), shape, path, names), configuration


def convert_checkpoint(source: Path, target: Path) -> BertShape:
    """Write the encoder, the pooler and the masked-LM head of a checkpoint as safetensors.

    Args:
        source: The checkpoint's folder, of any of the layouts that are read here.
        target: An existing folder.

    Raises:
        DataError: As :func:`read_checkpoint`.
    """
    shape, configuration = _read_shape(source)
    path = weights_file(source)
    stored = _stored(path)
    load_encoder(Bert(shape), _from_hugging_face(stored, shape, path, {}), path)
    kept = {own: tensor.clone() for name, tensor in stored.items() if (own := _kept_as(name))}
    save_file(kept, target / "model.safetensors", metadata={"format": "pt"})
    kind = {"model_type": "bert", "architectures": [MaskedLM.published_as]}
    write_json(target / "config.json", {**configuration, **kind})
    return shape


def check_checkpoint(folder: Path, size: Architecture, vocabulary: Vocabulary) -> None:
    """Refuse a checkpoint of another size, or whose pieces are not the study's.

    Raises:
        DataError: Which one it is.
    """
    shape, _ = _read_shape(folder)
    if shape.architecture != size:
        what = f"{folder}: a {shape.architecture} model in the place of {size}"
        raise DataError(what, "mend the name or the path of the released checkpoints")
    check_vocabulary(folder, shape, vocabulary)


def check_vocabulary(folder: Path, shape: BertShape, vocabulary: Vocabulary) -> None:
    """Refuse a checkpoint whose pieces are not the study's, as far as it says which it has.

    Raises:
        DataError: Where they differ.
    """
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


def _kept_as(name: str) -> str | None:
    """The name of a released tensor in a masked-LM checkpoint; None for what it has no use for."""
    bare = _modern(name).removeprefix("bert.")
    if bare.startswith(("embeddings.", "encoder.", "pooler.")):
        return None if bare == "embeddings.position_ids" else f"bert.{bare}"
    tied = bare.startswith("cls.predictions.decoder.")  # to the word embeddings
    return bare if bare.startswith("cls.predictions.") and not tied else None


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
    dropout: float = 0.1,
    head: type[Classifier] = Classifier,
) -> Classifier:
    """Read a fine-tuned classifier whose label names must be ``labels``, in that order.

    ``head`` is the kind of model.

    Raises:
        DataError: The checkpoint has other labels or no such head, or as
            :func:`read_checkpoint`.
    """
    shape, weights, configuration = read_checkpoint(folder, head)
    found = [] if _is_regression(configuration) else _label_names(configuration)
    if found != list(labels):
        raise DataError(
            f"{folder / 'config.json'}: labels {found} are not the task's {list(labels)}",
            "give the checkpoint's labels in the task's order",
        )
    model = head(Bert(shape, dropout), head.outputs(len(labels)))
    load_encoder(model.bert, weights, folder)
    _load_head(model.output, _below(weights, "output."), folder)
    return model


def read_masked_lm(folder: Path, dropout: float = 0.0) -> MaskedLM:
    """Read a pre-trained model with its masked-LM head; a pooler that it lacks stays zero.

    Raises:
        DataError: It has no such head, or as :func:`read_checkpoint`.
    """
    shape, weights, _ = read_checkpoint(folder)
    model = MaskedLM(Bert(shape, dropout))
    load_encoder(model.bert, weights, folder)
    head = {name: weights.get(name) for name in model.state_dict() if not name.startswith("bert.")}
    found = {name: tensor for name, tensor in head.items() if tensor is not None}
    if found.keys() != head.keys():
        raise DataError(f"{folder}: no masked-LM head", "pre-train the model anew")
    _load_head(model, {**model.bert.state_dict(prefix="bert."), **found}, folder)
    return model


def _is_regression(configuration: Mapping[str, Any]) -> bool:
    return bool(configuration.get("problem_type") == _REGRESSION["problem_type"])


def _label_names(configuration: Mapping[str, Any]) -> list[str]:
    stored = configuration.get("id2label")
    return [stored.get(str(i), "") for i in range(len(stored))] if isinstance(stored, dict) else []


def _load_head(module: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{folder}: its head does not fit ({reason})", "train it anew") from error


def load_encoder(bert: Bert, weights: Mapping[str, Tensor], where: Path) -> None:
    """Copy the encoder's weights into ``bert``, which may be shallower than they are.

    Raises:
        DataError: A weight is missing or has another shape; it names ``where`` they stand.
    """
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


def _to_hugging_face(model: Classifier | MaskedLM) -> dict[str, Tensor]:
    """Return the weights under transformers' names."""
    weights: dict[str, Tensor] = {}
    pools = isinstance(model, Classifier) and model.rows == "first"
    heads = dict(_RENAMED_LM_HEAD)
    if isinstance(model, Classifier):
        heads["output"] = model.output_name
    for name, tensor in model.state_dict().items():
        if name == "bias":
            weights["cls.predictions.bias"] = tensor
        elif not name.startswith("bert."):
            head, _, kind = name.rpartition(".")
            weights[f"{heads[head]}.{kind}"] = tensor
        elif pools or not name.startswith("bert.pooler."):
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


def _from_hugging_face(
    stored: Mapping[str, Tensor], shape: BertShape, path: Path, head: Mapping[str, str]
) -> dict[str, Tensor]:
    """Float32 weights under our names, but those of other heads than ``head`` and masked LM's."""
    plain = {_modern(name).removeprefix("bert."): t.float() for name, t in stored.items()}
    weights = _renamed(plain, {**_RENAMED, **_RENAMED_LM_HEAD, **head}, "", "")
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
    except RuntimeError as error:
        what = f"{path}: {attention}* have different shapes"
        raise DataError(what, "use a BERT checkpoint") from error
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
    return {
        "architectures": [model.published_as],
        "model_type": "bert",
        **{theirs: getattr(shape, ours) for ours, theirs in _SIZES.items()},
        "hidden_act": "gelu",
        "hidden_dropout_prob": model.bert.dropout,
        "attention_probs_dropout_prob": model.bert.dropout,
        "layer_norm_eps": LAYER_NORM_EPSILON,
        "initializer_range": 0.02,
        "pad_token_id": 0,
        **_label_maps(labels),
        **(_REGRESSION if isinstance(model, Classifier) and model.output.out_features == 1 else {}),
    }


_REGRESSION = {
    "problem_type": "regression",
    "id2label": {"0": "LABEL_0"},
    "label2id": {"LABEL_0": 0},
}
"""How transformers says that a model's one output is a score."""


def _label_maps(labels: Sequence[str]) -> dict[str, Any]:
    if not labels:
        return {}
    return {
        "id2label": {str(i): name for i, name in enumerate(labels)},
        "label2id": {name: i for i, name in enumerate(labels)},
    }


_COMPUTED = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "layer_norm_eps": LAYER_NORM_EPSILON,
}
"""What a configuration may not say otherwise: its weights would mean something else here."""


def _read_shape(folder: Path) -> tuple[BertShape, dict[str, Any]]:
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
