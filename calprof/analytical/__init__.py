"""Closed forms: what published formulas say a model costs, in plain arithmetic and without PyTorch.

`Shape` is a transformer as numbers, read from plain arguments or a Hugging Face configuration. `forward`
counts its products term by term, `weights` its parameters under the same names. `FORMULAS` is the catalogue
of what people quote, each open to a term-by-term reading. Every count is an exact integer of FLOPs, 2 for a
multiply-accumulate, unless its name says MACs.

Example:
    >>> gpt2 = Shape(layers=12, hidden=768, heads=12, vocabulary=50257, positions=1024, tied=True)
    >>> flops(gpt2, seq=1024), params(gpt2)
    (291648307200, 124337664)
    >>> formula("palm")(gpt2, seq=1024)
    875062886400
"""

from __future__ import annotations

from calprof.analytical.catalogue import FORMULAS, applicable, formula
from calprof.analytical.configs import known
from calprof.analytical.formula import Formula, Scope
from calprof.analytical.shape import Experts, Latent, Patches, Shape
from calprof.analytical.terms import Terms, differences, group, grouped, subtotals
from calprof.analytical.transformer import block, flops, forward
from calprof.analytical.weights import params, weights

__all__ = [
    "FORMULAS",
    "Experts",
    "Formula",
    "Latent",
    "Patches",
    "Scope",
    "Shape",
    "Terms",
    "applicable",
    "block",
    "differences",
    "flops",
    "formula",
    "forward",
    "group",
    "grouped",
    "known",
    "params",
    "subtotals",
    "weights",
]
