"""Exchanged attributes: given back, whoever has copied them meanwhile."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

import calprof
from calprof.recording.patching import exchanged, patched


class Base:
    value = "own"


class Derived(Base):
    pass


def test_an_inherited_attribute_is_inherited_again() -> None:
    with patched(Derived, "value", "other"):
        assert (Base.value, Derived.value) == ("own", "other")
    assert "value" not in vars(Derived)


def test_blocks_that_overlap_leave_what_was_there_at_first() -> None:
    first, second = patched(Base, "value", "first"), patched(Base, "value", "second")
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert Base.value == "second"
    second.__exit__()
    assert Base.value == "own"


def test_a_module_loaded_inside_is_given_what_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    late = ModuleType("late")
    with exchanged([(Base, "value", outer := object())]), exchanged([(Base, "value", inner := object())]):
        monkeypatch.setitem(sys.modules, "late", late)
        late.copies = [Base.value]
        late.copy, late.other = Base.value, outer
        assert late.copy is inner
    assert late.copy == late.other == "own"


def test_pytorchs_functions_written_in_python_leave_the_mode_in_place_when_they_raise() -> None:
    with calprof.FlopProfiler() as profiler:
        with pytest.raises(RuntimeError):
            torch.nn.functional.layer_norm(torch.ones(2, 3), (4,))
        torch.nn.functional.layer_norm(torch.ones(2, 3), (3,))
    (call,) = profiler.recording().calls
    assert (call.op, call.count) == ("layer_norm", 1)


def test_another_function_mode_still_sees_what_runs_inside() -> None:
    seen = []

    class Below(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Below(), calprof.FlopProfiler() as profiler:
        torch.nn.functional.layer_norm(torch.ones(2, 3), (3,))
    assert "layer_norm" in seen and [call.op for call in profiler.recording().calls] == ["layer_norm"]
