"""Why a formula's value differs from a profile: named differences that sum to it exactly.

A formula is held beside the term-by-term count of the same shape, term by term, and that count beside the
recording, row by row; each gap goes to the cause that explains it.
"""

from __future__ import annotations

from collections.abc import Mapping

from calprof.analytical import Formula, Shape, Terms
from calprof.analytical.decompositions import huggingface_inputs
from calprof.analytical.terms import add, scale
from calprof.analytical.transformer import forward
from calprof.conventions import Convention
from calprof.work import Work

__all__ = ["CAUSES", "exact_terms", "formula_gaps", "formula_terms", "profile_gaps", "unpriced"]

CAUSES: Mapping[str, str] = {
    "embedding lookup": "looking up a token or a position charged as a product",
    "pixels as tokens": "all the numbers of an image in place of its patches",
    "embedding projection": "the product from patches or from a narrow table to the model's width",
    "logits": "the output layer",
    "attention core": "scores and weighted values",
    "causal half": "the scores above the diagonal of a causal mask",
    "shared keys": "key and value projections as wide as the query's, where heads share them",
    "attention width": "heads that together are not as wide as the model",
    "latent attention": "keys and values expanded from a shared latent",
    "MLP gate": "the product of a gated MLP's gate",
    "MLP width": "an MLP that is not four times as wide as the model",
    "experts": "the MLPs of a mixture of experts",
    "router": "the product that chooses experts",
    "head": "what follows the last block other than the output layer",
    "decoder length": "a decoder that reads another length than the encoder",
    "biases": "biases, as parameters or as additions",
    "norms": "norms, as parameters or as operations",
    "elementwise": "softmax, activations, residuals, dropout and the like",
    "rotary": "rotary frequencies times positions, as a product",
    "recomputation": "activations computed again",
    "backward": "a backward of one forward instead of two",
    "other": "what no cause above explains",
}
"""Cause to what it is about. A gap between the shape's own count and the run is `run: ` and its row."""

_NORMS = frozenset({"norm_statistics", "normalize", "affine", "rms_norm", "rms_scale"})
_BIASES = frozenset({"linear_bias", "conv_bias", "bias"})
_ELEMENTWISE = frozenset({"softmax", "dropout", "scale", "residual", "activation", "add", "target", "sinks"})
_PROJECTIONS = frozenset(
    {"query", "key", "value", "output", "query_down", "query_up", "latent_down", "key_up", "value_up"}
)
_CORE = frozenset({"scores", "weighted"})


def formula_terms(formula: Formula, shape: Shape, batch: int, seq: int | None) -> Terms:
    """Returns a formula's terms; the parameters of a tied table are the output layer's where it has no other.

    A tied table counted once per token is exactly the product of the output layer.
    """
    terms = formula.decompose(shape, batch, seq)
    tied = shape.tied and shape.head in ("lm", "mlm") and formula.scope.logits
    if tied and "logits" not in terms and "embedding/token" in terms:
        terms = {("logits" if name == "embedding/token" else name): count for name, count in terms.items()}
    return terms


def exact_terms(shape: Shape, batch: int, seq: int | None, target: int | None = None) -> Terms:
    """Returns every product of one forward of the shape, by term."""
    return forward(shape, batch, seq, target=target)


def formula_gaps(formula: Formula, shape: Shape, batch: int, seq: int | None, target: int | None = None) -> Terms:
    """Returns what a formula counts beyond every product of the shape, by cause, signed; the sum is the gap.

    The products are those of one forward, or of three for a formula of training.
    """
    scope, passes = formula.scope, 3 if formula.scope.training else 1
    found = formula_terms(formula, shape, batch, seq)
    exact = scale(exact_terms(shape, batch, seq), passes)
    gaps: list[Terms] = []
    once: Terms = {}
    inputs, tokens = _inputs(formula, shape, seq)
    for name, count in found.items():
        read = count // inputs * tokens
        gaps.append({"pixels as tokens": count - read})
        count = read
        fair = count * passes // scope.passes_of(name)
        gaps.append({"backward" if scope.passes == 2 else "recomputation": count - fair})
        if scope.attention == "half" and _last(name) in _CORE:
            gaps.append({"causal half": -fair})
            fair *= 2
        once[name] = fair
    widths = _width_gaps(once, exact)
    for name in dict.fromkeys((*once, *exact)):
        gap = once.get(name, 0) - exact.get(name, 0)
        cause = _cause(name, shape)
        if cause == "MLP width" and _last(name) == "gate" and name not in once:
            cause = "MLP gate"
        if cause == "shared keys":
            width = widths.get(name.rpartition("/")[0], 0)
            gaps.append({"attention width": width})
            gap -= width
        gaps.append({cause: gap})
    if target is not None and seq is not None:
        longer = sum(exact_terms(shape, batch, seq, target).values())
        gaps.append({"decoder length": sum(exact.values()) - passes * longer})
    return _present(add(gaps))


def profile_gaps(rows: Mapping[str, int], exact: Mapping[str, int]) -> Terms:
    """Returns what the shape's own rows count beyond the recorded ones, by row, signed."""
    gaps = {name: exact.get(name, 0) - rows.get(name, 0) for name in (*exact, *rows)}
    return _present({("rotary" if name == "rotary" else f"run: {name}"): gap for name, gap in gaps.items()})


def unpriced(work: Work, convention: Convention) -> Terms:
    """Returns what products at 2 FLOPs a MAC count beyond a convention's price of all work, by cause, signed.

    A convention charges norms, biases and elementwise work, which products leave out, and may leave out the
    products above the diagonal of a causal mask.

    Raises:
        ValueError: The convention charges other than 2 FLOPs a MAC, so that nothing can be held beside it.
    """
    if convention.price_of("mac") != 2:
        raise ValueError(
            f"convention {convention.name!r} charges {convention.price_of('mac')} {convention.unit} a MAC; formulas "
            "are compared under one that charges 2 FLOPs"
        )
    gaps = {"causal half": (2 - convention.price_of("masked_mac")) * work["masked_mac"]}
    for kind, count in work.items():
        if kind not in ("mac", "masked_mac"):
            cause = _kind_cause(kind)
            gaps[cause] = gaps.get(cause, 0) - convention.price_of(kind) * count
    return _present(gaps)


def _kind_cause(kind: str) -> str:
    if kind in _BIASES:
        return "biases"
    if kind in _NORMS:
        return "norms"
    return "embedding lookup" if kind == "onehot_mac" else "elementwise"


def _last(term: str) -> str:
    return term.rsplit("/", 1)[-1]


def _cause(term: str, shape: Shape) -> str:
    """The cause that explains a gap in a term."""
    parts, last = term.split("/"), _last(term)
    if "norm" in parts:
        return "norms"
    if last.endswith("bias"):
        return "biases"
    if last in _ELEMENTWISE or last.endswith("dropout"):
        return "elementwise"
    if parts[0] == "embedding":
        return "embedding projection" if last in ("patches", "projection") else "embedding lookup"
    if last in _CORE:
        return "attention core"
    if last in _PROJECTIONS:
        if shape.latent is not None:
            return "latent attention"
        return "shared keys" if last in ("key", "value") and shape.kv_heads < shape.heads else "attention width"
    if last == "router":
        return "router"
    if "mlp" in parts:
        return "experts" if shape.experts is not None else "MLP width"
    return {"logits": "logits", "head": "head", "rotary": "rotary"}.get(parts[0], "other")


def _inputs(formula: Formula, shape: Shape, seq: int | None) -> tuple[int, int]:
    """The numbers of one input that a formula multiplies by, and the tokens they stand for."""
    if formula.name != "huggingface" or shape.patches is None:
        return 1, 1
    return huggingface_inputs(shape, seq or 0), shape.patches.tokens


def _width_gaps(terms: Mapping[str, int], exact: Mapping[str, int]) -> Terms:
    """By attention, how much a formula's query exceeds the shape's: as much does each of its key and value."""
    return {
        name.rpartition("/")[0]: terms.get(name, 0) - exact.get(name, 0)
        for name in (*terms, *exact)
        if _last(name) == "query"
    }


def _present(gaps: Mapping[str, int]) -> Terms:
    return {name: gap for name, gap in gaps.items() if gap}
