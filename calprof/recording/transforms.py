"""`torch.func`: `vmap`, which hides a batch dimension from the shapes, and forward-mode differentiation.

The tangents of forward mode are computed below the function level, beside what they are tangents of; there a dispatch
mode notes both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch._functorch import vmap as functorch_vmap
from torch.autograd import forward_ad

from calprof.ops.backward import ops_of
from calprof.recording.interception import Interception, is_entered
from calprof.recording.patching import Wrap
from calprof.recording.regions import handled_by, handling, listening, watching
from calprof.recording.script import Dispatched


def batched(mode: Interception) -> list[Wrap]:
    """Returns what is wrapped to multiply each call inside a `vmap` by the batches its arguments belong to.

    Every entry to `vmap` (`torch.vmap`, `torch.func.jacrev`, chunked or nested) opens its level through one
    function of PyTorch's.
    """

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def nesting(batch_size: Any, randomness: Any) -> Iterator[Any]:
            with original(batch_size, randomness) as level, ExitStack() as stack:
                if listening(mode) and not handled_by(mode, _note_kernels):
                    stack.enter_context(handling(mode, watching()))
                    outer = mode.levels.get(level)
                    mode.levels[level] = int(batch_size)
                    stack.callback(_close, mode, level, outer)
                yield level

        return nesting

    return [(functorch_vmap, "vmap_increment_nesting", wrap)]


def _close(mode: Interception, level: int, outer: int | None) -> None:
    if outer is None:
        del mode.levels[level]
    else:
        mode.levels[level] = outer


def dual(mode: Interception) -> list[Wrap]:
    """Returns what is wrapped to count by the dispatcher's ops, tangents included, while dual numbers are in use.

    Every way into forward mode (`torch.func.jvp`, `jacfwd`, `hessian`, `dual_level`) passes through two functions of
    PyTorch's.
    """
    opened: list[ExitStack] = []

    def entering(enter: Callable[[], int]) -> Callable[[], int]:
        def entered() -> int:
            level = enter()
            stack = ExitStack()
            if listening(mode):
                stack.enter_context(handling(mode, _note_kernels))
            opened.append(stack)
            return level

        return entered

    def leaving(leave: Callable[..., None]) -> Callable[..., None]:
        def left(*, level: int | None = None) -> None:
            if opened:
                opened.pop().close()
            leave(level=level)

        return left

    return [(forward_ad, "enter_dual_level", entering), (forward_ad, "exit_dual_level", leaving)]


def _note_kernels(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    if is_entered(func):
        return mode.inside(mode, func, args, kwargs or {})
    with Dispatched(mode, ops_of):
        return func(*args, **(kwargs or {}))
