"""Which modules run: the method that every module's call goes through, exchanged while recording."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from inspect import unwrap
from itertools import count
from threading import get_ident
from types import MethodType
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from calprof.recording.modules import HELD, Tally
from calprof.recording.patching import exchanged

_TIMES = count()
_LIMIT = 200 if sys.version_info >= (3, 13) else float("inf")
"""How often the class of all modules is changed: from Python 3.13 on a class that has changed a thousand times has slow
attributes for the rest of the process, and each change is undone by another."""


def following(tally: Tally, changed: Callable[[], None] | None = None) -> AbstractContextManager[None]:
    """Tells `tally` which modules begin and end in this thread, for the length of a block.

    `Module._call_impl` runs a module's hooks and its forward. PyTorch's global forward hooks tell the same at four
    times the cost for every module, with a warning for compiled models, and end a module before its own hooks run;
    they are for a process that has changed the class too often.

    Args:
        tally: What is told.
        changed: Called whenever another module runs from then on.
    """
    tell = tally.events.append if changed is None else _telling(tally.events.append, changed)
    return (_exchanging if next(_TIMES) < _LIMIT else _hooking)(tally, tell)


def _telling(append: Callable[[Any], None], changed: Callable[[], None]) -> Callable[[Any], None]:
    def tell(event: Any) -> None:
        append(event)
        changed()

    return tell


@contextmanager
def _exchanging(tally: Tally, tell: Callable[[Any], None]) -> Iterator[None]:
    owner, events, elsewhere = get_ident(), tally.events, tally.elsewhere
    original: Callable[..., Any] = torch.nn.Module._call_impl

    def _call_impl(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if get_ident() != owner:
            if owner:  # else this has ended, and is called by a block of another thread that began inside it
                elsewhere[id(module)] = module
            return original(module, *args, **kwargs)
        tell(module)
        try:
            return original(module, *args, **kwargs)
        finally:
            tell(id(module))
            if len(events) > HELD:
                tally.replay()

    def compile(module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        vars(module)["_compiled_call_impl"] = torch.compile(MethodType(unwrap(original), module), *args, **kwargs)

    _call_impl.__wrapped__ = original  # type: ignore[attr-defined]
    attributes = {"_call_impl": _call_impl, "_compiled_call_impl": _Uncompiled(), "compile": compile}
    try:
        with exchanged([(torch.nn.Module, name, value) for name, value in attributes.items()]):
            yield
    finally:
        owner = 0


@contextmanager
def _hooking(tally: Tally, tell: Callable[[Any], None]) -> Iterator[None]:
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
