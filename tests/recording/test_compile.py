"""Compiled models and functions: run eagerly while recorded, still compiled afterwards."""

from __future__ import annotations

import pytest
import support
import torch
import torch._dynamo
from torch._dynamo.testing import CompileCounter, CompileCounterWithBackend

import calprof
from calprof.recording.recorder import Recorder
from calprof.work import Work


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def layers():
    return torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("ran_before", [False, True])
def test_a_compiled_model_counts_as_its_module(backend, ran_before):
    model, x = layers(), torch.randn(2, 5)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    with torch.no_grad():
        if ran_before:
            compiled(x)
        assert support.work(lambda: compiled(x)) == support.work(lambda: model(x))


@pytest.mark.parametrize("counter", [CompileCounter, lambda: CompileCounterWithBackend("aot_eager")])
def test_profiling_neither_compiles_nor_compiles_again(counter):
    counter = counter()
    model, x = layers(), torch.randn(2, 5)
    compiled = torch.compile(model, backend=counter)
    with torch.no_grad():
        before = compiled(x)
        frames = counter.frame_count
        assert frames > 0
        prof = calprof.profile(compiled, args=[x])
        assert prof.macs == 2 * (5 * 7 + 7 * 3)
        assert counter.frame_count == frames
        torch.testing.assert_close(compiled(x), before)
        assert counter.frame_count == frames


def test_a_model_compiled_but_never_run_is_compiled_afterwards():
    counter = CompileCounter()
    compiled = torch.compile(layers(), backend=counter)
    with torch.no_grad():
        calprof.profile(compiled, args=[torch.randn(2, 5)])
        assert counter.frame_count == 0
        compiled(torch.randn(2, 5))
    assert counter.frame_count == 1


def test_paths_are_those_of_named_modules():
    model = torch.compile(layers(), backend="eager")
    prof = calprof.profile(model, args=[torch.randn(2, 5)])
    macs = {node.path: node.own_macs for node in prof.root.walk() if node.own_macs}
    assert macs == {"_orig_mod.0": 2 * 35, "_orig_mod.2": 2 * 21}
    assert set(macs) < {path for path, _ in model.named_modules()}


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.compile(layers(), backend="eager")
        self.in_place = torch.nn.Linear(3, 2)
        self.in_place.compile(backend="eager")
        self.activate = torch.compile(lambda x: torch.sigmoid(x) * x, backend="eager", fullgraph=True)

    def forward(self, x):
        return self.activate(self.in_place(self.inner(x)))


def test_compiled_parts_of_an_eager_model():
    model, x = Outer(), torch.randn(2, 5)
    model(x)
    recording = support.record(lambda: model(x), model)
    macs = {call.module: call.cost.forward["mac"] for call in recording.calls if call.cost.forward["mac"]}
    assert macs == {"inner._orig_mod.0": 2 * 35, "inner._orig_mod.2": 2 * 21, "in_place": 2 * 6}
    own = sum((call.cost.forward for call in recording.calls if not call.module), Work())
    assert own == Work(transcendental=0) + own and own["multiply"] >= 4


def test_the_stance_is_given_back_after_an_exception():
    counter = CompileCounter()
    compiled = torch.compile(lambda x: x.sin(), backend=counter)
    with pytest.raises(ArithmeticError), Recorder():
        raise ArithmeticError
    compiled(torch.ones(3))
    assert counter.frame_count == 1


def test_a_process_without_the_compiler_does_not_load_it_to_record():
    import subprocess
    import sys

    code = (
        "import sys, torch, calprof\n"
        "calprof.profile(torch.nn.Linear(2, 3), args=[torch.ones(1, 2)])\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "compile = torch.compile\n"
        "class Late(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        return torch.compile(lambda x: x @ x, backend='eager')(x)\n"
        "assert calprof.profile(Late(), args=[torch.ones(3, 3)]).macs == 27\n"
        "assert torch.compile is compile\n"
        "counted = []\n"
        "def backend(graph, inputs):\n"
        "    counted.append(graph)\n"
        "    return graph\n"
        "torch.compile(lambda x: x + 1, backend=backend)(torch.ones(3))\n"
        "assert len(counted) == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
