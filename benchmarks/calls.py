"""Measures what calprof adds to one intercepted call, and what it takes to start.

    python benchmarks/calls.py          # to results/calls.json

A loop of equal calls runs plain, under a function mode that only passes on, and under a recording; in turn, each
many times, of which the fastest counts. The pass-on mode is PyTorch's own share, so what calprof adds is the
recording less that. Start-up is the fastest of several fresh processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.nn.functional as F
from environment import machine, save, versions
from tables import calls as table
from torch.overrides import TorchFunctionMode

import calprof

LOOP, ROUNDS, STARTS = 300, 200, 7


class PassOn(TorchFunctionMode):
    """The least a function mode can do."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Calls the function."""
        return func(*args, **kwargs) if kwargs else func(*args)


def cases() -> dict[str, tuple[str, Callable[[], Any]]]:
    """Returns calls by name, each with whether it is priced, dismissed, or a module's."""
    x, heads = torch.zeros(1, 4, 8), torch.zeros(1, 2, 4, 8)
    weight, bias = torch.nn.Parameter(torch.zeros(8, 8)), torch.nn.Parameter(torch.zeros(8))
    module = torch.nn.Identity()
    return {
        "x.shape": ("dismissed", lambda: x.shape),
        "x.view": ("dismissed", lambda: x.view(4, 8)),
        "relu": ("priced", lambda: torch.relu(x)),
        "x + x": ("priced", lambda: x + x),
        "matmul": ("priced", lambda: torch.matmul(x, weight)),
        "linear": ("priced", lambda: F.linear(x, weight, bias)),
        "softmax": ("priced", lambda: F.softmax(x, -1)),
        "scaled_dot_product_attention": ("priced", lambda: F.scaled_dot_product_attention(heads, heads, heads)),
        "layer_norm": ("priced", lambda: F.layer_norm(x, (8,), bias, bias, 1e-5)),
        "a module": ("module", lambda: module(x)),
    }


def main() -> None:
    """Measures, prints the table and writes it."""
    with torch.no_grad():
        found = [{"name": name, "kind": kind, **per_call(call)} for name, (kind, call) in cases().items()]
    result = {
        "versions": versions(("torch", "calprof")), "machine": machine(), "calls": found, "starts": starts(),
    }  # fmt: skip
    print(table(result))
    print(save("calls", result))


def per_call(call: Callable[[], Any]) -> dict[str, float]:
    """Returns the seconds of one call plain, passed on, and recorded."""
    best = {"plain": float("inf"), "passed on": float("inf"), "recorded": float("inf")}
    profiler = calprof.FlopProfiler()
    for _ in range(ROUNDS):
        best["plain"] = min(best["plain"], loop(call))
        with PassOn():
            best["passed on"] = min(best["passed on"], loop(call))
        with profiler:
            best["recorded"] = min(best["recorded"], loop(call))
    return best


def loop(call: Callable[[], Any]) -> float:
    """Returns the seconds of one call, the mean of a loop."""
    begun = thread_time()
    for _ in range(LOOP):
        call()
    return (thread_time() - begun) / LOOP


def starts() -> dict[str, float]:
    """Returns the seconds that imports add to `import torch`, and those of `calprof --help`."""
    code = "import time, torch; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"
    return {
        "import calprof, after import torch": fastest("-c", code.format("import calprof")),
        "from calprof import profile, after import torch": fastest("-c", code.format("from calprof import profile")),
        "calprof --help": fastest("-m", "calprof", "--help", whole=True),
    }


def fastest(*arguments: str, whole: bool = False) -> float:
    """Returns the fewest seconds a Python process takes, or those that it prints."""
    found = []
    for _ in range(STARTS):
        begun = perf_counter()
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
        found.append(perf_counter() - begun if whole else float(done.stdout))
    return min(found)


if __name__ == "__main__":
    main()
