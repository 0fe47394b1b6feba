"""TorchScript modules and functions, counted through the dispatcher."""

from __future__ import annotations

import pytest
import support
import torch
import torch.nn.functional as F

from calprof.recording.recorder import Recorder
from calprof.work import Work


class Block(torch.nn.Module):
    """Products, a convolution and pointwise work."""

    def __init__(self):
        super().__init__()
        self.up, self.norm = torch.nn.Linear(5, 7), torch.nn.LayerNorm(7)
        self.conv = torch.nn.Conv1d(3, 2, 2)

    def forward(self, x):
        return self.conv(F.gelu(self.norm(self.up(x))))


@torch.jit.script
def attend(q, k, v):
    return torch.softmax(torch.matmul(q, k.transpose(-2, -1)), -1) @ v


def script(model, x):
    return torch.jit.script(model)


def trace(model, x):
    return torch.jit.trace(model, (x,))


def total(recording):
    assert not recording.uncounted, recording.uncounted
    return sum((call.cost.forward for call in recording.calls), Work())


@pytest.mark.parametrize("compile", [script, trace])
@pytest.mark.parametrize("grad", [False, True])
def test_a_script_does_what_its_module_does(compile, grad):
    model, x = Block().eval(), torch.randn(11, 3, 5)
    compiled = compile(model, x)
    with torch.set_grad_enabled(grad):
        eager, found = support.work(lambda: model(x)), support.work(lambda: compiled(x))
        assert found["mac"] == eager["mac"] == support.dispatcher_macs(lambda: compiled(x))
    for kind in ("gelu", "norm_statistics", "conv_bias"):
        assert found[kind] == eager[kind], kind
    # `linear` is `addmm` below the function level, whose bias is the term it adds to.
    assert found["bias"] == eager["linear_bias"] == 11 * 3 * 7


def test_repeated_calls_are_counted_alike():
    # The interpreter would fuse ops after two profiling runs.
    compiled, x = torch.jit.script(Block().eval()), torch.randn(11, 3, 5)
    with torch.no_grad():
        for _ in range(3):
            compiled(x)
        once = support.work(lambda: compiled(x))
        assert support.work(lambda: [compiled(x) for _ in range(4)]) == once * 4


def test_script_functions_are_seen_in_eager_code():
    q, k, v = torch.randn(2, 3, 5), torch.randn(2, 7, 5), torch.randn(2, 7, 11)
    work = support.work(lambda: attend(q, k, v))
    assert work == Work(mac=2 * 3 * 7 * (5 + 11), softmax=2 * 3 * 7)
    assert support.macs(work) == support.dispatcher_macs(lambda: attend(q, k, v))


def test_traced_functions_are_seen():
    traced = torch.jit.trace(lambda x: torch.relu(x @ x), (torch.randn(5, 5),))
    assert support.work(lambda: traced(torch.randn(5, 5))) == Work(mac=125, relu=25)


class Mixed(torch.nn.Module):
    """A scripted block between eager layers, and a scripted function."""

    def __init__(self):
        super().__init__()
        self.before = torch.nn.Linear(5, 5)
        self.block = torch.jit.script(Block())
        self.after = torch.nn.Linear(6, 3)

    def forward(self, x):
        x = self.block(torch.relu(self.before(x)))
        return self.after(x) + attend(x, x, x).sum()


def test_scripts_belong_to_the_module_that_calls_them():
    model, x = Mixed().eval(), torch.randn(11, 3, 5)
    recording = support.record(lambda: model(x), model)
    macs = {}
    for call in recording.calls:
        macs[call.module] = macs.get(call.module, 0) + call.cost.forward["mac"]
    assert macs == {
        "before": 11 * 3 * 5 * 5,
        "block": 11 * (3 * 5 * 7 + 2 * 6 * 3 * 2),
        "after": 11 * 2 * 6 * 3,
        "": 2 * 11 * 2 * 2 * 6,
    }
    assert sum(macs.values()) == support.dispatcher_macs(lambda: model(x))
    assert {record.path: record.calls for record in recording.modules}["block"] == 1


def test_a_scripted_child_called_by_itself_is_its_own_module():
    model, x = torch.jit.script(Block().eval()), torch.randn(11, 3, 5)
    recording = support.record(lambda: model.up(x), model)
    assert {call.module for call in recording.calls if call.cost.forward["mac"]} == {"up"}


class Callback(torch.nn.Module):
    """A script that calls back into Python."""

    @torch.jit.ignore
    def python(self, x):
        return x @ x

    def forward(self, x):
        return torch.relu(self.python(x)) @ x


def test_python_called_from_a_script_is_counted_once():
    model = torch.jit.script(Callback())
    assert support.work(lambda: model(torch.randn(5, 5))) == Work(mac=2 * 125, relu=25)


def test_control_flow_counts_the_branch_that_runs():
    @torch.jit.script
    def choose(x):
        if bool(x.sum() > 0):
            x = x @ x
        for _ in range(3):
            x = x + 1
        return x

    work = support.work(lambda: choose(torch.ones(5, 5)))
    assert (work["mac"], support.work(lambda: choose(-torch.ones(5, 5)))["mac"]) == (125, 0)
    assert work["add"] >= 3 * 25


def test_gradients_of_a_script_are_noted():
    model, x = torch.jit.script(torch.nn.Linear(5, 7)), torch.randn(3, 5)
    cost = support.cost(lambda: model(x), grads=True)
    assert (cost.forward["mac"], cost.backward["mac"]) == (105, 105)  # of the weight; the input needs none
    cost = support.cost(lambda: model(x.requires_grad_()), grads=True)
    assert cost.backward["mac"] == 2 * 105


def test_a_script_inside_a_noted_call_is_not_counted_again():
    @torch.jit.script
    def product(x):
        return x @ x

    class Weight(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            with torch._C.DisableTorchFunctionSubclass():
                return product(args[0].as_subclass(torch.Tensor))

    x = torch.randn(5, 5).as_subclass(Weight)
    assert support.work(lambda: torch.sin(x)) == Work(transcendental=25)


def test_everything_is_put_back_after_a_script_that_raises():
    @torch.jit.script
    def fail(x):
        assert bool(x.sum() > 0), "no"
        return x

    before = torch._C.ScriptFunction.__call__, torch._C.ScriptMethod.__call__
    with Recorder() as recorder:
        with pytest.raises(Exception, match="no"):
            fail(-torch.ones(3))
        torch.sin(torch.ones(3))  # noted again by the function mode
    assert sum(call.cost.forward["transcendental"] for call in recorder.recording().calls) == 3
    assert (torch._C.ScriptFunction.__call__, torch._C.ScriptMethod.__call__) == before
    assert torch._C._len_torch_dispatch_stack() == 0


def test_two_profilers_both_see_a_script():
    q = torch.randn(2, 3, 5)
    with Recorder() as outer, Recorder() as inner:
        attend(q, q, q)
    assert total(outer.recording()) == total(inner.recording()) == support.work(lambda: attend(q, q, q))
