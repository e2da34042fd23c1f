"""Pinning and fetching where the hub answers, refuses, is busy, or breaks off."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from pdbench.study import PAPER_ARCHITECTURES, Architecture
from pdbench.study.loading import read_pins
from tests.hub import repositories as made
from tests.hub.conftest import KEYS, Project
from tests.hub.cut_paper import write_cut_paper
from tests.hub.server import COMMIT, TOKEN, Fault, serving

OTHER = "f" * 40
BOOKS = "raw/review_categories/Books.jsonl"
PAGE = r"http://127\.0\.0\.1:\d+"


def _items(project: Project) -> dict[str, list[str]]:
    """What the manifest of DIR lists: the names of the files of each item."""
    content = json.loads((project.folder / "DIR/manifest.json").read_text())
    return {i["key"]: [Path(f["path"]).name for f in i["files"]] for i in content["items"]}


def _stub_releases(root: Path) -> list[str]:
    """The 24 released repositories in their layout, all but one with a few bytes for weights."""
    names = []
    made.write_releases(root, [Architecture(2, 128)])
    for size in PAPER_ARCHITECTURES:
        name = made.released_name(size)
        folder = root / "models" / name
        names.append(name)
        if not folder.exists():
            folder.mkdir()
            for file in ("config.json", "pytorch_model.bin", "vocab.txt"):
                (folder / file).write_text(f"{file} of {size}")
    return names


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All repositories of the paper's study."""
    root = tmp_path_factory.mktemp("papers")
    made.write_all(root, [])
    _stub_releases(root)
    return root


def test_the_papers_study_is_pinned_fetched_and_read(papers: Path, project: Project) -> None:
    """As it is configured: the hub is asked for what is read, once, and then no more."""
    pinned = read_pins()
    with serving(papers) as hub:
        hub.commits = pinned
        project.hub = hub

        pin = project.run("pin", "paper")
        again = project.run("pin", "paper")

        assert pin.returncode == 0, pin.stderr
        added = dict(line.split() for line in pin.stdout.splitlines())
        released = {made.released_name(size) for size in PAPER_ARCHITECTURES}
        assert added == dict.fromkeys(released - set(pinned), COMMIT)
        with contextlib.chdir(project.folder):
            assert read_pins() == {**pinned, **added}
        assert again.stdout == "every repository is pinned\n"
        hub.requests.clear()

        fetch = project.run("fetch", "paper", "--to", "DIR")

        assert fetch.returncode == 0, fetch.stderr
        assert fetch.stderr == ""
        found = _items(project)
        assert found["model google-bert/bert-large-uncased"] == [
            *("config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt")
        ]
        for name in released:
            assert found[f"model {name}"] == ["config.json", "pytorch_model.bin", "vocab.txt"]
        assert sum(key.startswith("data set nyu-mll/glue ") for key in found) == 11
        read = {Path(request.path).name for request in hub.asked(content=True)}
        assert read & {"Amazon-Reviews-2023.py", "generation_config.json"} == set()
        hub.requests.clear()

        second = project.run("fetch", "paper", "--to", "DIR")

        assert second.returncode == 0
        assert second.stdout.count("kept ") == len(found)
        assert hub.requests == []

    _read_offline(project)


def _read_offline(project: Project) -> None:
    """Read GLUE, reviews and a release from DIR; the release that is a stub is refused."""
    write_cut_paper(project.folder / "cut.yaml")
    tasks = ("mnli-mismatched", "ax", "mnli", "stsb", "book-reviews")
    for arguments in (
        *(("task", "cut.yaml", task) for task in tasks),
        ("pretrain", "cut.yaml", "released", "2/128"),
        ("pretrain", "cut.yaml", "distilbert", "2/128"),
    ):
        done = project.run(*arguments, PDBENCH_DATA="DIR")
        assert done.returncode == 0, done.stderr
    (task,) = (project.folder / "results/store").glob(f"task/mnli-{'?' * 12}/record.json")
    assert json.loads(task.read_text())["splits"]["test"]["items"] == 60
    stub = project.run("pretrain", "cut.yaml", "released", "4/128", PDBENCH_DATA="DIR")
    assert stub.returncode == 1
    assert "config.json: " in stub.stderr
    assert "Traceback" not in stub.stderr


def test_what_was_read_online_needs_no_network_later(project: Project) -> None:
    """Jobs on a machine with internet fetch what they read; the same caches serve without it."""
    first = project.run("task", "small.yaml", "sentiment")
    project.hub.requests.clear()
    for path in project.folder.glob("results/store/task/*"):
        path.rename(project.folder / "first")

    second = project.run("task", "small.yaml", "sentiment", HF_HUB_OFFLINE="1")

    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert project.hub.requests == []
    (task,) = project.folder.glob("results/store/task/*/record.json")
    assert task.read_bytes() == (project.folder / "first/record.json").read_bytes()


def test_squad_is_read_from_the_hubs_rows(project: Project) -> None:
    """Questions, contexts and where the answers are."""
    squad = {
        "kind": "span",
        "source": "hub",
        "name": "rajpurkar/squad",
        "revision": COMMIT,
        "labels": [],
        "metrics": ["f1", "exact_match"],
        "max_length": 24,
        "windows": {"stride": 8, "question": 6, "answer": 4},
    }
    project.write(tasks__squad=squad)

    done = project.run("task", "small.yaml", "squad")

    assert done.returncode == 0, done.stderr
    (task,) = project.folder.glob("results/store/task/squad-*/record.json")
    assert json.loads(task.read_text())["splits"]["test"]["items"] == 40


@pytest.mark.parametrize("token", ["", "hf_ofAnotherAccount"])
def test_a_gated_repository_says_what_to_do(token: str, project: Project) -> None:
    """Accept the conditions and log in; everything else is fetched, and then that too."""
    project.hub.gated = {made.LARGE, made.REVIEWS, "nyu-mll/glue"}

    refused = project.fetch(**({"HF_TOKEN": token} if token else {}))

    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert set(_items(project)) == {"data set stanfordnlp/snli", f"vocabulary {made.BASE}"}
    for key, page, file in (
        ("data set nyu-mll/glue rte", "datasets/nyu-mll/glue", ""),
        (f"file {made.REVIEWS} {BOOKS}", f"datasets/{made.REVIEWS}", f" {BOOKS}"),
        (f"model {made.LARGE}", made.LARGE, ""),
    ):
        (line,) = re.findall(rf"missing  {key}: (.*)", refused.stdout)
        assert re.fullmatch(
            rf"\S+@0123456789ab:{file} cannot be fetched \(its owners ask for consent .*\); "
            rf"accept them at {PAGE}/{page}, set HF_TOKEN .* and run it again",
            line,
        )

    if token:
        let_in = project.fetch(HF_TOKEN=TOKEN)
        assert let_in.returncode == 0, let_in.stdout
        assert let_in.stdout.count("kept ") == 2


def test_a_token_is_shown_to_the_hub_alone(project: Project) -> None:
    """Not to the servers that it redirects to, nor in a file or a line."""
    project.hub.gated = {made.LARGE}
    project.write(texts__films__name="org/none")

    done = project.fetch(HF_TOKEN=TOKEN)
    task = project.run("task", "small.yaml", "sentiment", HF_TOKEN=TOKEN, PDBENCH_DATA="DIR")

    assert task.returncode == 0, task.stderr
    shown = {r.path.startswith("/cdn/") for r in project.hub.requests if r.authorization}
    assert shown == {False}
    for text in (done.stdout, done.stderr, task.stdout, task.stderr):
        assert TOKEN not in text
    written = [path for path in project.folder.rglob("*") if path.is_file()]
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []


NOWHERE = r"\(there is no such repository, or it is a private one\); mend key name; .*HF_TOKEN.*"
NO_COMMIT = r"\(it has no such commit\); mend key revision, or .*config/pins\.yaml"


@pytest.mark.parametrize("token", ["", TOKEN])
@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {
                "vocabulary__name": "org/none",
                "texts__films__name": "org/none",
                "texts__reviews__name": "org/none",
                "tasks__sentiment__configuration": "rtee",
            },
            {
                "vocabulary org/none": NOWHERE,
                "data set org/none": NOWHERE,
                f"file org/none {BOOKS}": NOWHERE,
                "data set nyu-mll/glue rtee": r"\(.*'rtee' not found.*\); "
                "check keys name and configuration.*",
            },
        ),
        (
            {
                "vocabulary__revision": OTHER,
                "texts__films__revision": OTHER,
                "tasks__sentiment__teacher__revision": OTHER,
                "texts__reviews__file": "Book.jsonl",
            },
            {
                f"vocabulary {made.BASE}": NO_COMMIT,
                "data set stanfordnlp/snli": NO_COMMIT,
                f"model {made.LARGE}": NO_COMMIT,
                f"file {made.REVIEWS} Book.jsonl": r"\(it has no such file\); mend key file",
            },
        ),
    ],
)
def test_what_is_not_there_is_named(
    changes: dict[str, str], messages: dict[str, str], token: str, project: Project
) -> None:
    """The repository and the key to mend, whether or not the hub knows who asks."""
    project.write(**changes)

    done = project.fetch(**({"HF_TOKEN": token} if token else {}))

    assert done.returncode == 1
    lines = re.findall(r"missing  (.*)", done.stdout)
    for item, message in messages.items():
        expected = rf"{re.escape(item)}: \S+@[0-9a-f]{{12}}:(?: \S+)? cannot be fetched {message}"
        assert any(re.fullmatch(expected, line) for line in lines), (expected, lines)
    assert len(lines) == len(messages)
    assert done.stderr.splitlines()[-1].startswith("pdbench: error: 4 could not be fetched")
    assert "Traceback" not in done.stderr


def test_a_busy_hub_is_asked_again(project: Project) -> None:
    """Whatever the library asks for, and however often it asks by itself."""
    wait = {"Retry-After": "0"}
    project.hub.faults = [
        Fault("/api/models/", 429, 1, headers=wait),
        Fault("/api/datasets/", 503, 1, headers=wait),
        Fault("/resolve/", 503, 2, headers=wait),
        Fault("/kept/", 500, 1, headers=wait),
        Fault("/cdn/", 503, 1, headers=wait),
    ]

    done = project.fetch()

    assert done.returncode == 0, done.stdout
    assert all(fault.times == 0 for fault in project.hub.faults)


def test_a_hub_that_stays_busy_is_one_line(project: Project) -> None:
    """It says to wait and to run again; that ends whole, and asks for nothing twice."""
    busy = {made.BASE: "503 Service Unavailable", made.REVIEWS: "429 Too Many Requests"}
    wait = {"Retry-After": "0"}
    project.hub.faults = [Fault(name, int(said[:3]), headers=wait) for name, said in busy.items()]

    first = project.fetch()

    assert first.returncode == 1
    lines = re.findall(r"missing  \w+ (.*)", first.stdout)
    for name, said in busy.items():
        answer = f"cannot be fetched (the hub answers {said}); wait a while, and run it again"
        assert any(line.startswith(name) and line.endswith(answer) for line in lines), lines
    project.hub.faults.clear()
    before = len(project.hub.requests)
    assert project.fetch().returncode == 0
    asked = [request.path for request in project.hub.requests[before:] if request.is_content]
    assert asked
    assert all(made.BASE in path or made.REVIEWS in path for path in asked)


def test_pinning_asks_a_busy_hub_again(project: Project) -> None:
    """And writes nothing where it stays busy, or knows no such repository."""
    path = project.folder / "config/pins.yaml"
    project.write(vocabulary__revision="pinned", vocabulary__name="org/none")
    refused = project.run("pin", "small.yaml")
    smallest = "google/bert_uncased_L-2_H-128_A-2"
    project.write(vocabulary__revision="pinned", vocabulary__name=smallest)
    path.unlink()
    project.hub.faults = [Fault("/api/models/", 503)]
    busy = project.run("pin", "small.yaml")

    assert (refused.returncode, busy.returncode) == (1, 1)
    assert "org/none: the hub does not tell its commit (there is no such repo" in refused.stderr
    assert "(the hub answers 503 Service Unavailable); wait a while" in busy.stderr
    assert not path.exists()

    project.hub.faults = [Fault("/api/models/", 503, 1)]
    assert project.run("pin", "small.yaml").returncode == 0
    assert path.read_text() == f'{smallest}: "{COMMIT}"\n'


@pytest.fixture
def large(project: Project, tmp_path: Path) -> Path:
    """A file of reviews of 24 MB, on a hub that has nothing else."""
    root = tmp_path / "large"
    made.write_reviews(root, {"Books": 10})
    path = root / "datasets" / made.REVIEWS / BOOKS
    path.write_bytes(path.read_bytes() * (24 * 2**20 // path.stat().st_size))
    here = {"source": "directory", "path": "."}
    task = {**here, "labels": ["no", "yes"], "metrics": ["accuracy"], "teacher": here}
    texts = {"films": {**here, "size": 1000}, "reviews": KEYS["texts"]["reviews"]}
    project.write(vocabulary=here, tasks__sentiment=task, texts=texts)
    project.hub.root = root
    return path


def _fetched_books(project: Project) -> str:
    (path,) = (project.folder / "DIR").rglob("Books.jsonl")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_download_that_breaks_off_goes_on_where_it_was(large: Path, project: Project) -> None:
    """The library keeps ten megabytes at a time, and asks for the rest by their range."""
    project.hub.faults = [Fault("/cdn/", times=1, cut=22 * 2**20)]

    project.fetch()

    ranges = [r.range for r in project.hub.asked("Books.jsonl", content=True)]
    assert ranges == [None, f"bytes={20 * 2**20}-"]
    assert _fetched_books(project) == hashlib.sha256(large.read_bytes()).hexdigest()


def test_a_fetch_that_is_killed_ends_whole_the_next_time(large: Path, project: Project) -> None:
    """The file it was at is fetched anew: the library gives each process one of its own."""
    project.hub.faults = [Fault("/cdn/", times=1, delay=60)]
    process = project.start("fetch", "small.yaml", "--to", "DIR")
    while not project.hub.asked("Books.jsonl", content=True):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = (project.folder / "DIR").rglob("*.incomplete")

    project.fetch()

    assert left.exists()  # it might be another's, who is at it
    os.utime(left, (0, 0))
    project.fetch()
    assert not left.exists()
    assert _fetched_books(project) == hashlib.sha256(large.read_bytes()).hexdigest()


def test_a_download_that_is_always_cut_is_not_kept(project: Project) -> None:
    """Nothing of it stands where a whole file would, and the next run fetches it."""
    project.hub.faults = [Fault("model.safetensors", times=20, cut=1000)]
    broken = project.fetch()

    assert broken.returncode == 1
    assert re.search(rf"missing  model {made.LARGE}: .* cannot be fetched", broken.stdout)
    project.hub.faults.clear()
    again = project.fetch()
    assert again.returncode == 0
    assert again.stdout.count("kept ") == 4


def test_a_file_that_was_spoilt_on_its_way_is_not_kept(large: Path, project: Project) -> None:
    """The library compares its size alone; the hub says its digest too."""
    project.hub.faults = [Fault("/cdn/", times=1, spoilt=True)]

    spoilt = project.fetch()

    assert spoilt.returncode == 1
    assert re.search(r"missing  file .*: its sha256 is not what the hub says; run", spoilt.stdout)
    assert not [path for path in (project.folder / "DIR").rglob("blobs/*") if path.is_file()]
    project.fetch()
    assert _fetched_books(project) == hashlib.sha256(large.read_bytes()).hexdigest()


def test_another_commit_than_was_asked_for_is_refused(project: Project) -> None:
    """A mirror that serves what it has."""
    lies = {"X-Repo-Commit": OTHER}
    project.hub.faults = [Fault("/resolve/", headers=lies), Fault("/kept/", headers=lies)]

    done = project.fetch()

    assert done.returncode == 1
    lines = re.findall(r"missing  (.*)", done.stdout)
    assert len(lines) == 5
    assert sum("what came is of another commit than key revision" in line for line in lines) == 3
