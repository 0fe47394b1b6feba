"""PaLM's rule for a training step, ``6N + 12·L·H·Q·T`` per token, and the utilisation it defines.

Source: Chowdhery et al., arXiv:2204.02311, appendix B.
"""

from __future__ import annotations

__all__ = ["flops_per_token", "peak_tokens_per_second", "utilization"]


def flops_per_token(params: int, layers: int = 0, heads: int = 0, head_size: int = 0, seq: int = 0) -> int:
    """Training FLOPs per token: ``6N + 12·L·H·Q·T``.

    6 per parameter is 2 forward and 4 backward. 12 is the same 6 for the two products of attention at 2
    FLOPs a MAC, each query against all T positions: a causal mask is not taken into account. Without
    layers, heads, head size and length, only ``6N``.

    Example:
        >>> flops_per_token(540_350_000_000, layers=118, heads=48, head_size=256, seq=2048)
        3277734806784
    """
    if params < 1 or min(layers, heads, head_size, seq) < 0:
        raise ValueError(f"expected a positive number of params and no negative size, got {params} params")
    return 6 * params + 12 * layers * heads * head_size * seq


def peak_tokens_per_second(gpus: int, peak: float, per_token: int) -> float:
    """Theoretical maximum ``R = P / (6N + 12LHQT)``, P the peak FLOP/s of all the accelerators."""
    return gpus * peak / per_token


def utilization(tokens_per_second: float, gpus: int, peak: float, per_token: int) -> float:
    """MFU, a fraction: observed tokens a second over the theoretical maximum.

    Example:
        >>> per_token = flops_per_token(540_350_000_000, 118, 48, 256, 2048)
        >>> f"{utilization(238.3e3, 6144, 275e12, per_token):.4f}"
        '0.4623'
    """
    return tokens_per_second / peak_tokens_per_second(gpus, peak, per_token)
