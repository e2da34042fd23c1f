"""The commands that say what results mean: claims, the gate, GLUE's server, other code bases."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from pdbench.cli.options import (
    ARTEFACT,
    FILE,
    METHOD,
    StudyName,
    fail,
    known,
    with_json,
    with_seed,
    with_study,
)
from pdbench.core.errors import PdbenchError, UsageError
from pdbench.core.files import STANDARD_OUTPUT
from pdbench.core.lines import say, say_defect
from pdbench.study import Study
from pdbench.workflow import Paths

COMMANDS = click.Group()

_COUNT = click.IntRange(min=0)


@COMMANDS.command("claims")
@click.option(
    "--on",
    "ground",
    required=True,
    metavar="REFERENCE|STUDY",
    help="reference: the paper's own numbers; else a study, by name or path.",
)
@click.option(
    "--results",
    "table",
    type=FILE,
    help="Another results.parquet of the study, such as reports/example/results.parquet.",
)
@with_json
def _claims(ground: str, table: Path | None, json_file: Path | None) -> None:
    """Say which claims of the paper hold, on its own numbers or on the runs of a study."""
    from pdbench.core.files import write_json
    from pdbench.report import claims as found

    study = None if ground == "reference" else StudyName()(ground)
    if study is None and table is not None:
        raise UsageError("--results needs a study", "name it with --on")
    results = found.check(study, table)
    say(*found.as_text(results), err=json_file == STANDARD_OUTPUT)
    if json_file is not None:
        write_json(json_file, found.as_json(results))


@COMMANDS.command("check")
@click.option("--study", type=StudyName(), default="demo", show_default=True, help="Name or path.")
@click.option("--baseline", shell_complete=METHOD, help="The method that is the measure.")
@click.option("--candidate", shell_complete=METHOD, help="The method that must not be worse.")
@click.option(
    "--against",
    "stored",
    type=FILE,
    help="Compare every run with that of the same seed in these stored results.",
)
@click.option("--results", "table", type=FILE, help="Other results than the study's own.")
@click.option(
    "--from",
    "written",
    type=FILE,
    help="Say again what an earlier check wrote with --json, and end with its exit code.",
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    metavar="POINTS",
    help="What the candidate may lose; evidence.margin of the study by default.",
)
@click.option("--waivers", type=FILE, help="Accepted losses; config/waivers.yaml by default.")
@click.option("--allow-undecided", is_flag=True, help="Let undecided cells end with exit code 0.")
@click.option("--junit", type=FILE, help="Write JUnit XML.")
@click.option(
    "--markdown",
    type=FILE,
    help="Write a summary as Markdown; appended to the file that $GITHUB_STEP_SUMMARY names.",
)
@with_json
@click.option(
    "--annotations/--no-annotations",
    default=lambda: os.environ.get("GITHUB_ACTIONS") == "true",
    help="Print ::error lines; by default where GITHUB_ACTIONS=true.",
)
@click.option("--exit-zero", is_flag=True, help="Leave the verdict to who reads the files.")
def _check(**options: Any) -> None:
    """Say whether a method is better or worse than a baseline, or this code than stored results.

    With --baseline and --candidate, or --against, or else as the study's gate block says. Exit
    code 0: better or not worse, which is shown of every cell; 1: worse in a cell or on average;
    2: something is refused, missing or undecided, or misuse, which is never a pass.
    """
    from pdbench.report.gate import run

    try:
        code = run(**options)
    except PdbenchError as error:
        # 1 would say that something is worse.
        raise UsageError(error.what, error.remedy) from error
    except OSError as error:
        fail(error, UsageError.exit_code)
    except Exception as error:  # a defect of pdbench, with its traceback, is no regression either
        say_defect(type(error), error, error.__traceback__)
        code = UsageError.exit_code
    sys.exit(code)


@COMMANDS.command("accept")
@click.option("--study", type=StudyName(), default="demo", show_default=True, help="Name or path.")
@click.option(
    "--against", "stored", type=FILE, required=True, help="The stored results that are renewed."
)
@click.option("--reason", required=True, help="Why they change, for those who come after.")
@click.option("--results", "table", type=FILE, help="Other results than the study's own.")
def _accept(study: Study, stored: Path, reason: str, table: Path | None) -> None:
    """Put the study's results in the place of stored ones, with a reason.

    What has changed is said, and appended with the day, the commit and the reason to ACCEPTED.md
    beside the file.
    """
    from pdbench.report.accept import accept
    from pdbench.study.discovery import commit

    say(accept(study, stored, reason, table, commit()))


@COMMANDS.command("export")
@with_study
@click.argument("key", metavar="CELL")
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="A folder that is not there yet.",
)
@click.option(
    "--push",
    "repository",
    metavar="REPO",
    help="Upload it to this repository of the hub too, which is made private where it is new.",
)
def _export(study: Study, key: str, target: Path, repository: str | None) -> None:
    """Write the student of CELL that dev chooses, as transformers loads it.

    Beside weights and tokenizer is a model card with its scores, their intervals, the licences of
    what it was made of and the command that made it.
    """
    from pdbench.data.repositories import upload
    from pdbench.report.student import export

    cell = study.cells[known(key, study.cells, "cell")]
    say(f"{export(study, Paths(study), cell, target).name} of {cell} is in {target}")
    if repository is not None:
        say(upload(target, repository))


@COMMANDS.command("submission")
@with_study
@click.option("--to", "target", type=FILE, required=True, help="The zip file to write.")
@click.option(
    "--method", required=True, metavar="ID", shell_complete=METHOD, help="The method to submit."
)
@click.option(
    "--architecture", metavar="SIZE", help="The size to submit: its name or layers/hidden."
)
@click.option(
    "--artefact",
    metavar="ID",
    shell_complete=ARTEFACT,
    help="Take the cells of this table or figure.",
)
@with_seed(
    "Submit the runs of this seed number, in the place of those best on dev: with two of them "
    "scored, claims about GLUE's test split can be tested."
)
@click.option(
    "--fill",
    is_flag=True,
    help="Answer with one class where there are no predictions for a task: GLUE's server takes "
    "whole submissions only.",
)
def _submission(
    study: Study,
    target: Path,
    method: str,
    architecture: str | None,
    artefact: str | None,
    seed_number: int | None,
    fill: bool,
) -> None:
    """Write predictions on GLUE's test sets as the zip that its server takes.

    A manifest with the ending .json beside it says which runs they are of.
    """
    from pdbench.jobs.submission import manifest_path, write_submission

    known(method, study.methods, "method")
    if artefact is not None:
        known(artefact, study.artefacts, "artefact")
    sizes = {str(size): size for size in study.all_architectures} | study.named_architectures
    if architecture is not None:
        sizes = {architecture: sizes[known(architecture, sizes, "architecture")]}
    among = tuple(study.seed_counts) if artefact is None else study.artefact_cells(artefact)
    trained = dict.fromkeys(study.trained_by(cell) for cell in among)
    own = [cell for cell in trained if cell.method == method]
    cells = [cell for cell in own if cell.architecture in sizes.values()]
    about = write_submission(study, Paths(study), cells, target, fill=fill, seed_number=seed_number)
    for file, origin in sorted(about["files"].items()):
        say(f"{file}.tsv: {origin['cell']} {origin['run']}")
    for file in about["filled"]:
        say(f"{file}.tsv: one and the same answer, as there are no predictions")
    say(f"{target} and {manifest_path(target)}")


@COMMANDS.command("import-scores")
@with_study
@click.argument("scores", type=FILE)
@click.option("--of", "manifest", type=FILE, required=True, help="The manifest of the submission.")
def _import_scores(study: Study, scores: Path, manifest: Path) -> None:
    """Take the answer of GLUE's server back: a CSV file with task, metric and score.

    The next collection puts them beside the runs that were submitted, as their scores on the
    published test split.
    """
    from pdbench.jobs.submission import import_scores

    say(str(import_scores(study, Paths(study), scores, manifest)))


@COMMANDS.command("import-runs")
@with_study
@click.argument("files", metavar="[FILE...]", nargs=-1, type=FILE)
@click.option("--method", metavar="NAME", help="What the method of these runs is called.")
@click.option(
    "--template",
    metavar="CELL",
    help="Write the items to be answered instead, for runs that stand beside this cell.",
)
@click.option("--to", "target", type=FILE, help="The template: a .csv or .parquet file.")
@click.option("--updates", "steps", type=_COUNT, help="Updates of each run.")
@click.option("--items", "examples", type=_COUNT, help="Items seen by each run, with repetition.")
@click.option("--labels", "labelled_items", type=_COUNT, help="Labelled items it was trained on.")
@click.option("--points", "grid_points", type=_COUNT, help="Settings among which dev chose.")
def _import_runs(
    study: Study,
    files: tuple[Path, ...],
    method: str | None,
    template: str | None,
    target: Path | None,
    **budget: int | None,
) -> None:
    """Take up what runs of another code base predict: templates that it has filled.

    Each line needs the seed of a run and its prediction: a label (of a regression a number), or
    in columns p_LABEL the probability of each. With dev answered and the four numbers of the
    budget stated, `pdbench check` judges the runs like any other's.
    """
    from pdbench.jobs.imports import import_runs, write_template

    if template is not None:
        if files or method or any(value is not None for value in budget.values()):
            raise UsageError("--template imports nothing", "leave out all but STUDY and --to")
        cell = study.cells[known(template, study.cells, "cell")]
        target = target or Path(f"{cell.key}.csv")
        write_template(study, Paths(study), cell, target)
        say(f"{target}: fill in seed and prediction for test, and for dev if you can")
        return
    if not files or method is None or target is not None:
        what = "import-runs needs a filled FILE and --method NAME"
        raise UsageError(what, "or write a template with --template CELL --to FILE")
    for path in import_runs(study, Paths(study), files, method, budget):
        say(str(path))
    say(f"pdbench collect {study.argument} puts them into the results")


@COMMANDS.command("compare")
@click.argument("a")
@click.argument("b")
@click.option(
    "--examples",
    type=_COUNT,
    default=4,
    show_default=True,
    help="How many of the test items that changed sides to show, of each cell.",
)
@with_json
def _compare(a: str, b: str, examples: int, json_file: Path | None) -> None:
    """Put A and B side by side: scores, settings, environments, losses, and what changed sides.

    Each is STUDY or a results.parquet; a cell of it, as in demo:CELL; or a run, as in
    demo:CELL:RUN. A difference is B less A, paired where both are scored on the same test items.
    """
    from pdbench.core.files import write_json
    from pdbench.report.side_by_side import as_json, as_text, compared

    found = compared(a, b)
    say(*as_text(found, examples), err=json_file == STANDARD_OUTPUT)
    if json_file is not None:
        write_json(json_file, as_json(found, examples))
