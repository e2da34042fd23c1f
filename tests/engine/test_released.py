"""Checkpoints as they were released: pickles, older names, and no word of the tokenizer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from pdbench.core.errors import DataError
from pdbench.data.places import model_folder
from pdbench.engine import BertShape, Classifier
from pdbench.engine.bert import Bert
from pdbench.engine.checkpoints import Checkpoint, write_checkpoint
from pdbench.engine.initialise import initial_classifier
from pdbench.study import Architecture
from pdbench.study.settings import Released
from tests.glue_study import PIECES, RELEASED, write_distilbert, write_released

SIZE = Architecture(2, 32)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A small checkpoint in the released layout."""
    return write_released(tmp_path, SIZE)


def _start(folder: Path, pooler_seed: int = 0) -> dict[str, torch.Tensor]:
    shape = BertShape.of(SIZE, len(PIECES))
    generator = torch.Generator().manual_seed(pooler_seed)
    model = initial_classifier("pretrained", shape, 2, generator, checkpoint=folder)
    return dict(model.bert.state_dict())


def test_the_converted_weights_are_the_released_ones(released: Path, tmp_path: Path) -> None:
    """Encoder, pooler and head, once each; what nobody needs is left out."""
    target = tmp_path / "converted"
    target.mkdir()
    stored = torch.load(released / "pytorch_model.bin", weights_only=True)

    checkpoint = Checkpoint(released)
    checkpoint.convert(target)

    found = load_file(target / "model.safetensors")
    left_out = {"bert.embeddings.position_ids", "cls.predictions.decoder.weight"}
    assert set(found) == set(stored) - left_out - {"cls.seq_relationship.weight"}
    assert all(torch.equal(found[name], stored[name]) for name in found)
    assert checkpoint.shape.architecture == SIZE
    assert _start(released).keys() == _start(target).keys()
    for name, weight in _start(target).items():
        assert torch.equal(weight, _start(released)[name]), name


def test_a_student_begins_with_the_released_pooler(released: Path) -> None:
    """Its next-sentence task has trained it; our masked LM has not, and draws one."""
    stored = torch.load(released / "pytorch_model.bin", weights_only=True)

    first, second = _start(released, 0), _start(released, 1)

    assert torch.equal(first["pooler.weight"], stored["bert.pooler.dense.weight"])
    assert torch.equal(first["pooler.weight"], second["pooler.weight"])


def test_other_programs_read_the_converted_checkpoint(released: Path, tmp_path: Path) -> None:
    """Every weight of masked LM is found by transformers."""
    transformers = pytest.importorskip("transformers")
    target = tmp_path / "converted"
    target.mkdir()
    Checkpoint(released).convert(target)

    _, about = transformers.AutoModelForMaskedLM.from_pretrained(target, output_loading_info=True)

    assert not about["missing_keys"]


def test_names_of_tensorflow_are_read(released: Path) -> None:
    """With gamma and beta, and no leading bert."""
    path = released / "pytorch_model.bin"
    before = Checkpoint(released).weights()
    old = {
        name.removeprefix("bert.")
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in torch.load(path, weights_only=True).items()
    }
    torch.save(old, path)

    after = Checkpoint(released).weights()

    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


class _Command:
    """What a pickle could run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


def test_nothing_that_a_pickle_holds_is_run(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that holds more than tensors is refused in one line."""
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": _Command()}, released / "pytorch_model.bin")

    with pytest.raises(DataError, match=r"pytorch_model\.bin: .* more than tensors, which"):
        Checkpoint(released).weights()

    assert not Path("pwned").exists()


def test_a_truncated_checkpoint_is_named(released: Path) -> None:
    """A download that ended early."""
    path = released / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:-3000])

    with pytest.raises(DataError, match=r"pytorch_model\.bin: cannot be read") as caught:
        Checkpoint(released).weights()
    assert "\n" not in str(caught.value)


def test_a_configuration_of_other_weights_is_named(released: Path, tmp_path: Path) -> None:
    """Shapes are compared before anything is written."""
    wider = write_released(tmp_path / "other", Architecture(2, 64))
    (released / "bert_config.json").write_bytes((wider / "bert_config.json").read_bytes())

    with pytest.raises(DataError, match=r"\.bin: word_embeddings.* has shape \(\d+, 32\)"):
        Checkpoint(released).convert(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hidden_act": "relu"}, "hidden_act is 'relu', not 'gelu'"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05, not 1e-12"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"model_type": "roberta"}, "model_type is 'roberta', not 'bert'"),
        ({"num_hidden_layers": "2"}, "num_hidden_layers is '2'"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"hidden_size": 10**400}, "sizes of over 5,000,000,000 weights"),
        ({"num_hidden_layers": 10**9}, "sizes of over 5,000,000,000 weights"),
        ({"vocab_size": 10**9}, "sizes of over 5,000,000,000 weights"),
        ({"num_attention_heads": 3}, "3 heads do not divide hidden_size, 32"),
    ],
)
def test_what_is_computed_otherwise_is_refused(
    changed: dict[str, Any], message: str, released: Path
) -> None:
    """Weights of another kind of model would load, and mean something else."""
    path = released / "bert_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

    with pytest.raises(DataError, match=rf"bert_config\.json: {message}"):
        Checkpoint(released).weights()


@pytest.mark.parametrize("content", ["[]", "null", '"bert"'])
def test_a_configuration_is_a_mapping(content: str, released: Path) -> None:
    """Other JSON is named."""
    (released / "bert_config.json").write_text(content)

    with pytest.raises(DataError, match=r"bert_config\.json: not a mapping of keys"):
        Checkpoint(released).weights()


def _without(name: str) -> Any:
    return lambda weights: {k: v for k, v in weights.items() if k != name}


@pytest.mark.parametrize(
    ("change", "configured", "message"),
    [
        (_without("classifier.bias"), {}, "its head does not fit .*bias"),
        (lambda w: {**w, "classifier.bias": torch.zeros(3)}, {}, "its head does not fit .*3"),
        (dict, {"id2label": {"1": "no", "2": "yes"}}, "labels .* are not the task's"),
        (dict, {"id2label": None}, "labels .* are not the task's"),
        (
            lambda w: {**w, "bert.encoder.layer.0.attention.self.key.weight": torch.zeros(4, 4)},
            {},
            r"layer\.0\.attention\.self\.value\.weight have different shapes",
        ),
    ],
)
def test_a_broken_classifier_is_named(
    change: Any, configured: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """A head that is not the labels', and weights that do not belong together."""
    labels = ("no", "yes")
    write_checkpoint(tmp_path, Classifier(Bert(BertShape.of(SIZE, len(PIECES))), 2), labels=labels)
    weights, about = tmp_path / "model.safetensors", tmp_path / "config.json"
    save_file(change(load_file(weights)), weights)
    about.write_text(json.dumps({**json.loads(about.read_text()), **configured}))

    with pytest.raises(DataError, match=message) as caught:
        Checkpoint(tmp_path).classifier(labels)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_repository_of_pickles_is_read_offline(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the hub's cache, each size at its own commit."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    name = f"org/{Path(RELEASED).name}"
    corpus = Released(
        source="hub", name=name, revisions={f"org/{released.name}": COMMIT}, revision="pinned"
    )
    snapshots = tmp_path / "hub" / f"models--org--{released.name}" / "snapshots"
    snapshots.mkdir(parents=True)
    released.rename(snapshots / COMMIT)

    folder = model_folder(corpus.of(SIZE), tmp_path)

    assert folder == snapshots / COMMIT
    assert Checkpoint(folder).shape.architecture == SIZE
    with pytest.raises(Exception, match=r"no commit of org/bert_uncased_L-4_H-32_A-1"):
        model_folder(corpus.of(Architecture(4, 32)), tmp_path)


@pytest.fixture
def distilbert(tmp_path: Path) -> Path:
    """A small DistilBERT in the layout of its authors' checkpoint."""
    return write_distilbert(tmp_path / "distilbert", SIZE)


def test_a_distilbert_is_read_as_transformers_reads_it(distilbert: Path, tmp_path: Path) -> None:
    """Its scores of any text, of one segment or two, before and after it is converted."""
    transformers = pytest.importorskip("transformers")
    read = transformers.DistilBertForMaskedLM.from_pretrained
    theirs, about = read(distilbert, output_loading_info=True)
    assert not about["missing_keys"]
    assert not about["unexpected_keys"]
    ids = torch.tensor([[2, 7, 9, 11, 3, 0], [2, 8, 3, 12, 13, 3]])
    mask, segments = ids > 0, torch.tensor([[0] * 6, [0, 0, 0, 1, 1, 1]])
    target = tmp_path / "converted"
    target.mkdir()
    Checkpoint(distilbert).convert(target)

    with torch.no_grad():
        expected = theirs.eval()(input_ids=ids, attention_mask=mask.long()).logits[mask]
        for folder in (distilbert, target):
            ours = Checkpoint(folder).masked_lm().eval()
            found = ours.scores(ours.states(ids, segments, mask, torch.arange(12)))
            assert torch.allclose(found[mask.flatten()], expected, atol=1e-4)
    _, about = transformers.AutoModelForMaskedLM.from_pretrained(target, output_loading_info=True)
    assert not about["missing_keys"]


def test_a_student_begins_with_a_distilbert_and_a_pooler_of_its_own(distilbert: Path) -> None:
    """DistilBERT has none: each seed draws one."""
    first, second = _start(distilbert, 0), _start(distilbert, 1)

    assert not torch.equal(first["pooler.weight"], second["pooler.weight"])
    assert torch.equal(first["word_embeddings.weight"], second["word_embeddings.weight"])
    assert not first["segment_embeddings.weight"].any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"activation": "relu"}, "hidden_act is 'relu', not 'gelu'"),
        ({"n_layers": "2"}, "num_hidden_layers is '2'"),
        ({"dim": None}, "hidden_size is None"),
    ],
)
def test_a_distilbert_that_is_computed_otherwise_is_refused(
    changed: dict[str, Any], message: str, distilbert: Path
) -> None:
    """In the words of a BERT's configuration."""
    path = distilbert / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

    with pytest.raises(DataError, match=rf"config\.json: {message}"):
        Checkpoint(distilbert).weights()
