"""What a training step changes, given back as it was: parameters, gradients and the optimizer's state."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def without_gradients(leaves: Iterable[torch.Tensor]) -> Iterator[None]:
    """Runs a block with no gradients accumulated yet, then puts the gradients of `leaves` back, untouched."""
    before = [(leaf, leaf.grad) for leaf in leaves]
    try:
        for leaf, _ in before:
            leaf.grad = None
        yield
    finally:
        for leaf, grad in before:
            leaf.grad = grad


@contextmanager
def same_optimizer(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Runs a block in which the optimizer steps, then undoes it: its parameters' values, its state, its settings.

    The state's own tensors are never written to: the block works on copies.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    values = [(parameter, parameter.detach().clone()) for parameter in parameters]
    settings = [dict(group) for group in optimizer.param_groups]
    state = optimizer.state
    copies: defaultdict[torch.Tensor, Any] = defaultdict(dict)
    for parameter, held in state.items():
        copies[parameter] = copy.deepcopy(held)
    try:
        optimizer.state = copies
        yield
    finally:
        optimizer.state = state
        for group, setting in zip(optimizer.param_groups, settings, strict=True):
            group.clear()
            group.update(setting)
        with torch.no_grad():
            for parameter, value in values:
                parameter.copy_(value)


@contextmanager
def training_mode(model: torch.nn.Module, train: bool) -> Iterator[None]:
    """Runs a block with the model in train or eval mode, then sets each module's own mode again."""
    before = [(module, module.training) for module in model.modules()]
    try:
        if any(training != train for _, training in before):
            model.train(train)
        yield
    finally:
        for module, training in before:
            module.training = training
