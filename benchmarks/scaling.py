"""How calprof's time and memory grow: with calls, layers, context, generated tokens and parameters.

    python benchmarks/scaling.py                 # to results/scaling.json
    python benchmarks/scaling.py --quick         # a hundredth of the calls, printed only

Each axis runs in a process of its own. A point is the processor time of the fastest of several runs; the slope is
that of a straight line through the logarithms of the upper half of the axis, where the fixed cost of a profile no
longer shows.
Memory is what a recording of a million calls holds at its peak: with every call alike, and with no two alike.
"""

from __future__ import annotations

import argparse
import os
import resource
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from math import log
from time import process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from environment import apart, machine, save, versions, why
from tables import scaling
from torch import nn

import calprof
from calprof.models.fake import ShapesOnly, build

Point = tuple[float, float]
DECADES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
LAYERS = (1, 3, 10, 30, 100, 300, 1_000)
CONTEXTS = (128, 1_024, 8_192, 65_536, 524_288)
GENERATED = (4, 16, 64, 256)
PARAMETERS = (10**6, 10**7, 10**8, 10**9, 10**10, 10**11, 10**12)


def main() -> None:
    """Measures every axis, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    largest, repeats = (10_000, 2) if options.quick else (1_000_000, 5)
    axes: dict[str, Callable[[], list[Point]]] = {
        "calls of an op": lambda: calls([n for n in DECADES if n <= largest], repeats),
        "layers": lambda: layers(LAYERS, repeats),
        "context length, no storage": lambda: contexts(CONTEXTS, repeats),
        "tokens generated, each": lambda: generated(GENERATED[: 3 if options.quick else None], repeats),
        "parameters, no storage": lambda: parameters(PARAMETERS, repeats),
    }
    result: dict[str, Any] = {"versions": versions(("torch", "transformers")), "machine": machine(), "axes": []}
    for name, measure in axes.items():
        points = [{"at": at, "seconds": seconds} for at, seconds in apart(measure, 1800)]
        found = slope([(point["at"], point["seconds"]) for point in points])
        result["axes"].append({"name": name, "slope": found, "points": points})
        print(name, f"{found:.3f}", points)
    result["memory"] = [apart(lambda alike=alike: held(largest, alike), 3600) for alike in (True, False)]
    print(scaling(result))
    if not options.quick:
        print(save("scaling", result))


def slope(points: Sequence[Point]) -> float:
    """Returns the exponent b of seconds = a · at**b, fitted to the upper half of the axis."""
    upper = [(log(at), log(seconds)) for at, seconds in points[len(points) // 2 :]]
    x, y = (sum(each) / len(upper) for each in zip(*upper, strict=True))
    return sum((a - x) * (b - y) for a, b in upper) / sum((a - x) ** 2 for a, _ in upper)


def fastest(run: Callable[[], object], repeats: int) -> float:
    """Returns the processor seconds of the fastest run after one that is not timed."""
    run()
    times = []
    for _ in range(repeats):
        begun = process_time()
        run()
        times.append(process_time() - begun)
    return min(times)


def calls(counts: Sequence[int], repeats: int) -> list[Point]:
    """A recording of so many equal calls, with its FLOPs."""
    x = torch.randn(3)

    def run(count: int) -> int:
        with torch.no_grad(), calprof.FlopProfiler() as profiler:
            for _ in range(count):
                torch.relu(x)
        return profiler.profile().flops

    return [(count, fastest(lambda count=count: run(count), repeats)) for count in counts]


def layers(depths: Sequence[int], repeats: int) -> list[Point]:
    """A profile of a stack of linear layers."""
    found = []
    for depth in depths:
        model = nn.Sequential(*(nn.Sequential(nn.Linear(7, 7), nn.ReLU()) for _ in range(depth)))
        found.append((depth, fastest(lambda model=model: calprof.profile(model, (2, 7)).flops, repeats)))
    return found


def contexts(lengths: Sequence[int], repeats: int) -> list[Point]:
    """A profile of a Llama without storage, at growing lengths of its input."""
    model = llama(4096, 2, max(lengths))
    return [
        (length, fastest(lambda length=length: calprof.profile(model, (1, length)).flops, repeats))
        for length in lengths
    ]


def generated(counts: Sequence[int], repeats: int) -> list[Point]:
    """Seconds for each new token of a small Llama that generates."""
    import transformers as hf

    torch.manual_seed(0)
    model = hf.LlamaForCausalLM(
        hf.LlamaConfig(
            hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, vocab_size=100
        )
    ).eval()
    model.generation_config.pad_token_id = 0
    ids = torch.randint(3, 100, (1, 5))

    def run(count: int) -> int:
        settings = {"input_ids": ids, "min_new_tokens": count, "max_new_tokens": count, "do_sample": False}
        return calprof.profile(model, kwargs=settings, forward_mode="generate").flops

    return [(count, fastest(lambda count=count: run(count), repeats) / count) for count in counts]


def parameters(sizes: Sequence[int], repeats: int) -> list[Point]:
    """A profile of a Llama of two layers without storage, at growing widths."""
    found = []
    for size in sizes:
        model = llama(max(64, round((size / 24) ** 0.5 / 64) * 64), 2, 2048)
        real = sum(each.numel() for each in model.parameters())
        found.append((real, fastest(lambda model=model: calprof.profile(model, (1, 128)).flops, repeats)))
    return found


def llama(width: int, depth: int, longest: int) -> nn.Module:
    """Returns a Llama without storage: four heads for every 256 of its width, one token id for every 8."""
    import transformers as hf

    config = hf.LlamaConfig(
        hidden_size=width, intermediate_size=8 * width // 3, num_hidden_layers=depth, num_attention_heads=width // 64,
        vocab_size=max(1000, width // 8), max_position_embeddings=longest, use_cache=False,
    )  # fmt: skip
    model: nn.Module = build(lambda: hf.LlamaForCausalLM(config), ShapesOnly()).eval()
    return model


def held(count: int, alike: bool) -> dict[str, Any]:
    """Returns the bytes a recording of so many calls holds at its peak, traced and as the process grows."""
    x = torch.randn(1000)
    views = [x] if alike else [x[: 1 + index % 1000] for index in range(1000)]

    def run(count: int) -> None:
        with torch.no_grad(), calprof.FlopProfiler() as profiler:
            # No two keys alike: a thousand shapes, each with its own constant.
            for index in range(count):
                torch.add(views[index % len(views)], 1.0 if alike else float(index // 1000))
        assert profiler.profile().flops

    grown = apart(lambda: growth(run, count), 3600)
    run(1)  # loads what is loaded on first use
    tracemalloc.start()
    run(count)
    traced = tracemalloc.get_traced_memory()[1]
    return {"calls": count, "alike": alike, "traced": traced, "resident": grown}


def growth(run: Callable[[int], None], count: int) -> int:
    """Returns by how many bytes the largest size of this process grows."""
    run(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(count)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        raise SystemExit(why(error)) from error
