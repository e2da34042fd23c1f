"""The soft labels of a transfer set, against the teacher's bare forward pass over it."""

from __future__ import annotations

import click

from benchmarks import data
from benchmarks.harness import Worker, interleave, peers_python
from benchmarks.options import Options, with_options
from benchmarks.rows import OWN_SECONDS, Row, seconds_row

PEERS = {
    "sdpa": "HF forward passes over ready buckets, bf16",
    "eager": "HF forward passes over ready buckets, bf16, eager attention",
}
SENTENCES, QUICK_SENTENCES, WARM_UP = 4096, 1024, 128


@click.command()
@with_options
def main(options: Options) -> list[Row]:
    """Compute soft labels, beside the teacher's bare forward pass."""
    data.prepare_sentences()
    data.prepare_teacher()
    items = QUICK_SENTENCES if options.quick else SENTENCES
    with (
        Worker("benchmarks.ours", options.threads) as ours,
        Worker("benchmarks.peers.hugging_face", options.threads, peers_python()) as peer,
    ):
        own = {"work": "soft_labels", "items": items}
        theirs = {"work": "forward", "items": items}
        ours.ask(**{**own, "items": WARM_UP})
        sides = {}
        for variant, name in PEERS.items():
            peer.ask(**{**theirs, "items": WARM_UP}, variant=variant)
            sides[name] = (ours.side(**own), peer.side(**theirs, variant=variant))
        pairs = interleave(sides, options.pairs, options.deadline, options.report)
    work = f"soft labels of {items:,} sentences"
    return [
        seconds_row(work, "6/384", name, found, OWN_SECONDS, threads=options.threads)
        for name, found in pairs.items()
    ]


if __name__ == "__main__":
    main()
