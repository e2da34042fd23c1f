"""Training on a GPU: its speed, and the device's constants for `pdbench plan --device`.

Needs torch, numpy, safetensors and pydantic alone, and no network: texts are invented. Where this
Python has transformers and accelerate too, HF Trainer trains beside ours on the same card.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import pieces
from benchmarks.harness import Cost, Worker
from benchmarks.rows import Row, row
from pdbench.core.errors import PdbenchError, UsageError
from pdbench.core.files import write_json
from pdbench.engine.device import use_gpu
from pdbench.ops.calibration import Observation, fitted
from pdbench.planning.costs import Seen, Work, classifier, masked_lm
from pdbench.planning.machines import H100, LAPTOP, Machine
from pdbench.study import ROOT, Architecture
from pdbench.study.settings import Pretraining

SIZES = ("2/128", "4/256", "8/512", "12/768")
SECONDS, QUICK_SECONDS = 3.0, 0.8
"""How long one measurement lasts, roughly."""

PROBE = 12
"""Steps of the short training before it, which warms up and says how many last so long."""

SENTENCES = 32
"""Sentences of a step of fine-tuning."""

BLOCKS = {True: 512, False: 8}
"""Blocks of a step of masked LM, on a GPU and on a CPU: 65,536 pieces, and 1,024."""

PEAK = {True: 8192, False: 1024}
"""Rows of the square matrices whose product is the best that the device does."""

RUN_STEPS = 3 * 8192 // SENTENCES
"""Steps of what is called a run: three epochs over 8,192 sentences."""

TOGETHER = (2, 4)
"""Processes that share the card, for sizes that leave it idle alone."""

PEERS = "benchmarks.peers.hugging_face_gpu"
PEER = "HF Trainer, tuned (bf16, fused AdamW, group_by_length)"


class Bench:
    """The measurements of one card, and what they say of its constants."""

    def __init__(self, seconds: float, processes: int) -> None:
        self.rows: list[Row] = []
        self.seen: list[Observation] = []
        self.device, self._peak = "", 0.0
        self._seconds, self._began = seconds, time.monotonic()
        self._stack = ExitStack()
        self._ours = [self._worker("benchmarks.ours_gpu", n) for n in range(processes)]
        found = all(importlib.util.find_spec(name) for name in ("transformers", "accelerate"))
        self._peer = self._worker(PEERS) if found else None
        if not found:
            self._say("no transformers and accelerate here: HF Trainer is left out")

    def _worker(self, module: str, number: int = 0) -> Worker:
        return self._stack.enter_context(Worker(module, 1, None, number, gpu=True))

    def _say(self, line: str) -> None:
        print(f"{time.monotonic() - self._began:6.0f} s  {line}", file=sys.stderr, flush=True)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def start(self) -> None:
        """Time a process from its start to its first step, and the card's best product."""
        first = self._ours[0].ask(work="finetune", arch=SIZES[0], steps=1, batch=SENTENCES)
        self.device = str(first.more["device"])
        seconds = time.monotonic() - self._began
        self.seen.append(Observation("start", Work(starts=1), seconds, self.device))
        self._peak = float(self._ours[0].ask(work="peak", size=PEAK[use_gpu()]).more["peak"])
        self._say(f"first step after {seconds:.1f} s; {self._peak / 1e12:.1f} TFLOP/s at best")

    def speed(self, work: str, arch: str) -> None:
        """Time one kind of training at one size, beside the peer where there is one."""
        asked = {"work": work, "arch": arch, "batch": _batch(work)}
        own = self._timed(self._ours[0], asked)
        more = own.more
        done = _work_of(work, arch, more, padded=False).products
        self.seen.append(
            Observation(f"{work} {arch}", _work_of(work, arch, more), more["seconds"], self.device)
        )
        steps = more["steps"] / more["seconds"]
        about = {
            "pieces_a_second": more["pieces"] / more["seconds"],
            "steps_a_second": steps,
            "runs_an_hour": 3600 * steps / RUN_STEPS if work == "finetune" else None,
            "precision": more["precision"],
            "padding": more["padding"],
            "gpu_memory_mb": more["gpu_memory_mb"],
        }
        values = [(done / more["seconds"] / 1e12, self._peak / 1e12)]
        self._add(row(_named(work), arch, "the bf16 peak", values, "our TFLOP/s / peak", **about))
        if self._peer is not None:
            peer = self._timed(self._peer, asked)
            values = [(more["pieces"] / own.wall, peer.more["pieces"] / peer.wall)]
            self._add(row(_named(work), arch, PEER, values, "our pieces a second / peer's"))

    def together(self, arch: str) -> None:
        """Compare the runs an hour of several processes on the card with those of one."""
        asked = {"work": "finetune", "arch": arch, "batch": SENTENCES}
        alone = self._timed(self._ours[0], asked)
        steps, rate = alone.more["steps"], alone.more["steps"] / alone.more["seconds"]
        for worker in self._ours[1:]:
            worker.ask(**asked, steps=PROBE)
        for processes in [n for n in TOGETHER if n <= len(self._ours)]:
            with ThreadPoolExecutor() as pool:
                chosen = self._ours[:processes]
                found = list(pool.map(lambda worker: worker.ask(**asked, steps=steps), chosen))
            shared = sum(cost.more["steps"] / cost.more["seconds"] for cost in found)
            values = [(3600 * shared / RUN_STEPS, 3600 * rate / RUN_STEPS)]
            work = f"{processes} processes at once, {_named('finetune')}"
            self._add(row(work, arch, "one process", values, "our runs an hour / one's"))

    def machine(self) -> Machine:
        """The device, with constants fitted to all that was timed."""
        prior = H100 if use_gpu() else LAPTOP
        name = "-".join(self.device.lower().split())
        own = replace(prior, name=name, title=f"one {self.device}")
        return fitted(own, self.seen, "python -m benchmarks.gpu")

    def _timed(self, worker: Worker, asked: dict[str, Any]) -> Cost:
        probe = worker.ask(**asked, steps=PROBE)
        again = worker.ask(**asked, steps=PROBE)  # the first paid for what is set up once
        lasted = min(c.more.get("seconds", c.wall) for c in (probe, again)) / PROBE
        return worker.ask(**asked, steps=max(PROBE, round(self._seconds / lasted)))

    def _add(self, found: Row) -> None:
        self.rows.append(found)
        self._say(
            f"{found.work}, {found.arch}, {found.peer}: {found.measure} "
            f"{found.ours:.4g} / {found.theirs:.4g}"
        )


def _batch(work: str) -> int:
    return SENTENCES if work == "finetune" else BLOCKS[use_gpu()]


def _named(work: str) -> str:
    if work == "finetune":
        return f"fine-tuning, batch {SENTENCES}"
    return f"masked LM, {_batch(work) * pieces.LONGEST:,} pieces a step"


def _work_of(work: str, arch: str, more: Any, *, padded: bool = True) -> Work:
    """What a timed training computed, as plans count it."""
    positions = more["pieces"] / (1 - more["padding"] if padded else 1)
    size, distinct = Architecture.parse(arch), more["distinct"]
    seen = Seen(more["steps"], more["items"], positions, distinct)
    if work == "finetune":
        return classifier(size, seen)
    return masked_lm(size, seen, Pretraining().masked, distinct)


def measure(sizes: Sequence[str], seconds: float, processes: int) -> tuple[list[Row], Machine]:
    """Measure everything at some sizes."""
    with Bench(seconds, processes) as bench:
        bench.start()
        for arch in sizes:
            for work in ("finetune", "mlm"):
                bench.speed(work, arch)
        for arch in sizes[:2]:
            bench.together(arch)
        return bench.rows, bench.machine()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the rows, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter measurements")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--device", type=Path, help="write the device for pdbench plan --device")
    parser.add_argument("--size", nargs="+", default=SIZES, help="sizes L/H")
    parser.add_argument("--processes", type=int, default=max(TOGETHER), help="on the card at most")
    asked = parser.parse_args(arguments)
    files = [path and path.absolute() for path in (asked.json, asked.device)]
    os.chdir(ROOT)
    try:
        if not use_gpu() and os.environ.get("PDBENCH_DEVICE") != "cpu":
            remedy = "run on a machine with one, or set PDBENCH_DEVICE=cpu to measure the CPU"
            raise UsageError("no GPU that torch can use", remedy)
        seconds = QUICK_SECONDS if asked.quick else SECONDS
        rows, machine = measure(asked.size, seconds, asked.processes)
    except PdbenchError as error:
        sys.exit(f"benchmarks.gpu: error: {error}")
    for path, content in zip(files, ([r.as_json() for r in rows], machine.as_json()), strict=True):
        if path is not None:
            write_json(path, content)
    print(json.dumps(machine.as_json(), indent=2))


if __name__ == "__main__":
    main()
