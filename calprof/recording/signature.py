"""A call as a hashable key: what it was called with, no tensor kept alive.

A key is flat, because it is built on every intercepted call: the op, then its arguments, then `KEYWORDS`,
the names as a tuple and their values, then `RESULT` and the result. A tensor is its `torch.Size` followed by its
dtype and, where gradients are noted, whether it requires one. A sparse or nested tensor has `TAG` and what
its sizes do not tell before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from calprof.ops.kernels.xformers import BIASES, describe_bias
from calprof.ops.packed import describe_packed
from calprof.ops.registry import Op
from calprof.ops.shape import Shape
from calprof.recording.layouts import layout_of, sizes_of


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
    """A list or tuple argument in the encoding of a key; a tuple of plain values is there as it is."""


class Opaque(str):
    """The type name of an argument that is neither a tensor nor plain."""


_TENSOR, _PARAMETER, _STRIDED = torch.Tensor, torch.nn.Parameter, torch.strided
"""Named here because looking them up in torch takes longer on every call."""
_layout_of: Callable[[torch.Tensor], torch.layout] = torch.Tensor.layout.__get__  # type: ignore[attr-defined]
"""Below what a subclass answers in Python, as fake tensors do."""

PLAIN: frozenset[type] = frozenset(
    {int, float, bool, complex, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format}
)

DESCRIBERS: dict[str, Callable[[Any], Any]] = {
    "ScriptObject": lambda value: describe_packed(value) or Opaque("ScriptObject"),
    "Blocks": lambda value: value,
    **dict.fromkeys(BIASES, describe_bias),
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
    kind = type(value)
    if (kind is _PARAMETER or kind is _TENSOR) and value.layout is _STRIDED:
        key.append(value.shape)
        key.append(value.dtype)
        if grads:
            key.append(value.requires_grad)
    elif kind in PLAIN or (kind is tuple and PLAIN.issuperset(map(type, value))):
        key.append(value)
    elif isinstance(value, _TENSOR):
        if _layout_of(value) is _STRIDED:
            shape = value.shape
            hash(shape)  # symbolic sizes have none
            key.append(shape)
        else:
            _append_layout(key, value)
        key.append(value.dtype)
        if grads:
            key.append(value.requires_grad)
    else:
        key.append(describe(value, grads))


def _append_layout(key: list[Any], value: torch.Tensor) -> None:
    tag = layout_of(value)
    if tag is not None:
        key.append(TAG)
        key.append(tag)
    key.append(sizes_of(value, tag))


def key_of(op: Any, args: Any, kwargs: Any, out: Any, grads: bool) -> tuple[Any, ...]:
    """Returns the key of a call; made for the usual tensors, any other is looked at more closely.

    Args:
        op: The op called.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        out: Its result.
        grads: Whether to note which tensors require a gradient.
    """
    key = [op]
    try:
        for value in args:
            # Asking for the type is faster than isinstance, which asks the metaclass of tensors.
            kind = type(value)
            if (kind is _TENSOR or kind is _PARAMETER) and value.layout is _STRIDED:
                key.append(value.shape)
                key.append(value.dtype)
                if grads:
                    key.append(value.requires_grad)
            elif kind in PLAIN:
                key.append(value)
            else:
                append(key, value, grads)
        if kwargs:
            key.append(KEYWORDS)
            key.append(tuple(kwargs))
            for value in kwargs.values():
                if type(value) in PLAIN:
                    key.append(value)
                else:
                    append(key, value, grads)
        key.append(RESULT)
        if type(out) is _TENSOR and out.layout is _STRIDED:
            key.append(out.shape)
            key.append(out.dtype)
            if grads:
                key.append(out.requires_grad)
        else:
            append(key, out, grads)
    except Exception:  # a tensor that will not say its sizes must not break the run
        return spell(op, args, kwargs, out, grads)
    return tuple(key)


def spell(op: Any, args: Any, kwargs: Any, out: Any, grads: bool, result_grad: bool | None = None) -> tuple[Any, ...]:
    """Returns the key of a call whose tensors may be of any kind: nested, or with symbolic sizes.

    Args:
        op: The op called.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        out: Its result.
        grads: Whether to note which tensors require a gradient.
        result_grad: Whether the result will require one, where it does not know yet; it knows by default.
    """
    key: list[Any] = [op]
    for value in args:
        _spell(key, value, grads)
    if kwargs:
        key += (KEYWORDS, tuple(kwargs))
        for value in kwargs.values():
            _spell(key, value, grads)
    key.append(RESULT)
    _spell(key, out, grads, result_grad)
    return tuple(key)


def _spell(key: list[Any], value: Any, grads: bool, needs: bool | None = None) -> None:
    if isinstance(value, torch.Tensor):
        items: list[Any] = []
        try:
            _append_layout(items, value)
        except Exception:  # a tensor that has no sizes is known by its type alone
            key.append(Opaque(type(value).__name__))
            return
        key += (*items, value.dtype)
        if grads:
            key.append(value.requires_grad if needs is None else needs and value.dtype.is_floating_point)
    elif isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        items = []
        for item in value:
            _spell(items, item, grads, needs)
        key.append(Nested(items))
    else:
        append(key, value, grads)


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
            for name in next(items):
                kwargs[name] = _value(next(items), items, grads)
        else:
            args.append(_value(item, items, grads))
    return key[0], args, kwargs, tuple(out) if isinstance(out, list) else out


def _value(item: Any, items: Iterator[Any], grads: bool) -> Any:
    tag = None
    if item is TAG:
        tag, item = next(items), next(items)
    if isinstance(item, torch.Size):
        dtype = next(items)
        return Shape(tuple(item), dtype, next(items) if grads else False, tag)
    if isinstance(item, Nested):
        inner = iter(item)
        return [_value(each, inner, grads) for each in inner]
    return list(item) if type(item) is tuple else item
