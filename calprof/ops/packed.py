"""What a packed quantised weight, an opaque object of PyTorch's, says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import ref


@dataclass(frozen=True, slots=True)
class Packed:
    """The weight inside a packed object.

    Attributes:
        weight: Sizes of the weight, as the float layer has it.
        bias: Whether there is a bias.
        transposed: Whether it belongs to a transposed convolution.
    """

    weight: tuple[int, ...]
    bias: bool
    transposed: bool = False


_SEEN: dict[int, tuple[ref[Any], Packed | None]] = {}
"""What is packed by an object's id: these objects can be neither compared nor keys."""


def describe_packed(value: Any) -> Packed | None:
    """Returns what is packed in a linear layer's or convolution's object, `None` for any other object.

    Unpacking copies the weight, so each object is asked once.
    """
    key = id(value)
    seen = _SEEN.get(key)
    if seen is None or seen[0]() is not value:
        seen = _SEEN[key] = (ref(value, lambda _: _SEEN.pop(key, None)), _unpack(value))
    return seen[1]


def _unpack(value: Any) -> Packed | None:
    if not value._has_method("unpack"):
        return None
    try:
        weight, bias = value.unpack()
    except (RuntimeError, TypeError, ValueError):
        return None  # another class of objects, whose `unpack` means something else
    transposed = value._has_method("transpose") and bool(value.transpose())
    return Packed(tuple(weight.shape), bias is not None, transposed)
