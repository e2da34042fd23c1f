"""The project's own files: versions agree, promises of the README hold."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdbench import __version__
from pdbench.cli import cli, main
from pdbench.study import ROOT, Study, load_study
from pdbench.study.loading import studies_in

README = (ROOT / "README.md").read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    """The project's table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return table["project"]


def pins() -> dict[str, str]:
    """The version of every package in constraints.txt, by normalised name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normalised(name): version for name, version in pairs}


def normalised(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run make without the settings of an outer make."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_versions_agree() -> None:
    """Package, citation and changelog name the same version and date."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert citation["version"] == __version__
    assert f"## [{__version__}] - {citation['date-released']}" in changelog
    assert citation["license"] == project()["license"] == "Apache-2.0"


def test_every_dependency_is_pinned() -> None:
    """Whatever the project asks for has one exact version in constraints.txt."""
    extras = project()["optional-dependencies"]
    wanted = [*project()["dependencies"], *(name for names in extras.values() for name in names)]
    names = {normalised(re.split(r"[\[<>=~]", text)[0]) for text in wanted} - {"pdbench"}

    assert names <= set(pins())
    assert pins()["torch"] == "2.13.0"
    assert all(re.fullmatch(r"[\w.]+", version) for version in pins().values())


def test_make_explains_its_targets() -> None:
    """`make help` lists every target that the Makefile declares."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (declared,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)

    done = make("help")

    assert done.returncode == 0
    assert {line.split()[1] for line in done.stdout.splitlines()} == set(declared.split())


@pytest.mark.parametrize("version", ["3.10.4", None])
def test_an_unfit_python_is_one_clear_line(tmp_path: Path, version: str | None) -> None:
    """A Python that is too old, or missing, is named together with the way out."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    python = tmp_path / "old-python"
    if version:
        python.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo Python {version} && exit\nexit 1\n'
        )
        python.chmod(0o755)

    done = make("reproduce", f"PYTHON={python}", folder=tmp_path)

    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode == 2
    assert len(lines) == 1
    assert f"{python} is {'Python ' + version if version else 'missing'}" in lines[0]
    assert "make PYTHON=" in lines[0]
    assert not (tmp_path / ".venv").exists()


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are started here find no GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in the root of the project."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.usefixtures("no_gpu")
def test_tests_of_a_gpu_do_not_pass_without_one() -> None:
    """The target says in a line what it needs, and pytest fails."""
    done = make("test-gpu", f"PYTHON={sys.executable}")
    told = python("-m", "pytest", "-q", "-m", "gpu", "--confcutdir=tests/gpu", "tests/gpu")

    lines = [line for line in done.stderr.splitlines() if not line.startswith("make:")]
    assert done.returncode == 2
    assert len(lines) == 1
    assert lines[0].startswith("make test-gpu needs a GPU, and numpy")
    assert told.returncode == 1
    assert "finds no GPU, and the marker gpu needs one" in told.stdout + told.stderr


@pytest.mark.usefixtures("no_gpu")
def test_tests_of_a_gpu_need_few_packages() -> None:
    """Where it stands there may be no package index: torch and four others do."""
    absent = ("click", "datasets", "jinja2", "matplotlib", "pandas", "pyarrow", "rich", "scipy")
    others = ("sklearn", "snakemake", "tokenizers", "transformers", "yaml")
    code = (
        f"import sys\nsys.modules |= dict.fromkeys({[*absent, *others]})\n"
        "import pytest\nsys.exit(pytest.main(sys.argv[1:]))"
    )
    some = "span-cpu or objectives or masked_lm_ends"
    done = python("-c", code, "-q", "--confcutdir=tests/gpu", "tests/gpu", "-k", some)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder with the Makefile, whose programs write their arguments to said.json there."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    said = f"import json, sys; json.dump(sys.argv[1:], open('{tmp_path}/said.json', 'w'))"
    for name in ("pyproject.toml", "constraints.txt", ".venv/bin/pdbench", ".venv/bin/snakemake"):
        (tmp_path / name).write_text(f"#!{sys.executable}\n{said}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("bin/python", ".run"):
        (tmp_path / ".venv" / name).touch()
    return tmp_path


RUN = ("$(shell touch hit)", "`touch hit`", "$(touch hit)", "$HOME", "a; touch hit")
NAMES = (*RUN, "it's", 'a "b"', "my config", "-n", "--yes", "a\\b", "*", "")


@pytest.mark.parametrize("how", ["argument", "environment"])
@pytest.mark.parametrize("study", NAMES)
def test_make_passes_names_on_as_they_are(
    study: str, how: str, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a study is called, one word names it, and nothing of it is run."""
    given = (f"STUDY={study}",) if how == "argument" else ()
    if not given:
        monkeypatch.setenv("STUDY", study)
    words = {
        "clean": ["clean", f"--of={study}", "--yes"],
        "example": ["example", "--", study],
        "reproduce": [
            *("--cores", "all", "--rerun-incomplete", "--logger", "pdbench"),
            *("--config", f"study={study}"),
        ],
    }

    for target, expected in words.items():
        done = make(target, *given, folder=recorded)
        assert done.returncode == 0, done.stderr
        assert json.loads((recorded / "said.json").read_text()) == expected
    assert not (recorded / "hit").exists()


@pytest.mark.parametrize("study", ["", "-n", "--yes", "it's", "my config"])
def test_a_study_that_is_none_is_refused(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What make hands over is a name, never an option or nothing; nothing is removed."""
    for words in (["clean", f"--of={study}", "--yes"], ["example", "--", study]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert f"config/{study}.yaml: no such study; there are" in capsys.readouterr().err


def test_commands_of_the_readme_exist() -> None:
    """Make targets, commands and artefacts that the README names are there."""
    demo = load_study("demo")
    targets = {line.split()[1] for line in make("help").stdout.splitlines()} | {"help"}

    assert set(re.findall(r"^    make (\w+)", README, re.MULTILINE)) <= targets
    assert set(re.findall(r"pdbench ([a-z-]+) demo", README)) <= set(cli.commands)
    for key in re.findall(r"pdbench cell demo (\S+)", README):
        assert key in demo.cells
    table = re.search(r"\| artefact \| question \|\n(.*?)\n\n", README, re.DOTALL)
    assert table is not None
    assert set(re.findall(r"`(\w+)`", table[1])) == set(demo.artefacts)


def test_links_of_the_documents_lead_somewhere() -> None:
    """Every relative link of the documents is a file of the project."""
    example = ROOT / "reports/example"
    documents = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")]
    for document in (*documents, *example.glob("*.md"), *example.glob("*.html")):
        text = document.read_text(encoding="utf-8")
        for link in re.findall(r"""(?:\]\(|href=")(?!http)([^)"#]+)""", text):
            assert (document.parent / link).exists(), f"{document}: {link}"


def test_the_catalogue_can_list_the_workflow() -> None:
    """What the Snakemake workflow catalogue asks for is there."""
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))

    assert {"mandatory-flags", "software-stack-deployment"} <= set(usage["usage"])
    assert (ROOT / "config/README.md").is_file()
    assert (ROOT / "workflow/Snakefile").is_file()
    assert list((ROOT / "workflow/rules").glob("*.smk"))
    assert {"snakemake", "workflow"} <= set(re.findall(r"\w+", README.lower()))


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("results/store/run/x/record.json", True),
        ("reports/demo/index.html", True),
        ("logs/demo/audit.log", True),
        (".venv/bin/python", True),
        ("reports/example/README.md", False),
        ("pdbench/jobs/record.py", False),
        ("tests/report/test_build.py", False),
        ("pdbench/report/build.py", False),
    ],
)
def test_git_ignores_what_runs_produce(path: str, ignored: bool, tmp_path: Path) -> None:
    """Products are ignored, the committed example and rooms of like names are not."""
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)

    done = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=tmp_path, check=False)

    assert (done.returncode == 0) == ignored


def test_embedded_data_is_described_where_it_is_named() -> None:
    """Every archive has a checksum and a licence."""
    from pdbench.study.catalogue.archives import ARCHIVES

    assert all(re.fullmatch("[0-9a-f]{64}", a.sha256) and a.licence for a in ARCHIVES.values())


def test_no_place_of_its_makers_is_named() -> None:
    """No file names a folder that only its makers had."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    foreign = re.compile(r"/(home|root|Users)/\w")
    endings = (".py", ".smk", ".md", ".yaml", ".yml", ".toml", ".txt", ".sh")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if name.endswith(endings) and path.is_file():
            text = path.read_text(encoding="utf-8")
            assert path == Path(__file__) or not foreign.search(text), name


def test_every_study_has_a_folder_of_its_own() -> None:
    """No two studies of config/ share a name, and with it results and reports."""
    studies: list[Study] = [load_study(name) for name in studies_in()]

    assert len({study.name for study in studies}) == len(studies)
