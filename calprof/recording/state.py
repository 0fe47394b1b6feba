"""The caller's model and random state, given back exactly as they were."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def undisturbed(model: torch.nn.Module, train: bool = False) -> Iterator[None]:
    """Runs a block with the model in eval (or train) mode, then restores every trace of having run it.

    Restored are each module's `training` flag, each buffer's object and value (batch norm in train mode moves its
    statistics), and the random states of Python, NumPy and PyTorch.
    """
    with ExitStack() as stack:
        stack.enter_context(_same_mode(model))
        stack.enter_context(_same_buffers(model))
        stack.enter_context(_same_random_state())
        if any(module.training != train for module in model.modules()):
            model.train(train)
        yield


@contextmanager
def _same_mode(model: torch.nn.Module) -> Iterator[None]:
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            if module.training != training:
                module.training = training


@contextmanager
def _same_buffers(model: torch.nn.Module) -> Iterator[None]:
    before = [
        (module, name, buffer, buffer._version, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and not buffer.is_inference()
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, version, value in before:
                if buffer._version != version:
                    buffer.copy_(value)
                if module._buffers.get(name) is not buffer:
                    module._buffers[name] = buffer


@contextmanager
def _same_random_state() -> Iterator[None]:
    python = random.getstate()
    # NumPy is nobody's dependency here: its state matters only where the caller has loaded it.
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            if numpy is not None:
                numpy.random.set_state(numpy_state)
