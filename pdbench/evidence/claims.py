"""The paper's claims as tests: one short function each, named by what the claim says.

A claim is given published or measured :class:`~pdbench.evidence.views.Numbers` and returns a
statement about them that says its sentence, no more and no less: ``across`` where it speaks of
every size, task or domain, the mean where it says what is better in general, and one-sided where
it is. The sentence and its other columns stand in ``config/reference/claims.csv``. "Clearly" is
``n.points(1)``, a magnitude of the paper's numbers; any other bound is kept at every scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, product
from typing import Any, TypeAlias

from pdbench.evidence.references import PAPER_SIZES
from pdbench.evidence.statements import (
    Quantity,
    Statement,
    Untestable,
    across,
    descending,
    every,
    some,
)
from pdbench.evidence.views import Figure, Numbers, short_name
from pdbench.study import PAPER_ARCHITECTURES, Architecture

_Test: TypeAlias = Callable[[Any], Statement]

_MATCHED = 0.5  # points below the teacher at which a student matches it
_SEVERAL = 3  # times as many parameters are several times as many
_AS_LARGE = 1.1  # times as many parameters are nearly the same

TESTS: dict[str, _Test] = {}
"""The test of every claim by its id."""


def _claim(*ids: str, of: str = "") -> Callable[[_Test], _Test]:
    """Register a test of all numbers, or of one figure's, for the claims of these ids."""

    def register(test: _Test) -> _Test:
        own = (lambda n: test(n.figure(of))) if of else test
        TESTS.update(dict.fromkeys(ids, own))
        return test

    return register


def _ahead(
    n: Numbers, method: str, others: Sequence[str], task: str, split: str, metric: str = "accuracy"
) -> Iterator[Statement]:
    """In table 3 a method is above each of the others on a task."""
    for other in others:
        yield n.score(method, task, split, metric) > n.score(other, task, split, metric)


def _above(
    f: Figure, method: str, other: str, sizes: Sequence[Architecture] | None = None
) -> Statement:
    """In a figure a method is above another across these sizes, or all named ones."""
    return across(f.acc(method, size) > f.acc(other, size) for size in sizes or f.named)


def _gains(f: Figure, method: str, other: str) -> Iterator[Quantity]:
    """By how much a method is above another at each named size."""
    return (f.acc(method, size) - f.acc(other, size) for size in f.named)


def _gains_of_depth(f: Figure, method: str, shallow: int, deep: int) -> Iterator[Quantity]:
    """What a method gains by depth, at each width."""
    for less, more in f.across_widths(shallow, deep):
        yield f.acc(method, more) - f.acc(method, less)


def _gain_of_depth(f: Figure, method: str, shallow: int, deep: int) -> Quantity:
    """What a method gains by depth, in the mean over widths."""
    name = f"{short_name(method)} gain of {deep} over {shallow} layers"
    return Quantity.mean(_gains_of_depth(f, method, shallow, deep), name)


def _deep_and_wide(sizes: Iterable[Architecture]) -> list[tuple[Architecture, Architecture]]:
    """Pairs of nearly as many parameters, one deeper and narrower than the other."""
    pairs = [
        (deep, wide)
        for deep, wide in product(tuple(sizes), repeat=2)
        if deep.layers > wide.layers and deep.hidden < wide.hidden
        if 1 / _AS_LARGE <= deep.parameters() / wide.parameters() <= _AS_LARGE
    ]
    if not pairs:
        raise Untestable("no deep and narrow size here has as many parameters as a wide one")
    return pairs


def _shortfall(f: Figure, method: str, size: str, transfer: int) -> Quantity:
    """By how much the teacher is above a student with so many transfer items."""
    return f.teacher - f.acc(method, size, transfer=transfer)


def _drop_of_size(f: Figure, method: str) -> Quantity:
    """What Mini loses from the largest to the smallest transfer set."""
    least, most = f.transfers[0], f.transfers[-1]
    return f.acc(method, "Mini", transfer=most) - f.acc(method, "Mini", transfer=least)


def _drop_of_domain(f: Figure, method: str) -> Quantity:
    """What a method loses from the highest to the lowest similarity."""
    lowest, highest = f.similarities[0], f.similarities[-1]
    return f.acc(method, similarity=highest) - f.acc(method, similarity=lowest)


@_claim("C01")
def _pd_has_best_test_meta(n: Numbers) -> Statement:
    return every(n.meta("pd", "test") > n.meta(m, "test") for m in ("tf", "pf", "patient-kd"))


@_claim("C02")
def _pd_then_pf_have_best_dev_meta(n: Numbers) -> Statement:
    return descending(*(n.meta(m, "dev") for m in ("pd", "pf", "distilbert")))


@_claim("C03")
def _pf_competes_with_patient_kd(n: Numbers) -> Statement:
    return n.meta("patient-kd", "test") - n.meta("pf", "test") <= 0.5


@_claim("C04")
def _pretraining_beats_truncation(n: Numbers) -> Statement:
    return n.mean_of_columns("pf", "test") > n.mean_of_columns("tf", "test")


@_claim("C05")
def _pd_is_nowhere_below_pf_on_dev(n: Numbers) -> Statement:
    return across(
        n.score("pd", task, "dev", metric) >= n.score("pf", task, "dev", metric)
        for task, metric in n.columns("dev")
    )


@_claim("C06")
def _pd_is_not_best_everywhere_on_test(n: Numbers) -> Statement:
    others = ("tf", "pf", "pd")
    return every(
        _ahead(n, "pf", ["pd"], "sst2", "test"),
        _ahead(n, "pf", ["pd"], "mrpc", "test"),
        _ahead(n, "patient-kd", others, "qnli", "test"),
        _ahead(n, "patient-kd", others, "rte", "test"),
        _ahead(n, "patient-kd", others, "qqp", "test", "f1"),
    )


@_claim("C07")
def _distilbert_is_best_twice_on_dev(n: Numbers) -> Statement:
    others = ("pf", "pd")
    return every(
        _ahead(n, "distilbert", others, "sst2", "dev"),
        _ahead(n, "distilbert", others, "qqp", "dev", "f1"),
    )


@_claim("C08")
def _meta_score_is_a_mean_over_tasks(n: Numbers) -> Statement:
    rows = {"test": ("tf", "pf", "patient-kd", "pd"), "dev": ("pf", "pd", "distilbert")}
    return every(
        abs(n.meta(method, split) - n.mean_of_tasks(method, split)) <= 0.05
        for split, methods in rows.items()
        for method in methods
    )


@_claim("C09", of="figure5")
def _starts_rank_by_what_is_pretrained(f: Figure) -> Statement:
    return every(
        _above(f, *pair) for pair in pairwise(("pd", "pd-truncated", "pd-embeddings", "d"))
    )


@_claim("C10", of="figure5")
def _truncation_costs_less_with_depth(f: Figure) -> Statement:
    tiny, mini = f.from_shallow_to_deep("Tiny", "Mini")
    small, medium, base = f.from_shallow_to_deep("Small", "Medium", "Base")
    for shallow, deep in (("Tiny", "Small"), ("Mini", "Medium")):
        f.from_shallow_to_deep(shallow, deep)

    def gap(size: Architecture) -> Quantity:
        return f.acc("pd", size) - f.acc("pd-truncated", size)

    return every(
        descending(gap(tiny), gap(mini), gap(medium)),
        descending(gap(tiny), gap(small), gap(medium), gap(base)),
        abs(gap(base)) <= 0.2,
    )


@_claim("C11", of="figure5")
def _pretrained_embeddings_are_not_enough(f: Figure) -> Statement:
    return _above(f, "pd", "pd-embeddings")


@_claim("C12", of="figure5")
def _size_helps_little_without_pretraining(f: Figure) -> Statement:
    def gain(method: str, size: str) -> Quantity:
        return f.acc(method, size) - f.acc(method, "Small")

    return every(
        every(gain(method, size) <= 1.5, gain(method, size) < gain("pd", size))
        for method in ("pd-embeddings", "d")
        for size in ("Medium", "Base")
    )


@_claim("C13", of="figure6")
def _pd_beats_pf_at_all_sizes(f: Figure) -> Statement:
    return _above(f, "pd", "pf", f.sizes)


@_claim("C14", of="figure6")
def _pf_beats_distillation_but_for_the_thinnest(f: Figure) -> Statement:
    thinnest, others = f.sizes[:2], f.sizes[2:]
    return every(
        _above(f, "pf", "d", others),
        across(f.acc("d", size) >= f.acc("pf", size) for size in thinnest),
    )


@_claim("C15", of="figure6")
def _distillation_beats_basic_training(f: Figure) -> Statement:
    return _above(f, "d", "basic", f.sizes)


@_claim("C16", of="figure6")
def _no_student_reaches_the_teacher(f: Figure) -> Statement:
    def below(method: str) -> Statement:
        return across(f.teacher > f.acc(method, size) for size in f.sizes)

    return every(
        (below(method) for method in ("pd", "pf", "d", "basic")),
        some(f.teacher - f.acc("pd", size) <= _MATCHED for size in f.sizes),
    )


@_claim("C17", of="figure6")
def _depth_helps_pretrained_students(f: Figure) -> Statement:
    return every(
        across(gain >= f.points(1) for gain in _gains_of_depth(f, method, 2, 6))
        for method in ("pd", "pf")
    )


@_claim("C18", of="figure6")
def _depth_does_not_help_random_starts(f: Figure) -> Statement:
    def gain(method: str) -> Quantity:
        return _gain_of_depth(f, method, 2, 6)

    return every(
        every(gain(method) <= 0.8, gain(method) < gain("pd"), gain(method) < gain("pf"))
        for method in ("d", "basic")
    )


@_claim("C19", of="figure6")
def _deep_and_narrow_beats_shallow_and_wide(f: Figure) -> Statement:
    deep, wide = f.like("6/128"), f.like("2/512")
    if wide.parameters() < _SEVERAL * deep.parameters():
        raise Untestable(f"{wide} has not several times the parameters of {deep}")
    return f.acc("pd", deep) > f.acc("pd", wide)


@_claim("C20", of="figure6")
def _depth_before_width_at_one_size(f: Figure) -> Statement:
    pairs = _deep_and_wide(f.sizes)

    def gain(method: str) -> Quantity:
        gains = (f.acc(method, deep) - f.acc(method, wide) for deep, wide in pairs)
        return Quantity.mean(gains, f"{short_name(method)} gain of depth over width")

    return every(
        every(gain(method) > 0, gain(method) > gain("d"), gain(method) > gain("basic"))
        for method in ("pd", "pf")
    )


@_claim("C21", of="figure6")
def _six_layers_have_most_of_the_gain(f: Figure) -> Statement:
    early, late = (_gain_of_depth(f, "pd", *depths) for depths in ((2, 6), (6, 12)))
    return every(early > 0, early > late, abs(late) <= 1.3)


@_claim("C22", of="figure8")
def _pd_is_robust_to_transfer_size(f: Figure) -> Statement:
    return every(
        across(
            f.acc("pd", "Mini", transfer=size) > f.acc("d", other, transfer=size)
            for size in f.transfers
        )
        for other in ("Mini", "Base")
    )


@_claim("C23", of="figure8")
def _distillation_needs_much_transfer_data(f: Figure) -> Statement:
    large = 8_000_000
    matched = _shortfall(f, "d", "Base", large) <= _MATCHED
    smaller = [size for size in f.transfers if size < large]
    return every(matched, across(_shortfall(f, "d", "Base", s) > _MATCHED for s in smaller))


@_claim("C24", of="figure8")
def _pd_matches_the_teacher_with_less(f: Figure) -> Statement:
    return _shortfall(f, "pd", "Mini", 5_000_000) <= _MATCHED


@_claim("C25", of="figure8")
def _more_transfer_data_never_hurts(f: Figure) -> Statement:
    return every(
        across(
            f.acc(method, size, transfer=more) >= f.acc(method, size, transfer=less)
            for less, more in pairwise(f.transfers)
        )
        for method, size in f.series
    )


@_claim("C26", of="figure8")
def _little_transfer_data_hurts_distillation_alone(f: Figure) -> Statement:
    pd, d = (f.acc(method, "Mini", transfer=f.transfers[0]) for method in ("pd", "d"))
    basic = f.acc("basic", "Mini")
    return every(d < basic, pd >= basic)


@_claim("C27", of="figure9")
def _pd_beats_distillation_in_every_domain(f: Figure) -> Statement:
    return every(
        across(f.acc(method, similarity=s) > f.acc("d", similarity=s) for s in f.similarities)
        for method in ("pd", "pd-f")
    )


@_claim("C28", of="figure9")
def _distillation_needs_the_domain(f: Figure) -> Statement:
    lowest = f.similarity(0.43)
    return every(
        across(
            f.acc("d", similarity=more) > f.acc("d", similarity=less)
            for less, more in pairwise(f.similarities)
        ),
        f.acc("d", similarity=lowest) < f.acc("basic"),
    )


@_claim("C29", of="figure9")
def _pd_f_is_most_robust_to_domain(f: Figure) -> Statement:
    return every(_drop_of_domain(f, "pd-f") < _drop_of_domain(f, other) for other in ("pd", "d"))


@_claim("C30", of="figure9")
def _finetuning_helps_out_of_domain_alone(f: Figure) -> Statement:
    *outside, inside = f.similarities
    return every(
        across(f.acc("pd-f", similarity=s) > f.acc("pd", similarity=s) for s in outside),
        f.acc("pd-f", similarity=inside) <= f.acc("pd", similarity=inside),
    )


@_claim("C31", of="figure9")
def _pd_is_below_pf_at_lowest_similarity_alone(f: Figure) -> Statement:
    lowest, *others = f.similarities
    return every(
        f.acc("pd", similarity=lowest) < f.acc("pf"),
        across(f.acc("pd", similarity=s) >= f.acc("pf") for s in others),
    )


@_claim("C32", of="figure10")
def _pretraining_and_distillation_add_up(f: Figure) -> Statement:
    return every(_above(f, "pd", alone) for alone in ("pf", "d"))


@_claim("C33", of="figure10")
def _gain_on_the_same_data_is_two_points(f: Figure) -> Statement:
    return across(gain >= 1.5 for gain in _gains(f, "pd", "pf"))


_PRETRAINED_ON = ("figure5", "figure10")
"""The figures of students pre-trained on general text, and on the task's."""


def _alike(n: Numbers, method: str) -> list[Figure]:
    """Both of them, where a method distils on the same text."""
    figures = [n.figure(name, tag=name) for name in _PRETRAINED_ON]
    first, second = (f.distilled_on(method) for f in figures)
    if first != second:
        raise Untestable(f"figure5 distils on {first}, figure10 on {second}")
    return figures


@_claim("C34")
def _general_text_is_better_than_task_text(n: Numbers) -> Statement:
    general, task = (
        Quantity.mean((f.acc("pd", size) for size in f.named), f"PD in the mean of {name}")
        for name, f in zip(_PRETRAINED_ON, _alike(n, "pd"), strict=True)
    )
    return general > task


@_claim("C35")
def _two_figures_show_one_distillation(n: Numbers) -> Statement:
    one, other = _alike(n, "d")
    return every(abs(one.acc("d", size) - other.acc("d", size)) <= 0.15 for size in one.named)


@_claim("C36")
def _pf_beats_distillation_on_moderate_transfer(n: Numbers) -> Statement:
    def gain(task: str) -> Quantity:
        gains = _gains(n.figure("figure7", task), "pf", "d")
        return Quantity.mean(gains, f"PF \N{MINUS SIGN} D in the mean of {task}")

    return every(gain(task) > 0 for task in ("mnli", "rte"))


@_claim("C37", of="figure8")
def _pd_needs_a_tenth_of_the_size(f: Figure) -> Statement:
    large = 8_000_000
    return every(
        _shortfall(f, "pd", "Mini", large) <= _MATCHED,
        _shortfall(f, "d", "Base", large) <= _MATCHED,
        _shortfall(f, "d", "Mini", large) > _MATCHED,
    )


@_claim("C38")
def _pd_beats_three_baselines(n: Numbers) -> Statement:
    figures = [n.figure("figure7", task, tag=task) for task in n.tasks("figure7")]
    return every(
        across(f.acc("pd", size) > f.acc(baseline, size) for f in figures for size in f.named)
        for baseline in ("pf", "d", "basic")
    )


@_claim("C39")
def _parameters_are_as_printed(n: Numbers) -> Statement:
    def printed(size: Architecture) -> Quantity:
        return n.value("params_millions", size=size)

    large = n.value("params_millions", "figure8", method="teacher")
    return every(
        (abs(printed(size) - _millions(size)) <= 0.1 for size in PAPER_ARCHITECTURES),
        abs(large - _millions(Architecture(24, 1024))) <= 5,
    )


@_claim("C40")
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
    pairs = _deep_and_wide(PAPER_ARCHITECTURES)
    return every(parts, (_speed(n, wide) > _speed(n, deep) for deep, wide in pairs))


@_claim("C41")
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


@_claim("C42")
def _glue_score_grows_with_size(n: Numbers) -> Statement:
    return descending(*(_glue(n, "pf", name) for name in ("Medium", "Small", "Mini", "Tiny")))


@_claim("C43")
def _released_models_gain_by_distillation(n: Numbers) -> Statement:
    names = ("Tiny", "Mini", "Small", "Medium")
    return every(_glue(n, "pd", name) > _glue(n, "pf", name) for name in names)


@_claim("C44")
def _pd_is_robust_to_size_and_domain(n: Numbers) -> Statement:
    drops = ((n.figure("figure8"), _drop_of_size), (n.figure("figure9"), _drop_of_domain))
    return every(drop(f, "pd") < drop(f, "d") for f, drop in drops)


def _speed(n: Numbers, size: Architecture) -> Quantity:
    return n.value("speedup_vs_BERT_LARGE_TPUv2", size=size)


def _glue(n: Numbers, method: str, name: str) -> Quantity:
    return n.value("glue_score", "released_models", size=PAPER_SIZES[name], method=method)


def _millions(size: Architecture) -> float:
    return size.parameters() / 1e6
