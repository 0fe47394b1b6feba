"""xformers: memory-efficient attention and the biases it knows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from calprof.ops.kernels.scores import UNBOUNDED, packed_attention
from calprof.ops.registry import Uncountable, kernel
from calprof.ops.shape import Shape
from calprof.work import Cost


@dataclass(frozen=True, slots=True)
class Bias:
    """What an attention bias says of the scores.

    Attributes:
        causal: Whether scores above the diagonal are left out.
        top_left: Whether the diagonal starts at the top left corner, not at the bottom right.
        window: Keys to the left and to the right of the diagonal that are attended to, -1 for all.
        pairs: Query and key length of each sequence that lies in one row; empty for one sequence a row.
        added: Whether numbers are added to the scores.
    """

    causal: bool
    top_left: bool
    window: tuple[int, int] = (UNBOUNDED, UNBOUNDED)
    pairs: tuple[tuple[int, int], ...] = ()
    added: bool = False


BIASES = (
    "LowerTriangularMask", "LowerTriangularFromBottomRightMask", "LowerTriangularMaskWithTensorBias",
    "LowerTriangularFromBottomRightLocalAttentionMask", "LocalAttentionFromBottomRightMask", "BlockDiagonalMask",
    "BlockDiagonalCausalMask", "BlockDiagonalCausalFromBottomRightMask", "BlockDiagonalCausalLocalAttentionMask",
    "BlockDiagonalCausalLocalAttentionFromBottomRightMask", "BlockDiagonalPaddedKeysMask",
    "BlockDiagonalCausalWithOffsetPaddedKeysMask",
)  # fmt: skip
"""The classes of `xformers.ops.fmha.attn_bias` that `describe_bias` reads."""


def describe_bias(value: Any) -> Bias:
    """Returns what an `AttentionBias` says of the scores.

    A local mask keeps the keys from i - window + 1 to i. Source: the docstrings of `xformers.ops.fmha.attn_bias`.
    """
    name = type(value).__name__
    causal = "Causal" in name or "LowerTriangular" in name
    window = (getattr(value, "window_left", UNBOUNDED), getattr(value, "window_right", UNBOUNDED))
    if hasattr(value, "_window_size"):
        window = (value._window_size - 1, UNBOUNDED)
    pairs: tuple[tuple[int, int], ...] = ()
    if hasattr(value, "q_seqinfo"):
        pairs = tuple(zip(_lengths(value.q_seqinfo), _lengths(value.k_seqinfo), strict=True))
    top_left = causal and "BottomRight" not in name and "WithOffset" not in name
    return Bias(causal, top_left, window, pairs, "TensorBias" in name)


def _lengths(info: Any) -> list[int]:
    # Padded keys start at regular places, so their lengths are kept apart.
    lengths = getattr(info, "seqlen_py", None)
    return list(lengths) if lengths is not None else [after - start for start, after in pairwise(info.seqstart_py)]


@kernel("attention", "xformers.ops.fmha.memory_efficient_attention")
def memory_efficient_attention(
    query: Shape, key: Shape, value: Shape, attn_bias: Any = None, p: float = 0.0, *_: Any, out: Any, **__: Any
) -> Cost:
    """softmax(Q·Kᵀ·scale + bias)·V for (batch, length, heads, width); with three dimensions there is one head."""
    if attn_bias is not None and not isinstance(attn_bias, (Shape, Bias)):
        raise Uncountable(f"which scores an attention bias of type {attn_bias} keeps is not known")
    rows, columns, heads = query[1], key[1], query[2:-1].numel()
    if not isinstance(attn_bias, Bias):
        pairs = [(rows, columns)] * query[0]
        return packed_attention(query, key, value, pairs, heads, biased=attn_bias is not None, dropout=p > 0)
    return packed_attention(
        query, key, value, (list(attn_bias.pairs) or [(rows, columns)]) * query[0], heads, causal=attn_bias.causal,
        window=attn_bias.window, top_left=attn_bias.top_left, biased=attn_bias.added, dropout=p > 0,
    )  # fmt: skip
