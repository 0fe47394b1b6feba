"""Attention in its fused forms: against hand counts, the eager composition and the dispatcher."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from support import cost, dispatcher_macs, dispatcher_training_macs, macs, work
from torch import nn

from calprof.ops.attention import kept_below_diagonal
from calprof.work import Work

R = torch.randn


def eager(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    return torch.softmax(scores if mask is None else scores + mask, -1) @ v


def test_different_key_and_value_widths():
    # 2·3 heads, 5 x 7 scores of width 11, values of width 13.
    call = lambda: F.scaled_dot_product_attention(R(2, 3, 5, 11), R(2, 3, 7, 11), R(2, 3, 7, 13))  # noqa: E731
    scores = 2 * 3 * 5 * 7
    assert work(call) == Work(mac=scores * (11 + 13), multiply=scores, softmax=scores)
    assert macs(work(call)) == dispatcher_macs(call)


def test_equals_the_eager_composition():
    q, k, v, mask = R(2, 3, 5, 11), R(2, 3, 7, 11), R(2, 3, 7, 11), R(5, 7)
    assert work(lambda: F.scaled_dot_product_attention(q, k, v, mask)) == work(lambda: eager(q, k, v, mask))


def test_causal_keeps_the_lower_triangle():
    for rows, columns in itertools.product((1, 3, 5, 7), repeat=2):
        assert kept_below_diagonal(rows, columns) == int(torch.ones(rows, columns).tril().sum())
    found = work(lambda: F.scaled_dot_product_attention(R(2, 5, 3), R(2, 7, 3), R(2, 7, 3), is_causal=True))
    # Of 5 x 7 scores the first 1 + 2 + 3 + 4 + 5 of each row stay.
    assert found["mac"] == 2 * 15 * 6 and found["masked_mac"] == 2 * 20 * 6
    assert found["softmax"] == 2 * 15 and found["masked_softmax"] == 2 * 20


def test_grouped_heads_cost_what_repeated_heads_cost():
    q, k, v = R(2, 6, 5, 11), R(2, 3, 7, 11), R(2, 3, 7, 11)
    grouped = lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True)  # noqa: E731
    repeated = work(lambda: F.scaled_dot_product_attention(q, k.repeat(1, 2, 1, 1), v.repeat(1, 2, 1, 1)))
    assert work(grouped) == repeated
    assert macs(work(grouped)) == dispatcher_macs(grouped)


def test_dropout_counts_only_when_active():
    call = lambda p: work(lambda: F.scaled_dot_product_attention(R(2, 5, 3), R(2, 7, 3), R(2, 7, 3), dropout_p=p))  # noqa: E731
    assert call(0.5)["dropout"] == 2 * 5 * 7 and call(0.0)["dropout"] == 0


@pytest.mark.parametrize("needed", list(itertools.product([True, False], repeat=3))[:-1])
def test_backward_equals_the_math_path(needed):
    q, k, v = (R(2, 3, n, 11, requires_grad=grad) for n, grad in zip((5, 7, 7), needed, strict=True))
    for run in (
        lambda: F.scaled_dot_product_attention(q, k, v),
        lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    ):
        for tensor in (q, k, v):
            tensor.grad = None
        found = cost(run, grads=True)
        assert (macs(found.forward), macs(found.backward)) == dispatcher_training_macs(run)


OPTIONS = [
    dict(),
    dict(bias=False),
    dict(kdim=9, vdim=15),
    dict(add_bias_kv=True),
    dict(add_zero_attn=True),
    dict(add_bias_kv=True, add_zero_attn=True, kdim=9),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("call", [dict(), dict(need_weights=False), dict(average_attn_weights=False)], ids=str)
@pytest.mark.parametrize("batched", [True, False])
def test_multihead_attention_equals_the_dispatcher(options, call, batched):
    module = nn.MultiheadAttention(12, 3, **options)
    shape = (2,) if batched else ()
    q = R(5, *shape, 12)
    k, v = R(7, *shape, options.get("kdim", 12)), R(7, *shape, options.get("vdim", 12))

    def run():
        return module(q, k, v, **call)[0]

    found = cost(run, grads=True)
    assert (macs(found.forward), macs(found.backward)) == dispatcher_training_macs(run)


def test_multihead_attention_by_hand():
    # 5 queries and 7 keys of width 12 in batches of 2, 3 heads: projections, scores and values, output.
    module = nn.MultiheadAttention(12, 3).eval()
    found = work(lambda: module(R(5, 2, 12), R(7, 2, 12), R(7, 2, 12), attn_mask=R(5, 7)))
    tokens, scores = 2 * (5 + 7 + 7), 2 * 3 * 5 * 7
    assert found == Work(
        mac=tokens * 144 + scores * 8 + 10 * 144,
        linear_bias=tokens * 12 + 10 * 12,
        multiply=scores,
        softmax=scores,
        add=scores + scores,  # the mask, then the average over heads
    )


def test_causal_hint_reaches_the_kernel_only_without_weights():
    module = nn.MultiheadAttention(12, 3).eval()
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    x = R(5, 2, 12)
    hinted = work(lambda: module(x, x, x, need_weights=False, attn_mask=mask, is_causal=True))
    weighed = work(lambda: module(x, x, x, need_weights=True, attn_mask=mask, is_causal=True))
    assert hinted["masked_mac"] == 2 * 3 * 10 * 8 and weighed["masked_mac"] == 0
    assert macs(hinted) == macs(weighed)


def test_fused_layers_called_directly():
    layer = nn.TransformerEncoderLayer(12, 3, 20, batch_first=True).eval()
    x = R(2, 5, 12)
    attn = layer.self_attn
    call = lambda: torch._transformer_encoder_layer_fwd(  # noqa: E731
        x, 12, 3, attn.in_proj_weight, attn.in_proj_bias, attn.out_proj.weight, attn.out_proj.bias, False, False,
        1e-5, layer.norm1.weight, layer.norm1.bias, layer.norm2.weight, layer.norm2.bias, layer.linear1.weight,
        layer.linear1.bias, layer.linear2.weight, layer.linear2.bias,
    )  # fmt: skip
    with torch.no_grad():
        assert macs(work(call)) == dispatcher_macs(lambda: layer(x))


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_encoder_is_seen_whatever_its_fast_path(grad, padded):
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 3, 20, batch_first=True), 2).eval()
    x = R(2, 5, 12)
    mask = torch.zeros(2, 5, dtype=torch.bool) if padded else None
    with torch.set_grad_enabled(grad):
        found = macs(cost(lambda: encoder(x, src_key_padding_mask=mask)).forward)
    # Per layer: 4 projections of 144, scores and values 8 per head and pair, feed-forward 2 x 240.
    assert found == 2 * (10 * 4 * 144 + 2 * 3 * 25 * 8 + 10 * 2 * 240)
