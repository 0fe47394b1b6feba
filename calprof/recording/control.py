"""Calls whose inside is looked into: higher-order ops such as `torch.cond` and `flex_attention`, and gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch._ops import HigherOrderOperator
from torch.utils import _pytree as pytree

from calprof.ops.registry import Op, classify, resolve
from calprof.recording.differentiation import differentiate
from calprof.recording.flex import blocks_of
from calprof.recording.interception import Interception
from calprof.recording.regions import handling, hidden_batch, muted, watching

BRANCHING = frozenset({"cond", "while_loop", "while_loop_stack_output", "switch"})
"""Ops whose values say which body runs, and how often."""
REPEATING = frozenset({"scan", "associative_scan", "map_impl", "map"})
"""Ops that run their body once for each element; on fake tensors, once."""
RUNNING = BRANCHING | REPEATING | frozenset(
    {
        "autograd_function_apply", "custom_function_call", "foreach_map", "hints_wrapper", "invoke_quant",
        "invoke_subgraph", "local_map_hop", "out_dtype", "strict_mode", "tag_activation_checkpoint", "wrap",
        "wrap_activation_checkpoint", "wrap_with_autocast", "wrap_with_set_grad_enabled",
    }
)  # fmt: skip
"""Ops whose cost is that of the Python functions they run."""


def run(mode: Interception, hop: Any, args: Any, kwargs: Any) -> Any:
    """Runs a call that is looked into: a higher-order op, or one that differentiates.

    Of a higher-order op it notes what its bodies do, or itself where no body can be seen.
    """
    if not isinstance(hop, HigherOrderOperator):
        return differentiate(mode, hop, args, kwargs)
    name = hop.name()
    if name == "flex_attention":
        return _attend(mode, hop, args, kwargs)
    op = classify(hop)
    if op.state != "unknown" or name not in RUNNING:
        return _note(mode, hop, op, args, kwargs)
    if name in BRANCHING | REPEATING and _any_fake(args):
        reason = "what its bodies do depends on values, which fake tensors do not have"
        return _note(mode, hop, Op(op.name, "uncountable", "control", reason=reason), args, kwargs)
    kernel = hop.py_kernels.get(torch._C.DispatchKey.CompositeExplicitAutograd)
    if kernel is not None and not torch._C._are_functorch_transforms_active():
        # Its own loop over the bodies. Autograd sees their ops, instead of a trace of them.
        with mode:
            return kernel(*args, **kwargs)
    # Called as usual it would look for the function mode again, and find this handler.
    keys = torch._ops._compute_keyset(args, kwargs, hop.non_fallthrough_keys)
    with handling(mode, watching()), mode:
        return hop.dispatch(keys.highestPriorityTypeId(), *args, **kwargs)


def _any_fake(args: Any) -> bool:
    # By name: importing the class takes longer than most forwards.
    return any(type(leaf).__name__ == "FakeTensor" for leaf in pytree.tree_leaves(args))


def _note(mode: Interception, hop: Any, op: Op, args: Any, kwargs: Any) -> Any:
    out = hop(*args, **kwargs)
    if op.state != "free":
        mode.note(op, args, kwargs, out, hidden_batch(mode, (args, kwargs, out)))
    return out


def _attend(mode: Interception, hop: Any, args: Any, kwargs: Any) -> Any:
    out = hop(*args, **kwargs)
    op = classify(hop)
    query, key, value, score_mod, block_mask = args[:5]
    blocks = blocks_of(query, key, block_mask)
    times = hidden_batch(mode, args[:3])
    mode.note(op, (query, key, value, blocks), {}, out, times)
    if blocks.kept:
        _score(mode, score_mod, query, blocks.kept * times)
    return out


def _score(mode: Interception, score_mod: Any, query: torch.Tensor, scores: int) -> None:
    """Notes what `score_mod` does to one score, as often as there are scores."""

    def each(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = resolve(func)
        out = func(*args, **(kwargs or {}))
        if op is not None:
            mode.note(op, args, kwargs, out, scores)
        return out

    score = torch.zeros((), dtype=query.dtype, device=query.device)
    place = [torch.zeros((), dtype=torch.int32, device=query.device) for _ in range(4)]
    with torch.no_grad(), torch.random.fork_rng(devices=[]), muted(mode), handling(mode, each), mode:
        score_mod(score, *place)
