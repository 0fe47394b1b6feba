"""Losses over classes and over alignments: cross entropy, fused with a linear layer too, NLL and CTC."""

from __future__ import annotations

from typing import Any

from calprof.ops.loss import FAMILY, reduced, reduction
from calprof.ops.operands import argument
from calprof.ops.products import product
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Cost, Work


def _nll(samples: int, weighted: bool, how: str) -> Work:
    work = Work(add=samples, multiply=samples if weighted else 0) + reduced(samples, how)
    # A weighted mean divides by the sum of the weights.
    return work + Work(add=samples) if weighted and how == "mean" else work


@define(FAMILY, "nll_loss", "nll_loss2d", "nll_loss_nd", "nll_loss_forward", "nll_loss2d_forward")
def nll_loss(input: Shape, target: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """-x[y] of each sample: a lookup and a negation; a weight is a product, and an addition in the mean."""
    weighted = isinstance(argument(args, kwargs, 0, "weight"), Shape)
    return _nll(target.numel(), weighted, reduction(args, kwargs, 1))


def _cross_entropy(logits: Shape, target: Shape, weighted: bool, how: str, smoothing: float) -> Work:
    elements = logits.numel()
    classes = logits[0] if len(logits) == 1 else logits[1]
    samples = elements // classes if elements else 0
    work = Work(log_softmax=elements)
    if tuple(target) == tuple(logits) and target.is_inexact:
        # Smoothing the target is a product and an addition; then -Σ y·log p over the classes.
        smooth = Work(multiply=elements, add=elements) if smoothing else Work()
        products = Work(multiply=(1 + weighted) * elements, add=elements + samples)
        return work + smooth + products + reduced(samples, how)
    work += _nll(samples, weighted, how)
    if smoothing:
        # (1 - ε)·nll + ε/C·(-Σ log p): the sum over the classes, two products and an addition a sample.
        work += Work(add=elements + samples, multiply=weighted * elements + 2 * samples)
    return work


@define(FAMILY, "cross_entropy")
def cross_entropy(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Log-softmax of each logit, then the target's lookup and negation, or -Σ y·log p for probabilities.

    Label smoothing adds the sum over the classes; a weight is a product. Source: `torch.nn.CrossEntropyLoss`.
    """
    weighted = isinstance(argument(args, kwargs, 0, "weight"), Shape)
    how = reduction(args, kwargs, 4)
    return _cross_entropy(input, target, weighted, how, argument(args, kwargs, 5, "label_smoothing", 0.0))


@define(FAMILY, "cross_entropy_loss")
def cross_entropy_loss(input: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Cross entropy with ATen's argument order: log-softmax of each logit, then the target's lookup."""
    weighted = isinstance(argument(args, kwargs, 0, "weight"), Shape)
    how = reduction(args, kwargs, 1)
    return _cross_entropy(input, target, weighted, how, argument(args, kwargs, 3, "label_smoothing", 0.0))


@define(FAMILY, "linear_cross_entropy")
def linear_cross_entropy(
    input: Shape, linear_weight: Shape, target: Shape, *args: Any, out: Shape, **kwargs: Any
) -> Cost:
    """The logits are a linear layer's, in_features MACs each; then their cross entropy."""
    logits = Shape((*input[:-1], *linear_weight[:-1]))
    weighted = isinstance(kwargs.get("weight"), Shape)
    how, smoothing = reduction(args, kwargs, 0), kwargs.get("label_smoothing", 0.0)
    biases = logits.numel() if isinstance(kwargs.get("linear_bias"), Shape) else 0
    cost = product(logits.numel() * input[-1], input, linear_weight) + Work(linear_bias=biases)
    return cost + _cross_entropy(logits, target, weighted, how, smoothing)


@define(FAMILY, "ctc_loss", "_ctc_loss", "_cudnn_ctc_loss", "miopen_ctc_loss")
def ctc_loss(log_probs: Shape, targets: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """The forward variable of each time step and each of the 2·L + 1 states of an L-long target.

    log(e^a + e^b + e^c) + log p of its three predecessors: two comparisons for the maximum, three
    subtractions, three exp, two additions, log, and two additions. All samples are charged the full number of
    steps and of labels. Source: Graves et al., Connectionist Temporal Classification (2006), equation 6.
    """
    samples = log_probs[1] if len(log_probs) == 3 else 1
    cells = log_probs[0] * (2 * targets.numel() + samples)
    return Work(compare=2 * cells, add=7 * cells, transcendental=4 * cells)
