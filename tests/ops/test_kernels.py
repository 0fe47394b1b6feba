"""Formulas for other packages' kernels, called through stand-ins of their published signatures."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import support
import torch
import torch.nn.functional as F
from ops import stand_ins
from torch._subclasses.fake_tensor import FakeTensorMode

from calprof.ops.kernels.scores import kept_in_window
from calprof.ops.registry import shipped_kernels
from calprof.recording.recorder import Recorder
from calprof.work import Work

R = torch.randn


@pytest.fixture(autouse=True)
def packages(monkeypatch):
    found = stand_ins.modules()
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    stand_ins.KEPT.clear()
    return SimpleNamespace(**{name: module for name, module in found.items() if "." not in name})


def test_every_formula_has_a_stand_in_in_the_place_it_names():
    for path in shipped_kernels():
        owner, _, name = path.removesuffix(".apply").rpartition(".")
        assert hasattr(sys.modules[owner], name), path


def late(path):
    """A function that looks the kernel up when it is called, as code that imports it by name does."""
    package, _, name = path.partition(".")
    found = name.removesuffix(".apply")

    def call(*args, **kwargs):
        member = getattr(sys.modules[package], found)
        return (member.apply if name.endswith(".apply") else member)(*args, **kwargs)

    return call


def one_call(function, name):
    """The one call that is noted; nothing inside it is."""
    recording = support.record(function)
    assert not recording.uncounted, recording.uncounted
    (call,) = recording.calls
    assert call.op == name
    return call.cost.forward


def expect_attention(work, kept_scores=None, all_scores=None):
    """Two MACs a score and component for the scores the stand-in's own mask keeps."""
    assert work["mac"] == 2 * sum(scores * size for scores, size in stand_ins.KEPT)
    if all_scores is not None:
        assert support.macs(work) == 2 * all_scores


MASKS = [
    ({}, 7 * 11),
    ({"causal": True}, 7 * 11),
    ({"window_size": (2, 1)}, None),
    ({"causal": True, "window_size": (3, -1)}, None),
    ({"window_size": (-1, 0)}, None),
]


@pytest.mark.parametrize(("options", "scores"), MASKS)
def test_flash_attention(packages, options, scores):
    q, k, v = R(2, 7, 6, 5), R(2, 11, 3, 5), R(2, 11, 3, 5)
    work = one_call(lambda: packages.flash_attn.flash_attn_func(q, k, v, **options), "flash_attn_func")
    expect_attention(work, all_scores=scores and 2 * 6 * 5 * scores)
    if scores is None:
        assert work["masked_mac"] == work["masked_softmax"] == 0
    assert work["softmax"] == sum(kept * 6 for kept, _ in stand_ins.KEPT)


def test_flash_attention_equals_the_fused_function(packages):
    q, k, v = R(2, 7, 3, 5), R(2, 7, 3, 5), R(2, 7, 3, 5)
    for causal in (False, True):
        found = support.work(lambda causal=causal: packages.flash_attn.flash_attn_func(q, k, v, causal=causal))
        heads = [each.transpose(1, 2) for each in (q, k, v)]
        assert found == support.work(
            lambda heads=heads, causal=causal: F.scaled_dot_product_attention(*heads, is_causal=causal)
        )


def test_soft_caps_and_slopes_of_flash_attention(packages):
    q = R(2, 7, 3, 5)
    scores = 2 * 3 * 7 * 7
    plain = support.work(lambda: packages.flash_attn.flash_attn_func(q, q, q))
    capped = support.work(lambda: packages.flash_attn.flash_attn_func(q, q, q, softcap=30.0))
    assert capped == plain + Work(multiply=2 * scores, transcendental=scores)
    sloped = support.work(lambda: packages.flash_attn.flash_attn_func(q, q, q, alibi_slopes=R(3)))
    assert sloped == plain + Work(multiply=scores, add=scores)
    dropped = support.work(lambda: packages.flash_attn.flash_attn_func(q, q, q, 0.1))
    assert dropped == plain + Work(dropout=scores)


@pytest.mark.parametrize(("options", "scores"), MASKS[:2])
def test_packings_of_flash_attention(packages, options, scores):
    flash, qkv, q, kv = packages.flash_attn, R(2, 7, 3, 6, 5), R(2, 7, 6, 5), R(2, 11, 2, 3, 5)
    work = one_call(lambda: flash.flash_attn_qkvpacked_func(qkv, **options), "flash_attn_qkvpacked_func")
    expect_attention(work, all_scores=2 * 6 * 5 * 7 * 7)
    stand_ins.KEPT.clear()
    work = one_call(lambda: flash.flash_attn_kvpacked_func(q, kv, **options), "flash_attn_kvpacked_func")
    expect_attention(work, all_scores=2 * 6 * 5 * scores)


LENGTHS_Q, LENGTHS_K = (2, 5, 3), (4, 5, 7)


def bounds(lengths):
    return torch.tensor([sum(lengths[:place]) for place in range(len(lengths) + 1)], dtype=torch.int32)


@pytest.mark.parametrize("causal", [False, True])
def test_variable_lengths_of_flash_attention(packages, causal):
    flash = packages.flash_attn
    q, k, v = R(10, 6, 5), R(16, 3, 5), R(16, 3, 5)
    cu_q, cu_k = bounds(LENGTHS_Q), bounds(LENGTHS_K)
    every = 6 * 5 * sum(a * b for a, b in zip(LENGTHS_Q, LENGTHS_K, strict=True))
    work = support.work(lambda: flash.flash_attn_varlen_func(q, k, v, cu_q, cu_k, 5, 7, causal=causal))
    expect_attention(work, all_scores=every)
    stand_ins.KEPT.clear()
    work = support.work(
        lambda: flash.flash_attn_varlen_kvpacked_func(
            q, torch.stack([k, v], 1), cu_seqlens_q=cu_q, cu_seqlens_k=cu_k, max_seqlen_q=5, max_seqlen_k=7,
            causal=causal,
        )
    )  # fmt: skip
    expect_attention(work, all_scores=every)
    stand_ins.KEPT.clear()
    qkv = R(10, 3, 6, 5)
    work = support.work(lambda: flash.flash_attn_varlen_qkvpacked_func(qkv, cu_q, 5, causal=causal))
    expect_attention(work, all_scores=6 * 5 * sum(length**2 for length in LENGTHS_Q))


def test_variable_lengths_tell_calls_apart(packages):
    q = R(10, 6, 5)
    flash = late("flash_attn.flash_attn_varlen_func")
    work = support.work(lambda: [flash(q, q, q, b, b, 9, 9) for b in (bounds((4, 6)), bounds((1, 9)))])
    assert work["mac"] == 2 * 6 * 5 * (16 + 36 + 1 + 81)


def test_variable_lengths_of_fake_tensors_are_reported(packages, monkeypatch):
    def shape_only(*args, **kwargs):
        return torch.empty_like(args[0])

    monkeypatch.setattr(sys.modules["flash_attn.flash_attn_interface"], "flash_attn_varlen_func", shape_only)
    with FakeTensorMode():
        q, b = R(10, 6, 5), torch.zeros(3, dtype=torch.int32)
        flash = sys.modules["flash_attn.flash_attn_interface"]
        (call,) = support.record(lambda: flash.flash_attn_varlen_func(q, q, q, b, b, 9, 9)).uncounted
    assert "values" in call.reason


def test_flash_attention_with_a_cache(packages):
    q, cache, new = R(2, 1, 6, 5), R(2, 16, 3, 5), R(2, 1, 3, 5)
    filled = torch.tensor([7, 4], dtype=torch.int32)
    flash = late("flash_attn.flash_attn_with_kvcache")
    work = support.work(lambda: flash(q, cache, cache, new, new, cache_seqlens=filled, causal=True))
    expect_attention(work, all_scores=6 * 5 * (8 + 5))
    assert support.work(lambda: flash(q, cache, cache, cache_seqlens=9))["mac"] == 2 * 6 * 5 * 2 * 9
    cos = R(16, 2)
    rotated = support.work(lambda: flash(q, cache, cache, new, new, cos, cos, filled, causal=True))
    assert rotated == work + Work(multiply=2 * 4 * 2 * (6 + 3), add=4 * 2 * (6 + 3))


def test_the_gradient_of_flash_attention(packages):
    q, k, v = R(2, 7, 3, 5, requires_grad=True), R(2, 7, 3, 5), R(2, 7, 3, 5)
    cost = support.cost(lambda: packages.flash_attn.flash_attn_func(q, k, v), grads=True)
    # Of the scores for the query, and of the weights.
    assert cost.backward["mac"] == cost.forward["mac"] == 2 * 2 * 3 * 49 * 5


@pytest.mark.parametrize("left", [-1, 0, 2, 9])
@pytest.mark.parametrize("right", [-1, 0, 3])
@pytest.mark.parametrize("offset", [-3, 0, 4])
def test_the_band_of_a_window(left, right, offset):
    expected = sum(
        (left < 0 or column >= row + offset - left) and (right < 0 or column <= row + offset + right)
        for row in range(7)
        for column in range(11)
    )
    assert kept_in_window(7, 11, left, right, offset) == expected


def xformers_macs(bias, q=None, k=None):
    q = R(2, 7, 3, 5) if q is None else q
    k = R(2, 11, 3, 5) if k is None else k
    attend = late("xformers.memory_efficient_attention")
    return one_call(lambda: attend(q, k, k, attn_bias=bias), "memory_efficient_attention")


def test_xformers_attention_and_its_biases():
    unit = 2 * 2 * 3 * 5
    assert xformers_macs(None)["mac"] == unit * 77
    with_bias = xformers_macs(R(2, 3, 7, 11))
    assert (with_bias["mac"], with_bias["add"]) == (unit * 77, 2 * 3 * 77)
    top_left = xformers_macs(stand_ins.LowerTriangularMask())
    assert top_left["mac"] == unit * sum(range(1, 8)) and support.macs(top_left) == unit * 77
    bottom_right = xformers_macs(stand_ins.LowerTriangularFromBottomRightMask())
    assert bottom_right["mac"] == unit * sum(range(5, 12))
    local = xformers_macs(stand_ins.LocalAttentionFromBottomRightMask(2, 1))
    # Three keys to the left with itself and one to the right; the last query has no right neighbour.
    assert support.macs(local) == unit * (7 * 4 - 1)


def test_xformers_packed_sequences():
    q, k, unit = R(1, 10, 3, 5), R(1, 16, 3, 5), 2 * 3 * 5
    mask = stand_ins.BlockDiagonalMask.from_seqlens(LENGTHS_Q, LENGTHS_K)
    assert xformers_macs(mask, q, k)["mac"] == unit * (2 * 4 + 5 * 5 + 3 * 7)
    causal = xformers_macs(stand_ins.BlockDiagonalCausalMask.from_seqlens(LENGTHS_Q), q, q)
    assert causal["mac"] == unit * (3 + 15 + 6)
    assert support.macs(causal) == unit * (4 + 25 + 9)
    local = stand_ins.BlockDiagonalCausalLocalAttentionMask.from_seqlens(LENGTHS_Q, _window_size=2)
    assert support.macs(xformers_macs(local, q, q)) == unit * (3 + 9 + 5)


def test_other_ranks_of_xformers_attention():
    assert xformers_macs(None, R(4, 7, 5), R(4, 11, 5))["mac"] == 2 * 4 * 77 * 5
    assert xformers_macs(None, R(2, 7, 2, 3, 5), R(2, 11, 2, 3, 5))["mac"] == 2 * 2 * 6 * 77 * 5


def test_an_unknown_attention_bias_is_reported():
    attend, q = late("xformers.memory_efficient_attention"), R(2, 7, 3, 5)
    (call,) = support.record(lambda: attend(q, q, q, attn_bias=stand_ins.BrandNewMask())).uncounted
    assert "BrandNewMask" in call.reason


B, D, L, N = 2, 3, 7, 5


def test_selective_scan(packages):
    args = (R(B, D, L), R(B, D, L), R(D, N), R(B, N, L), R(B, N, L))
    scan = late("mamba_ssm.selective_scan_fn")
    work = one_call(lambda: scan(*args), "selective_scan_fn")
    states, inputs = B * D * L * N, B * D * L
    assert work["mac"] == support.dispatcher_macs(lambda: scan(*args)) == states
    assert work == Work(mac=states, multiply=3 * states + inputs, transcendental=states, add=states)
    full = support.work(lambda: scan(*args, D=R(D), z=R(B, D, L), delta_bias=R(D), delta_softplus=True))
    assert full == work + Work(
        multiply=2 * inputs, add=3 * inputs, silu=inputs, transcendental=2 * inputs, compare=inputs
    )


def test_one_step_of_a_selective_scan(packages):
    step = late("mamba_ssm.selective_state_update")
    flat = support.work(lambda: step(R(B, D, N), R(B, D), R(B, D), R(D, N), R(B, N), R(B, N)))
    assert flat["mac"] == B * D * N
    heads = support.work(lambda: step(R(B, 2, D, N), R(B, 2, D), R(B, 2, D), R(2, D, N), R(B, 1, N), R(B, 1, N)))
    assert heads == flat * 2


def test_causal_convolutions(packages):
    x, weight = R(B, D, L), R(D, 4)
    convolve, update = late("causal_conv1d.causal_conv1d_fn"), late("causal_conv1d.causal_conv1d_update")
    elements = B * D * L
    assert one_call(lambda: convolve(x, weight), "causal_conv1d_fn") == Work(mac=elements * 4)
    full = Work(mac=elements * 4, conv_bias=elements, silu=elements)
    assert support.work(lambda: convolve(x, weight, R(D), activation="silu")) == full
    state = R(B, D, 4)
    assert support.work(lambda: update(R(B, D), state, weight, R(D), "silu")) == Work(
        mac=B * D * 4, conv_bias=B * D, silu=B * D
    )


def test_a_whole_mamba_mixer(packages):
    rank, width = 2, 4
    args = (R(B, 2 * D, L), R(D, 1, width), R(D), R(rank + 2 * N, D), R(D, rank), R(11, D), R(11), R(D, N))
    work = one_call(lambda: packages.mamba_ssm.mamba_inner_fn(*args), "mamba_inner_fn")
    # The stand-in pads the convolution in front only, so both count the same taps.
    assert work["mac"] == support.dispatcher_macs(lambda: stand_ins.mamba_inner_fn(*args))
    assert work["mac"] == B * L * (D * width + (rank + 2 * N) * D + rank * D + D * N + 11 * D)
    assert (work["conv_bias"], work["linear_bias"], work["silu"]) == (B * D * L, B * L * 11, 2 * B * D * L)


@pytest.mark.parametrize("chunk", [4, 5, 7, 16])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_chunked_scan(packages, chunk, groups):
    heads, width = 4, 3
    args = (R(B, L, heads, width), R(B, L, heads), R(heads), R(B, L, groups, N), R(B, L, groups, N), chunk)
    scan = late("mamba_ssm.mamba_chunk_scan_combined")
    work = one_call(lambda: scan(*args), "mamba_chunk_scan_combined")
    assert support.macs(work) == support.dispatcher_macs(lambda: scan(*args))
    sizes = [min(chunk, L - start) for start in range(0, L, chunk)]
    assert work["masked_mac"] == B * sum(s * (s - 1) // 2 for s in sizes) * (groups * N + heads * width)


def test_a_whole_mamba2_mixer(packages):
    heads, width, groups, taps = 4, 3, 2, 5
    inner = heads * width
    mixed = inner + 2 * groups * N
    args = (R(B, L, inner + mixed + heads), R(mixed, taps), R(mixed), R(heads), R(heads), R(heads), 4)
    options = {"rmsnorm_weight": R(inner), "outproj_weight": R(11, inner), "headdim": width, "ngroups": groups}
    mixer = late("mamba_ssm.mamba_split_conv1d_scan_combined")
    work = one_call(lambda: mixer(*args, **options), "mamba_split_conv1d_scan_combined")
    assert support.macs(work) == support.dispatcher_macs(lambda: mixer(*args, **options))
    assert (work["rms_norm"], work["conv_bias"]) == (B * L * inner, B * L * mixed)


def test_bitsandbytes_layers_count_their_logical_product(packages):
    bnb, x = packages.bitsandbytes, R(2, 3, 5)
    weight = torch.zeros(7, 5, dtype=torch.int8)
    assert one_call(lambda: bnb.matmul(x, weight, bias=R(7)), "matmul") == Work(mac=6 * 35, linear_bias=6 * 7)
    assert support.work(lambda: bnb.matmul(x, weight, threshold=6.0)) == Work(mac=6 * 35)
    packed, state = torch.zeros(18, 1, dtype=torch.uint8), SimpleNamespace(shape=(7, 5), blocksize=64)
    found = one_call(lambda: bnb.matmul_4bit(x, packed.t(), state, bias=R(7)), "matmul_4bit")
    assert found == Work(mac=6 * 35, linear_bias=6 * 7)


def test_liger_layers_count_what_they_stand_for(packages):
    liger, x = packages.liger_kernel, R(2, 3, 6)
    same = {
        "LigerRMSNormFunction": (lambda f: f(x, R(6), 1e-6), lambda: F.rms_norm(x, (6,), R(6))),
        "LigerLayerNormFunction": (lambda f: f(x, R(6), R(6), 1e-6), lambda: F.layer_norm(x, (6,), R(6), R(6))),
        "LigerGroupNormFunction": (
            lambda f: f(x, R(3), R(3), 3, 1, 1e-6),
            lambda: F.group_norm(x, 1, R(3), R(3)),
        ),
        "LigerSiLUMulFunction": (lambda f: f(x, x), lambda: F.silu(x) * x),
        "LigerGELUMulFunction": (lambda f: f(x, x), lambda: F.gelu(x, approximate="tanh") * x),
    }
    for name, (kernel, plain) in same.items():
        function = getattr(liger, name)
        assert one_call(lambda k=kernel, f=function: k(f.apply), name) == support.work(plain), name
    offset = support.work(lambda: liger.LigerRMSNormFunction.apply(x, R(6), 1e-6, 1.0))
    assert offset == support.work(lambda: F.rms_norm(x, (6,), R(6))) + Work(add=6)


def test_liger_rotary_embedding(packages):
    q, k, cos = R(2, 4, 7, 6), R(2, 2, 7, 6), R(1, 7, 6)
    work = one_call(lambda: packages.liger_kernel.LigerRopeFunction.apply(q, k, cos, cos), "LigerRopeFunction")
    elements = 2 * (4 + 2) * 7 * 6
    assert work == Work(multiply=2 * elements, add=elements)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_liger_cross_entropies(packages, reduction):
    x, weight, y = R(5, 3), R(7, 3), torch.tensor([0, 1, 2, 3, 4])
    fused = late("liger_kernel.LigerFusedLinearCrossEntropyFunction.apply")
    found = support.work(lambda: fused(x, weight, y, R(7), None, -100, 0.0, 0.0, reduction))
    assert found == support.work(lambda: F.cross_entropy(F.linear(x, weight, R(7)), y, reduction=reduction))
    plain = late("liger_kernel.LigerCrossEntropyFunction.apply")
    found = support.work(lambda: plain(R(5, 7), y, None, -100, 0.0, 0.0, reduction))
    assert found == support.work(lambda: F.cross_entropy(R(5, 7), y, reduction=reduction))


def test_the_gradient_of_a_fused_linear_cross_entropy(packages):
    x, weight, y = R(5, 3, requires_grad=True), R(7, 3, requires_grad=True), torch.tensor([0, 1, 2, 3, 4])
    fused = late("liger_kernel.LigerFusedLinearCrossEntropyFunction.apply")
    cost = support.cost(lambda: fused(x, weight, y), grads=True)
    assert (cost.forward["mac"], cost.backward["mac"]) == (105, 210)


def test_kernels_are_put_back(packages):
    before = [dict(vars(sys.modules[path])) for path in stand_ins.PLACES]
    with Recorder():
        assert before != [dict(vars(sys.modules[path])) for path in stand_ins.PLACES]
    assert before == [dict(vars(sys.modules[path])) for path in stand_ins.PLACES]
    assert "apply" not in vars(packages.liger_kernel.LigerRopeFunction)
