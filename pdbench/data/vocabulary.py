"""The WordPiece vocabulary that teacher and students share, and texts written in its pieces."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pdbench.core.errors import DataError
from pdbench.core.files import bounded, read_json, write_json
from pdbench.data.places import model_folder
from pdbench.data.tokens import Tokens
from pdbench.study.catalogue import TOKENIZER_FILES
from pdbench.study.settings import Source, VocabularySource

if TYPE_CHECKING:  # what trains on tokens that are there needs no tokenizer
    from tokenizers import Tokenizer

_LARGEST = 2**16
"""Pieces are stored in 16 bits."""

_PREPARED: dict[str, tuple[str, bool | None]] = {
    "lowercase": ("do_lower_case", True),
    "strip_accents": ("strip_accents", None),
    "handle_chinese_chars": ("tokenize_chinese_chars", True),
}
"""What is done to text: its key in ``tokenizer_config.json``, and what BERT does unasked."""

LONGEST_TEXT = 2**18
"""Characters that are looked at together: those of many more pieces than any item has."""

_AT_ONCE = 2**20
"""Characters of texts that are encoded together. The tokenizer takes 300 bytes for each."""

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


Encoded: TypeAlias = tuple[list[int], list[tuple[int, int]]]
"""All pieces of a text and, if asked, the first character of each and the one after its last."""


@dataclass(frozen=True)
class Vocabulary:
    """A WordPiece tokenizer, which neither truncates nor pads, and its files.

    The files are copied beside a checkpoint; ``prepared`` says how text is normalised first, by
    the names that the library tokenizers has for it.
    """

    tokenizer: Tokenizer
    files: tuple[Path, ...]
    prepared: Mapping[str, bool | None]

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
        """The sha256 of all pieces in order and of how text is prepared, as 64 digits."""
        lower_case, *others = self.prepared.items()
        unusual = [list(item) for item in others if item[1] != _PREPARED[item[0]][1]]
        strips = ["strip_accents", lower_case[1]]  # which is what lower-casing does unasked
        about = [lower_case[1], self.pieces, *(item for item in unusual if item != strips)]
        text = json.dumps(about, ensure_ascii=False)
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
            "do_lower_case": vocabulary.prepared["lowercase"],
            "model_max_length": positions,
            "tokenizer_class": "BertTokenizer",
        }
        write_json(path, about)


def open_vocabulary(source: Source, archives: Path) -> Vocabulary:
    """Open the vocabulary of a source.

    ``tokenizer.json`` is read where there is one, else ``vocab.txt``. Lower-casing is what the
    study says, or ``tokenizer_config.json``, and on when neither does, as in BERT's own code;
    accents and Chinese characters are treated as that file says.
    """
    folder = model_folder(source, archives, weights=False)
    files = tuple(path for name in TOKENIZER_FILES if (path := folder / name).is_file())
    asked = source.lower_case if isinstance(source, VocabularySource) else None
    prepared = _preparation(folder, asked)
    if (folder / "tokenizer.json").is_file():
        tokenizer = _from_json(folder / "tokenizer.json")
    elif (folder / "vocab.txt").is_file():
        tokenizer = _from_pieces(folder / "vocab.txt", prepared)
    else:
        raise DataError(f"{folder}: no tokenizer.json and no vocab.txt", "name a WordPiece model")
    vocabulary = Vocabulary(tokenizer, files, prepared)
    missing = [p for p in _SPECIAL if vocabulary.tokenizer.token_to_id(p) is None]
    if missing:
        raise DataError(f"{folder}: the vocabulary has no {', '.join(missing)}", "use BERT's")
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.encode_special_tokens = True  # as any other text, where one is written in it
    if vocabulary.size > _LARGEST:
        raise DataError(f"{folder}: {vocabulary.size} pieces", f"use at most {_LARGEST}")
    return vocabulary


def _preparation(folder: Path, asked: bool | None) -> dict[str, bool | None]:
    """How text is prepared: what the study and the files say, who must agree; else as in BERT."""
    config = _keys(folder / "tokenizer_config.json")
    normalizer = _keys(folder / "tokenizer.json").get("normalizer")
    own = dict(normalizer) if isinstance(normalizer, dict) else {}
    if own.get("strip_accents", True) is None:  # as its lower-casing
        own["strip_accents"] = own.get("lowercase")
    if config.get("do_basic_tokenize") is False:
        what = f"{folder / 'tokenizer_config.json'}: do_basic_tokenize is False"
        raise DataError(what, "name a vocabulary whose text is split as BERT's is")
    found = {}
    for name, (key, default) in _PREPARED.items():
        said = {
            "key vocabulary.lower_case": asked if name == "lowercase" else None,
            f"tokenizer_config.json's {key}": config.get(key),
            "tokenizer.json": own.get(name),
        }
        values = {who: bool(value) for who, value in said.items() if value is not None}
        if len(set(values.values())) > 1:
            what = ", ".join(f"{who} is {value}" for who, value in values.items())
            raise DataError(f"{folder}: {what}", "leave the key out, or name another vocabulary")
        found[name] = next(iter(values.values()), default)
    return found


def _keys(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a mapping of keys", "mend or replace it")
    return content


def _from_json(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exceptions
        raise DataError(f"{path}: no tokenizer ({error})", "mend or replace it") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _from_pieces(path: Path, prepared: Mapping[str, Any]) -> Tokenizer:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    try:
        text = bounded(path, 2**26).read_text(encoding="utf-8-sig")
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
    tokenizer.normalizer = BertNormalizer(**prepared)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(
        ("[SEP]", pieces["[SEP]"]), ("[CLS]", pieces["[CLS]"])
    )
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
    longer items, and which end of a text is looked at. [CLS] and [SEP] count.
    """
    cls, sep = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
    looked_at = slice(LONGEST_TEXT) if keep == "start" else slice(-LONGEST_TEXT, None)

    def pieces(texts: Sequence[str]) -> Iterator[list[int]]:
        parts = [text.strip()[looked_at] for text in texts]
        return (ids for ids, _ in encode_whole(vocabulary, parts, located=False))

    def cut(ids: list[int], most: int) -> list[int]:
        return ids[:most] if keep == "start" else ids[max(0, len(ids) - most) :]

    if second is None:
        items = [[cls, *cut(ids, max_length - 2), sep] for ids in pieces(first)]
        return _tokens(items, list(map(len, items)), vocabulary, max_length)
    items, seconds = [], []
    for a, b in zip(pieces(first), pieces(second), strict=True):
        most = _shares(len(a), len(b), max_length - 3)
        items.append([cls, *cut(a, most[0]), sep, *cut(b, most[1]), sep])
        seconds.append(min(len(a), most[0]) + 2)
    return _tokens(items, seconds, vocabulary, max_length)


def _shares(a: int, b: int, most: int) -> tuple[int, int]:
    """How many pieces each of two texts keeps of its own: the longer loses first, as in BERT."""
    if a + b <= most:
        return a, b
    shorter = min(a, b, most // 2)
    return (most - shorter, shorter) if a > b else (shorter, most - shorter)


def encode_blocks(vocabulary: Vocabulary, texts: Sequence[str], max_length: int) -> Tokens:
    """Encode documents cut into blocks of at most ``max_length`` pieces, one item each.

    Every block begins with [CLS] and ends with [SEP]; none spans two documents.
    """
    width, cls, sep = max_length - 2, vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
    items: list[list[int]] = []
    for ids, _ in encode_whole(vocabulary, texts, located=False):
        blocks = (ids[start : start + width] for start in range(0, len(ids), width))
        items += [[cls, *block, sep] for block in blocks]
    return _tokens(items, list(map(len, items)), vocabulary, max_length)


def encode_whole(
    vocabulary: Vocabulary, texts: Sequence[str], *, located: bool = True
) -> Iterator[Encoded]:
    """Yield the pieces of each text, without [CLS] and [SEP]."""
    tokenizer = vocabulary.tokenizer
    encoded = tokenizer.encode_batch if located else tokenizer.encode_batch_fast
    parts = [(i, part) for i, text in enumerate(texts) for part in _parts(text)]
    groups = _groups(texts[i][part] for i, part in parts)
    encodings = (own for group in groups for own in encoded(group, add_special_tokens=False))
    for _, found in itertools.groupby(zip(parts, encodings, strict=True), lambda own: own[0][0]):
        ids: list[int] = []
        places: list[tuple[int, int]] = []
        for (_, part), encoding in found:
            ids += encoding.ids
            if located:
                places += [(part.start + a, part.start + b) for a, b in encoding.offsets]
        yield ids, places


def _parts(text: str) -> Iterator[slice]:
    """Cut a long text between words, so that its parts have the pieces that it has."""
    start = 0
    while len(text) - start > LONGEST_TEXT:
        end = text.rfind(" ", start, start + LONGEST_TEXT) + 1 or start + LONGEST_TEXT
        yield slice(start, end)
        start = end
    yield slice(start, len(text))


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    """Put texts of about so many characters together."""
    group, size = [], 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size > _AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


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
