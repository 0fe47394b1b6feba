"""A callback for the `Trainer` of transformers: FLOPs, TFLOP/s and MFU beside the loss."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback

from calprof.cost.device import Device
from calprof.integrations.meter import StepMeter, product_dtype


class FlopsCallback(TrainerCallback):  # type: ignore[misc]
    """Logs `flops_per_step`, `tflops_per_device` and `mfu` whenever the trainer logs its loss.

    A step's FLOPs are the model's, forward and exact backward at 2 per MAC, over all its batches and devices,
    padding included and recomputation not. They are profiled once, on a copy of the model without storage, after
    the first step. The trainer's own loggers see the figures if the callback is put before them, which `attach`
    does; its log history has them in any case.

    Args:
        device: A device name, a `Device`, or the dense peak of one device in FLOP/s; by default the GPU's own name.
        dtype: The dtype of the products; by default as the training arguments say.
        count: How many devices train; by default the trainer's processes.
        window: How many steps to average over.
        clock: Returns seconds; replaced in tests.

    Raises:
        ValueError: When training begins: an unknown device or dtype, or a device without a peak for the dtype.

    Example:
        >>> trainer = Trainer(model=model, args=arguments, train_dataset=data)
        >>> FlopsCallback(device="h100").attach(trainer)
        >>> trainer.train()
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
        self._hook: Any = None
        self._batches: list[tuple[Any, Any]] = []

    def attach(self, trainer: Any) -> FlopsCallback:
        """Puts the callback before the trainer's own, so that every logger sees its figures; returns it."""
        trainer.callback_handler.callbacks.insert(0, self)
        return self

    @property
    def profiles(self) -> int:
        """How many times the model was profiled so far."""
        return self._meter.profiles if self._meter is not None else 0

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Starts to note the batches that reach the model."""
        device, dtype, count, window, clock = self._options
        kind = dtype or ("bf16" if args.bf16 else "fp16" if args.fp16 else product_dtype(model))
        self._meter = StepMeter(model, device, kind, count or args.world_size, window, clock)

        def note(module: torch.nn.Module, inputs: Any, named: Any) -> None:
            # The copy that is profiled carries this hook too.
            if module is model and module.training:
                self._batches.append((inputs, named))

        self._hook = model.register_forward_pre_hook(note, with_kwargs=True)

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Counts the batches of an accumulation step."""
        self._count()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Counts the batches of the step and takes its time."""
        self._count()
        if self._meter is not None:
            self._meter.end_step()

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Leaves the evaluation's time out."""
        if self._meter is not None:
            self._meter.restart()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Leaves the checkpoint's time out."""
        if self._meter is not None:
            self._meter.restart()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Puts the figures beside the loss."""
        if self._meter is None or not logs or "loss" not in logs:
            return
        figures = self._meter.read()
        logs.update(figures)
        if state.log_history:
            state.log_history[-1].update(figures)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Takes the hook off the model."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _count(self) -> None:
        batches, self._batches = self._batches, []
        for inputs, named in batches:
            if self._meter is not None:
                self._meter.add(inputs, named)
