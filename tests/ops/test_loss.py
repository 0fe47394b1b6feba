"""Losses, by hand: 3 samples of 5 classes unless said otherwise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import cost, dispatcher_macs, dispatcher_training_macs, macs, record, work
from torch import nn

from calprof.work import Work

R = torch.randn
X, Y, P = R(3, 5), R(3, 5), torch.rand(3, 5)
T, W = torch.tensor([1, 4, 2]), torch.rand(5)
S = torch.ones(3)
LONG = [torch.tensor(n) for n in (11, 7)]

ELEMENTWISE = [
    # 15 losses; a mean is 15 additions and a division.
    ("l1_loss", lambda: F.l1_loss(X, Y), Work(add=30 + 15, multiply=1)),
    ("l1_loss none", lambda: F.l1_loss(X, Y, reduction="none"), Work(add=30)),
    ("l1_loss deprecated sum", lambda: F.l1_loss(X, Y, size_average=False), Work(add=45)),
    ("l1_loss deprecated none", lambda: F.l1_loss(X, Y, None, False), Work(add=30)),
    ("mse_loss", lambda: F.mse_loss(X, Y), Work(add=15 + 15, multiply=15 + 1)),
    ("mse_loss sum", lambda: F.mse_loss(X, Y, reduction="sum"), Work(add=30, multiply=15)),
    ("mse_loss 0-d", lambda: F.mse_loss(R(()), R(())), Work(add=2, multiply=2)),
    ("aten.mse_loss", lambda: torch.ops.aten.mse_loss(X, Y, 2), Work(add=30, multiply=15)),
    ("_nn.mse_loss", lambda: torch._C._nn.mse_loss(X, Y, 0), Work(add=15, multiply=15)),
    ("huber_loss", lambda: F.huber_loss(X, Y), Work(add=30 + 15, compare=15, multiply=30 + 1)),
    (
        "smooth_l1_loss",
        lambda: F.smooth_l1_loss(X, Y, reduction="none"),
        Work(add=30, compare=15, multiply=30),
    ),
    (
        "kl_div",
        lambda: F.kl_div(X, P, reduction="batchmean"),
        Work(transcendental=15, add=15 + 15, multiply=15 + 1),
    ),
    ("torch.kl_div", lambda: torch.kl_div(X, P, 0), Work(transcendental=15, add=15, multiply=15)),
    (
        "soft_margin_loss",
        lambda: F.soft_margin_loss(X, Y),
        Work(multiply=15 + 1, add=30 + 15, transcendental=30),
    ),
    ("hinge_embedding_loss", lambda: F.hinge_embedding_loss(X, Y), Work(compare=30, add=15 + 15, multiply=1)),
    (
        "torch.hinge_embedding_loss",
        lambda: torch.hinge_embedding_loss(X, Y, 1.0, 0),
        Work(compare=30, add=15),
    ),
    (
        "poisson_nll_loss",
        lambda: F.poisson_nll_loss(X, P),
        Work(transcendental=15, multiply=15 + 1, add=15 + 15),
    ),
    (
        "poisson_nll_loss rates",
        lambda: F.poisson_nll_loss(P, P, False, reduction="none"),
        Work(transcendental=15, multiply=15, add=30),
    ),
    (
        "poisson_nll_loss full",
        lambda: F.poisson_nll_loss(X, P, full=True, reduction="none"),
        Work(transcendental=45, multiply=60, add=60, compare=15),
    ),
    (
        "torch.poisson_nll_loss",
        lambda: torch.poisson_nll_loss(X, P, True, False, 1e-8, 2),
        Work(transcendental=15, multiply=15, add=30),
    ),
    # 15 variances; then 3 of one row each.
    (
        "gaussian_nll_loss",
        lambda: F.gaussian_nll_loss(X, Y, P),
        Work(compare=15, transcendental=15, add=30 + 15, multiply=45 + 1),
    ),
    (
        "gaussian_nll_loss rows",
        lambda: F.gaussian_nll_loss(X, Y, P[:, :1].contiguous(), full=True, reduction="none"),
        Work(compare=3, transcendental=3, add=45, multiply=45),
    ),
    (
        "binary_cross_entropy",
        lambda: F.binary_cross_entropy(P, P),
        Work(transcendental=30, multiply=30 + 1, add=60 + 15),
    ),
    (
        "binary_cross_entropy weight",
        lambda: F.binary_cross_entropy(P, P, W, reduction="none"),
        Work(transcendental=30, multiply=45, add=60),
    ),
    (
        "with_logits",
        lambda: F.binary_cross_entropy_with_logits(X, P),
        Work(compare=15, multiply=15 + 1, add=75 + 15, transcendental=30),
    ),
    (
        "with_logits pos_weight",
        lambda: F.binary_cross_entropy_with_logits(X, P, pos_weight=W, reduction="sum"),
        Work(compare=15, multiply=45, add=75 + 15 + 15, transcendental=30),
    ),
    (
        "torch with_logits weight",
        lambda: torch.binary_cross_entropy_with_logits(X, P, W, None, 0),
        Work(compare=15, multiply=30, add=75, transcendental=30),
    ),
    (
        "margin_ranking_loss",
        lambda: F.margin_ranking_loss(X, Y, P),
        Work(add=45 + 15, multiply=15 + 1, compare=15),
    ),
    (
        "torch.margin_ranking_loss",
        lambda: torch.margin_ranking_loss(X, Y, P, 0.5, 2),
        Work(add=60, multiply=15, compare=15),
    ),
]

ROWWISE = [
    # 3 cosines of 5: 45 products and sums, 6 roots, 3 products, 3 bounds, 3 divisions; then a subtraction
    # and two comparisons a row; a mean.
    (
        "cosine_embedding_loss",
        lambda: F.cosine_embedding_loss(X, Y, S),
        Work(multiply=51 + 1, add=45 + 3 + 3, transcendental=6, compare=3 + 6),
    ),
    # Each distance: x - y + ε and its square and sum, 3 roots; two of them; 2 additions and a maximum a row.
    (
        "triplet_margin_loss",
        lambda: F.triplet_margin_loss(X, Y, P),
        Work(add=90 + 6 + 3, multiply=30 + 1, transcendental=6, compare=3),
    ),
    (
        "triplet_margin_loss swap",
        lambda: F.triplet_margin_loss(X, Y, P, p=1.0, swap=True, reduction="none"),
        Work(add=3 * 60 + 6, compare=6),
    ),
    (
        "torch.triplet_margin_loss",
        lambda: torch.triplet_margin_loss(X, Y, P, 1.0, 2, 1e-6, False, 0),
        Work(add=96, multiply=30, transcendental=6, compare=3),
    ),
    (
        "triplet with distance",
        lambda: F.triplet_margin_with_distance_loss(X, Y, P),
        Work(add=99, multiply=31, transcendental=6, compare=3),
    ),
    (
        "triplet module",
        lambda: nn.TripletMarginWithDistanceLoss()(X, Y, P),
        Work(add=99, multiply=31, transcendental=6, compare=3),
    ),
    # 12 other classes: 2 additions, a maximum, the sum; a division a sample.
    ("multi_margin_loss", lambda: F.multi_margin_loss(X, T), Work(add=36 + 3, compare=12, multiply=3 + 1)),
    (
        "multi_margin_loss p 2",
        lambda: F.multi_margin_loss(X, T, p=2, weight=W, reduction="none"),
        Work(add=36, compare=12, multiply=24 + 3),
    ),
    (
        "multi_margin_loss unbatched",
        lambda: F.multi_margin_loss(X[0], T[0]),
        Work(add=12 + 1, compare=4, multiply=1 + 1),
    ),
    # Two log-sigmoids of 3 additions, exp, log; -x, 1 - y, a sum, a negation, the sum over classes: 11.
    (
        "multilabel_soft_margin_loss",
        lambda: F.multilabel_soft_margin_loss(X, P),
        Work(add=165 + 3, transcendental=60, multiply=30 + 3 + 1),
    ),
]

CLASSES = [
    ("nll_loss", lambda: F.nll_loss(X, T), Work(add=3 + 3, multiply=1)),
    ("nll_loss weight", lambda: F.nll_loss(X, T, W), Work(add=3 + 3 + 3, multiply=3 + 1)),
    (
        "nll_loss 2d",
        lambda: F.nll_loss(R(3, 5, 7, 11), torch.zeros(3, 7, 11).long(), reduction="sum"),
        Work(add=462),
    ),
    ("nll_loss unbatched", lambda: F.nll_loss(X[0], T[0]), Work(add=2, multiply=1)),
    ("aten.nll_loss_forward", lambda: torch.ops.aten.nll_loss_forward(X, T, None, 0, -100), Work(add=3)),
    ("cross_entropy", lambda: F.cross_entropy(X, T), Work(log_softmax=15, add=6, multiply=1)),
    (
        "cross_entropy weight",
        lambda: F.cross_entropy(X, T, W, reduction="sum"),
        Work(log_softmax=15, add=6, multiply=3),
    ),
    ("cross_entropy unbatched", lambda: F.cross_entropy(X[0], T[0]), Work(log_softmax=5, add=2, multiply=1)),
    (
        "cross_entropy images",
        lambda: F.cross_entropy(R(3, 5, 7), torch.zeros(3, 7).long()),
        Work(log_softmax=105, add=42, multiply=1),
    ),
    # The sum over classes, then two products and an addition a sample.
    (
        "cross_entropy smoothing",
        lambda: F.cross_entropy(X, T, label_smoothing=0.1),
        Work(log_softmax=15, add=6 + 15 + 3, multiply=1 + 6),
    ),
    # y·log p: a product and an addition an element, a negation a sample.
    (
        "cross_entropy probabilities",
        lambda: F.cross_entropy(X, P),
        Work(log_softmax=15, multiply=15 + 1, add=15 + 3 + 3),
    ),
    (
        "cross_entropy all",
        lambda: F.cross_entropy(X, P, W, label_smoothing=0.1),
        Work(log_softmax=15, multiply=15 + 30 + 1, add=15 + 18 + 3),
    ),
    (
        "aten.cross_entropy_loss",
        lambda: torch.ops.aten.cross_entropy_loss(X, T, None, 2),
        Work(log_softmax=15, add=6),
    ),
    ("cross_entropy empty", lambda: F.cross_entropy(R(0, 5), T[:0], reduction="none"), Work()),
    # 13 steps; targets of 2 samples, 3 labels each: 7 states each; 2 comparisons, 7 additions, 4 exp and log.
    (
        "ctc_loss",
        lambda: F.ctc_loss(R(13, 2, 5).log_softmax(-1), torch.ones(2, 3).long(), (13, 11), (3, 2)),
        Work(log_softmax=130) + Work(compare=2 * 182, add=7 * 182, transcendental=4 * 182),
    ),
    # Concatenated targets of 3 + 2 labels: 7 + 5 states.
    (
        "ctc_loss concatenated",
        lambda: F.ctc_loss(R(13, 2, 5), torch.ones(5).long(), (13, 11), (3, 2)),
        Work(compare=2 * 156, add=7 * 156, transcendental=4 * 156),
    ),
    (
        "ctc_loss unbatched",
        lambda: F.ctc_loss(R(13, 5), torch.ones(3).long(), LONG[0], torch.tensor(3)),
        Work(compare=2 * 91, add=7 * 91, transcendental=4 * 91),
    ),
]

ROWS = ELEMENTWISE + ROWWISE + CLASSES


@pytest.mark.parametrize(("call", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_by_hand(call, expected):
    assert work(call) == expected


needs_fused = pytest.mark.skipif(
    not hasattr(F, "linear_cross_entropy"), reason="this PyTorch has no linear_cross_entropy"
)


@needs_fused
def test_linear_cross_entropy_is_linear_and_cross_entropy():
    x, weight, bias = R(3, 7, requires_grad=True), R(5, 7, requires_grad=True), R(5)
    fused = lambda: F.linear_cross_entropy(x, weight, T, linear_bias=bias, weight=W)  # noqa: E731
    assert work(fused) == work(lambda: F.cross_entropy(F.linear(x, weight, bias), T, W))
    assert macs(work(fused)) == dispatcher_macs(fused) == 3 * 7 * 5
    found = cost(fused, grads=True)
    assert (macs(found.forward), macs(found.backward)) == dispatcher_training_macs(fused)


@needs_fused
def test_linear_cross_entropy_of_several_outputs():
    x, weight, targets = R(3, 7), R(5, 11, 7), torch.zeros(3, 11).long()
    call = lambda: F.linear_cross_entropy(x, weight, targets)  # noqa: E731
    assert macs(work(call)) == dispatcher_macs(call) == 3 * 7 * 5 * 11


def test_what_cannot_be_counted_is_reported():
    (own,) = record(
        lambda: F.triplet_margin_with_distance_loss(X, Y, P, distance_function=lambda a, b: (a - b).sum(-1))
    ).uncounted
    assert "distance function" in own.reason and not own.reason.startswith("its formula raised")
    (pairs,) = record(lambda: F.multilabel_margin_loss(X, torch.zeros(3, 5).long())).uncounted
    assert "depends on the target" in pairs.reason
