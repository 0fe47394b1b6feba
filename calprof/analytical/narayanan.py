"""The Megatron papers' formula for a training step, and what a gated MLP makes of it.

Sources: Narayanan et al., arXiv:2104.04473, equations 2 and 3 and appendix; Korthikanti et al.,
arXiv:2205.05198, appendix A; for the gated coefficient, pull request 283 of
bigscience-workshop/Megatron-DeepSpeed.

With B sequences of s tokens, l layers of width h and a vocabulary V, one block takes forward::

    query, key, value   6·B·s·h²
    scores              2·B·s²·h
    weighted values     2·B·s²·h
    output              2·B·s·h²
    MLP, 4h wide       16·B·s·h²     = 2 products of 2·B·s·h·4h
    together           24·B·s·h² + 4·B·s²·h

and the logits ``2·B·s·h·V``. Backward is twice forward; recomputing the blocks once more is the fourth pass.

A gated MLP widens the first product from h x 4h to h x 8h, ``8Bsh² -> 16Bsh²``, so the MLP goes from
``16Bsh²`` to ``24Bsh²`` and the block's 24 to 32. That holds for a gated MLP still 4h wide. In the
published factored form 32 multiplies the whole bracket, which also scales the attention and logit terms by
4/3.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from calprof.analytical.terms import Terms, scale

__all__ = [
    "Recompute",
    "block_coefficient",
    "flops",
    "forward",
    "korthikanti",
    "megatron_deepspeed",
    "params",
]

Recompute = Literal["none", "selective"]


def params(layers: int, hidden: int, vocabulary: int, seq: int) -> int:
    """Parameters, ``12·l·h²·(1 + 13/12h + (V + s)/12lh)``, expanded (equation 2).

    Example:
        >>> params(96, 12288, 51200, 2048)
        174615822336
    """
    return 12 * layers * hidden**2 + 13 * layers * hidden + (vocabulary + seq) * hidden


def block_coefficient(hidden: int, ffn: int = 0, gated: bool = False) -> Fraction:
    """Coefficient of ``B·s·h²`` in one block: 8 for attention, 4 (6 when gated) times the MLP's ratio.

    Example:
        >>> int(block_coefficient(1024)), int(block_coefficient(1024, gated=True))
        (24, 32)
        >>> float(block_coefficient(4096, 14336, gated=True))
        29.0
    """
    return 8 + (6 if gated else 4) * Fraction(ffn or 4 * hidden, hidden)


def forward(
    batch: int, seq: int, layers: int, hidden: int, vocabulary: int, ffn: int = 0, gated: bool = False
) -> Terms:
    """Forward FLOPs by component, for an MLP of any width: the decomposed form of the coefficient.

    Example:
        >>> sum(forward(1, 1, 1, 1, 0).values()), sum(forward(1, 1, 1, 1, 0, gated=True).values())
        (28, 36)
    """
    tokens, ffn = batch * seq, ffn or 4 * hidden
    square, core = 2 * tokens * hidden**2, 2 * tokens * seq * hidden
    product = 2 * tokens * hidden * ffn
    block = {
        "attention/query": square,
        "attention/key": square,
        "attention/value": square,
        "attention/scores": core,
        "attention/weighted": core,
        "attention/output": square,
        **({"mlp/gate": product} if gated else {}),
        "mlp/up": product,
        "mlp/down": product,
    }
    return scale(block, layers) | {"logits": 2 * tokens * hidden * vocabulary}


def flops(batch: int, seq: int, layers: int, hidden: int, vocabulary: int, recompute: bool = True) -> int:
    """FLOPs of a training step, ``96·B·s·l·h²·(1 + s/6h + V/16lh)`` (equation 3).

    96 is 24 times four passes: the logits, ``6·B·s·h·V``, take three, because only the blocks are recomputed.
    Without recomputation: ``72·B·s·l·h²·(1 + s/6h + V/12lh)``.

    Example:
        >>> f"{flops(1536, 2048, 96, 12288, 51200):.4g}"
        '4.511e+18'
    """
    passes = 4 if recompute else 3
    blocks = 24 * batch * seq * layers * hidden**2 + 4 * batch * seq**2 * layers * hidden
    return passes * blocks + 6 * batch * seq * hidden * vocabulary


def megatron_deepspeed(
    batch: int,
    seq: int,
    layers: int,
    hidden: int,
    vocabulary: int,
    *,
    gated: bool = False,
    recompute: bool = True,
) -> int:
    """FLOPs as Megatron-DeepSpeed logs them: ``c·f·B·s·l·h²·(1 + s/6h + V/16lh)``, c 24 or 32, f 3 or 4.

    The bracket is the recomputing one whatever f: with f = 3 the logits are under-counted (4.5 instead of 6
    B·s·h·V), and with c = 32 attention and logits are over-counted by a third. Rounded to the nearest whole.

    Example:
        >>> megatron_deepspeed(2, 8, 3, 16, 32) == flops(2, 8, 3, 16, 32)
        True
    """
    factor = (32 if gated else 24) * (4 if recompute else 3)
    bracket = 1 + Fraction(seq, 6 * hidden) + Fraction(vocabulary, 16 * layers * hidden)
    return round(factor * batch * seq * layers * hidden**2 * bracket)


def korthikanti(batch: int, seq: int, layers: int, hidden: int, vocabulary: int, recompute: Recompute = "none") -> int:
    """Model FLOPs of a step, ``72·B·L·s·h²·(1 + s/6h + v/12hL)``, or the hardware's with selective recompute.

    Selective recomputation redoes attention's core only; the paper's hardware form has ``s/3h`` in place of
    ``s/6h``. That charges the core 24·B·L·s²·h where one more forward would be 16: its ratio to the model
    FLOPs, about ``1 + s/6h``, is what the published MFU and HFU pairs show, so it is kept.

    Example:
        >>> korthikanti(1, 2, 1, 6, 0), korthikanti(1, 2, 1, 6, 0, "selective")
        (5472, 5760)
    """
    if recompute not in ("none", "selective"):
        raise ValueError(f"recompute must be none or selective, got {recompute!r}")
    core = 12 if recompute == "none" else 24
    per_layer = 72 * batch * seq * hidden**2 + core * batch * seq**2 * hidden
    return layers * per_layer + 6 * batch * seq * hidden * vocabulary
