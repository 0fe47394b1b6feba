"""One training step, measured while it runs: forward, backward, what is recomputed, and the optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

import calprof.ops  # noqa: F401 - registers the catalogue
from calprof.conventions import Convention, find_convention
from calprof.cost.device import Device
from calprof.cost.training import Phase, Training
from calprof.cost.utilization import hfu, mfu
from calprof.inputs.arguments import Inputs, from_arguments
from calprof.inputs.traits import placement
from calprof.models.fake import fake_inputs, mode_of
from calprof.models.values import running
from calprof.profiles import ModuleNode, OpRow, build_tree
from calprof.recording.backward import Backward, Timeline
from calprof.recording.reach import differentiable, loss_of
from calprof.recording.recorder import Recorder
from calprof.recording.recording import Recording, Uncounted
from calprof.recording.restore import same_optimizer, training_mode, without_gradients
from calprof.recording.state import undisturbed
from calprof.result import Profile
from calprof.work import NOTHING, Cost

PHASES = ("forward", "backward", "recompute", "optimizer")


@dataclass(frozen=True)
class Step:
    """One training step as it ran.

    Attributes:
        profile: The forward, which also tells the step by factor and exactly, for comparison.
        recording: Every call with the phase it ran in.

    Example:
        >>> step = profile_step(model, x)
        >>> step.backward.macs / step.forward.macs
        1.5
    """

    profile: Profile
    recording: Recording

    @property
    def training(self) -> Training:
        """The step by phase and by module, the optimizer left out; what the reports take."""
        trees = (self._tree(phase).walk() for phase in ("forward", "backward", "recompute"))
        modules = {
            first.path: Training(_cost_of(first), _cost_of(second), _cost_of(third))
            for first, second, third in zip(*trees, strict=True)
        }
        basis = "measured while forward and backward ran"
        if self.optimizer.flops:
            basis += f"; the optimizer's {self.optimizer.flops:,} FLOPs are not in the total"
        return replace(modules[""], basis=basis, modules=modules)

    @property
    def forward(self) -> Phase:
        """The forward pass with the loss."""
        return self._phase("forward")

    @property
    def backward(self) -> Phase:
        """The gradients."""
        return self._phase("backward")

    @property
    def recompute(self) -> Phase:
        """What ran a second time: checkpointed forwards, and the scores a fused attention gradient never stored."""
        return self._phase("recompute")

    @property
    def optimizer(self) -> Phase:
        """The optimizer's step: elementwise work on each parameter that has a gradient."""
        return self._phase("optimizer")

    @property
    def total(self) -> Phase:
        """The four phases together."""
        return self.forward + self.backward + self.recompute + self.optimizer

    @property
    def uncounted(self) -> tuple[Uncounted, ...]:
        """Calls of any phase whose work is not known."""
        return self.recording.uncounted

    def by_module(self) -> Mapping[str, Training]:
        """Returns the phases of every module by its dotted path; the model itself is the empty path."""
        return self.training.modules

    def by_op(self, phase: str) -> list[OpRow]:
        """Returns one row per op or kernel that ran in `phase`, the most expensive first.

        Raises:
            ValueError: No such phase.
        """
        if phase not in PHASES:
            raise ValueError(f"unknown phase {phase!r}; a step has {', '.join(PHASES)}")
        calls = tuple(call for call in self.recording.calls if call.phase == phase)
        return replace(self.profile, recording=replace(self.recording, calls=calls)).by_op()

    def under(self, convention: str | Convention) -> Step:
        """Returns the same step under another convention."""
        return replace(self, profile=self.profile.under(convention))

    def mfu(
        self, seconds: float, *, device: str | Device | float, count: int = 1, dtype: object = "bf16",
        times: float = 1,
    ) -> float:  # fmt: skip
        """Returns the model FLOPs utilization: 2 FLOPs per MAC of forward and backward, without recomputation.

        The arguments are those of `Profile.mfu`.
        """
        step = self.under("matmul")
        return mfu((step.forward.flops + step.backward.flops) * times, seconds, device, count, dtype)

    def hfu(
        self, seconds: float, *, device: str | Device | float, count: int = 1, dtype: object = "bf16",
        times: float = 1,
    ) -> float:  # fmt: skip
        """Returns the hardware FLOPs utilization: the model's and everything recomputed.

        The arguments are those of `Profile.mfu`.
        """
        return hfu(self.under("matmul").total.flops * times, seconds, device, count, dtype)

    def __str__(self) -> str:
        from calprof.report import report_text

        return report_text(self.profile, training=self.training)

    def _phase(self, phase: str) -> Phase:
        return _cost_of(self._tree(phase))

    def _tree(self, phase: str) -> ModuleNode:
        # Calls of other phases stay, without work: every phase has the same tree of modules.
        calls = (call if call.phase == phase else replace(call, cost=Cost(NOTHING)) for call in self.recording.calls)
        recording = replace(self.recording, calls=tuple(calls))
        return build_tree(recording, self.profile.convention, self.profile.kind)


def _cost_of(node: ModuleNode) -> Phase:
    return Phase(node.flops, node.macs)


def profile_step(
    model: torch.nn.Module,
    inputs: Any,
    *,
    loss: Callable[[Any], torch.Tensor] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    restore: bool = True,
    train_mode: bool = True,
    convention: str | Convention = "arithmetic",
) -> Step:
    """Runs one training step of `model` and returns what ran in each phase.

    The step is real, and undone: parameters, gradients, buffers, modes, random state and the optimizer's state are
    given back as they were. With `restore=False` it stays done, its gradients added to those already there.

    The backward is counted kernel by kernel as autograd runs it, in this thread. A forward that
    `torch.utils.checkpoint` runs again, or any other recomputation in Python, is a phase of its own, attributed to
    the modules that ran again.

    Args:
        model: Any `nn.Module`; one built without storage runs on shapes alone.
        inputs: The forward's arguments: a tensor, a tuple or list of positional ones, or a dict of keyword ones.
        loss: Makes the scalar loss from the model's output. By default the output's own `loss`, or the output itself
            if it is one number, or else the sum of all it returns stands in.
        optimizer: Steps after the backward, if given.
        restore: Whether to undo the step.
        train_mode: Whether to run in train mode, as training does, or in eval mode.
        convention: The price list of the FLOP figures.

    Raises:
        TypeError: A model that is no module, inputs of another kind, or a loss that is no tensor.
        ValueError: A loss that is not a scalar, or that depends on nothing that requires a gradient; a model without
            storage that asks for a value.

    Example:
        >>> model = nn.Sequential(nn.Linear(16, 32, bias=False), nn.Linear(32, 16, bias=False))
        >>> profile_step(model, torch.randn(1, 16), convention="matmul").total.flops
        5120
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    given = _inputs(model, inputs)
    mode = mode_of(model)
    if mode is not None:
        given = replace(given, args=fake_inputs(given.args, mode), kwargs=fake_inputs(given.kwargs, mode))
    prices = find_convention(convention)
    with ExitStack() as stack:
        if restore:
            stack.enter_context(undisturbed(model, train_mode))
            stack.enter_context(without_gradients(_leaves(model, given, optimizer)))
        else:
            stack.enter_context(training_mode(model, train_mode))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(running(mode))
        forward, passed = _passes(model, given, loss)
        if optimizer is not None:
            if restore:
                stack.enter_context(same_optimizer(optimizer))
            passed = _joined(passed, _optimize(optimizer))
    return Step(Profile(forward, prices, type(model).__name__, given.description), passed)


def _passes(
    model: torch.nn.Module, given: Inputs, loss: Callable[[Any], torch.Tensor] | None
) -> tuple[Recording, Recording]:
    """Runs forward and backward; returns the forward's recording and that of both."""
    timeline = Timeline(model)
    recorder = Recorder(model, grads=True, changed=lambda: timeline.note(recorder.tally))
    with recorder:
        output = model(*given.args, **given.kwargs)
        value = loss(output) if loss is not None else None
        recorder.differentiate(output if value is None else value)
    value = _scalar(_default_loss(output) if loss is None else value)
    backward = Backward(model, timeline)
    backward.run(value)
    calls, uncounted = backward.calls()
    forward = replace(recorder.recording(), notes=())  # what a custom function's backward costs is measured here
    return forward, _joined(forward, replace(Recording(), calls=tuple(calls), uncounted=tuple(uncounted)))


def _optimize(optimizer: torch.optim.Optimizer) -> Recording:
    with Recorder() as recorder:
        optimizer.step()
    recording = recorder.recording()
    return replace(recording, calls=tuple(replace(call, phase="optimizer") for call in recording.calls), modules=())


def _joined(first: Recording, second: Recording) -> Recording:
    return replace(first + second, grads=True)


def _inputs(model: torch.nn.Module, inputs: Any) -> Inputs:
    device = placement(model)[1]
    if isinstance(inputs, torch.Tensor):
        return from_arguments((inputs,), {}, device)
    if isinstance(inputs, Mapping):
        return from_arguments((), inputs, device)
    if isinstance(inputs, Sequence) and not isinstance(inputs, (str, bytes)):
        return from_arguments(tuple(inputs), {}, device)
    kind = type(inputs).__name__
    raise TypeError(f"inputs must be a tensor, a tuple or list, or a dict of the forward's arguments, not {kind}")


def _leaves(model: torch.nn.Module, given: Inputs, optimizer: Any) -> Iterator[torch.Tensor]:
    """Yields every tensor whose gradient the step may set."""
    yield from model.parameters()
    for value in pytree.tree_leaves((given.args, given.kwargs)):
        if isinstance(value, torch.Tensor) and value.is_leaf and value.requires_grad:
            yield value
    for group in optimizer.param_groups if optimizer is not None else ():
        yield from group["params"]


def _default_loss(output: Any) -> Any:
    own = loss_of(output)
    if own is not None:
        return own
    results = list(differentiable(output))
    if len(results) == 1 and results[0].numel() == 1:
        return results[0]
    if not results:
        raise ValueError("nothing the model returns requires a gradient, so there is no backward to run")
    return sum(each.sum() for each in results)


def _scalar(loss: Any) -> torch.Tensor:
    if not isinstance(loss, torch.Tensor):
        raise TypeError(f"the loss must be a tensor, not {type(loss).__name__}")
    if loss.numel() != 1:
        shape = tuple(loss.shape)
        raise ValueError(f"the loss must be a scalar, but it has the shape {shape}; reduce it, as by .mean()")
    if not loss.requires_grad:
        raise ValueError("the loss depends on nothing that requires a gradient, so there is no backward to run")
    return loss
