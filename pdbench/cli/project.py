"""The commands that change the project itself: a method, the schemas, the example."""

from __future__ import annotations

from pathlib import Path

import click

from pdbench.cli.options import with_study
from pdbench.study import Study
from pdbench.workflow import Paths


@click.command("new-method")
@click.argument("name")
@click.option(
    "--package",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder of another package, which is to hold it.",
)
def new_method(name: str, package: Path | None) -> None:
    """Write a method NAME with an objective of its own, its test and its entry."""
    from pdbench.testing.new_method import NewMethod

    made = NewMethod.in_package(name, package) if package else NewMethod.in_project(name)
    made.write()
    click.echo(made.next_steps())


@click.command()
def schema() -> None:
    """Write the JSON schemas of all configuration files to workflow/schemas/."""
    from pdbench.study.schemas import write_schemas

    for path in write_schemas():
        click.echo(path)


@click.command()
@with_study
def example(study: Study) -> None:
    """Copy the report of STUDY to reports/example, where the README shows it."""
    from pdbench.report import export_example

    export_example(study, Paths(study), Path("reports/example"))


@click.command()
@click.option("--raise", "is_another", is_flag=True, help="Raise the version of all that changed.")
def lock(is_another: bool) -> None:
    """Renew the engine's lock after its code was changed.

    A small study is trained. Where it comes to the same bits as before, the engine keeps its
    version, and so do all results; where it does not, the version is raised.
    """
    from pdbench.artefacts import ARTEFACTS
    from pdbench.testing.golden import renew_lock

    drawing = [f"pdbench.artefacts.{name}" for name in ARTEFACTS]
    for part, version in sorted(renew_lock(drawing, is_another=is_another).items()):
        click.echo(f"{part} {version}")


COMMANDS = (new_method, example, schema, lock)
