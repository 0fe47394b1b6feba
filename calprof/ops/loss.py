"""Losses over elements and rows. Those over classes are in `crossentropy`.

Reduction "sum" is one addition for each loss, "mean" a division more. A piecewise loss is charged its dearer
piece.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.distance import cosine, pairwise
from calprof.ops.operands import argument
from calprof.ops.registry import Uncountable, define, uncountable
from calprof.ops.shape import Shape, broadcast
from calprof.work import Work

FAMILY = "loss"

_NUMBERED = {0: "none", 1: "mean", 2: "sum"}


def reduction(args: Any, kwargs: Any, position: int) -> str:
    """Returns "none", "mean" or "sum", given by name, by ATen's number or by the two deprecated flags.

    `args` are the arguments after the operands, among which ATen's number is at `position`.
    """
    average, reduce = kwargs.get("size_average"), kwargs.get("reduce")
    if average is not None or reduce is not None:
        return "none" if reduce is False else "sum" if average is False else "mean"
    value = argument(args, kwargs, position, "reduction", "mean")
    return _NUMBERED[value] if type(value) is int else value


def reduced(losses: int, how: str) -> Work:
    """Returns the work of reducing that many losses."""
    if how == "none":
        return Work()
    return Work(add=losses, multiply=0 if how == "sum" else 1)


def _elementwise(steps: dict[str, int], input: Shape, target: Shape, args: Any, kwargs: Any, position: int = 0) -> Work:
    """Returns the same steps for every element of the loss, a weight's product, and the reduction."""
    losses = broadcast(input, target).numel()
    how = reduction(args, kwargs, position)
    work = Work(**{kind: count * losses for kind, count in steps.items()}) + reduced(losses, how)
    if not isinstance(kwargs.get("weight"), Shape):
        return work
    # A weighted mean divides by the sum of the weights.
    return work + Work(multiply=losses, add=losses if how == "mean" else 0)


@define(FAMILY, "l1_loss")
def l1_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """|x - y|: a subtraction and an absolute value for each element."""
    return _elementwise({"add": 2}, input, target, args, kwargs)


@define(FAMILY, "mse_loss")
def mse_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """(x - y)²: a subtraction and a product for each element."""
    return _elementwise({"add": 1, "multiply": 1}, input, target, args, kwargs)


@define(FAMILY, "smooth_l1_loss", "huber_loss")
def huber_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """d²·c near the target, d·a + b far from it, d = |x - y|: subtract, absolute, compare, two products."""
    return _elementwise({"add": 2, "compare": 1, "multiply": 2}, input, target, args, kwargs)


@define(FAMILY, "kl_div")
def kl_div(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Of y·(log y - x), or of exp(y)·(y - x) for a log target, a log or exp, a subtraction and a product."""
    return _elementwise({"transcendental": 1, "add": 1, "multiply": 1}, input, target, args, kwargs)


@define(FAMILY, "soft_margin_loss")
def soft_margin_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """log(1 + exp(-y·x)): a product, a negation, exp, an addition, log for each element."""
    return _elementwise({"multiply": 1, "add": 2, "transcendental": 2}, input, target, args, kwargs)


@define(FAMILY, "hinge_embedding_loss")
def hinge_embedding_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """For y = 1 x, for y = -1 max(0, margin - x): a sign test, a subtraction, a maximum for each element."""
    return _elementwise({"compare": 2, "add": 1}, input, target, args, kwargs, 1)


@define(FAMILY, "poisson_nll_loss")
def poisson_nll_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """exp(x) - y·x, or x - y·log(x + ε): exp or log, a product, a subtraction for each element.

    `full` adds Stirling's y·log(y) - y + 0.5·log(2π·y) where y > 1: a test, two logs, three products, three
    additions.
    """
    logs = argument(args, kwargs, 0, "log_input", True)
    steps = {"transcendental": 1, "multiply": 1, "add": 1 if logs else 2}
    if argument(args, kwargs, 1, "full", False):
        steps = {"transcendental": 3, "multiply": 4, "add": steps["add"] + 3, "compare": 1}
    return _elementwise(steps, input, target, args, kwargs, 3)


@define(FAMILY, "gaussian_nll_loss")
def gaussian_nll_loss(
    input: Shape, target: Shape, var: Any, full: bool = False, *args: Any, out: Shape, **kwargs: Any
) -> Work:
    """0.5·(log(v) + (x - y)²/v), v = max(var, ε): subtract, square, divide, add, halve; a bound and log a v.

    `full` adds a constant.
    """
    variances = var.numel() if isinstance(var, Shape) else input.numel()
    steps = {"add": 3 if full else 2, "multiply": 3}
    work = Work(compare=variances, transcendental=variances)
    return work + _elementwise(steps, input, target, args, kwargs, 1)


@define(FAMILY, "binary_cross_entropy")
def binary_cross_entropy(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """-(y·log(x) + (1 - y)·log(1 - x)): two logs, two products, four additions for each element."""
    losses = input.numel()
    weight = argument(args, kwargs, 0, "weight")
    work = Work(transcendental=2 * losses, multiply=(3 if isinstance(weight, Shape) else 2) * losses)
    return work + Work(add=4 * losses) + reduced(losses, reduction(args, kwargs, 1))


@define(FAMILY, "binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """max(x, 0) - x·y + log(1 + exp(-|x|)): a bound, a product, five additions, exp, log an element.

    A weight is a product more, `pos_weight` two products and an addition: the log is scaled by 1 + (p - 1)·y.
    """
    losses = broadcast(input, target).numel()
    weighted = isinstance(argument(args, kwargs, 0, "weight"), Shape)
    positive = isinstance(argument(args, kwargs, 1, "pos_weight"), Shape)
    work = Work(compare=losses, multiply=losses, add=5 * losses, transcendental=2 * losses)
    work += Work(multiply=(weighted + 2 * positive) * losses, add=positive * losses)
    return work + reduced(losses, reduction(args, kwargs, 2))


@define(FAMILY, "margin_ranking_loss")
def margin_ranking_loss(input1: Shape, input2: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """max(0, -y·(x1 - x2) + margin): three additions, a product, a maximum for each element."""
    losses = broadcast(input1, input2, target).numel()
    work = Work(add=3 * losses, multiply=losses, compare=losses)
    return work + reduced(losses, reduction(args, kwargs, 1))


@define(FAMILY, "cosine_embedding_loss")
def cosine_embedding_loss(input1: Shape, input2: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """For y = 1 1 - cos, for y = -1 max(0, cos - margin): cosine, sign test, subtraction, maximum a row."""
    rows = target.numel()
    work = cosine(broadcast(input1, input2).numel(), rows) + Work(add=rows, compare=2 * rows)
    return work + reduced(rows, reduction(args, kwargs, 1))


def _triplet(rows: int, distances: Work, swap: bool) -> Work:
    """Returns max(0, d(a, p) - d(a, n) + margin) of rows; `swap` takes the smaller of d(a, n) and d(p, n)."""
    return distances * (3 if swap else 2) + Work(add=2 * rows, compare=(2 if swap else 1) * rows)


@define(FAMILY, "triplet_margin_loss")
def triplet_margin_loss(anchor: Shape, positive: Shape, negative: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """max(0, d(a, p) - d(a, n) + margin): two p-norm distances (`swap`: three), two additions, a maximum.

    Source: Balntas et al., Learning local feature descriptors with triplets (2016).
    """
    elements, rows = _rows(anchor, positive, negative)
    distances = pairwise(elements, rows, argument(args, kwargs, 1, "p", 2))
    work = _triplet(rows, distances, argument(args, kwargs, 3, "swap", False))
    return work + reduced(rows, reduction(args, kwargs, 4))


@define(FAMILY, "triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(
    anchor: Shape, positive: Shape, negative: Shape, *args: Any, out: Shape, **kwargs: Any
) -> Work:
    """The triplet loss with a distance of the caller's: counted when it is the default, ‖x - y + ε‖."""
    distance = kwargs.get("distance_function")
    if distance not in (None, "PairwiseDistance"):
        raise Uncountable(f"its distance function ({distance}) runs out of sight")
    elements, rows = _rows(anchor, positive, negative)
    work = _triplet(rows, pairwise(elements, rows, 2), kwargs.get("swap", False))
    return work + reduced(rows, reduction(args, kwargs, 4))


def _rows(*operands: Shape) -> tuple[int, int]:
    shape = broadcast(*operands)
    return shape.numel(), shape[:-1].numel()


@define(FAMILY, "multi_margin_loss")
def multi_margin_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Σ max(0, margin - x[y] + x[i])^p / C over the C - 1 other classes i: add twice, maximum, sum for each.

    p = 2 and a weight are a product each; the division by C is one a sample.
    """
    samples = target.numel()
    others = input.numel() - samples if input.numel() else 0
    weighted = isinstance(argument(args, kwargs, 2, "weight"), Shape)
    products = (argument(args, kwargs, 0, "p", 1) == 2) + weighted
    work = Work(add=3 * others, compare=others, multiply=products * others + samples)
    return work + reduced(samples, reduction(args, kwargs, 3))


@define(FAMILY, "multilabel_soft_margin_loss")
def multilabel_soft_margin_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """-(y·log σ(x) + (1 - y)·log σ(-x)) averaged over classes.

    log σ(x) = -log(1 + exp(-x)) is two negations, exp, an addition, log, and done twice; then -x, 1 - y, two
    products, an addition, a negation and the sum over classes. The division by C is one a sample.
    """
    elements, samples = input.numel(), input[:-1].numel()
    weighted = isinstance(argument(args, kwargs, 0, "weight"), Shape)
    work = Work(add=11 * elements, transcendental=4 * elements, multiply=(2 + weighted) * elements + samples)
    return work + reduced(samples, reduction(args, kwargs, 3))


uncountable(
    "how many label pairs of a sample are compared depends on the target's values",
    "multilabel_margin_loss", "multilabel_margin_loss_forward",
    family=FAMILY,
)  # fmt: skip
