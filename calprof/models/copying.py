"""A copy of a real model without its weights: the same modules, attributes and hooks, on fake tensors."""

from __future__ import annotations

import copy
from collections import ChainMap, OrderedDict
from collections.abc import Callable
from pickle import PickleError
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

from calprof.models.fake import ShapesOnly, to_fake

_UNCOPYABLE = (TypeError, RuntimeError, PickleError)
"""What a deep copy raises for a lock, a stream, a generator or a process group, none of which has a shape."""


def fake_copy(model: torch.nn.Module, mode: ShapesOnly | None = None) -> torch.nn.Module:
    """Returns a copy of `model` that has its structure and none of its storage; `model` is not touched.

    Parameters and buffers that are shared in the model are shared in the copy, and views of one storage
    stay views of one storage. Hooks are kept; one that is a method of a module becomes that of its copy.
    Small integer and boolean buffers keep their values. What cannot be copied,
    as a lock, is shared, and it alone: the object that holds it is a copy.

    Args:
        model: The model, on any device.
        mode: The mode the copy lives in; a new one by default.

    Raises:
        TypeError: A scripted model, which has no Python structure to copy.
        ValueError: A lazy module that has not run yet.

    Example:
        >>> fake_copy(torch.nn.Linear(3, 5)).weight.shape
        torch.Size([5, 3])
    """
    if isinstance(model, torch.jit.ScriptModule):
        kind = type(model).__name__
        raise TypeError(f"{kind} is compiled by TorchScript and has no structure to copy; profile it without fake=True")
    if any(torch.nn.parameter.is_lazy(each) for each in (*model.parameters(), *model.buffers())):
        kind = type(model).__name__
        raise ValueError(f"{kind} has lazy modules without sizes yet: run it once, or profile it without fake=True")
    mode = mode or ShapesOnly()
    memo: dict[int, Any] = {}
    modules = list(model.modules())
    shells = {id(module): module.__class__.__new__(module.__class__) for module in modules}
    memo.update(shells)
    for module in modules:
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None and id(tensor) not in memo:
                memo[id(tensor)] = _copied_state(tensor, mode)
    with _WithoutStorage(mode, memo):
        for module in modules:
            shell = shells[id(module)]
            for name, value in vars(module).items():
                shell.__dict__[name] = _copied(value, memo)
    return shells[id(model)]


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """A deep copy by way of `memo`; what holds a lock is entered item by item, so that the lock shares only itself."""
    known = memo.get(id(value))
    if known is not None:
        return known
    if type(value) in (dict, OrderedDict):
        copied = type(value)()
        memo[id(value)] = copied
        for key, item in value.items():
            copied[key] = _copied(item, memo)
        return copied
    if type(value) is list:
        items: list[Any] = []
        memo[id(value)] = items
        items += [_copied(item, memo) for item in value]
        return items
    if type(value) is tuple:
        return tuple(_copied(item, memo) for item in value)
    try:
        return _deep_copy(value, memo)
    except _UNCOPYABLE:
        return _entered(value, memo) if _is_plain(value) else value


def _deep_copy(value: Any, memo: dict[int, Any]) -> Any:
    """A deep copy that `memo` learns of only where it succeeds: one that fails leaves halves of objects behind."""
    made: dict[int, Any] = {}
    trial: Any = ChainMap(made, memo)
    copied = copy.deepcopy(value, trial)
    kept = made.pop(id(trial), [])
    memo.setdefault(id(memo), []).extend(kept)
    memo.update(made)
    return copied


def _entered(value: Any, memo: dict[int, Any]) -> Any:
    shell = value.__class__.__new__(value.__class__)
    memo[id(value)] = shell
    for name, item in vars(value).items():
        shell.__dict__[name] = _copied(item, memo)
    return shell


def _is_plain(value: Any) -> bool:
    """Whether an object is its attributes and nothing else, and its class does not say how it is copied."""
    kind = type(value)
    own = any(hasattr(kind, name) for name in ("__deepcopy__", "__setstate__", "__slots__"))
    usual = all(getattr(kind, name) is getattr(object, name) for name in ("__new__", "__reduce__", "__reduce_ex__"))
    return hasattr(value, "__dict__") and usual and not own


def _copied_state(tensor: torch.Tensor, mode: ShapesOnly) -> torch.Tensor:
    plain = not isinstance(tensor, (torch.nn.Parameter, FakeTensor)) and tensor.device.type == "cpu"
    if plain and (not tensor.is_floating_point() or tensor.numel() <= 1) and tensor.numel() <= 1 << 16:
        return tensor.detach().clone()
    return to_fake(tensor, mode)


class _WithoutStorage(TorchFunctionMode):
    """Answers the deep copy of a tensor with a fake one, wherever in the model's attributes it is."""

    def __init__(self, mode: ShapesOnly, memo: dict[int, Any]) -> None:
        super().__init__()
        self._mode = mode
        self._memo = memo

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.Tensor.__deepcopy__:
            tensor = args[0]
            if id(tensor) not in self._memo:
                self._memo[id(tensor)] = _copied_state(tensor, self._mode)
            return self._memo[id(tensor)]
        if func is torch.Tensor.clone:
            # What is left are parameters outside `_parameters`, whose own deep copy clones their data.
            return to_fake(args[0], self._mode)
        return func(*args, **(kwargs or {}))
