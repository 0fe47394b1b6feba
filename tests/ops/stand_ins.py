"""Stand-ins for kernel packages: the published signatures, worked out with plain PyTorch on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import torch
import torch.nn.functional as F


def _attend(q, k, v, keep, causal=False, window=(-1, -1)):
    """One sequence of (length, heads, width), with the mask of flash_attn."""
    k, v = (each.repeat_interleave(q.shape[1] // each.shape[1], 1) for each in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k)
    rows = torch.arange(q.shape[0])[:, None] + k.shape[0] - q.shape[0]
    columns = torch.arange(k.shape[0])
    allowed = torch.ones(q.shape[0], k.shape[0], dtype=torch.bool)
    if causal:
        allowed &= columns <= rows
    if window[0] >= 0:
        allowed &= columns >= rows - window[0]
    if window[1] >= 0:
        allowed &= columns <= rows + window[1]
    keep.append((int(allowed.sum()), q.shape[1] * q.shape[2]))
    weights = scores.masked_fill(~allowed, float("-inf")).softmax(-1).nan_to_num()
    return torch.einsum("hqk,khd->qhd", weights, v)


KEPT: list[tuple[int, int]] = []
"""For each sequence: the scores its mask leaves, and heads x width."""


def flash_attn_func(
    q, k, v, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0, alibi_slopes=None,
    deterministic=False, return_attn_probs=False,
):  # fmt: skip
    return torch.stack([_attend(*each, KEPT, causal, window_size) for each in zip(q, k, v, strict=True)])


def flash_attn_qkvpacked_func(
    qkv, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0, alibi_slopes=None,
    deterministic=False, return_attn_probs=False,
):  # fmt: skip
    return flash_attn_func(*qkv.unbind(2), causal=causal, window_size=window_size)


def flash_attn_kvpacked_func(
    q, kv, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0, alibi_slopes=None,
    deterministic=False, return_attn_probs=False,
):  # fmt: skip
    return flash_attn_func(q, *kv.unbind(2), causal=causal, window_size=window_size)


def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0, softmax_scale=None, causal=False,
    window_size=(-1, -1), softcap=0.0, alibi_slopes=None, deterministic=False, return_attn_probs=False,
    block_table=None,
):  # fmt: skip
    cuts_q, cuts_k = cu_seqlens_q.tolist()[1:-1], cu_seqlens_k.tolist()[1:-1]
    parts = zip(q.tensor_split(cuts_q), k.tensor_split(cuts_k), v.tensor_split(cuts_k), strict=True)
    return torch.cat([_attend(*each, KEPT, causal, window_size) for each in parts])


def flash_attn_varlen_qkvpacked_func(
    qkv, cu_seqlens, max_seqlen, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0,
    alibi_slopes=None, deterministic=False, return_attn_probs=False,
):  # fmt: skip
    return flash_attn_varlen_func(
        *qkv.unbind(1), cu_seqlens, cu_seqlens, max_seqlen, max_seqlen, causal=causal, window_size=window_size
    )


def flash_attn_varlen_kvpacked_func(
    q, kv, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0, softmax_scale=None, causal=False,
    window_size=(-1, -1), softcap=0.0, alibi_slopes=None, deterministic=False, return_attn_probs=False,
):  # fmt: skip
    return flash_attn_varlen_func(
        q, *kv.unbind(1), cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, causal=causal, window_size=window_size
    )


def flash_attn_with_kvcache(
    q, k_cache, v_cache, k=None, v=None, rotary_cos=None, rotary_sin=None, cache_seqlens=None, cache_batch_idx=None,
    cache_leftpad=None, block_table=None, softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0,
    rotary_interleaved=True, alibi_slopes=None, num_splits=0, return_softmax_lse=False,
):  # fmt: skip
    new = 0 if k is None else k.shape[1]
    lengths = [cache_seqlens] * len(q) if isinstance(cache_seqlens, int) else cache_seqlens.tolist()
    parts = zip(q, k_cache, v_cache, lengths, strict=True)
    return torch.stack([_attend(a, b[: n + new], c[: n + new], KEPT, causal, window_size) for a, b, c, n in parts])


def memory_efficient_attention(query, key, value, attn_bias=None, p=0.0, scale=None, *, op=None, output_dtype=None):
    return torch.zeros((*query.shape[:-1], value.shape[-1]))


@dataclass
class LowerTriangularMask:
    pass


class LowerTriangularFromBottomRightMask(LowerTriangularMask):
    pass


@dataclass
class LocalAttentionFromBottomRightMask:
    window_left: int
    window_right: int


@dataclass
class BlockDiagonalMask:
    q_seqinfo: SimpleNamespace
    k_seqinfo: SimpleNamespace

    @classmethod
    def from_seqlens(cls, q_seqlen, kv_seqlen=None, **kwargs):
        def info(lengths):
            return SimpleNamespace(seqstart_py=[sum(lengths[:place]) for place in range(len(lengths) + 1)])

        return cls(info(q_seqlen), info(kv_seqlen or q_seqlen), **kwargs)


class BlockDiagonalCausalMask(BlockDiagonalMask):
    pass


@dataclass
class BlockDiagonalCausalLocalAttentionMask(BlockDiagonalCausalMask):
    _window_size: int = 0


class BrandNewMask:
    pass


def selective_scan_fn(
    u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False
):
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    state, outputs = torch.zeros(u.shape[0], *A.shape), []
    for step in range(u.shape[2]):
        state = decay[:, :, step] * state + torch.einsum("bd,bn->bdn", (delta * u)[..., step], B[..., step])
        outputs.append(torch.bmm(state, C[..., step, None])[..., 0])
    return torch.stack(outputs, -1)


def selective_state_update(
    state, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, state_batch_indices=None
):
    return torch.zeros_like(x)


def causal_conv1d_fn(
    x, weight, bias=None, seq_idx=None, initial_states=None, return_final_states=False, final_states_out=None,
    activation=None,
):  # fmt: skip
    out = F.conv1d(F.pad(x, (weight.shape[1] - 1, 0)), weight[:, None], bias, groups=x.shape[1])
    return out if activation is None else F.silu(out)


def causal_conv1d_update(
    x, conv_state, weight, bias=None, activation=None, cache_seqlens=None, conv_state_indices=None
):
    return torch.zeros_like(x)


def mamba_inner_fn(
    xz, conv1d_weight, conv1d_bias, x_proj_weight, delta_proj_weight, out_proj_weight, out_proj_bias, A, B=None, C=None,
    D=None, delta_bias=None, B_proj_bias=None, C_proj_bias=None, delta_softplus=True, checkpoint_lvl=1,
    b_rms_weight=None, c_rms_weight=None, dt_rms_weight=None, b_c_dt_rms_eps=1e-6,
):  # fmt: skip
    x, _ = xz.chunk(2, 1)
    x = causal_conv1d_fn(x, conv1d_weight[:, 0], conv1d_bias, activation="silu")
    rank, states = delta_proj_weight.shape[1], A.shape[1]
    steps, read, written = F.linear(x.mT, x_proj_weight).split([rank, states, states], -1)
    y = selective_scan_fn(x, F.linear(steps, delta_proj_weight).mT, A, read.mT, written.mT)
    return F.linear(y.mT, out_proj_weight, out_proj_bias)


def mamba_chunk_scan_combined(
    x, dt, A, B, C, chunk_size, D=None, z=None, dt_bias=None, initial_states=None, seq_idx=None, cu_seqlens=None,
    dt_softplus=False, dt_limit=(0.0, float("inf")), return_final_states=False, return_varlen_states=False,
):  # fmt: skip
    """The products of the chunked algorithm, without its decays: enough to count them."""
    batch, length, heads, width = x.shape
    share = heads // B.shape[2]
    outputs, state = [], torch.zeros(batch, heads, B.shape[3], width)
    for start in range(0, length, chunk_size):
        stop = min(start + chunk_size, length)
        part, read, written = x[:, start:stop], B[:, start:stop], C[:, start:stop]
        scores = torch.einsum("bqgn,bkgn->bgqk", written, read).tril().repeat_interleave(share, 1)
        inside = torch.einsum("bhqk,bkhp->bqhp", scores, part)
        read, written = read.repeat_interleave(share, 2), written.repeat_interleave(share, 2)
        outputs.append(inside + torch.einsum("bqhn,bhnp->bqhp", written, state))
        state = state + torch.einsum("bkhn,bkhp->bhnp", read, part)
    return torch.cat(outputs, 1)


def mamba_split_conv1d_scan_combined(
    zxbcdt, conv1d_weight, conv1d_bias, dt_bias, A, D, chunk_size, initial_states=None, seq_idx=None,
    dt_limit=(0.0, float("inf")), return_final_states=False, activation="silu", rmsnorm_weight=None, rmsnorm_eps=1e-6,
    outproj_weight=None, outproj_bias=None, headdim=None, ngroups=1, norm_before_gate=True,
):  # fmt: skip
    heads, mixed = dt_bias.shape[0], conv1d_weight.shape[0]
    inner = heads * headdim
    _, x, dt = zxbcdt.split([inner, mixed, heads], -1)
    x = causal_conv1d_fn(x.mT, conv1d_weight, conv1d_bias, activation=activation).mT
    x, read, written = x.split([inner, (mixed - inner) // 2, (mixed - inner) // 2], -1)
    read, written = (each.unflatten(-1, (ngroups, -1)) for each in (read, written))
    y = mamba_chunk_scan_combined(x.unflatten(-1, (heads, headdim)), dt, A, read, written, chunk_size)
    return F.linear(y.flatten(2), outproj_weight, outproj_bias)


def matmul(A, B, out=None, state=None, threshold=0.0, bias=None):
    return torch.zeros(*A.shape[:-1], B.shape[0])


def matmul_4bit(A, B, quant_state, out=None, bias=None):
    return torch.zeros(*A.shape[:-1], quant_state.shape[0])


class LigerFusedLinearCrossEntropyFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, _input, weight, target, bias=None, ce_weight=None, ignore_index=-100, lse_square_scale=0.0,
        label_smoothing=0.0, reduction="mean", softcap=None, return_z_loss=False,
    ):  # fmt: skip
        return F.cross_entropy(F.linear(_input, weight, bias), target, ce_weight, reduction=reduction), None


class LigerCrossEntropyFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, _input, target, weight=None, ignore_index=-100, lse_square_scale=0.0, label_smoothing=0.0,
        reduction="mean", softcap=None, return_z_loss=False,
    ):  # fmt: skip
        return F.cross_entropy(_input, target, weight, reduction=reduction), None


class LigerRMSNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X, W, eps, offset=0.0, casting_mode="llama", in_place=True, row_mode=None):
        return F.rms_norm(X, X.shape[-1:], W + offset, eps)


class LigerLayerNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X, W, B, eps):
        return F.layer_norm(X, X.shape[-1:], W, B, eps)


class LigerGroupNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X, affine_scaling_weight, affine_shifting_bias, num_channels, num_groups, eps):
        return F.group_norm(X, num_groups, affine_scaling_weight, affine_shifting_bias, eps)


class LigerRopeFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, cos, sin, position_ids=None, unsqueeze_dim=1):
        return q.clone(), k.clone()


class LigerSiLUMulFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        return F.silu(a) * b


class LigerGELUMulFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        return F.gelu(a, approximate="tanh") * b


PLACES = {
    "flash_attn.flash_attn_interface": [
        flash_attn_func, flash_attn_qkvpacked_func, flash_attn_kvpacked_func, flash_attn_varlen_func,
        flash_attn_varlen_qkvpacked_func, flash_attn_varlen_kvpacked_func, flash_attn_with_kvcache,
    ],
    "xformers.ops.fmha": [memory_efficient_attention],
    "mamba_ssm.ops.selective_scan_interface": [selective_scan_fn, mamba_inner_fn],
    "mamba_ssm.ops.triton.selective_state_update": [selective_state_update],
    "mamba_ssm.ops.triton.ssd_combined": [mamba_chunk_scan_combined, mamba_split_conv1d_scan_combined],
    "causal_conv1d.causal_conv1d_interface": [causal_conv1d_fn, causal_conv1d_update],
    "bitsandbytes.autograd._functions": [matmul, matmul_4bit],
    "liger_kernel.ops.fused_linear_cross_entropy": [LigerFusedLinearCrossEntropyFunction],
    "liger_kernel.ops.cross_entropy": [LigerCrossEntropyFunction],
    "liger_kernel.ops.rms_norm": [LigerRMSNormFunction],
    "liger_kernel.ops.layer_norm": [LigerLayerNormFunction],
    "liger_kernel.ops.group_norm": [LigerGroupNormFunction],
    "liger_kernel.ops.rope": [LigerRopeFunction],
    "liger_kernel.ops.swiglu": [LigerSiLUMulFunction],
    "liger_kernel.ops.geglu": [LigerGELUMulFunction],
}  # fmt: skip
"""Where the packages have them."""


def modules() -> dict[str, ModuleType]:
    """Returns the packages as modules that can be put into `sys.modules`."""
    found: dict[str, ModuleType] = {}
    for path, members in PLACES.items():
        parts = path.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            found.setdefault(name, ModuleType(name))
            if depth > 1:
                setattr(found[".".join(parts[: depth - 1])], parts[depth - 1], found[name])
        for member in members:
            setattr(found[path], member.__name__, member)
            # Packages have their functions at the top, too.
            setattr(found[parts[0]], member.__name__, member)
    return found
