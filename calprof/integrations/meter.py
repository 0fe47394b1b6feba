"""What the callbacks share: FLOPs of a step added up, its time taken, and the three figures to log."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import Any

import torch

from calprof.cost.device import Device
from calprof.cost.throughput import ThroughputMeter
from calprof.integrations.batches import BatchCost

_UNKNOWN_PEAK = 1e30
"""A peak in FLOP/s no device reaches: its MFU is not shown."""


class StepMeter:
    """Model FLOPs, TFLOP/s of one device and MFU of the last steps of a training loop.

    Args:
        model: The model in training.
        device: As for `ThroughputMeter`; without one the GPU's own name, and without a GPU no MFU is told.
        dtype: The dtype of the products, which decides the peak.
        count: How many devices train, each on batches of its own.
        window: How many steps to average over.
        clock: Returns seconds; replaced in tests.
        method: The model's method that takes a batch.

    Raises:
        ValueError: An unknown device or dtype, or a number out of range.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        device: str | Device | float | None,
        dtype: object,
        count: int,
        window: int = 100,
        clock: Callable[[], float] = time.perf_counter,
        method: str = "forward",
    ) -> None:
        if device is None and torch.cuda.is_available():
            device = torch.cuda.get_device_name()
        self._has_peak = device is not None
        self._clock = clock
        self._profiling = 0.0
        self._meter = ThroughputMeter(
            _UNKNOWN_PEAK if device is None else device,
            count=count, dtype=dtype, window=window, clock=lambda: clock() - self._profiling,
        )  # fmt: skip
        self._count = count
        self._model = model
        self._method = method
        self._cost: BatchCost | None = None
        self._refused = False
        self._running = 0
        self._step: int | None = None

    @property
    def profiles(self) -> int:
        """How many times the model was profiled so far."""
        return self._cost.profiles if self._cost is not None else 0

    def restart(self) -> None:
        """Starts the clock anew, after something that was no training."""
        self._meter.start()

    def add(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Adds the FLOPs of one batch to the running step; the time this takes is left out of the step's."""
        if self._refused:
            return
        started = self._clock()
        try:
            if self._cost is None:
                self._cost = BatchCost(self._model, self._method)
            self._running += self._cost.flops(args, kwargs)
        except (ValueError, TypeError, RuntimeError) as error:
            self._refused = True
            text = f"calprof cannot tell what a step costs, so no MFU is logged: {error}"
            warnings.warn(text, UserWarning, stacklevel=2)
        finally:
            self._profiling += self._clock() - started

    def end_step(self) -> None:
        """Notes that the optimizer has stepped."""
        if self._refused:
            return
        self._step, self._running = self._running * self._count, 0
        self._meter.step(flops=self._step)

    def read(self) -> dict[str, float]:
        """Returns `flops_per_step` over all devices, and once a step has been timed `tflops_per_device` and `mfu`."""
        if self._step is None:
            return {}
        figures: dict[str, float] = {"flops_per_step": self._step}
        reading = self._meter.read()
        if not isnan(reading.flops_per_second_per_device):
            figures["tflops_per_device"] = reading.flops_per_second_per_device / 1e12
            if self._has_peak:
                figures["mfu"] = reading.mfu
        return figures


def product_dtype(model: torch.nn.Module) -> str:
    """Returns the dtype a model's products run in without autocast: its parameters', or TF32 where that is on."""
    kinds = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
    if torch.float32 not in kinds:
        for kind, name in ((torch.bfloat16, "bf16"), (torch.float16, "fp16")):
            if kind in kinds:
                return name
    return "tf32" if torch.get_float32_matmul_precision() != "highest" else "fp32"
