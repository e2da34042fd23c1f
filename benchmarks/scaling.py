"""How a distillation job's time and memory grow with its transfer set."""

from __future__ import annotations

import functools
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from benchmarks import data
from benchmarks.harness import Cost, Worker
from benchmarks.options import Options, with_options
from benchmarks.rows import OWN_SECONDS, Row, row
from pdbench.workflow.specs import RESULTS

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
QUICK_SIZES = SIZES[:3]
ARCH, STEPS, QUICK_STEPS = "2/128", 400, 100
LARGE_ARCH, LARGE_ITEMS, LARGE_STEPS = "4/256", 8_000_000, 50
LIMIT_MB = 1536
PHASES = {
    "open": "Opening and checking the data",
    "prepare": "Model and its word pieces",
    "train": "Order and {steps} updates",
}

Costs = dict[int, list[Cost]]


@click.command()
@with_options
@click.option(
    "--plot",
    type=click.Path(path_type=Path, resolve_path=True),
    default="results/benchmarks/scaling",
    show_default=True,
    help="Where the figure is written, without .png and .svg.",
)
def main(options: Options, plot: Path) -> list[Row]:
    """Distil from ever larger transfer sets, each time in a fresh process."""
    data.prepare_sentences()
    sizes = QUICK_SIZES if options.quick else SIZES
    steps = QUICK_STEPS if options.quick else STEPS
    costs: Costs = {size: [] for size in sizes}
    for number in range(options.pairs):
        started = time.monotonic()
        for size in sizes:
            costs[size].append(_measure(options, ARCH, size, steps))
        lasted = time.monotonic() - started
        options.report(f"round {number + 1} of {options.pairs}")
        if options.deadline is not None and time.monotonic() + 2 * lasted > options.deadline:
            break
    large = _measure(options, LARGE_ARCH, LARGE_ITEMS, LARGE_STEPS)
    draw(costs, steps, plot)
    return [*_rows(costs, steps, options), _limit_row(large, options)]


def _measure(options: Options, arch: str, items: int, steps: int) -> Cost:
    """Time and peak memory of one job; its data are there for no longer than it."""
    folder = RESULTS / "benchmarks" / "transfer" / str(items)
    shutil.rmtree(folder, ignore_errors=True)
    data.write_transfer_set(folder, items)
    try:
        with Worker("benchmarks.ours", options.threads) as worker:
            return worker.ask(
                work="scale",
                folder=str(folder),
                arch=arch,
                steps=steps,
                epochs=1,
                batch=32,
                rate=5e-4,
            )
    finally:
        shutil.rmtree(folder)


def _rows(costs: Costs, steps: int, options: Options) -> list[Row]:
    """A row of time and one of memory for each size but the smallest."""
    smallest, *others = costs
    peer = f"itself with {smallest:,} items"
    rows = []
    for size in others:
        work = f"distillation from {size:,} items, {steps} updates"
        pairs = list(zip(costs[size], costs[smallest], strict=True))
        phases = {f"{phase}_seconds": median(costs[size], f"{phase}_seconds") for phase in PHASES}
        add = functools.partial(row, work, ARCH, peer, threads=options.threads)
        rows.append(add([(own.wall, base.wall) for own, base in pairs], OWN_SECONDS, **phases))
        memory = [(own.more["memory_mb"], base.more["memory_mb"]) for own, base in pairs]
        rows.append(add(memory, "our peak memory (MB) / peer's"))
    return rows


def _limit_row(large: Cost, options: Options) -> Row:
    return row(
        f"distillation from {LARGE_ITEMS:,} items, {LARGE_STEPS} updates",
        LARGE_ARCH,
        f"the limit of {LIMIT_MB:,} MB",
        [(large.more["memory_mb"], LIMIT_MB)],
        "our peak memory (MB) / the limit",
        threads=options.threads,
    )


def median(costs: Sequence[Cost], key: str) -> float:
    """The median of what workers said under a key."""
    return float(statistics.median(cost.more[key] for cost in costs))


def draw(costs: Mapping[int, Sequence[Cost]], steps: int, stem: Path) -> None:
    """Plot seconds and megabytes over items, as ``<stem>.png`` and ``<stem>.svg``."""
    from pdbench.artefacts import style
    from pdbench.core.files import replacing

    sizes = list(costs)
    looks = iter(style.looks((method, "") for method in ("pd", "pf", "d", "basic")).values())
    with style.page_wide(2.9) as figure:
        times, memory = figure.subplots(1, 2)
        for phase, name in PHASES.items():
            look = next(looks)
            values = [median(costs[size], f"{phase}_seconds") for size in sizes]
            label = name.format(steps=steps)
            times.plot(sizes, values, color=look.colour, marker=look.marker, label=label)
        look = next(looks)
        peaks = [median(costs[size], "memory_mb") for size in sizes]
        memory.plot(sizes, peaks, color=look.colour, marker=look.marker)
        memory.axhline(LIMIT_MB, color=style.MUTED, linestyle="--", linewidth=1)
        memory.annotate("limit", (sizes[0], LIMIT_MB), (0, 3), textcoords="offset points")
        for axes, title in ((times, "Seconds"), (memory, "Peak memory (MB)")):
            axes.set_xscale("log")
            axes.set_xticks(sizes, [_short(size) for size in sizes])
            axes.minorticks_off()
            axes.set_xlabel("Items of the transfer set")
            axes.set_title(f"{title}, {ARCH}")
            axes.set_ylim(bottom=0)
        times.legend()
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            with replacing(stem.with_suffix(suffix)) as temporary:
                figure.savefig(temporary, format=suffix[1:], dpi=style.DPI, metadata=metadata)


def _short(items: int) -> str:
    return f"{items // 1_000_000}M" if items >= 1_000_000 else f"{items // 1000}k"


if __name__ == "__main__":
    main()
