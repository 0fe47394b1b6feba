"""Sorting, selecting and searching, in comparisons.

Sorting n numbers takes n·⌈log2 n⌉ comparisons, the leading term of merge sort (Knuth, The Art of Computer
Programming, volume 3, section 5.2.4); the exact number depends on the values.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, tensors
from calprof.ops.registry import define, uncountable
from calprof.ops.shape import Shape
from calprof.ops.tables import alike, table
from calprof.work import Work

FAMILY = "ordering"

uncountable(
    "how many comparisons it takes depends on how many values are distinct",
    "unique _unique _unique2 unique_dim",
)
uncountable("calls your Python function on every element", "apply map map2")

table(
    FAMILY,
    "input",
    alike(
        "unique_consecutive unique_dim_consecutive",
        {"compare": 1},
        "Each element is compared with its predecessor.",
    ),
)


def depth(count: int) -> int:
    """Returns ⌈log2 count⌉, the comparisons of a binary search among `count - 1` boundaries.

    Example:
        >>> [depth(count) for count in (0, 1, 2, 3, 8, 9)]
        [0, 0, 1, 2, 3, 4]
    """
    return max(count - 1, 0).bit_length()


def _row(shape: Shape, dim: int | None) -> int:
    """Returns the length of what is sorted: one dimension, or everything."""
    if dim is None:
        return shape.numel()
    return shape[dim] if len(shape) else 1


def _sort(shape: Shape, dim: int | None) -> Work:
    return Work(compare=shape.numel() * depth(_row(shape, dim)))


def _dim(args: Any, kwargs: Any, position: int, default: int | None) -> int | None:
    """Returns a dimension given by position or as `dim` or `axis`; anything but an integer is the default."""
    found = argument(args, kwargs, position, "dim", kwargs.get("axis", default))
    return found if type(found) is int else default


@define(FAMILY, "sort", "argsort")
def sort(*args: Any, out: Any, **kwargs: Any) -> Work:
    """n·⌈log2 n⌉ comparisons for each row of n, merge sort's leading term."""
    # `stable` may come before the dimension, as a keyword or as the overload's first boolean.
    position = 2 if len(args) > 1 and isinstance(args[1], bool) else 1
    return _sort(tensors(args, kwargs)[0], _dim(args, kwargs, position, -1))


@define(FAMILY, "msort")
def msort(*args: Any, out: Any, **kwargs: Any) -> Work:
    """n·⌈log2 n⌉ comparisons for each column of n, merge sort's leading term."""
    return _sort(tensors(args, kwargs)[0], 0)


@define(FAMILY, "topk")
def topk(*args: Any, out: Any, **kwargs: Any) -> Work:
    """One pass with a heap of the k best: ⌈log2(k + 1)⌉ comparisons for each element."""
    count: int = argument(args, kwargs, 1, "k")
    return Work(compare=tensors(args, kwargs)[0].numel() * depth(count + 1))


@define(FAMILY, "median", "nanmedian")
def median(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The middle of the sorted elements: n·⌈log2 n⌉ comparisons for each row of n."""
    return _sort(tensors(args, kwargs)[0], _dim(args, kwargs, 1, None))


@define(FAMILY, "kthvalue")
def kthvalue(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The k-th of the sorted elements: n·⌈log2 n⌉ comparisons for each row of n."""
    return _sort(tensors(args, kwargs)[0], _dim(args, kwargs, 2, -1))


@define(FAMILY, "mode")
def mode(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The longest run of the sorted elements: n·⌈log2 n⌉ comparisons for each row of n, and n to find it."""
    values = tensors(args, kwargs)[0]
    return _sort(values, _dim(args, kwargs, 1, -1)) + Work(compare=values.numel())


@define(FAMILY, "quantile", "nanquantile")
def quantile(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """n·⌈log2 n⌉ comparisons for each sorted row of n, then an interpolation, three steps, a result."""
    order = _sort(tensors(args, kwargs)[0], _dim(args, kwargs, 2, None))
    return order + Work(add=2 * out.numel(), multiply=out.numel())


@define(FAMILY, "searchsorted")
def searchsorted(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """A binary search among n boundaries: ⌈log2(n + 1)⌉ comparisons for each value."""
    return Work(compare=out.numel() * depth(tensors(args, kwargs)[0][-1] + 1))


@define(FAMILY, "bucketize")
def bucketize(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """A binary search among n boundaries: ⌈log2(n + 1)⌉ comparisons for each value."""
    return Work(compare=out.numel() * depth(tensors(args, kwargs)[-1].numel() + 1))


@define(FAMILY, "isin")
def isin(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each element is compared with each test element."""
    tests = argument(args, kwargs, 1, "test_elements", kwargs.get("test_element"))
    return Work(compare=out.numel() * (tests.numel() if isinstance(tests, Shape) else 1))


@define(FAMILY, "multinomial")
def multinomial(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """Inverting the cumulative sum of n weights: n additions a row, ⌈log2(n + 1)⌉ comparisons a sample."""
    weights = tensors(args, kwargs)[0]
    return Work(add=weights.numel(), compare=out.numel() * depth(weights[-1] + 1))
