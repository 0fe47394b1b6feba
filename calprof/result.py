"""What the front doors return: a profile with doors to the reports and to what training costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calprof import profiles as core
from calprof.comparison.described import Described
from calprof.cost.training import Passes, Training, training_by_factor
from calprof.randomness import kept_random

if TYPE_CHECKING:
    import torch

    from calprof.analytical import Shape
    from calprof.comparison.entries import Comparison
    from calprof.comparison.subject import Subject
    from calprof.cost.device import Device
    from calprof.cost.scaling import Scaling
    from calprof.verification import Verification


@dataclass(frozen=True)
class Profile(core.Profile):
    """FLOPs, MACs and parameters of one recorded run; prints as a tree.

    Attributes:
        seen: The configuration and the sizes of the input, where the model has a Hugging Face configuration.
        verification: The comparison with PyTorch's own counter, where it was asked for.

    Example:
        >>> prof = profile(torch.nn.Linear(3, 5), input_shape=(2, 3))
        >>> prof.macs, prof.under("matmul").flops, prof.training().total.macs
        (30, 60, 90)
    """

    seen: Described | None = None
    verification: Verification | None = None

    @cached_property
    def subject(self) -> Subject | None:
        """Shape of the model and size of its input as numbers, where the model has a Hugging Face configuration."""
        from calprof.comparison.subject import subject_of

        return None if self.seen is None else subject_of(self.seen)

    def training(
        self,
        recompute: bool | float = False,
        *,
        exact: bool = False,
        backward: float = 2,
        overrides: Mapping[str, Passes] | None = None,
    ) -> Training:
        """Returns a training step: its backward twice the forward, or exactly what the gradient needs.

        Args:
            recompute: Whether every activation is computed again, or how many forwards that costs.
            exact: Whether the backward is counted from what needs a gradient, in place of a factor; the profile
                must have been made with `training="exact"`.
            backward: The backward's cost in forwards, unless `exact`.
            overrides: Other factors for modules by dotted-path prefix.

        Raises:
            ValueError: A negative factor, a prefix that is no module, a factor beside `exact`, or `exact` of a
                profile made without `training="exact"`.
        """
        if not exact:
            return training_by_factor(self, Passes(backward=backward, recompute=float(recompute)), overrides)
        if backward != 2:
            raise ValueError(f"an exact backward has no factor, but backward={backward!r} was given")
        from calprof.cost.exact import training_exact

        return training_exact(self, recompute, overrides)

    def mfu(
        self,
        seconds: float,
        *,
        device: str | Device | float,
        count: int = 1,
        dtype: object = "bf16",
        times: float = 1,
        exact: bool | None = None,
    ) -> float:
        """Returns the model FLOPs utilization of a training step, a fraction.

        That is 2 FLOPs per MAC of forward and backward, without recomputation, over what the devices could have
        done (Chowdhery et al. 2022, "PaLM", appendix B).

        Args:
            seconds: Seconds of the step.
            device: A device name, a `Device`, or the dense peak of one device in FLOP/s.
            count: How many devices took part.
            dtype: The dtype of the products, which decides the peak.
            times: How many times the profiled input ran in those seconds, over all devices together.
            exact: Whether the backward is exact or twice the forward; by default exact where it was recorded.

        Raises:
            ValueError: A number out of range, an unknown device or dtype.

        Warns:
            UserWarning: The result is above 1, with the causes that would explain it.

        Example:
            nanoGPT: 100 sequences of GPT-2 in 0.755 s on one A100.

            >>> round(prof.mfu(0.755, device="a100", times=100), 4)
            0.3714
        """
        from calprof.cost.arguments import not_negative
        from calprof.cost.utilization import mfu

        step = self._matmul_step(False, exact)
        model_flops = (step.forward.flops + step.backward.flops) * not_negative(times, "times")
        masked = self._masked_share()
        attention = 2 * masked * model_flops if masked else None  # the masked part is half of attention
        return mfu(model_flops, seconds, device, count, dtype, attention_flops=attention)

    def hfu(
        self,
        seconds: float,
        *,
        device: str | Device | float,
        count: int = 1,
        dtype: object = "bf16",
        times: float = 1,
        exact: bool | None = None,
        recompute: bool | float = False,
    ) -> float:
        """Returns the hardware FLOPs utilization of a training step, a fraction: MFU with recomputation counted.

        Args:
            seconds: See `mfu`, as for `device`, `count`, `dtype`, `times` and `exact`.
            device: See `mfu`.
            count: See `mfu`.
            dtype: See `mfu`.
            times: See `mfu`.
            exact: See `mfu`.
            recompute: Whether every activation is computed again, or how many forwards that costs.

        Raises:
            ValueError: A number out of range, an unknown device or dtype.

        Warns:
            UserWarning: The result is above 1, with the causes that would explain it.
        """
        from calprof.cost.arguments import not_negative
        from calprof.cost.utilization import hfu

        hardware_flops = self._matmul_step(recompute, exact).total.flops * not_negative(times, "times")
        return hfu(hardware_flops, seconds, device, count, dtype)

    def scaling(
        self,
        model: torch.nn.Module,
        *,
        batches: Sequence[int] = (1, 2),
        lengths: Sequence[int] = (8, 16, 24),
        verify_at: tuple[int, int] = (3, 40),
    ) -> Scaling:
        """Returns what the model costs at any batch and length: an exact polynomial, verified at a held-out point.

        The model is profiled on inputs of shape (batch, length), seven times unless asked otherwise, under this
        profile's convention. Its backward is exact if this profile was made with `training="exact"`, else twice
        the forward.

        Args:
            model: The model of this profile.
            batches: Batches to profile.
            lengths: Lengths to profile; three make a polynomial of degree 2.
            verify_at: Batch and length of the profile the fit is verified on.

        Raises:
            ValueError: The cost is no such polynomial, or the points do not fit each other.

        Example:
            >>> prof.scaling(model).training_flops(batch=8, length=2048)
        """
        from calprof.api import profile

        def run(batch: int, length: int) -> dict[str, int]:
            training = "exact" if self.recording.grads else None
            return step_counts(profile(model, (batch, length), training=training, convention=self.convention))

        from calprof.cost.scaling import fit_scaling

        return fit_scaling(run, self.convention.name, batches, lengths, verify_at)

    def compare(
        self, config: Any = None, shape: Shape | None = None, batch: int | None = None, seq: int | None = None
    ) -> Comparison:
        """Returns every published formula that applies to the model beside this profile, with named differences.

        A formula of a forward is held beside the forward, one of a training step beside three of them, under this
        profile's convention. The differences of each sum to what it counts beyond the profile, exactly.

        Args:
            config: A Hugging Face configuration, object or dict; by default the model's own.
            shape: The model as numbers, in place of a configuration.
            batch: Sequences; by default those of the input.
            seq: Tokens of each; by default those of the input.

        Raises:
            ValueError: Neither configuration nor shape, no batch or length, or a convention that does not charge 2
                FLOPs per MAC.

        Example:
            >>> print(prof.compare())
            >>> prof.compare()["6nd"].missing["attention core"]
        """
        from calprof.comparison.compare import compare

        return compare(self, self.subject, config=config, shape=shape, batch=batch, seq=seq)

    def _matmul_step(self, recompute: bool | float, exact: bool | None) -> Training:
        exact = self.recording.grads if exact is None else exact
        return self.under("matmul").training(recompute, exact=exact)

    def _masked_share(self) -> float:
        masked = self.work["masked_mac"]
        return min(masked / self.macs, 0.5) if masked and self.convention.charges_masked else 0.0

    @kept_random()
    def __str__(self) -> str:
        from calprof.report import report_text

        return report_text(self)

    @kept_random()
    def _repr_html_(self) -> str:
        from calprof.report import report_html

        return report_html(self, page=False)

    @kept_random()
    def show(self, **options: Any) -> None:
        """Prints the report; the options are those of `calprof.report.print_report`."""
        from calprof.report import print_report

        print_report(self, **options)

    @kept_random()
    def to_dict(self) -> dict[str, Any]:
        """Returns the profile as plain data, for JSON."""
        from calprof.report import to_dict

        return to_dict(self)

    @kept_random()
    def save(self, path: str | Path) -> None:
        """Writes the profile to a file whose suffix names the format: .json, .csv, .md or .html.

        Raises:
            ValueError: Another suffix.
        """
        from calprof.report import save

        save(self, path)


def step_counts(profile: Profile) -> dict[str, int]:
    """Returns FLOPs and MACs of a profile's forward and backward, the quantities a scaling is fitted to."""
    step = profile.training(exact=profile.recording.grads)
    return {
        "flops": step.forward.flops,
        "macs": step.forward.macs,
        "backward_flops": step.backward.flops,
        "backward_macs": step.backward.macs,
    }
