"""PyTorch's scoped override of every function, method and operator: notes each call's shapes.

Everything here runs once per intercepted call, so it does one lookup, appends to one list and adds to one
table. Formulas are evaluated afterwards, once per distinct key.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from calprof.ops.registry import resolutions, resolve
from calprof.recording.modules import Tally
from calprof.recording.reach import nodes_of, sequence_number
from calprof.recording.signature import KEYWORDS, PLAIN, RESULT, append, describe

_UNSEEN: Any = object()


class Interception(TorchFunctionMode):
    """The function mode of one recording.

    Args:
        tally: Where calls are counted.
        grads: Whether to note which tensors require a gradient.
        overflow: Called when the tally holds more than `limit` distinct calls; never while gradients are noted,
            because which calls they reach is known only at the end.
        limit: See `overflow`.
    """

    def __init__(self, tally: Tally, grads: bool, overflow: Callable[[], None], limit: int) -> None:
        # Bound per instance: the handler reads its tables from closure cells, not from attributes.
        handler = _handler(tally, grads, overflow, limit)
        self.__torch_function__ = MethodType(handler, self)  # type: ignore[method-assign]


def _handler(tally: Tally, grads: bool, overflow: Callable[[], None], limit: int) -> Callable[..., Any]:
    get = resolutions().get
    tensor, plain, keywords, result = torch.Tensor, PLAIN, KEYWORDS, RESULT

    def note(op: Any, args: Any, kwargs: Any, out: Any) -> tuple[Any, ...]:
        key = [op]
        add = key.append
        for value in args:
            if isinstance(value, tensor):
                add(value.shape)
                add(value.dtype)
                if grads:
                    add(value.requires_grad)
            elif type(value) in plain:
                add(value)
            else:
                add(describe(value, grads))
        if kwargs:
            for name, value in kwargs.items():
                add(keywords)
                add(name)
                append(key, value, grads)
        add(result)
        if isinstance(out, tensor):
            add(out.shape)
            add(out.dtype)
            if grads:
                add(out.requires_grad)
        else:
            append(key, out, grads)
        whole = tuple(key)
        counts = tally.counts
        if whole in counts:
            counts[whole] += 1
        else:
            counts[whole] = 1
            tally.distinct += 1
            if tally.distinct > limit and not grads:
                overflow()
        return whole

    def handle(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = get(func, _UNSEEN)
        if op is None:
            return func(*args, **kwargs) if kwargs else func(*args)
        if op is _UNSEEN:
            op = resolve(func)
            if op is None:
                return func(*args, **kwargs) if kwargs else func(*args)
        out = func(*args, **kwargs) if kwargs else func(*args)
        note(op, args, kwargs, out)
        return out

    def handle_with_grads(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = get(func, _UNSEEN)
        if op is _UNSEEN:
            op = resolve(func)
        begun = sequence_number()
        out = func(*args, **kwargs) if kwargs else func(*args)
        if op is not None:
            counts = tally.counts
            key = note(op, args, kwargs, out)
            nodes = nodes_of(out)
            if nodes:
                tally.traces.append((counts, key, begun, nodes))
        return out

    return handle_with_grads if grads else handle
