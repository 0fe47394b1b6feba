"""How much of the hardware's dense peak a run achieved: MFU and HFU from counts and seconds.

MFU divides the FLOPs the *model* needs by what the devices could have done; the model does not need
recomputation, so it never counts. HFU divides what the hardware really *ran*, recomputation included. Both
definitions: Chowdhery et al. 2022, "PaLM", section 4.1 and appendix B; Korthikanti et al. 2022, section 6.
"""

from __future__ import annotations

import warnings

from calprof.cost.arguments import not_negative, positive, whole
from calprof.cost.device import Device
from calprof.cost.hardware import find_device, peak_flops_per_second

__all__ = ["explain_excess", "hfu", "mfu"]


def mfu(
    model_flops: float,
    seconds: float,
    device: str | Device | float,
    count: int = 1,
    dtype: object = "bf16",
    *,
    attention_flops: float | None = None,
) -> float:
    """Return the model FLOPs utilization, a fraction: model FLOPs / (seconds x count x dense peak FLOP/s).

    Args:
        model_flops: FLOPs of the forward and backward pass over the whole batch of all devices, without
            recomputation.
        seconds: Seconds those took, measured with the devices synchronised.
        device: A device name, a `Device`, or the dense peak of one device in FLOP/s.
        count: How many such devices took part.
        dtype: The dtype of the products, which decides the peak.
        attention_flops: The part of `model_flops` that is attention counted in full, if it is. A result above
            1 then says whether the causal half explains it.

    Raises:
        ValueError: negative FLOPs; seconds or count not above zero; an unknown device or dtype.

    Warns:
        UserWarning: the result is above 1, with the causes that would explain it.

    Example:
        nanoGPT: 100 sequences of GPT-2 in 0.755 s on one A100.

        >>> round(mfu(100 * 874_944_921_600, 0.755, "a100"), 4)
        0.3714
    """
    value = _utilization(model_flops, seconds, device, count, dtype, "model_flops")
    if attention_flops is not None and not_negative(attention_flops, "attention_flops") > model_flops:
        raise ValueError(f"attention_flops are part of model_flops, got {attention_flops} of {model_flops}")
    if value > 1:
        share = None if attention_flops is None else attention_flops / model_flops
        warnings.warn(explain_excess("MFU", value, device, dtype, share), UserWarning, stacklevel=2)
    return value


def hfu(
    hardware_flops: float,
    seconds: float,
    device: str | Device | float,
    count: int = 1,
    dtype: object = "bf16",
) -> float:
    """Return the hardware FLOPs utilization, a fraction: FLOPs run / (seconds x count x dense peak FLOP/s).

    Args:
        hardware_flops: FLOPs of forward, backward and everything recomputed, over all devices.
        seconds: Seconds those took, measured with the devices synchronised.
        device: A device name, a `Device`, or the dense peak of one device in FLOP/s.
        count: How many such devices took part.
        dtype: The dtype of the products, which decides the peak.

    Raises:
        ValueError: negative FLOPs; seconds or count not above zero; an unknown device or dtype.

    Warns:
        UserWarning: the result is above 1, with the causes that would explain it.

    Example:
        >>> round(hfu(137e12, 1.0, "a100"), 2)
        0.44
    """
    value = _utilization(hardware_flops, seconds, device, count, dtype, "hardware_flops")
    if value > 1:
        warnings.warn(explain_excess("HFU", value, device, dtype), UserWarning, stacklevel=2)
    return value


def explain_excess(
    name: str,
    value: float,
    device: str | Device | float,
    dtype: object = "bf16",
    attention_share: float | None = None,
) -> str:
    """Say which causes would explain a utilization above 1, and which would not.

    Counting attention in full while the kernel skips the causal half at most doubles a utilization, and so
    does a kernel with 2:4 sparsity measured against a dense peak; above 2 neither is enough by itself. Full
    recomputation, counted by mistake, adds a third.

    Args:
        name: "MFU" or "HFU".
        value: The utilization, above 1.
        device: As given to `mfu`.
        dtype: As given to `mfu`.
        attention_share: Attention's share of the FLOPs, counted in full, where known.
    """
    halved = None if attention_share is None else value * (1 - attention_share / 2)
    excluded = []
    causes = []
    if value > 2:
        excluded.append("a factor above 2 is more than a causal or a sparse kernel explains")
    elif halved is None:
        causes.append("attention counted in full while the kernel is causal and skips half of it")
    elif halved <= 1:
        causes.append(f"attention counted in full while the kernel is causal: counting half of it gives {halved:.3f}")
    else:
        excluded.append(f"causal attention is not it: counting half of attention still gives {halved:.3f}")
    if value <= 2:
        causes.append("sparse (2:4) kernels measured against a dense peak")
    causes += _faster_dtypes(value, device, dtype)
    if not isinstance(device, str | Device):
        causes.append("a peak that is too low: give one device's dense peak in FLOP/s")
    if name == "MFU" and value <= 4 / 3:
        causes.append("recomputation counted among the model's FLOPs")
    causes.append("a clock read before the device had finished, or too low a count of devices")
    reasons = "; or ".join(causes)
    return f"{name} is {value:.3f}, above 1{''.join(f' ({text})' for text in excluded)}; usually {reasons}"


def _utilization(
    flops: float, seconds: float, device: str | Device | float, count: int, dtype: object, name: str
) -> float:
    """Divide the FLOPs by what `count` devices could have done in `seconds`."""
    work = not_negative(flops, name)
    available = positive(seconds, "seconds") * whole(count, "count") * peak_flops_per_second(device, dtype)
    return work / available


def _faster_dtypes(value: float, device: str | Device | float, dtype: object) -> list[str]:
    """Name the dtypes of the device whose peak the rate stays under."""
    if not isinstance(device, str | Device):
        return []
    found = find_device(device)
    rate = value * peak_flops_per_second(found, dtype)
    fit = [f"{name} ({peak / 1e12:g} TFLOP/s)" for name, peak in found.peak.items() if peak >= rate]
    return [f"products that ran in {' or '.join(fit)}"] if fit else []
