"""Whatever others wrote leaves as text on one line: nothing in it is obeyed."""

from __future__ import annotations

import ast
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import run
from hostile import NAME, assert_nothing_obeys

from pdbench.core.errors import DataError
from pdbench.core.files import write_json
from pdbench.core.lines import Lines, annotation, say, say_defect
from pdbench.core.words import aligned, as_line, shortened, visible
from pdbench.study import ROOT

ARGUMENT = NAME.replace("\x00", "").replace("=", "")
PACKAGE = sorted((ROOT / "pdbench").rglob("*.py"))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain, \N{GREEK SMALL LETTER PI} \N{NO-BREAK SPACE}\N{SNOWMAN}", None),
        ("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None),  # Persian has joiners
        ("  indented", None),
        (r"a\nb", None),
        ("a\nb\r\nc\td", "a b c d"),
        ("a\N{LINE SEPARATOR}b\x85c", "a b c"),
        ("\x1b[31m\x07\x08\x7f", r"\x1b[31m\x07\x08\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}\N{LEFT-TO-RIGHT ISOLATE}", r"\u202e\u2066"),
        ("\udc80", r"\udc80"),
    ],
)
def test_a_text_is_one_line_that_can_be_seen(text: str, seen: str | None) -> None:
    """Line ends are blanks, what nobody sees is an escape, and the rest stays; twice as once."""
    assert visible(text) == (text if seen is None else seen)
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("::error::x", r"\u003a:error::x"),
        ("\n \t::error::x", r"   \u003a:error::x"),
        ("std::vector: ::x", None),
        ("a ##[error]b ##[c]", r"a \u0023#[error]b \u0023#[c]"),
        ("###[error]b", r"#\u0023#[error]b"),
        ("##vso[task.x]y ##teamcity[z]", r"\u0023#vso[task.x]y \u0023#teamcity[z]"),
        ("## heading [1]", None),
    ],
)
def test_no_pipeline_finds_a_command_in_a_line(text: str, line: str | None) -> None:
    """What GitHub, Azure or TeamCity would obey has an escape in it; twice as once."""
    assert as_line(text) == (text if line is None else line)
    assert as_line(as_line(text)) == as_line(text)


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    """Names that differ at either end stay apart."""
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcde\N{HORIZONTAL ELLIPSIS}hijk"


def test_what_is_said_is_obeyed_by_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A line stays a line on either stream; its colour is ours."""
    say(NAME, "second")
    say(NAME, err=True, colour="red")

    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert len(said.err.splitlines()) == 1
    assert_nothing_obeys(said.out)
    assert_nothing_obeys(said.err)
    assert "stop-commands" in said.out


def test_only_an_annotation_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """It holds the words of others, escaped as the runner undoes it."""
    say(annotation({"file": "config/a:b,c.yaml", "title": NAME}, f"50%: {NAME}"))

    said = capsys.readouterr().out
    assert_nothing_obeys(said)
    assert said.startswith("::error file=config/a%3Ab%2Cc.yaml,title==a $x^$")
    assert said.count("\n") == 1
    assert "::50%25: =a $x^$" in said


def test_an_error_is_one_line_of_bounded_length() -> None:
    """It shows the beginning and the end of what is wrong, and all of the remedy."""
    said = str(DataError(f"a.csv: {NAME}{'x' * 10_000} end", "mend it"))

    assert said.startswith("a.csv: =a $x^$")
    assert said.endswith(" end; mend it")
    assert len(said) < 1_100
    assert visible(said) == said


def test_logs_hold_a_record_in_a_line() -> None:
    """The lines of a traceback come after it, each as harmless as the others."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines("%(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)

    log.warning("%s", NAME)
    assert len(stream.getvalue().splitlines()) == 1
    try:
        raise ValueError(NAME)
    except ValueError:
        log.exception("failed: %s", NAME)

    assert_nothing_obeys(stream.getvalue())
    assert "ValueError: =a $x^$" in stream.getvalue()


def test_a_defect_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """The traceback of an error that nobody expected, which may quote a file."""
    try:
        raise ValueError(NAME)
    except ValueError as error:
        say_defect(type(error), error, error.__traceback__)

    said = capsys.readouterr().err
    assert_nothing_obeys(said)
    assert "Traceback" in said


def test_tables_of_text_stay_aligned() -> None:
    """A name with a line end has one row, as wide as it is shown."""
    lines = aligned([("name", "runs"), ("a\nb\x1b", "12")])

    assert lines == ["name     runs", r"a b\x1b    12"]


@pytest.mark.parametrize("stream", ["-", "/dev/stdout"])
def test_json_on_a_terminal_is_ascii(
    stream: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is the same value as in a file."""
    write_json(Path(stream), {NAME: [NAME]})
    write_json(tmp_path / "file.json", {NAME: [NAME]})

    said = capfd.readouterr().out
    assert_nothing_obeys(said)
    assert json.loads(said) == {NAME: [NAME]}
    assert json.loads((tmp_path / "file.json").read_text(encoding="utf-8")) == {NAME: [NAME]}


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", f"{ARGUMENT}.yaml"],
        ["plan", "demo", ARGUMENT],
        ["check", "--results", ARGUMENT],
        ["status", f"--{ARGUMENT}"],
        [ARGUMENT],
    ],
)
def test_an_error_of_the_command_line_is_obeyed_by_nothing(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Paths and words that are given are as strange as any."""
    assert run(*arguments) == 2

    said = capsys.readouterr()
    assert_nothing_obeys(said.err)
    assert "stop-commands" in said.err
    assert not said.out


def test_a_program_that_fails_says_so_in_lines() -> None:
    """Warnings, records and tracebacks leave by the same door."""
    program = f"""
import logging, warnings
from pdbench.cli import cli, main

@cli.command("x")
def command():
    logging.getLogger("y").warning({NAME!r})
    warnings.warn({NAME!r})
    raise ValueError({NAME!r})

main(["x"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert done.returncode == 1
    assert_nothing_obeys(done.stderr)
    assert done.stderr.count("[2J") >= 3
    assert not done.stdout


def prints(path: Path) -> Iterator[int]:
    """The lines of a module that print by another way than the door."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name == "print" or name in ("click.echo", "click.secho", "sys.stdout.write"):
                yield node.lineno
            if name.startswith(("traceback.print", "sys.stderr.write")):
                yield node.lineno


def test_there_is_one_door() -> None:
    """Nothing else prints, so that nobody can forget it; a file may go to standard output."""
    doors = {"core/lines.py", "core/files.py"}
    modules = {path.relative_to(ROOT / "pdbench").as_posix(): path for path in PACKAGE}

    found = {name for name, path in modules.items() if list(prints(path))}

    assert found == doors
