"""A distillation grid, the teacher's forward pass counted, against torchdistill and TextBrewer."""

from __future__ import annotations

import click

from benchmarks import data
from benchmarks.harness import Worker, interleave, peers_python
from benchmarks.options import Options, with_options
from benchmarks.rows import Row, seconds_row
from pdbench.study import Architecture

TORCHDISTILL = "torchdistill 1.1.5, its GLUE example"
TEXTBREWER = "TextBrewer 0.2.1, its SST-2 example (padded to 128)"
TEXTBREWER_LONGEST = "TextBrewer 0.2.1, padded to a batch's longest"

STUDENTS = ("2/128", "4/256")
EPOCHS, BATCH, RATE = 3, 32, 5e-4
SEEDS, QUICK_SEEDS = 3, 1
SENTENCES, QUICK_SENTENCES = 96, 32


@click.command()
@with_options
@click.option(
    "--sentences", type=click.IntRange(min=1, max=4096), help="Sentences of the transfer set."
)
def main(options: Options, sentences: int | None) -> list[Row]:
    """Distil a grid of students, beside torchdistill and TextBrewer."""
    seeds = QUICK_SEEDS if options.quick else SEEDS
    items = sentences or (QUICK_SENTENCES if options.quick else SENTENCES)
    data.prepare_sentences()
    data.prepare_teacher()
    for arch in STUDENTS:
        for seed in range(seeds):
            data.prepare_initial(Architecture.parse(arch), seed)
    request = {
        "work": "distill_grid",
        "students": STUDENTS,
        "seeds": seeds,
        "items": items,
        "epochs": EPOCHS,
        "batch": BATCH,
        "rate": RATE,
    }
    warm_up = {**request, "seeds": 1, "epochs": 1, "items": BATCH}
    threads, python = options.threads, peers_python()
    with (
        Worker("benchmarks.ours", threads) as ours,
        Worker("benchmarks.peers.torchdistill_example", threads, python) as torchdistill,
        Worker("benchmarks.peers.textbrewer_example", threads, python) as textbrewer,
    ):
        own = ours.side(**request)
        sides = {
            TORCHDISTILL: (own, torchdistill.side(**request)),
            TEXTBREWER: (own, textbrewer.side(**request, variant="padded")),
        }
        if not options.quick:
            longest = textbrewer.side(**request, variant="longest")
            sides[TEXTBREWER_LONGEST] = (own, longest)
        ours.ask(**warm_up)
        torchdistill.ask(**warm_up)
        textbrewer.ask(**warm_up, variant="longest")
        pairs = interleave(sides, options.pairs, options.deadline, options.report)
    work = (
        f"distillation grid, teacher 6/384, {_count(seeds, 'seed')}, {EPOCHS} epochs, "
        f"{items:,} sentences"
    )
    return [
        seconds_row(work, ", ".join(STUDENTS), name, found, threads=threads)
        for name, found in pairs.items()
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


if __name__ == "__main__":
    main()
