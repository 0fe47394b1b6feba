"""Closed forms of layers against loops written out, and against PyTorch's own layers."""

from __future__ import annotations

from itertools import product

import pytest

from calprof.analytical import layers

torch = pytest.importorskip("torch")

from analytical.families import dispatched  # noqa: E402 - it imports torch


@pytest.mark.parametrize("bias", [False, True])
def test_matrix_product_by_loop(bias: bool) -> None:
    count = 0
    for _ in product(range(3), range(7)):
        count += 5 + 4 + bias  # products, sums between them, the bias
    assert layers.matrix_product(3, 5, 7, bias=bias) == count


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 3), (3, 2, 2, 1), (1, 1, 1, 6)]
)
def test_convolution_against_torch(stride: int, padding: int, dilation: int, groups: int) -> None:
    outputs = 6 if groups == 6 else 9
    layer = torch.nn.Conv2d(6, outputs, (3, 2), stride, padding, dilation, groups)
    size = layers.convolution_output((13, 17), (3, 2), stride, padding, dilation)
    with torch.no_grad():
        assert layer(torch.zeros(1, 6, 13, 17)).shape[2:] == size
    counted = dispatched(lambda: layer(torch.zeros(1, 6, 13, 17))).get_total_flops()
    assert 2 * layers.convolution_macs(size, (3, 2), 6, outputs, groups) == counted
    if groups == 6:
        assert layers.depthwise_macs(size, (3, 2), 6) * 2 == counted


def test_published_convolution_is_products_and_bias() -> None:
    macs = layers.convolution_macs((5, 7), (3, 3), 2, 11)
    assert layers.convolution(5, 7, 2, 3, 11) == 2 * macs + 2 * 5 * 7 * 11


def test_transposed_convolution_against_torch() -> None:
    layer = torch.nn.ConvTranspose2d(6, 4, 3, stride=2)
    counted = dispatched(lambda: layer(torch.zeros(1, 6, 5, 7))).get_total_flops()
    assert 2 * layers.transposed_convolution_macs((5, 7), (3, 3), 6, 4) == counted


def test_recurrent_by_steps() -> None:
    # 2 layers, 2 directions, 5 steps: 4 gates of 7 units reading 3 inputs (then 14) and 7 states
    first, second = 4 * 7 * (3 + 7), 4 * 7 * (14 + 7)
    assert layers.recurrent_macs(3, 7, steps=5, layers=2, directions=2) == 5 * 2 * (first + second)
    assert layers.recurrent_macs(3, 7, steps=5, gates=3) == 5 * 3 * 7 * 10


def test_attention_against_torch() -> None:
    heads, size, hidden, queries, keys = 3, 5, 11, 7, 13
    terms = layers.attention(queries, hidden, heads, size, keys=keys)
    linear = {name: torch.nn.Linear(hidden, heads * size, bias=False) for name in ("query", "key", "value")}
    output = torch.nn.Linear(heads * size, hidden, bias=False)
    x, memory = torch.zeros(queries, hidden), torch.zeros(keys, hidden)

    def attend() -> object:
        q = linear["query"](x).view(queries, heads, size).transpose(0, 1)
        k, v = (linear[name](memory).view(keys, heads, size).transpose(0, 1) for name in ("key", "value"))
        return output((q @ k.transpose(1, 2) @ v).transpose(0, 1).reshape(queries, heads * size))

    assert sum(terms.values()) == dispatched(attend).get_total_flops()
    assert terms["scores"] == 2 * heads * queries * keys * size


def test_sharing_keys_changes_their_projection_only() -> None:
    whole, shared = layers.attention(7, 12, 4, 3), layers.attention(7, 12, 4, 3, kv_heads=2)
    assert {name for name in whole if whole[name] != shared[name]} == {"key", "value"}
    assert whole["key"] == 2 * shared["key"]


def test_gate_is_one_more_product() -> None:
    assert layers.glu(7, 5, 11) == {"gate": 770, "up": 770, "down": 770}
    assert sum(layers.mlp(7, 5).values()) == 16 * 7 * 5**2


@pytest.mark.parametrize(
    "call",
    [
        lambda: layers.matrix_product(0, 1, 1),
        lambda: layers.convolution_macs((3, 3), (1, 1), 6, 4, groups=4),
        lambda: layers.transposed_convolution_macs((3, 3), (1, 1), 6, 4, groups=4),
        lambda: layers.convolution_output((3, 3), (1,)),
        lambda: layers.recurrent_macs(3, 0, 1),
    ],
)
def test_bad_sizes_are_refused(call) -> None:
    with pytest.raises(ValueError, match=r"got|multiples of"):
        call()
