"""The catalogue of ops: one family of functions a file, registered on import."""

from __future__ import annotations

from importlib import import_module

FAMILIES = (
    "activations",
    "attention",
    "backends",
    "communication",
    "convolution",
    "creation",
    "crossentropy",
    "distance",
    "dropout",
    "einsum",
    "embedding",
    "fft",
    "foreach",
    "fused_attention",
    "gradients",
    "inspection",
    "kernels",
    "linalg",
    "loss",
    "matmul",
    "movement",
    "multihead",
    "norms",
    "normalization",
    "ordering",
    "pointwise",
    "pooling",
    "quantized",
    "recurrent",
    "reduction",
    "resampling",
    "scatter",
    "softmax",
    "sparse",
    "spectral",
    "statistics",
    "vision",
)

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}")
