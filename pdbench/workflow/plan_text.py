"""A plan as people read it: what it would make, what that costs, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from pdbench.core.words import aligned, byte_size, estimated_duration
from pdbench.planning.machines import Estimate
from pdbench.workflow.plan import DEVICES, Cost, Plan


def as_text(plan: Plan, devices: Sequence[int] = DEVICES) -> str:
    """Return a plan as small tables, with its assumptions named."""
    return "\n".join(
        [*_head(plan), "", *_artefacts(plan), "", *_rules(plan), "", *_wall(plan, devices)]
    )


def _span(estimate: Estimate) -> str:
    """An estimate with its 90% interval, in hours or minutes."""
    low, value, high = (
        estimated_duration(s) for s in (estimate.low, estimate.seconds, estimate.high)
    )
    return "-" if estimate.seconds == 0 else f"{value} ({low} to {high})"


def _head(plan: Plan) -> list[str]:
    totals = f"{len(plan.runs)} cells, {sum(plan.runs.values())} runs"
    machine = plan.machine
    sizes = "assumed from the study" if plan.sizes.uncertainty else "counted by the audit"
    return [
        f"Study {plan.study.name}: {sum(plan.jobs.values())} jobs, {totals}",
        f"Device: {machine.title}; {machine.origin}",
        *(
            f"  {kind:9} {constant.seconds:9.3g} s each: {constant.source}"
            for kind, constant in machine.constants.items()
            if constant.source != machine.origin
        ),
        f"Size of the data: {sizes}. In brackets: 90% intervals.",
    ]


def _artefacts(plan: Plan) -> list[str]:
    rows = [("artefact", "cells", "runs", "own", "shared with others", "disk")]
    for name in plan.study.artefacts:
        own, shared = plan.own(name), plan.shared(name)
        rows.append(
            (
                name,
                str(len(plan.study.artefact_cells(name))),
                str(plan.runs_of(name)),
                _span(own.device),
                _span(shared.device),
                byte_size(own.disk + shared.disk),
            )
        )
    whole = plan.whole
    runs = str(sum(plan.runs.values()))
    rows.append(
        ("together", str(len(plan.runs)), runs, _span(whole.device), "", byte_size(whole.disk))
    )
    return aligned(rows)


def _rules(plan: Plan) -> list[str]:
    head = ("step", "number", f"{_word(plan)} time", "CPU time", "disk")
    rows: list[tuple[str, ...]] = [head]
    rows += [_rule(rule, plan.cost(keys)) for rule, keys in plan.rules.items()]
    return aligned([*rows, _rule("together", plan.whole)])


def _rule(name: str, cost: Cost) -> tuple[str, ...]:
    cpu = estimated_duration(cost.cpu) if cost.cpu else "-"
    return name, str(cost.steps), _span(cost.device), cpu, byte_size(cost.disk)


def _wall(plan: Plan, devices: Sequence[int]) -> list[str]:
    rows = [(f"{_word(plan)}s", "wall time", "free disk needed")]
    rows += [(str(n), _span(plan.wall(n)), byte_size(plan.peak_disk(n))) for n in devices]
    lines = aligned(rows)
    if plan.longest is not None:
        key, seconds = plan.longest
        lines.append(f"The longest job is {key}: {estimated_duration(seconds)}")
    lines.append("Disk is with the states of running jobs; the hub's own caches come on top")
    return lines


def _word(plan: Plan) -> str:
    return "GPU" if plan.machine.kind == "gpu" else "core"
