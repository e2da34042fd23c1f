"""Table of student sizes: parameters beside the paper's, and latency measured here."""

from __future__ import annotations

from collections.abc import Iterator

from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import Drawn, Row, Table, marks_in_words
from pdbench.evidence import Reference
from pdbench.study import PAPER_ARCHITECTURES, Architecture

_COUNTED = (
    "Parameters count embeddings, encoder, pooler and the masked-LM head, whose output matrix "
    "is tied to the word embeddings."
)
_PRINTED = "Paper (M)"
_PARAMETERS, _SPEED = "params_millions", "speedup_vs_BERT_LARGE_TPUv2"


def draw(context: Context) -> Drawn:
    """Write the paper's 24 sizes, and below them this study's with their latency."""
    references = context.published("sizes")
    published = {(r.architecture, r.metric): r for r in references}
    paper = [_paper_row(context, size, published) for size in PAPER_ARCHITECTURES]
    own = list(_own_rows(context))
    timed = _table("Sizes of this study, timed on this machine", own)
    rows: list[Row] = [{"table": "paper", **row} for row in paper]
    rows += [{"table": "this study", **row} for row in own]
    marks = marks_in_words(context.verdict(r) for r in references)
    caption = f"{_COUNTED} {_how_timed(context)} {marks}"
    return Drawn(rows, caption, (_table("The paper's 24 sizes", paper), timed))


def _paper_row(
    context: Context, size: Architecture, published: dict[tuple[str, str], Reference]
) -> Row:
    counted = size.parameters() / 1e6
    printed, speed = published[str(size), _PARAMETERS], published[str(size), _SPEED]
    return {
        "L/H": str(size),
        "Name": printed.name or "",
        "Heads": size.heads,
        "Parameters (M)": round(counted, 2),
        _PRINTED: printed.value,
        "Difference (M)": round(counted - printed.value, 2),
        "Verdict": context.verdict(printed),
        "Paper's speed-up (TPU v2)": speed.value,
        "Its verdict": context.verdict(speed),
    }


def _own_rows(context: Context) -> Iterator[Row]:
    times = context.latency["architectures"]
    slowest = times[context.latency["largest"]]["milliseconds"]
    students = [str(size) for size in context.study.all_architectures]
    for text in (*students, *(other for other in times if other not in students)):
        size, time = Architecture.parse(text), times[text]
        name = context.size_name(size).removeprefix(text) if text in students else "teacher"
        yield {
            "L/H": text,
            "Name": name,
            "Parameters (M)": round(size.parameters() / 1e6, 2),
            "Encoder alone (M)": round(size.encoder_parameters / 1e6, 2),
            "Latency (ms)": round(time["milliseconds"], 2),
            "Quartiles (ms)": f"{time['low']:.2f} to {time['high']:.2f}",
            "Speed-up": round(slowest / time["milliseconds"], 2),
        }


def _table(title: str, rows: list[Row]) -> Table:
    body = tuple(tuple(_text(column, value) for column, value in row.items()) for row in rows)
    return Table(title, tuple(rows[0]), body, align="ll" + "r" * (len(rows[0]) - 2))


def _text(column: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    digits = 1 if column == _PRINTED else 2
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _how_timed(context: Context) -> str:
    found = context.latency
    threads = f"{found['threads']} thread{'s' if found['threads'] > 1 else ''}"
    return (
        f"Latency is the median of one forward pass in {found['rounds']} rounds: batch size "
        f"{found['batch_size']}, {found['sequence_length']} word pieces, {threads}, "
        f"{found['precision']}, on {found['device']}; speed-up is over {found['largest']}, "
        "the largest size here. The paper's speed-ups are over BERT_LARGE on a TPU v2 and not "
        "comparable."
    )
