"""The caller's model and random state, given back exactly as they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from calprof.randomness import kept_random
from calprof.recording.walking import Held, Survey, survey


@contextmanager
def undisturbed(model: torch.nn.Module, train: bool = False, seen: Survey | None = None) -> Iterator[None]:
    """Runs a block with the model in eval (or train) mode, then restores every trace of having run it.

    Restored are each module's `training` flag, each buffer's object and value (batch norm in train mode moves its
    statistics), and the random states of Python, NumPy and PyTorch.

    Args:
        model: The model.
        train: Whether to run in train mode.
        seen: What a look at its modules has found, where there has been one.
    """
    seen = seen or survey(model)
    buffers = seen.buffers
    with same_random_state():
        try:
            if seen.modes.count(not train):
                _set_mode(model, train)
                buffers = survey(model).buffers  # a module may go into another mode than it is told
            with _same_buffers(buffers):
                yield
        finally:
            for module, training in zip(seen.found.values(), seen.modes, strict=True):
                if training is not None and module.training is not training:
                    module.training = training


def _set_mode(model: torch.nn.Module, train: bool) -> None:
    try:
        model.train(train)
    except NotImplementedError:
        return  # an exported program runs in the mode it was exported in


@contextmanager
def _same_buffers(before: Sequence[Held]) -> Iterator[None]:
    """Lets the forward work on copies, so that the caller's buffers are never written, not even their version."""
    distinct = {id(buffer): buffer for _, _, buffer in before}
    with torch.no_grad():
        copies = {number: buffer.clone() for number, buffer in distinct.items()}
    try:
        for module, name, buffer in before:
            module._buffers[name] = copies[id(buffer)]
        yield
    finally:
        for module, name, buffer in before:
            module._buffers[name] = buffer


@contextmanager
def same_random_state() -> Iterator[None]:
    """Restores the random states of Python, NumPy and PyTorch after a block."""
    # NumPy is nobody's dependency here: its state matters only where the caller has loaded it.
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices), kept_random():
        try:
            yield
        finally:
            if numpy is not None:
                numpy.random.set_state(numpy_state)
