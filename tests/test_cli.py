"""The command line: exit codes, and one line for everything a user can cause."""

from __future__ import annotations

import contextlib
import errno
import importlib
import inspect
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest
from commands import run

from pdbench import cli
from pdbench.core.errors import REQUEUE, DataError, GuardError, PdbenchError, Stopped
from pdbench.engine import state
from pdbench.study import ROOT
from pdbench.workflow.kinds import KINDS

COMMANDS = [
    ["archive", "NAME"],
    ["task", "STUDY", "TASK"],
    ["text", "STUDY", "TEXT"],
    ["audit", "STUDY"],
    ["pretrain", "STUDY", "CORPUS", "ARCHITECTURE"],
    ["teacher", "STUDY", "TASK"],
    ["soft-labels", "STUDY", "TASK", "TEXT"],
    ["cell", "STUDY", "KEY"],
    ["cells", "STUDY", "KEY..."],
    ["latency", "STUDY"],
    ["collect", "STUDY"],
    ["artefact", "STUDY", "ARTEFACT"],
    ["report", "STUDY"],
    ["plan", "STUDY"],
    ["init", "[DIR]"],
    ["run", "STUDY"],
    ["list"],
    ["fetch", "STUDY"],
    ["doctor", "[STUDY]"],
    ["states", "STUDY", "CORPUS"],
    ["status", "[STUDY]"],
    ["pin", "STUDY"],
    ["submission", "STUDY"],
    ["import-scores", "STUDY", "SCORES"],
    ["import-runs", "STUDY", "[FILE...]"],
    ["example", "STUDY"],
    ["export", "STUDY", "CELL"],
    ["compare", "A", "B"],
    ["claims"],
    ["check"],
    ["accept"],
    ["new-method", "NAME"],
    ["clean"],
    ["verify"],
    ["lock"],
    ["schema"],
]


def failing_with(error: BaseException) -> click.Command:
    """A command that fails."""

    @click.command("break")
    def command() -> NoReturn:
        raise error

    return command


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_explains_itself(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command names its arguments in order, and says in one sentence what it does."""
    name, *arguments = command

    assert run(name, "--help") == 0

    usage = capsys.readouterr().out
    assert f"pdbench {name} [OPTIONS] {' '.join(arguments)}".strip() in usage
    assert cli.cli.commands[name].help


def test_the_help_lists_every_command_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Each stands in one of the sections, the jobs of the workflow last."""
    assert run("--help") == 0

    text = capsys.readouterr().out
    listed = re.findall(r"^  ([a-z][a-z-]+) {2,}[A-Z]", text, re.MULTILINE)
    assert sorted(listed) == sorted(cli.cli.commands) == sorted(name for name, *_ in COMMANDS)
    assert all(f"{title}:" in text for title in cli._SECTIONS)
    assert listed[-1] == "report"


@pytest.mark.parametrize("name", ["pretrain", "teacher", "soft-labels", "cell", "cells"])
def test_training_commands_take_threads(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every training command has --threads, one by default."""
    run(name, "--help")

    assert "--threads" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["pretrain", "teacher", "cell", "cells"])
def test_commands_that_train_say_how_they_stop(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The time between two saved states, and the exit code that asks for another start."""
    run(name, "--help")

    text = " ".join(capsys.readouterr().out.split())
    assert "--save-every SECONDS" in text
    assert f"exit code {REQUEUE}" in text
    assert "default: 300" in text
    assert state.SAVE_EVERY == 300


def test_a_stopped_job_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its log line is enough: the exit code tells the scheduler, and no error is shown."""
    monkeypatch.setitem(cli.cli.commands, "break", failing_with(Stopped()))

    assert run("break") == 75
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "nothing"], "config/nothing.yaml: no such study; there are basic, demo"),
        (["task", "demo", "sentimental"], "unknown task 'sentimental'; did you mean 'sentiment'?"),
        (["text", "demo", "film"], "unknown text 'film'; did you mean 'films'?"),
        (["cell", "demo", "x"], "unknown cell 'x'"),
        (["pretrain", "demo", "nothing", "1/32"], "unknown corpus 'nothing'"),
        (["teacher", "demo", "mnli"], "unknown task 'mnli'"),
        (["soft-labels", "demo", "sentiment", "x"], "unknown text 'x'"),
        (["artefact", "demo", "figure55"], "unknown artefact 'figure55'; did you mean 'figure5'?"),
        (["archive", "nothing"], "unknown archive 'nothing'"),
    ],
)
def test_an_unknown_name_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown names end with exit code 2 and the nearest known name."""
    assert run(*arguments) == 2

    line = error_line(capsys)
    assert line.startswith("pdbench: error: ")
    assert words in line


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["cell", "demo"], ["pretrain", "demo", "general", "4-128"]]
)
def test_misuse_shows_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command, a missing argument and a malformed size end with exit code 2."""
    assert run(*arguments) == 2

    assert "Usage: pdbench" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DataError("a.json: broken", "delete it"), 1, "a.json: broken; delete it"),
        (GuardError("weak teacher", "train it longer"), 1, "weak teacher; train it longer"),
        (OSError(errno.ENOSPC, "No space left on device", "r/x"), 1, "r/x: No space left on devi"),
        (OSError(errno.EROFS, "Read-only file system", "r/x"), 1, "read-only: run where you can"),
        (PermissionError(errno.EACCES, "Permission denied", "r"), 1, "change its permissions"),
        (OSError("odd"), 1, "odd; see that the file"),
        (KeyboardInterrupt(), 130, "interrupted; finished work is kept"),
    ],
)
def test_what_can_be_foreseen_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    words: str,
) -> None:
    """Broken data, full disks, forbidden folders and Ctrl-C are one line with a remedy."""
    monkeypatch.setitem(cli.cli.commands, "break", failing_with(error))

    assert run("break") == code

    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("pdbench: error: ")
    assert words in lines[0]


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw keeps its traceback."""
    monkeypatch.setitem(cli.cli.commands, "break", failing_with(ZeroDivisionError("a bug")))

    with pytest.raises(ZeroDivisionError):
        run("break")


def function_of(kind: str) -> Any:
    """The function that does the jobs of a kind."""
    module, _, name = KINDS[kind].runs.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_job_names_a_function(kind: str) -> None:
    """The commands of jobs find what does them by the name in the table of kinds."""
    assert callable(function_of(kind))


PLAIN = ("task", "text", "audit", "teacher", "soft_labels", "latency", "collect", "figure")


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_command_fits_its_function(kind: str) -> None:
    """What is asked on the command line has the names of the function's parameters."""
    name = "artefact" if kind == "figure" else kind.replace("_", "-")
    options = cli.cli.commands[name].params
    asked = {option.name for option in options if option.expose_value}

    inspect.signature(function_of(kind)).bind(paths=None, **dict.fromkeys(asked))


def test_errors_have_exit_codes_of_their_own() -> None:
    """Misuse is 2 and everything else 1, as the shell and make expect."""
    assert {error.exit_code for error in PdbenchError.__subclasses__()} == {1, 2}


def test_the_plan_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan goes to the screen, and to a file when one is named."""
    file = tmp_path / "plan.json"

    assert run("plan", "demo", "--json", str(file)) == 0

    plan: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert f"{plan['totals']['cells']:>5}" in capsys.readouterr().out
    assert plan["study"] == "demo"


def test_planning_imports_nothing_heavy() -> None:
    """The help and the plan come at once: no torch, pandas or transformers."""
    code = (
        "import sys, pdbench.cli as c\n"
        "try: c.main(['plan', 'demo'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'transformers', 'datasets', 'matplotlib'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    out = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)

    assert out.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "dp"], "unknown method 'dp'"),
        (["--method", "pd", "--artefact", "table4"], "unknown artefact 'table4'"),
        (["--method", "pd"], "cells for one task, such as mnli.pd"),
        (["--method", "pd", "--architecture", "Hugo"], "unknown architecture 'Hugo'"),
        (["--method", "pd", "--architecture", "5/128"], "unknown architecture '5/128'"),
        (
            ["--method", "pf", "--artefact", "released_models", "--architecture", "Tiny"],
            "is not finished with these settings; run it first",
        ),
    ],
)
def test_a_submission_names_what_it_has_not(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Method, artefact and results are looked for before anything is written."""
    monkeypatch.chdir(tmp_path)

    assert run("submission", "paper", "--to", "out.zip", *arguments) in (1, 2)

    assert words in error_line(capsys)
    assert list(tmp_path.iterdir()) == []


CHECK = ["check", "--baseline", "pd", "--candidate", "pf", "--results"]


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_has_no_colours_where_nobody_wants_them(no_color: str) -> None:
    """NO_COLOR is what people set everywhere (no-color.org)."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pdbench", *CHECK, "reports/example/results.parquet"]
    environment = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}

    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, env=environment) as child:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # which ends what a terminal says
            while part := os.read(ours, 2**12):
                said += part
        child.wait(60)
    os.close(ours)

    assert said
    assert (b"\x1b[" in said) == (not no_color)


def test_the_letters_of_a_terminal_do_not_change_the_outcome() -> None:
    """A letter that it cannot show is written in another way."""
    command = [sys.executable, "-m", "pdbench", *CHECK, "reports/example/results.parquet"]
    done = [
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        for encoding in ("utf-8", "ascii")
        for environment in ({**os.environ, "PYTHONIOENCODING": encoding},)
    ]

    assert done[0].returncode == done[1].returncode != 0
    assert b"Traceback" not in done[1].stderr
    assert done[1].stdout.isascii()
    assert done[0].stdout


@pytest.mark.parametrize(
    "command",
    [
        ["claims", "--on", "reference"],
        ["plan", "demo"],
        [*CHECK, "reports/example/results.parquet"],
    ],
    ids=lambda command: command[0],
)
def test_what_goes_to_standard_output_is_json_alone(command: list[str]) -> None:
    """Words for people, and annotations of a CI, then go to standard error."""
    environment = {**os.environ, "GITHUB_ACTIONS": "true"}
    asked = [sys.executable, "-m", "pdbench", *command, "--json", "-"]

    done = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, check=False)

    assert isinstance(json.loads(done.stdout), dict | list)
    assert done.stderr
