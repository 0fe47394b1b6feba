"""A throughput meter for hand-written training loops."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import nan

from calprof.cost.arguments import not_negative, positive, whole
from calprof.cost.device import Device
from calprof.cost.hardware import peak_flops_per_second
from calprof.cost.utilization import explain_excess

__all__ = ["Throughput", "ThroughputMeter"]


@dataclass(frozen=True, slots=True)
class Throughput:
    """What a `ThroughputMeter` read over its window. Rates are NaN until one step has been timed.

    Attributes:
        steps: Steps in the window.
        seconds: Seconds they took.
        steps_per_second: Steps per second.
        tokens_per_second: Tokens per second of all devices together; None if steps report no tokens.
        samples_per_second: Samples per second of all devices together; None if steps report no samples.
        flops_per_second_per_device: Achieved model FLOP/s of one device.
        mfu: Model FLOPs utilization, a fraction.
    """

    steps: int
    seconds: float
    steps_per_second: float
    tokens_per_second: float | None
    samples_per_second: float | None
    flops_per_second_per_device: float
    mfu: float


@dataclass(frozen=True, slots=True)
class _Mark:
    """The clock at the end of a step, and what had been done by then."""

    time: float
    tokens: float = 0
    samples: float = 0
    flops: float = 0


class ThroughputMeter:
    """Steps/s, tokens/s, FLOP/s and MFU of a training loop over its last steps.

    Call `step` after every optimizer step and `read` whenever you log. A step is timed from the end of the
    one before, so the first call only starts the clock and compilation and warm-up in the first step do not
    count; call `start` before the loop to time the first step as well, and again after an evaluation or a
    checkpoint so that its time is left out. Work on a GPU is asynchronous: over a window of many steps the
    host cannot run far ahead, but for a single step synchronise before calling `step`.

    Args:
        device: A device name, a `Device`, or the dense peak of one device in FLOP/s.
        flops_per_step: Model FLOPs of forward and backward of one step over all devices. One of the three, or
            none if every call of `step` gives its own `flops`.
        flops_per_token: The same per token.
        flops_per_sample: The same per sample.
        count: How many devices.
        dtype: The dtype of the products, which decides the peak.
        window: How many steps to average over.
        clock: Returns seconds; replaced in tests.

    Raises:
        ValueError: more than one count of FLOPs, a number out of range, an unknown device or dtype.

    Example:
        >>> ticks = iter([0.0, 0.5, 1.0])
        >>> meter = ThroughputMeter("a100", flops_per_token=6 * 10**9, clock=lambda: next(ticks))
        >>> meter.start()
        >>> for _ in range(2):
        ...     meter.step(tokens=8192)
        >>> reading = meter.read()
        >>> reading.tokens_per_second, round(reading.mfu, 4)
        (16384.0, 0.3151)
    """

    def __init__(
        self,
        device: str | Device | float,
        *,
        flops_per_step: float | None = None,
        flops_per_token: float | None = None,
        flops_per_sample: float | None = None,
        count: int = 1,
        dtype: object = "bf16",
        window: int = 100,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        given = {"flops_per_step": flops_per_step, "flops_per_token": flops_per_token,
                 "flops_per_sample": flops_per_sample}  # fmt: skip
        rates = {name: positive(rate, name) for name, rate in given.items() if rate is not None}
        if len(rates) > 1:
            raise ValueError(f"pass one of flops_per_step, flops_per_token and flops_per_sample, got {list(rates)}")
        self._rates = rates
        self._device = device
        self._dtype = dtype
        self._count = whole(count, "count")
        self._peak = peak_flops_per_second(device, dtype)
        self._clock = clock
        self._marks: deque[_Mark] = deque(maxlen=whole(window, "window") + 1)
        self._warned = False

    def start(self) -> None:
        """Empty the window and start the clock now."""
        self._marks.clear()
        self._marks.append(_Mark(self._clock()))

    def step(self, tokens: float | None = None, samples: float | None = None, flops: float | None = None) -> None:
        """Note that a step has ended.

        Args:
            tokens: Tokens of this step over all devices.
            samples: Samples of this step over all devices.
            flops: Model FLOPs of this step over all devices, in place of the count the meter was made with.

        Raises:
            ValueError: the FLOPs of the step cannot be told from what was given, or a negative number.
        """
        work = self._flops(tokens, samples, flops)
        if not self._marks:
            self.start()
            return
        last = self._marks[-1]
        self._marks.append(
            _Mark(self._clock(), last.tokens + (tokens or 0), last.samples + (samples or 0), last.flops + work)
        )

    def read(self) -> Throughput:
        """Return the rates over the steps of the window.

        Warns:
            UserWarning: once, if the MFU is above 1, with the causes that would explain it.
        """
        steps = max(len(self._marks) - 1, 0)
        seconds = self._marks[-1].time - self._marks[0].time if steps else 0.0
        if not steps or seconds <= 0:
            return Throughput(steps, seconds, nan, None, None, nan, nan)
        first, last = self._marks[0], self._marks[-1]
        per_device = (last.flops - first.flops) / seconds / self._count
        utilization = per_device / self._peak
        if utilization > 1 and not self._warned:
            self._warned = True
            text = explain_excess("MFU", utilization, self._device, self._dtype)
            warnings.warn(text, UserWarning, stacklevel=2)
        tokens, samples = last.tokens - first.tokens, last.samples - first.samples
        return Throughput(
            steps=steps,
            seconds=seconds,
            steps_per_second=steps / seconds,
            tokens_per_second=tokens / seconds if tokens else None,
            samples_per_second=samples / seconds if samples else None,
            flops_per_second_per_device=per_device,
            mfu=utilization,
        )

    def _flops(self, tokens: float | None, samples: float | None, flops: float | None) -> float:
        """Return the FLOPs of a step from what it reports."""
        amounts = {"flops_per_step": 1, "flops_per_token": tokens, "flops_per_sample": samples}
        for name, amount in (("tokens", tokens), ("samples", samples), ("flops", flops)):
            if amount is not None:
                not_negative(amount, name)
        if flops is not None:
            return flops
        if not self._rates:
            raise ValueError("a meter made without a count of FLOPs needs flops=... in every step")
        ((name, rate),) = self._rates.items()
        amount = amounts[name]
        if amount is None:
            raise ValueError(f"a meter made with {name} needs {name.removeprefix('flops_per_')}s=... in every step")
        return rate * amount
