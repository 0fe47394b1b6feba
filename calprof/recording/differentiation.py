"""Gradients that are computed while recording: a forward that asks for them, and a backward pass that follows one.

A force field returns the gradient of an energy, a physics-informed network penalises derivatives of its output.
Autograd's kernels run below the function level, where a dispatch mode notes them as the forward's work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from calprof.ops.backward import ops_of
from calprof.recording.interception import Interception
from calprof.recording.script import Dispatched

_PASSES = "a backward pass ran while recording and is not counted: training() derives it, profile_step measures it"
_TWICE = "the gradient of the gradients that the forward computes is not in the exact count; profile_step measures it"


def differentiate(mode: Interception, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Runs a function that differentiates; what `torch.autograd.grad` runs for the forward is noted."""
    if func is not torch.autograd.grad:
        mode.notes[_PASSES] = None
        return func(*args, **kwargs)
    if mode.grads:
        mode.notes[_TWICE] = None
    # In this thread alone, which is the one that modes belong to.
    with torch.autograd.set_multithreading_enabled(False), Dispatched(mode, ops_of):
        return func(*args, **kwargs)
