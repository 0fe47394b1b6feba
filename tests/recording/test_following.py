"""Which modules run: what is exchanged to see them, and what is left of it."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading

import pytest
import torch
from torch._dynamo.testing import CompileCounter

import calprof
from calprof.recording import following
from calprof.recording.dispatcher import dispatch


@pytest.fixture(params=["exchanging", "hooking"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of seeing modules: the usual one, and the one for a process that has recorded very often."""
    if request.param == "hooking":
        monkeypatch.setattr(following, "_LIMIT", 0)
    return str(request.param)


class Halves(torch.nn.Module):
    """Runs one module twice, one that raises, and one that is compiled in place."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = torch.nn.Linear(4, 4, bias=False)
        self.raising = Raising()
        self.compiled = torch.nn.Linear(4, 2, bias=False)
        self.compiled.compile(backend="eager")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.twice(self.twice(x))
        try:
            self.raising(x)
        except ArithmeticError:
            x = x @ torch.ones(4, 4)
        return self.compiled(x)


class Raising(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ArithmeticError(x @ torch.ones(4, 1))


def test_calls_and_macs_of_every_module(way: str) -> None:
    model = Halves()
    compiled = model.compiled._compiled_call_impl
    prof = calprof.profile(model, args=[torch.ones(1, 4)])
    seen = {node.path: (node.calls, node.own_macs) for node in prof.root.walk()}
    assert seen == {"": (1, 16), "twice": (2, 32), "raising": (1, 4), "compiled": (1, 8)}
    assert model.compiled._compiled_call_impl is compiled is not None


def test_a_step_attributes_its_backward(way: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3, bias=False), torch.nn.Linear(3, 2, bias=False))
    step = calprof.profile_step(model, torch.ones(5, 4))
    rows = {path: (row.forward.macs, row.backward.macs) for path, row in step.by_module().items()}
    assert rows["0"] == (60, 60) and rows["1"] == (30, 60)


def test_the_dispatcher_is_told_the_modules(way: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    seen = dispatch(lambda: model(torch.ones(5, 4)), model)
    assert seen.counted == {"0": {"aten.addmm": 60}, "1": {"aten.addmm": 30}} and not seen.error


def test_modules_of_another_thread_are_told_of(way: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3))

    with calprof.FlopProfiler(model) as profiler:
        run = threading.Thread(target=lambda: model(torch.ones(1, 4)))
        run.start()
        run.join()
    prof = profiler.profile()
    assert prof.macs == 0 and any("another thread" in note for note in prof.recording.notes)


def test_what_a_modules_own_hooks_compute_is_the_modules() -> None:
    model = torch.nn.Sequential(torch.nn.Identity())
    model[0].register_forward_pre_hook(lambda module, args: (args[0] @ torch.ones(4, 4),))
    model[0].register_forward_hook(lambda module, args, out: out @ torch.ones(4, 2))
    prof = calprof.profile(model, args=[torch.ones(1, 4)])
    assert {node.path: node.own_macs for node in prof.root.walk()} == {"": 0, "0": 16 + 8}


def test_a_module_compiled_while_recording_stays_compiled() -> None:
    model, counter = torch.nn.Linear(4, 3), CompileCounter()
    with calprof.FlopProfiler(), calprof.FlopProfiler(model) as profiler:
        model.compile(backend=counter, fullgraph=True)
        model(torch.ones(1, 4))
    prof = profiler.profile()
    assert prof.macs == 12 and prof.root.calls == 1 and counter.frame_count == 0
    model(torch.ones(1, 4))  # what the recorder does besides would not compile as a whole
    assert counter.frame_count == 1


def test_compiled_models_are_recorded_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    model = torch.compile(torch.nn.Linear(4, 3), backend="eager")
    model(torch.ones(1, 4))
    assert calprof.profile(model, args=[torch.ones(1, 4)]).macs == 12
    assert not [str(warning.message) for warning in recwarn if "hook" in str(warning.message)]


def test_a_recording_that_ends_first_hears_no_more() -> None:
    """The other thread's recording goes on, with this one's method inside its own."""
    mine, other = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)
    began, may_end = threading.Event(), threading.Event()
    found: list[int] = []

    def record_other() -> None:
        with calprof.FlopProfiler(other) as profiler:
            began.set()
            may_end.wait()
            other(torch.ones(1, 3))
        found.append(profiler.profile().macs)

    run = threading.Thread(target=record_other)
    with calprof.FlopProfiler(mine) as profiler:
        run.start()
        began.wait()
        mine(torch.ones(1, 4))
    mine(torch.ones(1, 4))
    may_end.set()
    run.join()
    prof = profiler.profile()
    assert found == [6] and prof.macs == 12 and prof.root.calls == 1 and not prof.recording.notes


def test_a_recording_may_begin_and_end_inside_a_module() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    profiler = calprof.FlopProfiler(model)
    model[0].register_forward_hook(lambda *_: profiler.__enter__() and None)
    model[1].register_forward_pre_hook(lambda *_: profiler.__exit__(None, None, None))
    model(torch.ones(1, 4))
    prof = profiler.profile()
    assert {node.path: node.calls for node in prof.root.walk()} == {"": 0, "0": 0, "1": 1} and prof.macs == 0


def test_the_compiler_loaded_while_recording_takes_the_unchanged_method() -> None:
    code = (
        "import sys, torch, calprof\n"
        "original = torch.nn.Module._call_impl\n"
        "class Late(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        assert 'torch._dynamo' not in sys.modules\n"
        "        import torch._dynamo.utils\n"
        "        return x @ x\n"
        "assert calprof.profile(Late(), args=[torch.ones(3, 3)]).macs == 27\n"
        "assert torch._dynamo.utils.unpatched_nn_module_call_impl is original is torch.nn.Module._call_impl\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_however_long_recordings_overlap_a_call_goes_through_one_wrapper() -> None:
    """Each thread begins before the one before it ends, so that there is never a moment without a recording."""
    depths: list[int] = []

    class Deep(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.vmap(self.measured)(x)

        def measured(self, x: torch.Tensor) -> torch.Tensor:
            depths.append(len(inspect.stack(0)))
            return x @ x

    model, macs = Deep(), []
    began = [threading.Event() for _ in range(21)]

    def record(number: int) -> None:
        with calprof.FlopProfiler(model) as profiler:
            began[number].set()
            model(torch.ones(5, 3))
            began[number + 1].wait()
        macs.append(profiler.profile().macs)

    threads = [threading.Thread(target=record, args=(number,)) for number in range(20)]
    for number, thread in enumerate(threads):
        thread.start()
        began[number].wait()
    began[20].set()
    for thread in threads:
        thread.join()
    assert macs == [15] * 20 and len(set(depths)) == 1 and len(depths) == 20


def test_recordings_nested_in_one_thread_are_all_told() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3))
    with calprof.FlopProfiler(model) as outer:
        model(torch.ones(1, 4))
        with calprof.FlopProfiler(model) as middle, calprof.FlopProfiler(model) as inner:
            model(torch.ones(1, 4))
        model(torch.ones(1, 4))
    profiles = [each.profile() for each in (outer, middle, inner)]
    assert [each.root.calls for each in profiles] == [3, 1, 1]
    assert [{node.path: node.own_macs for node in each.root.walk()}["0"] for each in profiles] == [36, 12, 12]
