"""The exact cost of the backward pass, from one forward recorded with autograd on.

- **Products** cost the forward's MACs once for each operand that needs a gradient, which the recording notes
  for each call. Frozen parameters, first layers, adapters, `torch.no_grad` blocks and detached results need none,
  and neither does what the loss (or, without one, the model's output) does not depend on. Attention is the
  gradient of its two products, four at most; a flash kernel computes the scores once more, which a forward
  does not tell and `profile_step` measures.
- **Elementwise work** has a gradient about as large as itself, so by rule it costs the forward's once more
  where the result needs a gradient. MACs are exact; FLOPs of elementwise work are by this rule.
- **Recomputation** is a number of forwards, as by factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from calprof.cost.training import Passes, Phase, Training, multiple, passes_by_module
from calprof.profiles import ModuleNode, Profile, build_tree
from calprof.recording.recording import Recording
from calprof.work import Cost


def training_exact(
    profile: Profile, recompute: bool | float = False, overrides: Mapping[str, Passes] | None = None
) -> Training:
    """Returns a training step whose backward is what the recorded forward's gradient needs.

    Args:
        profile: A forward recorded with `training="exact"`.
        recompute: Whether every activation is computed again, or how many forwards that costs.
        overrides: Passes of modules by dotted-path prefix, of which only `recompute` counts; the longest
            prefix wins.

    Raises:
        ValueError: A recording made without `training="exact"`, a negative `recompute`, or a prefix that is no
            module of the profile.

    Example:
        The first of two layers needs no gradient for its input.

        >>> prof = profile(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), (1, 8), training="exact")
        >>> training_exact(prof).backward.macs / prof.macs
        1.5
    """
    if not profile.recording.grads:
        raise ValueError('the exact backward needs a forward recorded with autograd on: profile(..., training="exact")')
    passes = passes_by_module(profile, Passes(recompute=float(recompute)), overrides)
    backward = build_tree(gradients(profile.recording), profile.convention, profile.kind)
    modules: dict[str, Training] = {}
    total = _phases(profile.root, backward, passes, modules)
    basis = "backward exact: once for each operand that needs a gradient"
    if total.recompute.flops or total.recompute.macs:
        basis += f"; recompute x{Passes(recompute=float(recompute)).recompute:g}"
    return replace(total, basis=basis, modules=modules)


def gradients(recording: Recording) -> Recording:
    """Returns the recording whose forward is this one's backward."""
    calls = (replace(call, cost=Cost(call.cost.backward)) for call in recording.calls)
    return replace(recording, calls=tuple(calls))


def _phases(
    node: ModuleNode, backward: ModuleNode, passes: Mapping[str, Passes], modules: dict[str, Training]
) -> Training:
    parts = [
        _phases(child, below, passes, modules) for child, below in zip(node.children, backward.children, strict=True)
    ]
    own = multiple((node.own_flops, node.own_macs), passes[node.path].recompute)
    again = sum((part.recompute for part in parts), own)
    modules[node.path] = Training(Phase(node.flops, node.macs), Phase(backward.flops, backward.macs), again)
    return modules[node.path]
