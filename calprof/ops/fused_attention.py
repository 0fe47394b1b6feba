"""PyTorch's attention kernels by their own names, below `scaled_dot_product_attention`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from calprof.ops.attention import FAMILY, attention_core, kept_below_diagonal
from calprof.ops.kernels.scores import UNBOUNDED, kept_in_window
from calprof.ops.registry import Uncountable, define
from calprof.ops.shape import Shape
from calprof.work import Cost

_DROPPING = "dropout_p is_causal return_debug_mask"
_HEADS_FIRST = {
    "_scaled_dot_product_flash_attention": _DROPPING,
    "_scaled_dot_product_flash_attention_for_cpu": "dropout_p is_causal",
    "_scaled_dot_product_efficient_attention": "attn_bias compute_log_sumexp dropout_p is_causal",
    "_scaled_dot_product_cudnn_attention": f"attn_bias compute_log_sumexp {_DROPPING}",
    "_scaled_dot_product_fused_attention_overrideable": f"attn_bias {_DROPPING}",
    "_scaled_dot_product_attention_math": "attn_mask dropout_p is_causal dropout_mask",
    "_scaled_dot_product_attention_math_for_mps": "attn_mask dropout_p is_causal dropout_mask",
    "_cudnn_attention_forward": f"attn_bias cum_seq_q cum_seq_k max_q max_k compute_log_sumexp {_DROPPING}",
}
"""Kernels that take (batch, heads, length, width): the parameters after query, key and value, by position."""

_LENGTH_FIRST = {
    "_flash_attention_forward": f"cum_seq_q cum_seq_k max_q max_k {_DROPPING}",
    "_efficient_attention_forward": (
        "bias cu_seqlens_q cu_seqlens_k max_seqlen_q max_seqlen_k dropout_p custom_mask_type compute_log_sumexp"
    ),
}
"""Kernels that take (batch, length, heads, width)."""

_PACKED = ("cum_seq_q", "cu_seqlens_q", "seqused_k", "seqlen_k", "block_table")
_CAUSAL_FROM_TOP, _CAUSAL_FROM_BOTTOM = 1, 2
"""Values of `custom_mask_type`: which corner the diagonal of a causal mask starts at."""

Bind = Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]


def _binder(names: str) -> Bind:
    positions = names.split()
    return lambda args, kwargs: {**dict(zip(positions, args, strict=False)), **kwargs}


def _attention(query: Shape, key: Shape, value: Shape, batch: int, sizes: tuple[int, int], given: Any) -> Cost:
    """The two products and the softmax of `batch` heads over all samples, of `sizes` queries and keys each."""
    if any(isinstance(given.get(name), Shape) for name in _PACKED):
        raise Uncountable("the lengths of the sequences are values, which are not there to be read")
    rows, columns = sizes
    left, right = (given.get(f"window_size_{side}") for side in ("left", "right"))
    kind = given.get("custom_mask_type", 0)
    scores = kept = rows * columns
    if left is not None or right is not None:
        far = (UNBOUNDED if left is None else left, UNBOUNDED if right is None else right)
        scores = kept = kept_in_window(rows, columns, far[0], 0 if given.get("is_causal") else far[1], columns - rows)
    elif kind == _CAUSAL_FROM_BOTTOM:
        kept = kept_in_window(rows, columns, UNBOUNDED, 0, columns - rows)
    elif given.get("is_causal") or kind == _CAUSAL_FROM_TOP:
        kept = kept_below_diagonal(rows, columns)
    masks = (given.get(name) for name in ("attn_mask", "attn_bias", "bias", "alibi_slopes"))
    masked = any(isinstance(mask, Shape) for mask in masks)
    dropout = given.get("dropout_p", 0.0) > 0
    return attention_core(query, key, value, batch * scores, batch * kept, masked=masked, dropout=dropout)


def _define(name: str, names: str, heads_first: bool) -> None:
    bind = _binder(names)

    @define(FAMILY, name)
    def kernel(query: Shape, key: Shape, value: Shape, *args: Any, out: Any, **kwargs: Any) -> Cost:
        """One kernel's softmax(Q·Kᵀ·scale + mask)·V: two products for every query head, query and key position."""
        given = bind(args, kwargs)
        if heads_first:
            return _attention(query, key, value, query[:-2].numel(), (query[-2], key[-2]), given)
        return _attention(query, key, value, query[0] * query[-2], (query[-3], key[-3]), given)


for _name, _names in _HEADS_FIRST.items():
    _define(_name, _names, heads_first=True)
for _name, _names in _LENGTH_FIRST.items():
    _define(_name, _names, heads_first=False)
