"""Norms of vectors and distances, by their order; matrix norms by singular values are in `spectral`."""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, tensors
from calprof.ops.reduction import norm_steps
from calprof.ops.registry import define
from calprof.ops.shape import Shape, broadcast
from calprof.ops.spectral import matrix_norm_steps
from calprof.work import Work

FAMILY = "norm"


@define(FAMILY, "linalg.vector_norm", "frobenius_norm", "native_norm")
def vector_norm(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The p-norm over all elements or some dimensions, by its order, 2 unless given."""
    order = argument(args, kwargs, 1, "ord", 2)
    # `frobenius_norm` takes dimensions where the others take an order.
    order = 2 if isinstance(order, (list, tuple)) else order
    return norm_steps(order, tensors(args, kwargs)[0].numel(), out.numel())


@define(FAMILY, "linalg._powsum")
def powsum(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The p-norm by its order, 2 unless given, without the root."""
    return norm_steps(argument(args, kwargs, 1, "ord", 2), tensors(args, kwargs)[0].numel(), 0)


@define(FAMILY, "norm")
def norm(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The p-norm over all elements or some dimensions, by its order; "nuc" is a matrix's nuclear norm."""
    order = argument(args, kwargs, 1, "p", "fro")
    if order == "nuc":
        dims = argument(args, kwargs, 2, "dim") or (-2, -1)
        return matrix_norm_steps(tensors(args, kwargs)[0], order, (dims[0], dims[1]))
    return norm_steps(order, tensors(args, kwargs)[0].numel(), out.numel())


@define(FAMILY, "dist")
def dist(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """A subtraction for each element of the broadcast difference, then its p-norm."""
    left, right = tensors(args, kwargs)[:2]
    elements = broadcast(left, right).numel()
    return Work(add=elements) + norm_steps(argument(args, kwargs, 2, "p", 2), elements, 1)


@define(FAMILY, "renorm")
def renorm(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """The p-norm of each slice, a comparison and a division a slice, a product an element."""
    order = argument(args, kwargs, 1, "p")
    slices = out[argument(args, kwargs, 2, "dim")]
    elements = out.numel()
    return norm_steps(order, elements, slices) + Work(compare=slices, multiply=slices + elements)
