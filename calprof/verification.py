"""A recording compared with what PyTorch's dispatcher counts, module by module, MAC by MAC."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from calprof.ops.registry import opaque_formulas
from calprof.recording.dispatcher import Dispatched, Table, dispatch, macs_of
from calprof.recording.recording import Call, Recording

_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A module whose own MACs the dispatcher counts otherwise.

    Attributes:
        path: Dotted path, empty for the model itself.
        macs: Its own MACs, without its children's.
        dispatcher_macs: What `torch.utils.flop_counter.FlopCounterMode` counts.
        reason: Why they differ, empty where that is not known.
    """

    path: str
    macs: int
    dispatcher_macs: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """A second forward, under PyTorch's own counter, compared with the first.

    Attributes:
        macs: MACs of the profile.
        dispatcher_macs: MACs of the dispatcher.
        modules: Modules that have MACs of their own, by either.
        differences: The modules where the two differ.
        error: What the second forward raised, empty if nothing.

    Example:
        >>> str(profile(torch.nn.Linear(3, 5), (2, 3), verify=True).verification)
        "verified: 30 MACs in 1 module, as PyTorch's dispatcher counts"
    """

    macs: int
    dispatcher_macs: int
    modules: int
    differences: tuple[Difference, ...] = ()
    error: str = ""

    @property
    def agrees(self) -> bool:
        """Whether every module's own MACs are the same."""
        return not self.differences and not self.error

    @property
    def explained(self) -> bool:
        """Whether the reason of every difference is known."""
        return not self.error and all(each.reason for each in self.differences)

    def __str__(self) -> str:
        modules = f"{self.modules:,} module{'' if self.modules == 1 else 's'}"
        if self.error:
            return f"not verified: under PyTorch's counter the forward raised {self.error}"
        if self.agrees:
            return f"verified: {self.macs:,} MACs in {modules}, as PyTorch's dispatcher counts"
        head = (
            f"{len(self.differences):,} of {modules} with other MACs than PyTorch's dispatcher counts: "
            f"{self.macs:,} MACs here, {self.dispatcher_macs:,} MACs there"
        )
        return "\n".join([head, *map(_line, self.differences)])


def _line(row: Difference) -> str:
    reason = f" ({row.reason})" if row.reason else ""
    return f"  {row.path or 'the model itself'}: {row.macs:,} MACs here, {row.dispatcher_macs:,} MACs there{reason}"


def verify(recording: Recording, run: Callable[[], Any], model: torch.nn.Module | None = None) -> Verification:
    """Runs a forward once more, under PyTorch's own counter, and compares each module's own MACs.

    Args:
        recording: What the first forward did.
        run: The same forward.
        model: The model it was recorded for.

    Example:
        >>> verify(recording, lambda: model(x), model).agrees
        True
    """
    seen = dispatch(run, model, recurrent=any(call.op in _RECURRENT for call in recording.calls))
    ours: Table = {}
    for call in recording.calls:
        place = ours.setdefault(call.module, {})
        place[call.op] = place.get(call.op, 0) + macs_of(call.cost.forward)
    ignored = [record.path for record in recording.modules if record.ignored]
    counted = {path: ops for path, ops in seen.counted.items() if not _is_below(path, ignored)}
    pairs = {path: (_total(ours, path), _total(counted, path)) for path in {**ours, **counted}}
    rows = [
        Difference(path, macs, theirs, _reason(path, macs, theirs, recording, seen))
        for path, (macs, theirs) in pairs.items()
        if macs != theirs
    ]
    total, dispatched = (sum(pair[side] for pair in pairs.values()) for side in (0, 1))
    return Verification(total, dispatched, sum(map(any, pairs.values())), tuple(rows), seen.error)


def _total(table: Table, path: str) -> int:
    return sum(table.get(path, {}).values())


def copied(value: Any) -> Any:
    """Returns the inputs of a forward for a second one: what it may change, such as a cache, is copied.

    Tensors that are arguments are shared. So is what has no copy, such as a generator: a forward that uses it up
    differs from the next, and that is what the comparison then says.
    """
    if isinstance(value, (torch.Tensor, torch.nn.Module, str, bytes, int, float, bool, type(None))):
        return value
    if type(value) in (list, tuple):
        return type(value)(copied(item) for item in value)
    if type(value) is dict:
        return {name: copied(item) for name, item in value.items()}
    try:
        with _WithHistory():
            return copy.deepcopy(value)
    except TypeError:  # what Python says of a lock, a generator or a file
        return value


class _WithHistory(TorchFunctionMode):
    """Lets results be copied deeply, as a cache that a forward has filled; PyTorch copies only leaves."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not torch.Tensor.__deepcopy__ or args[0].is_leaf:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        return memo.setdefault(id(tensor), tensor.clone())


def _is_below(path: str, places: list[str]) -> bool:
    return any(path == place or not place or path.startswith(place + ".") for place in places)


def _reason(path: str, macs: int, theirs: int, recording: Recording, seen: Dispatched) -> str:
    missed = {op: macs for op, macs in seen.missed.get(path, {}).items() if macs}
    if missed and theirs + sum(missed.values()) == macs:
        return f"FlopCounterMode has no formula for {_names(missed)}"
    uncounted = {each.op: each.count for each in recording.uncounted if each.module == path}
    if uncounted:
        return f"{_names(uncounted)} is not counted here"
    calls = [call for call in recording.calls if call.module == path and macs_of(call.cost.forward)]
    hidden = {call.op: 1 for call in calls if _is_hidden(call)}
    if hidden:
        return f"the dispatcher does not see {_names(hidden)}, which is no op of PyTorch's"
    if theirs < macs and seen.missed.get(path):
        return f"FlopCounterMode has no formula for {_names(seen.missed[path])}"
    return ""


def _is_hidden(call: Call) -> bool:
    return (call.op, call.family) in {(op.name, op.family) for op in opaque_formulas().values()}


def _names(ops: dict[str, int]) -> str:
    return ", ".join(sorted(ops))
