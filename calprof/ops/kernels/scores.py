"""Which scores an attention kernel computes: causal masks, windows, and sequences of their own lengths."""

from __future__ import annotations

from calprof.ops.attention import attention_core
from calprof.ops.shape import Shape
from calprof.work import NOTHING, Cost, Work

UNBOUNDED = -1
"""A side of a window that reaches as far as there are keys."""


def kept_in_window(rows: int, columns: int, left: int, right: int, offset: int) -> int:
    """Returns how many of rows x columns scores lie in a band.

    Row i keeps the columns from i + offset - left to i + offset + right, as far as there are such; -1 is unbounded.

    Example:
        >>> kept_in_window(2, 5, UNBOUNDED, 0, 3), kept_in_window(5, 2, UNBOUNDED, 0, -3)
        (9, 3)
    """
    kept = 0
    for row in range(rows):
        first = 0 if left == UNBOUNDED else max(0, row + offset - left)
        last = columns - 1 if right == UNBOUNDED else min(columns - 1, row + offset + right)
        kept += max(0, last - first + 1)
    return kept


def packed_attention(
    query: Shape,
    key: Shape,
    value: Shape,
    pairs: list[tuple[int, int]],
    heads: int,
    *,
    causal: bool = False,
    window: tuple[int, int] = (UNBOUNDED, UNBOUNDED),
    top_left: bool = False,
    biased: bool = False,
    dropout: bool = False,
) -> Cost:
    """Returns the cost of one attention for each pair of a query length and a key length.

    A causal kernel may skip what lies above the diagonal, which starts at the bottom right corner. What lies outside
    a window is not computed at all, and neither is then what lies above the diagonal.

    Args:
        query: A shape whose last dimension is the query's width.
        key: The key's.
        value: A shape whose last dimension is the value's width.
        pairs: Query length and key length of each sequence.
        heads: Query heads.
        causal: Whether there is a causal mask.
        window: Keys to the left and to the right of the diagonal that a query attends to, -1 for all.
        top_left: Whether the diagonal starts at the top left corner.
        biased: Whether a bias is added to the scores.
        dropout: Whether dropout is active on the weights.
    """
    left, right = window
    windowed = left != UNBOUNDED or right != UNBOUNDED
    cost = Cost(NOTHING)
    for rows, columns in pairs:
        offset = 0 if top_left else columns - rows
        kept = kept_in_window(rows, columns, left, 0 if causal else right, offset)
        scores = kept if windowed else rows * columns
        cost += attention_core(query, key, value, heads * scores, heads * kept, masked=biased, dropout=dropout)
    return cost


def soft_cap(cost: Cost) -> Cost:
    """Adds cap·tanh(score / cap): a division, a tanh and a product for each score that is computed."""
    scores = cost.forward["softmax"]
    return cost + Work(multiply=2 * scores, transcendental=scores)
