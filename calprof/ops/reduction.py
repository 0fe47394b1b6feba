"""Sums, extremes, scans and norms: one step for each input element, then what each result takes.

A sum of n elements counts n additions, the first one to zero, so that a reduction over nothing costs nothing
and splitting a reduction changes no count.
"""

from __future__ import annotations

from math import inf
from typing import Any

from calprof.ops.operands import first_shape, tensors
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.ops.tables import alike, table
from calprof.work import Work

FAMILY = "reduction"

table(
    FAMILY,
    "input",
    {
        **alike(
            "sum cumsum sum_to_size _sparse_sum _sparse_csr_sum",
            {"add": 1},
            "One addition for each input element.",
        ),
        "nansum": ({"compare": 1, "add": 1}, "A test for NaN and an addition for each input element."),
        **alike("prod cumprod _sparse_csr_prod", {"multiply": 1}, "One product for each input element."),
        **alike(
            """
            argmax argmin amax amin cummax cummin any all _is_any_true _is_all_true count_nonzero nonzero
            nonzero_static nonzero_numpy argwhere contains equal
            """,
            {"compare": 1},
            "One comparison for each input element.",
        ),
        **alike("aminmax _aminmax", {"compare": 2}, "Two comparisons for each input element."),
        "hash_tensor": ({"integer": 1}, "One exclusive or for each input element."),
        "logcumsumexp": (
            {"transcendental": 2, "add": 1},
            "log of the running sum of exp: an exp, an addition and a log for each element.",
        ),
        "_logcumsumexp": ({"transcendental": 2, "add": 1}, "An exp, an addition and a log for each element."),
        **alike("_cummax_helper _cummin_helper", {"compare": 1}, "One comparison for each element."),
    },
)


def numel(value: Any) -> int:
    """Returns the elements of the first tensor inside an argument or a result; a Python number is one."""
    shape = first_shape(value)
    return 1 if shape is None else shape.numel()


@define(FAMILY, "mean")
def mean(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One addition for each input element and one division for each result."""
    return Work(add=tensors(args, kwargs)[0].numel(), multiply=out.numel())


@define(FAMILY, "nanmean")
def nanmean(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """A test for NaN, an addition to the sum and one to the count for each element; a division a result."""
    elements = tensors(args, kwargs)[0].numel()
    return Work(compare=elements, add=2 * elements, multiply=out.numel())


@define(FAMILY, "max", "min")
def extreme(*args: Any, out: Any, **kwargs: Any) -> Work:
    """One comparison for each input element; of two tensors, one for each element of the result."""
    operands = tensors(args, kwargs)
    return Work(compare=numel(out) if len(operands) > 1 else operands[0].numel())


@define(FAMILY, "allclose")
def allclose(*args: Any, out: Any, **kwargs: Any) -> Work:
    """|a - b| <= atol + rtol·|b|, six steps for each element: four additions, a product, a comparison."""
    elements = tensors(args, kwargs)[0].numel()
    return Work(add=4 * elements, multiply=elements, compare=elements)


@define(FAMILY, "logsumexp")
def logsumexp(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """Maximum, subtract, exp, sum for each element; a log and an addition a result: m + log Σ exp(x - m)."""
    elements, results = tensors(args, kwargs)[0].numel(), out.numel()
    return Work(compare=elements, add=2 * elements + results, transcendental=elements + results)


@define(FAMILY, "trace")
def trace(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One addition for each element of the diagonal."""
    matrix = tensors(args, kwargs)[0]
    return Work(add=min(matrix[-1], matrix[-2]))


def norm_steps(order: Any, elements: int, results: int) -> Work:
    """Returns the work of the p-norm (Σ|x|^p)^(1/p) of `elements` numbers in `results` groups.

    Order 2 squares, adds and takes a root; 1 adds absolute values; ±inf takes the largest or smallest of
    them; 0 counts the elements that are not zero; any other order takes two powers.

    Raises:
        ValueError: An order that is neither a number nor `None`, "fro".
    """
    if order in (None, "fro", 2):
        return Work(multiply=elements, add=elements, transcendental=results)
    if isinstance(order, (str, list, Shape)):
        raise ValueError(f"the order of a vector norm is a number or 'fro', not {order!r}")
    if order == 1:
        return Work(add=2 * elements)
    if order in (inf, -inf):
        return Work(add=elements, compare=elements)
    if order == 0:
        return Work(compare=elements, add=elements)
    return Work(add=2 * elements, transcendental=elements + results)
