"""PyTorch's own sample inputs through calprof: no formula raises, and MACs are the dispatcher's.

PyTorch tests each of its ops on inputs of many shapes: 0-d, empty, broadcast, batched, complex, integer,
with keyword arguments and lists. Here each op runs on some of them, chosen by a fixed seed, once under the
recorder and once under the dispatcher's counter; marked slow, on all of the first ones in more dtypes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from support import dispatcher_macs, macs, record

from calprof.recording.recording import Recording
from calprof.work import NOTHING, Work

pytest.importorskip("expecttest", reason="PyTorch's sample inputs need the package expecttest")
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

OTHER_DTYPES = (torch.complex64, torch.int64, torch.bool)
ALL_DTYPES = (torch.float32, *OTHER_DTYPES, torch.float64, torch.bfloat16, torch.uint8)
# The jiterator compiles for CUDA and ROCm only.
OPS = [op for op in op_db if not op.name.startswith("jiterator")]
NAMES = [op.name + (f".{op.variant_test_name}" if op.variant_test_name else "") for op in OPS]

DOT = "PyTorch's counter has no formula for dot products, nor for a matrix times a vector"
BLIND = {
    **dict.fromkeys(("dot", "vdot", "mv", "addmv", "inner", "linalg.vecdot"), DOT),
    **dict.fromkeys(("matmul", "__rmatmul__", "tensordot"), f"{DOT}, which a product with a vector is"),
    "nn.functional.linear_cross_entropy": f"{DOT}: without a batch that is all there is",
    "nn.functional.bilinear": "on a CPU it multiplies and sums, with no matrix product inside",
    "addbmm": "on a CPU it multiplies in place, with no matrix product inside",
    "torch.ops.aten._scaled_dot_product_flash_attention_for_cpu": "PyTorch's counter has no formula for it",
    **dict.fromkeys(("sparse.mm", "sparse.sampled_addmm"), "PyTorch's counter has no formula for sparse products"),
}  # fmt: skip
"""Ops in which the dispatcher's counter sees no product where there is one, and why."""

TRIPLED = {
    (f"nn.functional.{name}{dims}d", torch.complex64) for name in ("conv", "conv_transpose") for dims in (1, 2, 3)
}
"""On a CPU a complex convolution is three real ones (Gauss's trick); here it is one in complex MACs."""


def samples(op: Any, dtype: torch.dtype, first: int) -> list[Any]:
    """Returns the first sample inputs of an op, or none where it does not take the dtype."""
    if dtype not in op.dtypes:
        return []
    return list(islice(op.sample_inputs("cpu", dtype), first))


def total(recording: Recording) -> Work:
    return sum((call.cost.forward for call in recording.calls), NOTHING)


def runs(op: Any, sample: Any) -> bool:
    """Whether the op takes the sample at all: some need a library that this build lacks."""
    try:
        op.op(sample.input, *sample.args, **sample.kwargs)
    except (RuntimeError, NotImplementedError):
        return False
    return True


def check(op: Any, name: str, dtype: torch.dtype, sample: Any) -> None:
    def call() -> None:
        op.op(sample.input, *sample.args, **sample.kwargs)

    recording = record(call)
    unknown = [each.op for each in recording.uncounted if "no formula" in each.reason]
    assert not unknown, f"{name}: {unknown} on {sample.summary()}"
    done = total(recording)
    assert all(type(count) is int and count >= 0 for count in done.values())
    if recording.uncounted:
        return  # uncountable, and reported with its reason
    ours, theirs = macs(done), dispatcher_macs(call)
    if (op.name, dtype) in TRIPLED:
        assert theirs == 3 * ours, f"{name} on {sample.summary()}"
    elif theirs or op.name not in BLIND:
        assert ours == theirs, f"{name}: {ours} MACs, the dispatcher sees {theirs}, on {sample.summary()}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("index", range(len(OPS)), ids=NAMES)
def test_samples(index):
    op, name = OPS[index], NAMES[index]
    chosen = random.Random(name)
    for dtype, count in ((torch.float32, 2), (chosen.choice(OTHER_DTYPES), 1)):
        found = samples(op, dtype, 6)
        for sample in chosen.sample(found, min(len(found), count)):
            if runs(op, sample):
                check(op, name, dtype, sample)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("index", range(len(OPS)), ids=NAMES)
def test_all_samples(index):
    op, name = OPS[index], NAMES[index]
    for dtype in ALL_DTYPES:
        for sample in samples(op, dtype, 50):
            if runs(op, sample):
                check(op, name, dtype, sample)


def test_the_lists_of_differences_name_ops_that_exist():
    names = {op.name for op in OPS}
    assert {name for name, _ in TRIPLED} <= names
    assert set(BLIND) <= names
    assert len(OPS) > 500


def module_calls(info: Any) -> Iterator[tuple[torch.nn.Module, Any]]:
    for training in (False, True):
        inputs = info.module_inputs_func(info, "cpu", torch.float32, requires_grad=False, training=training)
        for each in islice(inputs, 4):
            module = info.module_cls(*each.constructor_input.args, **each.constructor_input.kwargs)
            if each.forward_input is not None:
                yield module.train(training), each.forward_input


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("info", module_db, ids=[info.name for info in module_db])
def test_module_samples(info):
    blind = {"nn.Bilinear", "nn.LSTM", "nn.LSTMCell", "nn.GRU", "nn.RNN"}
    for module, given in module_calls(info):

        def call(module: torch.nn.Module = module, given: Any = given) -> None:
            module(*given.args, **given.kwargs)

        try:
            call()
        except (RuntimeError, NotImplementedError):
            continue
        recording = record(call, module)
        assert not [each for each in recording.uncounted if "no formula" in each.reason]
        ours, theirs = macs(total(recording)), dispatcher_macs(call)
        if theirs or info.name not in blind:
            assert ours == theirs, (info.name, given)
