"""Gradients that a forward computes are part of what it costs; a backward pass that follows is not, and is told."""

from __future__ import annotations

import pytest
import torch
from support import macs
from torch import nn
from torch.autograd import grad

import calprof
from calprof.recording.recorder import Recorder

WIDTH, HIDDEN, ATOMS = 3, 8, 5


class Force(nn.Module):
    """An energy's negative gradient, as force fields return it; the function is bound by name, as users bind it."""

    def __init__(self, create_graph=False):
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))
        self.create_graph = create_graph

    def forward(self, positions):
        with torch.enable_grad():
            positions = positions.detach().requires_grad_()
            return -grad(self.energy(positions).sum(), positions, create_graph=self.create_graph)[0]


FORWARD = ATOMS * (WIDTH * HIDDEN + HIDDEN)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_force_field_costs_its_energy_and_the_gradient(create_graph):
    prof = calprof.profile(Force(create_graph), args=(torch.randn(ATOMS, WIDTH),), verify=True)
    # The gradient of the positions: each product of the forward once more.
    assert prof.macs == 2 * FORWARD
    assert prof.verification.agrees, str(prof.verification)
    assert not prof.uncounted and not prof.recording.notes
    by_module = {path: node.own_macs for path, node in prof.by_module().items() if node.own_macs}
    assert by_module == {"": FORWARD, "energy.0": ATOMS * WIDTH * HIDDEN, "energy.2": ATOMS * HIDDEN}


def test_the_gradient_of_a_gradient_is_told_missing_from_the_exact_count():
    prof = calprof.profile(Force(create_graph=True), args=(torch.randn(ATOMS, WIDTH),), training="exact")
    assert prof.macs == 2 * FORWARD
    assert any("gradient of the gradients" in note for note in prof.recording.notes)


def test_second_derivatives_of_convolutions_equal_the_dispatcher():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))

    class Penalty(nn.Module):
        def __init__(self):
            super().__init__()
            self.critic = model

        def forward(self, x):
            (slope,) = torch.autograd.grad(self.critic(x).sum(), x, create_graph=True)
            (curvature,) = torch.autograd.grad(slope.pow(2).sum(), x)
            return curvature

    x = torch.randn(2, 3, 9, 9, requires_grad=True)
    prof = calprof.profile(Penalty(), args=(x,), grad=True, verify=True)
    assert prof.verification.agrees, str(prof.verification)
    assert prof.macs > 2 * calprof.profile(model, (2, 3, 9, 9)).macs


@pytest.mark.parametrize("run", [lambda loss: loss.backward(), torch.autograd.backward], ids=["method", "function"])
def test_a_backward_pass_while_recording_is_told(run):
    model = nn.Linear(WIDTH, HIDDEN)
    with calprof.FlopProfiler(model) as profiler:
        run(model(torch.randn(ATOMS, WIDTH)).sum())
    prof = profiler.profile()
    assert prof.macs == ATOMS * WIDTH * HIDDEN
    assert any("backward pass ran while recording" in note for note in prof.recording.notes)


def test_forward_mode_counts_the_tangents():
    linear, x = nn.Linear(WIDTH, HIDDEN), torch.randn(ATOMS, WIDTH)
    with Recorder() as recorder, torch.autograd.forward_ad.dual_level(), torch.no_grad():
        linear(torch.autograd.forward_ad.make_dual(x, torch.ones_like(x)))
    work = sum((call.cost.forward for call in recorder.recording().calls), calprof.Work())
    with torch.no_grad(), Recorder() as recorder:
        linear(x)
    plain = sum((call.cost.forward for call in recorder.recording().calls), calprof.Work())
    assert macs(work) >= 2 * macs(plain) == 2 * ATOMS * WIDTH * HIDDEN


def test_a_gradient_that_fails_leaves_nothing_behind():
    model, x = nn.Linear(WIDTH, HIDDEN), torch.randn(ATOMS, WIDTH)
    with Recorder(model) as recorder:
        with pytest.raises(RuntimeError, match="does not require grad"):
            torch.autograd.grad(x.sum(), x)
        model(x)
    assert [call.op for call in recorder.recording().calls] == ["sum", "linear"]
