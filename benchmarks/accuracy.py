"""Compares the MACs of every profiler with PyTorch's dispatcher and with closed forms.

    python benchmarks/accuracy.py                      # every case, to results/accuracy.json
    python benchmarks/accuracy.py --match lstm         # some cases, printed only

Each case and each profiler in it runs in a process of its own, because some leave their patches behind. Models
are in eval mode under `torch.no_grad()`, on CPU; a profiler that cannot run is a cell that says why.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from cases import CASES, Built, Case
from environment import apart, machine, save, versions, why
from peers import CALPROF, PEERS, Count
from tables import DISPATCHER, accuracy

DISTRIBUTIONS = ("torch", "torchvision", "transformers", "timm", "diffusers", *(p.distribution for p in PEERS))
SECONDS = 300


def main() -> None:
    """Runs the cases, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only cases in whose name this regular expression is found")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    imported()
    chosen = [case for case in CASES if re.search(options.match, case.name)]
    result = {
        "versions": versions(dict.fromkeys(DISTRIBUTIONS)),
        "machine": {name: value for name, value in machine().items() if name != "load"},
        "figures": {peer.name: peer.figure for peer in (CALPROF, *PEERS)},
        "cases": [measured(case) for case in chosen],
    }
    print(accuracy(result))
    if not options.match:
        print(save("accuracy", result))


def imported() -> None:
    """Loads every library once, before the first fork."""
    for name in DISTRIBUTIONS:
        with contextlib.suppress(ImportError):
            __import__(name)
    with contextlib.suppress(ImportError):
        import deepspeed.profiling.flops_profiler  # noqa: F401
        import fvcore.nn  # noqa: F401
    import calprof  # noqa: F401


def measured(case: Case) -> dict[str, Any]:
    """Returns the row of a case: the true MACs, and each profiler's or why there are none."""
    truth = case.macs if case.macs is not None else apart(lambda: dispatched(case), SECONDS)
    row = {"name": case.name, "macs": truth, "basis": case.because or DISPATCHER, "peers": {}}
    for peer in (CALPROF, *PEERS):
        row["peers"][peer.name] = outcome(case, peer.count)
        if peer.products is not None:
            row["peers"][f"{peer.name}, products"] = outcome(case, peer.products)
    return row


def outcome(case: Case, count: Count) -> dict[str, Any]:
    """Returns the MACs one profiler reports, or why it reports none."""
    try:
        return {"macs": apart(lambda: counted(case, count), SECONDS)}
    except RuntimeError as error:
        return {"failed": str(error)}


def counted(case: Case, count: Count) -> int:
    """Builds the case and runs a profiler on it."""
    model, inputs = built(case.build)
    with torch.no_grad():
        return int(count(model, inputs, {}))


def dispatched(case: Case) -> int:
    """Returns what PyTorch's dispatcher counts with attention on its math path and the fused encoder layers off."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    model, inputs = built(case.reference or case.build)
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(*inputs)
    return int(counter.get_total_flops()) // 2


def built(build: Any) -> Built:
    """Builds a case, the same one every time."""
    torch.manual_seed(0)
    model, inputs = build()
    return model.eval(), inputs


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        raise SystemExit(why(error)) from error
