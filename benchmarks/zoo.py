"""Profiles whole model zoos without weights and compares MACs with PyTorch's dispatcher.

    python benchmarks/zoo.py --source torchvision --source timm --limit 50 --output zoo.jsonl --resume

Every model is built on fake tensors, profiled, and run once more under `FlopCounterMode` on the same fake
tensors, with attention on its math path, the fused encoder layers and oneDNN's recurrent layers off. One JSON
line is written per model; a model that fails has the reason in it. What several sweeps wrote makes the README's table:

    python benchmarks/zoo.py --source transformers --variant small --output small.jsonl
    python benchmarks/zoo.py --collect zoo.jsonl small.jsonl     # to results/zoo.json
"""

from __future__ import annotations

import argparse
import json
import math
import re
import signal
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from environment import RESULTS, load, machine, save, versions
from tables import zoo as table
from tiny_models import Refused, tiny_blueprint
from zoo_models import SOURCES, Entry, reduced, refused_by_itself
from zoo_results import DIFFERENT, EXACT, FAILED, NO_MODEL, REFUSED, collected, remarks, renewed

import calprof
from calprof.models.blueprint import Blueprint
from calprof.models.fake import ShapesOnly, build, fake_inputs
from calprof.models.progress import bar, wanted
from calprof.models.values import ValueNeeded, running


def main() -> None:
    """Runs the sweep that the command line asks for and prints its summary."""
    options = arguments()
    if options.collect:
        collect(options.collect)
        return
    rows = [json.loads(line) for line in options.output.read_text().splitlines()] if options.resume else []
    done = {(row["source"], row["name"], row["variant"]) for row in rows}
    entries = [entry for source in options.source for entry in chosen(SOURCES[source](), options)]
    todo = [entry for entry in entries if (entry.source, entry.name, options.variant) not in done]
    with options.output.open("a" if options.resume else "w") as file, bar("Zoo", len(todo), wanted()) as advance:
        for entry in todo:
            row = measure(entry, options.variant, options.timeout)
            rows.append(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
            advance()
    wanted_rows = {(entry.source, entry.name) for entry in entries}
    shown = [row for row in rows if (row["source"], row["name"]) in wanted_rows and row["variant"] == options.variant]
    print(table({"groups": collected(shown)}))
    print("\n".join(remarks(shown)))


def collect(files: list[Path]) -> None:
    """Adds up what sweeps wrote, beside what is there of zoos not swept again; prints the table and writes it."""
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    packages = ("torch", "torchvision", "timm", "transformers", "diffusers")
    before = load("zoo") if (RESULTS / "zoo.json").exists() else {}
    result = {"versions": versions(packages), "machine": machine(), **renewed(before, rows)}
    print(table(result))
    print(save("zoo", result))


def arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", choices=list(SOURCES), help="a zoo; may be repeated")
    parser.add_argument("--match", default="", help="only names in which this regular expression is found")
    parser.add_argument("--group", help="only this group: a torchvision task, or causal LM")
    parser.add_argument("--limit", type=int, help="so many models of each source, evenly spread over its list")
    parser.add_argument("--variant", choices=["default", "reduced", "small"], default="default",
                        help="transformers: default sizes, cut to four layers, or small throughout")  # fmt: skip
    parser.add_argument("--timeout", type=int, default=300, help="seconds for one model")
    parser.add_argument("--output", type=Path, default=Path("zoo.jsonl"))
    parser.add_argument("--resume", action="store_true", help="go on with the models that --output lacks")
    parser.add_argument("--collect", type=Path, nargs="+", help="sweep nothing; make results/zoo.json of these outputs")
    options = parser.parse_args()
    options.source = options.source or list(SOURCES)
    options.resume = options.resume and options.output.exists()
    return options


def chosen(entries: list[Entry], options: argparse.Namespace) -> list[Entry]:
    """Returns the entries that match, thinned to the limit."""
    groups = {entry.group for entry in entries} if options.group is None else {options.group}
    found = [entry for entry in entries if entry.group in groups and re.search(options.match, entry.name)]
    if options.limit is None or options.limit >= len(found):
        return found
    return [found[index * len(found) // options.limit] for index in range(options.limit)]


def measure(entry: Entry, variant: str, timeout: int) -> dict[str, Any]:
    """Returns what one model came to: its figures, or the reason it has none."""
    row: dict[str, Any] = {"source": entry.source, "name": entry.name, "variant": variant, "group": entry.group}
    started = time.perf_counter()
    try:
        with time_limit(timeout), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            row |= figures(entry, variant)
    except ValueNeeded as question:
        place = f"{question.place}: {question.line}"
        row |= {"status": FAILED, "reason": "value needed", "detail": place}
        if entry.group == "detection" or variant == "small":
            row |= for_real(entry, variant, timeout, place)
    except Refused as refusal:
        missing = any("no model class" in reason for reason in refusal.reasons.values())
        row |= {"status": NO_MODEL if missing else REFUSED, "reason": "refused", "tried": refusal.reasons}
    except Exception as error:
        detail = " ".join(str(error).split())[:300]
        row |= {"status": FAILED, "reason": type(error).__name__, "detail": detail, "where": last_frame(error)}
    default = entry.source == "transformers" and variant != "small"
    if default and row["status"] == FAILED and row["reason"] != "value needed":
        row["refused by itself"] = refused_by_itself(entry, variant, row["detail"])
    row["seconds"] = round(time.perf_counter() - started, 2)
    return row


def for_real(entry: Entry, variant: str, timeout: int, place: str) -> dict[str, Any]:
    """Returns what a model that asks for values comes to with weights, as `profile_by_name` runs it by itself."""
    try:
        with time_limit(timeout), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return figures(entry, variant, real=True) | {"reason": "run for real", "detail": place}
    except Exception as error:  # whatever the model raises is this row's reason
        return {"status": FAILED, "reason": "value needed", "detail": f"{place}; {type(error).__name__}: {error}"[:300]}


def figures(entry: Entry, variant: str, real: bool = False) -> dict[str, Any]:
    """Builds, profiles, and counts with the dispatcher."""
    if variant == "small" and entry.source == "transformers":
        blueprint = tiny_blueprint(entry.name)
    else:
        blueprint = entry.blueprint(reduced if variant == "reduced" else None)
    mode = None if real else ShapesOnly()
    model = built(blueprint, mode)
    inputs = blueprint.inputs(model)
    prof = calprof.profile(model, args=inputs.args, kwargs=inputs.kwargs)
    theirs = dispatcher_macs(model, mode, inputs)
    if theirs != prof.macs:
        # Some models remember what they computed, such as the encodings of class names: then it takes a new one.
        theirs = dispatcher_macs(built(blueprint, mode), mode, inputs)
    uncounted = Counter(f"{each.op}: {each.reason}" for each in prof.uncounted)
    return {
        "status": EXACT if prof.macs == theirs else DIFFERENT,
        "kind": prof.kind, "input": inputs.description, "params": prof.params, "macs": prof.macs,
        "dispatcher": theirs, "flops": prof.flops, "uncounted": dict(uncounted), "notes": list(prof.recording.notes),
    }  # fmt: skip


def built(blueprint: Blueprint, mode: ShapesOnly | None) -> torch.nn.Module:
    """Returns the model in eval mode, with weights or on fake tensors."""
    with running(mode):
        return (blueprint.construct() if mode is None else build(blueprint.construct, mode)).eval()


def dispatcher_macs(model: torch.nn.Module, mode: ShapesOnly | None, inputs: Any) -> int:
    """Returns the MACs PyTorch's dispatcher sees, attention on its math path, fused layers off."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    given = (inputs.args, inputs.kwargs)
    args, kwargs = given if mode is None else fake_inputs(given, mode)
    # The counter's module tracker hooks into autograd wherever a parameter requires a gradient.
    model.requires_grad_(False)
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    counter = FlopCounterMode(display=False, custom_mapping=_missing())
    # oneDNN's recurrent layer is one op, for which the counter has no formula; step by step it is products.
    recurrent = any(isinstance(module, torch.nn.RNNBase) for module in model.modules())
    onednn = torch.backends.mkldnn.flags(enabled=False) if recurrent else nullcontext()
    try:
        with torch.no_grad(), onednn, sdpa_kernel(SDPBackend.MATH), running(mode), counter:
            model(*args, **kwargs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    return int(counter.get_total_flops()) // 2


def _missing() -> dict[Any, Any]:
    """What the dispatcher's counter has no formula for: products with vectors, and grouped ones.

    A matrix times a vector contracts every element of the matrix once. Of a grouped product every row of the left
    meets one matrix; the contracted size is the left's last, and where both have two dimensions it is split.
    """
    aten = torch.ops.aten

    def grouped(left: Any, right: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        rows = left[0] * (left[1] if len(left) == 3 else 1)
        return int(2 * rows * left[-1] * right[-1])

    def vector(left: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return 2 * math.prod(left)

    def added_vector(_: Any, matrix: Any, *__: Any, out_shape: Any = None, **___: Any) -> int:
        return 2 * math.prod(matrix)

    found: dict[Any, Any] = {aten.mv: vector, aten.dot: vector, aten.vdot: vector, aten.addmv: added_vector}
    if hasattr(aten, "_grouped_mm"):
        found[aten._grouped_mm] = grouped
    return found


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in a block that takes longer."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def last_frame(error: BaseException) -> str:
    """Returns the file and line an error was raised at."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rpartition('site-packages/')[2]}:{trace.tb_lineno}"


if __name__ == "__main__":
    main()
