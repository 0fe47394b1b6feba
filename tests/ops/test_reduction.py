"""Reductions, scatters, sorting and statistics, by hand on a 2 x 3 x 5 input of 30 elements."""

from __future__ import annotations

import math

import pytest
import torch
from support import dispatcher_macs, macs, work

from calprof.work import Work

R = torch.randn
I = torch.arange(6).reshape(2, 3)  # noqa: E741
X = torch.rand(2, 3, 5)

ROWS = [
    ("sum", lambda: X.sum(), Work(add=30)),
    ("sum dim", lambda: torch.sum(X, dim=1, keepdim=True), Work(add=30)),
    ("sum empty", lambda: R(0, 3).sum(), Work()),
    ("sum integers", lambda: I.sum(), Work(integer=6)),
    ("sum by name", lambda: torch.sum(input=X, dim=0), Work(add=30)),
    ("mean", lambda: X.mean(-1), Work(add=30, multiply=6)),
    ("mean all", lambda: X.mean(), Work(add=30, multiply=1)),
    ("nanmean", lambda: X.nanmean(-1), Work(compare=30, add=60, multiply=6)),
    ("prod", lambda: X.prod(0), Work(multiply=30)),
    ("cumsum", lambda: X.cumsum(0), Work(add=30)),
    ("cumprod_", lambda: R(2, 3).cumprod_(0), Work(multiply=6)),
    ("cummax", lambda: X.cummax(0), Work(compare=30)),
    ("logcumsumexp", lambda: X.logcumsumexp(0), Work(transcendental=60, add=30)),
    ("logsumexp", lambda: X.logsumexp(-1), Work(compare=30, add=66, transcendental=36)),
    ("max", lambda: X.max(), Work(compare=30)),
    ("max dim", lambda: X.max(dim=1), Work(compare=30)),
    ("max of two", lambda: torch.max(R(2, 1, 5), R(3, 1)), Work(compare=30)),
    ("amax", lambda: X.amax((0, 1)), Work(compare=30)),
    ("aminmax", lambda: X.aminmax(), Work(compare=60)),
    ("argmax", lambda: X.argmax(-1), Work(compare=30)),
    ("all of booleans", lambda: torch.ones(2, 3, dtype=torch.bool).all(), Work(integer=6)),
    ("any", lambda: X.any(), Work(compare=30)),
    ("count_nonzero", lambda: torch.count_nonzero(X), Work(compare=30)),
    ("nonzero", lambda: X.nonzero(), Work(compare=30)),
    ("in", lambda: 0.5 in R(2, 3), Work(compare=6)),
    ("equal", lambda: torch.equal(X, X), Work(compare=30)),
    ("allclose", lambda: torch.allclose(X, X), Work(add=120, multiply=30, compare=30)),
    ("trace", lambda: R(3, 5).trace(), Work(add=3)),
    # x² summed for 30 elements, 6 roots; |x| summed; |x| compared; |x|, a power, summed, 6 roots.
    ("norm 2", lambda: torch.linalg.vector_norm(X, dim=-1), Work(multiply=30, add=30, transcendental=6)),
    ("norm fro", lambda: X.norm(dim=-1), Work(multiply=30, add=30, transcendental=6)),
    ("norm 1", lambda: X.norm(1, -1), Work(add=60)),
    ("norm inf", lambda: torch.norm(X, p=math.inf), Work(add=30, compare=30)),
    ("norm 0", lambda: torch.linalg.vector_norm(X, 0), Work(compare=30, add=30)),
    ("norm 3", lambda: X.norm(3, -1), Work(add=60, transcendental=36)),
    ("linalg.norm", lambda: torch.linalg.norm(X), Work(multiply=30, add=30, transcendental=1)),
    ("dist", lambda: torch.dist(R(2, 1, 5), R(3, 1)), Work(add=60, multiply=30, transcendental=1)),
    ("renorm", lambda: R(2, 15).renorm(2, 0, 1.0), Work(multiply=62, add=30, transcendental=2, compare=2)),
    # Σx, Σx² for 30 elements; Σx squared, divided, subtracted, divided for 6 results.
    ("var", lambda: X.var(-1), Work(add=66, multiply=48)),
    ("std", lambda: X.std(-1), Work(add=66, multiply=48, transcendental=6)),
    ("var_mean", lambda: torch.var_mean(X, -1), Work(add=66, multiply=54)),
    ("std_mean", lambda: torch.std_mean(X, -1), Work(add=66, multiply=54, transcendental=6)),
    ("diff", lambda: torch.diff(X, dim=1), Work(add=20)),
    # First differences of 5 are 4, second ones 3, in 6 rows.
    ("diff twice", lambda: torch.diff(X, n=2), Work(add=6 * (4 + 3))),
    ("gradient", lambda: torch.gradient(R(5, 7)), Work(add=70, multiply=70)),
    ("gradient one dim", lambda: torch.gradient(R(5, 7), dim=1), Work(add=35, multiply=35)),
    # 6 rows of 4 intervals: y + y, times h, summed; one halving a row.
    ("trapezoid", lambda: torch.trapezoid(X, dx=2.0), Work(add=48, multiply=24 + 6)),
    ("trapezoid at", lambda: torch.trapezoid(X, torch.arange(5.0)), Work(add=72, multiply=24 + 6)),
    ("cumulative_trapezoid", lambda: torch.cumulative_trapezoid(X, dim=1), Work(add=40, multiply=40)),
    ("vander", lambda: torch.vander(R(3), 5), Work(multiply=15)),
    ("bincount", lambda: I.flatten().bincount(), Work(integer=6)),
    ("bincount weights", lambda: I.flatten().bincount(R(6)), Work(add=6)),
    ("histc", lambda: torch.histc(X, 7), Work(add=30, multiply=30, round=30, integer=30)),
    ("histogram", lambda: torch.histogram(X, 7), Work(add=60, multiply=30, round=30)),
    # 8 edges make 7 bins: 3 comparisons find one.
    ("histogram edges", lambda: torch.histogram(X, torch.linspace(0, 1, 8)), Work(compare=90, add=30)),
    ("histogramdd", lambda: torch.histogramdd(R(11, 2), [3, 5]), Work(add=11 + 22, multiply=22, round=22)),
    # 5 numbers are sorted in 5·3 comparisons, 30 of them in 30·5.
    ("sort", lambda: X.sort(), Work(compare=6 * 5 * 3)),
    ("sort stable", lambda: torch.sort(X, stable=True, dim=1), Work(compare=10 * 3 * 2)),
    ("argsort", lambda: torch.argsort(X, 0), Work(compare=15 * 2 * 1)),
    ("argsort stable", lambda: torch.argsort(X, stable=True), Work(compare=90)),
    ("msort", lambda: torch.msort(X), Work(compare=30)),
    ("sort 0-d", lambda: R(()).sort(), Work()),
    ("topk", lambda: X.topk(2), Work(compare=30 * 2)),
    ("topk by name", lambda: torch.topk(input=X, k=1, dim=1), Work(compare=30)),
    ("median", lambda: X.median(), Work(compare=30 * 5)),
    ("median dim", lambda: X.median(-1), Work(compare=90)),
    ("kthvalue", lambda: X.kthvalue(2), Work(compare=90)),
    ("mode", lambda: X.mode(), Work(compare=90 + 30)),
    ("quantile", lambda: X.quantile(0.5, dim=-1), Work(compare=90, add=12, multiply=6)),
    # 7 boundaries make 8 bins: 3 comparisons.
    ("searchsorted", lambda: torch.searchsorted(torch.linspace(0, 1, 7), X), Work(compare=90)),
    ("bucketize", lambda: torch.bucketize(X, torch.linspace(0, 1, 7)), Work(compare=90)),
    ("isin", lambda: torch.isin(X, R(7)), Work(compare=210)),
    ("unique_consecutive", lambda: torch.unique_consecutive(X), Work(compare=30)),
    ("multinomial", lambda: torch.multinomial(torch.rand(2, 7), 5, True), Work(add=14, compare=30)),
    # Scatters: one step for each of 6 source elements.
    ("scatter_add", lambda: R(6).scatter_add(0, I.flatten(), R(6)), Work(add=6)),
    ("scatter moves", lambda: R(6).scatter(0, I.flatten(), R(6)), Work()),
    ("scatter multiply", lambda: R(6).scatter_(0, I.flatten(), R(6), reduce="multiply"), Work(multiply=6)),
    ("scatter_reduce", lambda: R(7).scatter_reduce(0, I.flatten(), R(6), "mean"), Work(add=6, multiply=7)),
    ("scatter_reduce amax", lambda: R(7).scatter_reduce_(0, I.flatten(), R(6), "amax"), Work(compare=6)),
    ("index_add", lambda: R(2, 5).index_add_(1, torch.tensor([0, 4, 4]), R(2, 3)), Work(add=6)),
    ("index_add alpha", lambda: torch.index_add(R(5), 0, torch.tensor([0, 4]), R(2), alpha=3),
     Work(add=2, multiply=2)),
    ("index_reduce", lambda: R(2, 5).index_reduce(1, torch.tensor([0, 4, 4]), R(2, 3), "prod"),
     Work(multiply=6)),
    ("put", lambda: R(7).put_(torch.tensor([1, 2, 5]), R(3)), Work()),
    ("put accumulate", lambda: R(7).put_(torch.tensor([1, 2, 5]), R(3), accumulate=True), Work(add=3)),
    ("index_put", lambda: R(7, 2).index_put_((torch.tensor([1, 2, 5]),), R(2)), Work()),
    ("index_put accumulate", lambda: R(7, 2).index_put_((torch.tensor([1, 2, 5]),), R(2), accumulate=True),
     Work(add=6)),
    ("segment_reduce", lambda: torch.segment_reduce(R(7), "sum", lengths=torch.tensor([3, 4])), Work(add=7)),
    ("fold", lambda: torch.nn.functional.fold(R(1, 4, 12), (4, 5), (2, 2)), Work(add=48)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:The reduce argument", "ignore:index_reduce")
@pytest.mark.parametrize("call, expected", [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_reduction(call, expected):
    assert work(call) == expected


@pytest.mark.parametrize("function", [torch.cov, torch.corrcoef])
@pytest.mark.parametrize("sizes", [(3, 5), (7,)])
def test_covariances_are_the_dispatchers_matrix_products(function, sizes):
    def call() -> None:
        function(R(*sizes))

    assert macs(work(call)) == dispatcher_macs(call)


def test_covariance_by_hand():
    # 3 means of 5, 15 centred values, 3·3·5 MACs, 9 divisions.
    assert work(lambda: torch.cov(R(3, 5))) == Work(mac=45, add=30, multiply=3 + 9)


@pytest.mark.parametrize("call", [lambda: X.unique(), lambda: R(2, 3).map_(R(2, 3), lambda a, b: a)])
def test_what_values_decide_is_reported_with_its_reason(call):
    from calprof.recording.recorder import Recorder

    with Recorder() as recorder:
        call()
    (uncounted,) = recorder.recording().uncounted
    assert uncounted.reason.endswith(("distinct", "element"))
