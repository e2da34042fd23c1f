"""What drawing gives, and how it is written: files first, the description of them last."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pdbench.artefacts.chart import Row
from pdbench.artefacts.style import save
from pdbench.artefacts.tables import Table, to_latex, to_markdown
from pdbench.core.files import write_json, write_text


@dataclass(frozen=True)
class Drawn:
    """A finished table of one or more parts, or a figure; and its numbers and words.

    Attributes:
        rows: Everything that is shown, as plain rows.
        caption: Its caption.
        tables: The table itself, or the numbers of a figure.
        missing: Keys of the cells that have no result.
        figure: The picture; None for a table.
        alt: What the picture shows, in words.
    """

    rows: Sequence[Row]
    caption: str
    tables: Sequence[Table] = ()
    missing: tuple[str, ...] = ()
    figure: Any = None
    alt: str = ""

    def write(self, stem: Path) -> None:
        """Write the picture or the table, the numbers as CSV, and ``<stem>.json`` last."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        if self.figure is not None:
            save(self.figure, stem)
        else:
            write_text(stem.with_suffix(".md"), to_markdown(self.tables))
            write_text(stem.with_suffix(".tex"), to_latex(self.tables, self.caption))
        write_text(stem.with_suffix(".csv"), to_csv(self.rows))
        words = {"caption": self.caption, "alt": self.alt, "missing": list(self.missing)}
        tables = [asdict(table) for table in self.tables]
        write_json(stem.with_suffix(".json"), {**words, "tables": tables})


def to_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV; the columns are the keys in the order of their first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
