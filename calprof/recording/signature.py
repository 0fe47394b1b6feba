"""A call as a hashable key: what it was called with, no tensor kept alive.

A key is flat, because it is built on every intercepted call: the op, then its arguments, then `KEYWORDS`
with name and value in turn, then `RESULT` and the result. A tensor is its `torch.Size` followed by its
dtype and, where gradients are noted, whether it requires one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from calprof.ops.packed import describe_packed
from calprof.ops.registry import Op
from calprof.ops.shape import Shape


class Mark:
    """A separator inside a key."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


KEYWORDS = Mark("KEYWORDS")
RESULT = Mark("RESULT")
TAG = Mark("TAG")
UNREACHED = Mark("UNREACHED")
"""Ends the key of a call whose result no gradient flows back to."""


class Nested(tuple[Any, ...]):
    """A list or tuple argument, in the encoding of a key."""


class Opaque(str):
    """The type name of an argument that is neither a tensor nor plain."""


PLAIN: frozenset[type] = frozenset(
    {int, float, bool, complex, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format}
)

DESCRIBERS: dict[str, Callable[[Any], Any]] = {
    "ScriptObject": lambda value: describe_packed(value) or Opaque("ScriptObject"),
}
"""Type name to what a formula needs to know of an object of that type, as a hashable value."""


def describe(value: Any, grads: bool) -> Any:
    """Returns a hashable stand-in for an argument that is neither a tensor nor plain."""
    kind = type(value)
    if kind is torch.Size:
        return tuple(value)
    if isinstance(value, (list, tuple)):
        items: list[Any] = []
        for item in value:
            append(items, item, grads)
        return Nested(items)
    if isinstance(value, dict):
        items = []
        for item in value.values():
            append(items, item, grads)
        return Nested(items)
    describer = DESCRIBERS.get(kind.__name__)
    if describer is not None:
        return describer(value)
    if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        return value.node.maybe_as_int() if isinstance(value, torch.SymInt) else Opaque(kind.__name__)
    if kind.__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return Opaque(kind.__name__)


def append(key: list[Any], value: Any, grads: bool) -> None:
    """Appends one argument to a key."""
    if isinstance(value, torch.Tensor):
        key.append(value.shape)
        key.append(value.dtype)
        if grads:
            key.append(value.requires_grad)
    elif type(value) in PLAIN:
        key.append(value)
    else:
        key.append(describe(value, grads))


def decode(key: tuple[Any, ...], grads: bool) -> tuple[Op, list[Any], dict[str, Any], Any]:
    """Returns the op, positional arguments, keyword arguments and result a key stands for.

    Tensors come back as `Shape`s, lists and tuples of arguments as lists.
    """
    items = iter(key[1:])
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    out: Any = None
    for item in items:
        if item is RESULT:
            out = _value(next(items), items, grads)
        elif item is KEYWORDS:
            name = next(items)
            kwargs[name] = _value(next(items), items, grads)
        else:
            args.append(_value(item, items, grads))
    return key[0], args, kwargs, tuple(out) if isinstance(out, list) else out


def _value(item: Any, items: Iterator[Any], grads: bool) -> Any:
    if isinstance(item, torch.Size):
        dtype = next(items)
        return Shape(tuple(item), dtype, next(items) if grads else False)
    if isinstance(item, Nested):
        inner = iter(item)
        return [_value(each, inner, grads) for each in inner]
    return item
