"""Writes the page, the page of an unfinished study, and the copy of it that can be committed."""

from __future__ import annotations

import logging
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pdbench import __version__
from pdbench.artefacts import ARTEFACTS, draw
from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import Table, to_markdown
from pdbench.core import words
from pdbench.core.errors import PdbenchError
from pdbench.core.files import read_json, replacing, write_json, write_text
from pdbench.evidence import Comparison, Reference, compare, load_references
from pdbench.evidence.aggregate import standings
from pdbench.evidence.compare import RULES
from pdbench.evidence.outcomes import load_claims, on_study
from pdbench.jobs.collect import collect
from pdbench.report import claims
from pdbench.report.facts import gather, gather_runs
from pdbench.study import Study
from pdbench.workflow import Paths
from pdbench.workflow.kinds import kind_of

_log = logging.getLogger(__name__)

_INDEX, _RUNS, _GATE = "index.html", "runs.html", "gate.html"
_ACROSS = "figure7"  # compares methods over several tasks and sizes
_PAPER_URL = "https://arxiv.org/abs/1908.08962"


def build(study: Study, paths: Paths) -> None:
    """Write ``index.html``, and beside it the runs, the gate, the claims as JSON, the results."""
    page = _gather(study, paths)
    write_json(paths.index.with_name("claims.json"), claims.as_json(page["claims"]))
    templates = {_RUNS: "runs.html.j2", _INDEX: "page.html.j2"}
    if page["gate"] is not None:
        templates[_GATE] = "gate.html.j2"
    for file, template in templates.items():
        write_text(paths.index.with_name(file), _rendered(template, page))


def build_partial(study: Study) -> Path:
    """Collect what is finished and report on it; what cannot be drawn from it is left out.

    It has a folder of its own, so that nobody, Snakemake included, takes it for the whole report.
    """
    paths = Paths(study, partial=True)
    collect(study, paths)
    drawn = {}
    for artefact, needs in study.artefacts.items():
        try:
            draw(study, paths, artefact)
        except (PdbenchError, OSError) as error:
            _log.warning("%s cannot be drawn yet: %s", artefact, error)
        else:
            drawn[artefact] = needs
    build(study.model_copy(update={"artefacts": drawn, "gate": ()}), paths)
    return paths.index


def remove_partial(study: Study) -> None:
    """Remove the partial report: the whole one is there."""
    paths = Paths(study, partial=True)
    shutil.rmtree(paths.reports, ignore_errors=True)
    paths.table.unlink(missing_ok=True)


def export_example(study: Study, paths: Paths, target: Path) -> None:
    """Write a copy of the report that a repository host shows: Markdown, PNG and Parquet."""
    page = _gather(study, paths)
    with replacing(target) as folder:
        for section in page["sections"]:
            ending = ".png" if section["kind"] == "figure" else ".md"
            source = paths.artefact(section["id"])[0].with_suffix(ending)
            copy = folder / source.parent.name / source.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        shutil.copyfile(paths.table, folder / "results.parquet")
        (folder / "README.md").write_text(_rendered("readme.md.j2", page), encoding="utf-8")
        if page["gate"] is not None:
            for file in paths.gate.values():
                shutil.copyfile(file, folder / file.name)


def _gather(study: Study, paths: Paths) -> dict[str, Any]:
    """Everything that the templates show."""
    context = Context(study, paths)
    scores, similar = context.scores, context.similarities
    beside: dict[str, list[Comparison]] = {name: [] for name in study.artefacts}
    others: list[Comparison] = []
    for one in compare(scores, load_references(), similar):
        beside.get(one.reference.artefact, others).append(one)
    return {
        "study": study,
        "facts": gather(paths, scores),
        "sections": [_section(paths, name, found) for name, found in beside.items()],
        "others": others,
        "claims": on_study(load_claims(), scores, similar),
        "standings": standings(scores, _ACROSS, "pd") if _ACROSS in study.artefacts else (),
        "runs": list(gather_runs(paths, scores)),
        "audit": context.audit,
        "gate": read_json(paths.gate["json"]) if study.gate else None,
    }


def _section(paths: Paths, artefact: str, comparisons: list[Comparison]) -> dict[str, Any]:
    """One artefact on the page: what it shows, as whom, and its published numbers beside ours."""
    files = paths.artefact(artefact)
    told = read_json(files[0].with_suffix(".json"))
    counts = Counter(str(one.verdict) for one in comparisons)
    return {
        "id": artefact,
        "kind": kind_of(artefact),
        "title": ARTEFACTS[artefact].title,
        "caption": told["caption"],
        "alt": told["alt"],
        "tables": [_table(table) for table in told["tables"]],
        "files": [file.suffix[1:] for file in files if file.suffix != ".json"],
        "comparisons": comparisons,
        "verdicts": ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()),
    }


def _table(plain: dict[str, Any]) -> Table:
    rows, keys = (tuple(map(tuple, plain[part])) for part in ("rows", "keys"))
    return Table(plain["title"], tuple(plain["columns"]), rows, plain["align"], keys)


def _rendered(template: str, page: dict[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["subscripts"] = _subscripts
    text: str = environment.get_template(template).render(page=page, **_helpers())
    return text


def _helpers() -> dict[str, Any]:
    return {
        "style": (Path(__file__).parent / "style.css").read_text(encoding="utf-8"),
        "version": __version__,
        "paper_url": _PAPER_URL,
        "duration": words.duration,
        "signed": words.signed,
        "p_value": words.p_value,
        "to_markdown": to_markdown,
        "published": _published,
        "listed": _listed,
        "rules": RULES,
        "claims": claims,
        "report_page": _INDEX,
        "runs_page": _RUNS,
        "gate_page": _GATE,
    }


def _subscripts(text: str) -> Markup:
    """Escape a text for HTML and set the names of data sets with their subscripts."""
    return Markup(re.sub(r"\bD_(LM|T|L)\b", r"D<sub>\1</sub>", str(escape(text))))


def _published(reference: Reference) -> str:
    """A published number with its reading error: "72.16 ± 0.1"."""
    return reference.printed + (f" ± {reference.tolerance:g}" if reference.tolerance else "")


def _listed(value: Any) -> str:
    """A configuration value on one line."""
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
