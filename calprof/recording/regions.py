"""Stretches of a run in which calls are handled differently: not at all, or with a closer look.

The handler of a function mode is an attribute of it, so exchanging it for a while costs the ordinary call
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch._C import _functorch as functorch

from calprof.ops.registry import resolve
from calprof.recording.interception import Interception, is_entered

Handler = Callable[..., Any]


def listening(mode: Interception) -> bool:
    """Whether a call made here and now would be noted: not in another thread, not inside a noted call."""
    if handled_by(mode, _pass):
        return False
    depth = torch._C._len_torch_function_stack()
    return any(torch._C._get_function_stack_at(place) is mode for place in range(depth))


def handled_by(mode: Interception, handler: Handler) -> bool:
    """Whether calls go to this handler now."""
    return getattr(mode.__torch_function__, "__func__", None) is handler


@contextmanager
def handling(mode: Interception, handler: Handler) -> Iterator[None]:
    """Runs a block with another handler."""
    before = mode.__torch_function__
    mode.__torch_function__ = MethodType(handler, mode)  # type: ignore[method-assign]
    try:
        yield
    finally:
        mode.__torch_function__ = before  # type: ignore[method-assign]


def muted(mode: Interception) -> Any:
    """Returns a context in which nothing is noted, for what runs inside a call that is noted itself."""
    return handling(mode, _pass)


def _pass(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    return func(*args, **(kwargs or {}))


def watching() -> Handler:
    """Returns the handler for inside `vmap` and higher-order ops.

    It multiplies by the batches that `vmap` hides, and lets pass what runs only to be traced.
    """
    outside = _fake_mode()

    def watch(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _proxies() or _fake_mode() is not outside:
            return func(*args, **kwargs)
        if is_entered(func):
            return mode.inside(mode, func, args, kwargs)
        op = resolve(func)
        out = func(*args, **kwargs)
        if op is not None:
            mode.note(op, args, kwargs, out, hidden_batch(mode, (args, kwargs, out)))
        return out

    return watch


def _fake_mode() -> Any:
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE)


def _proxies() -> bool:
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY) is not None


def hidden_batch(mode: Interception, values: Any) -> int:
    """Returns how often a call on these values runs: the product of the `vmap` batches any of them is part of."""
    times = 1
    if mode.levels:
        found: set[int] = set()
        _collect_levels(values, found)
        for level in found:
            times *= mode.levels.get(level, 1)
    return times


def _collect_levels(value: Any, found: set[int]) -> None:
    if isinstance(value, torch.Tensor):
        while functorch.is_functorch_wrapped_tensor(value):
            if functorch.is_batchedtensor(value):
                found.add(functorch.maybe_get_level(value))
            value = functorch.get_unwrapped(value)
    elif isinstance(value, dict):
        for item in value.values():
            _collect_levels(item, found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect_levels(item, found)
