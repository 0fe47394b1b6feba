"""What a formula sees in place of a tensor."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, SupportsIndex, overload

if TYPE_CHECKING:
    import torch


class Shape(tuple[int, ...]):
    """A tensor's sizes, with its dtype and whether it requires a gradient.

    Slices are shapes too, so `weight[1:].numel()` reads as the sentence it stands for.

    Example:
        >>> Shape((2, 3, 5))[1:].numel()
        15
    """

    dtype: torch.dtype | None
    requires_grad: bool
    tag: object
    """What a tensor subclass says of itself beyond its sizes, or `None`."""

    def __new__(
        cls,
        sizes: tuple[int, ...] = (),
        dtype: torch.dtype | None = None,
        requires_grad: bool = False,
        tag: object = None,
    ) -> Shape:
        """Makes a shape from sizes."""
        shape = super().__new__(cls, sizes)
        shape.dtype = dtype
        shape.requires_grad = requires_grad
        shape.tag = tag
        return shape

    def numel(self) -> int:
        """Returns the number of elements."""
        return prod(self)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Shape: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | Shape:
        item = super().__getitem__(index)
        return Shape(item, self.dtype, self.requires_grad) if isinstance(item, tuple) else item

    def size(self, dim: int | None = None) -> int | Shape:
        """Returns one size, or the shape itself, as a tensor does."""
        return self if dim is None else self[dim]

    @property
    def is_inexact(self) -> bool:
        """Whether the elements are floating-point or complex numbers (or of unknown type)."""
        return self.dtype is None or self.dtype.is_floating_point or self.dtype.is_complex

    @property
    def is_complex(self) -> bool:
        """Whether the elements are complex numbers."""
        return self.dtype is not None and self.dtype.is_complex


def broadcast(*shapes: tuple[int, ...]) -> Shape:
    """Returns the shape that `shapes` broadcast to, aligned from the right as PyTorch does.

    Example:
        >>> tuple(broadcast((2, 1, 5), (3, 1)))
        (2, 3, 5)
    """
    ndim = max((len(shape) for shape in shapes), default=0)
    sizes = [1] * ndim
    for shape in shapes:
        for position, size in enumerate(shape, start=ndim - len(shape)):
            if size != 1:
                sizes[position] = size
    return Shape(tuple(sizes))
