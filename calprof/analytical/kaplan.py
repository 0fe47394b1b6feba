"""Kaplan et al.'s table of parameters and forward FLOPs, and the rule 6N per token.

Source: "Scaling Laws for Neural Language Models", arXiv:2001.08361, section 2.1 and table 1. The same table
is what surveys of decoder-only models repeat: a token costs twice the parameters it passes through, an
embedding lookup ``4·d_model``, and training three times the forward.
"""

from __future__ import annotations

from calprof.analytical.conversions import training_compute
from calprof.analytical.terms import Terms

__all__ = ["flops_per_token", "forward_per_token", "layer_table", "params", "table", "training"]


def layer_table(hidden: int, seq: int, ffn: int = 0, attention: int = 0) -> dict[str, tuple[int, int]]:
    """Parameters and forward FLOPs per token of one layer, by operation.

    `attention` is the summed width of the heads (default `hidden`), `ffn` is by default ``4 * hidden``. The
    mask row, ``2·n_ctx·d_attn``, is half of the two full products of attention: the causal half of both.

    Example:
        >>> layer_table(768, 1024)["qkv"]
        (1769472, 3538944)
    """
    attention, ffn = attention or hidden, ffn or 4 * hidden
    weights = {"qkv": hidden * 3 * attention, "project": attention * hidden, "ffn": 2 * hidden * ffn}
    rows = {name: (count, 2 * count) for name, count in weights.items()}
    return {
        "qkv": rows["qkv"],
        "mask": (0, 2 * seq * attention),
        "project": rows["project"],
        "ffn": rows["ffn"],
    }


def table(
    layers: int, hidden: int, seq: int, vocabulary: int, ffn: int = 0, attention: int = 0
) -> dict[str, tuple[int, int]]:
    """Parameters and forward FLOPs per token of the whole model: table 1 of the paper.

    ``embed`` is looked up, ``4·d_model`` FLOPs, ``(n_vocab + n_ctx)·d_model`` parameters; ``de-embed`` shares
    the table, ``2·d_model·n_vocab`` FLOPs.

    Example:
        >>> table(12, 768, 1024, 50257)["embed"]
        (39383808, 3072)
    """
    blocks = layer_table(hidden, seq, ffn, attention)
    return {
        "embed": ((vocabulary + seq) * hidden, 4 * hidden),
        **{name: (layers * count, layers * flops) for name, (count, flops) in blocks.items()},
        "de-embed": (0, 2 * hidden * vocabulary),
    }


def params(layers: int, hidden: int, ffn: int = 0, attention: int = 0) -> int:
    """Non-embedding parameters, ``N = 2·d_model·n_layer·(2·d_attn + d_ff)``: 12·l·d² for the usual shape.

    Example:
        >>> params(96, 12288) == 12 * 96 * 12288**2
        True
    """
    return 2 * hidden * layers * (2 * (attention or hidden) + (ffn or 4 * hidden))


def forward_per_token(layers: int, hidden: int, seq: int, ffn: int = 0, attention: int = 0) -> int:
    """Forward FLOPs per token, ``2N + 2·l·s·d``, without embedding and logits (equation 2.2)."""
    return 2 * params(layers, hidden, ffn, attention) + 2 * layers * seq * (attention or hidden)


def flops_per_token(params: int, recompute: bool = False) -> int:
    """Training FLOPs per token: ``6N``, or ``8N`` when activations are recomputed.

    Example:
        >>> flops_per_token(10), flops_per_token(10, recompute=True)
        (60, 80)
    """
    return (8 if recompute else 6) * params


def training(params: int, tokens: int, recompute: bool = False) -> Terms:
    """Training FLOPs by pass: forward 2NT, backward 4NT, and 2NT again when activations are recomputed."""
    return training_compute(params, tokens, recompute)
