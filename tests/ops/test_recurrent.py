"""Recurrent layers: against hand counts and, on the meta device where it decomposes them, the dispatcher."""

from __future__ import annotations

import itertools

import pytest
import torch
from support import cost, dispatcher_macs, dispatcher_training_macs, macs, work
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from calprof.work import Work

R = torch.randn
KINDS = {"RNN": 1, "GRU": 3, "LSTM": 4}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_macs_by_hand_and_on_meta(kind, layers, bidirectional, batch_first):
    module = getattr(nn, kind)(3, 5, layers, bidirectional=bidirectional, batch_first=batch_first)
    sides = 2 if bidirectional else 1
    widths = [3] + [5 * sides] * (layers - 1)
    expected = 7 * 2 * sides * sum(KINDS[kind] * 5 * (width + 5) for width in widths)
    shape = (2, 7, 3) if batch_first else (7, 2, 3)
    assert macs(work(lambda: module(R(shape)))) == expected
    assert dispatcher_macs(lambda: module.to("meta")(R(shape, device="meta"))) == expected


def test_projection():
    module = nn.LSTM(3, 5, 2, proj_size=2, bidirectional=True)
    # Gates see the input and the projected state; the projection maps 5 to 2.
    first, second = 4 * 5 * (3 + 2) + 10, 4 * 5 * (4 + 2) + 10
    assert macs(work(lambda: module(R(7, 11, 3)))) == 77 * 2 * (first + second)
    assert dispatcher_macs(lambda: module.to("meta")(R(7, 11, 3, device="meta"))) == 77 * 2 * (first + second)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_count_real_tokens(kind):
    module = getattr(nn, kind)(3, 5, 2)
    packed = pack_padded_sequence(R(7, 3, 3), torch.tensor([7, 4, 2]))
    per_token = KINDS[kind] * 5 * ((3 + 5) + (5 + 5))
    assert macs(work(lambda: module(packed))) == (7 + 4 + 2) * per_token


@pytest.mark.parametrize("kind", KINDS)
def test_unbatched(kind):
    module = getattr(nn, kind)(3, 5)
    assert work(lambda: module(R(7, 3))) == work(lambda: module(R(7, 1, 3)))


def test_lstm_arithmetic():
    # 2 bias vectors of 4·5; per hidden element 4 gate sums, 3 sigmoids of 4 steps, 2 tanh, 3 products, 1 sum.
    found = work(lambda: nn.LSTM(3, 5)(R(7, 2, 3)))
    elements = 7 * 2 * 5
    assert found == Work(
        mac=14 * 20 * 8, linear_bias=14 * 40, add=elements * (4 + 6 + 1), transcendental=elements * 5,
        multiply=elements * (3 + 3),
    )  # fmt: skip


def test_gru_arithmetic():
    # 2 sums and 2 sigmoids for the gates; n = tanh(a + r·b); h' = (1 - z)·n + z·h.
    found = work(lambda: nn.GRU(3, 5)(R(7, 2, 3)))
    elements = 7 * 2 * 5
    assert found == Work(
        mac=14 * 15 * 8, linear_bias=14 * 30, add=elements * (2 + 4 + 1 + 2), transcendental=elements * 3,
        multiply=elements * (2 + 1 + 2),
    )  # fmt: skip


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_plain_rnn_arithmetic(nonlinearity):
    found = work(lambda: nn.RNN(3, 5, nonlinearity=nonlinearity)(R(7, 2, 3)))
    kind = "relu" if nonlinearity == "relu" else "transcendental"
    assert found == Work(mac=14 * 5 * 8, linear_bias=14 * 10, add=70, **{kind: 70})


def test_dropout_between_layers_only_in_training():
    module = nn.LSTM(3, 5, 3, dropout=0.5, bidirectional=True)
    assert work(lambda: module(R(7, 2, 3)))["dropout"] == 2 * 10 * 14
    assert work(lambda: module.eval()(R(7, 2, 3)))["dropout"] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_is_a_sequence_of_one(kind, bias):
    cell, layer = getattr(nn, f"{kind}Cell")(3, 5, bias=bias), getattr(nn, kind)(3, 5, bias=bias)
    assert work(lambda: cell(R(2, 3))) == work(lambda: layer(R(1, 2, 3)))
    assert work(lambda: cell(R(3)))["mac"] == KINDS[kind] * 5 * 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("needs_input", "needs_state"), list(itertools.product([False, True], repeat=2)))
def test_exact_backward_equals_the_dispatcher_on_meta(kind, needs_input, needs_state):
    module = getattr(nn, kind)(3, 5, 2).to("meta")
    x = torch.randn(7, 2, 3, device="meta", requires_grad=needs_input)
    h = torch.randn(2, 2, 5, device="meta", requires_grad=needs_state)
    state = (h, h) if kind == "LSTM" else h

    def run():
        return module(x, state)[0]

    found = cost(run, grads=True)
    assert (macs(found.forward), macs(found.backward)) == dispatcher_training_macs(run)
