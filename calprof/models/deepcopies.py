"""Deep copies made while a model is built without storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import _disable_current_modes

from calprof.recording.patching import patched


@contextmanager
def real_copies() -> Iterator[None]:
    """Lets a deep copy of a tensor that has values have them too.

    PyTorch makes the copy from an empty tensor, and an empty tensor is fake here: nobody has filled it yet.
    """
    original: Any = torch.Tensor.__deepcopy__

    def copied(tensor: torch.Tensor, memo: dict[int, Any]) -> Any:
        if isinstance(tensor, FakeTensor):
            return original(tensor, memo)
        with _disable_current_modes():
            return original(tensor, memo)

    with patched(torch.Tensor, "__deepcopy__", copied):
        yield
