"""How PyTorch takes a function mode off its stack, with less ado while recording."""

from __future__ import annotations

from typing import Any

import torch
from torch._C import _pop_torch_function_stack, _push_on_torch_function_stack

from calprof.recording.patching import Change


class _Popped:
    """The mode on top, taken off for the length of a block."""

    __slots__ = ("_mode",)

    def __enter__(self) -> Any:
        self._mode = _pop_torch_function_stack()
        return self._mode

    def __exit__(self, *_: object) -> None:
        _push_on_torch_function_stack(self._mode)


def popped() -> list[Change]:
    """Returns what is exchanged to run PyTorch's functions that are written in Python at less cost.

    For each call of one, such as `F.layer_norm`, PyTorch makes a context manager of a generator to take the mode
    off; a class does the same in a third of the time. A version of PyTorch that does it otherwise is left alone.
    """
    name = "_pop_mode_temporarily"
    return [(torch.overrides, name, _Popped)] if hasattr(torch.overrides, name) else []
