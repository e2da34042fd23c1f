"""Word pieces on disk: written once for each text and vocabulary, memory-mapped by every job.

What looks at all of an array does so a chunk at a time and then gives the pages back, which
would otherwise count as memory of the job until it ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import mmap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from pdbench.core.entries import verified
from pdbench.core.errors import DataError
from pdbench.core.files import mended, read_json, write_json

_ARRAYS = {"pieces": np.uint16, "offsets": np.int64, "seconds": np.int32}

_CHUNK = 2**16
"""Numbers of an array that are looked at together: few enough to stay in a core's cache."""

_RELEASED = 2**26
"""Bytes of the smallest mapped array whose pages are given back."""


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
        """Memory-map the tokens in ``folder``, or refuse others than were written.

        All of them are read for their digest; of eight million sentences that is half a second.
        """
        about = read_json(verified(folder / "tokens.json"))
        tokens = cls._mapped(folder, about["vocabulary"], about["max_length"])
        if tokens.digest != about["digest"]:
            raise DataError(
                f"{folder}: the tokens are not those of tokens.json", mended(folder / "tokens.json")
            )
        return tokens

    @classmethod
    def _mapped(cls, folder: Path, vocabulary: str, max_length: int) -> Tokens:
        arrays: dict[str, NDArray[Any]] = {}
        for name in _ARRAYS:
            path = folder / f"{name}.npy"
            # numpy's class for mapped arrays would make every small step slower
            arrays[name] = np.asarray(read_array(path, mapped=True))
        return cls(**arrays, vocabulary=vocabulary, max_length=max_length)

    @cached_property
    def digest(self) -> str:
        """The sha256 of the three arrays, as 64 hexadecimal digits."""
        sha = hashlib.sha256()
        for name in _ARRAYS:
            for chunk in _chunks(getattr(self, name)):
                sha.update(np.ascontiguousarray(chunk).data)
        return sha.hexdigest()

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Pieces of each item, int32 of shape (N,), made anew each time."""
        found = np.empty(len(self), np.int32)
        for start in range(0, len(self), _CHUNK):
            found[start : start + _CHUNK] = np.diff(self.offsets[start : start + _CHUNK + 1])
            _release(self.offsets)
        return found

    def counts(self, vocabulary: int) -> NDArray[np.int64]:
        """How often each of the V = ``vocabulary`` pieces occurs, int64 of shape (V,)."""
        found = np.zeros(vocabulary, np.int64)
        for chunk in _chunks(self.pieces):
            found += np.bincount(chunk, minlength=vocabulary)
        return found

    def item(self, index: int) -> NDArray[np.uint16]:
        """The pieces of one item, uint16 of shape (length,)."""
        return self.pieces[self.offsets[index] : self.offsets[index + 1]]

    def first(self, items: int) -> Tokens:
        """The first ``items`` items, without copying."""
        offsets = self.offsets[: items + 1]
        pieces, seconds = self.pieces[: offsets[-1]], self.seconds[:items]
        return Tokens(pieces, offsets, seconds, self.vocabulary, self.max_length)

    def release(self) -> None:
        """Give back the pages of the pieces, if there are many; what is read next maps its own.

        A batch of 32 items pays 0.3 ms. The other arrays are a fifth as large and keep theirs.
        """
        _release(self.pieces)

    def __len__(self) -> int:
        return len(self.seconds)


def write_tokens(folder: Path, tokens: Tokens | Iterable[Tokens]) -> Tokens:
    """Write tokens into a folder, ``tokens.json`` last, and return them memory-mapped.

    Parts of them, at least one and all of one vocabulary, are written one after the other, so
    that they are never in memory together.
    """
    parts = iter([tokens] if isinstance(tokens, Tokens) else tokens)
    first = next(parts)
    with contextlib.ExitStack() as stack:
        append = {
            name: stack.enter_context(_growing(folder / f"{name}.npy", dtype))
            for name, dtype in _ARRAYS.items()
        }
        append["offsets"](np.zeros(1, np.int64))
        pieces = 0
        for part in itertools.chain([first], parts):
            append["pieces"](part.pieces)
            append["offsets"](part.offsets[1:] + pieces)
            append["seconds"](part.seconds)
            pieces += len(part.pieces)
    written = Tokens._mapped(folder, first.vocabulary, first.max_length)
    about = {
        "digest": written.digest,
        "vocabulary": written.vocabulary,
        "items": len(written),
        "pieces": pieces,
        "max_length": written.max_length,
    }
    write_json(folder / "tokens.json", about)
    return written


@contextlib.contextmanager
def _growing(path: Path, dtype: DTypeLike) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Yield a function that adds to the one-dimensional array of a new npy file."""
    length = 0

    def append(part: NDArray[Any]) -> None:
        nonlocal length
        file.write(np.ascontiguousarray(part, dtype).data)
        length += len(part)

    with path.open("wb") as file:
        _write_header(file, dtype, length)
        yield append
        file.seek(0)
        _write_header(file, dtype, length)


def _write_header(file: BinaryIO, dtype: DTypeLike, length: int) -> None:
    # numpy pads headers so that they keep their size when the array grows.
    descr = npy.dtype_to_descr(np.dtype(dtype))
    header = {"descr": descr, "fortran_order": False, "shape": (length,)}
    npy.write_array_header_1_0(file, header)


def _chunks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield ``array`` in chunks, and give back the pages that held each."""
    for start in range(0, len(array), _CHUNK):
        yield array[start : start + _CHUNK]
        _release(array)


def _release(array: NDArray[Any]) -> None:
    mapped: Any = array
    while isinstance(mapped, np.ndarray):  # a slice's base is the array that it is cut from
        mapped = mapped.base
    if isinstance(mapped, mmap.mmap) and len(mapped) >= _RELEASED:
        mapped.madvise(mmap.MADV_DONTNEED)


def read_array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Read an array, or map it into memory; DataError where it is missing or broken."""
    try:
        found: NDArray[Any] = np.load(path, "r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: missing or truncated", mended(path)) from error
    return found
