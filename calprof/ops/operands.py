"""Reading the arguments of a call by role rather than by name, which differs between spellings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calprof.ops.shape import Shape


def tensors(args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> list[Shape]:
    """Returns the shapes of the tensor arguments, positional ones first, lists not looked into.

    Example:
        >>> [tuple(shape) for shape in tensors([Shape((2, 3)), 1.0], {"other": Shape((3,))})]
        [(2, 3), (3,)]
    """
    values = [*args, *(kwargs or {}).values()]
    return [value for value in values if isinstance(value, Shape)]


def argument(args: Sequence[Any], kwargs: Mapping[str, Any], position: int, name: str, default: Any = None) -> Any:
    """Returns an argument given by position or by name."""
    if name in kwargs:
        return kwargs[name]
    return args[position] if position < len(args) else default


def first_shape(value: Any) -> Shape | None:
    """Returns the first tensor's shape inside an argument or a result, however nested, or `None`."""
    if isinstance(value, Shape):
        return value
    if isinstance(value, (tuple, list)):
        for item in value:
            found = first_shape(item)
            if found is not None:
                return found
    return None
