"""Formulas for Python callables that no function mode sees."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest
import support
import torch
import torch.nn.functional as F

import calprof
from calprof.ops.registry import DuplicateFormula, unregister
from calprof.recording.recorder import Recorder
from calprof.work import Work


@pytest.fixture
def package(monkeypatch):
    """A kernel package: `kernels.fused.mlp` works on NumPy's side, out of PyTorch's sight."""

    def mlp(x, weight, scale=1.0):
        hidden = torch.from_numpy(x.detach().numpy() @ weight.detach().numpy())
        return hidden * scale

    class Kernel:
        @staticmethod
        def apply(x):
            return x.sigmoid()

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.from_numpy(x.numpy() * 2)

    root, module, user = ModuleType("kernels"), ModuleType("kernels.fused"), ModuleType("kernels_user")
    module.mlp, module.Kernel, module.Function = mlp, Kernel, Function
    root.fused, root.mlp = module, mlp
    user.imported = mlp
    for each in (root, module, user):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    return module


@pytest.fixture
def registered():
    targets = []

    def register(target, function=None):
        def cost(x, weight=None, *rest, out, **options):
            """A test's formula."""
            return Work(mac=x.numel() * weight[-1])

        calprof.formula(target)(function or cost)
        targets.append(target)

    yield register
    unregister(*targets)


X, W = torch.ones(3, 5), torch.ones(5, 7)


def test_an_opaque_callable_is_noted_and_its_inside_is_not(package, registered):
    assert support.work(lambda: package.mlp(X, W)) == Work(multiply=21)
    registered("kernels.fused.mlp")
    recording = support.record(lambda: package.mlp(X, W, scale=2.0))
    ((call),) = recording.calls
    assert (call.op, call.cost.forward, call.shapes) == ("mlp", Work(mac=3 * 5 * 7), ((3, 5), (5, 7), (3, 7)))


def test_bindings_made_before_are_patched_too(package, registered):
    registered("kernels.fused.mlp")
    root, user = sys.modules["kernels"], sys.modules["kernels_user"]
    for function in (lambda: root.mlp(X, W), lambda: user.imported(X, W)):
        assert support.work(function) == Work(mac=105)


def test_a_callable_kept_by_a_module_is_patched(package, registered):
    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.function = package.mlp

        def forward(self, x):
            return self.function(x, W)

    registered("kernels.fused.mlp")
    model = Layer()
    assert calprof.profile(model, args=[X]).macs == 105
    assert model.function is package.mlp


def test_everything_is_put_back(package, registered):
    registered("kernels.fused.mlp")
    registered("kernels.fused.Function.apply", lambda x, *, out: Work(flop=out.numel()))
    original, root = package.mlp, sys.modules["kernels"]
    with pytest.raises(ArithmeticError), Recorder():
        assert package.mlp is not original and root.mlp is not original
        raise ArithmeticError
    assert package.mlp is root.mlp is sys.modules["kernels_user"].imported is original
    assert "apply" not in vars(package.Function)


def test_a_callable_that_raises_is_noted_no_more_than_it_returned(package, registered):
    registered("kernels.fused.mlp")
    with Recorder() as recorder:
        with pytest.raises(ValueError):
            package.mlp(X, torch.ones(3, 3))
        torch.sin(X)
    assert [call.op for call in recorder.recording().calls] == ["sin"]


def test_static_methods_and_autograd_functions(package, registered):
    registered("kernels.fused.Kernel.apply", lambda x, *, out: Work(flop=3 * out.numel()))
    registered("kernels.fused.Function.apply", lambda x, *, out: Work(flop=2 * out.numel()))
    recording = support.record(lambda: (package.Kernel.apply(X), package.Function.apply(X)))
    assert {call.op: call.cost.forward for call in recording.calls} == {
        "Kernel": Work(flop=45),
        "Function": Work(flop=30),
    }


def test_unregistered_formulas_are_not_used(package):
    calprof.formula("kernels.fused.mlp")(lambda x, *_, out, **__: Work(flop=1))
    unregister("kernels.fused.mlp")
    assert support.work(lambda: package.mlp(X, W)) == Work(multiply=21)
    with pytest.raises(KeyError):
        unregister("kernels.fused.mlp")


def test_one_callable_has_one_formula(package, registered):
    registered("kernels.fused.mlp")
    with pytest.raises(DuplicateFormula):
        calprof.formula("kernels.fused.mlp")(lambda *_, out: Work())


def test_a_path_to_nothing_is_an_error_when_recording_starts(package, registered):
    registered("kernels.fused.misspelt")
    with pytest.raises(ValueError, match=r"kernels\.fused\.misspelt"):
        support.record(lambda: None)


def test_a_package_that_is_not_installed_is_no_error(registered):
    registered("no_such_package.module.function")
    assert support.work(lambda: torch.sin(X)) == Work(transcendental=15)


def test_an_installed_module_is_imported(tmp_path, monkeypatch, registered):
    (tmp_path / "late_kernels.py").write_text("def twice(x):\n    return x + x\n")
    monkeypatch.syspath_prepend(tmp_path)
    registered("late_kernels.twice", lambda x, *, out: Work(flop=out.numel()))

    def late():
        from late_kernels import twice

        return twice(X)

    assert support.work(late) == Work(flop=15)
    del sys.modules["late_kernels"]
    importlib.invalidate_caches()


def test_a_kernel_package_that_is_loaded_during_the_run_is_told(monkeypatch):
    with Recorder() as recorder:
        monkeypatch.setitem(sys.modules, "flash_attn", ModuleType("flash_attn"))
    (note,) = recorder.recording().notes
    assert "flash_attn was loaded during the run" in note


def test_a_path_to_a_torch_function_is_the_function(registered):
    registered("torch.nn.functional.linear", lambda x, w, *_, out, **__: Work(flop=7))
    assert support.work(lambda: F.linear(X, W.t())) == Work(flop=7)
    registered("torch.ops.aten.sin.default", lambda x, *, out: Work(flop=9))
    assert support.work(lambda: torch.ops.aten.sin.default(X)) == Work(flop=9)


def test_a_path_to_any_other_function_of_torch_is_patched(registered):
    registered("torch.nn.utils.rnn.pad_sequence", lambda sequences, *_, out, **__: Work(flop=len(sequences)))
    assert support.work(lambda: torch.nn.utils.rnn.pad_sequence([X, X])) == Work(flop=2)


def test_calls_inside_a_noted_call_are_not_counted(package, registered):
    registered("kernels.fused.mlp")
    registered("kernels.fused.Kernel.apply", lambda x, *, out: Work(flop=1))
    inner = package.mlp

    class Twice:
        @staticmethod
        def apply(x):
            return sys.modules["kernels"].mlp(x, W) if inner else None

    package.Kernel = Twice
    assert support.work(lambda: package.Kernel.apply(X)) == Work(flop=1)


def test_vmap_multiplies_an_opaque_call(package, registered):
    registered("kernels.fused.Kernel.apply", lambda x, *, out: Work(flop=out.numel()))
    assert support.work(lambda: torch.func.vmap(package.Kernel.apply)(X)) == Work(flop=15)


def test_two_profilers_both_note_the_call(package, registered):
    registered("kernels.fused.mlp")
    with Recorder() as outer, Recorder() as inner:
        package.mlp(X, W)
    for recorder in (outer, inner):
        assert [call.cost.forward for call in recorder.recording().calls] == [Work(mac=105)]
