"""Convolutions, RNNs and linear layers of one backend: cuDNN, MIOpen, oneDNN (mkldnn) and FBGEMM.

An activation that is fused into one of them is charged one FLOP an element.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.convolution import convolution, transposed_convolution
from calprof.ops.operands import tensors
from calprof.ops.products import product
from calprof.ops.recurrent import gru, lstm, rnn_relu, rnn_tanh
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "backends"


@define(FAMILY, "miopen_depthwise_convolution", "_nnpack_spatial_convolution", "_convolution_mode")
def backend_convolution(input: Shape, weight: Shape, bias: Shape | None = None, *_: Any, out: Shape, **__: Any) -> Cost:
    """Each output element is a dot product over (in_channels / groups) x kernel, plus the bias."""
    return convolution(input, weight, bias, out=out)


@define(FAMILY, "cudnn_convolution_relu", "miopen_convolution_relu")
def convolution_relu(input: Shape, weight: Shape, bias: Shape | None = None, *_: Any, out: Shape, **__: Any) -> Cost:
    """A convolution, its bias and ReLU."""
    return convolution(input, weight, bias, out=out) + Work(relu=out.numel())


@define(FAMILY, "cudnn_convolution_add_relu", "miopen_convolution_add_relu")
def convolution_add_relu(
    input: Shape, weight: Shape, z: Shape, alpha: float | None = None, bias: Shape | None = None, *_: Any,
    out: Shape, **__: Any,
) -> Cost:  # fmt: skip
    """A convolution, its bias, the addition of alpha·z and ReLU."""
    elements = out.numel()
    scaled = elements if alpha not in (None, 1) else 0
    return convolution(input, weight, bias, out=out) + Work(add=elements, multiply=scaled, relu=elements)


# How cuDNN and MIOpen number the kinds of RNN.
_MODES = {0: rnn_relu, 1: rnn_tanh, 2: lstm, 3: gru}


def _rnn(input: Shape, weights: list[Shape], args: Any, out: Any) -> Cost:
    mode = args[2]
    hidden = [state for state in args[:2] if state is not None]
    # Only cuDNN knows projections, and says their size after the hidden size.
    layers, _, dropout, train, bidirectional = args[-7:-2]
    return _MODES[mode](input, hidden, weights, True, layers, dropout, train, bidirectional, out=out)


@define(FAMILY, "_cudnn_rnn")
def cudnn_rnn(input: Shape, weight: list[Shape], stride: int, buffer: Any, *args: Any, out: Any) -> Cost:
    """The RNN, LSTM or GRU its mode names: per token and cell gates x hidden x (input + hidden) MACs."""
    return _rnn(input, weight, args, out)


@define(FAMILY, "miopen_rnn")
def miopen_rnn(input: Shape, weight: list[Shape], stride: int, *args: Any, out: Any) -> Cost:
    """The RNN, LSTM or GRU its mode names: per token and cell gates x hidden x (input + hidden) MACs."""
    return _rnn(input, weight, args, out)


@define(FAMILY, "mkldnn_rnn_layer")
def mkldnn_rnn_layer(input: Shape, *args: Any, out: Any) -> Cost:
    """One direction of a layer of the RNN its mode names: gates x hidden x (input + hidden) MACs a token."""
    weights, hidden, mode = list(args[:4]), list(args[4:6]), args[8]
    return _MODES[mode](input, hidden, weights, True, 1, 0.0, False, False, out=out)


def _activated(name: Any, elements: int) -> Work:
    return Work(flop=elements if name not in (None, "none", "") else 0)


@define(FAMILY, "mkldnn_linear")
def mkldnn_linear(input: Shape, weight: Shape, bias: Shape | None = None, *, out: Shape) -> Cost:
    """Each output element is a dot product over in_features, plus the bias."""
    biases = 0 if bias is None else out.numel()
    return product(out.numel() * input[-1], input, weight) + Work(linear_bias=biases)


@define(FAMILY, "mkldnn._linear_pointwise")
def linear_pointwise(X: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """A linear layer and a fused activation, or the addition of or product with another operand."""
    # Unary: W, B, attr; binary: other, W, B, attr. Both end their tensors with an optional bias.
    names = [value for value in args if isinstance(value, str)]
    attribute = args.index(names[0])
    biased = isinstance(args[attribute - 1], Shape)
    elements = out.numel()
    return Work(mac=elements * X[-1], linear_bias=elements if biased else 0) + _activated(names[0], elements)


@define(FAMILY, "mkldnn._convolution_pointwise")
def convolution_pointwise(X: Shape, *args: Any, out: Shape, **kwargs: Any) -> Cost:
    """A convolution and a fused activation, or the addition of or product with another operand."""
    # Unary: W, B, padding; binary: other, W, B, padding.
    first = next(place for place, value in enumerate(args) if isinstance(value, list)) - 2
    fused = sum((_activated(value, out.numel()) for value in args if isinstance(value, str)), Work())
    return convolution(X, args[first], args[first + 1], out=out) + fused


@define(FAMILY, "mkldnn._convolution_transpose_pointwise")
def convolution_transpose_pointwise(X: Shape, W: Shape, B: Shape | None, *args: Any, out: Shape) -> Cost:
    """A transposed convolution and a fused activation."""
    fused = sum((_activated(value, out.numel()) for value in args if isinstance(value, str)), Work())
    return transposed_convolution(X, W, B, out=out) + fused


@define(
    FAMILY,
    "onednn.qconv_pointwise",
    "onednn.qconv1d_pointwise",
    "onednn.qconv2d_pointwise",
    "onednn.qconv3d_pointwise",
)
def qconv_pointwise(qx: Shape, scale: Any, zero: Any, qw: Shape, *args: Any, out: Shape) -> Work:
    """Each output element is a dot product over (in_channels / groups) x kernel."""
    return Work(mac=out.numel() * qw[1:].numel())


@define(FAMILY, "onednn.qlinear_pointwise")
def qlinear_pointwise(qx: Shape, *args: Any, out: Shape) -> Work:
    """Each output element is a dot product over in_features."""
    return Work(mac=out.numel() * qx[-1])


@define(
    FAMILY,
    "fbgemm_linear_int8_weight",
    "fbgemm_linear_int8_weight_fp32_activation",
    "fbgemm_linear_fp16_weight",
    "fbgemm_linear_fp16_weight_fp32_activation",
)
def fbgemm_linear(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each output element is a dot product over in_features, plus the bias, the last operand."""
    operands = tensors(args, kwargs)
    last = kwargs.get("bias", args[-1])
    return Work(mac=out.numel() * operands[0][-1], linear_bias=out.numel() if isinstance(last, Shape) else 0)
