"""The front door for code that runs forwards itself."""

from __future__ import annotations

from collections.abc import Collection
from types import TracebackType
from typing import Any

import torch

import calprof.ops  # noqa: F401 - registers the catalogue
from calprof.conventions import Convention, find_convention
from calprof.recording.recorder import IgnoreRule, Recorder
from calprof.recording.recording import Recording
from calprof.result import Profile


class FlopProfiler:
    """Profiles whatever runs inside a `with` block: any code, any number of forwards.

    Nothing of the caller's is changed: train or eval mode, autograd and random numbers are as the block sets them.

    Args:
        model: The model whose modules work is attributed to; modules outside it are named by class.
        ignore_modules: Module classes, class names or dotted paths whose work is left out.
        training: `"exact"` to note which operands require a gradient.
        convention: The price list of the FLOP figures.

    Raises:
        ValueError: An unknown convention, or an `ignore_modules` entry that matches nothing.

    Example:
        >>> with FlopProfiler(model) as profiler:
        ...     model(x)
        >>> profiler.profile().macs
        30
    """

    def __init__(
        self,
        model: torch.nn.Module | None = None,
        *,
        ignore_modules: Collection[IgnoreRule] | IgnoreRule | None = None,
        training: str | None = None,
        convention: str | Convention = "arithmetic",
    ) -> None:
        check_model(model)
        self._convention = find_convention(convention)
        self._kind = type(model).__name__ if model is not None else ""
        self._recorder = Recorder(model, grads=is_exact(training), ignore=ignore_modules or ())

    def __enter__(self) -> FlopProfiler:
        self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recorder.__exit__(kind, error, trace)

    def differentiate(self, output: Any) -> None:
        """Names what is differentiated, inside the block: calls it does not depend on get no gradient.

        Without this, every result that requires a gradient is taken to get one. A loss in the output
        (`output.loss`) stands for all of it.
        """
        self._recorder.differentiate(output)

    def recording(self) -> Recording:
        """Returns the raw record of everything run so far."""
        return self._recorder.recording()

    def profile(self) -> Profile:
        """Returns the profile of everything run so far."""
        return Profile(self.recording(), self._convention, self._kind)


def check_model(model: Any, required: bool = False) -> None:
    """Raises a `TypeError` for what is no module."""
    if model is None and not required:
        return
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")


def is_exact(training: str | None) -> bool:
    """Returns whether gradients are to be noted; raises a `ValueError` for another word."""
    if training not in (None, "exact"):
        raise ValueError(f"training must be None or 'exact', not {training!r}")
    return training == "exact"
