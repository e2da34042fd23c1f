"""A plan as people read it: what it would make, what that costs, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from pdbench.planning.machines import Estimate
from pdbench.workflow.plan import DEVICES, HOUR, Cost, Plan

_MINUTE = 60.0
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def as_text(plan: Plan, devices: Sequence[int] = DEVICES) -> str:
    """Return a plan as small tables, with its assumptions named."""
    return "\n".join(
        [*_head(plan), "", *_artefacts(plan), "", *_rules(plan), "", *_wall(plan, devices)]
    )


def span(estimate: Estimate) -> str:
    """An estimate with its 90% interval, in hours or minutes."""
    low, value, high = (duration(s) for s in (estimate.low, estimate.seconds, estimate.high))
    return "-" if estimate.seconds == 0 else f"{value} ({low} to {high})"


def duration(seconds: float) -> str:
    """A duration with two digits: minutes below two hours, else hours."""
    if seconds < 2 * HOUR:
        return f"{_short(seconds / _MINUTE)} min"
    return f"{_short(seconds / HOUR)} h"


def size(count: float) -> str:
    """A number of bytes with two digits."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{_short(count)} {_UNITS[unit]}"


def _short(value: float) -> str:
    """Two significant digits, and all digits before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


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
                span(own.device),
                span(shared.device),
                size(own.disk + shared.disk),
            )
        )
    whole = plan.whole
    runs = str(sum(plan.runs.values()))
    rows.append(("together", str(len(plan.runs)), runs, span(whole.device), "", size(whole.disk)))
    return columns(rows)


def _rules(plan: Plan) -> list[str]:
    head = ("step", "number", f"{_word(plan)} time", "CPU time", "disk")
    rows: list[tuple[str, ...]] = [head]
    rows += [_rule(rule, plan.cost(keys)) for rule, keys in plan.rules.items()]
    return columns([*rows, _rule("together", plan.whole)])


def _rule(name: str, cost: Cost) -> tuple[str, ...]:
    cpu = duration(cost.cpu) if cost.cpu else "-"
    return name, str(cost.steps), span(cost.device), cpu, size(cost.disk)


def _wall(plan: Plan, devices: Sequence[int]) -> list[str]:
    rows = [(f"{_word(plan)}s", "wall time", "free disk needed")]
    rows += [(str(n), span(plan.wall(n)), size(plan.peak_disk(n))) for n in devices]
    lines = columns(rows)
    if plan.longest is not None:
        key, seconds = plan.longest
        lines.append(f"The longest job is {key}: {duration(seconds)}")
    lines.append("Disk is with the states of running jobs; the hub's own caches come on top")
    return lines


def _word(plan: Plan) -> str:
    return "GPU" if plan.machine.kind == "gpu" else "core"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align rows of words: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        numbers = [word.rjust(width) for word, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *numbers]).rstrip())
    return lines
