"""Scatters that accumulate: one step for each source element. Without accumulation they only move."""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, tensors
from calprof.ops.registry import define
from calprof.ops.shape import Shape, broadcast
from calprof.work import NOTHING, Work

FAMILY = "scatter"


def reduction_steps(reduce: str, elements: int, results: int) -> Work:
    """Returns the work of reducing `elements` into `results`, by the reduction's name in PyTorch."""
    if reduce in ("sum", "add"):
        return Work(add=elements)
    if reduce == "mean":
        return Work(add=elements, multiply=results)
    if reduce in ("prod", "multiply"):
        return Work(multiply=elements)
    if reduce in ("amax", "amin", "max", "min"):
        return Work(compare=elements)
    raise ValueError(f"unknown reduction {reduce!r}")


@define(FAMILY, "index_add")
def index_add(*args: Any, out: Shape, alpha: complex = 1, **kwargs: Any) -> Work:
    """One addition for each source element, and a multiplication where alpha is not one."""
    source = tensors(args, kwargs)[2].numel()
    return Work(add=source, multiply=source if alpha != 1 else 0)


@define(FAMILY, "scatter_add")
def scatter_add(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One addition for each element of the index, which says how much of the source is read."""
    return Work(add=tensors(args, kwargs)[1].numel())


@define(FAMILY, "scatter_reduce", "scatter")
def scatter(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One step of the reduction for each element of the index; none, a move, without a reduction."""
    reduce = argument(args, kwargs, 4, "reduce")
    if reduce is None:
        return NOTHING
    return reduction_steps(reduce, tensors(args, kwargs)[1].numel(), out.numel())


@define(FAMILY, "index_reduce")
def index_reduce(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One step of the reduction for each source element."""
    reduce = argument(args, kwargs, 4, "reduce")
    return reduction_steps(reduce, tensors(args, kwargs)[2].numel(), out.numel())


@define(FAMILY, "put")
def put(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """With `accumulate` one addition for each source element, a move without."""
    accumulate = argument(args, kwargs, 3, "accumulate", False)
    return Work(add=tensors(args, kwargs)[1].numel()) if accumulate else NOTHING


@define(FAMILY, "index_put", "_index_put_impl", "_unsafe_index_put")
def index_put(
    input: Shape, indices: Any, values: Shape, accumulate: bool = False, *_: Any, out: Any, **__: Any
) -> Work:
    """With `accumulate` one addition for each indexed element, a move without.

    How many elements a boolean mask selects is a matter of its values; the values given tell, unless they
    broadcast.
    """
    if not accumulate:
        return NOTHING
    if any(index is not None and str(index.dtype) in ("torch.bool", "torch.uint8") for index in indices):
        return Work(add=values.numel())
    kept = [size for size, index in zip(input, indices, strict=False) if index is None]
    picked = broadcast(*(index for index in indices if index is not None)).numel()
    return Work(add=picked * Shape((*kept, *input[len(indices) :])).numel())


@define(FAMILY, "_unsafe_masked_index_put_accumulate")
def masked_index_put(*args: Any, out: Any, **kwargs: Any) -> Work:
    """A selection by the mask, then one addition for each value."""
    return Work(add=tensors(args, kwargs)[-1].numel())


@define(FAMILY, "segment_reduce", "_segment_reduce")
def segment_reduce(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """One step of the reduction for each data element, and a division a result for the mean."""
    return reduction_steps(argument(args, kwargs, 1, "reduce"), tensors(args, kwargs)[0].numel(), out.numel())


@define(FAMILY, "fold", "col2im")
def fold(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """Overlapping blocks are summed: one addition for each input element."""
    return Work(add=tensors(args, kwargs)[0].numel())
