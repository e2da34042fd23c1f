"""What each method does, step by step: a table, and the diagram of Figure 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from pdbench.artefacts import style
from pdbench.artefacts.context import Context
from pdbench.artefacts.tables import Drawn, Row, Table
from pdbench.core.words import shortened
from pdbench.study import Method, Stage
from pdbench.study.methods import CustomObjective, StageData

if TYPE_CHECKING:
    from pdbench.methods.objective import Objective, PretrainingObjective


@dataclass(frozen=True)
class _Step:
    """One step on the way to a student, with its name and its colour in the diagram."""

    kind: str  # initialisation, objective or class of an objective of its own
    name: str
    short: str
    tint: str
    data: str = ""  # what it reads: D_LM, D_T, D_L or nothing
    loss: str = ""
    teacher: str = ""  # what the teacher must expose, if it is asked


_LM = ("D_LM", "masked-LM cross-entropy (fitting: squared error)")
_SOFT = ("D_T", "cross-entropy with the teacher's soft labels", "class probabilities")
_HARD = ("D_L", "cross-entropy with the labels")
_KNOWN = (
    _Step("random", "Random weights", "random", "#F1F1F1"),
    _Step("embeddings", "Pre-trained word embeddings only", "word embeddings", "#E3EEF6", *_LM),
    _Step("truncated", "First layers of a deeper pre-trained model", "truncated", "#CFE3F1", *_LM),
    _Step("pretrained", "Pre-training at its own size", "pre-trained", "#A9CFE8", *_LM),
    _Step("distill", "Distillation", "distil", "#B5DFD0", *_SOFT),
    _Step("finetune", "Fine-tuning", "fine-tune", "#F8DDA6", *_HARD),
)
_STEPS = {step.kind: step for step in _KNOWN}

_DATA = {
    "D_LM": "unlabelled general text",
    "D_T": "unlabelled task text (transfer set)",
    "D_L": "labelled set",
}
_OF_STAGE: dict[StageData, str] = {"transfer": "D_T", "labelled": "D_L"}
_TABLE_CAPTION = (
    "Methods side by side, from their definitions in config/methods.yaml: what the student's "
    "weights begin as, the training stages that follow, the loss of each, the data that it "
    "reads, and what the teacher must expose. "
    f"{'; '.join(f'{name}: {meaning}' for name, meaning in _DATA.items())}. "
    "Distillation by itself has no temperature and no hard labels; stages that share the updates "
    "of one data set have as many together as a method of one stage. What is not as in the paper "
    "that a method is from is a line each."
)
_COLUMNS = ("Method", "Id", "Begins as", "Stages", "Losses", "Data", "Teacher exposes")
_DIFFERS = "Differs from its paper"

_FIGURE_CAPTION = (
    "Pre-trained distillation, drawn from config/methods.yaml. Above: the student is pre-trained "
    "on unlabelled text, distilled from a large fine-tuned teacher on unlabelled task text and, "
    "optionally (dashed), fine-tuned on the labelled set. Below: every method of the study as "
    "the same kinds of steps."
)
_SHOWN, _OPTIONAL = "pd", "pd-f"
_STEP = 3.0
_WIDTH, _HEIGHT = 2.2, 0.95
_LANE = 0.5
_LANES_LEFT, _CHIP = 4.1, 1.75
_NAME = 44  # characters of a method's name that stand beside its lane


def _draw_table(context: Context) -> Drawn:
    """Write one row a method, in the order of the file, and one for each of its differences."""
    methods = context.study.methods
    rows = tuple(_cells(name, method) for name, method in methods.items())
    plain: list[Row] = [
        {**dict(zip(_COLUMNS, row, strict=True)), _DIFFERS: "; ".join(_differences(method))}
        for row, method in zip(rows, methods.values(), strict=True)
    ]
    table = Table("Methods", _COLUMNS, rows, align="l" * len(_COLUMNS))
    lines = tuple(_lines(methods.values()))
    notes = [Table(_DIFFERS, ("Method", _DIFFERS), lines, align="ll")] if lines else []
    return Drawn(plain, _TABLE_CAPTION, [table, *notes])


def _lines(methods: Iterable[Method]) -> Iterator[tuple[str, str]]:
    """Names and a difference of methods, once for those that have the same ones."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for method in methods:
        alike.setdefault(_differences(method), []).append(method.name)
    for differences, names in alike.items():
        yield from ((", ".join(names), line) for line in differences)


def _differences(method: Method) -> tuple[str, ...]:
    """What of a method is not as in its paper, as its objectives say."""
    own: list[Stage | CustomObjective] = [stage for stage in method.stages if stage.is_custom]
    own += [method.pretraining] if method.pretraining else []
    return tuple(line for one in own for line in _class_of(one).differs)


def _cells(name: str, method: Method) -> tuple[str, ...]:
    start, *stages = _steps(method)
    data = [step.data for step in (start, *stages) if step.data]
    losses = [start.loss] if method.pretraining else []
    losses += [stage.loss for stage in stages]
    exposed = [step.teacher for step in (start, *stages) if step.teacher]
    return (
        method.name,
        name,
        start.name,
        ", then ".join(stage.name.lower() for stage in stages),
        ", then ".join(losses),
        ", ".join(dict.fromkeys(data)),
        ", ".join(dict.fromkeys(exposed)) or "nothing",
    )


def _steps(method: Method) -> Iterator[_Step]:
    """The steps of a method from its definition, in order."""
    yield _start(method)
    for stage in method.stages:
        step = _own(stage) if stage.is_custom else _STEPS[stage.objective]
        share = "" if stage.share == 1 else f" ({stage.share:.0%} of the updates)"
        yield replace(step, name=step.name + share)


def _start(method: Method) -> _Step:
    step = _STEPS[method.initialisation]
    if method.pretraining is None:
        return step
    found, kind = _class_of(method.pretraining), method.pretraining.name
    return _Step(kind, found.title, kind, "white", step.data, found.formula, found.exposes)


def _own(stage: Stage) -> _Step:
    found, data = _class_of(stage), _OF_STAGE[stage.data]
    return _Step(stage.name, found.title, stage.name, "white", data, found.formula, found.exposes)


def _class_of(named: Stage | CustomObjective) -> type[Objective] | type[PretrainingObjective]:
    """The class of an objective of one's own."""
    from pdbench.methods import objective  # and torch, only for methods that have one

    base = objective.Objective if isinstance(named, Stage) else objective.PretrainingObjective
    return base.named(named.objective)


def _draw_diagram(context: Context) -> Drawn:
    """Draw the diagram of pre-trained distillation above the lanes of all methods."""
    methods = context.study.methods
    lanes = 0.25 * len(methods)
    with style.page_wide(2.75 + lanes) as figure:
        upper, lower = figure.subplots(2, 1, height_ratios=(2.7, lanes))
        _draw_method(upper, methods)
        _draw_lanes(lower, methods)
    chains = (
        f"{method.name}: {', then '.join(step.short for step in _steps(method))}"
        for method in methods.values()
    )
    alt = f"Diagram of pre-trained distillation and of every method's steps. {'; '.join(chains)}."
    return Drawn(list(_rows(methods)), _FIGURE_CAPTION, figure=figure, alt=alt)


def _draw_method(axes: Axes, methods: Mapping[str, Method]) -> None:
    chain = list(_steps(methods[_OPTIONAL]))
    always = len(list(_steps(methods[_SHOWN])))
    for i, step in enumerate(chain):
        optional, line = ("\n(optional)", (0, (4, 2))) if i >= always else ("", "-")
        _box(axes, i * _STEP, 0, _wrap(step.name) + optional, step.tint, line=line)
        if step.data:
            _draw_data(axes, i * _STEP, 1.75, step.data)
            _arrow(axes, (i * _STEP, 1.35), (i * _STEP, _HEIGHT / 2))
        if i:
            _arrow(axes, ((i - 1) * _STEP + _WIDTH / 2, 0), (i * _STEP - _WIDTH / 2, 0))
        if step.teacher:
            _draw_teacher(axes, i * _STEP)
    end = len(chain) * _STEP
    _arrow(axes, (end - _STEP + _WIDTH / 2, 0), (end - _WIDTH / 2, 0))
    _box(axes, end, 0, "Compact\nstudent", fontweight="bold")
    axes.set_xlim(-_WIDTH / 2 - 0.1, end + _WIDTH / 2 + 0.1)
    axes.set_ylim(-2.3, 2.3)
    axes.set_axis_off()


def _draw_teacher(axes: Axes, x: float) -> None:
    _box(axes, x, -1.75, "Large teacher,\nfine-tuned", _STEPS["finetune"].tint)
    _arrow(axes, (x, -1.75 + _HEIGHT / 2), (x, -_HEIGHT / 2), "soft labels")
    _draw_data(axes, x - _STEP, -1.75, "D_L")
    _arrow(axes, (x - _STEP + _WIDTH / 2, -1.75), (x - _WIDTH / 2, -1.75))


def _draw_lanes(axes: Axes, methods: Mapping[str, Method]) -> None:
    for lane, (name, method) in enumerate(methods.items()):
        y = -lane * _LANE
        axes.text(0, y, shortened(method.name, _NAME), va="center", fontsize=7.5)
        end = _LANES_LEFT - 0.35
        axes.text(end, y, name, va="center", ha="right", color=style.MUTED, fontsize=7)
        for i, step in enumerate(_steps(method)):
            x, chip = _LANES_LEFT + i * (_CHIP + 0.3), (_CHIP, 0.34)
            _box(axes, x + _CHIP / 2, y, step.short, step.tint, chip, 0.08, fontsize=7)
            if i:
                _arrow(axes, (x - 0.3, y), (x, y))
    axes.set_xlim(-0.1, _LANES_LEFT + 3 * (_CHIP + 0.3))
    axes.set_ylim(-(len(methods) - 0.5) * _LANE, 0.5 * _LANE)
    axes.set_axis_off()


def _draw_data(axes: Axes, x: float, y: float, name: str) -> None:
    text = f"$D_{{{name[2:]}}}$\n{_wrap(_DATA[name])}"
    _box(axes, x, y, text, "white", (_WIDTH, 0.8), 0.4, fontsize=6.6, parse_math=True)


def _box(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    tint: str = "white",
    size: tuple[float, float] = (_WIDTH, _HEIGHT),
    rounding: float = 0.12,
    *,
    line: Any = "-",
    **font: Any,
) -> None:
    """Draw words with a box around them."""
    corner, shape = (x - size[0] / 2, y - size[1] / 2), f"round,pad=0,rounding_size={rounding}"
    look = {"facecolor": tint, "edgecolor": style.MUTED, "lw": 0.8, "ls": line}
    axes.add_patch(FancyBboxPatch(corner, *size, shape, **look))
    axes.text(x, y, text, ha="center", va="center", **{"fontsize": 7.8, **font})


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = ""
) -> None:
    arrow = {"arrowstyle": "-|>", "color": style.MUTED, "lw": 1.0, "shrinkA": 1, "shrinkB": 1}
    axes.annotate("", xy=end, xytext=start, arrowprops=arrow)
    if text:
        middle = (start[0] + 0.12, (start[1] + end[1]) / 2)
        axes.text(*middle, text, va="center", fontsize=6.8, color=style.MUTED)


def _wrap(text: str) -> str:
    spaces = [i for i, character in enumerate(text) if character == " "]
    if len(text) < 16 or not spaces:
        return text
    at = min(spaces, key=lambda i: abs(i - len(text) / 2))
    return f"{text[:at]}\n{text[at + 1 :]}"


def _rows(methods: Mapping[str, Method]) -> Iterator[Row]:
    for name, method in methods.items():
        for position, step in enumerate(_steps(method)):
            row: Row = {"method": name, "name": method.name, "position": position}
            yield {**row, "step": step.kind, "data": step.data, "loss": step.loss}


DRAWINGS = {"figure1": _draw_diagram, "methods": _draw_table}
