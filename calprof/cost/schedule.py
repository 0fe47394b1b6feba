"""How long a training run takes, and what it costs.

Utilization and recomputation, in one place, because they are easily mixed up:

- `flops` are the FLOPs the model needs: 6 per parameter and token (Kaplan et al. 2020, section 2.1), or a
  profiled `flops_per_token`. Recomputation never adds to them.
- `hardware_flops` add the forward that is run again. The forward is a third of forward and backward, so full
  recomputation makes them 4/3 of the model's: 8 per parameter and token.
- An **MFU** is a share of the peak spent on the model's FLOPs. Given one, the time follows from `flops`
  alone, and recomputation changes nothing but the hardware utilization it implies: an MFU measured on a run
  with recomputation has already paid for it.
- An **HFU** is a share of the peak spent on all FLOPs run. Given one, the time follows from `hardware_flops`,
  and full recomputation makes the same run 4/3 as long. This is the 8TP/(nX) of Narayanan et al. 2021,
  equation 4.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fractions import Fraction

from calprof.cost.arguments import fraction, not_negative, positive, real, whole
from calprof.cost.device import Device, dtype_name
from calprof.cost.hardware import find_device, peak_flops_per_second

__all__ = ["TrainingTime", "training_time"]

_SECONDS_PER_DAY = 86_400
_SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class TrainingTime:
    """The length and cost of a training run.

    Attributes:
        flops: FLOPs the model needs, forward and backward over all tokens.
        hardware_flops: FLOPs the hardware runs, recomputation included.
        seconds: Wall-clock seconds.
        days: The same in days of 24 hours.
        device_hours: Hours times devices.
        cost: `device_hours` times the price, in the price's money; None without a price.
        mfu: Model FLOPs utilization, given or implied.
        hfu: Hardware FLOPs utilization, given or implied.
        tokens_per_second: Tokens all devices process together in a second.
        assumptions: What the figures rest on, one text line each.
    """

    flops: int
    hardware_flops: int
    seconds: float
    days: float
    device_hours: float
    cost: float | None
    mfu: float
    hfu: float
    tokens_per_second: float
    assumptions: tuple[str, ...]


def training_time(
    *,
    tokens: float,
    device: str | Device | float,
    flops_per_token: float | None = None,
    params: float | None = None,
    count: int = 1,
    mfu: float | None = None,
    hfu: float | None = None,
    recompute: bool | float = False,
    price: float | None = None,
    dtype: object = "bf16",
) -> TrainingTime:
    """Return how long a training run takes and what it costs: FLOPs / (count x dense peak x utilization).

    Args:
        tokens: Tokens trained on, in all.
        device: A device name, a `Device`, or the dense peak of one device in FLOP/s.
        flops_per_token: FLOPs of forward and backward per token, as profiled, without recomputation. Either
            this or `params`.
        params: Parameters; each costs 6 FLOPs per token, 2 in the forward and 4 in the backward pass.
        count: How many devices.
        mfu: Model FLOPs utilization, a fraction. With it the time does not depend on `recompute`. Either
            this or `hfu`.
        hfu: Hardware FLOPs utilization, a fraction; recomputed FLOPs take their share of it, and of the time.
        recompute: Whether the forward is run again in the backward pass, or the share of it that is (0 to 1).
        price: Money per device and hour, in any currency.
        dtype: The dtype of the products, which decides the peak.

    Raises:
        ValueError: a number out of range; not exactly one of `params` and `flops_per_token`, or of `mfu` and
            `hfu`; an unknown device or dtype.

    Warns:
        UserWarning: `mfu` and `recompute` together would need more than the peak.

    Example:
        GPT-2 on 300 billion tokens, 8 A100 at 30 %.

        >>> round(training_time(params=124_337_664, tokens=300e9, device="a100", count=8, mfu=0.3).days, 2)
        3.46
    """
    work, work_line = _model_flops(flops_per_token, params, _exact(positive(tokens, "tokens")))
    share = _recompute_share(recompute)
    hardware = round(work * (3 + share) / 3)
    flops = round(work)
    model_share, hardware_share, utilization_line = _utilizations(mfu, hfu, share)
    devices = whole(count, "count")
    peak = peak_flops_per_second(device, dtype)
    seconds = float(work) / (devices * peak * model_share)
    device_hours = seconds * devices / _SECONDS_PER_HOUR
    cost = None if price is None else device_hours * not_negative(price, "price")
    lines = [work_line, _device_line(device, devices, peak, dtype), utilization_line, _recompute_line(share)]
    if price is not None:
        lines.append(f"{price:g} per device and hour, for the time computed and nothing else")
    return TrainingTime(
        flops=flops,
        hardware_flops=hardware,
        seconds=seconds,
        days=seconds / _SECONDS_PER_DAY,
        device_hours=device_hours,
        cost=cost,
        mfu=model_share,
        hfu=hardware_share,
        tokens_per_second=float(tokens) / seconds,
        assumptions=tuple(lines),
    )


def _exact(number: int | float) -> Fraction:
    """Return the number without rounding, so that counts stay exact however they are written (124e6)."""
    return Fraction(number)


def _model_flops(flops_per_token: float | None, params: float | None, tokens: Fraction) -> tuple[Fraction, str]:
    """Return the FLOPs of forward and backward over all tokens, and the line that says whence they are."""
    if (flops_per_token is None) == (params is None):
        raise ValueError(
            f"pass exactly one of params and flops_per_token, got params={params!r}, "
            f"flops_per_token={flops_per_token!r}"
        )
    if params is not None:
        size = _exact(positive(params, "params"))
        line = f"6 FLOPs per parameter and token (forward 2, backward 4), {float(size):.6g} parameters"
        return 6 * size * tokens, f"{line}, {float(tokens):.6g} tokens; attention products are not in it"
    each = _exact(positive(flops_per_token, "flops_per_token"))
    line = f"{float(each):.6g} FLOPs per token, forward and backward, {float(tokens):.6g} tokens"
    return each * tokens, line


def _recompute_share(recompute: bool | float) -> Fraction:
    """Return the share of the forward that is run again."""
    share = _exact(int(recompute) if isinstance(recompute, bool) else real(recompute, "recompute"))
    if not 0 <= share <= 1:
        raise ValueError(f"recompute must be True, False or a share of the forward from 0 to 1, got {recompute!r}")
    return share


def _utilizations(mfu: float | None, hfu: float | None, share: Fraction) -> tuple[float, float, str]:
    """Return MFU and HFU from the one given: HFU is MFU times (3 + share of the forward run again) / 3."""
    if mfu is not None and hfu is None:
        model = fraction(mfu, "mfu")
        hardware = model * float((3 + share) / 3)
        if hardware > 1:
            warnings.warn(
                f"an MFU of {model:g} with this recomputation needs an HFU of {hardware:.3f}, above the peak",
                UserWarning,
                stacklevel=3,
            )
        return model, hardware, f"MFU {model:.2%}, given; HFU {hardware:.2%}, implied"
    if hfu is not None and mfu is None:
        hardware = fraction(hfu, "hfu")
        model = hardware / float((3 + share) / 3)
        return model, hardware, f"HFU {hardware:.2%}, given; MFU {model:.2%}, implied"
    raise ValueError(f"pass exactly one of mfu and hfu, a fraction such as 0.4; got mfu={mfu!r}, hfu={hfu!r}")


def _device_line(device: str | Device | float, count: int, peak: float, dtype: object) -> str:
    """Say which devices, how many, and where their peak is published."""
    if not isinstance(device, str | Device):
        return f"{count} x a device with a peak of {peak / 1e12:g} TFLOP/s, as given"
    found = find_device(device)
    source = f" ({found.source})" if found.source else ""
    rate = f"dense {dtype_name(dtype)} peak {peak / 1e12:g} TFLOP/s"
    return f"{count} x {found.name} ({found.unit}), {rate}{source}"


def _recompute_line(share: Fraction) -> str:
    """Say how much of the forward is run again."""
    if not share:
        return "no recomputation"
    factor = float((3 + share) / 3)
    return f"{float(share):.0%} of the forward is run again: hardware FLOPs are {factor:.4g} x the model's"
