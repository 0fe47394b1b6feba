"""`torch.func.vmap`, which hides a batch dimension from the shapes of every call inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch._functorch import vmap as functorch_vmap

from calprof.recording.interception import Interception
from calprof.recording.patching import patched
from calprof.recording.regions import handling, listening, watching


@contextmanager
def batched(mode: Interception) -> Iterator[None]:
    """Counts each call inside a `vmap` as often as the batches its arguments belong to are large.

    Every entry to `vmap` (`torch.vmap`, `torch.func.jacrev`, chunked or nested) opens its level through one
    function of PyTorch's, which is patched meanwhile.
    """
    original = functorch_vmap.vmap_increment_nesting

    @contextmanager
    def nesting(batch_size: Any, randomness: Any) -> Iterator[Any]:
        with original(batch_size, randomness) as level, ExitStack() as stack:
            if listening(mode):
                stack.enter_context(handling(mode, watching()))
                outer = mode.levels.get(level)
                mode.levels[level] = int(batch_size)
                stack.callback(_close, mode, level, outer)
            yield level

    with patched(functorch_vmap, "vmap_increment_nesting", nesting):
        yield


def _close(mode: Interception, level: int, outer: int | None) -> None:
    if outer is None:
        del mode.levels[level]
    else:
        mode.levels[level] = outer
