"""Embedding lookups, alone and summed in bags.

A lookup is a copy. It stands for the product of one-hot rows with the table, which some conventions charge.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, first_shape
from calprof.ops.reduction import norm_steps
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Work

FAMILY = "embedding"


def _lookup(ids: Shape, weight: Shape) -> Work:
    return Work(onehot_mac=ids.numel() * weight.numel())


def _renorm(ids: Shape, weight: Shape, norm_type: float) -> Work:
    """Each row looked up is rescaled to the largest norm, as if all were distinct and none within it."""
    rows, elements = ids.numel(), ids.numel() * weight[-1]
    return norm_steps(norm_type, elements, rows) + Work(compare=rows, multiply=rows + elements)


@define(FAMILY, "functional.embedding")
def embedding(input: Shape, weight: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """A lookup copies rows; as a dense one-hot product it is ids x vocabulary x width MACs.

    With `max_norm` each row's norm, a comparison and a rescaling are charged, as if the ids were distinct and
    their rows too long.
    """
    work = _lookup(input, weight)
    if argument(args, kwargs, 1, "max_norm") is None:
        return work
    return work + _renorm(input, weight, argument(args, kwargs, 2, "norm_type", 2.0))


@define(FAMILY, "torch.embedding")
def torch_embedding(weight: Shape, indices: Shape, *_: Any, out: Shape, **__: Any) -> Work:
    """A lookup with the table as first argument: as a one-hot product ids x vocabulary x width MACs."""
    return _lookup(indices, weight)


@define(FAMILY, "embedding_renorm")
def embedding_renorm(self: Shape, indices: Shape, max_norm: float, norm_type: float, *, out: Shape) -> Work:
    """The norm of each row looked up, a comparison and a rescaling, as if all were distinct and too long."""
    return _renorm(indices, self, norm_type)


_MODES = {0: "sum", 1: "mean", 2: "max"}


def _bag(mode: str, weighted: bool, elements: int, results: int) -> Work:
    if mode == "max":
        return Work(compare=elements)
    work = Work(add=elements, multiply=elements if weighted else 0)
    return work + Work(multiply=results) if mode == "mean" else work


@define(FAMILY, "functional.embedding_bag")
def embedding_bag(input: Shape, weight: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each row looked up is added to its bag (mean: one division a result; max: compared), weights multiply.

    Rows at `padding_idx` are charged like the others. `max_norm` is charged as in an embedding.
    """
    ids, table = (weight, input) if input.is_inexact and not weight.is_inexact else (input, weight)
    mode = argument(args, kwargs, 4, "mode", "mean")
    weighted = argument(args, kwargs, 6, "per_sample_weights") is not None
    work = _bag(mode, weighted, ids.numel() * table[-1], out.numel())
    if argument(args, kwargs, 1, "max_norm") is None:
        return work
    return work + _renorm(ids, table, argument(args, kwargs, 2, "norm_type", 2.0))


@define(FAMILY, "torch.embedding_bag", "_embedding_bag", "_embedding_bag_forward_only")
def torch_embedding_bag(weight: Shape, indices: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """Each row looked up is added to its bag (mode 1: a division a result; 2: compared), weights multiply."""
    mode = _MODES[argument(args, kwargs, 2, "mode", 0)]
    weighted = argument(args, kwargs, 4, "per_sample_weights") is not None
    result = first_shape(out)
    assert result is not None
    return _bag(mode, weighted, indices.numel() * weight[-1], result.numel())
