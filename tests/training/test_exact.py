"""The exact backward from one forward: against the dispatcher where it has a formula, else by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from support import cost, dispatcher_training_macs, macs
from torch import nn
from training.zoo import dispatcher_step

import calprof
from calprof import FlopProfiler, Passes
from calprof.recording.recording import Recording

R = torch.randn


def exact(model, *args, **kwargs):
    return calprof.profile(model, args=args, kwargs=kwargs, training="exact").training(exact=True)


def agrees(model, *args, **kwargs):
    """The exact phases of a model, after checking them against the dispatcher."""
    step = exact(model, *args, **kwargs)
    assert (step.forward.macs, step.backward.macs) == dispatcher_step(model, {"args": args, "kwargs": kwargs})
    return step


class Net(nn.Module):
    """A model whose forward is given by a function of its layers."""

    def __init__(self, forward, *widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(widths))
        self.run = forward

    def forward(self, x):
        return self.run(x, *self.layers)


def chain(x, *layers):
    for layer in layers:
        x = layer(x)
    return x


@pytest.mark.parametrize(("needs_input", "step"), [(True, 6144), (False, 5120)])
def test_two_layers_are_not_three_forwards(needs_input, step):
    # Two products of 1024 FLOPs; four gradients of 1024 each, of which the input's may not be needed.
    model = Net(chain, 16, 32, 16)
    prof = calprof.profile(model, args=[R(1, 16, requires_grad=needs_input)], training="exact", convention="matmul")
    assert prof.flops == 2048
    assert prof.training(exact=True).total.flops == step
    assert prof.training().total.flops == 3 * 2048
    assert prof.training(recompute=True, exact=True).total.flops == step + 2048


def test_frozen_parameters_and_heads():
    model = Net(chain, 3, 5, 7, 11)
    for layer in model.layers[:2]:
        layer.requires_grad_(False)
    step = agrees(model, R(2, 3))
    # Only the head's weight: its input's gradient would flow to nothing.
    assert step.backward.macs == 2 * 7 * 11
    model.layers[0].requires_grad_(True)
    # Both gradients of the head, the input's of the frozen layer, the weight's of the first.
    assert agrees(model, R(2, 3)).backward.macs == 2 * (2 * 77 + 35 + 15)


def island(x, first, second, third):
    with torch.no_grad():
        x = first(x)
    return third(second(x))


def detached(x, first, second, third):
    return third(second(first(x).detach()))


def detached_branch(x, first, second, third):
    # The first layer trains through the sum, not through the second layer.
    y = first(x)
    return third(second(y.detach()) + y[..., :7])


def unused(x, first, second, third):
    y = first(x)
    third(second(y))
    return y


def in_place(x, first, second, third):
    # The result of a linear layer with several batch dimensions is a view, written to in place.
    y = F.linear(x[None], first.weight, R(5))
    y[..., :2] += 1
    y.relu_()
    return third(second(y))


@pytest.mark.parametrize("forward", [island, detached, detached_branch, unused, in_place], ids=lambda f: f.__name__)
@pytest.mark.parametrize("needs_input", [True, False])
def test_gradients_flow_only_where_they_are_wanted(forward, needs_input):
    widths = (3, 5, 7, 11) if forward is not detached_branch else (3, 7, 7, 11)
    agrees(Net(forward, *widths), R(2, 3, requires_grad=needs_input))


def test_by_hand_what_is_detached_costs_nothing():
    assert exact(Net(detached, 3, 5, 7, 11), R(2, 3)).backward.macs == 2 * (35 + 2 * 77)
    assert exact(Net(unused, 3, 5, 7, 11), R(2, 3)).backward.macs == 2 * 15


def test_a_loss_in_the_output_stands_for_all_of_it():
    class WithLoss(Net):
        def forward(self, x):
            hidden = self.layers[0](x)
            return {"loss": hidden.sum(), "logits": self.layers[1](hidden)}

    step = exact(WithLoss(chain, 3, 5, 7), R(2, 3))
    assert step.forward.macs == 2 * (15 + 35) and step.backward.macs == 2 * 15


def test_elementwise_gradients_cost_the_forward_once_by_rule():
    x = R(2, 3, requires_grad=True)
    found = cost(lambda: F.gelu(x), grads=True)
    assert found.backward == found.forward
    assert not cost(lambda: F.gelu(x.detach()), grads=True).backward
    # Two products, and 10 bias additions once more.
    assert exact(nn.Linear(3, 5), R(2, 3)).backward.flops == 2 * 2 * 15 + 10


def test_modules_add_up_and_selective_recomputation():
    model = nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 7)))
    prof = calprof.profile(model, (2, 3), training="exact")
    step = prof.training(exact=True, overrides={"1": Passes(recompute=1)})
    parts = [step.modules["0"], step.modules["1"]]
    for phase in ("forward", "backward", "recompute"):
        assert getattr(step, phase) == sum((getattr(part, phase) for part in parts[1:]), getattr(parts[0], phase))
    assert parts[0].recompute.macs == 0 and parts[1].recompute.macs == 2 * 35
    assert step.modules["1.1"].backward.macs == 2 * 2 * 35


SINGLE = {
    # The dispatcher has no formula for these; each gradient by hand.
    # W·x2 is 3·5 MACs per output and dy·(W·x2) 3 more; x1·W likewise; dy·x1 meets x2 in 3·5.
    "bilinear": (lambda: (R(2, 3), R(2, 5), R(7, 3, 5)), F.bilinear, 14 * ((15 + 3) + (15 + 5) + 15)),
    "mv": (lambda: (R(2, 3), R(3)), torch.mv, 2 * 6),
    "dot": (lambda: (R(3), R(3)), torch.dot, 2 * 3),
    "vecdot": (lambda: (R(2, 3), R(2, 3)), torch.linalg.vecdot, 2 * 6),
    "addmv": (lambda: (R(2), R(2, 3), R(3)), torch.addmv, 2 * 6),
    "addbmm": (lambda: (R(2, 5), R(7, 2, 3), R(7, 3, 5)), torch.addbmm, 2 * 210),
    "inner": (lambda: (R(2, 3), R(5, 3)), torch.inner, 2 * 30),
    # Products of single elements accumulate nothing.
    "addr": (lambda: (R(3, 5), R(3), R(5)), torch.addr, 0),
    "outer": (lambda: (R(3), R(5)), torch.outer, 0),
    "cdist": (lambda: (R(2, 3), R(5, 3)), torch.cdist, 0),
    "embedding": (lambda: (R(7, 3),), lambda w: F.embedding(torch.tensor([[1, 2], [3, 3]]), w), 0),
    "embedding_bag": (lambda: (R(7, 3),), lambda w: F.embedding_bag(torch.tensor([[1, 2], [3, 3]]), w), 0),
    "einsum": (lambda: (R(2, 3, 5), R(5, 7)), lambda a, b: torch.einsum("bij,jk->bik", a, b), 2 * 210),
}


@pytest.mark.parametrize("name", SINGLE)
def test_single_ops(name):
    make, function, backward = SINGLE[name]
    operands = [each.requires_grad_() for each in make()]
    found = cost(lambda: function(*operands), grads=True)
    assert macs(found.backward) == backward
    # Whatever is no product costs its forward again.
    products = {"mac", "complex_mac", "masked_mac"}
    elementwise = {kind: n for kind, n in found.forward.items() if kind not in products}
    assert all(found.backward[kind] >= n for kind, n in elementwise.items())


@pytest.mark.parametrize("needed", range(1, 8))
def test_bilinear_gradients_one_by_one(needed):
    flags = [bool(needed & bit) for bit in (1, 2, 4)]
    operands = [R(s).requires_grad_(flag) for s, flag in zip(((2, 3), (2, 5), (7, 3, 5)), flags, strict=True)]
    by_hand = sum(14 * n for n, flag in zip((15 + 3, 15 + 5, 15), flags, strict=True) if flag)
    assert macs(cost(lambda: F.bilinear(*operands), grads=True).backward) == by_hand


@pytest.mark.parametrize("needed", ["both", "rows", "experts"])
def test_grouped_experts_equal_the_loop_over_them(needed):
    rows = R(24, 16, dtype=torch.bfloat16).requires_grad_(needed != "experts")
    experts = R(3, 16, 32, dtype=torch.bfloat16).requires_grad_(needed != "rows")
    ends = torch.tensor([8, 8, 24], dtype=torch.int32)

    def loop():
        return torch.cat([part @ expert for part, expert in zip(rows.tensor_split([8, 8]), experts, strict=True)])

    found = cost(lambda: torch._grouped_mm(rows, experts, offs=ends), grads=True)
    assert (macs(found.forward), macs(found.backward)) == dispatcher_training_macs(loop)


def test_multihead_attention_with_frozen_projections():
    model = nn.TransformerEncoderLayer(12, 3, 20, batch_first=True).eval()
    model.self_attn.requires_grad_(False)
    agrees(model, R(2, 5, 12))
    model.requires_grad_(False)
    model.linear2.requires_grad_(True)
    assert agrees(model, R(2, 5, 12)).backward.macs == 10 * 12 * 20


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x @ weight

    @staticmethod
    def backward(ctx, grad):
        return grad @ ctx.saved_tensors[0].T, None


def test_a_custom_function_is_named_not_silently_free():
    weight = R(3, 3)
    model = Net(lambda x, layer: Doubled.apply(layer(x), weight), 3, 3)
    prof = calprof.profile(model, (2, 3), training="exact")
    assert any("Doubled" in note for note in prof.recording.notes)


def test_any_code_in_a_block_names_what_it_differentiates():
    first, second = nn.Linear(3, 5), nn.Linear(5, 7)
    with FlopProfiler(training="exact") as profiler:
        hidden = first(R(2, 3))
        second(hidden)
        profiler.differentiate(hidden.sum())
    assert profiler.profile().training(exact=True).backward.macs == 2 * 15
    with FlopProfiler(training="exact") as profiler:
        second(first(R(2, 3)))
    assert profiler.profile().training(exact=True).backward.macs == 2 * (15 + 2 * 35)


def test_bad_input():
    prof = calprof.profile(nn.Linear(3, 5), (2, 3))
    with pytest.raises(ValueError, match='training="exact"'):
        prof.training(exact=True)
    prof = calprof.profile(nn.Linear(3, 5), (2, 3), training="exact")
    with pytest.raises(ValueError, match="no factor"):
        prof.training(exact=True, backward=3)
    with pytest.raises(ValueError, match="recompute"):
        prof.training(recompute=-1, exact=True)
    with pytest.raises(ValueError, match="'head'"):
        prof.training(exact=True, overrides={"head": Passes()})


def test_a_saved_recording_keeps_its_gradients():
    prof = calprof.profile(nn.Linear(3, 5), (2, 3), training="exact")
    again = Recording.from_dict(prof.recording.to_dict())
    assert again.grads and again.calls == prof.recording.calls
    assert not (again + calprof.profile(nn.Linear(3, 5), (2, 3)).recording).grads
