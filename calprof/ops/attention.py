"""Attention: the fused functions, whose inside the function mode does not see."""

from __future__ import annotations

from calprof.ops.products import product
from calprof.ops.registry import define
from calprof.ops.shape import Shape, broadcast
from calprof.work import Cost, Work

FAMILY = "attention"


def kept_below_diagonal(rows: int, columns: int) -> int:
    """Returns how many of rows x columns scores lie on or below the diagonal from the top left.

    Row i keeps the first i + 1 columns, as PyTorch's `is_causal` mask does.

    Example:
        >>> kept_below_diagonal(3, 5), kept_below_diagonal(5, 3)
        (6, 12)
    """
    square = min(rows, columns)
    return square * (square + 1) // 2 + (rows - square) * columns


def attention_core(
    query: Shape,
    key: Shape,
    value: Shape,
    scores: int,
    kept: int,
    *,
    masked: bool = False,
    dropout: bool = False,
) -> Cost:
    """Returns the cost of softmax(query·keyᵀ·scale + mask)·value.

    Each score is a dot product over the query's width, is scaled, has a mask added, goes through softmax
    and weighs a row of the value's width. Only the products skip scores above the diagonal of a causal mask.
    The gradient is the two products once for each operand that needs one, as the math path computes it; a
    flash kernel computes the scores once more.

    Args:
        query: (..., query length, width); gives the width.
        key: (..., key length, width).
        value: (..., key length, value width).
        scores: How many scores there are: batch x query heads x query length x key length.
        kept: How many of them a causal kernel computes.
        masked: Whether a mask is added to the scores.
        dropout: Whether dropout is active on the weights.
    """
    weights = Shape((), requires_grad=query.requires_grad or key.requires_grad)
    computed = product(kept * query[-1], query, key) + product(kept * value[-1], weights, value)
    skipped = product((scores - kept) * query[-1], query, key) + product((scores - kept) * value[-1], weights, value)
    elementwise = Work(
        multiply=scores,
        add=scores if masked else 0,
        softmax=kept,
        masked_softmax=scores - kept,
        dropout=scores if dropout else 0,
    )
    return computed + Cost(_masked(skipped.forward), _masked(skipped.backward)) + elementwise


def _masked(work: Work) -> Work:
    return Work(masked_mac=work["mac"])


@define(FAMILY, "scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Shape,
    key: Shape,
    value: Shape,
    attn_mask: Shape | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    out: Shape,
) -> Cost:
    """softmax(Q·Kᵀ·scale + mask)·V: two products for every query head, query and key position.

    Heads are the query's: grouped key and value heads are shared, not skipped. The MACs above the diagonal
    of `is_causal` are recorded as masked.
    """
    if enable_gqa:
        batch = broadcast(query[:-3], key[:-3], value[:-3]).numel() * query[-3]
    else:
        batch = broadcast(query[:-2], key[:-2], value[:-2]).numel()
    rows, columns = query[-2], key[-2]
    kept = kept_below_diagonal(rows, columns) if is_causal else rows * columns
    return attention_core(
        query,
        key,
        value,
        batch * rows * columns,
        batch * kept,
        masked=attn_mask is not None,
        dropout=dropout_p > 0,
    )
