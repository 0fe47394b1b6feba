"""RNN, LSTM and GRU: whole sequences and single cells.

Every weight matrix meets every token once, whatever the number of layers, directions or projections, and
in packed sequences too, whose data holds one row a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calprof.ops.operands import first_shape
from calprof.ops.products import product
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "recurrent"

_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}
# Steps per hidden element and token after the products and biases; a sigmoid is negate, exp, add, divide.
_STEPS = {
    # The sum of both products, then tanh or ReLU.
    "rnn_tanh": {"add": 1, "transcendental": 1},
    "rnn_relu": {"add": 1, "relu": 1},
    # 4 sums, 3 sigmoids and a tanh; c' = f·c + i·g; h' = o·tanh(c').
    "lstm": {"add": 4 + 3 * 2 + 1, "transcendental": 3 + 1 + 1, "multiply": 3 + 2 + 1},
    # 2 sums, 2 sigmoids; n = tanh(W·x + r·(U·h)); h' = (1 - z)·n + z·h.
    "gru": {"add": 2 + 2 * 2 + 1 + 2, "transcendental": 2 + 1, "multiply": 2 + 1 + 2},
}


@define(FAMILY, "lstm")
def lstm(*args: Any, out: Any) -> Cost:
    """Per token and cell: 4 gates x hidden x (input + hidden) MACs, the projection's, and the gates' arithmetic."""
    return _sequence("lstm", args)


@define(FAMILY, "gru")
def gru(*args: Any, out: Any) -> Cost:
    """Per token and cell: 3 gates x hidden x (input + hidden) MACs and the gates' arithmetic."""
    return _sequence("gru", args)


@define(FAMILY, "rnn_tanh")
def rnn_tanh(*args: Any, out: Any) -> Cost:
    """Per token and cell: hidden x (input + hidden) MACs, a sum and a tanh."""
    return _sequence("rnn_tanh", args)


@define(FAMILY, "rnn_relu")
def rnn_relu(*args: Any, out: Any) -> Cost:
    """Per token and cell: hidden x (input + hidden) MACs, a sum and a ReLU."""
    return _sequence("rnn_relu", args)


def _sequence(kind: str, args: tuple[Any, ...]) -> Cost:
    """Costs `(input, hx, weights, …)` or, packed, `(data, batch_sizes, hx, weights, …)`."""
    packed = isinstance(args[3], list)
    input, hidden, weights = args[0], *args[2 if packed else 1 : 4 if packed else 3]
    _, layers, dropout, training, bidirectional = args[4 if packed else 3 :][:5]
    directions = 2 if bidirectional else 1
    tokens = input.numel() // input[-1]
    size = len(weights) // (layers * directions)
    cells = [weights[start : start + size] for start in range(0, len(weights), size)]
    state = first_shape(hidden)
    assert state is not None
    cost = Cost(Work())
    incoming = input.requires_grad
    for layer in range(layers):
        group = cells[layer * directions : (layer + 1) * directions]
        for cell in group:
            cost += _cell(kind, cell, tokens, state[1], incoming, _requires_grad(hidden))
        incoming = incoming or any(_requires_grad(cell) for cell in group)
        if layer < layers - 1 and training and dropout > 0:
            cost += Work(dropout=sum(_width(kind, cell) for cell in group) * tokens)
    return cost


def _cell(kind: str, weights: Sequence[Shape], tokens: int, batch: int, input_grad: bool, state_grad: bool) -> Cost:
    """Costs one cell over `tokens` tokens, the first `batch` of which meet the initial state."""
    matrices = [weight for weight in weights if len(weight) == 2]
    width = matrices[1][0] // _GATES[kind]
    running = input_grad or state_grad or _requires_grad(weights)
    cost = product(tokens * matrices[0].numel(), Shape((), requires_grad=input_grad), matrices[0])
    recurrent = matrices[1].numel()
    # The state after the first step depends on all that came before; the first one only on what was given.
    cost += product(batch * recurrent, Shape((), requires_grad=state_grad), matrices[1])
    cost += product((tokens - batch) * recurrent, Shape((), requires_grad=running), matrices[1])
    for projection in matrices[2:]:
        cost += product(tokens * projection.numel(), Shape((), requires_grad=running), projection)
    biases = sum(weight.numel() for weight in weights if len(weight) == 1)
    steps = {step: count * width * tokens for step, count in _STEPS[kind].items()}
    return cost + Work(linear_bias=biases * tokens) + Work(**steps)


def _width(kind: str, weights: Sequence[Shape]) -> int:
    matrices = [weight for weight in weights if len(weight) == 2]
    return matrices[2][0] if len(matrices) > 2 else matrices[1][0] // _GATES[kind]


def _requires_grad(value: Any) -> bool:
    if isinstance(value, Shape):
        return value.requires_grad
    return isinstance(value, (list, tuple)) and any(_requires_grad(item) for item in value)


def _one_step(kind: str, input: Shape, hidden: Any, weights: Sequence[Shape | None]) -> Cost:
    tokens = input.numel() // input[-1] if input[-1] else 0
    present = [weight for weight in weights if weight is not None]
    return _cell(kind, present, tokens, tokens, input.requires_grad, _requires_grad(hidden))


@define(FAMILY, "lstm_cell")
def lstm_cell(input: Shape, hx: Any, *weights: Shape, out: Any, **names: Shape) -> Cost:
    """One step: 4 x hidden x (input + hidden) MACs a row and the gates' arithmetic."""
    return _one_step("lstm", input, hx, [*weights, *names.values()])


@define(FAMILY, "gru_cell")
def gru_cell(input: Shape, hx: Any, *weights: Shape, out: Any, **names: Shape) -> Cost:
    """One step: 3 x hidden x (input + hidden) MACs a row and the gates' arithmetic."""
    return _one_step("gru", input, hx, [*weights, *names.values()])


@define(FAMILY, "rnn_tanh_cell")
def rnn_tanh_cell(input: Shape, hx: Any, *weights: Shape, out: Any, **names: Shape) -> Cost:
    """One step: hidden x (input + hidden) MACs a row, a sum and a tanh."""
    return _one_step("rnn_tanh", input, hx, [*weights, *names.values()])


@define(FAMILY, "rnn_relu_cell")
def rnn_relu_cell(input: Shape, hx: Any, *weights: Shape, out: Any, **names: Shape) -> Cost:
    """One step: hidden x (input + hidden) MACs a row, a sum and a ReLU."""
    return _one_step("rnn_relu", input, hx, [*weights, *names.values()])
