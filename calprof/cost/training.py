"""Training as passes over a recorded forward.

By factor, the convention: the backward pass costs twice the forward, because each product has two
operands with a gradient; recomputing every activation costs one forward more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from calprof.profiles import ModuleNode, Profile


@dataclass(frozen=True)
class Passes:
    """How many forwards each phase of a training step is worth.

    Raises:
        ValueError: A negative number of passes.

    Example:
        >>> Passes(recompute=1).total
        4
    """

    forward: float = 1
    backward: float = 2
    recompute: float = 0

    def __post_init__(self) -> None:
        for name in ("forward", "backward", "recompute"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0:
                raise ValueError(f"{name} must be a number of forwards >= 0, not {value!r}")

    @property
    def total(self) -> float:
        """All passes together, in forwards."""
        return self.forward + self.backward + self.recompute


@dataclass(frozen=True)
class Phase:
    """What one phase of a training step costs.

    Attributes:
        flops: FLOPs under the profile's convention.
        macs: MACs.
    """

    flops: int
    macs: int

    def __add__(self, other: Phase) -> Phase:
        return Phase(self.flops + other.flops, self.macs + other.macs)


@dataclass(frozen=True)
class Training:
    """A training step by phase, for the model and for each module.

    Attributes:
        forward: The forward pass.
        backward: The backward pass, without recomputation.
        recompute: Activations computed again during the backward pass.
        basis: One line saying how the phases were obtained.
        modules: The same by dotted path; empty on the entries themselves.
    """

    forward: Phase
    backward: Phase
    recompute: Phase
    basis: str = ""
    modules: Mapping[str, Training] = field(default_factory=dict, hash=False)

    @property
    def total(self) -> Phase:
        """The three phases together."""
        return self.forward + self.backward + self.recompute

    @property
    def backward_factor(self) -> float:
        """The backward's FLOPs in forwards."""
        return self.backward.flops / self.forward.flops if self.forward.flops else 0.0


def training_by_factor(
    profile: Profile, passes: Passes | None = None, overrides: Mapping[str, Passes] | None = None
) -> Training:
    """Returns a training step as multiples of the recorded forward.

    Args:
        profile: The recorded forward; autograd need not have been on.
        passes: The factors, 1 + 2 + 0 unless given.
        overrides: Factors for modules by dotted-path prefix, for selective recomputation; the longest prefix wins.

    Raises:
        ValueError: A prefix that is no module of the profile.

    Example:
        >>> training_by_factor(prof, Passes(recompute=1)).total.flops == 4 * prof.flops
        True
    """
    passes = passes or Passes()
    modules: dict[str, Training] = {}
    total = _scale(profile.root, passes_by_module(profile, passes, overrides), modules)
    basis = f"forward x{passes.forward:g}, backward x{passes.backward:g}, recompute x{passes.recompute:g}"
    return Training(total.forward, total.backward, total.recompute, basis, modules)


def passes_by_module(
    profile: Profile, passes: Passes, overrides: Mapping[str, Passes] | None = None
) -> dict[str, Passes]:
    """Returns the passes of each module of a profile: its own override, or else its parent's passes.

    Raises:
        ValueError: A prefix that is no module of the profile.
    """
    overrides = dict(overrides or {})
    paths = {node.path for node in profile.root.walk()}
    for prefix in overrides:
        if prefix not in paths:
            raise ValueError(f"no module of the profile has the path {prefix!r}")
    found: dict[str, Passes] = {}

    def assign(node: ModuleNode, inherited: Passes) -> None:
        found[node.path] = overrides.get(node.path, inherited)
        for child in node.children:
            assign(child, found[node.path])

    assign(profile.root, passes)
    return found


def _scale(node: ModuleNode, passes: Mapping[str, Passes], modules: dict[str, Training]) -> Training:
    parts = [_scale(child, passes, modules) for child in node.children]
    own = (node.own_flops, node.own_macs)
    forward, backward, recompute = (
        sum((getattr(part, name) for part in parts), multiple(own, getattr(passes[node.path], name)))
        for name in ("forward", "backward", "recompute")
    )
    modules[node.path] = Training(forward, backward, recompute)
    return modules[node.path]


def multiple(own: tuple[int, int], factor: float) -> Phase:
    """Returns a module's own FLOPs and MACs times a factor, each rounded once to the nearest integer."""
    exact = Fraction(factor)  # 1.5 stays exact
    return Phase(*(round(count * exact) for count in own))
