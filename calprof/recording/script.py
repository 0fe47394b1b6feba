"""TorchScript, which runs below the function level: there, and only there, the dispatcher's ops are noted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from calprof.ops.registry import Op, resolve
from calprof.recording.interception import Interception
from calprof.recording.patching import Wrap
from calprof.recording.regions import listening, muted
from calprof.recording.signature import spell


def resolved(func: Any) -> Sequence[Op]:
    """Returns the op that an ATen op is, by its name; none if it is free."""
    op = resolve(func)
    return () if op is None else (op,)


class Dispatched(TorchDispatchMode):
    """Notes ATen ops among the events of a recording.

    What is composite above the dispatcher arrives in its parts, such as `linear` as `t` and `addmm`.

    Args:
        mode: The recording's function mode.
        ops_of: Returns the entries of the catalogue that an ATen op stands for.
    """

    def __init__(self, mode: Interception, ops_of: Callable[[Any], Sequence[Op]] = resolved) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._events, self._grads, self._ops_of = mode.tally.events, mode.grads, ops_of

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an op and notes it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        for op in self._ops_of(func):
            # Below autograd a result does not know yet that it will require a gradient.
            needs = self._grads and torch.is_grad_enabled() and _any_requires_grad((args, kwargs))
            key = spell(op, args, kwargs, out, self._grads, needs)
            self._events.append(key)
        return out


def _any_requires_grad(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.requires_grad
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return False
    return any(_any_requires_grad(item) for item in value)


def scripted(mode: Interception) -> list[Wrap]:
    """Returns what is wrapped to record the inside of scripted and traced functions and modules.

    Module hooks do not fire inside TorchScript: the work belongs to the module that was called from Python. The
    interpreter runs the graph as it is, without its profiling runs and without fusing ops.
    """
    kinds = (torch._C.ScriptFunction, torch._C.ScriptMethod)
    return [(kind, "__call__", partial(_recorded, mode)) for kind in kinds]


def _recorded(mode: Interception, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not listening(mode):
            return original(self, *args, **kwargs)
        with muted(mode), torch.jit.optimized_execution(False), Dispatched(mode):
            return original(self, *args, **kwargs)

    return call
