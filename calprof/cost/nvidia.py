"""NVIDIA GPUs, oldest first. A bare name ("a100", "h100", "v100") is the SXM module with the most memory.

One device is one GPU as `torch.cuda.device_count()` counts: a GB200 superchip has two, an H100 NVL pair two.
"""

from __future__ import annotations

from calprof.cost.device import Device, accelerator

__all__ = ["NVIDIA"]

_V100_SHEET = "NVIDIA V100 Tensor Core GPU datasheet (January 2020)"
_GA102_PAPER = "NVIDIA Ampere GA102 GPU architecture whitepaper v2, comparison tables"
_A100_SHEET = "NVIDIA A100 Tensor Core GPU datasheet (June 2021)"
_L4_SHEET = "NVIDIA L4 Tensor Core GPU datasheet (its tensor figures are with sparsity, here halved)"
_ADA_PAPER = "NVIDIA Ada GPU architecture whitepaper, appendix A"
_H100_PAPER = "NVIDIA H100 Tensor Core GPU architecture whitepaper v1.04, table 2"
_H100_SHEET = "NVIDIA H100 Tensor Core GPU datasheet (its tensor figures are with sparsity, here halved)"
_H200_SHEET = "NVIDIA H200 Tensor Core GPU datasheet (its tensor figures are with sparsity, here halved)"
_GH200_SHEET = "NVIDIA GH200 Grace Hopper Superchip datasheet"
_HGX_SHEET = "NVIDIA HGX platform specifications, HGX B200, an eighth of the board"
_RTX_BLACKWELL_PAPER = "NVIDIA RTX Blackwell GPU architecture whitepaper, appendix A"
_GB200_SHEET = "NVIDIA GB200 NVL72 datasheet, half of a Grace Blackwell superchip"

_V100 = {"fp64": 7.8, "fp32": 15.7, "fp16": 125}
_V100_PCIE = {"fp64": 7.0, "fp32": 14.0, "fp16": 112}
_A100 = {"fp64": 19.5, "fp32": 19.5, "tf32": 156, "fp16": 312, "bf16": 312, "int8": 624}
_H100 = {"fp64": 66.9, "fp32": 66.9, "tf32": 494.7, "fp16": 989.4, "bf16": 989.4, "fp8": 1978.9,
         "int8": 1978.9}  # fmt: skip
_H100_PCIE = {"fp64": 51.2, "fp32": 51.2, "tf32": 378, "fp16": 756, "bf16": 756, "fp8": 1513, "int8": 1513}
_H100_NVL = {"fp64": 60, "fp32": 60, "tf32": 417.5, "fp16": 835.5, "bf16": 835.5, "fp8": 1670.5,
             "int8": 1670.5}  # fmt: skip
_B200 = {"fp64": 37, "fp32": 75, "tf32": 1125, "fp16": 2250, "bf16": 2250, "fp8": 4500, "int8": 4500,
         "fp4": 9000}  # fmt: skip
_RTX_5090 = {"fp32": 104.8, "tf32": 104.8, "fp16": 209.5, "bf16": 209.5, "fp8": 419, "int8": 838,
             "fp4": 1676}  # fmt: skip
_GB200 = {"fp64": 40, "fp32": 80, "tf32": 1250, "fp16": 2500, "bf16": 2500, "fp8": 5000, "int8": 5000,
          "fp4": 10000}  # fmt: skip

_VOLTA_TURING = (
    accelerator("V100 SXM 32GB", 32, 900, "v100", "sxm sxm2 sxm3 dgxs 32gb",
                _V100_SHEET, _V100),
    accelerator("V100 SXM 16GB", 16, 900, "v100 16gb", "sxm sxm2 dgxs",
                _V100_SHEET, _V100),
    accelerator("V100 PCIe 32GB", 32, 900, "v100 pcie", "32gb",
                _V100_SHEET, _V100_PCIE),
    accelerator("V100 PCIe 16GB", 16, 900, "v100 pcie 16gb", "",
                _V100_SHEET, _V100_PCIE),
    accelerator("V100S PCIe 32GB", 32, 1134, "v100s", "pcie 32gb",
                _V100_SHEET, {"fp64": 8.2, "fp32": 16.4, "fp16": 130}),
    accelerator("T4", 16, 300, "t4", "16gb",
                "NVIDIA T4 Tensor Core GPU datasheet", {"fp32": 8.1, "fp16": 65, "int8": 130}),
)  # fmt: skip

_AMPERE = (
    accelerator("A100 SXM 80GB", 80, 2039, "a100", "sxm sxm4 80gb hbm2e",
                _A100_SHEET, _A100),
    accelerator("A100 SXM 40GB", 40, 1555, "a100 40gb", "sxm sxm4 hbm2",
                _A100_SHEET, _A100),
    accelerator("A100 PCIe 80GB", 80, 1935, "a100 pcie", "80gb hbm2e",
                _A100_SHEET, _A100),
    accelerator("A100 PCIe 40GB", 40, 1555, "a100 pcie 40gb", "hbm2",
                "NVIDIA A100 40GB PCIe product brief", _A100),
    accelerator("A30", 24, 933, "a30", "24gb pcie", "NVIDIA A30 Tensor Core GPU datasheet",
                {"fp64": 10.3, "fp32": 10.3, "tf32": 82, "fp16": 165, "bf16": 165, "int8": 330}),
    accelerator("A40", 48, 696, "a40", "48gb pcie", "NVIDIA A40 datasheet",
                {"fp32": 37.4, "tf32": 74.8, "fp16": 149.7, "bf16": 149.7, "int8": 299.3}),
    accelerator("A10", 24, 600, "a10", "24gb pcie", "NVIDIA A10 Tensor Core GPU datasheet",
                {"fp32": 31.2, "tf32": 62.5, "fp16": 125, "bf16": 125, "int8": 250}),
    accelerator("A10G", 24, 600, "a10g", "24gb", "NVIDIA A10G Tensor Core GPU datasheet",
                {"fp32": 35, "tf32": 35, "fp16": 70, "bf16": 70, "int8": 140}),
    accelerator("RTX A6000", 48, 768, "a6000", "rtx 48gb ampere",
                _GA102_PAPER, {"fp32": 38.7, "tf32": 77.4, "fp16": 154.8, "bf16": 154.8, "int8": 309.7}),
    accelerator("GeForce RTX 3090", 24, 936, "3090", "rtx 24gb",
                _GA102_PAPER, {"fp32": 35.6, "tf32": 35.6, "fp16": 71, "bf16": 71, "int8": 284}),
    accelerator("GeForce RTX 3090 Ti", 24, 1008, "3090 ti", "rtx 24gb",
                _ADA_PAPER, {"fp32": 40, "tf32": 40, "fp16": 80, "bf16": 80, "int8": 320}),
)  # fmt: skip

_ADA = (
    accelerator("L4", 24, 300, "l4", "24gb", _L4_SHEET,
                {"fp32": 30.3, "tf32": 60, "fp16": 121, "bf16": 121, "fp8": 242.5, "int8": 242.5}),
    accelerator("L40", 48, 864, "l40", "48gb", "NVIDIA L40 datasheet",
                {"fp32": 90.5, "tf32": 90.5, "fp16": 181.05, "bf16": 181.05, "fp8": 362, "int8": 362}),
    # The sheet prints 362.05 dense beside 733 with sparsity; units x clock, like its other rows, give 366.
    accelerator("L40S", 48, 864, "l40s", "48gb", "NVIDIA L40S datasheet",
                {"fp32": 91.6, "tf32": 183, "fp16": 362.05, "bf16": 362.05, "fp8": 733, "int8": 733}),
    accelerator("RTX 6000 Ada", 48, 960, "6000 ada", "rtx 48gb", _ADA_PAPER,
                {"fp32": 91.1, "tf32": 182.1, "fp16": 364.2, "bf16": 364.2, "fp8": 728.5, "int8": 728.5}),
    accelerator("GeForce RTX 4090", 24, 1008, "4090", "rtx 24gb", _ADA_PAPER,
                {"fp32": 82.6, "tf32": 82.6, "fp16": 165.2, "bf16": 165.2, "fp8": 330.3, "int8": 660.6}),
)  # fmt: skip

_HOPPER = (
    accelerator("H100 SXM", 80, 3350, "h100", "sxm sxm5 80gb hbm3 hgx dgx",
                _H100_PAPER, _H100),
    accelerator("H100 PCIe", 80, 2000, "h100 pcie", "80gb hbm2e", _H100_PAPER,
                _H100_PCIE),
    accelerator("H100 NVL", 94, 3900, "h100 nvl", "94gb hbm3 pcie",
                _H100_SHEET, _H100_NVL),
    accelerator("H200 SXM", 141, 4800, "h200", "sxm sxm5 141gb hbm3e hgx dgx",
                _H200_SHEET, _H100),
    accelerator("H200 NVL", 141, 4800, "h200 nvl", "141gb hbm3e pcie",
                _H200_SHEET, _H100_NVL),
    # The 480 or 120 GB in a driver's name are the CPU's memory.
    accelerator("GH200 96GB", 96, 4000, "gh200", "480gb 120gb 96gb hbm3 grace hopper superchip",
                _GH200_SHEET, _H100),
    accelerator("GH200 144GB", 144, 4900, "gh200 144gb|gh200 hbm3e", "144gb hbm3e grace hopper superchip",
                _GH200_SHEET, _H100),
)  # fmt: skip

_BLACKWELL = (
    accelerator("B200", 180, 8000, "b200", "sxm sxm6 180gb hbm3e hgx dgx", _HGX_SHEET,
                _B200),
    accelerator("GB200", 186, 8000, "gb200", "186gb hbm3e nvl72", _GB200_SHEET,
                _GB200, "one of the two GPUs of a superchip"),
    accelerator("GeForce RTX 5090", 32, 1792, "5090", "rtx 32gb", _RTX_BLACKWELL_PAPER,
                _RTX_5090),
)  # fmt: skip

NVIDIA: tuple[Device, ...] = _VOLTA_TURING + _AMPERE + _ADA + _HOPPER + _BLACKWELL
