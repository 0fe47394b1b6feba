"""Profiles whole model zoos without weights and compares MACs with PyTorch's dispatcher.

    python benchmarks/zoo.py --source torchvision --source timm --limit 50 --output zoo.jsonl --resume

Every model is built on fake tensors, profiled, and run once more under `FlopCounterMode` on the same fake
tensors, with attention on its math path and the fused encoder layers off. One JSON line is written per
model; a model that fails has the reason in it. The summary is the table of the README.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from zoo_models import SOURCES, Entry, reduced, refused_by_itself

import calprof
from calprof.models.fake import ShapesOnly, build, fake_inputs
from calprof.models.progress import bar, wanted
from calprof.models.values import ValueNeeded, running

EXACT, DIFFERENT, FAILED = "exact", "different", "failed"


def main() -> None:
    """Runs the sweep that the command line asks for and prints its summary."""
    options = arguments()
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
    print(summary(shown))


def arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", choices=list(SOURCES), help="a zoo; may be repeated")
    parser.add_argument("--match", default="", help="only names in which this regular expression is found")
    parser.add_argument("--group", help="only this group: a torchvision task, or causal LM")
    parser.add_argument("--limit", type=int, help="so many models of each source, evenly spread over its list")
    parser.add_argument("--variant", choices=["default", "reduced"], default="default",
                        help="transformers: default configurations, or cut to four layers")  # fmt: skip
    parser.add_argument("--timeout", type=int, default=300, help="seconds for one model")
    parser.add_argument("--output", type=Path, default=Path("zoo.jsonl"))
    parser.add_argument("--resume", action="store_true", help="go on with the models that --output lacks")
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
        if entry.group == "detection":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                row |= figures(entry, variant, real=True) | {"reason": "run for real", "detail": place}
    except Exception as error:
        detail = " ".join(str(error).split())[:300]
        row |= {"status": FAILED, "reason": type(error).__name__, "detail": detail, "where": last_frame(error)}
    if row["status"] == FAILED and entry.source == "transformers" and row["reason"] != "value needed":
        row["refused by itself"] = refused_by_itself(entry, variant, row["detail"])
    row["seconds"] = round(time.perf_counter() - started, 2)
    return row


def figures(entry: Entry, variant: str, real: bool = False) -> dict[str, Any]:
    """Builds, profiles, and counts with the dispatcher."""
    blueprint = entry.blueprint(reduced if variant == "reduced" else None)
    mode = None if real else ShapesOnly()
    with running(mode):
        model = (blueprint.construct() if mode is None else build(blueprint.construct, mode)).eval()
    inputs = blueprint.inputs(model)
    prof = calprof.profile(model, args=inputs.args, kwargs=inputs.kwargs)
    theirs = dispatcher_macs(model, mode, inputs)
    uncounted = Counter(f"{each.op}: {each.reason}" for each in prof.uncounted)
    return {
        "status": EXACT if prof.macs == theirs else DIFFERENT,
        "kind": prof.kind, "input": inputs.description, "params": prof.params, "macs": prof.macs,
        "dispatcher": theirs, "flops": prof.flops, "uncounted": dict(uncounted), "notes": list(prof.recording.notes),
    }  # fmt: skip


def dispatcher_macs(model: torch.nn.Module, mode: ShapesOnly | None, inputs: Any) -> int:
    """Returns the MACs PyTorch's dispatcher sees, attention on its math path, the fused encoder layers off."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    given = (inputs.args, inputs.kwargs)
    args, kwargs = given if mode is None else fake_inputs(given, mode)
    # The counter's module tracker hooks into autograd wherever a parameter requires a gradient.
    model.requires_grad_(False)
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    counter = FlopCounterMode(display=False, custom_mapping=_missing())
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), running(mode), counter:
            model(*args, **kwargs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    return int(counter.get_total_flops()) // 2


def _missing() -> dict[Any, Any]:
    """The dispatcher's counter has no formula for grouped products: every row of the left meets one matrix."""
    grouped = getattr(torch.ops.aten, "_grouped_mm", None)
    if grouped is None:
        return {}

    def flops(left: Any, right: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        # The contracted size is the left's last; where both have two dimensions it is split among the groups.
        rows = left[0] * (left[1] if len(left) == 3 else 1)
        return int(2 * rows * left[-1] * right[-1])

    return {grouped: flops}


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


def summary(rows: list[dict[str, Any]]) -> str:
    """Returns the table, then every failure and every difference with its reason."""
    lines = [
        "| zoo | models | profiled | MACs equal the dispatcher's | with uncounted ops |",
        "| :-- | --: | --: | --: | --: |",
    ]
    groups = list(dict.fromkeys((row["source"], row["group"]) for row in rows))
    for source, group in groups:
        mine = [row for row in rows if (row["source"], row["group"]) == (source, group)]
        able = [row for row in mine if not row.get("refused by itself")]
        run = [row for row in able if row["status"] != FAILED]
        exact = sum(row["status"] == EXACT for row in run)
        odd = sum(bool(row["uncounted"]) for row in run)
        label = f"{source} {group}".strip()
        lines.append(f"| {label} | {len(able)} | {share(len(run), len(able))} | {share(exact, len(run))} | {odd} |")
    for row in rows:
        name = f"{row['source']}:{row['name']}"
        if row["status"] == FAILED:
            why = " (its own forward refuses the input too)" if row.get("refused by itself") else ""
            lines.append(f"- {name}: {row['reason']}: {row.get('detail', '')}{why}")
        elif row["status"] == DIFFERENT:
            lines.append(f"- {name}: {row['macs']} MACs, the dispatcher sees {row['dispatcher']}")
        if row.get("uncounted"):
            lines.append(f"- {name}: uncounted {row['uncounted']}")
    return "\n".join(lines)


def share(part: int, whole: int) -> str:
    """Returns `97 (100.0 %)`."""
    return f"{part} ({100 * part / whole:.1f} %)" if whole else "0"


if __name__ == "__main__":
    main()
