"""The WordPiece vocabulary that teacher and students share, and texts written in its pieces."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from pdbench.core.errors import DataError
from pdbench.core.files import read_json, write_json
from pdbench.data.places import model_folder
from pdbench.data.tokens import Tokens
from pdbench.study.catalogue import TOKENIZER_FILES
from pdbench.study.settings import Source, VocabularySource

_LARGEST = 2**16
"""Pieces are stored in 16 bits."""

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Vocabulary:
    """A WordPiece tokenizer, which neither truncates nor pads, and its files.

    The files are copied beside a checkpoint; ``lower_case`` says whether text is lower-cased first.
    """

    tokenizer: Tokenizer
    files: tuple[Path, ...]
    lower_case: bool

    @property
    def size(self) -> int:
        """Number of pieces, special ones included."""
        return int(self.tokenizer.get_vocab_size())

    def index(self, piece: str) -> int:
        """The index of a piece, such as [CLS]."""
        found = self.tokenizer.token_to_id(piece)
        assert found is not None, piece
        return found

    @property
    def special(self) -> tuple[int, ...]:
        """Indices of the special pieces, padding first."""
        return tuple(map(self.index, _SPECIAL))

    @property
    def pieces(self) -> list[str]:
        """All pieces in the order of their indices."""
        found = self.tokenizer.get_vocab()
        return sorted(found, key=found.__getitem__)

    @cached_property
    def digest(self) -> str:
        """The sha256 of all pieces in order and of the lower-casing, as 64 digits."""
        text = json.dumps([self.lower_case, self.pieces], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def write_vocabulary(folder: Path, vocabulary: Vocabulary, positions: int) -> None:
    """Write the tokenizer's files beside a checkpoint whose longest input is ``positions``.

    Where the source has no ``tokenizer_config.json``, one is made: without it, other programs
    neither know the longest input nor whether text is lower-cased.
    """
    for path in vocabulary.files:
        shutil.copyfile(path, folder / path.name)
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        about = {
            "do_lower_case": vocabulary.lower_case,
            "model_max_length": positions,
            "tokenizer_class": "BertTokenizer",
        }
        write_json(path, about)


def open_vocabulary(source: Source, archives: Path) -> Vocabulary:
    """Open the vocabulary of a source.

    ``tokenizer.json`` is read where there is one, else ``vocab.txt``. Lower-casing is what the
    study says, or ``tokenizer_config.json``, and on when neither does, as in BERT's own code.
    """
    folder = model_folder(source, archives, weights=False)
    files = tuple(path for name in TOKENIZER_FILES if (path := folder / name).is_file())
    asked = source.lower_case if isinstance(source, VocabularySource) else None
    lower_case = _lower_case(folder, asked)
    if (folder / "tokenizer.json").is_file():
        tokenizer = _from_json(folder / "tokenizer.json")
    elif (folder / "vocab.txt").is_file():
        tokenizer = _from_pieces(folder / "vocab.txt", lower_case)
    else:
        raise DataError(f"{folder}: no tokenizer.json and no vocab.txt", "name a WordPiece model")
    vocabulary = Vocabulary(tokenizer, files, lower_case)
    missing = [p for p in _SPECIAL if vocabulary.tokenizer.token_to_id(p) is None]
    if missing:
        raise DataError(f"{folder}: the vocabulary has no {', '.join(missing)}", "use BERT's")
    if vocabulary.size > _LARGEST:
        raise DataError(f"{folder}: {vocabulary.size} pieces", f"use at most {_LARGEST}")
    return vocabulary


def _lower_case(folder: Path, asked: bool | None) -> bool:
    """What the study and the files say of lower-casing, who must agree; on when nobody does."""
    normalizer = _keys(folder / "tokenizer.json").get("normalizer")
    said = {
        "key vocabulary.lower_case": asked,
        "do_lower_case": _keys(folder / "tokenizer_config.json").get("do_lower_case"),
        "tokenizer.json": normalizer.get("lowercase") if isinstance(normalizer, dict) else None,
    }
    found = {who: bool(value) for who, value in said.items() if value is not None}
    if len(set(found.values())) > 1:
        what = ", ".join(f"{who} is {value}" for who, value in found.items())
        raise DataError(f"{folder}: {what}", "leave the key out, or name another vocabulary")
    return next(iter(found.values()), True)


def _keys(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a mapping of keys", "delete it and run again")
    return content


def _from_json(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exceptions
        raise DataError(f"{path}: no tokenizer ({error})", "delete it and run again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _from_pieces(path: Path, lower_case: bool) -> Tokenizer:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason})", "fetch it again") from error
    lines = text.removesuffix("\n").split("\n")  # pieces may hold what else ends a line
    pieces = {piece: index for index, piece in enumerate(lines)}
    if len(pieces) < len(lines):
        (piece, _), *_ = Counter(lines).most_common(1)
        raise DataError(f"{path}: {piece!r} stands twice", "name a WordPiece vocabulary of BERT")
    missing = [piece for piece in _SPECIAL if piece not in pieces]
    if missing:
        raise DataError(f"{path}: no line {missing[0]!r}", "name a WordPiece vocabulary of BERT")
    tokenizer = Tokenizer(WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(
        ("[SEP]", pieces["[SEP]"]), ("[CLS]", pieces["[CLS]"])
    )
    tokenizer.add_special_tokens(list(_SPECIAL))
    return tokenizer


def encode(
    vocabulary: Vocabulary,
    first: Sequence[str],
    second: Sequence[str] | None,
    max_length: int,
    keep: Literal["start", "end"] = "start",
) -> Tokens:
    """Encode texts or pairs of texts as one item each, cut to ``max_length`` pieces.

    A pair loses pieces from its longer side first, as in BERT; ``keep`` says what stays of
    longer items. [CLS] and [SEP] count. The tokenizer takes about a kilobyte for each text until
    all are encoded.
    """
    tokenizer = vocabulary.tokenizer
    cut = "right" if keep == "start" else "left"
    tokenizer.enable_truncation(max_length, strategy="longest_first", direction=cut)
    pairs = first if second is None else list(zip(first, second, strict=True))
    encodings = tokenizer.encode_batch_fast(pairs)
    tokenizer.no_truncation()
    items = [encoding.ids for encoding in encodings]
    if second is None:
        return _tokens(items, list(map(len, items)), vocabulary, max_length)
    seconds = [encoding.type_ids.index(1) for encoding in encodings]
    return _tokens(items, seconds, vocabulary, max_length)


def encode_blocks(vocabulary: Vocabulary, texts: Sequence[str], max_length: int) -> Tokens:
    """Encode documents cut into blocks of at most ``max_length`` pieces, one item each.

    Every block begins with [CLS] and ends with [SEP]; none spans two documents.
    """
    width, cls, sep = max_length - 2, vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
    items: list[list[int]] = []
    for encoding in vocabulary.tokenizer.encode_batch_fast(texts, add_special_tokens=False):
        ids = encoding.ids
        blocks = (ids[start : start + width] for start in range(0, len(ids), width))
        items += [[cls, *block, sep] for block in blocks]
    return _tokens(items, list(map(len, items)), vocabulary, max_length)


def _tokens(
    items: list[list[int]], seconds: list[int], vocabulary: Vocabulary, max_length: int
) -> Tokens:
    lengths = np.fromiter(map(len, items), np.int64, len(items))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    flat = itertools.chain.from_iterable(items)
    return Tokens(
        np.fromiter(flat, np.uint16, int(offsets[-1])),
        offsets,
        np.asarray(seconds, np.int32),
        vocabulary.digest,
        max_length,
    )
