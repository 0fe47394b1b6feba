"""What PyTorch does to parameters while a model is built, where they have no storage: filling, copying, converting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import init
from torch.utils._python_dispatch import _disable_current_modes

from calprof.recording.patching import exchanged, patched


@contextmanager
def real_copies() -> Iterator[None]:
    """Lets a deep copy of a tensor that has values have them too.

    PyTorch makes the copy from an empty tensor, and an empty tensor is fake here: nobody has filled it yet.
    """
    original: Any = torch.Tensor.__deepcopy__

    @wraps(original)  # under its own name: a recording sees the copy
    def copied(tensor: torch.Tensor, memo: dict[int, Any]) -> Any:
        if isinstance(tensor, FakeTensor):
            return original(tensor, memo)
        with _disable_current_modes():
            return original(tensor, memo)

    with patched(torch.Tensor, "__deepcopy__", copied):
        yield


@contextmanager
def converted() -> Iterator[None]:
    """Lets `Module.to` convert fake parameters in place: PyTorch swaps them, which their weak references forbid."""
    swap: Any = torch.utils.swap_tensors

    def convert(tensor: torch.Tensor, converted: torch.Tensor) -> None:
        if not isinstance(tensor, FakeTensor):
            swap(tensor, converted)
        elif (tensor.dtype, tensor.device, tensor.shape) != (converted.dtype, converted.device, converted.shape):
            tensor.data = converted.detach()

    with patched(torch.utils, "swap_tensors", convert):
        yield


@contextmanager
def uninitialised() -> Iterator[None]:
    """Leaves fake tensors as they are where `torch.nn.init` would fill them, and look at what it has drawn."""
    fillers = {name: getattr(init, name) for name in vars(init) if name.startswith("_no_grad_")}

    def unless_fake(fill: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def filled(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            return tensor if isinstance(tensor, FakeTensor) else fill(tensor, *args, **kwargs)

        return filled

    with exchanged([(init, name, unless_fake(fill)) for name, fill in fillers.items()]):
        yield
