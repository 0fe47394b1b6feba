"""Each formula's value on a shape, split under the names of `calprof.analytical.terms`.

The terms of a formula sum to its value, so the difference between two of them, or between one and a
profile, is a sum of named differences. A formula made of parameters gives each parameter tensor its share.
"""

from __future__ import annotations

from calprof.analytical import chinchilla as chinchilla_form
from calprof.analytical import megatron as megatron_form
from calprof.analytical import narayanan as narayanan_form
from calprof.analytical.electra import TransformerHparams
from calprof.analytical.shape import Shape
from calprof.analytical.terms import Terms, add, scale
from calprof.analytical.transformer import forward
from calprof.analytical.weights import active, weights

LOOKUPS = ("embedding/token", "embedding/position", "embedding/type", "embedding/relative")


def exact(shape: Shape, batch: int, seq: int) -> Terms:
    """Every product of one forward."""
    return forward(shape, batch, seq)


def exact_training(shape: Shape, batch: int, seq: int) -> Terms:
    """Every product of a forward and its backward, three times the forward."""
    return scale(forward(shape, batch, seq), 3)


def nanogpt(shape: Shape, batch: int, seq: int) -> Terms:
    """A GPT-2 of this depth and width: four square products of attention, an MLP of 4h, no gate."""
    return narayanan_form.forward(batch, seq, shape.layers, shape.hidden, shape.vocabulary)


def nanogpt_training(shape: Shape, batch: int, seq: int) -> Terms:
    """The same, forward and backward."""
    return scale(nanogpt(shape, batch, seq), 3)


def per_parameter(shape: Shape, tokens: int, factor: int) -> Terms:
    """`factor` FLOPs a token for every parameter a token may use."""
    return scale(active(shape), factor * tokens)


def two_n(shape: Shape, batch: int, seq: int) -> Terms:
    """2N a token."""
    return per_parameter(shape, batch * seq, 2)


def six_n_d(shape: Shape, batch: int, seq: int) -> Terms:
    """6N a token."""
    return per_parameter(shape, batch * seq, 6)


def eight_n_d(shape: Shape, batch: int, seq: int) -> Terms:
    """8N a token."""
    return per_parameter(shape, batch * seq, 8)


def kaplan(shape: Shape, batch: int, seq: int) -> Terms:
    """Non-embedding weights twice a token, as plain multi-head attention and MLP, and the causal half."""
    tokens, width = batch * seq, shape.query_width
    square, product = 2 * tokens * shape.hidden * width, 2 * tokens * shape.hidden * shape.ffn
    half = batch * seq * seq * width
    block = {
        "attention/query": square,
        "attention/key": square,
        "attention/value": square,
        "attention/scores": half,
        "attention/weighted": half,
        "attention/output": square,
        "mlp/up": product,
        "mlp/down": product,
    }
    return scale(block, shape.layers)


def chinchilla(shape: Shape, batch: int, seq: int) -> Terms:
    """Appendix F's terms, three forwards."""
    terms = chinchilla_form.forward(
        seq, shape.vocabulary, shape.hidden, shape.heads, shape.layers, shape.ffn, shape.head_size
    )
    return scale(terms, 3 * batch)


def palm_weights(shape: Shape) -> Terms:
    """The parameters of PaLM's N: without learned positions, and with one vocabulary table.

    A tied table stays, because the output layer multiplies by it; an untied input table is only looked up.
    """
    dropped = ["embedding/position", "embedding/type"] + ([] if shape.tied else ["embedding/token"])
    return {name: count for name, count in active(shape).items() if name not in dropped}


def attention_core(shape: Shape, batch: int, seq: int, scores: int, weighted: int) -> Terms:
    """6 FLOPs a token for each of the widths of scores and weighted values, and each position, in full."""
    each = 6 * shape.layers * batch * seq * seq
    return {"attention/scores": each * scores, "attention/weighted": each * weighted}


def palm(shape: Shape, batch: int, seq: int) -> Terms:
    """6 for each parameter of N, and half of 12·L·H·Q·T for each product of attention."""
    core = attention_core(shape, batch, seq, shape.query_width, shape.query_width)
    return scale(palm_weights(shape), 6 * batch * seq) | core


def narayanan(shape: Shape, batch: int, seq: int) -> Terms:
    """Blocks four times, logits three times."""
    terms = nanogpt(shape, batch, seq)
    return {name: (3 if name == "logits" else 4) * count for name, count in terms.items()}


def megatron_deepspeed(shape: Shape, batch: int, seq: int) -> Terms:
    """The published factored form; a gated shape scales every term by 4/3, the MLP's third being the gate.

    The 8Bsh² that the coefficient gains is the gate's, and the surplus of attention and logits stays with
    them.
    """
    terms = narayanan(shape, batch, seq)
    if not shape.gated:
        return terms
    terms["mlp/gate"] = terms["mlp/up"]
    for name in ("attention/scores", "attention/weighted"):
        terms[name] = terms[name] * 4 // 3
    total = narayanan_form.megatron_deepspeed(batch, seq, shape.layers, shape.hidden, shape.vocabulary, gated=True)
    # Whatever rounding left goes with the logits, the one term the formula itself only approximates.
    return terms | {"logits": total - sum(n for name, n in terms.items() if name != "logits")}


def korthikanti(shape: Shape, batch: int, seq: int) -> Terms:
    """Blocks and logits three times."""
    return nanogpt_training(shape, batch, seq)


def korthikanti_selective(shape: Shape, batch: int, seq: int) -> Terms:
    """Blocks and logits three times, the core of attention six."""
    terms = nanogpt_training(shape, batch, seq)
    return terms | {name: 2 * terms[name] for name in ("attention/scores", "attention/weighted")}


def megatron(shape: Shape, batch: int, seq: int) -> Terms:
    """Megatron's own terms."""
    return megatron_form.training(shape, batch, seq)


def torchtitan(shape: Shape, batch: int, seq: int) -> Terms:
    """6 for each active parameter that is not looked up, the output table included even when tied."""
    terms = {name: count for name, count in active(shape).items() if name not in LOOKUPS}
    if shape.head in ("lm", "mlm"):
        terms["logits"] = shape.embedding * shape.vocabulary
    core = attention_core(shape, batch, seq, shape.query_width, shape.output_width)
    return scale(terms, 6 * batch * seq) | core


def huggingface_inputs(shape: Shape, seq: int) -> int:
    """Numbers in one input, which the rule multiplies by: tokens, or all the pixels of an image."""
    patches = shape.patches
    return patches.channels * patches.image[0] * patches.image[1] if patches else seq


def huggingface(shape: Shape, batch: int, seq: int) -> Terms:
    """6 for each parameter that is in no embedding table; a tied output table goes with the embedding.

    An image model's learned positions are no such table.
    """
    tables = () if shape.patches else LOOKUPS
    terms = {name: count for name, count in weights(shape).items() if name not in tables}
    return scale(terms, 6 * batch * huggingface_inputs(shape, seq))


def mosaicml(shape: Shape, batch: int, seq: int) -> Terms:
    """6 for each active parameter, tables included, and 12·L·d·T² for attention."""
    core = attention_core(shape, batch, seq, shape.hidden, shape.hidden)
    return per_parameter(shape, batch * seq, 6) | core


def electra(shape: Shape, batch: int, seq: int) -> Terms:
    """ELECTRA's terms, two forwards, the output softmax on every token."""
    hparams = TransformerHparams(
        shape.hidden,
        shape.layers,
        s=seq,
        v=shape.vocabulary,
        e=shape.embedding,
        i=shape.ffn,
        heads=shape.heads,
    )
    block = hparams.block_terms()
    third = block.pop("attention/kqv") // 3
    block |= dict.fromkeys(("attention/query", "attention/key", "attention/value"), third)
    ends = add([hparams.embedding_terms(), hparams.output_terms()])
    return scale(add([scale(block, shape.layers), ends]), 2 * batch * seq)
