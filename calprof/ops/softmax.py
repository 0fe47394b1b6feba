"""Softmax and its variants."""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.ops.tables import table
from calprof.work import Work

FAMILY = "softmax"

table(
    FAMILY,
    "out",
    {
        **dict.fromkeys(
            ("softmax", "_softmax", "_safe_softmax", "_masked_softmax", "_nested_tensor_softmax_with_shape"),
            ({"softmax": 1}, "exp(x - max) / Σ exp(x - max): maximum, subtract, exp, sum, divide."),
        ),
        **dict.fromkeys(
            ("log_softmax", "_log_softmax"),
            ({"log_softmax": 1}, "x - max - log Σ exp(x - max): maximum, subtract, exp, sum, subtract."),
        ),
        "_softmax_backward_data": (
            {"multiply": 2, "add": 2},
            "y·(dy - Σ y·dy): two products, a sum, a difference.",
        ),
        "_log_softmax_backward_data": (
            {"add": 2, "transcendental": 1, "multiply": 1},
            "dy - exp(y)·Σ dy: a sum, exp, a product, a difference.",
        ),
        "softmin": ({"add": 1, "softmax": 1}, "Softmax of -x: a negation more for each element."),
    },
)


@define(FAMILY, "gumbel_softmax")
def gumbel_softmax(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """softmax((x + g) / τ) with Gumbel noise g = -log(e), e exponential: log, negate, add, divide, softmax.

    `hard` adds the maximum, and the subtraction and addition of the straight-through estimate. Drawing the
    random numbers is not charged. Source: `torch.nn.functional.gumbel_softmax`.
    """
    elements = out.numel()
    work = Work(transcendental=elements, add=2 * elements, multiply=elements, softmax=elements)
    hard = argument(args, kwargs, 2, "hard", False)
    return work + Work(compare=elements, add=2 * elements) if hard else work
