"""GPT-2's parameters and FLOPs as nanoGPT's ``transformer_sizing`` notebook tabulates them.

Source: github.com/karpathy/nanoGPT, transformer_sizing.ipynb. Without biases, with a tied embedding, an MLP
of four times the width, full attention. Both tables keep the notebook's names and its subtotals.
"""

from __future__ import annotations

from calprof.analytical.terms import Terms

__all__ = ["flops", "palm", "params"]


def params(layers: int, heads: int, hidden: int, seq: int, vocabulary: int) -> Terms:
    """Parameter table of a GPT-2 without biases: leaves, subtotals and ``total``.

    The notebook's spelling ``emebedding/position`` is ``embedding/position`` here.

    Example:
        >>> params(12, 12, 768, 1024, 50257)["total"]
        124337664
    """
    _divides(hidden, heads)
    out: Terms = {"embedding/position": hidden * seq, "embedding/token": hidden * vocabulary}
    out["embedding"] = out["embedding/position"] + out["embedding/token"]
    out |= {"attention/ln": hidden, "attention/kqv": 3 * hidden**2, "attention/proj": hidden**2}
    out["attention"] = hidden + 4 * hidden**2
    out |= {"mlp/ln": hidden, "mlp/ffw": 4 * hidden**2, "mlp/proj": 4 * hidden**2}
    out["mlp"] = hidden + 8 * hidden**2
    out["block"] = out["attention"] + out["mlp"]
    out["transformer"] = layers * out["block"]
    out["ln_f"] = hidden
    out["dense"] = 0  # the output shares the embedding's table
    out["total"] = out["embedding"] + out["transformer"] + out["ln_f"]
    return out


def flops(layers: int, heads: int, hidden: int, seq: int, vocabulary: int) -> Terms:
    """FLOPs table of one sequence: products only, 2 FLOPs a MAC, backward twice the forward.

    A product of (B, C) by (C, D) takes ``2·B·C·D``; norms, softmax and activations are left out.

    Example:
        >>> flops(12, 12, 768, 1024, 50257)["forward_total"]
        291648307200
    """
    _divides(hidden, heads)
    square = 2 * seq * hidden * hidden
    out: Terms = {
        "attention/kqv": 3 * square,
        "attention/scores": 2 * seq * seq * hidden,
        "attention/reduce": 2 * heads * (seq * seq * (hidden // heads)),
        "attention/proj": square,
    }
    out["attention"] = sum(out.values())
    out |= {"mlp/ffw1": 4 * square, "mlp/ffw2": 4 * square, "mlp": 8 * square}
    out["block"] = out["attention"] + out["mlp"]
    out["transformer"] = layers * out["block"]
    out["dense"] = 2 * seq * hidden * vocabulary
    out["forward_total"] = out["transformer"] + out["dense"]
    out["backward_total"] = 2 * out["forward_total"]
    out["total"] = out["forward_total"] + out["backward_total"]
    return out


def palm(layers: int, heads: int, hidden: int, seq: int, vocabulary: int) -> int:
    """PaLM's estimate for one sequence, ``(6N + 12·L·H·Q·T)·T``, as the notebook reads N.

    N is without the learned positions, and with the token table, because the output layer shares it.

    Example:
        >>> palm(12, 12, 768, 1024, 50257)
        875062886400
    """
    table = params(layers, heads, hidden, seq, vocabulary)
    counted = table["total"] - table["embedding/position"]
    return (6 * counted + 12 * layers * heads * (hidden // heads) * seq) * seq


def _divides(hidden: int, heads: int) -> None:
    if heads < 1 or hidden % heads:
        raise ValueError(f"hidden must be a multiple of heads, got {hidden} and {heads}")
