"""The table of accelerators: find one by name, read its dense peak.

Wherever a device is asked for, any of three will do: a name, short ("a100", "h100-sxm") or as
`torch.cuda.get_device_name()` reports it ("NVIDIA A100-SXM4-80GB"); a `Device` of your own; or a plain
number, the dense peak of one device in FLOP/s.
"""

from __future__ import annotations

from difflib import get_close_matches

from calprof.cost.accelerators import ACCELERATORS
from calprof.cost.arguments import positive
from calprof.cost.device import COMMON_WORDS, DTYPES, Device, dtype_name, split_words
from calprof.cost.nvidia import NVIDIA

__all__ = ["DEVICES", "DTYPES", "Device", "find_device", "peak_flops_per_second"]

DEVICES: tuple[Device, ...] = NVIDIA + ACCELERATORS

_OWN_NUMBER = (
    "for another device pass its dense peak in FLOP/s as a number, such as 312e12, "
    "or a Device(name, peak={'bf16': 312e12})"
)


def find_device(name: str | Device) -> Device:
    """Return the accelerator a name means.

    A name is compared word by word: every word of it must belong to the device, so "RTX 4090 Laptop GPU" is
    not an RTX 4090, and "A10" no part of "A100". A bare family name means its SXM module with the most
    memory.

    Args:
        name: A short name or what `torch.cuda.get_device_name()` returns; a `Device` is returned as it is.

    Raises:
        ValueError: no such device, or a MIG slice, whose share of the GPU the name does not tell.
        TypeError: neither a string nor a `Device`.

    Example:
        >>> find_device("NVIDIA A100-SXM4-40GB").name
        'A100 SXM 40GB'
    """
    if isinstance(name, Device):
        return name
    if not isinstance(name, str):
        raise TypeError(f"a device name must be a string or a Device, got {name!r}")
    words = split_words(name)
    if "mig" in words:
        raise ValueError(f"{name!r} is a MIG slice, a share of a GPU; {_OWN_NUMBER}")
    best = max(DEVICES, key=lambda device: device.matched_words(words))
    if not best.matched_words(words):
        raise ValueError(f"unknown device {name!r}; the closest known are {_closest(name)}; {_OWN_NUMBER}")
    return best


def peak_flops_per_second(device: str | Device | float, dtype: object = "bf16") -> float:
    """Return the dense peak of one device in FLOP/s for products in `dtype`.

    Args:
        device: A name, a `Device`, or the peak itself in FLOP/s, which is returned for every dtype.
        dtype: A name of `DTYPES`, a longer spelling ("bfloat16"), or a `torch.dtype`.

    Raises:
        ValueError: an unknown device or dtype, a device without that dtype, a number that is not above zero.

    Example:
        >>> peak_flops_per_second("a100", "bf16")
        312000000000000.0
    """
    short = dtype_name(dtype)
    if not isinstance(device, str | Device):
        return float(positive(device, "the peak of a device in FLOP/s"))
    found = find_device(device)
    if short in found.peak:
        return found.peak[short]
    if not found.peak:
        raise ValueError(f"no FLOP/s are published for {found.name}; pass its peak in FLOP/s as a number")
    raise ValueError(f"{found.name} has no {short} peak; it has {', '.join(found.peak)}")


def _closest(name: str) -> str:
    """Return the names of up to four devices spelled most like `name`."""
    spellings = {_bare(alias): device.name for device in DEVICES for alias in (device.name, *device.aliases)}
    close = get_close_matches(_bare(name), spellings, n=8, cutoff=0.0)
    return ", ".join(list(dict.fromkeys(spellings[match] for match in close))[:4])


def _bare(name: str) -> str:
    """Return the words of a name that tell devices apart, in one order."""
    return " ".join(sorted(split_words(name) - COMMON_WORDS))
