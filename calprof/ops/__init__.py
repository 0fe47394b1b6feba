"""The catalogue of ops: one family of functions a file, registered on import."""

from __future__ import annotations

from importlib import import_module

FAMILIES = (
    "activations",
    "attention",
    "convolution",
    "creation",
    "einsum",
    "foreach",
    "inspection",
    "matmul",
    "movement",
    "multihead",
    "ordering",
    "pointwise",
    "recurrent",
    "reduction",
    "scatter",
    "statistics",
)

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}")
