"""Which of several layouts of an image a model takes, where only its own encoder can tell."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from calprof.inputs.placeholders import evaluating, fake_mode_of, method_of
from calprof.inputs.request import Request


def first_accepted(request: Request, layouts: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The first layout that the model's encoder of images runs with; the first of all if it runs with none."""
    encode = _encoder(request)
    if encode is None:
        return layouts[0]
    return next((one for one in layouts if _accepts(request.model, encode, one)), layouts[0])


def _encoder(request: Request) -> Any:
    """What turns images into vectors: a method of a model that also reads text, or the model itself."""
    if not isinstance(request.model, nn.Module):
        return None
    return method_of(request.model, "get_image_features") if "input_ids" in request.taken else request.model.forward


def _accepts(model: nn.Module, encode: Any, layout: dict[str, torch.Tensor]) -> bool:
    """Whether the encoder runs, on fake tensors, or for real if it looks at values."""
    taken = inspect.signature(encode).parameters.values()
    needed = [one.name for one in taken if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
    if any(name not in layout for name in needed):
        return True  # there is nobody to ask
    mode = fake_mode_of(model)
    with evaluating(model), torch.no_grad():
        try:
            return _runs(encode, layout, mode or FakeTensorMode(allow_non_fake_inputs=True))
        except (DataDependentOutputException, DynamicOutputShapeException):
            return mode is not None or _runs(encode, layout, nullcontext())


def _runs(encode: Any, layout: dict[str, torch.Tensor], mode: AbstractContextManager[Any]) -> bool:
    """Whether no shape is refused; that a value is asked for is another matter."""
    try:
        with mode:
            encode(**layout)
    except (DataDependentOutputException, DynamicOutputShapeException):
        raise
    except (IndexError, RuntimeError):
        return False
    except ValueError as error:
        if "unpack" not in str(error):
            raise
        return False
    return True
