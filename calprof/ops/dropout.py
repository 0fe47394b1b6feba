"""Dropout of elements and of whole channels: work only in training and at a rate above zero.

Drawing the random numbers is not charged, comparing them with the rate is.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import NOTHING, Work

FAMILY = "dropout"


def _active(args: Any, kwargs: Any, training: bool) -> bool:
    rate = argument(args, kwargs, 0, "p", 0.5)
    # `torch.dropout` calls the flag `train`; `native_dropout` takes `None` for a training call.
    flag = kwargs["train"] if "train" in kwargs else argument(args, kwargs, 1, "training", training)
    return rate > 0 and flag is not False


@define(FAMILY, "dropout", "native_dropout")
def dropout(input: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """x·mask / (1 - p): compare, mask, rescale for each element."""
    return Work(dropout=input.numel()) if _active(args, kwargs, True) else NOTHING


@define(FAMILY, "native_dropout_backward", "_masked_scale")
def dropout_backward(input: Shape, *_: Any, out: Shape, **__: Any) -> Work:
    """x·mask·scale: two products for each element."""
    return Work(multiply=2 * input.numel())


@define(FAMILY, "_fused_dropout")
def fused_dropout(input: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """Dropout given the probability to keep an element: compare, mask, rescale for each element."""
    return Work(dropout=input.numel()) if argument(args, kwargs, 0, "p") < 1 else NOTHING


def _channels(input: Shape, batched: bool) -> int:
    return input[: 2 if batched else 1].numel()


def _channel_dropout(input: Shape, channels: int) -> Work:
    return Work(compare=channels, multiply=channels + input.numel())


@define(FAMILY, "dropout2d", "feature_dropout")
def dropout2d(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """One mask a channel (a comparison and a rescaling), then one product for each element."""
    return _channel_dropout(input, _channels(input, True)) if _active(args, kwargs, True) else NOTHING


@define(FAMILY, "dropout1d")
def dropout1d(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """One mask a channel of (N, C, L) or (C, L), then one product for each element."""
    channels = _channels(input, len(input) == 3)
    return _channel_dropout(input, channels) if _active(args, kwargs, True) else NOTHING


@define(FAMILY, "dropout3d")
def dropout3d(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """One mask a channel of (N, C, D, H, W) or (C, D, H, W), then one product for each element."""
    channels = _channels(input, len(input) == 5)
    return _channel_dropout(input, channels) if _active(args, kwargs, True) else NOTHING


@define(FAMILY, "alpha_dropout")
def alpha_dropout(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """a·(x·mask + α'·(1 - mask)) + b: a comparison, three products and three additions for each element.

    Source: Klambauer et al., Self-Normalizing Neural Networks (2017), section 3.
    """
    if not _active(args, kwargs, False):
        return NOTHING
    elements = input.numel()
    return Work(compare=elements, multiply=3 * elements, add=3 * elements)


@define(FAMILY, "feature_alpha_dropout")
def feature_alpha_dropout(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Alpha dropout with one mask a channel: x·(a·mask) + (a·α'·(1 - mask) + b).

    The parentheses are once a channel (a comparison, two additions, two products), the rest an element.
    """
    if not _active(args, kwargs, False):
        return NOTHING
    elements, channels = input.numel(), _channels(input, True)
    return Work(compare=channels, multiply=2 * channels + elements, add=2 * channels + elements)
