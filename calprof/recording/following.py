"""Which modules run: the method that every module's call goes through, exchanged while recording."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from threading import RLock, get_ident
from types import MethodType
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from calprof.recording.modules import HELD, Tally
from calprof.recording.patching import Change, exchanged

Tell = Callable[[Any], None]
"""Is told the event that a module begins or ends."""

_LOCK = RLock()
_TOLD: dict[int, list[tuple[Tally, Tell]]] = {}
"""Who is told of the modules of a thread, by the thread's number; a recording inside another one comes after it."""
_HEARD: dict[int, tuple[Tell, list[Any], Callable[[], None]]] = {}
"""Of each of these threads: what tells all of them, a list of events that grows by it, what works the events out."""
_SWITCH = ExitStack()

_TIMES = count()
_LIMIT = 200 if sys.version_info >= (3, 13) else float("inf")
"""How often the class of all modules is changed: from Python 3.13 on a class that has changed a thousand times has slow
attributes for the rest of the process, and each change is undone by another."""


def following(tally: Tally, changed: Callable[[], None] | None = None) -> AbstractContextManager[None]:
    """Tells `tally` which modules begin and end in this thread, for the length of a block.

    `Module._call_impl` runs a module's hooks and its forward. PyTorch's global forward hooks tell the same at four
    times the cost for every module, with a warning for compiled models, and end a module before its own hooks run;
    they are for a process that has changed the class too often, and for a PyTorch without this method.

    Args:
        tally: What is told.
        changed: Called whenever another module runs from then on.
    """
    tell = tally.events.append if changed is None else _telling(tally.events.append, changed)
    able = hasattr(torch.nn.Module, "_call_impl") and (_TOLD or next(_TIMES) < _LIMIT)
    return (_exchanging if able else _hooking)(tally, tell)


def _telling(append: Tell, changed: Callable[[], None]) -> Tell:
    def tell(event: Any) -> None:
        append(event)
        changed()

    return tell


@contextmanager
def _exchanging(tally: Tally, tell: Tell) -> Iterator[None]:
    """Has the method exchanged once for all recordings that overlap, in whatever threads, and in whatever order."""
    thread, entry = get_ident(), (tally, tell)
    with _LOCK:
        if not _TOLD:
            _SWITCH.enter_context(exchanged(_exchanges()))
        _TOLD.setdefault(thread, []).append(entry)
        _HEARD[thread] = _joined(_TOLD[thread])
    try:
        yield
    finally:
        with _LOCK:
            _TOLD[thread].remove(entry)
            if _TOLD[thread]:
                _HEARD[thread] = _joined(_TOLD[thread])
            else:
                del _TOLD[thread], _HEARD[thread]
            if not _TOLD:
                _SWITCH.close()


def _joined(told: list[tuple[Tally, Tell]]) -> tuple[Tell, list[Any], Callable[[], None]]:
    tally, tell = told[-1]
    if len(told) == 1:
        return tell, tally.events, tally.replay
    entries = tuple(told)

    def tell_all(event: Any) -> None:
        for _, each in entries:
            each(event)

    def replay_all() -> None:
        for each, _ in entries:
            each.replay()

    return tell_all, tally.events, replay_all


def _exchanges() -> list[Change]:
    original: Callable[..., Any] = torch.nn.Module._call_impl
    find = _HEARD.get

    def _call_impl(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        heard = find(get_ident())
        if heard is None:
            for told in list(_TOLD.values()):
                for tally, _ in told:
                    tally.elsewhere[id(module)] = module
            return original(module, *args, **kwargs)
        tell, events, replay = heard
        tell(module)
        try:
            return original(module, *args, **kwargs)
        finally:
            tell(id(module))
            if len(events) > HELD:
                replay()

    def compile(module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        vars(module)["_compiled_call_impl"] = torch.compile(MethodType(original, module), *args, **kwargs)

    attributes = {"_call_impl": _call_impl, "_compiled_call_impl": _Uncompiled(), "compile": compile}
    return [(torch.nn.Module, name, value) for name, value in attributes.items()]


@contextmanager
def _hooking(tally: Tally, tell: Tell) -> Iterator[None]:
    owner = get_ident()

    def begin(module: torch.nn.Module, inputs: Any) -> None:
        if get_ident() == owner:
            tell(module)
        else:
            tally.elsewhere[id(module)] = module

    def end(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if get_ident() == owner:
            tell(id(module))
            if len(tally.events) > HELD:
                tally.replay()

    # The last one is called for a forward that raises too, so that a caller that catches goes on in its own scope.
    handles = register_module_forward_pre_hook(begin), register_module_forward_hook(end, always_call=True)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Uncompiled:
    """Stands before what `Module.compile` made of a module's call: the module runs as it is written."""

    def __get__(self, module: torch.nn.Module | None, kind: type) -> None:
        return None

    def __set__(self, module: torch.nn.Module, value: Any) -> None:
        vars(module)["_compiled_call_impl"] = value
