"""Which of several shapes a model accepts, where neither its arguments nor its configuration tell."""

from __future__ import annotations

import contextlib
import inspect
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

from calprof.recording.restore import training_mode

REFUSALS = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
UNDECIDED = (DataDependentOutputException, DynamicOutputShapeException)


def fake_mode_of(model: Any) -> FakeTensorMode | None:
    """The mode that a model without storage was built in."""
    return next((one.fake_mode for one in model.parameters() if isinstance(one.data, FakeTensor)), None)


def needed(call: Callable[..., Any]) -> list[str]:
    """Names of the parameters that a function cannot do without."""
    parameters = inspect.signature(call).parameters.values()
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in parameters if one.default is one.empty and one.kind not in open_ended]


def accepted(model: nn.Module, call: Callable[..., Any], tries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first of these arguments with which a method of the model runs, or the first of all if none does.

    It runs on fake tensors, which cost nothing; where it looks at a value, it has accepted the shapes before.
    """
    return next((given for given in tries if _runs(model, call, given)), tries[0])


def _runs(model: nn.Module, call: Callable[..., Any], given: dict[str, Any]) -> bool:
    mode = fake_mode_of(model) or FakeTensorMode(allow_non_fake_inputs=True)
    with training_mode(model, False), torch.no_grad(), unlogged():
        try:
            with mode:
                call(**given)
        except UNDECIDED:
            return True
        except REFUSALS:
            return False
    return True


@contextlib.contextmanager
def unlogged() -> Iterator[None]:
    """Keeps PyTorch from printing the traceback of an operation that fails without storage, which is raised as well."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
