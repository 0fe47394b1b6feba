"""Laws that tie one op to another: what is the same computation costs the same, whatever it is written as."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from support import cost, dispatcher_macs, macs, work

from calprof.work import Work

R = torch.randn
quick = settings(max_examples=30, deadline=None)
sizes = st.integers(1, 5)
some = st.lists(sizes, max_size=3).map(tuple)
flags = st.booleans()


def grown(*shape, needed=True):
    return R(*shape, requires_grad=needed)


def both_ways(call):
    """MACs of the forward and of the gradient."""
    found = cost(call, grads=True)
    return macs(found.forward), macs(found.backward)


# Matrix products


@quick
@given(some, sizes, sizes, flags, flags, flags)
def test_linear_is_matmul_and_a_bias(leading, inner, outer, needs_input, needs_weight, biased):
    x, weight = grown(*leading, inner, needed=needs_input), grown(outer, inner, needed=needs_weight)
    bias = grown(outer) if biased else None
    additions = Work(linear_bias=prod(leading) * outer if biased else 0)
    assert work(lambda: F.linear(x, weight, bias)) == work(lambda: x @ weight.T) + additions
    assert both_ways(lambda: F.linear(x, weight, bias)) == both_ways(lambda: x @ weight.T)


@quick
@given(some, sizes, sizes, sizes)
def test_matmul_of_a_matrix_is_mm_of_all_rows(leading, rows, inner, columns):
    x, y = R(*leading, rows, inner), R(inner, columns)
    assert work(lambda: x @ y) == work(lambda: torch.mm(x.reshape(-1, inner), y))


@quick
@given(sizes, sizes, sizes, sizes)
def test_addmm_and_baddbmm_are_a_product_and_an_addition(batch, rows, inner, columns):
    x, y, added = grown(batch, rows, inner), grown(batch, inner, columns), grown(columns)
    additions = Work(bias=batch * rows * columns)
    assert work(lambda: torch.baddbmm(added, x, y)) == work(lambda: torch.bmm(x, y)) + additions
    assert both_ways(lambda: torch.baddbmm(added, x, y)) == both_ways(lambda: torch.bmm(x, y))
    one = Work(bias=rows * columns)
    assert work(lambda: torch.addmm(added, x[0], y[0])) == work(lambda: torch.mm(x[0], y[0])) + one


@quick
@given(sizes, sizes, st.integers(2, 5), sizes, st.permutations("bij"), st.permutations("bjk"), st.permutations("bik"))
def test_einsum_is_bmm_however_its_operands_lie(batch, rows, inner, columns, left, right, result):
    length = dict(b=batch, i=rows, j=inner, k=columns)
    x, y = (grown(*(length[label] for label in term)) for term in (left, right))
    equation = f"{''.join(left)},{''.join(right)}->{''.join(result)}"
    a, b = grown(batch, rows, inner), grown(batch, inner, columns)
    assert work(lambda: torch.einsum(equation, x, y)) == work(lambda: torch.bmm(a, b))
    assert both_ways(lambda: torch.einsum(equation, x, y)) == both_ways(lambda: torch.bmm(a, b))


@quick
@given(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4), sizes, st.integers(2, 5), sizes)
def test_broadcast_matmul_is_bmm_of_the_expanded_operands(shapes, rows, inner, columns):
    (first, second), batch = shapes.input_shapes, shapes.result_shape
    x, y = R(*first, rows, inner), R(*second, inner, columns)
    expanded = R(prod(batch), rows, inner), R(prod(batch), inner, columns)
    assert work(lambda: x @ y) == work(lambda: torch.bmm(*expanded))
    assert work(lambda: torch.einsum("...ij,...jk", x, y)) == work(lambda: torch.bmm(*expanded))


# Convolutions


@st.composite
def convolutions(draw):
    """Dimensions, input, weight and options of a convolution that fits its input."""
    ndim, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    each = lambda low, high: [draw(st.integers(low, high)) for _ in range(ndim)]  # noqa: E731
    kernel, dilation = each(1, 3), each(1, 2)
    padding = [draw(st.integers(0, d * (k - 1))) for k, d in zip(kernel, dilation, strict=True)]
    length = [d * (k - 1) + 1 + more for k, d, more in zip(kernel, dilation, each(0, 4), strict=True)]
    inputs, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 3))
    options = dict(stride=each(1, 3), padding=padding, dilation=dilation, groups=groups)
    return ndim, (draw(sizes), inputs, *length), (outputs, inputs // groups, *kernel), options


@quick
@given(convolutions())
def test_transposed_convolution_is_the_convolutions_gradient(drawn):
    ndim, shape, weight_shape, options = drawn
    forward, transposed = getattr(F, f"conv{ndim}d"), getattr(F, f"conv_transpose{ndim}d")
    x, weight = grown(*shape), grown(*weight_shape, needed=False)
    output = forward(x, weight, **options)
    products, gradient = both_ways(lambda: forward(x, weight, **options))
    assert gradient == macs(work(lambda: transposed(output, weight, **options))) == products
    assert dispatcher_macs(lambda: transposed(output, weight, **options)) == products


@quick
@given(convolutions())
def test_a_grouped_convolution_is_a_convolution_for_each_group(drawn):
    ndim, shape, weight_shape, options = drawn
    convolve, groups = getattr(F, f"conv{ndim}d"), options["groups"]
    x, weight = R(*shape), R(*weight_shape)
    single = dict(options, groups=1)
    parts = work(
        lambda: [convolve(a, w, **single) for a, w in zip(x.chunk(groups, 1), weight.chunk(groups), strict=True)]
    )
    assert work(lambda: convolve(x, weight, **options)) == parts


@quick
@given(sizes, sizes, sizes, sizes, sizes)
def test_a_convolution_of_one_tap_is_linear(batch, inputs, outputs, height, width):
    x, weight = grown(batch, inputs, height, width), grown(outputs, inputs)
    pixels = grown(batch * height * width, inputs)
    assert both_ways(lambda: F.conv2d(x, weight[..., None, None])) == both_ways(lambda: F.linear(pixels, weight))


# Attention


def eager(q, k, v, mask=None, causal=False):
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    if causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(hidden, -torch.inf)
    return torch.softmax(scores if mask is None else scores + mask, -1) @ v


@st.composite
def attentions(draw):
    """Queries, keys and values whose lengths and widths differ."""
    leading, heads = draw(st.lists(sizes, max_size=2).map(tuple)), draw(st.integers(1, 3))
    length, keys, width, values = (draw(st.integers(2, 7)) for _ in range(4))
    rows = (*leading, heads)
    return grown(*rows, length, width), grown(*rows, keys, width), grown(*rows, keys, values)


@quick
@given(attentions(), st.sampled_from(["none", "full", "row"]))
def test_fused_attention_is_eager_attention(drawn, masking):
    q, k, v = drawn
    full = (q.shape[-2], k.shape[-2])
    mask = {"none": None, "full": R(*full), "row": R(1, full[1])}[masking]
    fused = lambda: F.scaled_dot_product_attention(q, k, v, mask)  # noqa: E731
    assert work(fused) == work(lambda: eager(q, k, v, mask))
    assert both_ways(fused) == both_ways(lambda: eager(q, k, v, mask))


@quick
@given(attentions())
def test_causal_attention_splits_eager_attention_at_the_diagonal(drawn):
    q, k, v = drawn
    found = work(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True))
    whole = work(lambda: eager(q, k, v, causal=True))
    kept = int(torch.ones(q.shape[-2], k.shape[-2]).tril().sum()) * prod(q.shape[:-2])
    assert macs(found) == whole["mac"] and found["mac"] == kept * (q.shape[-1] + v.shape[-1])
    assert found["softmax"] + found["masked_softmax"] == whole["softmax"] and found["softmax"] == kept


@quick
@given(attentions(), st.integers(1, 4), flags)
def test_grouped_heads_cost_what_repeated_heads_cost(drawn, groups, causal):
    q, k, v = (each if each.dim() > 3 else each[None] for each in drawn)
    many = R(*q.shape[:-3], q.shape[-3] * groups, *q.shape[-2:])
    repeated = [each.repeat_interleave(groups, -3) for each in (k, v)]
    grouped = lambda: F.scaled_dot_product_attention(many, k, v, is_causal=causal, enable_gqa=True)  # noqa: E731
    assert work(grouped) == work(lambda: F.scaled_dot_product_attention(many, *repeated, is_causal=causal))


# Broadcasting: NumPy says how many elements the result has.

ELEMENTWISE = {
    "+": (lambda a, b: a + b, {"add": 1}),
    "-": (lambda a, b: a - b, {"add": 1}),
    "*": (lambda a, b: a * b, {"multiply": 1}),
    "/": (lambda a, b: a / b, {"multiply": 1}),
    "**": (lambda a, b: a**b, {"transcendental": 1}),
    "<": (lambda a, b: a < b, {"compare": 1}),
    "rsub": (lambda a, b: torch.rsub(a, b), {"add": 1}),
    "__rmul__": (lambda a, b: b.__rmul__(a), {"multiply": 1}),
    "maximum": (torch.maximum, {"compare": 1}),
    "fmod": (torch.fmod, {"multiply": 1}),
    "atan2": (torch.atan2, {"transcendental": 1}),
    "lerp": (lambda a, b: torch.lerp(a, b, 0.3), {"add": 2, "multiply": 1}),
    "addcmul": (lambda a, b: torch.addcmul(a, b, b), {"add": 1, "multiply": 1}),
    "aten.mul": (torch.ops.aten.mul.Tensor, {"multiply": 1}),
    "where": (lambda a, b: torch.where(a > b, 1.0, 2.0), {"compare": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=20, deadline=None)
@given(mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=4, max_side=4))
def test_elementwise_costs_the_broadcast_result(name, shapes):
    function, steps = ELEMENTWISE[name]
    a, b = (torch.rand(shape) for shape in shapes.input_shapes)
    elements = prod(np.broadcast_shapes(*shapes.input_shapes))
    assert work(lambda: function(a, b)) == Work(**{kind: count * elements for kind, count in steps.items()})


@quick
@given(some, st.floats(0.5, 2))
def test_a_number_broadcasts_to_the_tensor(shape, number):
    x = torch.rand(shape)
    elements = prod(shape)
    for call, kind in ((lambda: x + number, "add"), (lambda: number * x, "multiply"), (lambda: number - x, "add")):
        assert work(call) == Work(**{kind: elements})
    assert work(lambda: x.mul_(number).add_(number)) == Work(multiply=elements, add=elements)
