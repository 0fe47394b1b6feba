"""`torch.compile`, switched off while recording: a compiled graph does not pass through the function mode."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import RLock
from typing import Any

import torch

from calprof.recording.patching import patched

_LOCK = RLock()
_OPEN: list[None] = []
"""One entry for each block that has the compiler switched off: the switch is the process's, not a thread's."""
_SWITCH = ExitStack()


@contextmanager
def eager() -> Iterator[None]:
    """Runs compiled models eagerly; what was compiled before stays compiled, and is not compiled again after.

    Loading the compiler takes seconds. Where it is not loaded, nothing is compiled yet, and it is switched off when
    something first calls `torch.compile`, as `torch.cond` does.
    """
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            stack.enter_context(_off())
        else:
            original = torch.compile

            def compile(*args: Any, **kwargs: Any) -> Any:
                if torch.compile is compile:
                    torch.compile = original
                    stack.enter_context(_off())
                return original(*args, **kwargs)

            stack.enter_context(patched(torch, "compile", compile))
        yield


@contextmanager
def _off() -> Iterator[None]:
    """Switches the compiler off until the last of the blocks that overlap, in whatever threads, has ended."""
    with _LOCK:
        if not _OPEN:
            _SWITCH.enter_context(_switched_off())
        _OPEN.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _OPEN.pop()
            if not _OPEN:
                _SWITCH.close()


def _switched_off() -> AbstractContextManager[Any]:
    stance: Callable[..., AbstractContextManager[Any]] | None = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance is not None else _disabled()


@contextmanager
def _disabled() -> Iterator[None]:
    import torch._dynamo as dynamo

    with dynamo.config.patch(disable=True):
        yield
