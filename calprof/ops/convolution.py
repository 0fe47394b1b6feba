"""Convolutions and transposed convolutions, with groups, dilation, padding and unbatched input."""

from __future__ import annotations

from typing import Any

from calprof.ops.products import product
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "convolution"


@define(
    FAMILY, "conv1d", "conv2d", "conv3d", "thnn_conv2d", "slow_conv3d", "conv_depthwise3d", "mkldnn_convolution",
    "cudnn_convolution", "miopen_convolution", "_conv_depthwise2d",
    "slow_conv_dilated2d", "slow_conv_dilated3d", "_mps_convolution", "_slow_conv2d_forward", "slow_conv3d_forward",
)  # fmt: skip
def convolution(input: Shape, weight: Shape, *args: Any, out: Shape, **kwargs: Any) -> Cost:
    """Each output element is a dot product over (in_channels / groups) x kernel, plus the bias.

    The weight's own shape, (out_channels, in_channels / groups, *kernel), holds groups; the output's shape
    holds stride, padding and dilation. Taps that fall on padding are counted, as every published table does.
    """
    return product(out.numel() * weight[1:].numel(), input, weight) + _bias(args, kwargs, out)


@define(FAMILY, "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(input: Shape, weight: Shape, *args: Any, out: Shape, **kwargs: Any) -> Cost:
    """Each input element is spread over (out_channels / groups) x kernel outputs, plus the bias.

    The weight's shape is (in_channels, out_channels / groups, *kernel). Stride and output padding
    only move where products land.
    """
    return product(input.numel() * weight[1:].numel(), input, weight) + _bias(args, kwargs, out)


@define(FAMILY, "convolution", "_convolution", "convolution_overrideable")
def any_convolution(input: Shape, weight: Shape, *args: Any, out: Shape, **kwargs: Any) -> Cost:
    """A convolution whose `transposed` flag tells which of its two formulas applies."""
    flags = [value for value in args if isinstance(value, bool)]
    transposed = kwargs.get("transposed", flags[0] if flags else False)
    formula = transposed_convolution if transposed else convolution
    return formula(input, weight, *args, out=out, **kwargs)


@define(
    FAMILY, "cudnn_convolution_transpose", "miopen_convolution_transpose", "slow_conv_transpose2d",
    "slow_conv_transpose3d", "_mps_convolution_transpose",
)  # fmt: skip
def backend_transposed_convolution(input: Shape, weight: Shape, *args: Any, out: Shape, **kwargs: Any) -> Cost:
    """One backend's transposed convolution: each input element is spread over (out_channels / groups) x kernel."""
    return product(input.numel() * weight[1:].numel(), input, weight)


@define(FAMILY, "conv_tbc")
def conv_tbc(input: Shape, weight: Shape, *args: Any, out: Shape, **kwargs: Any) -> Cost:
    """Time, batch, channel: each output element is a dot product over kernel x in_channels, plus the bias.

    The weight's shape is (kernel, in_channels, out_channels).
    """
    return product(out.numel() * weight[:2].numel(), input, weight) + _bias(args, kwargs, out)


def _bias(args: tuple[Any, ...], kwargs: dict[str, Any], out: Shape) -> Work:
    """Counts the bias, the one further tensor a convolution takes, wherever a backend's signature has it."""
    has_bias = isinstance(kwargs.get("bias"), Shape) or any(isinstance(value, Shape) for value in args)
    return Work(conv_bias=out.numel() if has_bias else 0)
