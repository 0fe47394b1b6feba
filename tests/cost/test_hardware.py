"""The table of accelerators: dense peaks against chip arithmetic, real device names against rows."""

from __future__ import annotations

import ast
import pickle
import sys
from pathlib import Path

import pytest

import calprof.cost.hardware as hardware
from calprof.cost.device import dtype_name
from calprof.cost.hardware import DEVICES, DTYPES, Device, find_device, peak_flops_per_second

# What torch.cuda.get_device_name(), torch.hpu.get_device_name(), jax.Device.device_kind and macOS report.
REPORTED = {
    "Tesla V100-SXM2-16GB": "V100 SXM 16GB",
    "Tesla V100-SXM2-32GB": "V100 SXM 32GB",
    "Tesla V100-SXM3-32GB": "V100 SXM 32GB",
    "Tesla V100-DGXS-32GB": "V100 SXM 32GB",
    "Tesla V100-PCIE-16GB": "V100 PCIe 16GB",
    "Tesla V100-PCIE-32GB": "V100 PCIe 32GB",
    "Tesla V100S-PCIE-32GB": "V100S PCIe 32GB",
    "Tesla T4": "T4",
    "NVIDIA A10": "A10",
    "NVIDIA A10G": "A10G",
    "NVIDIA A30": "A30",
    "NVIDIA A40": "A40",
    "A100-SXM4-40GB": "A100 SXM 40GB",
    "NVIDIA A100-SXM4-40GB": "A100 SXM 40GB",
    "NVIDIA A100-SXM4-80GB": "A100 SXM 80GB",
    "NVIDIA A100-SXM-80GB": "A100 SXM 80GB",
    "NVIDIA A100-PCIE-40GB": "A100 PCIe 40GB",
    "A100-PCIE-40GB": "A100 PCIe 40GB",
    "NVIDIA A100-PCIE-80GB": "A100 PCIe 80GB",
    "NVIDIA A100 80GB PCIe": "A100 PCIe 80GB",
    "NVIDIA RTX A6000": "RTX A6000",
    "RTX A6000": "RTX A6000",
    "NVIDIA GeForce RTX 3090": "GeForce RTX 3090",
    "GeForce RTX 3090": "GeForce RTX 3090",
    "NVIDIA GeForce RTX 3090 Ti": "GeForce RTX 3090 Ti",
    "NVIDIA L4": "L4",
    "NVIDIA L40": "L40",
    "NVIDIA L40S": "L40S",
    "NVIDIA RTX 6000 Ada Generation": "RTX 6000 Ada",
    "NVIDIA GeForce RTX 4090": "GeForce RTX 4090",
    "NVIDIA H100 80GB HBM3": "H100 SXM",
    "NVIDIA H100 PCIe": "H100 PCIe",
    "NVIDIA H100 NVL": "H100 NVL",
    "NVIDIA H200": "H200 SXM",
    "NVIDIA H200 NVL": "H200 NVL",
    "NVIDIA GH200 480GB": "GH200 96GB",
    "NVIDIA GH200 120GB": "GH200 96GB",
    "NVIDIA GH200 144G HBM3e": "GH200 144GB",
    "NVIDIA B200": "B200",
    "NVIDIA GB200": "GB200",
    "NVIDIA GeForce RTX 5090": "GeForce RTX 5090",
    "AMD Instinct MI210": "MI210",
    "AMD Instinct MI250": "MI250 GCD",
    "AMD Instinct MI250X": "MI250X GCD",
    "AMD Instinct MI250X / MI250": "MI250X GCD",
    "AMD Instinct MI300A": "MI300A",
    "AMD Instinct MI300X": "MI300X",
    "AMD Instinct MI300X OAM": "MI300X",
    "AMD Instinct MI300X VF": "MI300X",
    "AMD Instinct MI325X": "MI325X",
    "AMD Instinct MI350X": "MI350X",
    "AMD Instinct MI355X": "MI355X",
    "TPU v3": "TPU v3",
    "TPU v4": "TPU v4",
    "TPU v5 lite": "TPU v5e",
    "TPU v5": "TPU v5p",
    "TPU v6 lite": "TPU v6e",
    "GAUDI2": "Gaudi 2",
    "GAUDI3": "Gaudi 3",
    "Apple M1": "Apple M1",
    "Apple M1 Pro": "Apple M1 Pro",
    "Apple M1 Max": "Apple M1 Max",
    "Apple M3 Ultra": "Apple M3 Ultra",
    "Apple M4 Max": "Apple M4 Max",
}

TYPED = {
    "a100": "A100 SXM 80GB",
    "A100 80GB": "A100 SXM 80GB",
    "a100-80gb": "A100 SXM 80GB",
    "a100-40gb": "A100 SXM 40GB",
    "A100 40 GB": "A100 SXM 40GB",
    "a100_pcie": "A100 PCIe 80GB",
    "v100": "V100 SXM 32GB",
    "v100-16gb": "V100 SXM 16GB",
    "t4": "T4",
    "a10": "A10",
    "a10g": "A10G",
    "l4": "L4",
    "l40": "L40",
    "l40s": "L40S",
    "h100": "H100 SXM",
    "h100-sxm": "H100 SXM",
    "H100 SXM5": "H100 SXM",
    "h100sxm": "H100 SXM",
    "h100-pcie": "H100 PCIe",
    "h100 nvl": "H100 NVL",
    "h200": "H200 SXM",
    "H200 141GB": "H200 SXM",
    "gh200": "GH200 96GB",
    "b200": "B200",
    "gb200": "GB200",
    "rtx4090": "GeForce RTX 4090",
    "RTX 4090": "GeForce RTX 4090",
    "4090": "GeForce RTX 4090",
    "3090ti": "GeForce RTX 3090 Ti",
    "rtx 5090": "GeForce RTX 5090",
    "a6000": "RTX A6000",
    "RTX 6000 Ada": "RTX 6000 Ada",
    "mi250x": "MI250X",
    "mi250x-gcd": "MI250X GCD",
    "mi250": "MI250",
    "mi300x": "MI300X",
    "MI325X": "MI325X",
    "mi355x": "MI355X",
    "tpu-v4": "TPU v4",
    "tpuv4": "TPU v4",
    "tpu v3 core": "TPU v3 core",
    "TPU v5e": "TPU v5e",
    "tpu-v5p": "TPU v5p",
    "tpu v6e": "TPU v6e",
    "trillium": "TPU v6e",
    "trainium": "Trainium 1",
    "trn1": "Trainium 1",
    "Trainium 2": "Trainium 2",
    "AWS Trainium2": "Trainium 2",
    "gaudi2": "Gaudi 2",
    "Intel Gaudi 3": "Gaudi 3",
    "m1": "Apple M1",
    "m2-ultra": "Apple M2 Ultra",
    "M1Max": "Apple M1 Max",
}

# Devices of another rate whose names contain a known one.
LOOKALIKES = [
    "NVIDIA GeForce RTX 4090 Laptop GPU",
    "NVIDIA GeForce RTX 4090 D",
    "NVIDIA GeForce RTX 4080",
    "Quadro RTX 6000",
    "RTX 6000",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
    "NVIDIA RTX A4000",
    "NVIDIA A100-SXM-64GB",
    "NVIDIA A100X",
    "NVIDIA A800-SXM4-80GB",
    "GRID A100-10C",
    "NVIDIA A16",
    "NVIDIA A2",
    "NVIDIA H800",
    "NVIDIA H20",
    "NVIDIA L40G",
    "NVIDIA L20",
    "NVIDIA T4G",
    "Tesla V100-FHHL-16GB",
    "GB200 superchip",
    "AMD Instinct MI308X",
    "AMD Instinct MI100",
    "AMD Radeon Graphics",
    "TPU v2",
    "Apple M5",
    "cpu",
    "",
]


@pytest.mark.parametrize(("name", "expected"), (REPORTED | TYPED).items())
def test_a_name_finds_its_device(name: str, expected: str) -> None:
    assert find_device(name).name == expected
    assert find_device(name.upper()).name == expected


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_lookalike_is_unknown(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown device .* closest known are .* FLOP/s as a number"):
        find_device(name)


def test_every_device_is_found_by_its_own_name_and_aliases() -> None:
    for device in DEVICES:
        assert find_device(device.name) is device
        for alias in device.aliases:
            assert find_device(alias) is device


def test_no_two_devices_match_a_name_equally_well() -> None:
    for name in [*REPORTED, *TYPED, *(device.name for device in DEVICES)]:
        words = hardware.split_words(name)
        scores = sorted((device.matched_words(words) for device in DEVICES), reverse=True)
        assert scores[0] > scores[1], name


def test_an_unknown_name_gets_the_closest_ones() -> None:
    with pytest.raises(ValueError, match="H100 SXM"):
        find_device("NVIDIA H100 XYZ")
    with pytest.raises(ValueError, match="RTX 4090"):
        find_device("RTX 4090 Laptop")


def test_a_mig_slice_is_refused() -> None:
    with pytest.raises(ValueError, match="MIG slice"):
        find_device("NVIDIA A100-SXM4-40GB MIG 1g.5gb")


@pytest.mark.parametrize("name", [None, 312e12, True, b"a100"])
def test_a_name_must_be_a_string(name: object) -> None:
    with pytest.raises(TypeError, match="must be a string or a Device"):
        find_device(name)  # type: ignore[arg-type]


# Units x GHz x FLOPs per unit and clock, from the architecture papers: what a dense product can reach. A
# figure with sparsity would be twice as large, a vector figure at most a half.
ARITHMETIC = [
    ("v100", "fp16", 80, 1.530, 1024),
    ("v100 pcie", "fp16", 80, 1.370, 1024),
    ("t4", "fp16", 40, 1.590, 1024),
    ("t4", "int8", 40, 1.590, 2048),
    ("a10", "bf16", 72, 1.695, 1024),
    ("a10g", "bf16", 80, 1.710, 512),
    ("a30", "bf16", 56, 1.440, 2048),
    ("a40", "bf16", 84, 1.740, 1024),
    ("a100", "fp64", 108, 1.410, 128),
    ("a100", "fp32", 108, 1.410, 128),
    ("a100", "tf32", 108, 1.410, 1024),
    ("a100", "bf16", 108, 1.410, 2048),
    ("a100", "int8", 108, 1.410, 4096),
    ("a6000", "bf16", 84, 1.800, 1024),
    ("a6000", "fp32", 84, 1.800, 256),
    ("3090", "bf16", 82, 1.695, 512),
    ("3090 ti", "bf16", 84, 1.860, 512),
    ("l4", "bf16", 58, 2.040, 1024),
    ("l4", "fp8", 58, 2.040, 2048),
    ("l40", "bf16", 142, 2.490, 512),
    ("l40s", "fp8", 142, 2.520, 2048),
    ("l40s", "tf32", 142, 2.520, 512),
    ("6000 ada", "bf16", 142, 2.505, 1024),
    ("4090", "bf16", 128, 2.520, 512),
    ("4090", "fp8", 128, 2.520, 1024),
    ("4090", "int8", 128, 2.520, 2048),
    ("h100", "bf16", 132, 1.830, 4096),
    ("h100", "fp8", 132, 1.830, 8192),
    ("h100", "tf32", 132, 1.830, 2048),
    ("h100", "fp64", 132, 1.980, 256),
    ("h100-pcie", "bf16", 114, 1.620, 4096),
    ("5090", "bf16", 170, 2.407, 512),
    ("5090", "fp4", 170, 2.407, 4096),
    ("mi210", "bf16", 104, 1.700, 1024),
    ("mi250", "bf16", 208, 1.700, 1024),
    ("mi250x", "bf16", 220, 1.700, 1024),
    ("mi250x", "fp64", 220, 1.700, 256),
    ("mi250x gcd", "bf16", 110, 1.700, 1024),
    ("mi300a", "bf16", 228, 2.100, 2048),
    ("mi300x", "bf16", 304, 2.100, 2048),
    ("mi300x", "fp8", 304, 2.100, 4096),
    ("mi300x", "fp64", 304, 2.100, 256),
    ("mi350x", "bf16", 256, 2.200, 4096),
    ("mi355x", "bf16", 256, 2.400, 4096),
    ("mi355x", "fp4", 256, 2.400, 16384),
    ("mi355x", "fp64", 256, 2.400, 128),
    ("tpu v3", "bf16", 4, 0.940, 2 * 128 * 128),
    ("tpu v4", "bf16", 8, 1.050, 2 * 128 * 128),
    ("tpu v5e", "bf16", 4, 1.500, 2 * 128 * 128),
    ("tpu v5p", "bf16", 8, 1.750, 2 * 128 * 128),
    ("gaudi2", "bf16", 2, 1.650, 2 * 256 * 256),
    ("gaudi3", "bf16", 8, 1.750, 2 * 256 * 256),
]


@pytest.mark.parametrize(("name", "dtype", "units", "gigahertz", "flops"), ARITHMETIC)
def test_a_peak_is_units_times_clock(name: str, dtype: str, units: int, gigahertz: float, flops: int) -> None:
    assert peak_flops_per_second(name, dtype) == pytest.approx(units * gigahertz * 1e9 * flops, rel=0.01)


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("NVIDIA RTX A6000", "bf16", 154.8e12),  # not 309.7, which is with sparsity, nor 38.7, which is fp32
        ("NVIDIA GeForce RTX 4090", "bf16", 165.2e12),  # not 82.6, which is fp32
        ("NVIDIA L40", "bf16", 181.05e12),  # not the L4's
        ("NVIDIA L40S", "bf16", 362.05e12),  # neither the L4's nor the A100's
        ("NVIDIA L4", "bf16", 121e12),
        ("NVIDIA H200", "bf16", 989.4e12),
        ("NVIDIA H100 80GB HBM3", "fp64", 66.9e12),  # tensor cores, not 34
        ("NVIDIA H100 NVL", "bf16", 835.5e12),  # one card of the pair
        ("NVIDIA B200", "bf16", 2250e12),
        ("NVIDIA GB200", "bf16", 2500e12),  # one GPU of the superchip
        ("AMD Instinct MI250X", "bf16", 191.5e12),  # PyTorch's device is one die
        ("mi250x", "bf16", 383e12),  # the datasheet's is the card
        ("tpu-v6e", "bf16", 918e12),
        ("trainium2", "fp8", 1299e12),
        ("m1 max", "fp32", 10.4e12),
    ],
)
def test_the_figures_other_tables_get_wrong(name: str, dtype: str, peak: float) -> None:
    assert peak_flops_per_second(name, dtype) == peak


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_a_row_is_complete_and_consistent(device: Device) -> None:
    assert device.source
    assert device.unit
    assert set(device.peak) <= set(DTYPES)
    assert device.memory_bytes is not None
    assert device.memory_bytes % 2**30 == 0
    assert device.bandwidth_bytes_per_s is not None
    assert 50e9 < device.bandwidth_bytes_per_s < 10e12
    if {"fp16", "bf16"} <= set(device.peak):
        assert device.peak["fp16"] == device.peak["bf16"]
    wider = [device.peak[dtype] for dtype in ("fp32", "tf32", "bf16", "fp8", "fp4") if dtype in device.peak]
    assert wider == sorted(wider)


def test_memory_and_bandwidth_are_in_bytes() -> None:
    assert find_device("a100-80gb").memory_bytes == 85_899_345_920
    assert find_device("h200").bandwidth_bytes_per_s == 4.8e12


def test_two_dies_make_a_card() -> None:
    for card in ("mi250", "mi250x"):
        whole, half = find_device(card), find_device(f"{card} gcd")
        assert whole.memory_bytes == 2 * (half.memory_bytes or 0)
        assert {dtype: 2 * rate for dtype, rate in half.peak.items()} == whole.peak


@pytest.mark.parametrize(
    ("spelling", "short"),
    [
        ("torch.bfloat16", "bf16"),
        ("bfloat16", "bf16"),
        ("BF16", "bf16"),
        ("half", "fp16"),
        ("float32", "fp32"),
        ("torch.float8_e4m3fn", "fp8"),
        ("torch.int8", "int8"),
    ],
)
def test_dtypes_in_every_spelling(spelling: str, short: str) -> None:
    assert dtype_name(spelling) == short


def test_a_torch_dtype_is_a_dtype() -> None:
    torch = pytest.importorskip("torch")
    assert peak_flops_per_second("a100", torch.bfloat16) == 312e12
    assert peak_flops_per_second("a100", torch.float32) == 19.5e12
    assert peak_flops_per_second("h100", torch.float8_e4m3fn) == 1978.9e12


def test_an_unknown_dtype_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown dtype 'bf17'; expected one of fp64, .*bf16"):
        peak_flops_per_second("a100", "bf17")


@pytest.mark.parametrize(("device", "dtype"), [("v100", "bf16"), ("t4", "bf16"), ("a100", "fp8"), ("h100", "fp4")])
def test_a_missing_dtype_names_the_ones_there_are(device: str, dtype: str) -> None:
    with pytest.raises(ValueError, match=rf"has no {dtype} peak; it has .*fp16") as error:
        peak_flops_per_second(device, dtype)
    assert all(name in str(error.value) for name in find_device(device).peak)


def test_a_device_without_published_flops_says_so() -> None:
    with pytest.raises(ValueError, match="no FLOP/s are published for Apple M4 Max; pass its peak"):
        peak_flops_per_second("m4 max", "fp32")


def test_a_number_or_a_device_of_ones_own() -> None:
    assert peak_flops_per_second(123e12, "fp8") == 123e12
    assert peak_flops_per_second(7, "bf16") == 7.0
    mine = Device("mine", {"bfloat16": 5e12})
    assert find_device(mine) is mine
    assert peak_flops_per_second(mine, "bf16") == 5e12
    with pytest.raises(ValueError, match="mine has no fp16 peak; it has bf16"):
        peak_flops_per_second(mine, "fp16")


@pytest.mark.parametrize("peak", [0, -1.0, float("nan"), float("inf")])
def test_a_peak_must_be_a_rate(peak: float) -> None:
    with pytest.raises(ValueError, match="peak of a device"):
        peak_flops_per_second(peak)
    with pytest.raises(ValueError, match="bf16 peak of mine"):
        Device("mine", {"bf16": peak})


@pytest.mark.parametrize("peak", [None, True, [312e12]])
def test_a_peak_must_be_a_number(peak: object) -> None:
    with pytest.raises(TypeError, match="must be a number"):
        peak_flops_per_second(peak)  # type: ignore[arg-type]


def test_a_device_is_plain_data() -> None:
    device = find_device("h100")
    assert pickle.loads(pickle.dumps(device)) == device
    assert len({device, find_device("h100-sxm")}) == 1


def test_only_the_standard_library_is_imported_with_a_module() -> None:
    folder = Path(hardware.__file__).parent
    names = (
        "accelerators",
        "arguments",
        "device",
        "hardware",
        "nvidia",
        "schedule",
        "throughput",
        "utilization",
    )
    for name in names:
        for node in ast.parse((folder / f"{name}.py").read_text(encoding="utf-8")).body:
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                assert module.startswith("calprof.cost.") or module.split(".")[0] in sys.stdlib_module_names, name
