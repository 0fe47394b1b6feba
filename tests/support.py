"""What the tests measure with: calprof on a call, and PyTorch's dispatcher as the independent check."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import calprof.ops  # noqa: F401
from calprof.recording.recorder import Recorder
from calprof.recording.recording import Recording
from calprof.work import NOTHING, Cost, Work


def record(function: Callable[[], Any], model: torch.nn.Module | None = None, grads: bool = False) -> Recording:
    """Runs `function` under the recorder; nothing in it may be uncounted because a formula raised."""
    with Recorder(model, grads=grads) as recorder:
        function()
    recording = recorder.recording()
    raised = [each for each in recording.uncounted if "raised" in each.reason or "returned" in each.reason]
    assert not raised, raised
    return recording


def cost(function: Callable[[], Any], grads: bool = False) -> Cost:
    """Returns the cost of everything `function` calls."""
    return sum((call.cost for call in record(function, grads=grads).calls), Cost(NOTHING))


def work(function: Callable[[], Any]) -> Work:
    """Returns the work of everything `function` calls; every call must be counted."""
    recording = record(function)
    assert not recording.uncounted, recording.uncounted
    return sum((call.cost.forward for call in recording.calls), NOTHING)


def macs(amount: Work) -> int:
    """Returns the MACs in `amount`, masked and complex ones included."""
    return amount["mac"] + amount["masked_mac"] + amount["complex_mac"]


@contextlib.contextmanager
def dispatcher() -> Iterator[FlopCounterMode]:
    """PyTorch's own counter with attention on its math path and the fused encoder layers off."""
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)


def dispatcher_macs(function: Callable[[], Any]) -> int:
    """Returns the MACs PyTorch's dispatcher sees in `function`."""
    with dispatcher() as counter:
        function()
    return int(counter.get_total_flops()) // 2


def dispatcher_training_macs(function: Callable[[], torch.Tensor]) -> tuple[int, int]:
    """Returns the MACs of the forward and of the backward of the summed result."""
    with dispatcher() as counter:
        result = function()
        forward = int(counter.get_total_flops()) // 2
        result.sum().backward()
        return forward, int(counter.get_total_flops()) // 2 - forward
