"""Megatron-LM's current accounting of a training step.

Source: NVIDIA/Megatron-LM, megatron/training/training.py, ``num_floating_point_operations``. Every product is
charged 2 FLOPs a MAC and three times (forward, and one product for each gradient); a causal mask halves the
core of attention; embeddings, activations and most norms are free; only the `top_k` routed experts count.
"""

from __future__ import annotations

from dataclasses import dataclass

from calprof.analytical.shape import Shape
from calprof.analytical.terms import Terms, add, scale

__all__ = ["GatedDeltaNet", "Mamba", "attention", "flops", "hybrid", "mlp", "multi_token", "training"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mamba:
    """A Mamba-2 mixer as Megatron accounts for it; the inner width is twice the hidden one."""

    state: int = 128
    head_size: int = 64
    groups: int = 8
    heads: int = 128

    def forward(self, hidden: int, tokens: int) -> Terms:
        """FLOPs: the input and output products, and 7 a state element for the scan."""
        inner = 2 * hidden
        heads = self.heads or inner // self.head_size
        return {
            "mamba/in": 2 * tokens * hidden * (2 * inner + 2 * self.groups * self.state + heads),
            "mamba/scan": 7 * tokens * inner * self.state,
            "mamba/out": 2 * tokens * inner * hidden,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedDeltaNet:
    """A gated delta net layer as Megatron accounts for it."""

    key_size: int = 128
    value_size: int = 128
    key_heads: int = 16
    value_heads: int = 32
    kernel: int = 4

    def forward(self, hidden: int, tokens: int) -> Terms:
        """FLOPs: projections, a short convolution, and four products with the state for each value head."""
        keys, values = self.key_size * self.key_heads, self.value_size * self.value_heads
        return {
            "delta/in": 2 * tokens * hidden * (2 * keys + 2 * values + 2 * self.value_heads),
            "delta/convolution": 2 * tokens * self.kernel * (2 * keys + values),
            "delta/rule": 2 * tokens * 4 * self.value_heads * self.value_size**2,
            "delta/out": 2 * tokens * hidden * values,
        }


def attention(shape: Shape, tokens: int, squares: int) -> Terms:
    """Forward FLOPs of one attention layer on `tokens`, the core at half of `squares`, the sum of L².

    With latent attention the two norms of the ranks are charged 1 MAC an element.
    """
    h, core = (
        shape.hidden,
        {
            "attention/scores": shape.query_width * squares,
            "attention/weighted": shape.output_width * squares,
        },
    )
    output = {"attention/output": 2 * tokens * shape.output_width * h}
    latent = shape.latent
    if latent is None:
        widths = {"query": shape.query_width, "key": shape.key_width, "value": shape.value_width}
        return {f"attention/{name}": 2 * tokens * h * width for name, width in widths.items()} | core | output
    query = {"attention/query": 2 * tokens * h * shape.query_width}
    if latent.q_rank:
        query = {
            "attention/query_down": 2 * tokens * h * latent.q_rank,
            "attention/query_up": 2 * tokens * latent.q_rank * shape.query_width,
        }
    ranks = latent.kv_rank + latent.q_rank
    return (
        query
        | {
            "attention/latent_down": 2 * tokens * h * (latent.kv_rank + latent.rope),
            "attention/key_up": 2 * tokens * latent.kv_rank * shape.heads * latent.nope,
            "attention/value_up": 2 * tokens * latent.kv_rank * shape.output_width,
            "attention/norm": 2 * tokens * ranks,
        }
        | core
        | output
    )


def mlp(shape: Shape, tokens: int, experts: bool = False, latent: int = 0) -> Terms:
    """Forward FLOPs of one MLP on `tokens`; with `experts`, of the routed and the shared ones.

    The router is free. `latent` is the width the routed experts work in, between one product down to it and
    one back up (0: they work in the hidden width).
    """
    products = ("gate", "up", "down") if shape.gated else ("up", "down")
    if not experts:
        return {f"mlp/{name}": 2 * tokens * shape.hidden * shape.ffn for name in products}
    if shape.experts is None:
        raise ValueError("an expert layer needs a shape with experts, got one without")
    moe, h = shape.experts, shape.hidden
    terms = {f"mlp/experts/{name}": 2 * tokens * (latent or h) * moe.ffn * moe.top_k for name in products}
    if latent:
        terms["mlp/experts/latent"] = 2 * tokens * h * 2 * latent
    if moe.shared:
        terms |= {f"mlp/shared/{name}": 2 * tokens * h * moe.shared for name in products}
    return terms


def multi_token(shape: Shape, tokens: int, depth: int) -> Terms:
    """Forward FLOPs a multi-token prediction adds outside its blocks: norms, projection and logits."""
    return {
        "mtp/norm": 2 * tokens * depth * 3 * shape.hidden,
        "mtp/projection": 2 * tokens * depth * 2 * shape.hidden**2,
        "mtp/logits": 2 * tokens * depth * shape.hidden * shape.vocabulary,
    }


def training(
    shape: Shape,
    batch: int,
    seq: int,
    *,
    squares: int | None = None,
    tokens: int | None = None,
    mtp: int = 0,
    expert_latent: int = 0,
) -> Terms:
    """FLOPs of a training step, by term, summed over the blocks.

    `tokens` and `squares` describe packed sequences: the real tokens and the sum of their squared lengths, by
    default ``batch * seq`` and ``batch * seq²``. `mtp` blocks of multi-token prediction are like the last
    one.
    """
    tokens = batch * seq if tokens is None else tokens
    squares = batch * seq**2 if squares is None else squares
    kinds = [shape.has_experts(layer) for layer in range(shape.layers)]
    kinds += [kinds[-1]] * mtp
    blocks = add(attention(shape, tokens, squares) | mlp(shape, tokens, kind, expert_latent) for kind in kinds)
    logits = {"logits": 2 * tokens * shape.hidden * shape.vocabulary}
    extra = multi_token(shape, tokens, mtp) if mtp else {}
    return scale(blocks | logits | extra, 3)


def hybrid(
    shape: Shape,
    batch: int,
    seq: int,
    *,
    attention_layers: int,
    mlp_layers: int = 0,
    moe_layers: int = 0,
    mamba_layers: int = 0,
    delta_layers: int = 0,
    mamba: Mamba | None = None,
    delta: GatedDeltaNet | None = None,
    mtp: int = 0,
    expert_latent: int = 0,
) -> Terms:
    """FLOPs of a training step of a hybrid, by term: so many layers of each kind, each a block of its own.

    Here multi-token prediction repeats the logits only.
    """
    tokens, mamba, delta = batch * seq, mamba or Mamba(), delta or GatedDeltaNet()
    parts = [scale(attention(shape, tokens, batch * seq**2), attention_layers)]
    parts += [scale(mlp(shape, tokens), mlp_layers)]
    if moe_layers:
        parts += [scale(mlp(shape, tokens, True, expert_latent), moe_layers)]
    parts += [scale(mamba.forward(shape.hidden, tokens), mamba_layers)]
    parts += [scale(delta.forward(shape.hidden, tokens), delta_layers)]
    parts += [{"logits": 2 * tokens * shape.hidden * shape.vocabulary * (1 + mtp)}]
    return {name: count for name, count in scale(add(parts), 3).items() if count}


def flops(
    batch: int,
    seq: int,
    layers: int,
    hidden: int,
    heads: int,
    vocabulary: int,
    ffn: int = 0,
    kv_heads: int = 0,
    head_size: int = 0,
    gated: bool = False,
) -> int:
    """FLOPs of a training step of a dense decoder, from plain numbers.

    Example:
        >>> flops(1, 2048, 24, 2304, 24, 51200)
        21627307819008
    """
    shape = Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        ffn=ffn,
        gated=gated,
        vocabulary=vocabulary,
    )
    return sum(training(shape, batch, seq).values())
