"""Cost as an exact polynomial in batch and length."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import nn
from training.test_adapters import transformer

import calprof
from calprof.cost.scaling import Polynomial, fit_scaling


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_holds_far_from_where_it_was_fitted(name):
    model = transformer(name).eval()
    prof = calprof.profile(model, (1, 8), training="exact", convention="matmul")
    scaling = prof.scaling(model)
    far = calprof.profile(model, (5, 97), training="exact", convention="matmul")
    assert (scaling.flops(5, 97), scaling.macs(5, 97)) == (far.flops, far.macs)
    step = far.training(exact=True)
    assert scaling.training_flops(5, 97) == step.total.flops
    assert scaling.training_macs(5, 97) == step.total.macs


def test_by_factor_and_by_hand():
    # Tokens 101 x 4 into 4 -> 7, at every position of every sequence.
    model = nn.Sequential(nn.Embedding(101, 4), nn.Linear(4, 7, bias=False))
    scaling = calprof.profile(model, (1, 8)).scaling(model)
    assert scaling.polynomials["macs"].coefficients == ((0, 0, 0), (0, 28, 0))
    assert scaling.training_flops(3, 11) == 3 * 2 * 28 * 33
    assert str(scaling.polynomials["macs"]) == "28·B·L"


class Padded(nn.Module):
    """Pads its length to a multiple of 16, so its cost is a staircase."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(101, 4), nn.Linear(4, 7)

    def forward(self, ids):
        return self.head(self.table(nn.functional.pad(ids, (0, -ids.shape[1] % 16))))


def test_refuses_what_is_no_polynomial():
    model = Padded()
    with pytest.raises(ValueError, match="no polynomial of degree 1 in the batch and 2 in the length"):
        calprof.profile(model, (1, 8)).scaling(model)


def test_fits_exactly_what_floats_would_not():
    def run(batch, length):
        value = batch * length * (length + 1) // 2 * 10**18 + batch * length * 7 + 11
        return dict.fromkeys(("flops", "macs", "backward_flops", "backward_macs"), value)

    scaling = fit_scaling(run, "matmul")
    assert scaling.flops(9, 1001) == run(9, 1001)["flops"]
    assert scaling.polynomials["flops"].coefficients[1][2] == Fraction(10**18, 2)


def test_bad_input():
    run = lambda b, n: dict.fromkeys(("flops", "macs", "backward_flops", "backward_macs"), b * n)  # noqa: E731
    with pytest.raises(ValueError, match="held out"):
        fit_scaling(run, "matmul", verify_at=(1, 8))
    with pytest.raises(ValueError, match="repeat"):
        fit_scaling(run, "matmul", lengths=(8, 8, 9))
    with pytest.raises(ValueError, match="batch must be a whole number"):
        fit_scaling(run, "matmul").flops(0, 8)
    with pytest.raises(ValueError, match="no whole number"):
        Polynomial(((Fraction(1, 2),),)).at(1, 1)
    assert torch.is_grad_enabled()
