"""Variances, covariances, histograms, differences and integrals."""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, tensors
from calprof.ops.ordering import depth
from calprof.ops.products import product
from calprof.ops.reduction import numel
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "statistics"


def _variance(elements: int, results: int) -> Work:
    # (Σx² - (Σx)² / n) / (n - correction): a square, two divisions and a subtraction a result.
    return Work(add=2 * elements + results, multiply=elements + 3 * results)


@define(FAMILY, "var")
def var(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """(Σx² - (Σx)² / n) / (n - correction): sum, square, sum for each element; four steps a result."""
    return _variance(tensors(args, kwargs)[0].numel(), out.numel())


@define(FAMILY, "std")
def std(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The variance and its square root."""
    return _variance(tensors(args, kwargs)[0].numel(), out.numel()) + Work(transcendental=out.numel())


@define(FAMILY, "var_mean")
def var_mean(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The variance, and a division a result for the mean."""
    return _variance(tensors(args, kwargs)[0].numel(), numel(out)) + Work(multiply=numel(out))


@define(FAMILY, "std_mean")
def std_mean(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The variance, its square root, and a division a result for the mean."""
    results = numel(out)
    return _variance(tensors(args, kwargs)[0].numel(), results) + Work(multiply=results, transcendental=results)


@define(FAMILY, "cov")
def cov(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """(X - mean)·(X - mean)ᵀ / (m - correction) of n variables in m observations: n²·m MACs.

    The mean is an addition for each element and a division a variable; centring is a subtraction for each
    element; weights multiply each element and each centred one.
    """
    samples = tensors(args, kwargs)[0]
    elements, variables = samples.numel(), samples[0] if len(samples) > 1 else 1
    weights = len(tensors(args, kwargs)) > 1
    centring = Work(add=2 * elements, multiply=variables + (2 * elements if weights else 0))
    return product(variables * elements, samples, samples) + centring + Work(multiply=out.numel())


@define(FAMILY, "corrcoef")
def corrcoef(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """The covariance, the square root of its diagonal, and two divisions and two bounds an entry."""
    samples = tensors(args, kwargs)[0]
    variables = samples[0] if len(samples) > 1 else 1
    entries = out.numel()
    return cov(*args, out=out, **kwargs) + Work(transcendental=variables, multiply=2 * entries, compare=2 * entries)


@define(FAMILY, "bincount")
def bincount(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One addition for each element: of one, an integer, or of its weight."""
    operands = tensors(args, kwargs)
    return Work(add=operands[0].numel()) if len(operands) > 1 else Work(integer=operands[0].numel())


@define(FAMILY, "histc")
def histc(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The bin ⌊(x - min) · bins / (max - min)⌋ of each element: a subtraction, product, rounding; a count."""
    elements = tensors(args, kwargs)[0].numel()
    return Work(add=elements, multiply=elements, round=elements, integer=elements)


@define(FAMILY, "histogram")
def histogram(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The bin of each element, by its formula or a binary search among given edges, and its addition."""
    elements = tensors(args, kwargs)[0].numel()
    bins = argument(args, kwargs, 1, "bins")
    return _bin(elements, bins) + Work(add=elements)


@define(FAMILY, "histogramdd", "_histogramdd_from_bin_cts", "_histogramdd_from_bin_tensors")
def histogramdd(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The bin of each point in each of its D dimensions, and one addition a point."""
    points = tensors(args, kwargs)[0]
    dims, count = points[-1], points[:-1].numel()
    bins = argument(args, kwargs, 1, "bins")
    bins = bins if isinstance(bins, list) else [bins] * dims
    return sum((_bin(count, each) for each in bins), Work(add=count))


@define(FAMILY, "_histogramdd_bin_edges")
def histogram_edges(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The smallest and the largest coordinate: two comparisons for each element."""
    return Work(compare=2 * tensors(args, kwargs)[0].numel())


def _bin(elements: int, bins: Any) -> Work:
    if isinstance(bins, Shape):
        return Work(compare=elements * depth(bins.numel()))
    return Work(add=elements, multiply=elements, round=elements)


@define(FAMILY, "diff")
def diff(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One subtraction for each element of each of the n differences taken in turn."""
    order: int = argument(args, kwargs, 1, "n", 1)
    dim: int = argument(args, kwargs, 2, "dim", -1)
    rows = out[:dim].numel() * (out[dim:][1:]).numel()
    return Work(add=sum(rows * (out[dim] + further) for further in range(order)))


@define(FAMILY, "gradient")
def gradient(*args: Any, out: Any, **kwargs: Any) -> Work:
    """A central difference (f(x + h) - f(x - h)) / 2h: a subtraction and a division an element and dimension.

    With coordinates, Fornberg's three-point formula: three products and two additions.
    """
    elements = sum(each.numel() for each in out)
    spacing = argument(args, kwargs, 1, "spacing")
    if isinstance(spacing, list) and any(isinstance(each, Shape) for each in spacing):
        return Work(multiply=3 * elements, add=2 * elements)
    return Work(add=elements, multiply=elements)


@define(FAMILY, "trapezoid", "trapz")
def trapezoid(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """Σ (y[i] + y[i+1])·h / 2: two additions and a product an interval, a halving a result.

    Coordinates in place of a step are a subtraction more an interval.
    """
    intervals = _intervals(args, kwargs)
    return intervals + Work(multiply=out.numel())


@define(FAMILY, "cumulative_trapezoid")
def cumulative_trapezoid(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The running sum of (y[i] + y[i+1])·h / 2: two additions, a product and a halving an interval."""
    return _intervals(args, kwargs) + Work(multiply=out.numel())


def _intervals(args: Any, kwargs: Any) -> Work:
    operands = tensors(args, kwargs)
    values = operands[0]
    dim: int = kwargs.get("dim", -1)
    intervals = values.numel() // values[dim] * (values[dim] - 1) if values.numel() else 0
    return Work(add=intervals * (1 + len(operands)), multiply=intervals)


@define(FAMILY, "vander")
def vander(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each power is its predecessor times x: one product for each element of the matrix."""
    return Work(multiply=out.numel())
