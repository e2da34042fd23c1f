"""Fine-tuning on real sentences, against Hugging Face's Trainer in three settings."""

from __future__ import annotations

import math
import statistics
from typing import Any

import click

from benchmarks import data
from benchmarks.harness import Cost, Worker, interleave, peers_python
from benchmarks.options import Options, with_options
from benchmarks.rows import Row, row, seconds_row
from pdbench.study import Architecture

PEERS = {
    "defaults": "HF Trainer, its defaults (dynamic padding)",
    "tuned": "HF Trainer, tuned (group_by_length, bf16)",
    "padded": "HF Trainer, padded to 128",
}
SENTENCES = {"4/256": 1024, "4/512": 512}
QUICK_SENTENCES = {"4/256": 128}
WARM_UP = 64
BATCH, RATE = 32, 5e-4

ACCURACY_ARCH, ACCURACY_EPOCHS = "2/128", 3


@click.command()
@with_options
@click.option(
    "--accuracy",
    "seeds",
    type=click.IntRange(min=2),
    metavar="SEEDS",
    help="Compare test accuracy over so many seeds instead of seconds, some minutes each.",
)
def main(options: Options, seeds: int | None) -> list[Row]:
    """Fine-tune on real sentences, beside Hugging Face's Trainer."""
    if seeds is not None and options.quick:
        raise click.UsageError("--accuracy has no quick form")
    data.prepare_labelled()
    with (
        Worker("benchmarks.ours", options.threads) as ours,
        Worker("benchmarks.peers.hugging_face", options.threads, peers_python()) as peer,
    ):
        if seeds is not None:
            return [_accuracy_row(options, ours, peer, seeds)]
        sizes = QUICK_SENTENCES if options.quick else SENTENCES
        return [found for arch in sizes for found in _rows(options, ours, peer, arch, sizes[arch])]


def _rows(options: Options, ours: Worker, peer: Worker, arch: str, items: int) -> list[Row]:
    """Compare seconds at one size, and our operations a second with the machine's."""
    data.prepare_initial(Architecture.parse(arch))
    request = _request(arch, items)
    ours.ask(**{**request, "items": WARM_UP})
    for variant in PEERS:
        peer.ask(**{**request, "items": WARM_UP}, variant=variant)
    sides = {
        name: (ours.side(**request), peer.side(**request, variant=variant))
        for variant, name in PEERS.items()
    }
    peaks = [_peaks(options, ours)]
    pairs = interleave(sides, options.pairs, options.deadline, options.report)
    peaks.append(_peaks(options, ours))
    own = [pair.ours for found in pairs.values() for pair in found]
    about = {
        **{key: own[0].more[key] for key in ("padding", "precision")},
        "threads": options.threads,
    }
    work = f"fine-tuning, {items:,} sentences, batch {BATCH}"
    rows = [seconds_row(work, arch, name, found, **about) for name, found in pairs.items()]
    return [*rows, _share_row(work, arch, own, peaks, options.threads)]


def _peaks(options: Options, ours: Worker) -> dict[str, float]:
    found: dict[str, float] = ours.ask(work="peak", threads=options.threads).more["peaks"]
    return found


def _share_row(
    work: str, arch: str, own: list[Cost], peaks: list[dict[str, float]], threads: int
) -> Row:
    """Our share of the bf16 matrix peak, the best that was measured before and after."""
    best = {count: max(peak[count] for peak in peaks) / 1e9 for count in peaks[0]}
    values = [(cost.more["flops"] / cost.wall / 1e9, best[str(threads)]) for cost in own]
    all_threads = {f"peak_{count}_threads": peak for count, peak in best.items()}
    peer = f"the bf16 matrix peak of {threads} thread{'s' * (threads > 1)}"
    return row(work, arch, peer, values, "our GFLOP/s / the peak", threads=threads, **all_threads)


def _accuracy_row(options: Options, ours: Worker, peer: Worker, seeds: int) -> Row:
    """Compare test accuracy over seeds: the same first weights, sentences and settings."""
    arch, epochs = ACCURACY_ARCH, ACCURACY_EPOCHS
    values = []
    for seed in range(seeds):
        data.prepare_initial(Architecture.parse(arch), seed)
        request = {**_request(arch, None, epochs), "seed": seed, "score": True}
        own, theirs = ours.ask(**request), peer.ask(**request, variant="defaults")
        values.append((own.more["accuracy"], theirs.more["accuracy"]))
        options.report(f"seed {seed}: {values[-1][0]:.4f} against {values[-1][1]:.4f}")
    return row(
        f"test accuracy after {epochs} epochs",
        arch,
        PEERS["defaults"],
        values,
        "our accuracy / peer's",
        **difference([own - theirs for own, theirs in values]),
    )


def difference(differences: list[float]) -> dict[str, Any]:
    """Mean of paired differences of a share, and its standard error."""
    mean = statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    note = f"mean difference {100 * mean:+.2f} points, standard error {100 * error:.2f}"
    return {"difference": mean, "standard_error": error, "note": note}


def _request(arch: str, items: int | None, epochs: int = 1) -> dict[str, Any]:
    return {
        "work": "finetune",
        "arch": arch,
        "items": items,
        "epochs": epochs,
        "batch": BATCH,
        "rate": RATE,
        "seed": 0,
    }


if __name__ == "__main__":
    main()
