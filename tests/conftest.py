"""Around every test: a profile leaves nothing behind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.modules import module as nn_module
from torch.utils import _pytree as pytree

import calprof

PATCHABLE = (torch, F, torch.Tensor, torch.nn.Module, torch.nn.init, torch._C.ScriptFunction, torch._C.ScriptMethod,
             torch._functorch.vmap, torch.overrides)  # fmt: skip
"""What profilers, or the libraries they build models with, exchange attributes of."""


def process_state() -> dict[str, Any]:
    """What a profiler could leave behind in the process."""
    return {
        "function modes": torch._C._len_torch_function_stack(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "forward pre-hooks": len(nn_module._global_forward_pre_hooks),
        "forward hooks": len(nn_module._global_forward_hooks),
        "always-called hooks": len(nn_module._global_forward_hooks_always_called),
        "compiled calls": nn_module.Module._compiled_call_impl,
        "functions": [{name: value for name, value in vars(owner).items() if callable(value)} for owner in PATCHABLE],
        "autograd": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "default dtype": torch.get_default_dtype(),
    }


def caller_state(model: Any, inputs: Any) -> dict[str, Any]:
    """What a profile could change of the caller's."""
    state: dict[str, Any] = {
        "random": (random.getstate(), torch.get_rng_state().tolist()),
        "inputs": [_value(leaf) for leaf in pytree.tree_leaves(inputs)],
    }
    if isinstance(model, torch.nn.Module) and not isinstance(model, torch.jit.ScriptModule):
        state["training"] = [module.training for module in model.modules()]
        state["grads"] = [parameter.grad is None for parameter in model.parameters()]
        state["buffers"] = [_value(buffer) for buffer in model.buffers()]
        state["hooks"] = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
        state["attributes"] = [sorted(vars(module)) for module in model.modules()]
    return state


def _value(leaf: Any) -> Any:
    if not isinstance(leaf, torch.Tensor):
        return id(leaf) if not isinstance(leaf, (int, float, str, bool, type(None))) else leaf
    plain = type(leaf) in (torch.Tensor, torch.nn.Parameter) and leaf.layout is torch.strided
    checksum = leaf.detach().double().nan_to_num().sum().item() if plain and leaf.device.type == "cpu" else None
    return (id(leaf), tuple(leaf.shape), leaf._version, checksum)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a front door so that every call, a failing one too, is checked for traces."""

    def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        lazy = isinstance(model, torch.nn.Module) and any(
            isinstance(p, torch.nn.UninitializedParameter) for p in model.parameters()
        )
        before = None if lazy else caller_state(model, (args, kwargs))
        try:
            return function(model, *args, **kwargs)
        finally:
            if before is not None:
                after = caller_state(model, (args, kwargs))
                assert after == before, [key for key in before if before[key] != after[key]]

    return call


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = process_state()
    assert before["function modes"] == 0 and before["dispatch modes"] == 0
    monkeypatch.setattr(calprof, "profile", checked(calprof.profile))
    monkeypatch.setattr(calprof, "calculate_flops", checked(calprof.calculate_flops))
    yield
    after = process_state()
    for one, other in zip(after["functions"], before["functions"], strict=True):
        # PyTorch's compiler, once it is loaded, watches modules being made, and wraps one function.
        own = {"__init__", "__setstate__", "manual_seed"}
        changed = [name for name, value in other.items() if one.get(name) is not value and name not in own]
        assert not changed, f"{', '.join(changed)} left exchanged"
        other.update(one)  # PyTorch's own modules load more of themselves when they are used
    assert after == before, [key for key in before if before[key] != after[key]]
