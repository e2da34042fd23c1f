"""The paper's claims as tests: a table for each figure, of what its claims state.

A test is given published or measured :class:`~pdbench.evidence.views.Numbers`, or those of one
figure, and returns a statement about them. The claim's sentence and its other columns stand in
``config/reference/claims.csv``. ``f.points(4)`` is a magnitude of the paper's numbers that the
sentence does not claim; any other bound is kept at every scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from pdbench.evidence.references import PAPER_SIZES
from pdbench.evidence.statements import (
    Quantity,
    Statement,
    descending,
    every,
    some,
)
from pdbench.evidence.views import Figure, Numbers
from pdbench.study import PAPER_ARCHITECTURES, Architecture

_Test: TypeAlias = Callable[[Numbers], Statement]
_FigureTest: TypeAlias = Callable[[Figure], Statement]


def _ahead(
    n: Numbers, method: str, others: Sequence[str], task: str, split: str, metric: str = "accuracy"
) -> Iterator[Statement]:
    """In table 3 a method is above each of the others on a task."""
    for other in others:
        yield n.score(method, task, split, metric) > n.score(other, task, split, metric)


def _nowhere_below(n: Numbers, method: str, other: str, split: str) -> Statement:
    """In table 3 a method is at least as good as another in every column of a split."""
    return every(
        n.score(method, task, split, metric) >= n.score(other, task, split, metric)
        for task, metric in n.columns(split)
    )


def _meta_score_is_a_mean_over_tasks(n: Numbers) -> Statement:
    rows = {"test": ("tf", "pf", "patient-kd", "pd"), "dev": ("pf", "pd", "distilbert")}
    return every(
        abs(n.meta(method, split) - n.mean_of_tasks(method, split)) <= 0.05
        for split, methods in rows.items()
        for method in methods
    )


_TABLE3: dict[str, _Test] = {
    # PD has the best meta score on test; on dev PD is ahead of PF, and PF of DistilBERT.
    "C01": lambda n: every(
        n.meta("pd", "test") > n.meta(m, "test") for m in ("tf", "pf", "patient-kd")
    ),
    "C02": lambda n: descending(*(n.meta(m, "dev") for m in ("pd", "pf", "distilbert"))),
    # PF competes with Patient KD.
    "C03": lambda n: abs(n.meta("pf", "test") - n.meta("patient-kd", "test")) <= 0.5,
    # Pre-training beats truncation; PD is nowhere below PF on dev, and not best everywhere on test.
    "C04": lambda n: _nowhere_below(n, "pf", "tf", "test"),
    "C05": lambda n: _nowhere_below(n, "pd", "pf", "dev"),
    "C06": lambda n: every(
        _ahead(n, "pf", ["pd"], "sst2", "test"),
        _ahead(n, "pf", ["pd"], "mrpc", "test"),
        _ahead(n, "patient-kd", ("tf", "pf", "pd"), "qnli", "test"),
        _ahead(n, "patient-kd", ("tf", "pf", "pd"), "rte", "test"),
        _ahead(n, "patient-kd", ("tf", "pf", "pd"), "qqp", "test", "f1"),
    ),
    # DistilBERT is best twice on dev.
    "C07": lambda n: every(
        _ahead(n, "distilbert", ("pf", "pd"), "sst2", "dev"),
        _ahead(n, "distilbert", ("pf", "pd"), "qqp", "dev", "f1"),
    ),
    "C08": _meta_score_is_a_mean_over_tasks,
}


def _above(
    f: Figure, method: str, other: str, sizes: Sequence[Architecture]
) -> Iterator[Statement]:
    """In a figure a method is above another at each of these sizes."""
    return (f.acc(method, size) > f.acc(other, size) for size in sizes)


def _gains(f: Figure, method: str, other: str, sizes: Sequence[Architecture]) -> Iterator[Quantity]:
    """By how much a method is above another at each of these sizes."""
    return (f.acc(method, size) - f.acc(other, size) for size in sizes)


def _gains_of_depth(
    f: Figure, methods: Sequence[str], shallow: int, deep: int
) -> Iterator[Quantity]:
    """What a method gains by depth, at each width."""
    for method in methods:
        for less, more in f.across_widths(shallow, deep):
            yield f.acc(method, more) - f.acc(method, less)


def _truncation_costs_less_with_depth(f: Figure) -> Statement:
    tiny, mini = f.from_shallow_to_deep("Tiny", "Mini")
    small, medium, base = f.from_shallow_to_deep("Small", "Medium", "Base")
    for shallow, deep in (("Tiny", "Small"), ("Mini", "Medium")):
        f.from_shallow_to_deep(shallow, deep)

    def gap(size: Architecture) -> Quantity:
        return f.acc("pd", size) - f.acc("pd-truncated", size)

    return every(
        gap(tiny) >= f.points(4),
        descending(gap(tiny), gap(mini), gap(medium)),
        descending(gap(tiny), gap(small), gap(medium), gap(base)),
        abs(gap(base)) <= 0.2,
    )


_FIGURE5: dict[str, _FigureTest] = {
    # Starts rank by what is pre-trained.
    "C09": lambda f: every(
        descending(
            *(f.acc(m, size) for m in ("pd", "pd-truncated", "pd-embeddings", "d")), ties=True
        )
        for size in f.named
    ),
    "C10": _truncation_costs_less_with_depth,
    # Pre-trained embeddings are not enough.
    "C11": lambda f: every(g >= f.points(5) for g in _gains(f, "pd", "pd-embeddings", f.named)),
    # Size helps little without pre-training.
    "C12": lambda f: every(
        f.acc("pd-embeddings", "Base") - f.acc("pd-embeddings", "Small") <= 1.5,
        f.acc("d", "Base") - f.acc("d", "Small") <= 1.5,
        f.acc("pd", "Base") - f.acc("pd", "Small") >= f.points(3),
    ),
}


def _deep_and_narrow_beats_shallow_and_wide(f: Figure) -> Statement:
    return every(
        f.acc("pd", f.like("6/128")) > f.acc("pd", f.like("2/512")),
        f.acc("pd", f.like("12/256")) > f.acc("pd", f.like("2/768")),
        f.acc("pf", f.like("12/256")) > f.acc("pf", f.like("2/768")),
    )


_FIGURE6: dict[str, _FigureTest] = {
    # PD beats PF, PF distillation but for the thinnest, and distillation basic training.
    "C13": lambda f: every(_above(f, "pd", "pf", f.sizes)),
    "C14": lambda f: every(_above(f, "pf", "d", f.sizes[2:])),
    "C15": lambda f: every(_above(f, "d", "basic", f.sizes)),
    # No student reaches the teacher, but one comes near.
    "C16": lambda f: every(
        (f.teacher > f.acc("pd", size) for size in f.sizes),
        some(f.teacher - f.acc("pd", size) <= 0.5 for size in f.sizes),
    ),
    # Depth helps pre-trained students, and random starts not.
    "C17": lambda f: every(g >= f.points(1) for g in _gains_of_depth(f, ("pd", "pf"), 2, 6)),
    "C18": lambda f: every(abs(g) <= 0.8 for g in _gains_of_depth(f, ("d", "basic"), 2, 6)),
    "C19": _deep_and_narrow_beats_shallow_and_wide,
    "C20": _deep_and_narrow_beats_shallow_and_wide,
    # Six layers have most of the gain.
    "C21": lambda f: every(abs(g) <= 1.3 for g in _gains_of_depth(f, ("pd",), 6, 12)),
}


def _shortfall(f: Figure, method: str, size: str, transfer: int) -> Quantity:
    """By how much the teacher is above a student with so many transfer items."""
    return f.teacher - f.acc(method, size, transfer=transfer)


def _little_transfer_data_hurts_distillation_alone(f: Figure) -> Statement:
    pd, d = (f.acc(method, "Mini", transfer=f.transfers[0]) for method in ("pd", "d"))
    return descending(pd, f.acc("basic", "Mini"), d)


_FIGURE8: dict[str, _FigureTest] = {
    # PD is robust to the size of the transfer set.
    "C22": lambda f: every(
        f.acc("pd", "Mini", transfer=size) > f.acc("d", other, transfer=size)
        for size in f.transfers
        for other in ("Mini", "Base")
    ),
    # Distillation needs much transfer data; PD matches the teacher with less.
    "C23": lambda f: every(
        _shortfall(f, "d", "Base", 8_000_000) <= 0.5, _shortfall(f, "d", "Base", 5_000_000) >= 1.0
    ),
    "C24": lambda f: _shortfall(f, "pd", "Mini", 5_000_000) <= 0.3,
    # More transfer data never hurts.
    "C25": lambda f: every(
        f.acc(method, size, transfer=more) - f.acc(method, size, transfer=less) >= -0.1
        for method, size in f.series
        for less, more in pairwise(f.transfers)
    ),
    "C26": _little_transfer_data_hurts_distillation_alone,
    # PD needs a tenth of the size.
    "C37": lambda f: every(
        _shortfall(f, "pd", "Mini", 8_000_000) <= 0.3, _shortfall(f, "d", "Base", 8_000_000) <= 0.5
    ),
}


def _distillation_needs_the_domain(f: Figure) -> Statement:
    lowest = f.similarity(0.43)
    return every(
        (
            f.acc("d", similarity=more) > f.acc("d", similarity=less)
            for less, more in pairwise(f.similarities)
        ),
        f.acc("d", similarity=lowest) < f.acc("basic"),
    )


def _pd_f_is_most_robust_to_domain(f: Figure) -> Statement:
    lowest, highest = f.similarities[0], f.similarities[-1]

    def drop(method: str) -> Quantity:
        return f.acc(method, similarity=highest) - f.acc(method, similarity=lowest)

    return descending(drop("d"), drop("pd"), drop("pd-f"))


def _finetuning_helps_out_of_domain_alone(f: Figure) -> Statement:
    *outside, inside = f.similarities
    return every(
        (f.acc("pd-f", similarity=s) > f.acc("pd", similarity=s) for s in outside),
        f.acc("pd-f", similarity=inside) - f.acc("pd", similarity=inside) <= 0.1,
    )


def _pd_is_below_pf_at_lowest_similarity_alone(f: Figure) -> Statement:
    lowest, *others = f.similarities
    return every(
        f.acc("pd", similarity=lowest) < f.acc("pf"),
        (f.acc("pd", similarity=s) > f.acc("pf") for s in others),
        (f.acc("pd-f", similarity=s) > f.acc("pf") for s in f.similarities),
    )


_FIGURE9: dict[str, _FigureTest] = {
    # PD beats distillation in every domain.
    "C27": lambda f: every(
        f.acc(method, similarity=s) > f.acc("d", similarity=s)
        for s in f.similarities
        for method in ("pd", "pd-f")
    ),
    "C28": _distillation_needs_the_domain,
    "C29": _pd_f_is_most_robust_to_domain,
    "C30": _finetuning_helps_out_of_domain_alone,
    "C31": _pd_is_below_pf_at_lowest_similarity_alone,
}

_FIGURE10: dict[str, _FigureTest] = {
    # Pre-training and distillation on the same data add up, by two points.
    "C32": lambda f: every(descending(*(f.acc(m, s) for m in ("pd", "pf", "d"))) for s in f.named),
    "C33": lambda f: every(gain >= 1.5 for gain in _gains(f, "pd", "pf", f.named)),
}


def _general_text_is_better_than_task_text(n: Numbers) -> Statement:
    general, same = n.figure("figure5", tag="figure5"), n.figure("figure10", tag="figure10")
    return every(
        general.acc("pd", size) - same.acc("pd", size) >= n.points(3) for size in general.named
    )


def _two_figures_show_one_distillation(n: Numbers) -> Statement:
    one, other = n.figure("figure5", tag="figure5"), n.figure("figure10", tag="figure10")
    return every(abs(one.acc("d", size) - other.acc("d", size)) <= 0.15 for size in one.named)


def _pf_beats_distillation_on_moderate_transfer(n: Numbers) -> Statement:
    figures = (n.figure("figure7", task, tag=task) for task in ("mnli", "rte"))
    return every(part for f in figures for part in _above(f, "pf", "d", f.named))


def _pd_beats_three_baselines(n: Numbers) -> Statement:
    return every(
        f.acc("pd", size) >= f.acc(baseline, size)
        for f in (n.figure("figure7", task, tag=task) for task in n.tasks("figure7"))
        for size in f.named
        for baseline in ("pf", "d", "basic")
    )


def _speed_falls_with_depth_and_width(n: Numbers) -> Statement:
    columns = (
        [size for size in PAPER_ARCHITECTURES if size.hidden == hidden]
        for hidden in dict.fromkeys(size.hidden for size in PAPER_ARCHITECTURES)
    )
    parts: list[Statement] = []
    for sizes in columns:
        scaled = [_speed(n, size) * size.layers for size in sizes]
        average = Quantity.mean(scaled, "mean")
        parts += [speed <= average * 1.04 for speed in scaled]
        parts += [speed >= average * 0.96 for speed in scaled]
    return every(parts, _speed(n, Architecture(2, 512)) > _speed(n, Architecture(12, 256)))


def _pretraining_lifts_the_reduction_tenfold(n: Numbers) -> Statement:
    base, mini = PAPER_SIZES["Base"], PAPER_SIZES["Mini"]
    large = n.value("params_millions", "figure8", method="teacher")

    def of_abstract(metric: str, method: str) -> Quantity:
        return n.value(metric, "abstract_v1", method=method)

    def excess(method: str, size: Architecture) -> Quantity:
        return large - of_abstract("size_reduction_x", method) * _millions(size)

    return every(
        abs(excess("d", base)) <= 0.05 * _millions(base),
        abs(excess("pd", mini)) <= 1 * _millions(mini),
        abs(_speed(n, base) - of_abstract("TPU_speedup_x", "d")) <= 0.005,
        abs(_speed(n, mini) - of_abstract("TPU_speedup_x", "pd")) <= 0.5,
    )


def _speed(n: Numbers, size: Architecture) -> Quantity:
    return n.value("speedup_vs_BERT_LARGE_TPUv2", size=size)


def _glue(n: Numbers, method: str, name: str) -> Quantity:
    return n.value("glue_score", "released_models", size=PAPER_SIZES[name], method=method)


def _millions(size: Architecture) -> float:
    return size.parameters() / 1e6


_OTHERS: dict[str, _Test] = {
    "C34": _general_text_is_better_than_task_text,
    "C35": _two_figures_show_one_distillation,
    "C36": _pf_beats_distillation_on_moderate_transfer,
    "C38": _pd_beats_three_baselines,
    # Parameters are as printed.
    "C39": lambda n: every(
        abs(n.value("params_millions", size=size) - _millions(size)) <= 0.1
        for size in PAPER_ARCHITECTURES
    ),
    "C40": _speed_falls_with_depth_and_width,
    "C41": _pretraining_lifts_the_reduction_tenfold,
    # The GLUE score grows with the size of the released models, and by distillation.
    "C42": lambda n: descending(*(_glue(n, "pf", s) for s in ("Medium", "Small", "Mini", "Tiny"))),
    "C43": lambda n: every(
        _glue(n, "pd", s) > _glue(n, "pf", s) for s in ("Tiny", "Mini", "Small", "Medium")
    ),
    # PD is robust to the size and the domain of the transfer set.
    "C44": lambda n: every(TESTS["C22"](n), TESTS["C29"](n)),
}


def _of(figure: str, tests: dict[str, _FigureTest]) -> dict[str, _Test]:
    """The tests of a figure's numbers, as tests of all numbers."""

    def on(test: _FigureTest) -> _Test:
        return lambda n: test(n.figure(figure))

    return {name: on(test) for name, test in tests.items()}


_ALL: dict[str, _Test] = {
    **_TABLE3,
    **_of("figure5", _FIGURE5),
    **_of("figure6", _FIGURE6),
    **_of("figure8", _FIGURE8),
    **_of("figure9", _FIGURE9),
    **_of("figure10", _FIGURE10),
    **_OTHERS,
}
TESTS: dict[str, _Test] = dict(sorted(_ALL.items()))
"""The test of every claim by its id."""
