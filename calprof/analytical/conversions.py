"""From FLOPs to time and back: compute, throughput, tokens, GPU-days, utilisation.

FLOPs are a count, FLOP/s a rate. ``C = τT``: compute is aggregate throughput times time.
"""

from __future__ import annotations

from calprof.analytical.terms import Terms

__all__ = [
    "SECONDS_PER_DAY",
    "achieved",
    "checkpoint_bytes",
    "compute",
    "flops_from_macs",
    "gpu_days",
    "hfu",
    "macs_from_flops",
    "mfu",
    "params_from_compute",
    "seconds",
    "throughput",
    "tokens_from_compute",
    "tokens_per_second",
    "training_compute",
]

SECONDS_PER_DAY = 24 * 60 * 60


def flops_from_macs(macs: int) -> int:
    """FLOPs of `macs` multiply-accumulates: one multiplication and one addition each."""
    return 2 * macs


def macs_from_flops(flops: int) -> int:
    """MACs of an even number of product FLOPs.

    Raises:
        ValueError: when `flops` is odd, so that it cannot be made of multiply-accumulates alone.
    """
    if flops % 2:
        raise ValueError(f"flops must be even to be multiply-accumulates alone, got {flops}")
    return flops // 2


def throughput(gpus: int, flops_per_second: float, utilization: float = 1.0) -> float:
    """Aggregate FLOP/s, ``τ = GPUs x FLOP/s of each``, at the fraction of it that is reached."""
    _fraction(utilization)
    return gpus * flops_per_second * utilization


def compute(flops_per_second: float, duration: float) -> float:
    """FLOPs done in `duration` seconds at an aggregate rate: ``C = τT``."""
    return flops_per_second * duration


def seconds(flops: float, gpus: int, flops_per_second: float, utilization: float = 1.0) -> float:
    """Seconds that `flops` take: ``T = C / τ``.

    Example:
        >>> days = seconds(6 * 124337664 * 300e9, 8, 312e12, 0.3) / SECONDS_PER_DAY
        >>> f"{days:.2f}"
        '3.46'
    """
    return flops / throughput(gpus, flops_per_second, utilization)


def gpu_days(flops: float, flops_per_second: float, utilization: float = 1.0) -> float:
    """Days that `flops` take on one GPU."""
    return seconds(flops, 1, flops_per_second, utilization) / SECONDS_PER_DAY


def training_compute(params: int, tokens: int, recompute: bool = False) -> Terms:
    """FLOPs to train on `tokens` by parameters alone, by pass: forward 2PD, backward 4PD.

    Their sum is ``6PD``; recomputing every activation repeats the forward, ``8PD``.

    Example:
        >>> sum(training_compute(1000, 7).values()), sum(training_compute(1000, 7, recompute=True).values())
        (42000, 56000)
    """
    terms = {"forward": 2 * params * tokens, "backward": 4 * params * tokens}
    return {**terms, "recompute": 2 * params * tokens} if recompute else terms


def tokens_from_compute(flops: float, params: int, factor: int = 6) -> float:
    """Tokens that a budget trains `params` parameters on: ``D = C / 6P``, or 8P with recomputation."""
    return flops / (factor * params)


def params_from_compute(flops: float, tokens: int, factor: int = 6) -> float:
    """Parameters that a budget trains on `tokens`: ``P = C / 6D``, or 8D with recomputation."""
    return flops / (factor * tokens)


def tokens_per_second(flops_per_second: float, flops_per_token: float) -> float:
    """Tokens a second at an aggregate rate: with the peak, PaLM's theoretical maximum ``R``."""
    return flops_per_second / flops_per_token


def achieved(flops: float, duration: float, gpus: int = 1) -> float:
    """FLOP/s that each GPU reached when `flops` took `duration` seconds."""
    return flops / duration / gpus


def mfu(flops: float, duration: float, gpus: int, peak: float) -> float:
    """Model FLOPs utilisation, a fraction: model FLOPs a second over the peak of all GPUs.

    `flops` is what the model needs, forward and backward without recomputation. Source: PaLM,
    arXiv:2204.02311, appendix B.
    """
    return achieved(flops, duration, gpus) / peak


def hfu(model_utilization: float, recomputed: float = 1.0) -> float:
    """Hardware FLOPs utilisation: MFU when `recomputed` of the forward is done a second time.

    A training step is 3 forwards, so the hardware does ``(3 + recomputed) / 3`` of the model's FLOPs.

    Example:
        >>> f"{hfu(0.4623, recomputed=0.75):.3f}"
        '0.578'
    """
    _fraction(recomputed)
    return model_utilization * (3 + recomputed) / 3


def checkpoint_bytes(params: int, bytes_per_param: int = 4, optimizer_buffers: int = 2) -> int:
    """Bytes of a checkpoint: the parameters, and as many numbers again for each optimiser buffer.

    Adam keeps two. Example:
        >>> checkpoint_bytes(124337664)
        1492051968
    """
    return params * bytes_per_param * (1 + optimizer_buffers)


def _fraction(value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"expected a fraction between 0 and 1, got {value}")
