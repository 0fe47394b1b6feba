"""Distances and similarities between rows.

Counted by their definition: that PyTorch finds the Euclidean distances of many rows through a matrix product
is a choice of its kernel, and no product of the model's.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument
from calprof.ops.reduction import norm_steps
from calprof.ops.registry import define
from calprof.ops.shape import Shape, broadcast
from calprof.work import Work

FAMILY = "distance"


def pairwise(elements: int, rows: int, order: Any, offset: bool = True) -> Work:
    """Returns the work of ‖x - y + ε‖_p for `rows` rows of together `elements` elements."""
    return Work(add=(2 if offset else 1) * elements) + norm_steps(order, elements, rows)


def cosine(elements: int, rows: int) -> Work:
    """Returns the work of x·y / max(‖x‖·‖y‖, ε): 3 dot products, 2 roots, a product, a bound, a division."""
    return Work(multiply=3 * elements + 2 * rows, add=3 * elements, transcendental=2 * rows, compare=rows)


@define(FAMILY, "cdist", "_cdist_forward", "_euclidean_dist")
def cdist(x1: Shape, x2: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """For each pair of rows a subtraction and the steps of the p-norm for each of their elements."""
    return pairwise(out.numel() * x1[-1], out.numel(), argument(args, kwargs, 0, "p", 2.0), offset=False)


@define(FAMILY, "pdist", "_pdist_forward")
def pdist(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """For each of the n·(n - 1)/2 pairs a subtraction and the steps of the p-norm for each element."""
    return pairwise(out.numel() * input[-1], out.numel(), argument(args, kwargs, 0, "p", 2.0), offset=False)


@define(FAMILY, "pairwise_distance")
def pairwise_distance(x1: Shape, x2: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """‖x1 - x2 + ε‖_p: a subtraction, an addition and the steps of the p-norm for each element."""
    elements = broadcast(x1, x2).numel()
    return pairwise(elements, out.numel(), argument(args, kwargs, 0, "p", 2.0))


@define(FAMILY, "cosine_similarity")
def cosine_similarity(x1: Shape, x2: Shape, *_: Any, out: Shape, **__: Any) -> Work:
    """x1·x2 / max(‖x1‖·‖x2‖, ε): three dot products, then two roots, a product, a bound, a division a row."""
    return cosine(broadcast(x1, x2).numel(), out.numel())
