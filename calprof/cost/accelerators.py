"""Accelerators of AMD, Google, Amazon, Intel and Apple.

What counts as one device differs, and so does the `count` to pass:

- **AMD MI250, MI250X**: the datasheet's device is the card, two dies (GCDs). PyTorch shows each GCD as a
  device of its own, so the name PyTorch reports ("AMD Instinct MI250X", with maker and family) finds the GCD,
  and the short name ("mi250x") finds the card. `"mi250x gcd"` says it outright.
- **Google TPU**: the chip, as in Google's documentation. On v2 and v3 JAX and PyTorch/XLA show a chip's two
  cores as two devices; `"tpu v3 core"` is one of them.
- **AWS Trainium**: the chip, with 2 (Trainium 1) or 8 (Trainium 2) NeuronCores.
- **Intel Gaudi**: the accelerator card. **Apple**: the GPU of the whole chip in its largest configuration.
"""

from __future__ import annotations

from calprof.cost.device import Device, accelerator

__all__ = ["ACCELERATORS"]

_CDNA2 = "AMD Instinct MI200 series accelerators datasheet"
_CDNA2_DIE = _CDNA2 + ", halved"
_MI300X = {
    "fp64": 163.4, "fp32": 163.4, "tf32": 653.7, "fp16": 1307.4, "bf16": 1307.4, "fp8": 2614.9, "int8": 2614.9
}  # fmt: skip
_MI300A = {
    "fp64": 122.6, "fp32": 122.6, "tf32": 490.3, "fp16": 980.6, "bf16": 980.6, "fp8": 1961.2, "int8": 1961.2
}  # fmt: skip
_MI350X = {
    "fp64": 72.1, "fp32": 144.2, "fp16": 2306.9, "bf16": 2306.9, "fp8": 4613.7, "int8": 4613.7, "fp4": 9227.5
}  # fmt: skip
_MI355X = {
    "fp64": 78.6, "fp32": 157.3, "fp16": 2516.6, "bf16": 2516.6, "fp8": 5033.2, "int8": 5033.2, "fp4": 10066.3
}  # fmt: skip
_GCD = "one of the two dies (GCDs) of a card, as PyTorch counts"
_CARD = "one card of two dies (GCDs)"

_AMD = (
    accelerator("MI210", 64, 1638.4, "mi210", "64gb pcie",
                _CDNA2, {"fp64": 45.3, "fp32": 45.3, "fp16": 181, "bf16": 181, "int8": 181}),
    accelerator("MI250", 128, 3276.8, "mi250", "128gb oam card", _CDNA2,
                {"fp64": 90.5, "fp32": 90.5, "fp16": 362.1, "bf16": 362.1, "int8": 362.1}, _CARD),
    accelerator("MI250 GCD", 64, 1638.4, "mi250 gcd|amd instinct mi250", "64gb oam gcd",
                _CDNA2_DIE,
                {"fp64": 45.25, "fp32": 45.25, "fp16": 181.05, "bf16": 181.05, "int8": 181.05}, _GCD),
    accelerator("MI250X", 128, 3276.8, "mi250x", "128gb oam card",
                _CDNA2, {"fp64": 95.7, "fp32": 95.7, "fp16": 383, "bf16": 383, "int8": 383}, _CARD),
    # "MI250X / MI250" is one driver string for both cards; the larger peak never flatters a utilization.
    accelerator("MI250X GCD", 64, 1638.4, "mi250x gcd|amd instinct mi250x|mi250x mi250", "64gb oam gcd",
                _CDNA2_DIE,
                {"fp64": 47.85, "fp32": 47.85, "fp16": 191.5, "bf16": 191.5, "int8": 191.5}, _GCD),
    accelerator("MI300A", 128, 5300, "mi300a", "128gb", "AMD Instinct MI300A APU datasheet",
                _MI300A),
    accelerator("MI300X", 192, 5300, "mi300x", "192gb oam vf",
                "AMD Instinct MI300X accelerator datasheet", _MI300X),
    accelerator("MI325X", 256, 6000, "mi325x", "256gb oam vf",
                "AMD Instinct MI325X accelerator datasheet", _MI300X),
    accelerator("MI350X", 288, 8000, "mi350x", "288gb oam vf", "AMD Instinct MI350X GPU datasheet",
                _MI350X),
    accelerator("MI355X", 288, 8000, "mi355x", "288gb oam vf", "AMD Instinct MI355X GPU datasheet",
                _MI355X),
)  # fmt: skip


def _tpu(name: str, gigabytes: float, gigabytes_per_s: float, aliases: str, unit: str, **peaks: float) -> Device:
    page = f"Google Cloud TPU documentation, {name} system architecture"
    return accelerator(name, gigabytes, gigabytes_per_s, aliases, "", page, peaks, unit)


_GOOGLE = (
    _tpu("TPU v3", 32, 900, "tpu v3", "one chip of two cores", bf16=123),
    _tpu("TPU v3 core", 16, 450, "tpu v3 core", "one of the two cores of a chip", bf16=61.5),
    _tpu("TPU v4", 32, 1228, "tpu v4", "one chip", bf16=275, int8=275),
    _tpu("TPU v5e", 16, 819, "tpu v5e|tpu v5 lite|tpu v5litepod", "one chip", bf16=197, int8=393),
    # "TPU v5" without a letter is what the driver of a v5p reports.
    _tpu("TPU v5p", 95, 2765, "tpu v5p|tpu v5", "one chip", bf16=459, int8=918),
    _tpu("TPU v6e", 32, 1638, "tpu v6e|tpu v6 lite|trillium|tpu trillium", "one chip", bf16=918, int8=1836),
)

_AMAZON_INTEL = (
    accelerator("Trainium 1", 32, 820, "trainium1|trainium|trn1", "",
                "AWS Neuron documentation, Trainium architecture",
                {"fp32": 47.5, "tf32": 190, "fp16": 190, "bf16": 190, "fp8": 190, "int8": 380},
                "one chip of 2 NeuronCores"),
    accelerator("Trainium 2", 96, 2900, "trainium2|trn2", "",
                "AWS Neuron documentation, Trainium2 architecture",
                {"fp32": 181, "tf32": 667, "fp16": 667, "bf16": 667, "fp8": 1299},
                "one chip of 8 NeuronCores"),
    accelerator("Gaudi 2", 96, 2450, "gaudi2", "96gb",
                "Intel Gaudi 3 AI accelerator white paper, comparison with Gaudi 2",
                {"bf16": 432, "fp8": 865}, "one accelerator"),
    accelerator("Gaudi 3", 128, 3700, "gaudi3", "128gb", "Intel Gaudi 3 AI accelerator white paper",
                {"bf16": 1835, "fp8": 1835}, "one accelerator"),
)  # fmt: skip


def _apple(chip: str, gigabytes: float, gigabytes_per_s: float, source: str, **peaks: float) -> Device:
    unit = "the GPU of one chip"
    return accelerator(f"Apple {chip}", gigabytes, gigabytes_per_s, chip.lower(), "", source, peaks, unit)


# Apple has not published FLOP/s since the M2; the later chips have memory and bandwidth only.
_APPLE = (
    _apple("M1", 16, 68.25, "Apple newsroom, M1 (November 2020)", fp32=2.6),
    _apple("M1 Pro", 32, 200, "Apple event, M1 Pro and M1 Max (October 2021)", fp32=5.2),
    _apple("M1 Max", 64, 400, "Apple event, M1 Pro and M1 Max (October 2021)", fp32=10.4),
    _apple("M1 Ultra", 128, 800, "Apple event, M1 Ultra (March 2022)", fp32=21),
    _apple("M2", 24, 100, "Apple event, M2 (June 2022)", fp32=3.6),
    _apple("M2 Pro", 32, 200, "Apple newsroom, M2 Pro and M2 Max (January 2023)"),
    _apple("M2 Max", 96, 400, "Apple newsroom, M2 Pro and M2 Max (January 2023)"),
    _apple("M2 Ultra", 192, 800, "Apple newsroom, M2 Ultra (June 2023)"),
    _apple("M3", 24, 100, "Apple technical specifications, MacBook Air (M3)"),
    _apple("M3 Pro", 36, 150, "Apple technical specifications, MacBook Pro (M3 Pro)"),
    _apple("M3 Max", 128, 400, "Apple technical specifications, MacBook Pro (M3 Max)"),
    _apple("M3 Ultra", 512, 819, "Apple technical specifications, Mac Studio (M3 Ultra)"),
    _apple("M4", 32, 120, "Apple technical specifications, MacBook Pro (M4)"),
    _apple("M4 Pro", 64, 273, "Apple technical specifications, Mac mini (M4 Pro)"),
    _apple("M4 Max", 128, 546, "Apple technical specifications, Mac Studio (M4 Max)"),
)

ACCELERATORS: tuple[Device, ...] = _AMD + _GOOGLE + _AMAZON_INTEL + _APPLE
