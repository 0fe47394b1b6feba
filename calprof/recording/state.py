"""The caller's model and random state, given back exactly as they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from calprof.randomness import kept_random
from calprof.recording.walking import Walk, walk

_READERS = frozenset({torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d, torch.nn.SyncBatchNorm})
"""Modules that only read their buffers in eval mode; those of a convolutional model are many."""


@contextmanager
def undisturbed(model: torch.nn.Module, train: bool = False, found: Walk = ()) -> Iterator[None]:
    """Runs a block with the model in eval (or train) mode, then restores every trace of having run it.

    Restored are each module's `training` flag, each buffer's object and value (batch norm in train mode moves its
    statistics), and the random states of Python, NumPy and PyTorch.

    Args:
        model: The model.
        train: Whether to run in train mode.
        found: Its modules, where they have been walked already.
    """
    modules = [module for _, module in found or walk(model)]
    # A frozen script has no mode any more.
    modes = [getattr(module, "training", train) for module in modules]
    with same_random_state():
        try:
            if modes.count(train) < len(modes):
                _set_mode(model, train)
            with _same_buffers(modules):
                yield
        finally:
            for module, training in zip(modules, modes, strict=True):
                if getattr(module, "training", training) != training:
                    module.training = training


def _set_mode(model: torch.nn.Module, train: bool) -> None:
    try:
        model.train(train)
    except NotImplementedError:
        return  # an exported program runs in the mode it was exported in


@contextmanager
def _same_buffers(modules: list[torch.nn.Module]) -> Iterator[None]:
    """Lets the forward work on copies, so that the caller's buffers are never written, not even their version."""
    before = []
    for module in modules:
        buffers = module._buffers
        if type(module) in _READERS and not module.training:
            continue
        # A scripted module's buffers live in C++ and cannot be exchanged.
        if buffers and not isinstance(module, torch.jit.ScriptModule):
            before += [(module, name, buffer) for name, buffer in buffers.items() if buffer is not None]
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
