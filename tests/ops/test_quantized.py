"""Quantised layers against their float layers, and quantising by hand."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from support import macs, record, work

from calprof.ops.packed import _SEEN, Packed, describe_packed
from calprof.ops.registry import Uncountable, catalogue
from calprof.ops.shape import Shape
from calprof.work import Work

R = torch.randn
X = R(2, 3, 5)


def engine() -> bool:
    """Whether this build can run quantised layers."""
    return any(name != "none" for name in torch.backends.quantized.supported_engines)


pytestmark = pytest.mark.filterwarnings("ignore:.*quantize.*deprecated:UserWarning")
needs_engine = pytest.mark.skipif(not engine(), reason="this PyTorch is built without a quantised engine")


def quint8(*shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(R(*shape), 0.1, 10, torch.quint8)


def qint8(*shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(R(*shape), 0.1, 0, torch.qint8)


ROWS = [
    # Divide, round, add, two bounds.
    (
        "quantize_per_tensor",
        lambda: torch.quantize_per_tensor(X, 0.1, 0, torch.qint8),
        Work(multiply=30, round=30, add=30, compare=60),
    ),
    (
        "quantize_per_tensor_dynamic",
        lambda: torch.quantize_per_tensor_dynamic(X, torch.quint8, False),
        Work(multiply=30, round=30, add=30, compare=120),
    ),
    (
        "fake_quantize",
        lambda: torch.fake_quantize_per_tensor_affine(X, 0.1, 0, 0, 255),
        Work(multiply=60, round=30, add=60, compare=60),
    ),
    (
        "fake_quantize channels",
        lambda: torch.fake_quantize_per_channel_affine(X, ONES, ZEROS, 1, 0, 255),
        Work(multiply=60, round=30, add=60, compare=60),
    ),
]
ONES, ZEROS = torch.ones(3), torch.zeros(3)


@pytest.mark.parametrize(("call", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_by_hand(call, expected):
    assert work(call) == expected


def test_dequantizing_is_a_subtraction_and_a_product():
    quantized = quint8(2, 3, 5)
    assert work(lambda: quantized.dequantize()) == Work(add=30, multiply=30)
    assert work(lambda: torch.dequantize([quantized, quantized])) == Work(add=60, multiply=60)


@needs_engine
@pytest.mark.parametrize("bias", [None, R(7)], ids=["no bias", "bias"])
def test_linear(bias):
    ops = torch.ops.quantized
    packed = ops.linear_prepack(qint8(7, 5), bias)
    float_macs = macs(work(lambda: F.linear(X, R(7, 5))))
    dynamic = work(lambda: ops.linear_dynamic(X, packed))
    assert dynamic == Work(mac=float_macs, linear_bias=0 if bias is None else 42)
    x = quint8(2, 3, 5)
    # Its activations and results are integers: its products are MACs, the rest no floating-point operation.
    assert work(lambda: ops.linear(x, packed, 0.1, 0)) == Work(mac=210, integer=0 if bias is None else 42)
    assert work(lambda: ops.linear_relu(x, packed, 0.1, 0)) == Work(mac=210, integer=42 if bias is None else 84)


@needs_engine
@pytest.mark.parametrize("groups", [1, 3])
def test_convolutions(groups):
    ops = torch.ops.quantized
    x, weight = quint8(2, 6, 11, 13), (9, 6 // groups, 3, 5)
    packed = ops.conv2d_prepack(qint8(*weight), None, [2, 1], [1, 2], [1, 1], groups)
    expected = macs(work(lambda: F.conv2d(x.dequantize(), R(*weight), None, [2, 1], [1, 2], 1, groups)))
    assert work(lambda: ops.conv2d(x, packed, 0.1, 0)) == Work(mac=expected)
    relu = work(lambda: ops.conv2d_relu(x, packed, 0.1, 0))
    assert relu["mac"] == expected and relu["integer"] == 2 * 9 * 6 * 13


@needs_engine
def test_transposed_convolution():
    ops = torch.ops.quantized
    x, weight = quint8(2, 6, 5, 7), (6, 9, 3, 5)
    packed = ops.conv_transpose2d_prepack(qint8(*weight), None, [2, 2], [0, 0], [0, 0], [1, 1], 1)
    expected = macs(work(lambda: F.conv_transpose2d(x.dequantize(), R(*weight), None, 2)))
    assert work(lambda: ops.conv_transpose2d(x, packed, 0.1, 0)) == Work(mac=expected)


@needs_engine
def test_arithmetic_on_integers_is_no_floating_point_operation():
    x, y, ops = quint8(2, 3), quint8(2, 3), torch.ops.quantized
    assert work(lambda: ops.add(x, y, 0.1, 0)) == Work(integer=6)
    assert work(lambda: ops.mul_relu(x, y, 0.1, 0)) == Work(integer=12)


def test_prepacking_is_free():
    weight = qint8(7, 5)
    assert work(lambda: torch.ops.quantized.linear_prepack(weight, None)) == Work()


def test_an_opaque_weight_is_reported():
    with pytest.raises(Uncountable, match="packed weight"):
        catalogue()["quantized.linear"].formula(Shape((2, 5)), "ScriptObject", 0.1, 0, out=Shape((2, 7)))


@needs_engine
def test_a_packed_weight_is_asked_once():
    packed = torch.ops.quantized.linear_prepack(qint8(7, 5), None)
    assert describe_packed(packed) == Packed((7, 5), bias=False)
    assert describe_packed(packed) is describe_packed(packed)
    key = id(packed)
    del packed
    assert key not in _SEEN


@needs_engine
def test_bags_of_quantized_rows():
    # 5 ids of 7: each element scaled, shifted and added to its bag.
    table = torch.ops.quantized.embedding_bag_byte_prepack(R(11, 7))
    ids, offsets = torch.tensor([1, 3, 5, 7, 9]), torch.tensor([0, 2])
    found = work(lambda: torch.ops.quantized.embedding_bag_byte_rowwise_offsets(table, ids, offsets))
    assert found == Work(multiply=35, add=70)


def test_linear_layers_whose_weight_is_not_packed():
    rows, weight, bias, result = Shape((2, 3, 5)), Shape((7, 5)), Shape((7,)), Shape((2, 3, 7))
    for name, args, biases in (
        ("quantized.linear_dynamic_fp16_unpacked_weight", (weight, bias), 42),
        ("onednn.linear_dynamic_fp16", (weight, None), 0),
        ("bitsandbytes.int8_scaled_mm", (weight, Shape((6,)), Shape((7,)), bias), 42),
        ("bitsandbytes.gemv_4bit", (Shape((18, 1)), [7, 5]), 0),
    ):
        assert catalogue()[name].formula(rows, *args, out=result) == Work(mac=210, linear_bias=biases)


def test_ops_of_bitsandbytes_by_a_stand_in():
    library = torch.library.Library("bitsandbytes", "FRAGMENT")
    if not hasattr(torch.ops.bitsandbytes, "int8_linear_matmul"):
        library.define("int8_linear_matmul(Tensor A, Tensor B) -> Tensor")
        library.impl("int8_linear_matmul", lambda a, b: a.int() @ b.int().T, "CPU")
    a, b = torch.ones(2, 3, 5, dtype=torch.int8), torch.ones(7, 5, dtype=torch.int8)
    assert work(lambda: torch.ops.bitsandbytes.int8_linear_matmul(a, b)) == Work(mac=210)
    assert not record(lambda: torch.ops.bitsandbytes.int8_linear_matmul(a, b)).uncounted
