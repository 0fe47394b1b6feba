"""A transformer's forward FLOPs, term by term: every matrix product the model performs, by name.

What is counted: products of matrices and convolutions, at 2 FLOPs a multiply-accumulate. An embedding
lookup, a norm, a softmax, an activation, a bias and a residual are not products and count 0. Attention is
counted as an unfused kernel performs it, every query against every key; ``mask`` selects another count.
"""

from __future__ import annotations

from calprof.analytical.shape import Shape
from calprof.analytical.terms import Mask, Terms, add, pairs, scale

__all__ = ["block", "cross", "ends", "flops", "forward", "mlp", "moe", "projections"]


def projections(shape: Shape, queries: int, keys: int) -> Terms:
    """Query, key, value and output products of one attention, for `queries` and `keys` tokens.

    A projection of t tokens by an (i, o) weight takes ``2 t i o``. With latent attention the query passes
    through its rank, and key and value are expanded from a shared latent: arXiv:2405.04434, equations 9-13.
    """
    h, out = shape.hidden, 2 * queries * shape.output_width * shape.hidden
    if shape.latent is None:
        return {
            "query": 2 * queries * h * shape.query_width,
            "key": 2 * keys * h * shape.key_width,
            "value": 2 * keys * h * shape.value_width,
            "output": out,
        }
    latent = shape.latent
    query = {"query": 2 * queries * h * shape.query_width}
    if latent.q_rank:
        query = {
            "query_down": 2 * queries * h * latent.q_rank,
            "query_up": 2 * queries * latent.q_rank * shape.query_width,
        }
    return {
        **query,
        "latent_down": 2 * keys * h * (latent.kv_rank + latent.rope),
        "key_up": 2 * keys * latent.kv_rank * shape.heads * latent.nope,
        "value_up": 2 * keys * latent.kv_rank * shape.output_width,
        "output": out,
    }


def core(shape: Shape, batch: int, doubled_pairs: int) -> Terms:
    """The two products of attention itself, ``2 · heads · head_size`` FLOPs a pair each.

    Every query head counts, however few key/value heads there are: sharing keys saves memory, not products.
    """
    return {
        "scores": batch * shape.query_width * doubled_pairs,
        "weighted": batch * shape.output_width * doubled_pairs,
    }


def mlp(hidden: int, ffn: int, gated: bool, tokens: int) -> Terms:
    """The products of an MLP: up and down ``2 t h f`` each, and as much again for the gate."""
    one = 2 * tokens * hidden * ffn
    return {"gate": one, "up": one, "down": one} if gated else {"up": one, "down": one}


def moe(shape: Shape, tokens: int) -> Terms:
    """The products of a mixture of experts: the router, `top_k` experts a token, and the shared expert."""
    experts = shape.experts
    if experts is None:
        raise ValueError("moe needs a shape with experts, got one without")
    terms: Terms = {"router": 2 * tokens * shape.hidden * experts.count}
    terms |= scale(mlp(shape.hidden, experts.ffn, shape.gated, tokens * experts.top_k), 1, "experts/")
    if experts.shared:
        terms |= scale(mlp(shape.hidden, experts.shared, shape.gated, tokens), 1, "shared/")
    if experts.shared_gate:
        terms["shared/router"] = 2 * tokens * shape.hidden
    return terms


def block(shape: Shape, layer: int, batch: int, queries: int, keys: int, mask: Mask = "full") -> Terms:
    """Forward FLOPs of one block: self-attention of `queries` tokens over `keys`, and the MLP.

    Only the `queries` tokens are projected; the other keys come from a cache.
    """
    if not 0 <= layer < max(shape.layers, shape.decoder_layers):
        raise ValueError(f"layer must be between 0 and {shape.layers - 1}, got {layer}")
    tokens = batch * queries
    terms = scale(projections(shape, tokens, tokens), 1, "attention/")
    window = shape.window(layer) if layer < shape.layers else 0
    terms |= scale(core(shape, batch, pairs(queries, keys, mask, window)), 1, "attention/")
    if shape.has_experts(layer):
        return terms | scale(moe(shape, tokens), 1, "mlp/")
    return terms | scale(mlp(shape.hidden, shape.ffn, shape.gated, tokens), 1, "mlp/")


def cross(shape: Shape, batch: int, queries: int, keys: int) -> Terms:
    """Forward FLOPs of one cross-attention: queries from the decoder, keys and values from the encoder."""
    terms = projections(shape, batch * queries, batch * keys)
    return scale(terms | core(shape, batch, pairs(queries, keys)), 1, "cross/")


def ends(shape: Shape, batch: int, seq: int, logits: int | None = None) -> Terms:
    """Forward FLOPs outside the blocks: patch convolution, embedding projection, pooler and head.

    `logits` is the number of positions a language-model head runs on; None is all of them. A pooler and a
    classifier run on one token of each sequence.
    """
    positions = seq if logits is None else logits
    h, e = shape.hidden, shape.embedding
    terms: Terms = {}
    if shape.patches is not None:
        patch = shape.patches
        volume = patch.channels * patch.patch[0] * patch.patch[1]
        terms["embedding/patches"] = 2 * batch * patch.count * volume * h
    if e != h:
        terms["embedding/projection"] = 2 * batch * seq * e * h
    if shape.head == "mlm":
        terms["head/transform"] = 2 * batch * positions * h * e
    if shape.head in ("lm", "mlm"):
        terms["logits"] = 2 * batch * positions * e * shape.vocabulary
    if shape.pooler:
        terms["head/pooler"] = 2 * batch * h * shape.pooler
    if shape.head == "classifier":
        terms["head/classifier"] = 2 * batch * (shape.pooler or h) * shape.labels
    return terms


def forward(
    shape: Shape,
    batch: int = 1,
    seq: int | None = None,
    *,
    past: int = 0,
    target: int | None = None,
    mask: Mask = "full",
    logits: int | None = None,
    rotary: int = 0,
) -> Terms:
    """Forward FLOPs of the whole model, named and summed over its blocks.

    Args:
        shape: the model.
        batch: sequences.
        seq: tokens of each; an image model knows its own.
        past: tokens already in the key/value cache: decoding one token is ``seq=1, past=n``.
        target: decoder tokens of an encoder-decoder; None is `seq`.
        mask: which query-key pairs count; a bidirectional model always counts all of them.
        logits: positions the language-model head runs on; None is all.
        rotary: rotary frequencies that meet the positions in a matrix product, once per forward for all
            sequences together: half the head size in versions of transformers that do so, 0 where they are
            multiplied elementwise.

    Raises:
        ValueError: when a size is not positive, `seq` is missing or contradicts the image, or an
            encoder-decoder is given a `past`.

    Example:
        >>> gpt2 = Shape(layers=12, hidden=768, heads=12, vocabulary=50257)
        >>> sum(forward(gpt2, seq=1024).values())
        291648307200
    """
    seq = _length(shape, batch, seq, past)
    if shape.decoder_layers:
        if past or rotary:
            raise ValueError(f"an encoder-decoder takes no past and no rotary, got {past} and {rotary}")
        return _encoder_decoder(shape, batch, seq, seq if target is None else target, mask, logits)
    used: Mask = mask if shape.causal else "full"
    terms = add(block(shape, layer, batch, seq, past + seq, used) for layer in range(shape.layers))
    if rotary:
        terms["rotary/frequencies"] = 2 * rotary * seq
    return terms | ends(shape, batch, seq, logits)


def _length(shape: Shape, batch: int, seq: int | None, past: int) -> int:
    if shape.patches is not None:
        if seq not in (None, shape.patches.tokens):
            raise ValueError(f"an image of this shape has {shape.patches.tokens} tokens, got seq {seq}")
        seq = shape.patches.tokens
    if seq is None or seq < 1 or batch < 1 or past < 0:
        raise ValueError(f"expected batch and seq of at least 1 and past of at least 0, got {batch}, {seq}, {past}")
    return seq


def _encoder_decoder(shape: Shape, batch: int, source: int, target: int, mask: Mask, logits: int | None) -> Terms:
    encoder = add(block(shape, layer, batch, source, source) for layer in range(shape.layers))
    decoder = add(
        block(shape, layer, batch, target, target, mask) | cross(shape, batch, target, source)
        for layer in range(shape.decoder_layers)
    )
    stacks = scale(encoder, 1, "encoder/") | scale(decoder, 1, "decoder/")
    return stacks | ends(shape, batch, target, logits)


def flops(shape: Shape, batch: int = 1, seq: int | None = None, *, mask: Mask = "full", passes: int = 1) -> int:
    """Total FLOPs: the sum of `forward`, times `passes` (1 forward, 3 with the backward, 4 recomputed).

    A backward takes twice the products of its forward: one for each operand's gradient.
    """
    if passes not in (1, 2, 3, 4):
        raise ValueError(f"passes must be 1 (forward) to 4 (training with recomputation), got {passes}")
    return passes * sum(forward(shape, batch, seq, mask=mask).values())
