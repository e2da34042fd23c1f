"""The audit counts, measures and finds what leaked after all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepared import reseal

from pdbench.core.entries import RECORD, read_record
from pdbench.core.errors import DataError, GuardError
from pdbench.core.files import read_json
from pdbench.data.audit import audit
from pdbench.data.splits import stored_rows
from pdbench.jobs.prepare import prepare_task, prepare_text
from pdbench.study import Study
from pdbench.workflow import Paths

Prepared = tuple[Study, Paths]
NAMES = ("yes", "no")


@pytest.fixture
def prepared(tmp_path: Path, make_study: Callable[..., Prepared]) -> Prepared:
    """A pair task that shares a sentence between splits, and two texts."""
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for split in ("train", "dev", "test"):
        lines = [f"the {split} dog {i}\tthe {split} cat {i}\t{NAMES[i % 2]}" for i in range(6)]
        if split != "dev":
            lines.append(f"the one they share\tthe {split} bird\tyes")
        (pairs / f"{split}.tsv").write_text("\n".join(["text_a\ttext_b\tlabel", *lines]) + "\n")
    texts = {}
    for name, line in (("near", "the dog and the cat {}"), ("far", "senate bill {}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.txt").write_text("\n".join(line.format(i) for i in range(9)))
        texts[name] = {"source": "directory", "path": name, "size": 9}
    task = {
        "source": "directory",
        "path": "pairs",
        "labels": ["yes", "no"],
        "metrics": ["accuracy"],
    }
    study, paths = make_study(
        {"pairs": task},
        texts=texts,
        transfer_sets={"near-4": {"text": "near", "size": 4}, "far-9": {"text": "far", "size": 9}},
    )
    prepare_task(study, "pairs", paths)
    for name in texts:
        prepare_text(study, name, paths)
    return study, paths


def _replace_row(folder: Path, row: tuple[str, ...]) -> None:
    table = pq.read_table(folder / "text.parquet").to_pydict()
    for name, text in zip([n for n in table if n != "label"], row, strict=True):
        table[name][0] = text
    pq.write_table(pa.table(table), folder / "text.parquet")
    reseal(folder if (folder / RECORD).exists() else folder.parent)


def test_the_audit_has_sizes_and_similarities(prepared: Prepared) -> None:
    """Tasks and texts as prepared, transfer sets counted, S for each task."""
    study, paths = prepared
    audit(study, paths)

    found = read_json(paths.audit)
    near, far = found["transfer_sets"]["near-4"], found["transfer_sets"]["far-9"]
    about = read_record(paths.task("pairs"))
    assert {**found["tasks"]["pairs"], "outputs": about["outputs"]} == about
    assert found["texts"]["far"]["items"] == 9
    assert (near["text"], near["items"]) == ("near", 4)
    assert 0 < near["pieces"] < found["texts"]["near"]["pieces"]
    assert far["similarity"] == found["texts"]["far"]["similarity"]
    assert near["similarity"]["pairs"] > far["similarity"]["pairs"]
    assert found["leaks"] == {"checked": 18 + 13, "found": 0, "shared_sentences": {"pairs": 1}}


@pytest.mark.parametrize("leak", ["the TEST dog 3", "Before. The test cat 2! After."])
def test_a_test_sentence_in_a_text_stops_everything(leak: str, prepared: Prepared) -> None:
    """The guard names the text, the item and the words, and writes no audit."""
    study, paths = prepared
    _replace_row(paths.text("near"), (leak,))

    with pytest.raises(
        GuardError, match=r"text/near-\w+: item 0 holds text of test or dev .*delete"
    ):
        audit(study, paths)

    assert not paths.audit.exists()


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_test_item_in_another_split_stops_everything(split: str, prepared: Prepared) -> None:
    """A whole pair of test must not be learnt from."""
    study, paths = prepared
    tested = list(stored_rows(paths.task("pairs") / "test"))
    _replace_row(paths.task("pairs") / split, tested[2])

    with pytest.raises(GuardError, match=rf"pairs-\w+/{split}: item 0 holds text of test or dev"):
        audit(study, paths)


def test_a_test_item_of_another_task_that_is_scored_stops_everything(
    tmp_path: Path, make_study: Callable[..., Prepared]
) -> None:
    """What a task's models are scored on elsewhere must not be learnt from either."""
    task = {
        "source": "directory",
        "path": "pairs",
        "labels": ["yes", "no"],
        "metrics": ["accuracy"],
    }
    for name, splits in {"pairs": ("train", "dev"), "others": ("dev",)}.items():
        (tmp_path / name).mkdir()
        for split in splits:
            lines = [f"the {name} {split} dog {i}\tthe cat {i}\t{NAMES[i % 2]}" for i in range(6)]
            text = "\n".join(["text_a\ttext_b\tlabel", *lines])
            (tmp_path / name / f"{split}.tsv").write_text(text)
    others = {**task, "path": "others", "model_of": "pairs"}
    study, paths = make_study({"pairs": {**task, "dev": 2}, "others": others})
    for name in ("others", "pairs"):
        prepare_task(study, name, paths)
    audit(study, paths)
    _replace_row(paths.task("pairs") / "train", ("The OTHERS dev dog 3", "the cat 3"))

    with pytest.raises(GuardError, match=r"pairs-\w+/train: item 0 holds text of test or dev"):
        audit(study, paths)


def test_edited_tokens_stop_the_audit(prepared: Prepared) -> None:
    """Transfer sets are counted in verified tokens."""
    study, paths = prepared
    path = paths.text("near") / "offsets.npy"
    np.save(path, np.load(path) + 1)

    with pytest.raises(DataError, match="the tokens are not those"):
        audit(study, paths)


def test_a_missing_text_is_named(prepared: Prepared) -> None:
    """An audit of half the data is none."""
    study, paths = prepared
    (paths.text("far") / "text.parquet").unlink()

    with pytest.raises(DataError, match=r"text/far-\w+/text\.parquet: missing"):
        audit(study, paths)
