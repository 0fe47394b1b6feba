"""Runs PyTorch's own sample inputs through calprof and through its dispatcher's counter, and counts what is classified.

    python benchmarks/op_coverage.py                       # every op, to results/op_coverage.json; several minutes
    python benchmarks/op_coverage.py --match conv          # some ops, printed only

PyTorch tests each of its ops (`op_db`) on inputs of many shapes: 0-d, empty, broadcast, batched, complex, integer,
with keyword arguments and lists. An op agrees where the MACs of all its samples do, in every dtype.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from environment import save, versions, why
from tables import coverage
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils.flop_counter import FlopCounterMode

from calprof import FlopProfiler
from calprof.ops.registry import classify

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.int64, torch.uint8, torch.bool)
FAILED = re.compile("^its formula (raised|returned)")
VISION = ("deform_conv2d", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "nms")
QUANTIZED = ("linear", "linear_relu", "linear_dynamic", "conv1d", "conv2d", "conv2d_relu", "conv3d")

ONCE = "a complex convolution is one here, in complex MACs; on a CPU PyTorch runs three real ones"
VECTORS = "PyTorch's counter has no formula for a dot product, nor for a matrix times a vector"


def main() -> None:
    """Runs the ops that the command line asks for, prints the summary and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only ops in whose name this regular expression is found")
    parser.add_argument("--samples", type=int, default=50, help="samples of each op and dtype")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    # The jiterator compiles for CUDA and ROCm only.
    chosen = [op for op in op_db if re.search(options.match, op.name) and not op.name.startswith("jiterator")]
    result = {
        "versions": versions(["torch", "torchvision"]),
        "functions": Counter(classify(function).state for function in functions()),
        "ops": [measured(op, options.samples) for op in chosen],
    }
    print(coverage(result))
    if not options.match:
        print(save("op_coverage", result))


def functions() -> Iterator[Callable[..., Any]]:
    """Yields each function PyTorch lists as overridable, then torchvision's ops and the quantised layers."""
    listed = (each for members in torch.overrides.get_overridable_functions().values() for each in members)
    yield from {torch.overrides.resolve_name(function) or str(function): function for function in listed}.values()
    import torchvision  # noqa: F401 - registers its ops

    yield from (getattr(torch.ops.torchvision, name) for name in VISION)
    yield from (getattr(torch.ops.quantized, name) for name in QUANTIZED)


def measured(op: Any, limit: int) -> dict[str, Any]:
    """Returns what the samples of one op came to."""
    name = op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
    found: Counter[str] = Counter()
    raised: set[str] = set()
    reasons: set[str] = set()
    for dtype, call in calls(op, limit):
        try:
            call()
        except (RuntimeError, NotImplementedError):  # it needs a library that this build lacks
            continue
        found["samples"] += 1
        with FlopProfiler() as profiler:
            call()
        prof = profiler.profile()
        raised |= {each.reason for each in prof.uncounted if FAILED.match(each.reason)}
        if prof.uncounted:
            found["uncounted"] += 1
            continue
        ours, theirs = prof.macs, dispatched(call)
        found["products"] += bool(theirs)
        found["compared"] += 1
        if ours == theirs:
            continue
        found["different"] += bool(theirs)
        found["blind"] += not theirs
        reasons.add(reason(op.name, dtype, ours, theirs))
    return {"name": name, **found, "raised": sorted(raised), "reasons": sorted(reasons)}


def calls(op: Any, limit: int) -> Iterator[tuple[torch.dtype, Callable[[], Any]]]:
    """Yields the first samples in each dtype the op takes, the same ones every time."""
    torch.manual_seed(0)
    random.seed(0)
    for dtype in DTYPES:
        samples: Iterable[Any] = op.sample_inputs("cpu", dtype) if dtype in op.dtypes else ()
        for sample in islice(samples, limit):
            yield dtype, lambda sample=sample: op.op(sample.input, *sample.args, **sample.kwargs)


def dispatched(call: Callable[[], Any]) -> int:
    """Returns the MACs PyTorch's dispatcher sees, attention on its math path and the fused encoder layers off."""
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            call()
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    return int(counter.get_total_flops()) // 2


def reason(name: str, dtype: torch.dtype, ours: int, theirs: int) -> str:
    """Returns why two counts differ, or that it is not known."""
    if "conv" in name and dtype.is_complex and theirs == 3 * ours:
        return ONCE
    return BLIND.get(name, "not known") if not theirs else "not known"


BLIND = {
    **dict.fromkeys(("dot", "vdot", "mv", "addmv", "inner", "matmul", "__rmatmul__", "tensordot"), VECTORS),
    **dict.fromkeys(("linalg.vecdot", "nn.functional.linear_cross_entropy"), VECTORS),
    **dict.fromkeys(("nn.functional.bilinear", "addbmm"), "on a CPU it multiplies and adds, without a matrix product"),
    **dict.fromkeys(("sparse.mm", "sparse.sampled_addmm"), "PyTorch's counter has no formula for sparse products"),
    "torch.ops.aten._scaled_dot_product_flash_attention_for_cpu": "PyTorch's counter has no formula for the op",
}
"""Ops some or all samples of which hold a product that the dispatcher's counter does not see."""


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        raise SystemExit(why(error)) from error
