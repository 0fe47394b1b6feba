"""Pooling: every element a window reads is one tap, an addition or a comparison.

A window has all its kernel's elements, also where it hangs over the padding or, in `ceil_mode`, over the
edge, as a convolution's taps do. The windows of adaptive pooling are of unequal size and counted exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from calprof.ops.operands import argument, first_shape
from calprof.ops.registry import Formula, define, free
from calprof.ops.shape import Shape
from calprof.work import Work

FAMILY = "pooling"


def _result(out: Any) -> Shape:
    shape = first_shape(out)
    if shape is None:
        raise TypeError("pooling returned no tensor")
    return shape


def _kernel(size: Any, dims: int) -> int:
    """Returns the elements of a kernel given as one number or one a dimension."""
    sizes = list(size) if isinstance(size, (list, tuple)) else [size]
    return prod(sizes * dims if len(sizes) == 1 else sizes)


def windows(size: int, outputs: int) -> int:
    """Returns the summed sizes of adaptive pooling's windows along one dimension.

    Window i reads from ⌊i·size/outputs⌋ to ⌈(i + 1)·size/outputs⌉.

    Example:
        >>> windows(7, 5)  # 2 + 2 + 3 + 2 + 2
        11
    """
    return sum(-(-(i + 1) * size // outputs) - i * size // outputs for i in range(outputs))


def adaptive_taps(input: Shape, out: Shape, dims: int) -> int:
    """Returns the taps of adaptive pooling over the last `dims` dimensions."""
    taps = (windows(size, outputs) for size, outputs in zip(input[-dims:], out[-dims:], strict=True))
    return out[:-dims].numel() * prod(taps)


def _max(dims: int) -> Formula:
    def max_pool(input: Shape, kernel_size: Any, *_: Any, out: Any, **__: Any) -> Work:
        """The maximum of each window: one comparison for each of its elements."""
        taps = _result(out).numel() * _kernel(kernel_size, dims)
        return Work(pool_tap=taps, pool_input=input.numel())

    return max_pool


def _average(dims: int) -> Formula:
    def avg_pool(input: Shape, kernel_size: Any, *_: Any, out: Shape, **__: Any) -> Work:
        """The mean of each window: one addition for each of its elements and one product a window."""
        taps = out.numel() * _kernel(kernel_size, dims)
        return Work(pool_tap=taps, pool_input=input.numel(), multiply=out.numel())

    return avg_pool


def _power(dims: int) -> Formula:
    def lp_pool(input: Shape, norm_type: Any, *args: Any, out: Shape, **kwargs: Any) -> Work:
        """(Σ x^p)^(1/p) of each window: a power an input element, an addition a tap, a power a window."""
        taps = out.numel() * _kernel(argument(args, kwargs, 0, "kernel_size"), dims)
        return Work(pool_tap=taps, pool_input=input.numel(), transcendental=input.numel() + out.numel())

    return lp_pool


def _adaptive_max(dims: int) -> Formula:
    def adaptive_max_pool(input: Shape, *_: Any, out: Any, **__: Any) -> Work:
        """The maximum of each window, their sizes exact: one comparison for each element."""
        return Work(pool_tap=adaptive_taps(input, _result(out), dims), pool_input=input.numel())

    return adaptive_max_pool


def _adaptive_average(dims: int) -> Formula:
    def adaptive_avg_pool(input: Shape, *_: Any, out: Shape, **__: Any) -> Work:
        """The mean of each window, their sizes exact: one addition for each element, one product a window."""
        taps = adaptive_taps(input, out, dims)
        return Work(pool_tap=taps, pool_input=input.numel(), multiply=out.numel())

    return adaptive_avg_pool


_POOLS: dict[str, Callable[[int], Formula]] = {
    "max_pool{}d": _max,
    "max_pool{}d_with_indices": _max,
    "mkldnn_max_pool{}d": _max,
    "quantized_max_pool{}d": _max,
    "quantized.max_pool{}d": _max,
    "avg_pool{}d": _average,
    "lp_pool{}d": _power,
    # Its windows start at random places, and all have the kernel's size.
    "fractional_max_pool{}d": _max,
    "fractional_max_pool{}d_with_indices": _max,
    "adaptive_max_pool{}d": _adaptive_max,
    "adaptive_max_pool{}d_with_indices": _adaptive_max,
    "adaptive_avg_pool{}d": _adaptive_average,
    "_adaptive_avg_pool{}d": _adaptive_average,
    "mkldnn_adaptive_avg_pool{}d": _adaptive_average,
}

for _pattern, _pool in _POOLS.items():
    for _dims in (1, 2, 3):
        define(FAMILY, _pattern.format(_dims))(_pool(_dims))


@define(FAMILY, "max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward")
def max_pool_backward(grad_output: Shape, *_: Any, out: Shape, **__: Any) -> Work:
    """Each window's gradient is added where its maximum was found."""
    return Work(add=grad_output.numel())


free("puts values back where their maximum was found", "max_unpool1d", "max_unpool2d", "max_unpool3d")
