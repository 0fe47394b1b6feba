"""Named terms: how a count is split, how its names are grouped, and how splits add up.

A term is named by a path, ``attention/scores``; an encoder-decoder prefixes ``encoder/`` or ``decoder/``,
and its cross-attention is ``decoder/cross/...``. FLOPs and parameters use the same names, so that a formula
made of parameters can be held beside one made of products, term by term.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

__all__ = ["ROWS", "Mask", "Terms", "add", "differences", "group", "grouped", "pairs", "scale", "subtotals"]

Terms = dict[str, int]
"""Named terms and their counts. Terms are leaves: the sum of the values is the total."""

Mask = Literal["full", "half", "causal"]
"""Which (query, key) pairs are counted.

``full``: all of them; ``half``: half of them, as trainers account for a causal mask; ``causal``: exactly the
pairs a causal mask and a sliding window leave.
"""

# A term's last word decides its row in a comparison; anything not listed is the rest.
GROUPS: dict[str, str] = {
    **dict.fromkeys(("query", "key", "value", "query_down", "query_up", "latent_down"), "qkv"),
    **dict.fromkeys(("key_up", "value_up"), "qkv"),
    "scores": "scores",
    "weighted": "weighted values",
    "output": "projection",
    **{name: name for name in ("up", "gate", "down", "router", "logits")},
}

ROWS: tuple[str, ...] = (*dict.fromkeys(GROUPS.values()), "embedding", "rest")
"""Rows of a comparison, in order."""


def group(term: str) -> str:
    """Row of a comparison that a term belongs to.

    Example:
        >>> group("decoder/cross/query"), group("mlp/experts/up"), group("norm/final")
        ('qkv', 'up', 'rest')
    """
    if term.startswith("embedding/"):
        return "embedding"
    return GROUPS.get(term.rsplit("/", 1)[-1], "rest")


def grouped(terms: Mapping[str, int]) -> Terms:
    """The sum of each row of a comparison, in the order of `ROWS`; rows without a term are left out.

    Example:
        >>> grouped({"mlp/up": 3, "attention/key": 4, "attention/query": 5})
        {'qkv': 9, 'up': 3}
    """
    sums: Terms = {}
    for name, count in terms.items():
        sums[group(name)] = sums.get(group(name), 0) + count
    return {row: sums[row] for row in ROWS if row in sums}


def differences(terms: Mapping[str, int], other: Mapping[str, int]) -> Terms:
    """What `terms` count beyond `other`, by name and signed; equal terms are left out, the sum is the gap.

    Example:
        >>> differences({"logits": 7, "mlp/up": 3}, {"mlp/up": 3, "norm/final": 2})
        {'logits': 7, 'norm/final': -2}
    """
    gaps = {name: terms.get(name, 0) - other.get(name, 0) for name in (*terms, *other)}
    return {name: gap for name, gap in gaps.items() if gap}


def add(parts: Iterable[Mapping[str, int]]) -> Terms:
    """Sum of several sets of terms, name by name; names keep the order they first appear in."""
    total: Terms = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def scale(terms: Mapping[str, int], factor: int, prefix: str = "") -> Terms:
    """Each term times `factor`, under `prefix`."""
    return {prefix + name: count * factor for name, count in terms.items()}


def subtotals(terms: Mapping[str, int]) -> Terms:
    """The terms followed by the sum of every inner node of their paths, and ``total``.

    Example:
        >>> subtotals({"mlp/up": 3, "mlp/down": 4})
        {'mlp/up': 3, 'mlp/down': 4, 'mlp': 7, 'total': 7}
    """
    sums: Terms = {}
    for name, count in terms.items():
        parts = name.split("/")
        for depth in range(1, len(parts)):
            inner = "/".join(parts[:depth])
            sums[inner] = sums.get(inner, 0) + count
    return {**terms, **sums, "total": sum(terms.values())}


def pairs(queries: int, keys: int, mask: Mask = "full", window: int = 0) -> int:
    """Twice the number of (query, key) pairs: the queries are the last `queries` of the `keys`.

    Doubled because half of an odd number of pairs is not whole. Full: ``2 q k``. Half: ``q (2k - q)``, which
    is ``q²`` without a past. Causal: query i sees its own position and those before, at most `window`.

    Example:
        >>> pairs(4, 4), pairs(4, 4, "half"), pairs(4, 4, "causal"), pairs(4, 4, "causal", 2)
        (32, 16, 20, 14)
    """
    if mask == "full":
        return 2 * queries * keys
    past = keys - queries
    if mask == "half":
        return queries * (2 * past + queries)
    # Positions up to the window see everything before them; the later ones see the window.
    growing = max(0, min(window, keys) - past) if window else queries
    growing = min(growing, queries)
    return growing * (2 * past + growing + 1) + 2 * window * (queries - growing)
