"""PyTorch's scoped override of every function, method and operator: notes each call's shapes.

Everything here runs once per intercepted call, so it looks up what the function is and whether such a call was made
before, and appends one event. Formulas are evaluated afterwards, once per distinct key.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

from torch._ops import HigherOrderOperator
from torch.overrides import TorchFunctionMode

from calprof.ops.registry import classify, resolutions, resolve
from calprof.recording.modules import HELD, Noted, Tally
from calprof.recording.reach import nodes_of, sequence_number
from calprof.recording.signature import key_of

_UNSEEN: Any = object()


class Interception(TorchFunctionMode):
    """The function mode of one recording.

    Args:
        tally: Where calls are counted.
        grads: Whether to note which tensors require a gradient.
        overflow: Called when many events have piled up.
        inside: Runs what is looked into, as a higher-order op; such a call is never in the table of resolved ones.
        notes: Is told what a reader of the figures must know.
    """

    def __init__(
        self,
        tally: Tally,
        grads: bool,
        overflow: Callable[[], None],
        inside: Callable[..., Any],
        notes: dict[str, None],
    ) -> None:
        # Bound per instance: the handler reads its tables from closure cells, not from attributes.
        handler = _with_grads(tally, overflow, inside) if grads else _without_grads(tally, overflow, inside)
        self.__torch_function__ = MethodType(handler, self)  # type: ignore[method-assign]
        self.tally = tally
        self.grads = grads
        self.inside = inside
        self.notes = notes
        self.levels: dict[int, int] = {}
        """The batch sizes that the running `vmap`s hide from the shapes, by level."""

    def note(self, op: Any, args: Any, kwargs: Any, out: Any, times: int = 1) -> None:
        """Notes a call made `times` times."""
        self.tally.events.append(Noted(key_of(op, args, kwargs, out, self.grads), times))


def is_entered(func: Any) -> bool:
    """Returns whether a call is looked into: a higher-order op's, or one that differentiates."""
    return isinstance(func, HigherOrderOperator) or classify(func).entered


def _without_grads(tally: Tally, overflow: Callable[[], None], inside: Callable[..., Any]) -> Callable[..., Any]:
    get, events, known = resolutions().get, tally.events, tally.places
    append, find = events.append, known.get

    def handle(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = get(func, _UNSEEN)
        if op is None:
            return func(*args, **kwargs) if kwargs else func(*args)
        if op is _UNSEEN:
            if is_entered(func):
                return inside(mode, func, args, kwargs or {})
            op = resolve(func)
            if op is None:
                return func(*args, **kwargs) if kwargs else func(*args)
        out = func(*args, **kwargs) if kwargs else func(*args)
        key = key_of(op, args, kwargs, out, False)
        places = find(key)
        if places is None:
            places = known[key] = {}
        append(places)
        if len(events) > HELD:
            overflow()
        return out

    return handle


def _with_grads(tally: Tally, overflow: Callable[[], None], inside: Callable[..., Any]) -> Callable[..., Any]:
    get, events = resolutions().get, tally.events

    def handle(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = get(func, _UNSEEN)
        if op is _UNSEEN:
            if is_entered(func):
                return inside(mode, func, args, kwargs or {})
            op = resolve(func)
        begun = sequence_number()
        out = func(*args, **kwargs) if kwargs else func(*args)
        if op is not None:
            noted = Noted(key_of(op, args, kwargs, out, True))
            events.append(noted)
            nodes = nodes_of(out)
            if nodes:
                tally.traces.append((noted, begun, nodes))
            if len(events) > HELD:
                overflow()
        return out

    return handle
