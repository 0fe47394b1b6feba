"""A transformer's parameters, term by term, under the names of `calprof.analytical.terms`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from calprof.analytical.shape import Shape
from calprof.analytical.terms import Terms, add, scale

__all__ = ["Which", "active", "block", "params", "weights"]

Which = Literal["all", "active", "non-embedding"]
"""``all``: every parameter; ``active``: `top_k` experts of each mixture; ``non-embedding``: without the
tables that are looked up (tokens, positions, types)."""

QK_NORM: dict[str, Callable[[Shape], int]] = {
    "": lambda shape: 0,
    "head": lambda shape: 2 * shape.head_size,
    "width": lambda shape: shape.query_width + shape.key_width,
}


def projections(shape: Shape) -> Terms:
    """Query, key, value and output matrices of one attention, its biases, and the norms inside it."""
    h, latent = shape.hidden, shape.latent
    if latent is not None:
        query = {"query": h * shape.query_width}
        if latent.q_rank:
            query = {"query_down": h * latent.q_rank, "query_up": latent.q_rank * shape.query_width}
        terms = {
            **query,
            "latent_down": h * (latent.kv_rank + latent.rope),
            "key_up": latent.kv_rank * shape.heads * latent.nope,
            "value_up": latent.kv_rank * shape.output_width,
            "norm": latent.q_rank + latent.kv_rank,
        }
        qkv_bias = latent.q_rank + latent.kv_rank + latent.rope
    else:
        terms = {
            "query": h * shape.query_width,
            "key": h * shape.key_width,
            "value": h * shape.value_width,
            "norm": QK_NORM[shape.qk_norm](shape),
            "sinks": shape.heads * shape.sinks,
        }
        qkv_bias = shape.query_width + shape.key_width + shape.value_width
    terms["output"] = shape.output_width * h
    terms["bias"] = qkv_bias * ("qkv" in shape.biases) + h * ("output" in shape.biases)
    return _present(terms)


def mlp(shape: Shape, ffn: int) -> Terms:
    """Matrices of an MLP of inner width `ffn`, and its biases."""
    one = shape.hidden * ffn
    terms = {"gate": one if shape.gated else 0, "up": one, "down": one}
    terms["bias"] = ((2 if shape.gated else 1) * ffn + shape.hidden) * ("ffn" in shape.biases)
    return _present(terms)


def moe(shape: Shape) -> Terms:
    """Router, all experts, and the shared expert of a mixture."""
    experts = shape.experts
    if experts is None:
        raise ValueError("moe needs a shape with experts, got one without")
    terms: Terms = {"router": shape.hidden * experts.count}
    if "router" in shape.biases:
        terms["router/bias"] = experts.count
    terms |= scale(mlp(shape, experts.ffn), experts.count, "experts/")
    if experts.shared:
        terms |= scale(mlp(shape, experts.shared), 1, "shared/")
    if experts.shared_gate:
        terms["shared/router"] = shape.hidden
    return terms


def block(shape: Shape, layer: int) -> Terms:
    """Parameters of one block: attention, MLP, norms."""
    inner = moe(shape) if shape.has_experts(layer) else mlp(shape, shape.ffn)
    norm = {"norm/block": shape.norms_per_block * shape.norm * shape.hidden}
    return scale(projections(shape), 1, "attention/") | scale(inner, 1, "mlp/") | norm


def ends(shape: Shape) -> Terms:
    """Parameters outside the blocks: tables, patch convolution, head, and the norms around them."""
    h, e = shape.hidden, shape.embedding
    stacks = 2 if shape.decoder_layers else 1
    terms = {
        "embedding/token": shape.vocabulary * e,
        "embedding/position": shape.positions * e,
        "embedding/type": shape.types * e,
        "embedding/relative": stacks * shape.relative_buckets * shape.heads,
        "embedding/projection": e * h + h if e != h else 0,
        "norm/embedding": shape.norm * e if shape.embedding_norm else 0,
        "norm/final": stacks * shape.norm * h if shape.final_norm else 0,
    }
    if shape.patches is not None:
        patch = shape.patches
        volume = patch.channels * patch.patch[0] * patch.patch[1]
        terms["embedding/patches"] = (volume + 1) * h
        terms["embedding/position"] = patch.tokens * h
        terms["embedding/extra"] = patch.extra * h
    if shape.head == "mlm":
        terms["head/transform"] = h * e
        terms["head/bias"] = e
        terms["norm/head"] = shape.norm * e
    if shape.head in ("lm", "mlm"):
        terms["logits"] = 0 if shape.tied else e * shape.vocabulary
        terms["logits/bias"] = shape.vocabulary * ("logits" in shape.biases)
    if shape.pooler:
        terms["head/pooler"] = (h + 1) * shape.pooler
    if shape.head == "classifier":
        terms["head/classifier"] = ((shape.pooler or h) + ("classifier" in shape.biases)) * shape.labels
    return _present(terms)


def weights(shape: Shape) -> Terms:
    """Every parameter of the model, named and summed over its blocks; a shared table counts once.

    Example:
        >>> gpt2 = Shape(layers=12, hidden=768, heads=12, vocabulary=50257, positions=1024, tied=True)
        >>> sum(weights(gpt2).values())
        124337664
    """
    stack = add(block(shape, layer) for layer in range(shape.layers))
    if not shape.decoder_layers:
        return stack | ends(shape)
    crossed = scale(projections(shape), 1, "cross/") | {"norm/cross": shape.norm * shape.hidden}
    decoder = add(block(shape, layer) | crossed for layer in range(shape.decoder_layers))
    return scale(stack, 1, "encoder/") | scale(decoder, 1, "decoder/") | ends(shape)


def active(shape: Shape) -> Terms:
    """Like `weights`, with `top_k` experts of each mixture instead of all of them."""
    terms = weights(shape)
    if shape.experts is None:
        return terms
    count, top_k = shape.experts.count, shape.experts.top_k
    return {name: n // count * top_k if "mlp/experts/" in name else n for name, n in terms.items()}


def params(shape: Shape, which: Which = "all") -> int:
    """Number of parameters.

    Example:
        >>> mixtral = Shape(layers=1, hidden=8, heads=2, vocabulary=11, tied=True)
        >>> params(mixtral), params(mixtral, "non-embedding")
        (880, 792)
    """
    terms = active(shape) if which == "active" else weights(shape)
    if which == "non-embedding":
        lookups = ("embedding/token", "embedding/position", "embedding/type")
        return sum(count for name, count in terms.items() if name not in lookups)
    if which not in ("all", "active"):
        raise ValueError(f"which must be all, active or non-embedding, got {which!r}")
    return sum(terms.values())


def _present(terms: Terms) -> Terms:
    return {name: count for name, count in terms.items() if count}
