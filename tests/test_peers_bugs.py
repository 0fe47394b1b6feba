"""Calls that other counters get wrong, each with the right number by hand.

The figures are in the published price list (`calflops`) where FLOPs are given. Fused attention, grouped
products, stored aliases, quantised layers by op and the like have their tests with their families.
"""

from __future__ import annotations

import copy
import threading

import pytest
import torch
import torch.nn.functional as F
from support import macs, work
from torch import nn
from torch.nn.functional import linear as functional_linear
from torch.nn.utils.rnn import pack_padded_sequence

import calprof
from calprof import FlopProfiler, calculate_flops
from calprof.conventions import ARITHMETIC, CALFLOPS

R = torch.randn
X = torch.rand(2, 3, 4)  # 24 elements
RNN = nn.LSTM(8, 16, batch_first=True)  # 4 gates x 16 x (8 + 16) = 1,536 MACs a token

MACS = [
    # 4 x 16 x 16 scores, each a dot product of 8 and a weight of 8.
    ("scaled_dot_product_attention", lambda: F.scaled_dot_product_attention(*[R(4, 16, 8)] * 3), 16384),
    ("@", lambda: R(4, 16, 8) @ R(4, 8, 16), 8192),
    ("mm", lambda: torch.mm(R(16, 8), R(8, 16)), 2048),
    ("bmm", lambda: torch.bmm(R(4, 16, 8), R(4, 8, 16)), 8192),
    ("baddbmm", lambda: torch.baddbmm(R(16), R(4, 16, 8), R(4, 8, 16)), 8192),
    ("einsum", lambda: torch.einsum("bij,bjk->bik", R(4, 16, 8), R(4, 8, 16)), 8192),
    ("matmul mat-vec", lambda: torch.matmul(R(4, 8), R(8)), 32),
    ("matmul broadcast", lambda: torch.matmul(R(8, 8), R(3, 8, 5)), 960),
    ("linear imported before", lambda: functional_linear(R(4, 8), R(16, 8)), 512),
    # An even kernel: 'same' pads 1 before and 2 after, and the output keeps 8 x 8: 64 · 8 · 3 · 16.
    ("conv same padding", lambda: F.conv2d(R(1, 3, 8, 8), R(8, 3, 4, 4), padding="same"), 24576),
    ("conv list stride", lambda: F.conv2d(R(1, 3, 8, 8), R(8, 3, 3, 3), None, [2, 2], [1, 1], [1, 1]), 16 * 8 * 27),
    ("conv unbatched", lambda: F.conv2d(R(3, 8, 8), R(8, 3, 3, 3)), 36 * 8 * 27),
    # 4 x 8 x 8 inputs, each spread over 9 outputs of its own channel.
    ("convtranspose grouped", lambda: F.conv_transpose2d(R(1, 4, 8, 8), R(4, 1, 3, 3), groups=4), 2304),
    ("convtranspose module", lambda: nn.ConvTranspose2d(16, 32, 4, 2, 1, groups=4)(R(1, 16, 8, 8)), 131072),
    ("RNN", lambda: RNN(R(2, 5, 8)), 15360),
    ("RNN packed", lambda: RNN(pack_padded_sequence(R(2, 5, 8), [5, 3], batch_first=True)), (5 + 3) * 1536),
    ("RNN projected", lambda: nn.LSTM(8, 16, proj_size=4)(R(5, 2, 8)), 10 * (64 * (8 + 4) + 16 * 4)),
    # Projections in and out of 4 x 16 x 16 each token, then scores and values.
    ("multi-head attention", lambda: attend(R(5, 2, 16)), 10 * 4 * 256 + 2 * 25 * 16 * 2),
]  # fmt: skip


def attend(x):
    return nn.MultiheadAttention(16, 4)(x, x, x)


@pytest.mark.parametrize(("name", "call", "expected"), MACS, ids=[row[0] for row in MACS])
def test_macs(name, call, expected):
    assert macs(work(call)) == expected


FLOPS = [
    ("einsum", lambda: torch.einsum("bij,bjk->bik", R(4, 16, 8), R(4, 8, 16)), 16384),
    # 320 of the product and the bias once for each of 4 x 5 outputs, though it has 5 elements.
    ("addmm bias", lambda: torch.addmm(R(5), R(4, 8), R(8, 5)), 340),
    # 4 x 8 x 8 inputs spread over 6 x 16 outputs, and 6 x 16 x 16 outputs with a bias.
    ("convtranspose bias", lambda: F.conv_transpose2d(R(1, 4, 8, 8), R(4, 6, 4, 4), R(6), 2, 1), 50688),
    ("interpolate size", lambda: F.interpolate(R(1, 3, 8, 8), size=(16, 16)), 768),
    ("interpolate int size", lambda: F.interpolate(R(1, 3, 8, 8), size=16), 768),
    ("interpolate scale", lambda: F.interpolate(R(1, 3, 8, 8), scale_factor=2), 768),
    ("upsample", lambda: nn.Upsample(scale_factor=2)(R(1, 3, 8, 8)), 768),
    ("gelu stored", lambda: Stored()(R(4, 8)), 32),
    ("gelu by keyword", lambda: F.gelu(input=R(4, 8), approximate="tanh"), 32),
]  # fmt: skip


class Stored(nn.Module):
    """An activation bound before anything is profiled."""

    act = staticmethod(F.gelu)

    def forward(self, x):
        return self.act(x)


@pytest.mark.parametrize(("name", "call", "expected"), FLOPS, ids=[row[0] for row in FLOPS])
def test_flops(name, call, expected):
    assert CALFLOPS.price(work(call)) == expected


ELEMENTWISE = [
    ("*", lambda: X * X),
    ("+", lambda: X + X),
    ("-", lambda: X - 1),
    ("/", lambda: 1 / X),
    ("**", lambda: X**2),
    ("broadcast from the right", lambda: X * R(3, 4)),
    ("broadcast a column", lambda: R(2, 1, 4) + R(3, 1)),
    ("in place", lambda: X.clone().add_(1)),
    ("+=", lambda: X.clone().__iadd__(X)),
    ("exp", lambda: X.exp()),
    ("sub", lambda: torch.sub(X, X)),
    ("div", lambda: X.div(X)),
    ("pow", lambda: torch.pow(X, 3)),
    ("sqrt", lambda: X.sqrt()),
    ("tanh", lambda: torch.tanh(X)),
    ("sum", lambda: X.sum(-1)),
]


@pytest.mark.parametrize(("name", "call"), ELEMENTWISE, ids=[row[0] for row in ELEMENTWISE])
def test_elementwise_24(name, call):
    assert ARITHMETIC.price(work(call)) == 24


# What a block is made of between its products, in arithmetic.
COMPOSED = [
    ("mean", lambda: X.mean(-1), 24 + 6),
    ("SwiGLU gate", lambda: F.silu(X) * X, 24 * 5 + 24),
    ("residual", lambda: X + F.dropout(X, 0.1, training=False), 24),
    # Square, mean of 4, add epsilon, reciprocal root of 6 rows; two products.
    ("RMS norm written out", lambda: X * torch.rsqrt(X.pow(2).mean(-1, keepdim=True) + 1e-6) * R(4), 24 * 4 + 6 * 3),
    # x·cos + rotate(x)·sin: a negation of half, two products, an addition.
    ("rotary embedding", lambda: X * X + torch.cat((-X[..., 2:], X[..., :2]), -1) * X, 24 * 3 + 12),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call", "expected"), COMPOSED, ids=[row[0] for row in COMPOSED])
def test_composed(name, call, expected):
    assert ARITHMETIC.price(work(call)) == expected


# Modules


class Parent(nn.Module):
    def __init__(self, shared):
        super().__init__()
        self.shared = shared

    def forward(self, x):
        return self.shared(x)


def small():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))


def figures(model, *args, **options):
    return calculate_flops(model, *args, print_results=False, output_as_string=False, convention="calflops", **options)


def test_shared_module_60000():
    """Under three parents, each of which calls it once: 3 x 10,000 MACs, not 9 x."""
    shared = nn.Linear(100, 100, bias=False)
    model = nn.Sequential(Parent(shared), Parent(shared), Parent(shared))
    assert figures(model, (1, 100)) == (60000, 30000, 10000)


def test_a_module_and_a_function_scale_alike_with_the_batch():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.weight = nn.Linear(8, 8), nn.Parameter(R(8, 8))

        def forward(self, x):
            return F.linear(self.layer(x), self.weight)

    assert figures(Half(), (4, 8))[1] == 512


def test_ignored_modules_leave_nothing_with_their_parent():
    model = small()
    assert figures(model, (4, 8))[0] == 2112  # 1,024 twice and 64 of ReLU
    assert figures(model, (4, 8), ignore_modules=[nn.Linear])[0] == 64
    assert figures(model, (4, 8), ignore_modules=[nn.ReLU])[0] == 2048


def test_frozen_parameters_are_parameters():
    prof = calprof.profile(nn.Linear(8, 16).requires_grad_(False), (4, 8))
    assert (prof.params, prof.trainable_params, prof.macs) == (144, 0, 512)


@pytest.mark.filterwarnings("ignore")
def test_dynamic_int8():
    """Products of quantised weights are MACs, of a model that has no parameter left to ask for its device."""
    model = torch.ao.quantization.quantize_dynamic(small().eval(), {nn.Linear})
    assert not list(model.parameters())
    assert figures(model, (4, 8))[:2] == (2112, 1024)


def test_a_class_named_like_the_library_takes_images():
    """What input is made follows from the model, not from a word in the path of its class."""
    kind = type("Vision", (nn.Conv2d,), {"__module__": "my_transformers.vision"})
    assert figures(kind(3, 8, 3), (1, 3, 8, 8))[1] == 36 * 8 * 27


# Before and after


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = small()

    def forward(self, x):
        raise ArithmeticError(self.body(x).shape)


FAILURES = [
    lambda model: figures(model, [4, "8"]),
    lambda model: figures(model, (4, 9)),
    lambda model: figures(model),
    lambda model: figures(model, (4, 8), forward_mode="generate"),
    lambda model: figures(model, (4, 8), args=[R(4, 8)]),
    lambda model: figures(Failing(), (4, 8)),
    lambda model: figures(nn.Sequential(model, Failing()), args=[R(4, 8)]),
]


def test_failures_change_no_later_result():
    model = small()
    functions = (F.linear, F.relu, torch.matmul, torch.Tensor.matmul, torch.bmm)
    first = figures(model, [4, 8])
    assert first == (2112, 1024, 280)
    for fail in FAILURES:
        with pytest.raises((ArithmeticError, RuntimeError, TypeError, ValueError)):
            fail(model)
        assert figures(model, [4, 8]) == first
    assert functions == (F.linear, F.relu, torch.matmul, torch.Tensor.matmul, torch.bmm)


def test_repeated_calls_do_not_add_up():
    model = small()
    assert len({figures(model, (4, 8)) for _ in range(3)}) == 1


def test_training_flags_are_given_back():
    model = nn.Sequential(small().train(), small().eval()).train()
    model[1].eval()
    before = [module.training for module in model.modules()]
    figures(model, (4, 8))
    with pytest.raises(RuntimeError):
        figures(model, (4, 9))
    assert [module.training for module in model.modules()] == before and any(before) and not all(before)


def test_nothing_is_added_to_the_state_or_to_the_hooks():
    model = nn.Sequential(small(), nn.BatchNorm1d(8))
    state, forward = copy.deepcopy(model.state_dict()), type(model).__call__
    figures(model, (4, 8))
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert type(model).__call__ is forward and "forward" not in vars(model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_callers_containers_are_not_written():
    class Takes(nn.Module):
        def forward(self, pair, scale, *, extra, count):
            return (pair[0] @ pair[1]) * scale + extra["bias"][0]

    args, extra = ((R(4, 8), R(8, 16)), 2), {"bias": [R(16)]}
    kwargs = dict(extra=extra, count=3)
    held = (args[0][0], args[0][1], extra["bias"][0])
    assert figures(Takes(), args=args, kwargs=kwargs)[1] == 512
    assert kwargs.keys() == {"extra", "count"} and kwargs["extra"] is extra
    assert all(now is then for now, then in zip((*args[0], extra["bias"][0]), held, strict=True))


def test_the_forward_keeps_no_graph():
    seen = []

    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 16)

        def forward(self, x):
            seen.append((torch.is_grad_enabled(), self.layer(x).requires_grad))
            return x

    figures(Looks(), (4, 8))
    assert seen == [(False, False)] and torch.is_grad_enabled()


def test_two_threads_count_their_own():
    """Both record at once, 128 MACs each; neither sees the other, and nothing stays replaced."""
    meet, found = threading.Barrier(2), {}

    def run(name):
        model = nn.Linear(8, 16)
        with FlopProfiler(model) as profiler:
            for _ in range(10):
                meet.wait()
                model(R(1, 8))
        found[name] = profiler.profile().macs

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": 1280, "b": 1280}


def test_an_unknown_model_raises_instead_of_returning_nothing():
    with pytest.raises(ValueError, match="no-such-model"):
        calprof.calculate_flops_hf("no-such-model", print_results=False)
