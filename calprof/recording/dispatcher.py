"""What PyTorch's own counter counts of a run, module by module: the independent check of a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from calprof.ops.registry import classify
from calprof.recording.compilation import eager
from calprof.recording.evaluation import evaluate
from calprof.recording.following import following
from calprof.recording.modules import Tally
from calprof.recording.signature import spell
from calprof.recording.walking import walk
from calprof.work import Work

Table = dict[str, dict[str, int]]
"""Module path to name of an op to MACs."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What the dispatcher saw.

    Attributes:
        counted: The MACs that `FlopCounterMode` counts.
        missed: The MACs of ops for which it has no formula, by this package's formulas; 0 where it has none either.
        error: What the forward raised under the counter, empty if nothing.
    """

    counted: Table = field(default_factory=dict)
    missed: Table = field(default_factory=dict)
    error: str = ""


def dispatch(run: Callable[[], Any], model: torch.nn.Module | None, recurrent: bool = False) -> Dispatched:
    """Runs a forward under `FlopCounterMode`; attention takes its math path, fused layers and compilation are off.

    Args:
        run: The forward.
        model: The model, whose modules MACs belong to.
        recurrent: Whether to run RNNs step by step, not through oneDNN, which the counter has no formula for.
    """
    tally, missed, failed = Tally(walk(model)), Table(), ""
    counter = FlopCounterMode(display=False)
    # Its own tracker of modules fails where a forward differentiates; here the tally tells the modules.
    counter.mod_tracker = cast(ModuleTracker, _Running(tally))
    with ExitStack() as stack:
        stack.enter_context(eager())
        stack.enter_context(_without_fused_layers())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.jit.optimized_execution(False))
        if recurrent:
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.enter_context(following(tally))
        # Below the counter, so that it sees what the counter leaves of an op.
        stack.enter_context(_Missed(counter, tally, missed))
        stack.enter_context(counter)
        try:
            run()
        except Exception as error:  # the forward ran before: what fails here is the counter, which is reported
            failed = f"{type(error).__name__}: {error}".splitlines()[0]
    counted = {path: {str(op): flops // 2 for op, flops in ops.items()} for path, ops in counter.flop_counts.items()}
    return Dispatched(counted, missed, failed)


@contextmanager
def _without_fused_layers() -> Iterator[None]:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class _Running:
    """Stands for the counter's tracker of modules: each op is counted for the innermost running one alone."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    @property
    def parents(self) -> frozenset[str]:
        return frozenset({self._tally.path(self._tally.scope)})

    def __enter__(self) -> _Running:
        return self

    def __exit__(self, *_: Any) -> None:
        return None


class _Missed(TorchDispatchMode):
    """Notes the products for which the counter has no formula."""

    supports_higher_order_operators = True

    def __init__(self, counter: FlopCounterMode, tally: Tally, table: Table) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._registry, self._tally, self._table = counter.flop_registry, tally, table

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an op."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = getattr(func, "_overloadpacket", None)
        if packet is not None and packet not in self._registry:
            macs = _macs(func, args, kwargs, out)
            if macs is None or macs:
                place = self._table.setdefault(self._tally.path(self._tally.scope), {})
                place[str(packet)] = place.get(str(packet), 0) + (macs or 0)
        return out


def _macs(func: Any, args: Any, kwargs: Any, out: Any) -> int | None:
    """The MACs of an op by this package's formulas, `None` where it has none either."""
    op = classify(func)
    if op.formula is None:
        return 0 if op.state == "free" else None
    return macs_of(evaluate(spell(op, args, kwargs, out, False), False).cost.forward)


def macs_of(work: Work) -> int:
    """Returns every MAC in `work`, of masked scores and of complex numbers too."""
    return work["mac"] + work["masked_mac"] + work["complex_mac"]
