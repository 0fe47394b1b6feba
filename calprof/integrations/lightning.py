"""A callback for Lightning's `Trainer`: FLOPs, TFLOP/s and MFU beside the loss."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch

from calprof.cost.device import Device
from calprof.integrations.meter import StepMeter, product_dtype


class FlopsCallback(pl.Callback):  # type: ignore[misc]
    """Logs `flops_per_step`, `tflops_per_device` and `mfu` of every training step.

    A step's FLOPs are those of the module's `training_step`, forward and exact backward at 2 per MAC, over all
    its batches and devices, recomputation not included. They are profiled once, on a copy of the module without
    storage whose `log` does nothing, after the first batch.

    Args:
        device: A device name, a `Device`, or the dense peak of one device in FLOP/s; by default the GPU's own name.
        dtype: The dtype of the products; by default as the trainer's precision says.
        count: How many devices train; by default the trainer's processes.
        window: How many steps to average over.
        clock: Returns seconds; replaced in tests.

    Raises:
        ValueError: When training begins: an unknown device or dtype, or a module with manual optimization, whose
            `training_step` cannot be run without training.

    Example:
        >>> Trainer(callbacks=[FlopsCallback(device="h100")]).fit(module, data)
    """

    def __init__(
        self,
        device: str | Device | float | None = None,
        *,
        dtype: object = None,
        count: int | None = None,
        window: int = 100,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._options = (device, dtype, count, window, clock)
        self._meter: StepMeter | None = None
        self._steps = 0

    @property
    def profiles(self) -> int:
        """How many times the module was profiled so far."""
        return self._meter.profiles if self._meter is not None else 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Reads device, dtype and count off the trainer."""
        if not pl_module.automatic_optimization:
            name = type(pl_module).__name__
            raise ValueError(f"{name} optimizes manually, so its training_step cannot be profiled; use ThroughputMeter")
        device, dtype, count, window, clock = self._options
        precision = str(trainer.precision)
        kind = dtype or ("bf16" if "bf16" in precision else "fp16" if "16" in precision else product_dtype(pl_module))
        devices = count or trainer.world_size
        self._meter = StepMeter(pl_module, device, kind, devices, window, clock, method="training_step")
        self._steps = trainer.global_step

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Counts the batch; after an optimizer step logs the figures."""
        if self._meter is None:
            return
        with _alone(pl_module):
            self._meter.add((batch, batch_idx), {})
        if trainer.global_step != self._steps:
            self._steps = trainer.global_step
            self._meter.end_step()
            # Counts beyond 2**53 round in any float; MPS has no doubles.
            kind = torch.float32 if pl_module.device.type == "mps" else torch.float64
            pl_module.log_dict({name: torch.tensor(value, dtype=kind) for name, value in self._meter.read().items()})

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Leaves the validation's time out."""
        if self._meter is not None and not trainer.sanity_checking:
            self._meter.restart()


@contextmanager
def _alone(pl_module: Any) -> Iterator[None]:
    """Runs a block with the module detached from its trainer, which is not to be copied and gets no logs."""
    trainer = pl_module._trainer
    pl_module._trainer = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*`self.trainer` reference is not registered.*")
            yield
    finally:
        pl_module._trainer = trainer
