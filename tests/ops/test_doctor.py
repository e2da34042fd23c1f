"""What is missing before a study runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from commands import run
from study_files import write_study_file

from pdbench.core.errors import UsageError
from pdbench.core.files import write_json
from pdbench.ops import doctor
from pdbench.study import ROOT, Study, load_study
from pdbench.study.catalogue.archives import ARCHIVES
from pdbench.workflow import Paths

FOLDER = {"source": "directory", "path": "own", "name": ""}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
Usage = namedtuple("Usage", "total used free")
Program = Callable[[str, str], None]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """The small study in an empty folder, with nothing fetched and an empty PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("PDBENCH_DATA", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return load_study(write_study_file(tmp_path / "small.yaml"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Put a program with some shell lines on a PATH that holds nothing else of SLURM's."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sh", "cat", "git"):
        (folder / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, lines: str) -> None:
        (folder / name).write_text(f"#!{folder}/sh\n{lines}\n")
        (folder / name).chmod(0o755)

    return write


def lines(findings: object, mark: str = "missing") -> list[str]:
    """The findings of a mark, as the command prints them."""
    return [str(f) for f in findings if f.mark == mark]  # type: ignore[attr-defined]


def test_versions_are_compared_with_the_tested_ones(tmp_path: Path) -> None:
    """Every package by name and version, whatever its build says after the plus sign."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    other = tmp_path / "constraints.txt"
    other.write_text(pins.replace("click==", "click==0.").replace("torch==", "torch==9."))

    (found,) = lines(doctor._packages(other), "warning")

    assert f"click {metadata.version('click')} (tested: 0." in found
    assert "torch" in found
    assert "numpy" not in found
    assert not lines(doctor._packages(), "warning")


def test_an_absent_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(metadata, "requires", lambda name: ["no-such-package>=1", "click>=8"])

    assert lines(doctor._packages()) == [
        "missing  packages: no-such-package not installed; "
        "pip install --constraint constraints.txt --editable ."
    ]


def test_a_read_only_folder_is_missing(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs could write nothing."""
    assert not lines(doctor._folders(study))
    monkeypatch.setattr("os.access", lambda path, mode: False)

    (found,) = lines(doctor._folders(study))

    assert "this folder is read-only" in found


@pytest.mark.parametrize(
    ("free", "mark"), [(1e9, "missing"), (2e9, "ok"), (1.1e9, "warning"), (1e8, "missing")]
)
def test_the_disk_is_compared_with_the_plan(
    free: float, mark: str, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than the plan needs is missing, little more is a warning."""
    monkeypatch.setattr("pdbench.ops.doctor.Plan.peak_disk", lambda self, n: n * 1.05e9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free))

    (found,) = doctor._disk(study, 1)

    assert found.mark == mark
    assert "about 1.1 GB needed" in found.what


def test_what_is_done_needs_no_more_disk(study: Study) -> None:
    """The teacher's 91 MB are on the disk already, and it saves no large state."""
    (before,) = doctor._disk(study, 1)
    write_json(Paths(study).teacher("sentiment") / "record.json", {})
    (after,) = doctor._disk(study, 1)

    def needed(found: doctor._Finding) -> float:
        count, unit, *_ = found.what.split("about ")[1].split()
        return float(count) * {"MB": 1, "GB": 1000}[unit]

    assert needed(before) > needed(after) + 5 * 91


def test_data_that_a_network_must_bring_is_a_warning(study: Study) -> None:
    """Archives that are here are not among them."""
    archives = Path("results/archives")
    archives.mkdir(parents=True)
    (archives / "vaderSentiment-3.3.2.tar.gz").touch()

    (found,) = lines(doctor._data(study), "warning")

    assert "2 of 3 come from the package index" in found


def test_hub_data_must_be_pinned_and_cached_where_jobs_are_offline(
    study_at: Callable[..., Study], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Unpinned is missing; not cached is a warning, and missing if the hub may not be asked."""
    hub = {"tasks.sentiment.source": "hub", "tasks.sentiment.name": "org/films"}
    teacher = {"source": "hub", "name": "org/bert", "revision": COMMIT}
    study = study_at(
        {**hub, "tasks.sentiment.revision": COMMIT, "tasks.sentiment.teacher": teacher}
    )

    (found,) = [line for line in lines(doctor._data(study), "warning") if "hub" in line]
    assert "2 of 4 come from the hub, first data set org/films" in found
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in lines(doctor._data(study))[0]
    (tmp_path / "hub/datasets/org___films/default/0.0.0" / COMMIT).mkdir(parents=True)
    snapshot = tmp_path / "hub/hub/models--org--bert/snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "vocab.txt").touch()
    assert not lines(doctor._data(study))

    study = study_at({**hub, "tasks.sentiment.revision": "pinned"})
    (line,) = lines(doctor._data(study))
    assert "1 repositories have no pinned commit, first org/films; run pdbench pin" in line


@pytest.fixture
def study_at(study: Study, tmp_path: Path) -> Callable[..., Study]:
    """Load the small study with some keys changed."""
    return lambda changes: load_study(write_study_file(tmp_path / "small.yaml", changes))


def test_a_missing_folder_is_named(study_at: Callable[..., Study]) -> None:
    """Directories stay where they are, so they must be there, and so must files in them."""
    cache = Path("results/archives")
    cache.mkdir(parents=True)
    for name in ("vaderSentiment-3.3.2.tar.gz", *(archive.file for archive in ARCHIVES.values())):
        (cache / name).touch()
    study = study_at({"texts.films.source": "directory", "texts.films.path": "films"})
    assert lines(doctor._data(study)) == ["missing  data: films: not there; mend key path"]
    assert not lines(doctor._data(study), "ok")
    Path("films").mkdir()
    assert lines(doctor._data(study), "ok") == ["ok       data: all 4 items are cached here"]


def test_the_heads_of_local_files_are_read(
    study_at: Callable[..., Study], capsys: pytest.CaptureFixture[str]
) -> None:
    """Doctor and plan say what the job of a task would say, and nothing where it is content."""
    Path("own").mkdir()
    for split in ("train", "dev"):
        Path(f"own/{split}.csv").write_text("text,label\na film,negative\nanother,positive\n")
    source = {f"tasks.sentiment.{k}": v for k, v in FOLDER.items()}
    found = study_at(source)
    assert not [line for line in lines(doctor.examine(found)) if "own" in line]

    Path("own/train.csv").write_text("text,lable\na film,negative\n")
    (line,) = [line for line in lines(doctor.examine(found)) if "own" in line]
    assert "train.csv: no label column among 'text', 'lable'; say which" in line
    run("plan", str(Path("small.yaml")))
    assert "A job would say: own/train.csv: no label column" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("build", "mark", "words"),
    [
        ("2.13.0+cpu", "missing", "NVIDIA H100, but torch 2.13.0+cpu cannot use it"),
        ("2.13.0", "ok", "NVIDIA H100"),
    ],
)
def test_a_gpu_needs_a_build_for_it(
    build: str, mark: str, words: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU build of torch leaves a GPU idle."""
    program("nvidia-smi", "echo NVIDIA H100")
    monkeypatch.setattr(metadata, "version", lambda name: build)

    (found,) = doctor._gpu()

    assert (found.mark, words in found.what) == (mark, True)


@pytest.mark.usefixtures("program")
def test_a_missing_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU does it too, in its time, where that is asked for."""
    monkeypatch.delenv("PDBENCH_DEVICE", raising=False)
    (line,) = lines(doctor._gpu(), "missing")
    assert "set PDBENCH_DEVICE=cpu to train on the CPU" in line

    monkeypatch.setenv("PDBENCH_DEVICE", "cpu")
    assert lines(doctor._gpu(), "warning")


@pytest.fixture
def profile(tmp_path: Path) -> Callable[..., Path]:
    """Write a profile."""

    def write(default: dict[str, object], **rules: object) -> Path:
        folder = tmp_path / "profile"
        folder.mkdir(exist_ok=True)
        settings = {"executor": "slurm", "default-resources": default, "set-resources": rules}
        (folder / "config.yaml").write_text(yaml.safe_dump(settings))
        return folder

    return write


def test_partitions_must_exist(
    study: Study, program: Program, profile: Callable[..., Path]
) -> None:
    """Each that the profile names, with those that there are as the remedy."""
    program("sinfo", "echo cpu; echo gpu")
    folder = profile({"slurm_partition": "cpu,night"}, cell={"slurm_partition": "gpus"})

    found = list(doctor._profile(study, folder))

    assert "ok       SLURM: partition cpu" in lines(found, "ok")
    assert [line.split(": ")[1] for line in lines(found)] == [
        "partition 'gpus' does not exist; there are cpu, gpu",
        "partition 'night' does not exist; there are cpu, gpu",
    ]


PARTITION = (
    "PartitionName={name} AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL "
    "Default={default} QoS=N/A DefaultTime=00:10:00 DisableRootJobs=NO ExclusiveUser=NO "
    "GraceTime=0 Hidden=NO MaxNodes=UNLIMITED MaxTime=1-00:00:00 MinNodes=0 LLN=YES "
    "MaxCPUsPerNode=UNLIMITED Nodes=node[1-3] PriorityJobFactor=1 PriorityTier=1 RootOnly=NO "
    "ReqResv=NO OverSubscribe=NO OverTimeLimit=NONE PreemptMode=REQUEUE State=UP TotalCPUs=12 "
    "TotalNodes=3 SelectTypeParameters=NONE JobDefaults=(null) DefMemPerNode=UNLIMITED "
    "MaxMemPerNode=UNLIMITED TRES=cpu=12,mem=187.50G,node=3,billing=12"
)
"""As `scontrol --oneliner show partition` of SLURM 22.05 prints it."""


@pytest.fixture
def slurm(program: Program) -> Callable[..., None]:
    """Put a SLURM there with the partitions cpu and gpu, some settings of gpu's changed."""

    def make(nodes: str = "64000|4|gpu:a100:2(S:0-1),shard:8", **settings: str) -> None:
        own = PARTITION.format(name="gpu", default="NO")
        for name, value in settings.items():
            own = re.sub(rf"\b{name}=\S+", f"{name}={value}", own)
        program("sinfo", f"cat <<'E'\ncpu|8000|2|(null)\ngpu|{nodes}\nE")
        both = f"{PARTITION.format(name='cpu', default='YES')}\n{own}"
        program("scontrol", f"case \"$*\" in *partition) cat <<'E'\n{both}\nE\n;; esac")

    return make


FITS: dict[str, object] = {
    "slurm_partition": "gpu",
    "gpu": 2,
    "mem_mb": "32000 * attempt",
    "runtime": 1440,
}


def limits(study: Study, folder: Path, mark: str = "missing") -> list[str]:
    """What is said of pre-training, without the file's name."""
    found = lines(doctor._profile(study, folder), mark)
    return [line.partition("config.yaml: ")[2] for line in found if ": pretrain " in line]


@pytest.mark.parametrize(
    ("asked", "settings", "said"),
    [
        ({}, {}, None),
        ({"runtime": "1d"}, {}, None),
        ({"runtime": 1441}, {}, "asks 1441 minutes, and partition 'gpu' allows 1440; lower run"),
        ({}, {"MaxTime": "08:00:30"}, "asks 1440 minutes, and partition 'gpu' allows 480.5; lower"),
        ({}, {"MaxTime": "UNLIMITED"}, None),
        (
            {},
            {"MaxMemPerNode": "31999"},
            "asks 32000 MB, and partition 'gpu' allows 31999; lower m",
        ),
        ({"mem_mb_per_cpu": 9000, "cpus_per_task": 4}, {"MaxMemPerNode": "35999"}, "asks 36000 MB"),
        (
            {"cpus_per_task": 4},
            {"MaxCPUsPerNode": "3"},
            "asks 4 CPUs, and partition 'gpu' allows 3",
        ),
        (
            {"nodes": 2},
            {"MaxNodes": "1"},
            "asks 2 nodes, and partition 'gpu' allows 1; lower nodes",
        ),
        ({}, {"State": "DRAIN"}, "partition 'gpu' is DRAIN; wait until it is up, or name another"),
        ({}, {"AllowGroups": "wheel9,staff9"}, "partition 'gpu' is for groups wheel9,staff9; name"),
        ({"slurm_account": "me"}, {"AllowAccounts": "you"}, "'gpu' is for accounts you; name ano"),
        ({"slurm_account": "me"}, {"AllowAccounts": "you,me"}, None),
        ({"gpu": 3}, {}, "2 GPUs); lower mem_mb, threads or gpu, or name another partition"),
        ({"gpu": 0, "gres": "'gpu:a100:3'"}, {}, "asks 32000 MB, 1 CPUs, 3 GPUs, and no node of"),
        ({}, {"nodes": "64000|4|(null)"}, "64000 MB, 4 CPUs, 0 GPUs"),
        ({}, {"nodes": "64000|4|gpu:1\ngpu|16000|4|gpu:8"}, "as much (64000 MB, 4 CPUs, 1 GPUs or"),
        ({"slurm_partition": "cpu,gpu"}, {}, None),
        ({"slurm_partition": "cpu"}, {}, "no node of partition 'cpu' has as much (8000 MB, 2 CPUs"),
    ],
)
def test_what_jobs_ask_is_compared_with_what_partitions_allow(
    asked: dict[str, object],
    settings: dict[str, str],
    said: str | None,
    study: Study,
    slurm: Callable[..., None],
    profile: Callable[..., Path],
) -> None:
    """SLURM would let the jobs wait for ever; it is one line for each kind of job and reason."""
    slurm(**settings)

    found = limits(study, profile({"slurm_partition": "cpu"}, pretrain={**FITS, **asked}))

    assert len(found) == (said is not None)
    assert all(str(said) in line for line in found)


def test_jobs_that_ask_for_more_each_time_are_warned_of(
    study: Study, slurm: Callable[..., None], profile: Callable[..., Path]
) -> None:
    """What does not fit at first is missing; what will not fit later is a warning."""
    slurm()
    folder = profile({"slurm_partition": "cpu"}, pretrain=FITS)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "restart-times": 2}))

    (line,) = limits(study, folder, "warning")

    assert "asks 96000 MB, 1 CPUs, 2 GPUs, and no node of" in line
    assert ", at attempt 3; lower mem_mb" in line
    assert not limits(study, folder)


def test_the_size_of_a_student_decides_what_it_asks(
    study: Study, slurm: Callable[..., None], profile: Callable[..., Path]
) -> None:
    """Wildcards are a job's own; the first job that does not fit is named."""
    slurm()
    memory = "65000 if '1-64.' in wildcards.job else 32000"

    (line,) = limits(
        study, profile({"slurm_partition": "gpu"}, pretrain={**FITS, "mem_mb": memory})
    )

    assert re.match(r"pretrain \S+\.1-64\.seed0 asks 65000 MB", line)


def test_resources_that_are_none_are_one_line(
    study: Study, slurm: Callable[..., None], profile: Callable[..., Path]
) -> None:
    """Snakemake would say it in many, job by job."""
    slurm()

    with pytest.raises(
        UsageError, match=r"config.yaml: resources of pretrain: .*'1 / 0'.*mend"
    ) as error:
        list(doctor._profile(study, profile({}, pretrain={"mem_mb": "1 / 0"})))
    assert "\n" not in str(error.value)


def test_jobs_without_a_partition_are_compared_with_the_default(
    study: Study, slurm: Callable[..., None], profile: Callable[..., Path]
) -> None:
    """SLURM puts them there."""
    slurm()

    (line,) = limits(study, profile({}, pretrain={"gpu": 1}))

    assert "no node of partition 'cpu' has as much" in line


@pytest.mark.parametrize(
    ("account", "own", "enforce", "words"),
    [
        ("mine", "mine", "none", None),
        ("yours", "mine", "none", "account 'yours' is none of yours; there are mine"),
        (None, "mine", "associations", None),
        (None, "", "associations,limits", "no slurm_account, and the cluster demands one"),
        (None, "", "none", None),
    ],
)
def test_accounts_must_be_ones_own(
    account: str | None,
    own: str,
    enforce: str,
    words: str | None,
    study: Study,
    program: Program,
    profile: Callable[..., Path],
) -> None:
    """One that the profile names, or any where the cluster demands one."""
    program("sinfo", "echo cpu")
    program("sacctmgr", f"echo {own}")
    program("scontrol", f"echo AccountingStorageEnforce = {enforce}")

    found = lines(doctor._profile(study, profile({"slurm_account": account} if account else {})))

    assert [words in line for line in found if words] == ([True] if words else [])
    assert bool(found) == bool(words)


def test_a_cluster_without_accounts_ignores_them(
    study: Study, program: Program, profile: Callable[..., Path]
) -> None:
    """Where sacctmgr does not answer, nothing can be compared."""
    program("sinfo", "echo cpu")

    (line,) = lines(doctor._profile(study, profile({"slurm_account": "mine"})), "warning")

    assert "the cluster keeps no accounts to compare" in line


@pytest.mark.usefixtures("program")
def test_a_machine_without_slurm_is_named(study: Study, profile: Callable[..., Path]) -> None:
    """The check belongs on the machine that submits."""
    assert "sinfo does not answer" in lines(doctor._profile(study, profile({})))[0]


def test_a_profile_that_is_none_is_misuse(study: Study, tmp_path: Path) -> None:
    """The file stands in the line."""
    with pytest.raises(UsageError, match=r"nowhere/config.yaml: cannot be read"):
        list(doctor._profile(study, tmp_path / "nowhere"))


def test_the_own_profile_is_understood(study: Study, program: Program) -> None:
    """slurm/config.yaml: its partitions are looked for, and those with GPUs."""
    program("sinfo", 'case "$*" in *%G*) echo gpu:4 ;; *) echo none ;; esac')

    found = lines(doctor._profile(study, ROOT / "slurm"))

    assert any("partition 'gpu' does not exist" in line for line in found)


def test_the_command_ends_with_what_is_missing(study: Study, capsys) -> None:
    """Exit code 1 if anything is missing, 0 if not; a line each."""
    assert run("doctor", "small.yaml") == 0
    first = capsys.readouterr().out.splitlines()
    assert run("doctor", "small.yaml", "--data", "nowhere") == 1
    second = capsys.readouterr().out.splitlines()

    assert all(line.split()[0] in ("ok", "warning") for line in first)
    assert any("nowhere: no manifest.json there" in line for line in second)


def test_quick_commands_load_nothing_heavy(study: Study) -> None:
    """plan, status and doctor start without torch, pandas or the hub's libraries."""
    code = (
        "import sys\nfrom pdbench.cli import cli\n"
        "for name in ('plan', 'status'):\n"
        "    cli.main([name, 'small.yaml'], standalone_mode=False)\n"
        "from pdbench.ops.doctor import _gpu, examine\n"
        "from pdbench.study import load_study\n"
        "list(examine(load_study('small.yaml'))), list(_gpu())\n"
        "heavy = {'torch', 'pandas', 'transformers', 'datasets', 'huggingface_hub', 'pyarrow'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "heavy: []"
