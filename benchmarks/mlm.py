"""Masked-LM pre-training on whole blocks, every piece of the vocabulary scored."""

from __future__ import annotations

import click

from benchmarks import data
from benchmarks.harness import Worker, interleave, peers_python
from benchmarks.options import Options, with_options
from benchmarks.rows import Row, seconds_row

PEERS = {
    "defaults": "HF Trainer + BertForMaskedLM",
    "tuned": "HF Trainer + BertForMaskedLM, bf16",
}
STEPS = {"2/128": 10, "4/256": 4}
QUICK_STEPS = {"2/128": 4}
WARM_UP_STEPS = 1
BLOCKS = 32


@click.command()
@with_options
def main(options: Options) -> list[Row]:
    """Pre-train by masked LM, beside Hugging Face's Trainer."""
    data.prepare_blocks()
    sizes = QUICK_STEPS if options.quick else STEPS
    with (
        Worker("benchmarks.ours", options.threads) as ours,
        Worker("benchmarks.peers.hugging_face", options.threads, peers_python()) as peer,
    ):
        return [found for arch in sizes for found in _rows(options, ours, peer, arch, sizes[arch])]


def _rows(options: Options, ours: Worker, peer: Worker, arch: str, steps: int) -> list[Row]:
    variants = ["defaults"] if options.quick else list(PEERS)
    own = {"work": "mlm", "arch": arch, "corpus": f"steps-{steps}"}
    theirs = {"work": "mlm", "arch": arch, "batch": BLOCKS, "epochs": 1, "rate": 1e-4, "seed": 0}
    ours.ask(**{**own, "corpus": f"steps-{min(data.CORPUS_STEPS)}"})
    for variant in variants:
        peer.ask(**theirs, steps=WARM_UP_STEPS, variant=variant)
    sides = {
        PEERS[v]: (ours.side(**own), peer.side(**theirs, steps=steps, variant=v)) for v in variants
    }
    pairs = interleave(sides, options.pairs, options.deadline, options.report)
    work = f"masked LM, {steps} steps of {BLOCKS} x {data.BLOCK} tokens, 30,522 scored"
    return [
        seconds_row(
            work,
            arch,
            name,
            found,
            precision=found[0].ours.more["precision"],
            threads=options.threads,
        )
        for name, found in pairs.items()
    ]


if __name__ == "__main__":
    main()
