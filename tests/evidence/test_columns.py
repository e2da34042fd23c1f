"""docs/results.md has every column of the table of results, and no other."""

from __future__ import annotations

import re

import pyarrow.parquet as pq
import pytest

from pdbench.data.columns import examples_column
from pdbench.evidence.table import _NEEDED
from pdbench.jobs.collect import _LEFT_OUT, _NOT_OF_ENVIRONMENT
from pdbench.jobs.record import Environment, RunRecord
from pdbench.study import ROOT
from pdbench.study.catalogue.metrics import METRICS

DOCUMENTED = re.findall(
    r"`([\w@]+)`",
    "".join(re.findall(r"(?m)^\| (`.*?) \|", (ROOT / "docs/results.md").read_text("utf-8"))),
)


@pytest.fixture(scope="module")
def columns() -> set[str]:
    """The columns of the committed run, and those that records and the gate ask for."""
    example = pq.read_schema(ROOT / "reports/example/results.parquet").names
    recorded = {*RunRecord.model_fields} - _LEFT_OUT
    recorded |= {*Environment.model_fields} - _NOT_OF_ENVIRONMENT
    return {*example, *recorded, *_NEEDED}


def test_every_column_is_described(columns: set[str]) -> None:
    """Each once; those of a metric by their form."""
    known = {name for one in DOCUMENTED for name in (one.replace("METRIC", m) for m in METRICS)}

    assert columns <= known
    assert len(DOCUMENTED) == len(set(DOCUMENTED))


def test_no_other_is(columns: set[str]) -> None:
    """A column that is described is there, or of a kind that the demo does not have."""
    there = {*columns, "submission_accuracy", examples_column("accuracy")}

    assert {name.replace("METRIC", "accuracy") for name in DOCUMENTED} <= there
