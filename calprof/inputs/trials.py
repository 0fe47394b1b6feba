"""Which of several shapes a model accepts, where neither its arguments nor its configuration tell."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)

REFUSALS = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
UNDECIDED = (DataDependentOutputException, DynamicOutputShapeException)


def fake_mode_of(model: Any) -> FakeTensorMode | None:
    """The mode that a model without storage was built in."""
    return next((one.fake_mode for one in model.parameters() if isinstance(one.data, FakeTensor)), None)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Every module in eval mode inside, each as it was afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def accepted(model: nn.Module, call: Callable[..., Any], tries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first of these arguments with which a method of the model runs, or the first of all if none does.

    It runs on fake tensors, which cost nothing; where it looks at a value, it has accepted the shapes before.
    """
    return next((given for given in tries if _runs(model, call, given)), tries[0])


def _runs(model: nn.Module, call: Callable[..., Any], given: dict[str, Any]) -> bool:
    mode = fake_mode_of(model) or FakeTensorMode(allow_non_fake_inputs=True)
    with evaluating(model), torch.no_grad(), _quiet():
        try:
            with mode:
                call(**given)
        except UNDECIDED:
            return True
        except REFUSALS:
            return False
    return True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing logged about the shapes that do not fit."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
