"""The catalogue's estimates: term by term, nanoGPT, and the rules made of parameters."""

from __future__ import annotations

from calprof.analytical import closed, decompositions
from calprof.analytical.formula import Formula, Scope, numbers
from calprof.analytical.shape import Shape
from calprof.analytical.weights import params

__all__ = ["ESTIMATES"]


def _active(shape: Shape) -> int:
    return params(shape, "active")


def _palm(shape: Shape) -> int:
    return sum(decompositions.palm_weights(shape).values())


_SIZES = ("layers", "hidden", "vocabulary")
_GPT = ("4h", "plain", "mha")

_EXACT = (
    Formula(
        name="exact",
        title="term by term, forward",
        source="the products the model performs",
        note="Every matrix product and convolution at 2 FLOPs a MAC, attention in full, routed experts only.",
        scope=Scope(passes=1, experts="routed"),
        plain=closed.exact_forward,
        terms=decompositions.exact,
        stacks=True,
    ),
    Formula(
        name="exact-training",
        title="term by term, forward and backward",
        source="the products the model performs",
        note="Three times the forward: each product has one more for the gradient of each operand.",
        scope=Scope(experts="routed"),
        plain=closed.exact_training,
        terms=decompositions.exact_training,
        stacks=True,
    ),
    Formula(
        name="nanogpt",
        title="nanoGPT, forward",
        source="karpathy/nanoGPT, transformer_sizing.ipynb",
        note="A GPT-2 of this depth and width: no key sharing, no gate, an MLP of 4h.",
        scope=Scope(passes=1, assumes=_GPT),
        plain=closed.nanogpt_forward,
        arguments=numbers(*_SIZES, "heads"),
        terms=decompositions.nanogpt,
    ),
    Formula(
        name="nanogpt-training",
        title="nanoGPT, forward and backward",
        source="karpathy/nanoGPT, transformer_sizing.ipynb",
        note="Backward is twice forward.",
        scope=Scope(assumes=_GPT),
        plain=closed.nanogpt_training,
        arguments=numbers(*_SIZES, "heads"),
        terms=decompositions.nanogpt_training,
    ),
)

_PARAMETERS = (
    Formula(
        name="2n",
        title="2N per token",
        source="arXiv:2001.08361, section 2.1",
        note="Forward: one MAC for each parameter a token uses. No attention; a lookup counts as a product.",
        scope=Scope(passes=1, embedding=True, attention="none", elementwise=True, experts="routed"),
        plain=closed.two_n,
        arguments=numbers(params=_active),
        terms=decompositions.two_n,
        stacks=True,
    ),
    Formula(
        name="6nd",
        title="6ND",
        source="arXiv:2001.08361, section 2.1",
        note="Training: 2N forward and 4N backward a token. No attention; a lookup counts as a product.",
        scope=Scope(embedding=True, attention="none", elementwise=True, experts="routed"),
        plain=closed.six_n_d,
        arguments=numbers(params=_active),
        terms=decompositions.six_n_d,
        stacks=True,
    ),
    Formula(
        name="8nd",
        title="8ND",
        source="arXiv:2205.05198 (full recomputation)",
        note="6ND and the forward once more, every activation recomputed.",
        scope=Scope(
            passes=4, embedding=True, attention="none", elementwise=True, experts="routed", redone="everything"
        ),
        plain=closed.eight_n_d,
        arguments=numbers(params=_active),
        terms=decompositions.eight_n_d,
        stacks=True,
    ),
    Formula(
        name="kaplan",
        title="Kaplan, 2N + 2·l·s·d",
        source="arXiv:2001.08361, equation 2.2 and table 1",
        note="Forward without embedding and logits; attention at its causal half.",
        scope=Scope(passes=1, logits=False, attention="half", assumes=("plain", "mha")),
        plain=closed.kaplan_forward,
        arguments=numbers("layers", "hidden", "ffn", attention=lambda shape: shape.query_width),
        terms=decompositions.kaplan,
    ),
    Formula(
        name="chinchilla",
        title="Chinchilla, appendix F",
        source="arXiv:2203.15556, appendix F",
        note="Embedding as a product, softmax at 3 FLOPs an element; the paper's table leaves the ends out.",
        scope=Scope(embedding=True, elementwise=True, assumes=("plain", "mha")),
        plain=closed.chinchilla_step,
        arguments=numbers(*_SIZES, "heads", "ffn", "head_size"),
        terms=decompositions.chinchilla,
    ),
    Formula(
        name="palm",
        title="PaLM, 6N + 12·L·H·Q·T",
        source="arXiv:2204.02311, appendix B",
        note="N is without learned positions and with one vocabulary table; attention in full.",
        scope=Scope(elementwise=True, experts="routed"),
        plain=closed.palm_step,
        arguments=numbers("layers", "heads", "head_size", params=_palm),
        terms=decompositions.palm,
    ),
)

ESTIMATES: tuple[Formula, ...] = (*_EXACT, *_PARAMETERS)
