"""PyTorch's scoped override of every function, method and operator: notes each call's shapes.

Everything here runs once per intercepted call, so it does one lookup, appends to one list and adds to one
table. Formulas are evaluated afterwards, once per distinct key.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch._ops import HigherOrderOperator
from torch.overrides import TorchFunctionMode

from calprof.ops.registry import resolutions, resolve
from calprof.recording.modules import Tally
from calprof.recording.reach import nodes_of, sequence_number
from calprof.recording.signature import KEYWORDS, PLAIN, RESULT, append, spell

_UNSEEN: Any = object()


class Interception(TorchFunctionMode):
    """The function mode of one recording.

    Args:
        tally: Where calls are counted.
        grads: Whether to note which tensors require a gradient.
        overflow: Called when the tally holds more than `limit` distinct calls; never while gradients are noted,
            because which calls they reach is known only at the end.
        limit: See `overflow`.
        inside: Runs a higher-order op, whose bodies are to be seen; such an op is never in the table of resolved ones.
    """

    def __init__(
        self, tally: Tally, grads: bool, overflow: Callable[[], None], limit: int, inside: Callable[..., Any]
    ) -> None:
        # Bound per instance: the handler reads its tables from closure cells, not from attributes.
        handler, self.note = _handler(tally, grads, overflow, limit, inside)
        self.__torch_function__ = MethodType(handler, self)  # type: ignore[method-assign]
        self.tally = tally
        self.grads = grads
        self.inside = inside
        self.levels: dict[int, int] = {}
        """The batch sizes that the running `vmap`s hide from the shapes, by level."""


def _handler(
    tally: Tally, grads: bool, overflow: Callable[[], None], limit: int, inside: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., tuple[Any, ...]]]:
    get, table = resolutions().get, tally.table
    tensor, parameter, strided = torch.Tensor, torch.nn.Parameter, torch.strided
    plain, keywords, result = PLAIN, KEYWORDS, RESULT
    only_plain = PLAIN.issuperset

    def note(op: Any, args: Any, kwargs: Any, out: Any, times: int = 1) -> tuple[Any, ...]:
        try:
            key = [op]
            for value in args:
                kind = type(value)
                # Asking for the type is faster than isinstance, which asks the metaclass of tensors.
                if (kind is tensor or kind is parameter) and value.layout is strided:
                    key.append(value.shape)
                    key.append(value.dtype)
                    if grads:
                        key.append(value.requires_grad)
                elif kind in plain or (kind is tuple and only_plain(map(type, value))):
                    key.append(value)
                else:
                    append(key, value, grads)
            if kwargs:
                key.append(keywords)
                key.append(tuple(kwargs))
                for value in kwargs.values():
                    kind = type(value)
                    if (kind is tensor or kind is parameter) and value.layout is strided:
                        key.append(value.shape)
                        key.append(value.dtype)
                        if grads:
                            key.append(value.requires_grad)
                    elif kind in plain:
                        key.append(value)
                    else:
                        append(key, value, grads)
            key.append(result)
            if type(out) is tensor and out.layout is strided:
                key.append(out.shape)
                key.append(out.dtype)
                if grads:
                    key.append(out.requires_grad)
            else:
                append(key, out, grads)
            whole = tuple(key)
            places = table.get(whole)
        except Exception:  # a tensor that will not say its sizes must not break the run: it is looked at closely
            whole = spell(op, args, kwargs, out, grads)
            places = table.get(whole)
        scope = tally.scope
        if places is None:
            places = table[whole] = {}
        seen = places.get(scope)
        if seen is not None:
            places[scope] = seen + times
        else:
            places[scope] = times
            tally.distinct += 1
            if tally.distinct > limit and not grads:
                overflow()
        return whole

    def handle(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = get(func, _UNSEEN)
        if op is None:
            return func(*args, **kwargs) if kwargs else func(*args)
        if op is _UNSEEN:
            if isinstance(func, HigherOrderOperator):
                return inside(mode, func, args, kwargs or {})
            op = resolve(func)
            if op is None:
                return func(*args, **kwargs) if kwargs else func(*args)
        out = func(*args, **kwargs) if kwargs else func(*args)
        note(op, args, kwargs, out)
        return out

    def handle_with_grads(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = get(func, _UNSEEN)
        if op is _UNSEEN:
            if isinstance(func, HigherOrderOperator):
                return inside(mode, func, args, kwargs or {})
            op = resolve(func)
        begun = sequence_number()
        out = func(*args, **kwargs) if kwargs else func(*args)
        if op is not None:
            scope = tally.scope
            key = note(op, args, kwargs, out)
            nodes = nodes_of(out)
            if nodes:
                tally.traces.append((scope, key, begun, nodes))
        return out

    return (handle_with_grads if grads else handle), note
