"""flash_attn: attention whose scores are never stored, in all its packings.

Source of the conventions on masks and windows: the docstrings of `flash_attn.flash_attn_interface`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from calprof.ops.kernels.scores import packed_attention, soft_cap
from calprof.ops.registry import Uncountable, kernel
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "attention"
_MODULE = "flash_attn.flash_attn_interface."
_ALL = (-1, -1)


def _attention(
    query: Shape, key: Shape, value: Shape, pairs: list[tuple[int, int]], heads: int, options: dict[str, Any]
) -> Cost:
    window = options["window_size"]
    biased = options.get("alibi_slopes") is not None
    cost = packed_attention(
        query, key, value, pairs, heads, causal=bool(options["causal"]), window=(window[0], window[1]), biased=biased,
        dropout=options.get("dropout_p", 0.0) > 0,
    )  # fmt: skip
    if biased:
        # The slope times the distance.
        cost += Work(multiply=cost.forward["softmax"])
    return soft_cap(cost) if options["softcap"] else cost


def _options(**options: Any) -> dict[str, Any]:
    return options


def _lengths(bounds: Any) -> list[int]:
    if not isinstance(bounds, list):
        raise Uncountable("the lengths of the sequences are values, which are not there to be read")
    return [after - before for before, after in pairwise(bounds)]


@kernel(FAMILY, _MODULE + "flash_attn_func")
def flash_attn_func(
    q: Shape, k: Shape, v: Shape, dropout_p: float = 0.0, softmax_scale: float | None = None, causal: bool = False,
    window_size: Any = _ALL, softcap: float = 0.0, alibi_slopes: Shape | None = None, *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """softmax(Q·Kᵀ·scale)·V for (batch, length, heads, width), grouped key and value heads shared."""
    options = _options(
        dropout_p=dropout_p, causal=causal, window_size=window_size, softcap=softcap, alibi_slopes=alibi_slopes
    )
    return _attention(q, k, v, [(q[1], k[1])] * q[0], q[2], options)


@kernel(FAMILY, _MODULE + "flash_attn_qkvpacked_func")
def flash_attn_qkvpacked_func(qkv: Shape, *args: Any, out: Any, **kwargs: Any) -> Cost:
    """Attention with query, key and value in one (batch, length, 3, heads, width)."""
    part = Shape((*qkv[:2], *qkv[3:]), qkv.dtype, qkv.requires_grad)
    return flash_attn_func(part, part, part, *args, out=out, **kwargs)


@kernel(FAMILY, _MODULE + "flash_attn_kvpacked_func")
def flash_attn_kvpacked_func(q: Shape, kv: Shape, *args: Any, out: Any, **kwargs: Any) -> Cost:
    """Attention with key and value in one (batch, length, 2, heads, width)."""
    part = Shape((*kv[:2], *kv[3:]), kv.dtype, kv.requires_grad)
    return flash_attn_func(q, part, part, *args, out=out, **kwargs)


@kernel(FAMILY, _MODULE + "flash_attn_varlen_func", values=("cu_seqlens_q", "cu_seqlens_k"))
def flash_attn_varlen_func(
    q: Shape, k: Shape, v: Shape, cu_seqlens_q: Any, cu_seqlens_k: Any, max_seqlen_q: int, max_seqlen_k: int,
    dropout_p: float = 0.0, softmax_scale: float | None = None, causal: bool = False, window_size: Any = _ALL,
    softcap: float = 0.0, alibi_slopes: Shape | None = None, *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """One attention for each sequence of a packed batch of (tokens, heads, width), at its own length."""
    options = _options(
        dropout_p=dropout_p, causal=causal, window_size=window_size, softcap=softcap, alibi_slopes=alibi_slopes
    )
    pairs = list(zip(_lengths(cu_seqlens_q), _lengths(cu_seqlens_k), strict=True))
    return _attention(q, k, v, pairs, q[1], options)


@kernel(FAMILY, _MODULE + "flash_attn_varlen_qkvpacked_func", values=("cu_seqlens",))
def flash_attn_varlen_qkvpacked_func(
    qkv: Shape, cu_seqlens: Any, max_seqlen: int, *args: Any, out: Any, **kwargs: Any
) -> Cost:
    """One attention for each sequence of a packed batch of (tokens, 3, heads, width)."""
    part = Shape((qkv[0], *qkv[2:]), qkv.dtype, qkv.requires_grad)
    return flash_attn_varlen_func(
        part, part, part, cu_seqlens, cu_seqlens, max_seqlen, max_seqlen, *args, out=out, **kwargs
    )


@kernel(FAMILY, _MODULE + "flash_attn_varlen_kvpacked_func", values=("cu_seqlens_q", "cu_seqlens_k"))
def flash_attn_varlen_kvpacked_func(
    q: Shape, kv: Shape, cu_seqlens_q: Any, cu_seqlens_k: Any, *args: Any, out: Any, **kwargs: Any
) -> Cost:
    """One attention for each sequence of a packed batch, with key and value in one (tokens, 2, heads, width)."""
    part = Shape((kv[0], *kv[2:]), kv.dtype, kv.requires_grad)
    return flash_attn_varlen_func(q, part, part, cu_seqlens_q, cu_seqlens_k, *args, out=out, **kwargs)


@kernel(FAMILY, _MODULE + "flash_attn_with_kvcache", values=("cache_seqlens",))
def flash_attn_with_kvcache(
    q: Shape, k_cache: Shape, v_cache: Shape, k: Shape | None = None, v: Shape | None = None,
    rotary_cos: Shape | None = None, rotary_sin: Shape | None = None, cache_seqlens: Any = None,
    cache_batch_idx: Shape | None = None, cache_leftpad: Shape | None = None, block_table: Shape | None = None,
    softmax_scale: float | None = None, causal: bool = False, window_size: Any = _ALL, softcap: float = 0.0,
    rotary_interleaved: bool = True, alibi_slopes: Shape | None = None, *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """Attention over as much of a cache as is filled, `cache_seqlens`, and the new keys, rotated on the way."""
    batch, new = q[0], 0 if k is None else k[1]
    filled = k_cache[1] - new if cache_seqlens is None else cache_seqlens
    if isinstance(filled, Shape):
        raise Uncountable("how much of the cache is filled is in values, which are not there to be read")
    lengths = filled if isinstance(filled, list) else [filled] * batch
    options = _options(causal=causal, window_size=window_size, softcap=softcap, alibi_slopes=alibi_slopes)
    cost = _attention(q, k_cache, v_cache, [(q[1], length + new) for length in lengths], q[2], options)
    if rotary_cos is None:
        return cost
    # Each of the rotated components is x·cos ± y·sin.
    rotated = (q[:-1].numel() + (0 if k is None else k[:-1].numel())) * 2 * rotary_cos[-1]
    return cost + Work(multiply=2 * rotated, add=rotated)
