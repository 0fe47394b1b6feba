"""Spellings of one backend: run on meta tensors or the CPU where they can, else their formulas on shapes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import macs, work

from calprof.ops.registry import catalogue
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

R = torch.randn


def priced(name, *args, out, **kwargs):
    found = catalogue()[name].formula(*args, out=out, **kwargs)
    return found.forward if isinstance(found, Cost) else found


X, W, B, OUT = Shape((2, 6, 11, 13)), Shape((9, 2, 3, 5)), Shape((9,)), Shape((2, 9, 9, 9))
# 2·9·81 = 1,458 outputs of 2·15 MACs.
CONVOLVED = Work(mac=43740, conv_bias=1458)


def test_convolutions():
    places = ([1, 1], [0, 0], [1, 1])
    assert priced("miopen_depthwise_convolution", X, W, B, *places, 3, False, False, out=OUT) == CONVOLVED
    assert priced("_convolution_mode", X, W, None, [1, 1], "valid", [1, 1], 3, out=OUT) == Work(mac=43740)
    for backend in ("cudnn", "miopen"):
        relu = priced(f"{backend}_convolution_relu", X, W, B, *places, 3, out=OUT)
        assert relu == CONVOLVED + Work(relu=1458)
        added = priced(f"{backend}_convolution_add_relu", X, W, OUT, 0.5, B, *places, 3, out=OUT)
        assert added == relu + Work(add=1458, multiply=1458)


def test_convolution_mode_runs():
    call = lambda: torch._convolution_mode(R(2, 6, 11, 13), R(9, 2, 3, 5), None, [1, 1], "same", [1, 1], 3)  # noqa: E731
    assert work(call) == work(lambda: F.conv2d(R(2, 6, 11, 13), R(9, 2, 3, 5), padding="same", groups=3))


@pytest.mark.parametrize(("kind", "mode", "gates"), [(torch.nn.LSTM, 2, 4), (torch.nn.GRU, 3, 3), (torch.nn.RNN, 1, 1)])
@pytest.mark.parametrize("both_ways", [False, True])
def test_recurrent_layers(kind, mode, gates, both_ways):
    module = kind(5, 7, 2, bidirectional=both_ways)
    x = R(3, 2, 5)
    expected = work(lambda: module(x))
    input, hx, out = Shape((3, 2, 5)), Shape((2 + 2 * both_ways, 2, 7)), Shape((3, 2, 7))
    cx = hx if mode == 2 else None
    weights = [Shape(tuple(each.shape)) for each in module.parameters()]
    rest = (2, False, 0.0, False, both_ways, [], None)
    assert priced("_cudnn_rnn", input, weights, 4, None, hx, cx, mode, 7, 0, *rest, out=(out,)) == expected
    assert priced("miopen_rnn", input, weights, 4, hx, cx, mode, 7, *rest, out=(out,)) == expected


def test_one_layer_of_mkldnn():
    module = torch.nn.LSTM(5, 7)
    shapes = [Shape(tuple(each.shape)) for each in module.parameters()]
    state, out = Shape((1, 2, 7)), Shape((3, 2, 7))
    rest = (False, [], 2, 7, 1, True, False, False, False)
    found = priced("mkldnn_rnn_layer", Shape((3, 2, 5)), *shapes, state, state, *rest, out=(out,))
    assert found == work(lambda: module(R(3, 2, 5)))


def test_linear_layers():
    rows, result = Shape((2, 3, 5)), Shape((2, 3, 7))
    linear = Work(mac=210, linear_bias=42)
    weight, bias, packed = Shape((7, 5)), Shape((7,)), Shape((35,))
    assert priced("mkldnn_linear", rows, weight, bias, out=result) == linear
    assert priced("mkldnn._linear_pointwise", rows, weight, bias, "none", [], "", out=result) == linear
    assert priced("mkldnn._linear_pointwise", rows, weight, None, "relu", [], "", out=result) == Work(mac=210, flop=42)
    assert priced("mkldnn._linear_pointwise", rows, result, weight, bias, "add", out=result) == linear + Work(flop=42)
    assert priced("fbgemm_linear_fp16_weight", rows, packed, bias, out=result) == linear
    assert priced("fbgemm_linear_int8_weight", rows, weight, packed, bias, 0.1, 0, bias, out=result) == linear
    assert priced("fbgemm_linear_fp16_weight_fp32_activation", rows, packed, None, out=result) == Work(mac=210)
    assert priced("onednn.qlinear_pointwise", rows, 0.1, 0, weight, out=result) == Work(mac=210)
    assert priced(
        "_mixed_dtypes_linear", rows, weight, bias, bias=bias, activation="relu", out=result
    ) == linear + Work(relu=42)


def test_pointwise_convolutions():
    places = ([0, 0], [1, 1], [1, 1], 3)
    assert priced("mkldnn._convolution_pointwise", X, W, B, *places, "none", [], "", out=OUT) == CONVOLVED
    assert priced("mkldnn._convolution_pointwise", X, W, None, *places, "relu", [], "", out=OUT) == Work(
        mac=43740, flop=1458
    )
    binary = priced("mkldnn._convolution_pointwise", X, OUT, W, B, *places, "add", None, None, [], None, out=OUT)
    assert binary == CONVOLVED + Work(flop=1458)
    assert priced("onednn.qconv2d_pointwise", X, 0.1, 0, W, out=OUT) == Work(mac=43740)
    # 6 inputs of 2·3·5, 11 x 13 of 2 images.
    spread = priced("mkldnn._convolution_transpose_pointwise", X, Shape((6, 2, 3, 5)), None, [0, 0], "none", out=OUT)
    assert spread == Work(mac=2 * 6 * 143 * 30)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch is built without oneDNN")
def test_mkldnn_ops_run():
    x, weight, bias = R(2, 6, 11, 13), R(9, 2, 3, 5), R(9)
    places = ([0, 0], [1, 1], [1, 1], 3)
    found = work(lambda: torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *places, "none", [], ""))
    assert found == work(lambda: F.conv2d(x, weight, bias, groups=3))
    rows, matrix = R(2, 5), R(7, 5)
    assert macs(work(lambda: torch.ops.mkldnn._linear_pointwise(rows, matrix, None, "none", [], ""))) == 70


def test_quantized_cells_cost_the_float_cells():
    cell, x, state = torch.nn.LSTMCell(5, 7), R(2, 5), (R(2, 7), R(2, 7))
    shapes = [Shape(tuple(each.shape)) for each in cell.parameters()]
    found = priced("quantized_lstm_cell", Shape((2, 5)), [Shape((2, 7))] * 2, *shapes, out=(Shape((2, 7)),) * 2)
    assert found == work(lambda: cell(x, state))
