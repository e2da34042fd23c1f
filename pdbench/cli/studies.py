"""The commands around a run, from its plan to what is left of it, and those for pdbench itself."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pdbench.cli.options import FILE, StudyName, with_json, with_study
from pdbench.core.errors import DataError, UsageError
from pdbench.core.files import STANDARD_OUTPUT
from pdbench.core.lines import say
from pdbench.study import Architecture, Study, load_study, offline
from pdbench.study.discovery import configured, of_checkout
from pdbench.study.loading import studies_in
from pdbench.study.settings import Columns
from pdbench.workflow import Paths
from pdbench.workflow.plan import DEVICES

COMMANDS = click.Group()
PROJECT = click.Group()

_FOLDER = click.Path(path_type=Path, file_okay=False)
_PROFILE = "The folder of a profile of Snakemake, such as slurm: "


def _profile(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """A profile of the working folder, or pdbench's own; Snakemake may know others by name."""
    return value if value is None or not configured(value).is_dir() else configured(value)


def _with_profile(words: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option that names a profile; the words say what for."""
    return click.option("--profile", type=_FOLDER, callback=_profile, help=_PROFILE + words)


_with_study_or_demo = click.argument("study", type=StudyName(), default="demo")


_RATE = click.FloatRange(min=0, max=10**6)


@COMMANDS.command("plan")
@with_study
@click.option(
    "--device",
    metavar="NAME|FILE",
    help="h100, cpu, or a JSON file that describes another.  [default: what finished cells ran "
    "on; else h100 for a study of the paper's scale, cpu for a demo]",
)
@click.option(
    "--gpus",
    "devices",
    type=click.IntRange(min=1),
    multiple=True,
    default=DEVICES,
    show_default=True,
    help="Say the wall time and the free disk for so many devices; may be given several times.",
)
@click.option(
    "--measured",
    type=StudyName(),
    multiple=True,
    help="Another study whose finished cells the costs are fitted to.",
)
@_with_profile("count jobs as it asks for them, small cells bundled, large ones split by seed.")
@click.option("--left", is_flag=True, help="Count only the jobs that are not done yet.")
@click.option(
    "--price", type=_RATE, metavar="PER_HOUR", help="Say what all costs: an hour of a GPU, or core."
)
@click.option("--watts", type=_RATE, help="Say the energy: the power that a GPU, or core, takes.")
@with_json
def _plan(
    study: Study,
    device: str | None,
    devices: tuple[int, ...],
    measured: tuple[Study, ...],
    profile: Path | None,
    left: bool,
    price: float | None,
    watts: float | None,
    json_file: Path | None,
) -> None:
    """Print what STUDY would make and cost: jobs, runs, hours, wall time and disk.

    Costs are fitted to the finished cells of STUDY where there are some, and rest on stated
    constants elsewhere.
    """
    from pdbench.core.files import write_json
    from pdbench.data.needs import problems_of_files
    from pdbench.evidence.power import undecidable
    from pdbench.ops.calibration import machine_for
    from pdbench.planning.costs import Sizes
    from pdbench.workflow.plan import Plan, Rates
    from pdbench.workflow.snakefile import sizes_of_jobs

    machine = machine_for(study, device, [study, *measured])
    paths = Paths(study)
    done = paths.done() if left else ()
    sizes = Sizes.counted(study, paths.audit)
    found = Plan(study, machine, sizes, done, *sizes_of_jobs(profile))
    problems = [f"A job would say: {problem}" for problem in problems_of_files(study)]
    warned = undecidable(study, lambda task: sizes.items(task, "test"))
    problems += [f"Never decided: {line}" for line in warned]
    rates = Rates(price, watts)
    say(*found.as_text(devices, rates), *problems, err=json_file == STANDARD_OUTPUT)
    if json_file is not None:
        write_json(json_file, found.as_json(devices, rates))


def _sizes(_: click.Context, __: click.Parameter, value: str | None) -> tuple[Architecture, ...]:
    try:
        return tuple(map(Architecture.parse, value.split(","))) if value else ()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _columns(_: click.Context, __: click.Parameter, value: str | None) -> Columns:
    pairs = [part.partition("=") for part in value.split(",")] if value else []
    said = {key: name for key, _, name in pairs}
    if not all(said.values()) or not said.keys() <= Columns.model_fields.keys():
        raise click.BadParameter(f"{value!r}: write {', '.join(Columns.model_fields)} as KEY=NAME")
    return Columns(**said)


@COMMANDS.command("init")
@click.argument("folder", type=_FOLDER, default=".", metavar="[DIR]")
@click.option("--name", help="The study's.  [default: mine, or that of the task's folder]")
@click.option("--task", type=_FOLDER, help="The folder of labelled splits: train.csv, test.csv.")
@click.option("--text", type=FILE, help="The file of unlabelled text, such as a text a line.")
@click.option(
    "--teacher",
    metavar="NAME",
    help="A folder, OWNER/NAME on the hub, or the embedded all-minilm-l6-v2.",
)
@click.option("--sizes", callback=_sizes, metavar="L/H,...", help="Of students: 2/128,4/256.")
@click.option(
    "--labels",
    default="",
    metavar="NAME,...",
    help="Names of classes that are written as numbers, in their order; or scores.",
)
@click.option(
    "--columns",
    callback=_columns,
    metavar="KEY=NAME,...",
    help="Columns whose names do not say it: text=review,label=stars.",
)
def _init(
    folder: Path,
    name: str | None,
    task: Path | None,
    text: Path | None,
    teacher: str | None,
    sizes: tuple[Architecture, ...],
    labels: str,
    columns: Columns,
) -> None:
    """Begin a working folder: a commented study in config/, and a profile for clusters.

    With --task, --text, --teacher and --sizes the study is made of what the files say; else it
    extends the smallest one.
    """
    from pdbench.ops.new_study import Asked, write_study

    needed = {
        "task": (task, "the folder of the labelled splits"),
        "text": (text, "the file of the unlabelled text"),
        "teacher": (teacher, "a folder, OWNER/NAME on the hub, or all-minilm-l6-v2"),
        "sizes": (sizes, "those of the students, such as 2/128,4/256"),
    }
    asked = None
    if any(value for value, _ in needed.values()) or labels or columns != Columns():
        for option, (value, what) in needed.items():
            if not value:
                raise UsageError(f"pdbench init: --{option} is missing", f"name {what}")
        names = tuple(part.strip() for part in labels.split(",")) if labels else ()
        asked = Asked(task or Path(), text or Path(), teacher or "", sizes, names, columns)
    (path, *others), lacks = write_study(folder, name, asked)
    say(f"wrote {path}", *(f"wrote {other}/" for other in others))
    if folder.resolve() != Path.cwd():
        say(f"Go there:         cd {shlex.quote(str(folder))}")
    for repository in lacks:
        say(f"Pin {repository}: pdbench pin {path.stem}")
    say(f"What it costs:    pdbench plan {path.stem}", f"Make it:          pdbench run {path.stem}")


@COMMANDS.command("run")
@with_study
@click.option("--cores", metavar="N", help="Cores that jobs may take together.  [default: all]")
@_with_profile("run jobs on a cluster, as it says.")
@click.option(
    "--config",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="bundle=SECONDS, split=SECONDS, or data=DIR, what `pdbench fetch` filled.",
)
@click.option(
    "-n", "--dry-run", "is_dry", is_flag=True, help="Say what would run, and run nothing."
)
@click.argument("others", nargs=-1, metavar="[-- TARGETS AND OPTIONS OF SNAKEMAKE]")
def _run(
    study: Study,
    cores: str | None,
    profile: Path | None,
    settings: tuple[str, ...],
    is_dry: bool,
    others: tuple[str, ...],
) -> None:
    """Make all that STUDY shows, here; run again, it goes on where it stopped.

    It starts Snakemake on the workflow of this folder, `workflow/Snakefile`, or pdbench's own. A
    target is `figures`, `tables`, or an artefact, such as figure5.
    """
    from pdbench.workflow.running import command_of

    command = command_of(study, cores, profile, settings, [*["--dry-run"] * is_dry, *others])
    sys.stdout.flush()
    os.execv(command[0], command)


@COMMANDS.command("doctor")
@_with_study_or_demo
@_with_profile("compare it with the cluster.")
@click.option(
    "--data",
    "folder",
    type=_FOLDER,
    metavar="DIR",
    help="What `pdbench fetch` filled, as in `pdbench run --config data=DIR`.",
)
def _doctor(study: Study, profile: Path | None, folder: Path | None) -> None:
    """Say what is missing before STUDY runs, a line each; exit code 1 if anything is."""
    from pdbench.ops.doctor import examine

    if folder is not None:
        os.environ[offline.VARIABLE] = str(folder.absolute())
    code = 0
    for finding in examine(study, profile):
        say(str(finding))  # at once: a profile that cannot be read ends the command
        if finding.mark == "missing":
            code = 1
    sys.exit(code)


@COMMANDS.command("status")
@_with_study_or_demo
@click.option("--json", "is_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--redo",
    type=click.Choice(["failed", "missing", "all"]),
    help="Remove what is left of failed jobs, of all that are not done, or of all cells, so that "
    "the next run of Snakemake begins them anew.",
)
@click.option("--yes", is_flag=True, help="Let --redo all remove finished runs.")
def _status(study: Study, is_json: bool, redo: Any, yes: bool) -> None:
    """Say what of STUDY is done, running, failed and missing, and why it failed.

    On a terminal it looks again every few seconds until the study is done or Ctrl-C.
    """
    from rich.console import Console

    from pdbench.ops import clean
    from pdbench.ops.status import Survey, watch

    console = Console()
    if redo is not None:
        say(*clean.redo(Survey.of(study), redo, yes=yes))
    elif is_json:
        say(*json.dumps(Survey.of(study).as_json(), indent=2).splitlines())
    elif console.is_terminal:
        watch(console, lambda: Survey.of(study))
    else:
        say(*Survey.of(study).as_text())


@COMMANDS.command("verify")
@_with_study_or_demo
def _verify(study: Study) -> None:
    """Compare what STUDY has in the store, and its table of results, with the records.

    Exit code 1 if anything has changed since it was written.
    """
    from pdbench.ops.verify import verify

    found = list(verify(study, Paths(study)))
    wrong = [error for error in found if error is not None]
    for error in wrong:
        say(str(error))
    if not found:
        say(f"nothing of {study.shown} is here yet")
    say(f"{len(found) - len(wrong)} of {len(found)} checks found nothing changed")
    sys.exit(1 if wrong else 0)


@COMMANDS.command("clean")
@click.option("--keep", "kept", type=StudyName(), multiple=True, help="Another study to keep.")
@click.option("--of", "study", type=StudyName(), help="Remove all of this study instead.")
@click.option("--yes", is_flag=True, help="Remove it; else it is only listed.")
def _clean(kept: tuple[Study, ...], study: Study | None, yes: bool) -> None:
    """Remove what no study in config/ needs from the store, after listing it.

    With --of, remove the report, the logs and the results of one study that no other one needs.
    Downloads stay.
    """
    from pdbench.ops import clean as own

    needed = [*map(load_study, studies_in()), *kept]
    going = own.superfluous(needed) if study is None else own.of_study(study, needed)
    say(*own.clean(going, yes=yes))


@COMMANDS.command("fetch")
@with_study
@click.option(
    "--to",
    "folder",
    type=_FOLDER,
    required=True,
    metavar="DIR",
    help="Folder that the compute nodes can read; several studies may share it.",
)
def _fetch(study: Study, folder: Path) -> None:
    """Gather all that STUDY reads from the internet, for machines without it.

    `pdbench run STUDY --config data=DIR` then reads nothing else. Running it again verifies every
    digest, and fetches what is missing or broken.
    """
    os.environ.update(offline.hub_caches(folder))
    from pdbench.data.needs import fetch as run  # the hub's libraries read them when they load

    failed = run(study, folder, say)
    if failed:
        what = f"{len(failed)} could not be fetched, first {failed[0]}"
        raise DataError(what, "what was fetched is kept")
    named, place = shlex.quote(study.argument), shlex.quote(str(folder))
    say(f"all is in {place}: pdbench run {named} --config data={place}")


@COMMANDS.command("pin")
@with_study
def _pin(study: Study) -> None:
    """Write the present commits of the hub repositories that STUDY has not pinned yet.

    They are added to config/pins.yaml, and what stands there is never changed.
    """
    from pdbench.data.needs import pin as run
    from pdbench.data.needs import unpinned

    added = run(unpinned(study))
    for name, commit in added.items():
        say(f"{name} {commit}")
    if not added:
        say("every repository is pinned")


@PROJECT.command("new-method")
@click.argument("name")
@click.option(
    "--package",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder of another package, which is to hold it.",
)
def _new_method(name: str, package: Path | None) -> None:
    """Write a method NAME with an objective of its own, its test and its entry."""
    from pdbench.testing.new_method import NewMethod

    if package:
        made = NewMethod.in_package(name, package)
    else:
        made = NewMethod.in_project(name, of_checkout("new-method without --package"))
    made.write()
    say(*made.next_steps().splitlines())


@PROJECT.command("schema")
def _schema() -> None:
    """Write the JSON schemas of all configuration files to workflow/schemas/."""
    from pdbench.study.schemas import write_schemas

    for path in write_schemas(of_checkout("schema")):
        say(str(path))


@PROJECT.command("example")
@with_study
def _example(study: Study) -> None:
    """Copy the report of STUDY to reports/example, where the README shows it."""
    from pdbench.report import export_example

    of_checkout("example")
    export_example(study, Paths(study), Path("reports/example"))


@PROJECT.command("lock")
@click.option("--raise", "is_another", is_flag=True, help="Raise the version of all that changed.")
def _lock(is_another: bool) -> None:
    """Renew the engine's lock after its code was changed.

    A small study is trained. Where it comes to the same bits as before, the engine keeps its
    version, and so do all results; where it does not, the version is raised.
    """
    from pdbench.testing.golden import renew_lock

    of_checkout("lock")
    for part, version in sorted(renew_lock(is_another=is_another).items()):
        say(f"{part} {version}")
