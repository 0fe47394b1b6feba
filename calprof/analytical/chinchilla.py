"""Chinchilla's full accounting of a training step, embedding and softmax included.

Source: Hoffmann et al., arXiv:2203.15556, appendix F.
"""

from __future__ import annotations

from calprof.analytical.terms import Terms

__all__ = ["flops", "forward", "params"]


def forward(seq: int, vocabulary: int, hidden: int, heads: int, layers: int, ffn: int, head_size: int = 0) -> Terms:
    """Forward FLOPs of one sequence, by term.

    The embedding is a product with a one-hot matrix, ``2·s·V·d``; the softmax takes 3 FLOPs an element, for
    subtraction, exponential and division; attention is full.

    Example:
        >>> forward(7, 11, 4, 2, 1, 16)["attention/softmax"]
        294
    """
    width = (head_size or hidden // heads) * heads
    return {
        "embedding/token": 2 * seq * vocabulary * hidden,
        "attention/query": layers * 2 * seq * hidden * width,
        "attention/key": layers * 2 * seq * hidden * width,
        "attention/value": layers * 2 * seq * hidden * width,
        "attention/scores": layers * 2 * seq * seq * width,
        "attention/softmax": layers * 3 * heads * seq * seq,
        "attention/weighted": layers * 2 * seq * seq * width,
        "attention/output": layers * 2 * seq * width * hidden,
        "mlp/up": layers * 2 * seq * hidden * ffn,
        "mlp/down": layers * 2 * seq * ffn * hidden,
        "logits": 2 * seq * hidden * vocabulary,
    }


def flops(
    seq: int,
    vocabulary: int,
    hidden: int,
    heads: int,
    layers: int,
    ffn: int,
    head_size: int = 0,
    *,
    tables: bool = True,
) -> int:
    """Training FLOPs of one sequence: three times the forward.

    ``tables=False`` leaves out embedding and logits, which reproduces the ratios to 6ND that the paper prints
    (table A4); the text includes them.
    """
    terms = forward(seq, vocabulary, hidden, heads, layers, ffn, head_size)
    if not tables:
        terms = {name: n for name, n in terms.items() if name not in ("embedding/token", "logits")}
    return 3 * sum(terms.values())


def params(vocabulary: int, hidden: int, heads: int, layers: int, ffn: int, head_size: int = 0) -> int:
    """Parameters of a Transformer-XL of this shape, with one shared table.

    Relative attention adds a projection of the positions (``d·kh``) and two bias vectors (``2kh``); every
    product has a bias, every norm two vectors.

    Example:
        >>> params(32000, 640, 10, 10, 2560, 64)
        73825280
    """
    width = (head_size or hidden // heads) * heads
    attention = 3 * (hidden * width + width) + width * hidden + hidden + hidden * width + 2 * width
    dense = hidden * ffn + ffn + ffn * hidden + hidden
    return vocabulary * hidden + layers * (attention + dense + 4 * hidden) + 2 * hidden
