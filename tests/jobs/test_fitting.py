"""Students that fit a larger model's states: what they learn, from which start, and again."""

from __future__ import annotations

import contextlib
import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from attempts import Attempt, Server
from prepared import copied
from transformers import AutoModel

from pdbench.core.entries import RECORD
from pdbench.core.errors import UsageError
from pdbench.data.tokens import Tokens, read_array
from pdbench.engine import Bert
from pdbench.engine.checkpoints import Checkpoint
from pdbench.engine.projection import Components
from pdbench.jobs import fitting, pretraining
from pdbench.jobs.record import RunRecord
from pdbench.ops.verify import verify
from pdbench.study import Start, Study, load_study
from pdbench.study.cells import Architecture
from pdbench.testing.small_study import CONFIG, prepare_cells, write_small_study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import Job

Project = tuple[Study, Paths]
TINY = Architecture(1, 32)
START = Start("plain", TINY, 0)

FITTED: dict[str, Any] = copy.deepcopy(CONFIG)
FITTED["corpora"]["plain"] = {
    "fits": {"source": "directory", "path": "data/model"},
    "texts": [{"text": "more", "tokens": 20_000}],
}
FITTED["training"]["fit"] = {
    "batch_tokens": 128,
    "learning_rate": 1e-2,
    "dropout": 0.0,
    "dimensions": 16,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study with a fitted corpus, but no cell."""
    folder = tmp_path_factory.mktemp("fitted")
    study = load_study(write_small_study(folder, FITTED))
    with contextlib.chdir(folder):
        prepare_cells(study, Paths(study))
    return folder


@pytest.fixture
def fitted(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it as the working directory."""
    return copied(made, tmp_path, monkeypatch)


def _model() -> Bert:
    checkpoint = Checkpoint(Path("data/model"))
    model = Bert(checkpoint.shape)
    checkpoint.load_encoder(model)
    return model.eval()


def test_what_is_learnt_is_the_models_states(fitted: Project) -> None:
    """Of each piece the last hidden state, of [CLS] the mean, up to a linear map; transformers'."""
    study, paths = fitted
    tokens = Tokens.open(paths.text("more"))
    learnt = read_array(paths.fitted("plain") / "states.npy").astype(np.float64)
    theirs = AutoModel.from_pretrained("data/model").eval()

    states = []
    for i in range(len(tokens)):
        with torch.no_grad():
            own = theirs(torch.from_numpy(tokens.item(i).astype(np.int64))[None]).last_hidden_state
        states.append(own[0].numpy())
    pieces = np.concatenate([own[1:] for own in states])
    means = np.stack([own.mean(axis=0) for own in states])

    firsts = np.zeros(len(learnt), bool)
    firsts[tokens.offsets[:-1]] = True
    assert learnt.shape == (len(tokens.pieces), study.training.fit.dimensions)
    assert np.isclose((learnt**2).mean(), 1, atol=0.01)
    for source, target in ((pieces, learnt[~firsts]), (means, learnt[firsts])):
        design = np.column_stack([source, np.ones(len(source))])
        solved, *_ = np.linalg.lstsq(design, target, rcond=None)
        assert np.abs(design @ solved - target).max() < 0.02


def test_a_student_comes_nearer_to_them(fitted: Project) -> None:
    """The squared error falls far below that of the mean, 1, and below the first steps'."""
    _, paths = fitted
    losses = np.load(paths.pretrained(START) / "losses.npy")
    (stage,) = RunRecord.read(paths.pretrained(START)).stages

    assert stage.objective == "fit"
    assert losses[-20:].mean() < 0.5 < losses[:3].mean()
    assert np.isclose(stage.loss, losses[-50:].mean(), rtol=1e-5)


def test_a_student_begins_with_the_models_embeddings(fitted: Project) -> None:
    """In the directions in which those of the corpus's pieces vary most, scaled alike."""
    study, paths = fitted
    words = _model().word_embeddings.weight.detach()
    ours = Checkpoint(paths.pretrained(START)).weights("")["word_embeddings.weight"]
    unseen = torch.ones(len(words), dtype=torch.bool)
    tokens = Tokens.open(paths.text("more"))
    unseen[torch.from_numpy(np.unique(tokens.pieces).astype(np.int64))] = False
    kept = ~unseen
    kept[:5] = False

    found = Components.of(words[kept], 32).project(words)

    scale = ours[unseen] / found[unseen]
    assert unseen.any()
    assert torch.allclose(scale, scale.mean().expand_as(scale), rtol=1e-3)
    assert study.training.initializer_range == "bert"
    norm = float(scale.mean() * found[kept].norm(dim=1).mean())
    assert norm == pytest.approx(0.02 * 32**0.5, rel=0.02)  # weights that nothing trains decay


def test_the_checkpoint_is_an_encoder_for_transformers(fitted: Project) -> None:
    """It has no head that nobody trained."""
    _, paths = fitted

    model, info = AutoModel.from_pretrained(paths.pretrained(START), output_loading_info=True)

    assert set(info["missing_keys"]) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert not info["unexpected_keys"]
    assert model.config.architectures == ["BertModel"]


def test_a_killed_fit_ends_with_the_same_bytes(fitted: Project, server: Server) -> None:
    """Killed twice at some update."""
    _, paths = fitted
    folder = paths.pretrained(START)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != RECORD}
    shutil.rmtree(folder)

    codes, log = server.run(
        ["pretrain", "small.yaml", "plain", "1/32", "--save-every", "0"],
        Attempt("SIGKILL", call=4),
        Attempt("SIGKILL", call=7),
        Attempt(),
    )

    assert codes == [[-9], [-9], [0]], log
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name != RECORD} == before


def test_states_are_made_once_and_follow_their_model(fitted: Project) -> None:
    """What is there stays; other weights or dimensions are another job, and verify sees a swap."""
    study, paths = fitted
    folder = paths.fitted("plain")
    stamp = (folder / RECORD).stat().st_mtime_ns
    fitting.states(study, paths, "plain")
    assert (folder / RECORD).stat().st_mtime_ns == stamp
    assert not [line for line in verify(study, paths) if line]

    raw = yaml.safe_load(Path("small.yaml").read_text())
    raw["training"]["fit"]["dimensions"] = 8
    Path("small.yaml").write_text(yaml.safe_dump(raw))
    other = Paths(load_study("small.yaml"))
    assert other.fitted("plain") != folder
    assert other.pretrained(START) != paths.pretrained(START)
    assert other.digest(Job("teacher", "films")) == paths.digest(Job("teacher", "films"))

    weights = Path("data/model/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    assert Paths(study).fitted("plain") != folder


def test_masked_lm_is_not_asked_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method with a pre-training of its own is refused there, in one line."""
    raw = copy.deepcopy(FITTED)
    raw["artefacts"]["figure6"]["cells"][0] |= {"method": "distilbert", "architecture": "1/32"}
    path = write_small_study(tmp_path, raw)

    with pytest.raises(UsageError, match=r"'plain' students fit a larger model"):
        load_study(path)


def test_several_processes_are_refused(fitted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitting does not share its work among torchrun's processes."""
    study, paths = fitted
    monkeypatch.setattr("pdbench.jobs.training.processes", lambda: 2)

    with pytest.raises(UsageError, match="without torchrun"):
        pretraining.pretrain(study, paths, START)
