"""Writes the page, and the copy of it that can be committed."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pdbench import __version__
from pdbench.artefacts import ARTEFACTS
from pdbench.artefacts.tables import Table, to_markdown
from pdbench.core import words
from pdbench.core.files import read_json, replacing, write_json, write_text
from pdbench.evidence import Comparison, Reference, ResultsTable, compare, load_references
from pdbench.evidence.aggregate import Standing, standings
from pdbench.evidence.compare import MARKS, RULES
from pdbench.evidence.outcomes import ClaimOutcome, Result, load_claims, on_study, outcome_of
from pdbench.evidence.references import Similarities
from pdbench.evidence.table import read_results
from pdbench.report import claims
from pdbench.report.facts import Facts, gather
from pdbench.report.runs import Trained, gather_runs
from pdbench.study import Study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import kind_of

_INDEX, _RUNS, _GATE = "index.html", "runs.html", "gate.html"
_README = "README.md"  # the page of the copy that is committed
_ACROSS = "figure7"  # compares methods over several tasks and sizes
_PAPER_URL = "https://arxiv.org/abs/1908.08962"


@dataclass(frozen=True)
class _Section:
    """One artefact on the page.

    Attributes:
        id: The artefact's id, and the anchor of its section.
        kind: figure or table.
        alt: What a figure shows, in words.
        tables: The table itself, or the numbers of a figure.
        files: File name endings to download.
        comparisons: Its published numbers beside ours.
    """

    id: str
    kind: str
    title: str
    caption: str
    alt: str
    tables: tuple[Table, ...]
    files: tuple[str, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def verdicts(self) -> str:
        """How often each verdict was given: "16 not-comparable, 4 missing"."""
        counts = Counter(str(one.verdict) for one in self.comparisons)
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


@dataclass(frozen=True)
class Page:
    """Everything that the templates show."""

    study: Study
    facts: Facts
    sections: tuple[_Section, ...]
    others: tuple[Comparison, ...]
    claims: tuple[Result, ...]
    standings: tuple[Standing, ...]
    runs: tuple[Trained, ...]
    audit: dict[str, Any]
    gate: dict[str, Any] | None


def build(study: Study, paths: Paths) -> None:
    """Write ``index.html``, and beside it the runs, the gate, the claims as JSON, the results.

    Raises:
        DataError: The results or the description of an artefact are missing or broken.
    """
    page = _gather(study, paths)
    write_json(paths.index.with_name("claims.json"), claims.as_json(page.claims))
    templates = {_RUNS: "runs.html.j2", _INDEX: "page.html.j2"}
    if page.gate is not None:
        templates[_GATE] = "gate.html.j2"
    for file, template in templates.items():
        write_text(paths.index.with_name(file), _rendered(template, page))


def export_example(study: Study, paths: Paths, target: Path) -> None:
    """Write a copy of the report that a repository host shows: Markdown, PNG and Parquet."""
    page = _gather(study, paths)
    with replacing(target) as folder:
        for section in page.sections:
            endings = (".png",) if section.kind == "figure" else (".md",)
            for ending in endings:
                source = paths.artefact(section.id)[0].with_suffix(ending)
                copy = folder / source.parent.name / source.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy)
        shutil.copyfile(paths.table, folder / "results.parquet")
        (folder / _README).write_text(_rendered("readme.md.j2", page), encoding="utf-8")
        if page.gate is not None:
            for file in paths.gate.values():
                shutil.copyfile(file, folder / file.name)


def _gather(study: Study, paths: Paths) -> Page:
    frame = read_results(paths.table)
    references = load_references()
    scores, similar = ResultsTable(study, frame), claims.similarities(paths)
    sections = tuple(_section(name, paths, scores, references, similar) for name in study.artefacts)
    others = [r for r in references if r.artefact not in study.artefacts]
    return Page(
        study=study,
        facts=gather(study, paths, frame),
        sections=sections,
        others=compare(scores, others),
        claims=on_study(load_claims(), scores, similar),
        standings=standings(scores, _ACROSS, "pd") if _ACROSS in study.artefacts else (),
        runs=gather_runs(study, paths, frame),
        audit=read_json(paths.audit),
        gate=read_json(paths.gate["json"]) if study.gate else None,
    )


def _section(
    artefact: str,
    paths: Paths,
    scores: ResultsTable,
    references: Sequence[Reference],
    similarity: Similarities,
) -> _Section:
    files = paths.artefact(artefact)
    told = read_json(files[0].with_suffix(".json"))
    return _Section(
        id=artefact,
        kind=kind_of(artefact),
        title=ARTEFACTS[artefact].title,
        caption=told["caption"],
        alt=told["alt"],
        tables=tuple(_table(table) for table in told["tables"]),
        files=tuple(file.suffix[1:] for file in files if file.suffix != ".json"),
        comparisons=compare(scores, (r for r in references if r.artefact == artefact), similarity),
    )


def _table(plain: dict[str, Any]) -> Table:
    rows, keys = (tuple(map(tuple, plain[part])) for part in ("rows", "keys"))
    return Table(plain["title"], tuple(plain["columns"]), rows, plain["align"], keys)


def _rendered(template: str, page: Page) -> str:
    text: str = _template(template).render(page=page, **_helpers())
    return text


def _template(name: str) -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["subscripts"] = _subscripts
    return environment.get_template(name)


def _helpers() -> dict[str, Any]:
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    return {
        "style": style,
        "version": __version__,
        "paper_url": _PAPER_URL,
        "duration": words.duration,
        "signed": words.signed,
        "p_value": words.p_value,
        "to_markdown": to_markdown,
        "published": _published,
        "listed": _listed,
        "marks": MARKS,
        "rules": RULES,
        "claims": claims,
        "outcomes": ClaimOutcome,
        "outcome_of": outcome_of,
        "report_page": _INDEX,
        "runs_page": _RUNS,
        "gate_page": _GATE,
    }


def _subscripts(text: str) -> Markup:
    """Escape a text for HTML and set the names of data sets with their subscripts."""
    return Markup(re.sub(r"\bD_(LM|T|L)\b", r"D<sub>\1</sub>", str(escape(text))))


def _published(reference: Reference) -> str:
    """A published number with its reading error: "72.16 ± 0.1"."""
    error = f" ± {reference.tolerance:g}" if reference.tolerance else ""
    return reference.printed + error


def _listed(value: Any) -> str:
    """A configuration value on one line."""
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
