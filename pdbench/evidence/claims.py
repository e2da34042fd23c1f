"""The paper's claims as tests: one short function each, which says what its docstring states.

A claim is given published or measured :class:`~pdbench.evidence.views.Numbers` and returns a
statement about them. Its other columns stand in ``config/reference/claims.csv``, and a test keeps
the two together. ``n.points(4)`` is a magnitude of the paper's numbers that the statement does not
claim; any other bound is kept at every scale.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

from pdbench.evidence.references import PAPER_SIZES
from pdbench.evidence.statements import (
    Quantity,
    Statement,
    descending,
    every,
    mean,
    not_ascending,
    some,
)
from pdbench.evidence.views import Numbers
from pdbench.study import PAPER_ARCHITECTURES, Architecture

Test: TypeAlias = Callable[[Numbers], Statement]


def c01(n: Numbers) -> Statement:
    """PD has the best 6-task meta score on GLUE test among TF, PF, PKD, PD."""
    return every(n.meta("pd", "test") > n.meta(m, "test") for m in ("tf", "pf", "patient-kd"))


def c02(n: Numbers) -> Statement:
    """PD has the best meta score on GLUE dev among PF, DistilBERT, PD; PF alone also beats
    DistilBERT.
    """
    return descending(*(n.meta(m, "dev") for m in ("pd", "pf", "distilbert")))


def c03(n: Numbers) -> Statement:
    """Plain pre-train+fine-tune (PF) is competitive with the more elaborate PKD on test."""
    return abs(n.meta("pf", "test") - n.meta("patient-kd", "test")) <= 0.5


def c04(n: Numbers) -> Statement:
    """Pre-training the 6-layer student from scratch beats truncating the 12-layer teacher."""
    return every(
        n.score("table3", "pf", task, "test", metric)
        >= n.score("table3", "tf", task, "test", metric)
        for task, metric in n.columns("table3", "test")
    )


def c05(n: Numbers) -> Statement:
    """On dev PD is at least as good as PF on every task/metric (tie on SST-2)."""
    return every(
        n.score("table3", "pd", task, "dev", metric) >= n.score("table3", "pf", task, "dev", metric)
        for task, metric in n.columns("table3", "dev")
    )


def c06(n: Numbers) -> Statement:
    """Exceptions on test: PF beats PD on SST-2 (and MRPC accuracy); PKD is best on QNLI and RTE
    (tiny margins) and QQP f1.
    """

    def on(task: str, method: str, metric: str = "accuracy") -> Quantity:
        return n.score("table3", method, task, "test", metric)

    others = ("tf", "pf", "pd")
    return every(
        on("sst2", "pf") > on("sst2", "pd"),
        on("mrpc", "pf") > on("mrpc", "pd"),
        (on("qnli", "patient-kd") > on("qnli", m) for m in others),
        (on("rte", "patient-kd") > on("rte", m) for m in others),
        (on("qqp", "patient-kd", "f1") > on("qqp", m, "f1") for m in others),
    )


def c07(n: Numbers) -> Statement:
    """Exceptions on dev: DistilBERT is best on SST-2 and QQP f1."""

    def on(task: str, method: str, metric: str = "accuracy") -> Quantity:
        return n.score("table3", method, task, "dev", metric)

    others = ("pf", "pd")
    return every(
        (on("sst2", "distilbert") > on("sst2", m) for m in others),
        (on("qqp", "distilbert", "f1") > on("qqp", m, "f1") for m in others),
    )


def c08(n: Numbers) -> Statement:
    """Meta score is the mean of six task scores, two-metric tasks averaged first."""
    rows = {"test": ("tf", "pf", "patient-kd", "pd"), "dev": ("pf", "pd", "distilbert")}
    return every(
        abs(n.meta(method, split) - n.mean_of_tasks(method, split)) <= 0.05
        for split, methods in rows.items()
        for method in methods
    )


def c09(n: Numbers) -> Statement:
    """LM pre-training is the best student initialisation at every size; truncating a 12-layer
    model second; word embeddings only third; random init (plain distillation) last.
    """
    f = n.figure("figure5")
    order = ("pd", "pd-truncated", "pd-embeddings", "d")
    return every(not_ascending(*(f.acc(start, size) for start in order)) for size in f.named)


def c10(n: Numbers) -> Statement:
    """The cost of truncation shrinks with depth: largest for Tiny (2 layers), zero for Base (12
    layers, same initialisation).
    """
    f = n.figure("figure5")
    tiny, mini = f.from_shallow_to_deep("Tiny", "Mini")
    small, medium, base = f.from_shallow_to_deep("Small", "Medium", "Base")
    for shallow, deep in (("Tiny", "Small"), ("Mini", "Medium")):
        f.from_shallow_to_deep(shallow, deep)

    def gap(size: Architecture) -> Quantity:
        return f.acc("pd", size) - f.acc("pd-truncated", size)

    return every(
        gap(tiny) >= n.points(4),
        descending(gap(tiny), gap(mini), gap(medium)),
        descending(gap(tiny), gap(small), gap(medium), gap(base)),
        abs(gap(base)) <= 0.2,
    )


def c11(n: Numbers) -> Statement:
    """Pre-training only word embeddings is not enough."""
    f = n.figure("figure5")
    return every(
        f.acc("pd", size) - f.acc("pd-embeddings", size) >= n.points(5) for size in f.named
    )


def c12(n: Numbers) -> Statement:
    """Without full pre-training, accuracy saturates from Small upwards."""
    f = n.figure("figure5")

    def gain(method: str) -> Quantity:
        return f.acc(method, "Base") - f.acc(method, "Small")

    return every(gain("pd-embeddings") <= 1.5, gain("d") <= 1.5, gain("pd") >= n.points(3))


def c13(n: Numbers) -> Statement:
    """PD beats PF at all 24 sizes (SST-2)."""
    f = n.figure("figure6")
    return every(f.acc("pd", size) > f.acc("pf", size) for size in f.sizes)


def c14(n: Numbers) -> Statement:
    """PF beats plain distillation at all but the two thinnest sizes."""
    f = n.figure("figure6")
    return every(f.acc("pf", size) > f.acc("d", size) for size in f.sizes[2:])


def c15(n: Numbers) -> Statement:
    """Plain distillation beats basic training at all 24 sizes."""
    f = n.figure("figure6")
    return every(f.acc("d", size) > f.acc("basic", size) for size in f.sizes)


def c16(n: Numbers) -> Statement:
    """No student reaches the teacher line; best PD within 0.5 of it."""
    f = n.figure("figure6")
    return every(
        (f.teacher > f.acc("pd", size) for size in f.sizes),
        some(f.teacher - f.acc("pd", size) <= 0.5 for size in f.sizes),
    )


def c17(n: Numbers) -> Statement:
    """Depth helps pre-trained students: at each width 6 layers clearly beat 2 layers for PD and
    PF.
    """
    f = n.figure("figure6")
    return every(
        f.acc(method, deep) - f.acc(method, shallow) >= n.points(1)
        for method in ("pd", "pf")
        for shallow, deep in f.across_widths(2, 6)
    )


def c18(n: Numbers) -> Statement:
    """Randomly initialised students do not show the depth benefit."""
    f = n.figure("figure6")
    return every(
        abs(f.acc(method, deep) - f.acc(method, shallow)) <= 0.8
        for method in ("d", "basic")
        for shallow, deep in f.across_widths(2, 6)
    )


def c19(n: Numbers) -> Statement:
    """A deep narrow pre-trained student beats a shallow wide one with several times its
    parameters.
    """
    f = n.figure("figure6")
    return every(
        f.acc("pd", f.like("6/128")) > f.acc("pd", f.like("2/512")),
        f.acc("pd", f.like("12/256")) > f.acc("pd", f.like("2/768")),
        f.acc("pf", f.like("12/256")) > f.acc("pf", f.like("2/768")),
    )


def c20(n: Numbers) -> Statement:
    """For a fixed parameter budget prioritise depth over width, especially with pre-trained
    students.
    """
    return c19(n)


def c21(n: Numbers) -> Statement:
    """Most of the depth gain is reached by 6 layers (6 to 12 layers similar on SST-2)."""
    f = n.figure("figure6")
    return every(
        abs(f.acc("pd", deepest) - f.acc("pd", deep)) <= 1.3
        for deep, deepest in f.across_widths(6, 12)
    )


def c22(n: Numbers) -> Statement:
    """At every transfer-set size PD with Mini beats distillation with Mini and with the 10x
    larger Base.
    """
    f = n.figure("figure8")
    return every(
        f.acc("pd", "Mini", transfer=size) > f.acc("d", other, transfer=size)
        for size in f.transfers
        for other in ("Mini", "Base")
    )


def c23(n: Numbers) -> Statement:
    """Plain distillation needs the large (8m) set: Base only matches the teacher at 8m."""
    f = n.figure("figure8")
    return every(
        f.teacher - f.acc("d", "Base", transfer=8_000_000) <= 0.5,
        f.teacher - f.acc("d", "Base", transfer=5_000_000) >= 1.0,
    )


def c24(n: Numbers) -> Statement:
    """PD with Mini matches the teacher with a 5m transfer set."""
    f = n.figure("figure8")
    return f.teacher - f.acc("pd", "Mini", transfer=5_000_000) <= 0.3


def c25(n: Numbers) -> Statement:
    """Accuracy does not decrease with transfer-set size for any series."""
    f = n.figure("figure8")
    return every(
        f.acc(method, size, transfer=more) - f.acc(method, size, transfer=less) >= -0.1
        for method, size in f.series
        for less, more in pairwise(f.transfers)
    )


def c26(n: Numbers) -> Statement:
    """With little transfer data plain distillation of Mini falls below basic training, PD does
    not.
    """
    f = n.figure("figure8")
    little = f.transfers[0]
    return descending(
        f.acc("pd", "Mini", transfer=little),
        f.acc("basic", "Mini"),
        f.acc("d", "Mini", transfer=little),
    )


def c27(n: Numbers) -> Statement:
    """PD and PD-F beat plain distillation at every domain similarity S."""
    f = n.figure("figure9")
    return every(
        f.acc(method, similarity=s) > f.acc("d", similarity=s)
        for s in f.similarities
        for method in ("pd", "pd-f")
    )


def c28(n: Numbers) -> Statement:
    """Distillation needs an in-domain transfer set: its accuracy rises with S and drops below
    basic training at S=0.43.
    """
    f = n.figure("figure9")
    lowest = f.similarity(0.43)
    return every(
        (
            f.acc("d", similarity=more) > f.acc("d", similarity=less)
            for less, more in pairwise(f.similarities)
        ),
        f.acc("d", similarity=lowest) < f.acc("basic"),
    )


def c29(n: Numbers) -> Statement:
    """PD-F (with the final fine-tuning step) is the most robust to domain shift."""
    f = n.figure("figure9")
    lowest, highest = f.similarities[0], f.similarities[-1]

    def drop(method: str) -> Quantity:
        return f.acc(method, similarity=highest) - f.acc(method, similarity=lowest)

    return descending(drop("d"), drop("pd"), drop("pd-f"))


def c30(n: Numbers) -> Statement:
    """Final fine-tuning helps when the transfer set is out of domain and not when it is in
    domain.
    """
    f = n.figure("figure9")
    *outside, inside = f.similarities
    return every(
        (f.acc("pd-f", similarity=s) > f.acc("pd", similarity=s) for s in outside),
        f.acc("pd-f", similarity=inside) - f.acc("pd", similarity=inside) <= 0.1,
    )


def c31(n: Numbers) -> Statement:
    """Without the final fine-tuning PD falls below plain PF only at the lowest similarity."""
    f = n.figure("figure9")
    lowest, *others = f.similarities
    return every(
        f.acc("pd", similarity=lowest) < f.acc("pf"),
        (f.acc("pd", similarity=s) > f.acc("pf") for s in others),
        (f.acc("pd-f", similarity=s) > f.acc("pf") for s in f.similarities),
    )


def c32(n: Numbers) -> Statement:
    """Pre-training and distillation are complementary: chaining both on the same data (NLI*)
    beats either alone at every size.
    """
    f = n.figure("figure10")
    return every(
        descending(f.acc("pd", size), f.acc("pf", size), f.acc("d", size)) for size in f.named
    )


def c33(n: Numbers) -> Statement:
    """The compound gain of PD over PF on the same data is about 2 points or more at every size."""
    f = n.figure("figure10")
    return every(f.acc("pd", size) - f.acc("pf", size) >= 1.5 for size in f.named)


def c34(n: Numbers) -> Statement:
    """General-domain LM data is better than task data for pre-training."""
    general, same = n.figure("figure5", tag="figure5"), n.figure("figure10", tag="figure10")
    return every(
        general.acc("pd", size) - same.acc("pd", size) >= n.points(3) for size in general.named
    )


def c35(n: Numbers) -> Statement:
    """The plain-distillation series of Fig5 and Fig10 is the same experiment."""
    one, other = n.figure("figure5", tag="figure5"), n.figure("figure10", tag="figure10")
    return every(abs(one.acc("d", size) - other.acc("d", size)) <= 0.15 for size in one.named)


def c36(n: Numbers) -> Statement:
    """With a moderate (1.3m), slightly out-of-domain transfer set PF beats plain distillation,
    by 12% on MNLI and 8% on RTE on average.
    """
    return every(
        f.acc("pf", size) > f.acc("d", size)
        for f in (n.figure("figure7", task, tag=task) for task in ("mnli", "rte"))
        for size in f.named
    )


def c37(n: Numbers) -> Statement:
    """With a large in-domain transfer set (8m book reviews) PD lets Mini (11m) recover the
    teacher; plain distillation needs a 10x larger student.
    """
    f = n.figure("figure8")
    return every(
        f.teacher - f.acc("pd", "Mini", transfer=8_000_000) <= 0.3,
        f.teacher - f.acc("d", "Base", transfer=8_000_000) <= 0.5,
    )


def c38(n: Numbers) -> Statement:
    """PD outperforms the three baselines (basic training, distillation, PF) across sizes and
    tasks.
    """
    return every(
        f.acc("pd", size) >= f.acc(baseline, size)
        for f in (n.figure("figure7", task, tag=task) for task in n.tasks("figure7"))
        for size in f.named
        for baseline in ("pf", "d", "basic")
    )


def c39(n: Numbers) -> Statement:
    """Parameter counts 4.4m (Tiny) to 110.1m (Base); ratio teacher 340m / model."""
    return every(
        abs(n.value("params_millions", size=str(size)) - size.parameters() / 1e6) <= 0.1
        for size in PAPER_ARCHITECTURES
    )


def c40(n: Numbers) -> Statement:
    """Speed-up falls as 1/(L*H) within a width; shallow-and-wide models run faster than
    deep-and-narrow ones with the same parameters.
    """

    def speed(size: Architecture) -> Quantity:
        return n.value("speedup_vs_BERT_LARGE_TPUv2", size=str(size))

    columns = (
        [size for size in PAPER_ARCHITECTURES if size.hidden == hidden]
        for hidden in dict.fromkeys(size.hidden for size in PAPER_ARCHITECTURES)
    )
    parts: list[Statement] = []
    for sizes in columns:
        average = mean((speed(size) * size.layers for size in sizes), "mean")
        parts += [speed(size) * size.layers <= average * 1.04 for size in sizes]
        parts += [speed(size) * size.layers >= average * 0.96 for size in sizes]
    return every(parts, speed(Architecture(2, 512)) > speed(Architecture(12, 256)))


def c41(n: Numbers) -> Statement:
    """On Amazon Book Reviews pre-training lifts the size reduction / TPU speed-up at teacher
    quality from 3.1x/1.25x to 31x/16x.
    """
    base, mini = PAPER_SIZES["Base"], PAPER_SIZES["Mini"]
    large = n.value("params_millions", "figure8", method="teacher")

    def of_abstract(metric: str, method: str) -> Quantity:
        return n.value(metric, "abstract_v1", method=method)

    def excess(method: str, size: Architecture) -> Quantity:
        return large - of_abstract("size_reduction_x", method) * millions(size)

    def speed(size: Architecture) -> Quantity:
        return n.value("speedup_vs_BERT_LARGE_TPUv2", size=str(size))

    return every(
        abs(excess("d", base)) <= 0.05 * millions(base),
        abs(excess("pd", mini)) <= 1 * millions(mini),
        abs(speed(base) - of_abstract("TPU_speedup_x", "d")) <= 0.005,
        abs(speed(mini) - of_abstract("TPU_speedup_x", "pd")) <= 0.5,
    )


def c42(n: Numbers) -> Statement:
    """Released checkpoints, plain fine-tuning: GLUE score grows with size."""
    return descending(*(glue(n, "pf", name) for name in ("Medium", "Small", "Mini", "Tiny")))


def c43(n: Numbers) -> Statement:
    """The small models are most effective when distilled from a larger, more accurate teacher."""
    names = ("Tiny", "Mini", "Small", "Medium")
    return every(glue(n, "pd", name) > glue(n, "pf", name) for name in names)


def c44(n: Numbers) -> Statement:
    """PD is more robust than standard distillation to the size and the domain of the transfer
    set.
    """
    return every(c22(n), c29(n))


def glue(n: Numbers, method: str, name: str) -> Quantity:
    """The GLUE score of a released model."""
    return n.value("glue_score", "released_models", size=str(PAPER_SIZES[name]), method=method)


def millions(size: Architecture) -> float:
    """The parameters of a size, counted, in millions."""
    return size.parameters() / 1e6


TESTS: dict[str, Test] = {
    "C01": c01,
    "C02": c02,
    "C03": c03,
    "C04": c04,
    "C05": c05,
    "C06": c06,
    "C07": c07,
    "C08": c08,
    "C09": c09,
    "C10": c10,
    "C11": c11,
    "C12": c12,
    "C13": c13,
    "C14": c14,
    "C15": c15,
    "C16": c16,
    "C17": c17,
    "C18": c18,
    "C19": c19,
    "C20": c20,
    "C21": c21,
    "C22": c22,
    "C23": c23,
    "C24": c24,
    "C25": c25,
    "C26": c26,
    "C27": c27,
    "C28": c28,
    "C29": c29,
    "C30": c30,
    "C31": c31,
    "C32": c32,
    "C33": c33,
    "C34": c34,
    "C35": c35,
    "C36": c36,
    "C37": c37,
    "C38": c38,
    "C39": c39,
    "C40": c40,
    "C41": c41,
    "C42": c42,
    "C43": c43,
    "C44": c44,
}
"""The test of every claim by its id."""
