"""The page is whole, stands alone, and says nothing that the records do not."""

from __future__ import annotations

import contextlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import synthetic

from pdbench.artefacts import ARTEFACTS, draw
from pdbench.core.errors import DataError
from pdbench.core.files import file_digest, read_json, write_json
from pdbench.evidence import load_references
from pdbench.evidence.compare import RULES
from pdbench.evidence.outcomes import load_claims
from pdbench.report import build, export_example
from pdbench.report.build import _listed
from pdbench.study import ROOT, Study, load_study
from pdbench.workflow import Paths

VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Collects what a page links to, shows and names, and whether its tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: dict[str, str] = {}
        self.scripts = 0
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.scripts += tag in ("script", "link", "iframe")
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if tag == "img":
            self.images[found["src"]] = found["alt"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folder(_drawn_folder: Path, demo: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the drawn demo with its page."""
    copy = shutil.copytree(_drawn_folder, tmp_path_factory.mktemp("report") / "copy")
    with contextlib.chdir(copy):
        build(demo, Paths(demo))
    return copy


@pytest.fixture
def paths(folder: Path, demo: Study, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The files of that copy, in whose folder the test runs."""
    monkeypatch.chdir(folder)
    return Paths(demo)


@pytest.fixture
def page(paths: Paths) -> Page:
    """The page, parsed."""
    return Page(paths.index.read_text(encoding="utf-8"))


def test_page_is_well_formed(page: Page) -> None:
    """Every tag closes where it should and no anchor is named twice."""
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_page_stands_alone(page: Page) -> None:
    """It works from a folder without a network: no script, no style sheet, no remote image."""
    assert page.scripts == 0
    assert [link for link in page.links if "://" in link] == ["https://arxiv.org/abs/1908.08962"]
    assert not [image for image in page.images if "://" in image]


def test_every_link_leads_somewhere(page: Page, paths: Paths) -> None:
    """Anchors exist, and so do downloads and images."""
    local = [link for link in [*page.links, *page.images] if "://" not in link]

    others = {"": page}
    for link in local:
        file, _, anchor = link.partition("#")
        if file:
            assert (paths.reports / file).is_file()
        if anchor and file not in others:
            others[file] = Page((paths.reports / file).read_text(encoding="utf-8"))
        assert not anchor or anchor in others[file].ids, link


def test_every_artefact_has_a_section_in_the_contents(page: Page) -> None:
    """Nothing that was drawn is left out of the page or its table of contents."""
    assert ARTEFACTS.keys() - {"scores"} <= set(page.ids)
    assert {f"#{name}" for name in ARTEFACTS if name != "scores"} <= set(page.links)


def test_every_figure_says_in_words_what_it_shows(page: Page) -> None:
    """Each image has an alternative text with numbers or steps in it."""
    assert len(page.images) == 7
    assert all(len(alt) > 80 for alt in page.images.values())


def test_every_published_number_is_on_the_page(page: Page) -> None:
    """All references are there, each with a verdict."""
    counts = [int(n) for n in re.findall(r"(\d+) published numbers", page.text)]

    assert sum(counts) == len(load_references())


def test_facts_come_from_the_records(page: Page, demo: Study) -> None:
    """Runs, cells, machine and commit are those of the table of runs."""
    runs = sum(len(demo.runs(cell)) for cell in demo.seed_counts)

    assert str(runs) in page.text
    assert f"{len(demo.seed_counts)} of {len(demo.seed_counts)}" in page.text
    assert synthetic.ENVIRONMENT["commit"] in page.text
    assert "Invented CPU" in page.text


def test_every_sourced_setting_is_listed(page: Page, demo: Study) -> None:
    """The list of assumed values is complete."""
    assert all(one.key in page.text for one in demo.assumptions)


def test_every_number_of_ours_leads_to_its_runs(page: Page, demo: Study) -> None:
    """Each cell that an artefact draws is linked, and so is every teacher."""
    linked = {link.partition("#")[2] for link in page.links if link.startswith("runs.html#")}

    assert set(demo.cells) <= linked
    assert {f"{task}.teacher.6-384.none.none" for task in demo.taught} <= linked


def test_the_page_of_runs_names_records_and_commands(paths: Paths, demo: Study) -> None:
    """Every run stands there with its record, and every cell with the command that trains it."""
    runs = Page(paths.index.with_name("runs.html").read_text(encoding="utf-8"))

    assert runs.open == []
    for key, cell in demo.cells.items():
        assert f"pdbench cell demo {key}" in runs.text
        for run in demo.runs(cell):
            assert f"../../{paths.run(run)}/record.json" in runs.links
    assert "pdbench teacher demo sentiment" in runs.text
    assert f"../../{paths.teacher('sentiment')}/record.json" in runs.links


def test_the_commands_of_a_report_can_be_typed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They call a study from elsewhere by its path, not by a name that config/ does not have."""
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "copy"))
    shutil.copy(ROOT / "config/demo.yaml", "mine.yaml")
    study = load_study("mine.yaml")

    build(study, Paths(study))

    runs = Page(Path("reports/demo/runs.html").read_text(encoding="utf-8"))
    index = Page(Path("reports/demo/index.html").read_text(encoding="utf-8"))
    assert f"pdbench cell mine.yaml {next(iter(study.cells))}" in runs.text
    assert "pdbench teacher mine.yaml sentiment" in runs.text
    assert "pdbench claims --on mine.yaml" in index.text


@pytest.mark.parametrize(("place", "shown"), [(".", "mine.yaml"), ("below", "below/mine.yaml")])
def test_a_report_names_no_folder_of_its_author(
    place: str, shown: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that was asked for by its whole path is called by what follows the working folder."""
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "copy"))
    Path(place).mkdir(exist_ok=True)
    shutil.copy(ROOT / "config/demo.yaml", Path(place, "mine.yaml"))
    study = load_study(str(Path(place, "mine.yaml").absolute()))

    build(study, Paths(study))

    pages = [page.read_text(encoding="utf-8") for page in Path("reports/demo").glob("*.html")]
    assert len(pages) == 3
    assert all(str(tmp_path) not in page and f" {shown}" in page for page in pages)


def test_every_claim_has_an_outcome_in_words_and_a_mark(page: Page) -> None:
    """All 44 claims stand on the page with their statements; nothing rests on colour."""
    claims = load_claims()

    assert {claim.id for claim in claims} <= set(page.ids)
    assert all(claim.statement in page.text for claim in claims)
    assert re.search(r"\. untestable", page.text)
    assert "41 of 44 hold" in page.text


def test_every_verdict_has_its_mark_and_its_rule(page: Page) -> None:
    """The marks are explained on the page, and stand beside the words in every table."""
    for verdict, rule in RULES.items():
        assert re.search(rf"^{re.escape(verdict.mark)}{verdict}", page.text, re.MULTILINE)
        assert rule in page.text
    assert "x not-comparable" in page.text
    assert "= reproduced" in page.text


def test_claims_are_written_for_machines_too(paths: Paths) -> None:
    """The JSON beside the page has every claim with its comparisons and cells."""
    found = read_json(paths.index.with_name("claims.json"))

    assert len(found["claims"]) == sum(found["outcomes"].values()) == 44
    tested = [one for one in found["claims"] if one["comparisons"]]
    assert all(part["cells"] for one in tested for part in one["comparisons"])


def test_methods_are_compared_over_tasks_and_sizes(page: Page) -> None:
    """One line a method, with how often pre-trained distillation beats it."""
    assert "Over all tasks and named sizes of figure7" in page.text


def test_demo_says_that_it_is_not_comparable(page: Page) -> None:
    """The first thing that a reader meets is what can be compared, counted from the verdicts."""
    assert re.search(r"None of the \d\d scores .* is comparable\. What differs ", page.text)


def test_a_study_without_teacher_is_reported_with_what_is_comparable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No teacher, no transfer set, no corpus: all six scores beside the paper's are judged."""
    monkeypatch.chdir(tmp_path)
    study = load_study("basic")
    paths = synthetic.write_study(study)
    for artefact in study.artefacts:
        draw(study, paths, artefact)

    build(study, paths)

    text = Page(paths.index.read_text(encoding="utf-8")).text
    assert "Of the 6 scores that stand beside published ones, 6 are comparable (6 of" in text
    assert "What differs is listed" not in text
    assert "but the source states no split" in text
    assert "Nothing can be concluded" not in text

    build(study.changed(scale="smoke"), paths)

    text = Page(paths.index.read_text(encoding="utf-8")).text
    assert "Nothing can be concluded from this page." in text
    assert "are comparable" not in text


def test_building_twice_gives_the_same_page(paths: Paths, demo: Study) -> None:
    """The page depends on results and software alone."""
    before = file_digest(paths.index)

    build(demo, paths)

    assert file_digest(paths.index) == before


def test_text_from_the_study_is_escaped(paths: Paths, demo: Study) -> None:
    """A title with markup is shown, not run."""
    before = paths.index.read_text(encoding="utf-8")
    with contextlib.ExitStack() as stack:
        stack.callback(paths.index.write_text, before, encoding="utf-8")
        build(demo.model_copy(update={"title": "<script>alert(1)</script>"}), paths)

        found = paths.index.read_text(encoding="utf-8")

    assert "<script>" not in found
    assert "&lt;script&gt;" in found


def test_missing_cells_are_announced(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report of an unfinished study says which cells are missing."""
    monkeypatch.chdir(tmp_path)
    key = demo.artefact_cells("figure5")[0].key
    study = demo.model_copy(update={"artefacts": {"figure5": demo.artefacts["figure5"]}})
    paths = synthetic.write_study(study, missing=(key,))
    draw(study, paths, "figure5")

    build(study, paths)

    page = Page(paths.index.read_text(encoding="utf-8"))
    assert f"1 of {len(study.seed_counts)} cells are missing: {key}." in page.text


def test_undrawn_artefact_is_one_line(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report before its figures names the file that is not there."""
    monkeypatch.chdir(tmp_path)
    paths = synthetic.write_study(demo)

    with pytest.raises(DataError, match=r"figure1\.json: no such file"):
        build(demo, paths)


def test_other_words_of_a_figure_are_one_line(
    demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that drawing did not write is named."""
    monkeypatch.chdir(tmp_path)
    paths = synthetic.write_study(demo)
    write_json(paths.artefact("figure1")[-1], [1, 2])

    with pytest.raises(DataError, match=r"figure1\.json: not what drawing an artefact writes"):
        build(demo, paths)


def test_example_is_readable_on_its_own(paths: Paths, demo: Study, tmp_path: Path) -> None:
    """README, figures, tables and the runs; every image that is shown is there."""
    target = tmp_path / "example"

    export_example(demo, paths, target)

    text = (target / "README.md").read_text(encoding="utf-8")
    images = re.findall(r"^!\[[^]]+\]\((\S+)\)$", text, flags=re.MULTILINE)
    assert len(images) == 7
    assert all((target / image).is_file() for image in images)
    assert (target / "tables" / "table3.md").read_text(encoding="utf-8") in text
    assert file_digest(target / "results.parquet") == file_digest(paths.table)


def test_every_link_of_the_example_leads_somewhere(
    paths: Paths, demo: Study, tmp_path: Path
) -> None:
    """Also those to what the gate found, which the demo has."""
    target = tmp_path / "example"

    export_example(demo, paths, target)

    readme = (target / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert {"gate.md", "gate.json", "gate.xml"} <= set(links)
    assert [link for link in links if not (target / link).is_file()] == []


def test_example_replaces_an_older_one(paths: Paths, demo: Study, tmp_path: Path) -> None:
    """What an older copy had and this one has not is gone."""
    target = tmp_path / "example"
    target.mkdir()
    (target / "old.png").write_bytes(b"old")

    export_example(demo, paths, target)

    assert not (target / "old.png").exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [([0.001, 0.003], "0.001, 0.003"), (0.1, "0.1"), ("bert", "bert"), (None, "None")],
)
def test_settings_read_as_words(value: object, words: str) -> None:
    """A configuration value stands on one line."""
    assert _listed(value) == words


GATE = ({"baseline": "pd", "candidate": "d"}, {"baseline": "d", "candidate": "pd", "margin": 1.0})


def test_the_gate_has_a_page_of_its_own(
    folder: Path, demo: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cell of each match with its outcome, leading to its runs; the report sums it up."""
    study = Study.model_validate({**demo.model_dump(), "gate": GATE})
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "copy"))
    paths = synthetic.write_study(study)

    build(study, paths)

    page = Page((paths.reports / "gate.html").read_text(encoding="utf-8"))
    runs = Page((paths.reports / "runs.html").read_text(encoding="utf-8"))
    index = Page(paths.index.read_text(encoding="utf-8"))
    cells = [key for key, cell in study.cells.items() if cell.method == "d"]
    links = [link.partition("#") for link in page.links if "://" not in link]
    assert page.open == []
    assert {anchor for file, _, anchor in links if file == "runs.html"} >= set(cells)
    assert {anchor for file, _, anchor in links if file == "runs.html"} <= set(runs.ids)
    assert all((paths.reports / file).is_file() for file, _, _ in links)
    assert "The gate: worse" in page.text
    assert {"gate.html#d-pd", "gate.html#pd-d"} <= set(index.links)
    assert {"d-pd", "pd-d"} <= set(page.ids)


def test_a_study_without_a_gate_has_no_page_of_it(demo: Study, paths: Paths, page: Page) -> None:
    """Nothing was compared, so nothing is said."""
    assert (paths.reports / "gate.html").is_file() == bool(demo.gate)
    assert ("gate" in page.ids) == bool(demo.gate)
