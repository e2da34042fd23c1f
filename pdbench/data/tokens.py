"""Word pieces on disk: written once for each text and vocabulary, memory-mapped by every job."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdbench.errors import DataError
from pdbench.files import read_json, write_json

_ARRAYS = {"pieces": np.uint16, "offsets": np.int64, "seconds": np.int32}


@dataclass(frozen=True)
class Tokens:
    """The N items of a text, T pieces in all, each [CLS] a [SEP] or [CLS] a [SEP] b [SEP].

    Attributes:
        pieces: Indices of all pieces, uint16 of shape (T,).
        offsets: Where each item begins and the last one ends, int64 of shape (N + 1,).
        seconds: Where segment b begins within its item, or the item's length if there is
            none, int32 of shape (N,).
        vocabulary: Digest of the vocabulary.
        max_length: Most pieces of an item.
    """

    pieces: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    seconds: NDArray[np.int32]
    vocabulary: str
    max_length: int

    @classmethod
    def open(cls, folder: Path) -> Tokens:
        """Memory-map the tokens in ``folder`` and compare them with their digest.

        Raises:
            DataError: A file is missing, truncated or edited.
        """
        about = read_json(folder / "tokens.json")
        arrays = {name: _map(folder / f"{name}.npy") for name in _ARRAYS}
        tokens = cls(**arrays, vocabulary=about["vocabulary"], max_length=about["max_length"])
        if tokens.digest != about["digest"]:
            raise DataError(f"{folder}: the tokens are not those of tokens.json", _remedy(folder))
        return tokens

    @property
    def digest(self) -> str:
        """The sha256 of the three arrays, as 64 hexadecimal digits."""
        sha = hashlib.sha256()
        for name in _ARRAYS:
            sha.update(np.ascontiguousarray(getattr(self, name)).data)
        return sha.hexdigest()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each item, int64 of shape (N,)."""
        return np.diff(self.offsets)

    def item(self, index: int) -> NDArray[np.uint16]:
        """The pieces of one item, uint16 of shape (length,)."""
        return self.pieces[self.offsets[index] : self.offsets[index + 1]]

    def first(self, items: int) -> Tokens:
        """The first ``items`` items, without copying."""
        offsets = self.offsets[: items + 1]
        pieces, seconds = self.pieces[: offsets[-1]], self.seconds[:items]
        return Tokens(pieces, offsets, seconds, self.vocabulary, self.max_length)

    def __len__(self) -> int:
        return len(self.seconds)


def write_tokens(folder: Path, tokens: Tokens) -> None:
    """Write tokens into ``folder``, ``tokens.json`` last."""
    for name, dtype in _ARRAYS.items():
        np.save(folder / f"{name}.npy", getattr(tokens, name).astype(dtype, copy=False))
    about = {
        "digest": tokens.digest,
        "vocabulary": tokens.vocabulary,
        "items": len(tokens),
        "pieces": len(tokens.pieces),
        "max_length": tokens.max_length,
    }
    write_json(folder / "tokens.json", about)


def _map(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: missing or truncated", _remedy(path.parent)) from error
    return array


def _remedy(folder: Path) -> str:
    return f"delete {folder} and run again"
