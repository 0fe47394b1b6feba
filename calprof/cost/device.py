"""One accelerator: what its vendor publishes, and the names it answers to.

What the numbers are:

- **Dense.** No figure counts the zeros a 2:4 sparse kernel skips. Where a datasheet prints only the figure
  with sparsity, the dense peak is half of it.
- **For matrix products.** Tensor cores, matrix cores and MXUs count, so fp64 on an H100 is 67 TFLOP/s, not
  the 34 of its vector units. fp32 is IEEE single precision; tf32 is what float32 products run in once
  `torch.set_float32_matmul_precision("high")` allows it.
- **Accumulating in fp32** for fp16, bf16 and fp8, as PyTorch does; GeForce cards do it at half the rate.
- **int8 in integer operations.** An integer multiply-add counts two, as a floating-point one does.
- **Memory in bytes**, a vendor's "GB" of memory being 2**30 bytes; the driver keeps a few per cent for
  itself, so `torch.cuda.get_device_properties` reports less. **Bandwidth in bytes/s**, a vendor's "GB/s"
  being 1e9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from calprof.cost.arguments import positive

__all__ = ["COMMON_WORDS", "DTYPES", "Device", "accelerator", "dtype_name", "split_words"]

DTYPES = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4")

_SPELLINGS = {
    "float64": "fp64", "double": "fp64",
    "float32": "fp32", "float": "fp32",
    "tfloat32": "tf32",
    "float16": "fp16", "half": "fp16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "fp8", "float8_e5m2": "fp8", "float8_e4m3fnuz": "fp8", "float8_e5m2fnuz": "fp8",
    "uint8": "int8",
    "float4_e2m1fn_x2": "fp4", "mxfp4": "fp4", "nvfp4": "fp4",
}  # fmt: skip

# Words that say nothing about which device of a family is meant.
COMMON_WORDS = frozenset(
    {"nvidia", "geforce", "tesla", "amd", "instinct", "apple", "google", "cloud", "aws", "amazon", "intel"}
    | {"habana", "generation", "gpu", "tensor", "core", "accelerator", "chip"}
)

# Spellings brought to one form, so that "RTX4090", "H100SXM", "80 GB", "TPUv4" and "gaudi 2" are read alike.
_REWRITES = (
    (re.compile(r"[^a-z0-9]+"), " "),
    (re.compile(r"\b(\d+) ?g(?:i?b)?\b"), r"\1gb"),
    (re.compile(r"\brtx(?=a?\d)"), "rtx "),
    (re.compile(r"(?<=\d{4})(ti|super)\b"), r" \1"),
    (re.compile(r"(?<=\d00)(sxm|pcie|nvl)"), r" \1"),
    (re.compile(r"\btpu ?v?(?=\d)"), "tpu v"),
    (re.compile(r"\b(trainium|gaudi|trn) (?=\d)"), r"\1"),
    (re.compile(r"\b(m\d)(pro|max|ultra)\b"), r"\1 \2"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator: dense peaks, memory, bandwidth, and where the figures are published.

    Attributes:
        name: The name shown to people.
        peak: Dense FLOP/s of one device by dtype name (`DTYPES`); dtypes without a published figure are
            absent.
        memory_bytes: Memory of one device in bytes, None where unknown.
        bandwidth_bytes_per_s: Memory bandwidth of one device in bytes/s, None where unknown.
        source: The document the figures are printed in.
        aliases: Names it is found by; every word of one of them must be in the name looked up.
        qualifiers: Words that may stand beside an alias without pointing elsewhere ("sxm4", "80gb").
        unit: What counts as one device.

    Raises:
        ValueError: a peak under an unknown dtype name, or a figure that is not above zero.

    Example:
        >>> Device("my chip", {"bf16": 100e12}).peak["bf16"]
        100000000000000.0
    """

    name: str
    peak: Mapping[str, float] = field(hash=False)
    memory_bytes: int | None = None
    bandwidth_bytes_per_s: float | None = None
    source: str = ""
    aliases: tuple[str, ...] = ()
    qualifiers: frozenset[str] = frozenset()
    unit: str = "one GPU"

    def __post_init__(self) -> None:
        peaks = {dtype_name(dtype): float(positive(rate, f"the {dtype} peak of {self.name}"))
                 for dtype, rate in self.peak.items()}  # fmt: skip
        object.__setattr__(self, "peak", peaks)
        if self.memory_bytes is not None:
            positive(self.memory_bytes, f"memory_bytes of {self.name}")
        if self.bandwidth_bytes_per_s is not None:
            positive(self.bandwidth_bytes_per_s, f"bandwidth_bytes_per_s of {self.name}")

    def matched_words(self, words: frozenset[str]) -> int:
        """Return how many words of a looked-up name point to this device, 0 if any word contradicts it."""
        allowed = COMMON_WORDS | self.qualifiers
        required = (frozenset(alias.split()) for alias in self.aliases)
        return max((len(alias) for alias in required if alias <= words <= alias | allowed), default=0)


def accelerator(
    name: str,
    gigabytes: float,
    gigabytes_per_s: float,
    aliases: str,
    qualifiers: str,
    source: str,
    teraflops_per_s: Mapping[str, float],
    unit: str = "one GPU",
) -> Device:
    """Build a `Device` from figures in the units datasheets use: GB, GB/s, TFLOP/s; aliases split at "|"."""
    return Device(
        name=name,
        peak={dtype: round(rate * 1e12) for dtype, rate in teraflops_per_s.items()},
        memory_bytes=round(gigabytes * 2**30),
        bandwidth_bytes_per_s=gigabytes_per_s * 1e9,
        source=source,
        aliases=tuple(aliases.split("|")),
        qualifiers=frozenset(qualifiers.split()),
        unit=unit,
    )


def dtype_name(dtype: object) -> str:
    """Return the short name (`DTYPES`) of a dtype given by short name, by long name or as a `torch.dtype`.

    Raises:
        ValueError: no such dtype.

    Example:
        >>> dtype_name("torch.bfloat16")
        'bf16'
    """
    text = str(dtype).removeprefix("torch.").lower()
    short = _SPELLINGS.get(text, text)
    if short not in DTYPES:
        raise ValueError(f"unknown dtype {dtype!r}; expected one of {', '.join(DTYPES)}, or a torch.dtype")
    return short


def split_words(name: str) -> frozenset[str]:
    """Return the words of a device name, lower case, in one spelling.

    Example:
        >>> sorted(split_words("NVIDIA A100-SXM4-80GB"))
        ['80gb', 'a100', 'nvidia', 'sxm4']
    """
    text = name.lower()
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return frozenset(text.split())
