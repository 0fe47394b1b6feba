"""Compares what every profiler adds to a forward.

    python benchmarks/overhead.py                      # every model, to results/overhead.json
    python benchmarks/overhead.py --match tiny --rounds 5

Each model gets a process of its own, in which the plain forward and the profilers alternate in a new order
every round. A profiler's ratio is its time over the mean of the plain forwards just before and after it; the
table has the medians over the rounds. Timed is the whole call a user makes, printing off. A profiler that
cannot run, tried beforehand in a process that ends, is a cell that says why.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gc
import os
import random
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from accuracy import imported
from cases import LLAMA, Built, text, vision
from environment import apart, machine, save, versions, why
from peers import CALPROF, PEERS, Count, unpatched
from tables import overhead
from torch import nn

import calprof
from calprof.models.fake import ShapesOnly, build
from calprof.models.values import running

DISTRIBUTIONS = dict.fromkeys(("torch", "torchvision", "transformers", *(peer.distribution for peer in PEERS)))
CLOCKS = {"wall": perf_counter, "processor": process_time}
SAMPLE = 0.02
"""Seconds that one sample of the plain forward takes at least; shorter forwards are repeated."""
TINY = {
    "hidden_size": 64,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "vocab_size": 1000,
}
MODELS: dict[str, Callable[[], Built]] = {
    "resnet50": vision("resnet50"),
    "vit_b_16": vision("vit_b_16"),
    "BERT-base, 128 tokens": text("BertModel", "BertConfig"),
    "GPT-2, 128 tokens": text("GPT2LMHeadModel", "GPT2Config"),
    "Llama of 4 layers, 128 tokens": text("LlamaForCausalLM", "LlamaConfig", **LLAMA),
    "tiny BERT: 12 layers of 64, 16 tokens": text("BertModel", "BertConfig", 16, **TINY),
    "Llama-7B without storage, 128 tokens": text("LlamaForCausalLM", "LlamaConfig"),
}


@dataclass(frozen=True)
class Workload:
    """A model, its inputs, and the mode it runs in where it has no storage."""

    model: nn.Module
    inputs: tuple[Any, ...]
    mode: ShapesOnly | None


def main() -> None:
    """Measures the models, prints the table and writes it."""
    options = arguments()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    imported()
    result: dict[str, Any] = {
        "versions": versions(DISTRIBUTIONS),
        "machine": machine(),
        "clock": options.clock,
        "models": [],
    }
    for name in [name for name in MODELS if re.search(options.match, name)]:
        row = apart(lambda name=name: measured(name, options.rounds, options.seconds, CLOCKS[options.clock]), 7200)
        result["models"].append(row)
        print(name, {peer: round(found["median"], 3) for peer, found in row["ratios"].items() if "median" in found})
    print(overhead(result))
    if not options.match:
        print(save("overhead", result))


def arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only models in whose name this regular expression is found")
    parser.add_argument("--rounds", type=int, default=31, help="rounds for each model, at most")
    parser.add_argument("--seconds", type=float, default=180, help="begin no round after so many seconds")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="the time that is measured; "
                        "processor time leaves out what other processes take")  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    return parser.parse_args()


def measured(name: str, rounds: int, seconds: float, clock: Callable[[], float]) -> dict[str, Any]:
    """Returns the row of a model: the plain forward's seconds, and the ratio of each profiler or why it has none."""
    work = made(name)
    contenders = {"calprof.profile": CALPROF.count, "FlopProfiler": context_manager}
    contenders |= {peer.name: peer.count for peer in PEERS}
    failed = {}
    for peer, count in contenders.items():
        try:
            apart(lambda count=count: timed(work, copied(work.model), count, 1, clock))
        except RuntimeError as error:
            failed[peer] = str(error)
    able = {peer: count for peer, count in contenders.items() if peer not in failed}
    plain, ratios = alternated(work, able, rounds, seconds, clock)
    found: dict[str, Any] = {peer: spread(ratios[peer]) for peer in able}
    found |= {peer: {"failed": reason} for peer, reason in failed.items()}
    ordered = {peer: found[peer] for peer in contenders}
    return {"name": name, "forward": median(plain), "rounds": len(plain) // (len(able) + 1), "ratios": ordered}


def made(name: str) -> Workload:
    """Builds a model with weights, or without storage where its name says so."""
    torch.manual_seed(0)
    if "without storage" not in name:
        model, inputs = MODELS[name]()
        return Workload(model.eval(), inputs, None)
    mode = ShapesOnly()
    ids: list[tuple[Any, ...]] = []

    def construct() -> nn.Module:
        model, inputs = MODELS[name]()
        ids.append(inputs)
        return model

    return Workload(build(construct, mode).eval(), ids[0], mode)


def alternated(
    work: Workload, contenders: dict[str, Count], rounds: int, seconds: float, clock: Callable[[], float]
) -> tuple[list[float], dict[str, list[float]]]:
    """Returns the seconds of every plain forward, and each contender's ratios to its neighbours."""
    for count in contenders.values():
        timed(work, copied(work.model), count, 2, clock)
    repeats = max(1, round(SAMPLE / timed(work, work.model, forward, 2, clock)))
    gc.collect()
    gc.freeze()  # so that a collection of what the libraries hold falls on nobody
    ratios: dict[str, list[float]] = {name: [] for name in contenders}
    plain: list[float] = []
    order, begun = list(contenders), perf_counter()
    for _ in range(rounds):
        if perf_counter() - begun > seconds:
            break
        random.Random(len(plain)).shuffle(order)
        before = timed(work, work.model, forward, repeats, clock)
        plain.append(before)
        for name in order:
            spent = timed(work, copied(work.model), contenders[name], repeats, clock)
            after = timed(work, work.model, forward, repeats, clock)
            ratios[name].append(2 * spent / (before + after))
            before = after
            plain.append(after)
    return plain, ratios


def timed(work: Workload, model: nn.Module, count: Count, repeats: int, clock: Callable[[], float]) -> float:
    """Returns the seconds of one call, the mean of `repeats`, on a model that it may leave things on."""
    inside = count is not CALPROF.count and work.mode is not None
    with torch.no_grad(), running(work.mode) if inside else contextlib.nullcontext(), unpatched():
        begun = clock()
        for _ in range(repeats):
            count(model, work.inputs, {})
        return (clock() - begun) / repeats


def forward(model: nn.Module, args: Sequence[Any], kwargs: Any) -> int:
    """The plain forward."""
    model(*args, **kwargs)
    return 0


def context_manager(model: nn.Module, args: Sequence[Any], kwargs: Any) -> int:
    """A forward inside calprof's context manager, nothing read."""
    with calprof.FlopProfiler(model):
        model(*args, **kwargs)
    return 0


def copied(model: nn.Module) -> nn.Module:
    """Returns the model's modules anew, with the same tensors."""
    shared = {id(each): each for each in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, shared)


def spread(ratios: list[float]) -> dict[str, Any]:
    """Returns the median and the quartiles."""
    quarters = quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"median": median(ratios), "quartiles": [quarters[0], quarters[2]]}


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        raise SystemExit(why(error)) from error
