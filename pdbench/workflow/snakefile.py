"""What the Snakefile needs of a study, in one call."""

from __future__ import annotations

import gc
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pdbench.core.entries import RECORD, lost_from
from pdbench.core.errors import DataError, PdbenchError, UsageError, of_system
from pdbench.core.files import read_json
from pdbench.core.lines import say
from pdbench.core.words import as_line
from pdbench.planning.schedule import Planned
from pdbench.study import offline
from pdbench.study.axes import Artefact, check_artefacts
from pdbench.study.config import Study
from pdbench.study.loading import load_study, read_yaml, refuse_other_checkouts
from pdbench.workflow.graph import BUNDLE, MOST, Graph
from pdbench.workflow.kinds import KINDS, SHOWN, Job, runs_of
from pdbench.workflow.paths import Paths
from pdbench.workflow.shown import claim, outdate
from pdbench.workflow.specs import STORE

_MADE = 100_000  # objects after which Python looks for circles, which a plan does not make
_LEAST_SPACE = 100 * 2**20  # bytes; below that not even Snakemake's own files are safe


class _Workflow:
    """What the rules ask: the jobs of a study by their wildcards."""

    def __init__(self, study: Study, bundle: float, split: float) -> None:
        self.study, self.argument = study, study.argument
        self.paths, self.graph = Paths(study), Graph(study, bundle, split, MOST)
        self.logs = self.paths.logs
        self._known = {(job.kind, self.paths.label(job)): job for job in self.graph.jobs}
        self._read: dict[Job, list[Any]] = {}

    def inputs(self, kind: str, label: str = "") -> list[Any]:
        """The files that a job reads.

        Those in the store need only be there: whatever decides them is in their path. What
        stands below ``reports/`` is made again when it was made from something else.
        """
        job = self.job(kind, label)
        found: list[Any] = [self.paths.asked(job)] if kind in SHOWN else []
        for need in self.graph.needs[job]:
            if need not in self._read:
                self._read[need] = self._files(need)
            found += self._read[need]
        return found

    def _files(self, need: Job) -> list[Any]:
        from snakemake.io import ancient

        files = list(map(str, self.paths.outputs(need)))
        return files if need.kind in SHOWN else list(map(ancient, files))

    def job(self, kind: str, label: str = "") -> Job:
        """The job that a rule's wildcard names."""
        return self._known[kind, label] if label else Job(kind)

    def key(self, kind: str, label: str) -> str:
        """What a job's command is told of it, after the study."""
        return KINDS[kind].arguments(self.job(kind, label).key)

    def priority(self, kind: str, label: str = "") -> float:
        """The priority of a job."""
        return self.graph.priority(self.job(kind, label))

    @property
    def announced(self) -> dict[str, Any]:
        """What the display is told: the plan of every job by rule and wildcard, and the page."""
        graph = self.graph
        known = {job: (job.kind, self.paths.label(job) if job.name else "") for job in graph.jobs}
        planned = {
            known[job]: Planned(
                seconds, graph.priority(job), tuple(known[need] for need in graph.needs[job])
            )
            for job, seconds in graph.costs.items()
        }
        return {"pdbench_plan": planned, "pdbench_report": str(self.paths.index)}


def set_up(workflow: Any, shell: Any) -> None:
    """Let jobs find their programs, and what Snakemake remembers of older runs decide nothing.

    The programs are those of the environment that runs Snakemake, also when it is not activated.
    A product's path in the store has the digest of all that decides it: what is there is right.
    Snakemake takes this setting from its command line alone, which users need not know. What a
    plan makes it keeps: looking through it for garbage would take a fifth of the time.
    """
    from snakemake.settings.enums import RerunTrigger

    gc.set_threshold(_MADE, *gc.get_threshold()[1:])
    programs = shlex.quote(str(Path(sys.executable).parent))
    # Snakemake fills in the prefix: braces of a folder's name are doubled, and stay what they are.
    shell.prefix(f"PATH={programs.replace('{', '{{').replace('}', '}}')}:$PATH; ")
    type(workflow).rerun_triggers = property(lambda _: frozenset({RerunTrigger.MTIME}))


def open_workflow(
    config: Mapping[str, Any], artefacts: Mapping[str, Artefact], *, is_first: bool = True
) -> _Workflow:
    """Load the study that Snakemake's ``config`` names, with artefacts that can be drawn.

    A mistake ends the program with one line on stderr and exit code 2: a traceback through
    the Snakefile would tell its user nothing more. ``config`` has ``study``, ``bundle`` and
    ``split`` in seconds, and ``data``, the folder that `pdbench fetch` filled. ``is_first`` is
    for no job that reads the workflow again.
    """
    try:
        refuse_other_checkouts()
        for unknown in sorted(set(config) - {"study", "bundle", "split", "data"}):
            remedy = "the keys are study=NAME|PATH, bundle=SECONDS, split=SECONDS and data=DIR"
            raise UsageError(f"--config {unknown}: unknown key", remedy)
        study = load_study(str(config.get("study", "demo") or ""))
        sizes = _seconds_in(config)
        if config.get("data"):
            # Jobs inherit it; a cluster's jobs are given --config again and set it there.
            os.environ[offline.VARIABLE] = str(Path(config["data"]).resolve())
        offline.data_folder()
        check_artefacts(study, artefacts)
        found = _Workflow(study, *sizes)
        check_folders(found.paths)
        if is_first:
            claim(found.paths)
            _forget_lost(study, found.paths, found.graph)
            outdate(found.paths, found.graph)
    except (PdbenchError, OSError) as error:
        line = of_system(error) if isinstance(error, OSError) else error
        say(f"pdbench: error: {line}", err=True)
        raise SystemExit(line.exit_code) from error
    return found


def _forget_lost(study: Study, paths: Paths, graph: Graph) -> None:
    """Remove what says that jobs are done whose products are lost, so that these are made again."""
    for job in graph.jobs:
        record = paths.output(job)
        if job.kind in SHOWN:
            for path in paths.outputs(job):
                if path.is_file() and not path.stat().st_size:
                    path.unlink()
        if not KINDS[job.kind].is_stored or not record.exists():
            continue
        if job.kind not in ("seed", "cell", "bundle"):
            if any(lost_from(record.parent)):
                record.unlink()
            continue
        lost = [run for run in _runs_made(study, paths, job) if _is_lost_run(run)]
        for path in [run / RECORD for run in lost] + [record, paths.table] * bool(lost):
            path.unlink(missing_ok=True)


def _runs_made(study: Study, paths: Paths, job: Job) -> Iterator[Path]:
    """The folders of the runs of a finished job; where the first seed selects, its record has them.

    Where that cannot be read it is its own folder, as if it were a run that is lost.
    """
    for run in runs_of(study, job):
        if not study.first_selects(run.cell):
            yield paths.run(run)
    cells = job.key.cells if job.kind == "bundle" else [getattr(job.key, "cell", job.key)]
    for cell in filter(study.first_selects, cells):
        record = paths.output(Job("cell", cell) if job.kind == "bundle" else job)
        try:
            yield from map(Path, read_json(record)["runs"].values())
        except (DataError, KeyError):
            yield record.parent


def _is_lost_run(run: Path) -> bool:
    """Whether a run lacks its record or its predictions, or has an empty file; quickly."""
    try:
        with os.scandir(run) as found:
            sizes = {file.name: file.stat().st_size for file in found}
    except FileNotFoundError:
        return True
    return RECORD not in sizes or len(sizes) < 2 or not all(sizes.values())


def check_folders(paths: Paths) -> None:
    """Refuse to begin where a path has braces, a folder is read-only, or the disk is full."""
    for place in (str(Path().absolute()), sys.executable, paths.study.argument):
        if set(place) & set("{}"):
            what = f"{place}: braces in a path, which Snakemake reads as names of wildcards"
            raise UsageError(what, "rename or move it")
        if as_line(place) != place:
            raise UsageError(f"{place}: a path that cannot be shown", "rename or move it")
    own = (Path(), Path(".snakemake"), Path("logs"), STORE.parent, STORE)
    for folder in (*own, paths.reports.parent, paths.reports):
        if folder.is_dir() and not os.access(folder, os.W_OK):
            what = f"{folder.absolute()}: this folder is read-only"
            raise PdbenchError(what, "change its permissions or work in a folder of your own")
    free = shutil.disk_usage(".").free
    if free < _LEAST_SPACE:
        what = f"{Path().absolute()}: the disk is full, {free >> 20} MB are left"
        raise PdbenchError(what, "free some space and run again; finished work is kept")


_SECONDS = {
    "bundle": (BUNDLE, "give the estimated seconds of cells that share a job; 0 bundles none"),
    "split": (0.0, "give the estimated seconds of cells that are split by seed; 0 splits none"),
}
"""What is taken where nothing is said, and what to say."""


def sizes_of_jobs(profile: Path | None) -> tuple[float, float]:
    """The estimated seconds of cells that share a job, and of cells that are split by seed.

    They are what a profile of Snakemake configures in the one file that it names; UsageError
    where that cannot be read, or says no number of seconds.
    """
    file = read_yaml(profile / "config.yaml").get("configfile") if profile else None
    return _seconds_in(read_yaml(profile / str(file)) if profile and file else {})


def _seconds_in(config: Mapping[str, Any]) -> tuple[float, float]:
    sizes = {key: config.get(key, default) for key, (default, _) in _SECONDS.items()}
    for key, size in sizes.items():
        if not isinstance(size, int | float) or isinstance(size, bool) or not size >= 0:
            raise UsageError(f"--config {key}={size}: not a number of seconds", _SECONDS[key][1])
    return float(sizes["bundle"]), float(sizes["split"])
