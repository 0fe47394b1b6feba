"""mamba_ssm and causal_conv1d: selective state spaces, as a scan and in chunks."""

from __future__ import annotations

from typing import Any

from calprof.ops.activations import softplus
from calprof.ops.attention import kept_below_diagonal
from calprof.ops.products import product
from calprof.ops.registry import kernel
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "state space"
_SCAN = "mamba_ssm.ops.selective_scan_interface."
_CHUNKED = "mamba_ssm.ops.triton.ssd_combined."
_CONVOLUTION = "causal_conv1d.causal_conv1d_interface."
_SILU = ("silu", "swish")


@kernel(FAMILY, _CONVOLUTION + "causal_conv1d_fn")
def causal_conv1d_fn(
    x: Shape, weight: Shape, bias: Shape | None = None, seq_idx: Shape | None = None,
    initial_states: Shape | None = None, return_final_states: bool = False, final_states_out: Shape | None = None,
    activation: str | None = None, *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """A depthwise convolution over the last `width` steps of each of (batch, channels, length), bias and SiLU."""
    return _convolution(x, weight, bias is not None, activation in _SILU)


@kernel(FAMILY, _CONVOLUTION + "causal_conv1d_update")
def causal_conv1d_update(
    x: Shape, conv_state: Shape, weight: Shape, bias: Shape | None = None, activation: str | None = None,
    *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """The same convolution for one new step, or a few, behind a state that holds the steps before."""
    return _convolution(x, weight, bias is not None, activation in _SILU)


def _convolution(x: Shape, weight: Shape, biased: bool, activated: bool) -> Cost:
    elements = x.numel()
    work = Work(conv_bias=elements if biased else 0, silu=elements if activated else 0)
    return product(elements * weight[-1], x, weight) + work


def _gates(elements: int, skipped: bool, gated: bool) -> Work:
    """The skip y + D·u and the gate y·silu(z) of each output."""
    gate = elements if gated else 0
    skip = elements if skipped else 0
    return Work(multiply=skip + gate, add=skip, silu=gate)


def _steps(elements: int, biased: bool, softened: bool) -> Work:
    """The step sizes softplus(Δ + bias)."""
    work = Work(add=elements if biased else 0)
    return work + softplus(out=Shape((elements,))) if softened else work


@kernel(FAMILY, _SCAN + "selective_scan_fn")
def selective_scan_fn(
    u: Shape, delta: Shape, A: Shape, B: Shape, C: Shape, D: Shape | None = None, z: Shape | None = None,
    delta_bias: Shape | None = None, delta_softplus: bool = False, *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """H = exp(Δ·A)·h + (Δ·u)·B and y = C·h for each of (batch, channels, length) and each state.

    For each state a product and an exp for exp(Δ·A), a product for (Δ·u)·B, a product and an addition for h, and a
    MAC of C·h; for each input one product Δ·u. Source: Gu and Dao, Mamba (2023), algorithm 2 and equation 2.
    """
    inputs = u.numel()
    states = inputs * A[-1]
    work = Work(multiply=3 * states + inputs, transcendental=states, add=states)
    return (
        product(states, u, C)
        + work
        + _steps(inputs, delta_bias is not None, delta_softplus)
        + _gates(inputs, D is not None, z is not None)
    )


@kernel(FAMILY, "mamba_ssm.ops.triton.selective_state_update.selective_state_update")
def selective_state_update(
    state: Shape, x: Shape, dt: Shape, A: Shape, B: Shape, C: Shape, D: Shape | None = None, z: Shape | None = None,
    dt_bias: Shape | None = None, dt_softplus: bool = False, *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """One step of the scan for a state of (batch, channels, states) or (batch, heads, channels, states)."""
    inputs = Shape((x.numel(),), x.dtype, x.requires_grad)
    return selective_scan_fn(inputs, dt, Shape((state[-1],)), B, C, D, z, dt_bias, dt_softplus, out=out)


@kernel(FAMILY, _SCAN + "mamba_inner_fn")
def mamba_inner_fn(
    xz: Shape, conv1d_weight: Shape, conv1d_bias: Shape | None, x_proj_weight: Shape, delta_proj_weight: Shape,
    out_proj_weight: Shape, out_proj_bias: Shape | None, A: Shape, B: Shape | None = None, C: Shape | None = None,
    D: Shape | None = None, delta_bias: Shape | None = None, B_proj_bias: Shape | None = None,
    C_proj_bias: Shape | None = None, delta_softplus: bool = True, *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """A whole Mamba mixer behind its input projection: convolution, projections, scan and output projection.

    `xz` is (batch, 2 x channels, length). Source: Gu and Dao, Mamba (2023), figure 3.
    """
    batch, channels, length = xz[0], xz[1] // 2, xz[2]
    x = Shape((batch, channels, length), xz.dtype, xz.requires_grad)
    tokens = batch * length
    projected = product(tokens * x_proj_weight.numel(), x, x_proj_weight)
    stepped = product(tokens * delta_proj_weight.numel(), x, delta_proj_weight)
    output = product(tokens * out_proj_weight.numel(), x, out_proj_weight)
    biases = sum(tokens * A[-1] for bias in (B_proj_bias, C_proj_bias) if bias is not None)
    scan = selective_scan_fn(x, x, A, x, x, D, x, delta_bias, delta_softplus, out=out)
    return (
        _convolution(x, conv1d_weight, conv1d_bias is not None, True)
        + projected
        + stepped
        + scan
        + output
        + Work(add=biases, linear_bias=0 if out_proj_bias is None else tokens * out_proj_weight[0])
    )


@kernel(FAMILY, _CHUNKED + "mamba_chunk_scan_combined")
def mamba_chunk_scan_combined(
    x: Shape, dt: Shape, A: Shape, B: Shape, C: Shape, chunk_size: int, D: Shape | None = None,
    z: Shape | None = None, dt_bias: Shape | None = None, initial_states: Shape | None = None,
    seq_idx: Shape | None = None, cu_seqlens: Shape | None = None, dt_softplus: bool = False,
    *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """The scan as attention inside chunks and a state passed between them.

    `x` is (batch, length, heads, width), `B` and `C` (batch, length, groups, states). Inside a chunk C·Bᵀ for every
    group, weighed by the decay, times x for every head, on and below the diagonal; then the state each chunk adds,
    B·x, and what it reads, C·h. Source: Dao and Gu, Transformers are SSMs (2024), section 6 and listing 1.
    """
    batch, length, heads, width = x
    groups, states = B[2], B[3]
    whole, rest = divmod(length, chunk_size)
    chunks = [chunk_size] * whole + [rest] * bool(rest)
    pairs = batch * sum(size * size for size in chunks)
    kept = batch * sum(kept_below_diagonal(size, size) for size in chunks)
    weights = Shape((), requires_grad=B.requires_grad or C.requires_grad)
    inside = product(groups * kept * states, C, B) + product(heads * kept * width, weights, x)
    skipped = product(groups * (pairs - kept) * states, C, B) + product(heads * (pairs - kept) * width, weights, x)
    between = product(x.numel() * states, B, x) + product(x.numel() * states, C, x)
    passed = batch * len(chunks) * heads * width * states
    steps = dt.numel()
    elementwise = Work(
        # Δ·A and its running sum; the decay of a chunk's start and end; of each pair; of x, of y and of the state.
        multiply=steps + 2 * heads * kept + 2 * x.numel() + passed,
        add=steps + steps + heads * kept + x.numel() + passed,
        transcendental=2 * steps + heads * kept,
    )
    masked = Cost(Work(masked_mac=skipped.forward["mac"]), Work(masked_mac=skipped.backward["mac"]))
    return (
        inside
        + masked
        + between
        + elementwise
        + _steps(steps, dt_bias is not None, dt_softplus)
        + _gates(x.numel(), D is not None, z is not None)
    )


@kernel(FAMILY, _CHUNKED + "mamba_split_conv1d_scan_combined")
def mamba_split_conv1d_scan_combined(
    zxbcdt: Shape, conv1d_weight: Shape, conv1d_bias: Shape | None, dt_bias: Shape, A: Shape, D: Shape | None,
    chunk_size: int, initial_states: Shape | None = None, seq_idx: Shape | None = None, dt_limit: Any = None,
    return_final_states: bool = False, activation: str = "silu", rmsnorm_weight: Shape | None = None,
    rmsnorm_eps: float = 1e-6, outproj_weight: Shape | None = None, outproj_bias: Shape | None = None,
    headdim: int | None = None, ngroups: int = 1, *_: Any, out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """A whole Mamba-2 mixer behind its input projection: convolution, scan, gated norm and output projection.

    `zxbcdt` is (batch, length, gate, x, B, C and Δ one after another). Source: Dao and Gu, Transformers are SSMs
    (2024), figure 6.
    """
    batch, length, _all = zxbcdt
    heads = dt_bias[-1]
    width = (D[1] if D is not None and len(D) == 2 else headdim) or 0
    inner, mixed = heads * width, conv1d_weight[0]
    states = (mixed - inner) // (2 * ngroups)
    needs = zxbcdt.requires_grad
    x = Shape((batch, length, heads, width), zxbcdt.dtype, needs)
    read = Shape((batch, length, ngroups, states), zxbcdt.dtype, needs)
    gate = None if rmsnorm_weight is not None else x
    scanned = mamba_chunk_scan_combined(
        x, Shape((batch, length, heads)), A, read, read, chunk_size, D, gate, dt_bias, dt_softplus=True, out=out
    )
    convolved = _convolution(
        Shape((batch, mixed, length), zxbcdt.dtype, needs), conv1d_weight, conv1d_bias is not None,
        activation in _SILU,
    )  # fmt: skip
    cost = convolved + scanned
    if rmsnorm_weight is not None:
        cost += Work(rms_norm=x.numel(), rms_scale=x.numel(), silu=x.numel(), multiply=x.numel())
    if outproj_weight is not None:
        biases = 0 if outproj_bias is None else batch * length * outproj_weight[0]
        cost += product(batch * length * outproj_weight.numel(), x, outproj_weight) + Work(linear_bias=biases)
    return cost
