"""Checks of the sizes a caller states."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any


def checked_shape(shape: Any, name: str = "input_shape") -> tuple[int, ...]:
    """The shape as a tuple of positive ints.

    >>> checked_shape([1, 3, 224, 224])
    (1, 3, 224, 224)

    Raises:
        TypeError: not a tuple or list, or an entry that is not an integer.
        ValueError: empty, or an entry below 1.
    """
    expected = "expected a tuple of positive integers such as (1, 3, 224, 224)."
    if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence):
        raise TypeError(f"{name} is {shape!r}; {expected}")
    if not shape:
        raise ValueError(f"{name} is empty; {expected}")
    return tuple(checked_size(size, name, given=shape) for size in shape)


def checked_size(size: Any, name: str, given: Any = None) -> int:
    """One size as a positive int; numpy's integers are integers, booleans are not.

    Raises:
        TypeError: not an integer.
        ValueError: below 1.
    """
    given = size if given is None else given
    try:
        if isinstance(size, bool) or type(size).__name__ in ("bool_", "bool"):
            raise TypeError
        number = operator.index(size)
    except TypeError:
        kind = type(size).__name__
        raise TypeError(f"{name} is {given!r}; expected positive integers, not {kind}.") from None
    if number < 1:
        raise ValueError(f"{name} is {given!r}; expected every size to be at least 1.")
    return number


def checked_edges(size: Any) -> tuple[int, int] | None:
    """Height and width of an image from one number or two; `None` for `None`.

    Raises:
        TypeError: not integers.
        ValueError: below 1, or not one number or two.
    """
    if size is None:
        return None
    edges = checked_shape(size if isinstance(size, Sequence) else (size, size), "image_size")
    if len(edges) != 2:
        raise ValueError(f"image_size is {size!r}; expected one number or (height, width).")
    return edges[0], edges[1]
