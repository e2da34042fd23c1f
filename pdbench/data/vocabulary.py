"""The WordPiece vocabulary that teacher and students share."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from pdbench.data.weights import model_folder
from pdbench.errors import DataError
from pdbench.files import read_json, write_json
from pdbench.study import settings
from pdbench.study.settings import Source

LARGEST = 2**16
"""Pieces are stored in 16 bits."""

_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")
_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")


@dataclass(frozen=True)
class Vocabulary:
    """A WordPiece tokenizer and the files that a checkpoint carries of it.

    Attributes:
        tokenizer: Turns text into pieces; neither truncates nor pads.
        files: The tokenizer's files, to be copied beside a checkpoint.
        lower_case: Whether text is lower-cased first.
    """

    tokenizer: Tokenizer
    files: tuple[Path, ...]
    lower_case: bool

    @property
    def size(self) -> int:
        """Number of pieces, special ones included."""
        return int(self.tokenizer.get_vocab_size())

    @property
    def pad(self) -> int:
        """Index of [PAD]."""
        return self._index("[PAD]")

    @property
    def cls(self) -> int:
        """Index of [CLS], which begins every input."""
        return self._index("[CLS]")

    @property
    def sep(self) -> int:
        """Index of [SEP], which ends every segment."""
        return self._index("[SEP]")

    @property
    def mask(self) -> int:
        """Index of [MASK]."""
        return self._index("[MASK]")

    @property
    def unk(self) -> int:
        """Index of [UNK]."""
        return self._index("[UNK]")

    @property
    def special(self) -> tuple[int, ...]:
        """Indices of the special pieces, padding first."""
        return self.pad, self.unk, self.cls, self.sep, self.mask

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

    def _index(self, piece: str) -> int:
        index = self.tokenizer.token_to_id(piece)
        assert index is not None, piece  # open_vocabulary looked
        return index


def write_vocabulary(folder: Path, vocabulary: Vocabulary, positions: int) -> None:
    """Write the tokenizer's files beside a checkpoint.

    Where the source has no ``tokenizer_config.json``, one is made: without it, other programs
    neither know the longest input nor whether text is lower-cased.

    Args:
        folder: The checkpoint's folder.
        vocabulary: The vocabulary.
        positions: Word pieces of the longest input.
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

    Args:
        source: An embedded model, a folder, or a repository on the hub.
        archives: Folder of the fetched archives.

    Raises:
        DataError: The files are missing, are no WordPiece vocabulary, or say another
            lower-casing than the study.
    """
    folder = model_folder(source, archives, weights=False)
    files = tuple(path for name in _FILES if (path := folder / name).is_file())
    asked = source.lower_case if isinstance(source, settings.Vocabulary) else None
    lower_case = _lower_case(folder / "tokenizer_config.json", asked)
    vocabulary = Vocabulary(_tokenizer(folder, lower_case), files, lower_case)
    missing = [p for p in _SPECIAL if vocabulary.tokenizer.token_to_id(p) is None]
    if missing:
        raise DataError(f"{folder}: the vocabulary has no {', '.join(missing)}", "use BERT's")
    if vocabulary.size > LARGEST:
        raise DataError(f"{folder}: {vocabulary.size} pieces", f"use at most {LARGEST}")
    return vocabulary


def _lower_case(path: Path, asked: bool | None) -> bool:
    said = read_json(path).get("do_lower_case") if path.is_file() else None
    if None not in (asked, said) and asked != said:
        what = f"{path}: do_lower_case is {said}, key vocabulary.lower_case is {asked}"
        raise DataError(what, "leave the key out, or name another vocabulary")
    found = asked if said is None else said
    return True if found is None else bool(found)


def _tokenizer(folder: Path, lower_case: bool) -> Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return _from_json(folder / "tokenizer.json")
    if (folder / "vocab.txt").is_file():
        return _from_pieces(folder / "vocab.txt", lower_case)
    raise DataError(f"{folder}: no tokenizer.json and no vocab.txt", "name a WordPiece model")


def _from_json(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exceptions
        raise DataError(f"{path}: no tokenizer ({error})", "delete it and run again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _from_pieces(path: Path, lower_case: bool) -> Tokenizer:
    lines = path.read_text(encoding="utf-8").splitlines()
    pieces = {piece: index for index, piece in enumerate(lines)}
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
