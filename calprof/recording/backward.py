"""A backward pass while it runs: its gradient kernels, and the forwards that checkpointing runs again.

Autograd's kernels run below the function level, so a dispatch mode counts them. Each belongs to the module that
made its autograd node, which the node's sequence number tells. A forward run again is Python: it has autograd on
or modules running, and is counted at the function level as the first one was, except where only part of it
runs, because a policy serves some results from memory or because checkpointing stops early.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch.autograd.graph import _engine_run_backward
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from calprof.ops.backward import again_of, ops_of
from calprof.ops.registry import Op, resolve
from calprof.recording.compilation import eager
from calprof.recording.evaluation import evaluate
from calprof.recording.following import following
from calprof.recording.modules import Tally
from calprof.recording.reach import sequence_number
from calprof.recording.recording import Call, Uncounted
from calprof.recording.signature import key_of
from calprof.recording.walking import walk

Key = tuple[Any, ...]
_UNNUMBERED = 2**63  # an AccumulateGrad node has the largest sequence number there is


class Timeline:
    """Which module was running when each autograd node was made."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._numbers = [0]
        self._paths = [""]
        self._owners: dict[int, str] = {
            id(parameter): path
            for path, module in model.named_modules()
            for parameter in module.parameters(recurse=False)
        }

    def note(self, tally: Tally) -> None:
        """Notes which module of `tally` runs from now on."""
        path = tally.path(tally.scope)
        if path != self._paths[-1]:
            self._numbers.append(sequence_number())
            self._paths.append(path)

    def running(self) -> str:
        """Returns the path of the module that made the autograd node being executed, empty where none is."""
        node = torch._C._current_autograd_node()
        if node is None:
            return ""
        number: int = node._sequence_nr()
        if number >= _UNNUMBERED:
            parameter: object = getattr(node, "variable", None)
            return self._owners.get(id(parameter), "")
        return self._paths[bisect_right(self._numbers, number) - 1]


class Backward:
    """Runs one backward pass and records it.

    Args:
        model: The model whose modules work is attributed to.
        timeline: What the forward noted.
    """

    def __init__(self, model: torch.nn.Module, timeline: Timeline) -> None:
        self._timeline = timeline
        self.tally = Tally(walk(model))
        self._counts: dict[tuple[str, str, Key], int] = {}

    def run(self, loss: torch.Tensor) -> None:
        """Runs `loss.backward()`."""
        ones = torch.ones_like(loss, memory_format=torch.preserve_format)
        with ExitStack() as stack:
            stack.enter_context(eager())
            stack.enter_context(following(self.tally, lambda: self._timeline.note(self.tally)))
            # In this thread alone: modes, running modules and sequence numbers belong to a thread.
            stack.enter_context(torch.autograd.set_multithreading_enabled(False))
            kernels = stack.enter_context(_Kernels(self))
            stack.enter_context(_Reruns(self, kernels))
            _engine_run_backward((loss,), (ones,), False, False, (), allow_unreachable=True, accumulate_grad=True)

    @property
    def rerunning(self) -> bool:
        """Whether a forward is being run again: autograd is on, which it is not for gradients, or in a module."""
        return torch.is_grad_enabled() or self.tally.scope != 0

    def path(self) -> str:
        """Returns the module that what runs now belongs to."""
        return self.tally.path(self.tally.scope) or self._timeline.running()

    def note(self, phase: str, key: Key) -> None:
        """Counts one call."""
        place = (self.path(), phase, key)
        self._counts[place] = self._counts.get(place, 0) + 1

    def note_kernel(self, phase: str, func: Any, tail: Key) -> None:
        """Counts one kernel of the dispatcher, and apart from it what it computes again."""
        again = again_of(func)
        for op in ops_of(func):
            self.note("recompute" if op is again else phase, (op, *tail))

    def calls(self) -> tuple[list[Call], list[Uncounted]]:
        """Returns what was recorded."""
        calls: list[Call] = []
        uncounted: list[Uncounted] = []
        for (path, phase, key), count in self._counts.items():
            op: Op = key[0]
            found = evaluate(key, False)
            if found.reason:
                uncounted.append(Uncounted(path, op.name, count, found.reason))
            else:
                cost = found.cost * count
                calls.append(Call(path, op.name, op.family, count, cost, found.shapes, found.dtypes, phase))
        return calls, uncounted


def _tail(args: Any, kwargs: Any, out: Any) -> Key:
    """Returns a call as a key, without its op."""
    return key_of(None, args, kwargs, out, False)[1:]


class _Kernels(TorchDispatchMode):
    """Sees every kernel; while a function of a rerun forward is running, only remembers them."""

    def __init__(self, backward: Backward) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._backward = backward
        self.held: list[tuple[Any, Key]] | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.namespace == "prim":  # reads an attribute
            return out
        if self.held is not None:
            self.held.append((func, _tail(args, kwargs, out)))
        else:
            phase = "recompute" if self._backward.rerunning else "backward"
            self._backward.note_kernel(phase, func, _tail(args, kwargs, out))
        return out


class _Reruns(TorchFunctionMode):
    """Sees every function of a forward that is run again."""

    def __init__(self, backward: Backward, kernels: _Kernels) -> None:
        super().__init__()
        self._backward = backward
        self._kernels = kernels
        self._modes = torch._C._len_torch_dispatch_stack()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _NESTED:
            with self:  # a reentrant checkpoint's own backward may run more forwards again
                return _NESTED[func](*args, **kwargs)
        if not self._backward.rerunning or self._kernels.held is not None:
            return func(*args, **kwargs)
        op = resolve(func)
        held = self._kernels.held = []
        whole = False
        try:
            out = func(*args, **kwargs)
            # Another mode on top is a policy that may have served results from memory.
            whole = torch._C._len_torch_dispatch_stack() == self._modes
        finally:
            self._kernels.held = None
            if not whole:
                for kernel, tail in held:
                    self._backward.note_kernel("recompute", kernel, tail)
        if whole and op is not None:
            self._backward.note("recompute", (op, *_tail(args, kwargs, out)))
        return out


def _backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: Any = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """`torch.autograd.backward`, whose own is intercepted before it reaches the engine."""
    tensors = (tensors,) if isinstance(tensors, torch.Tensor) else tuple(tensors)
    given = (None,) * len(tensors) if grad_tensors is None else grad_tensors
    given = (given,) if isinstance(given, torch.Tensor) else tuple(given)
    grads = tuple(
        torch.ones_like(tensor) if grad is None and tensor.requires_grad else grad
        for tensor, grad in zip(tensors, given, strict=True)
    )
    inputs = () if inputs is None else (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    retain = create_graph if retain_graph is None else retain_graph
    _engine_run_backward(tensors, grads, retain, create_graph, inputs, allow_unreachable=True, accumulate_grad=True)


_NESTED: dict[Callable[..., Any], Callable[..., None]] = {
    torch.autograd.backward: _backward,
    torch.Tensor.backward: _backward,
}
