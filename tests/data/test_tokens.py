"""Tokens are stored whole, read back as they were, and refused when edited."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pdbench.core.entries import write_record
from pdbench.core.errors import DataError
from pdbench.data import tokens as tokens_module
from pdbench.data.batches import collate
from pdbench.data.tokens import Tokens, write_tokens
from pdbench.data.vocabulary import Vocabulary, encode, encode_blocks, open_vocabulary
from pdbench.study.settings import Source


@pytest.fixture
def vocabulary(pieces: Path, tmp_path: Path) -> Vocabulary:
    """The vocabulary of letters."""
    return open_vocabulary(Source(source="directory", path=str(pieces)), tmp_path)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A folder with 20,000 items of 50 pieces each: 2 MB."""
    rng = np.random.default_rng(0)
    pieces = rng.integers(5, 600, 1_000_000).astype(np.uint16)
    offsets = np.arange(0, 1_000_001, 50)
    folder = tmp_path / "long"
    folder.mkdir()
    write_tokens(folder, Tokens(pieces, offsets, np.full(20_000, 50, np.int32), "digest", 64))
    write_record(folder, {})
    return folder


def _written(item: np.ndarray, vocabulary: Vocabulary) -> str:
    return " ".join(str(vocabulary.tokenizer.id_to_token(int(i))) for i in item)


def test_a_text_is_one_item(vocabulary: Vocabulary) -> None:
    """[CLS] a [SEP], cut to the longest length."""
    tokens = encode(vocabulary, ["Ab c", "abcdefgh", "x"], None, 6)

    assert [_written(tokens.item(i), vocabulary) for i in range(len(tokens))] == [
        "[CLS] a ##b c [SEP]",
        "[CLS] a ##b ##c ##d [SEP]",
        "[CLS] x [SEP]",
    ]
    assert list(tokens.lengths) == list(tokens.seconds) == [5, 6, 3]


def test_a_pair_is_one_item_of_two_segments(vocabulary: Vocabulary) -> None:
    """[CLS] a [SEP] b [SEP]; the longer side is cut first."""
    tokens = encode(vocabulary, ["ab", "abcdef"], ["c", "xy"], 8)

    assert _written(tokens.item(0), vocabulary) == "[CLS] a ##b [SEP] c [SEP]"
    assert _written(tokens.item(1), vocabulary) == "[CLS] a ##b ##c [SEP] x ##y [SEP]"
    assert list(tokens.seconds) == [4, 5]


def test_documents_are_cut_into_blocks(vocabulary: Vocabulary) -> None:
    """Nothing is lost, and no block spans two documents."""
    tokens = encode_blocks(vocabulary, ["abcdefg", "xy"], 5)
    blocks = [_written(tokens.item(i), vocabulary) for i in range(len(tokens))]

    assert blocks == [
        "[CLS] a ##b ##c [SEP]",
        "[CLS] ##d ##e ##f [SEP]",
        "[CLS] ##g [SEP]",
        "[CLS] x ##y [SEP]",
    ]
    assert list(tokens.seconds) == list(tokens.lengths)


def test_encoding_leaves_the_vocabulary_as_it_was(vocabulary: Vocabulary) -> None:
    """One call's length is not the next one's."""
    encode(vocabulary, ["abcdefgh"], None, 4)

    assert len(vocabulary.tokenizer.encode("abcdefgh").ids) == 10


def test_tokens_are_read_back(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Memory-mapped, with the same content and digest."""
    written = encode(vocabulary, ["ab", "cd"], ["e", "f"], 16)
    write_tokens(tmp_path, written)
    write_record(tmp_path, {})

    tokens = Tokens.open(tmp_path)

    assert _mapping(tokens.pieces)[0].endswith("pieces.npy")
    assert tokens.pieces.dtype == np.uint16
    assert tokens.digest == written.digest
    assert (tokens.vocabulary, tokens.max_length) == (vocabulary.digest, 16)
    assert [tokens.item(i).tolist() for i in range(2)] == [
        written.item(i).tolist() for i in range(2)
    ]


def test_parts_are_written_as_one(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Text that comes in parts has the bytes of the same text at once."""
    texts = ["ab", "cde", "f", "ghij"]
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()

    whole = write_tokens(tmp_path / "whole", encode(vocabulary, texts, None, 16))
    parts = (encode(vocabulary, texts[i : i + 2], None, 16) for i in (0, 2))
    written = write_tokens(tmp_path / "parts", parts)

    assert written.digest == whole.digest
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "parts" / path.name).read_bytes() == path.read_bytes()


def test_pieces_are_counted(long: Path) -> None:
    """Chunk by chunk, over all items or the first."""
    tokens = Tokens.open(long)

    assert (tokens.counts(600) == np.bincount(tokens.pieces, minlength=600)).all()
    assert tokens.first(10).counts(600).sum() == tokens.offsets[10]
    assert (tokens.lengths == np.diff(tokens.offsets)).all()


def test_a_long_text_is_never_in_memory(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifying, counting and collating all items leave few pages of them mapped."""
    monkeypatch.setattr(tokens_module, "_RELEASED", 0)
    tokens = Tokens.open(long)
    after_opening = _resident(tokens.pieces)
    tokens.counts(600)
    after_counting = _resident(tokens.pieces)
    for start in range(0, len(tokens), 100):
        collate(tokens, np.arange(start, start + 100))
    after_batches = _resident(tokens.first(100).pieces)
    tokens.pieces.max()

    assert max(after_opening, after_counting, after_batches) < 2**17
    assert _resident(tokens.pieces) > 2**20  # what is there is seen


def _resident(array: np.ndarray) -> int:
    """Bytes of an array's mapped file that count as memory of this process."""
    _, rest = _mapping(array)
    rss = next(line for line in rest if line.startswith("Rss:"))
    return int(rss.split()[1]) * 1024


def _mapping(array: np.ndarray) -> tuple[str, list[str]]:
    """What the system says of the memory in which an array lies."""
    address = array.__array_interface__["data"][0]
    lines = Path("/proc/self/smaps").read_text().splitlines()
    for number, line in enumerate(lines):
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if found and int(found[1], 16) <= address < int(found[2], 16):
            return line, lines[number + 1 :]
    raise AssertionError("no such memory")


@pytest.mark.parametrize("name", ["pieces", "offsets", "seconds"])
def test_edited_tokens_are_refused(name: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    """One changed number is noticed, in any of the arrays."""
    write_tokens(tmp_path, encode(vocabulary, ["ab", "cd"], None, 16))
    write_record(tmp_path, {})
    array = np.load(tmp_path / f"{name}.npy")
    array[-1] += 1
    np.save(tmp_path / f"{name}.npy", array)

    with pytest.raises(DataError, match=r"not those of tokens\.json; mend or replace it"):
        Tokens.open(tmp_path)


def test_truncated_tokens_are_refused(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """A file cut short, or missing, is named."""
    write_tokens(tmp_path, encode(vocabulary, ["ab", "cd"], None, 16))
    write_record(tmp_path, {})
    path = tmp_path / "pieces.npy"
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(DataError, match=r"pieces\.npy: missing or truncated"):
        Tokens.open(tmp_path)

    path.unlink()
    with pytest.raises(DataError, match=r"pieces\.npy: missing or truncated"):
        Tokens.open(tmp_path)


def test_no_tokens_at_all_name_the_record(tmp_path: Path) -> None:
    """Without a record nothing says what they should be."""
    with pytest.raises(DataError, match=r"tokens\.json: no record vouches for it"):
        Tokens.open(tmp_path)
