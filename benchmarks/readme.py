"""Writes the generated blocks of README.md, or checks that they are current.

    python benchmarks/readme.py           # rewrite the blocks
    python benchmarks/readme.py --check   # exit with status 1 and a diff when one is stale

What takes long to measure is read from `results/`.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tables
from environment import RESULTS, load

README = Path(__file__).parent.parent / "README.md"

QUICKSTART = """\
import torch, torchvision
from calprof import calculate_flops, profile

model = torchvision.models.resnet50()
flops, macs, params = calculate_flops(model, (1, 3, 224, 224), print_results=False)
print(flops, "|", macs, "|", params)
prof = profile(model, (1, 3, 224, 224))
print(prof.by_op()[0].op, prof.under("matmul").flops, prof.training().total.macs)
"""

VIEWS = """\
from transformers import BertConfig, BertModel

prof = profile(BertModel(BertConfig()), (1, 128))
for convention in ("arithmetic", "matmul", "calflops", "electra"):
    print(f"{convention:<11}{prof.under(convention).flops:>15,} FLOPs {prof.macs:>15,} MACs")
step = prof.training(recompute=True)
print(step.backward.macs // prof.macs, step.recompute.macs // prof.macs, step.total.macs // prof.macs)
"""


def run(code: str, namespace: dict[str, object] | None = None) -> str:
    """Returns what `code` prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), namespace if namespace is not None else {})
    return out.getvalue()


def example(code: str, before: str = "") -> str:
    """A Python block and, below it, what it prints."""
    namespace: dict[str, object] = {}
    run(before, namespace)
    return f"```python\n{code}```\n\n```text\n{run(code, namespace)}```"


TRAINING = """\
import torch
from calprof import profile, profile_step

model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Linear(32, 16))
prof = profile(model, (1, 16), training="exact", convention="matmul")
for step in (prof.training(), prof.training(recompute=True), prof.training(exact=True)):
    print(step.forward.flops, step.backward.flops, step.recompute.flops, step.total.flops, "FLOPs:", step.basis)
measured = profile_step(model, torch.randn(1, 16), convention="matmul")
print(measured.forward.flops, measured.backward.flops, measured.total.flops, "FLOPs: measured")
"""


def command(*arguments: str, lines: int | None = None) -> str:
    """What a command line prints, or its first lines, without the line that holds a time."""
    done = subprocess.run([sys.executable, "-m", "calprof", *arguments], capture_output=True, text=True, check=True)
    found = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith("recorded in")]
    shown = found if lines is None else [*found[:lines], "…"]
    return "```text\n$ calprof " + " ".join(arguments) + "\n" + "\n".join(shown).rstrip() + "\n```"


def conventions() -> str:
    """The price of every kind of work under every convention."""
    from calprof.conventions import CONVENTIONS
    from calprof.work import KINDS

    rule = "|---|" + "---:|" * len(CONVENTIONS) + "---|"
    rows = [f"| kind of work | {' | '.join(CONVENTIONS)} | one step is |", rule]
    for kind, meaning in KINDS.items():
        prices = " | ".join(str(each.price_of(kind)) for each in CONVENTIONS.values())
        rows.append(f"| `{kind}` | {prices} | {meaning} |")
    return "\n".join(rows)


SHOWN = {
    "matmul": "matmul linear bmm einsum",
    "convolution": "conv2d conv_transpose2d",
    "attention": "scaled_dot_product_attention multi_head_attention_forward higher_order.flex_attention",
    "pointwise": "add mul exp clamp",
    "activation": "gelu silu relu",
    "normalization": "layer_norm rms_norm functional.batch_norm",
    "softmax": "softmax log_softmax",
    "loss": "cross_entropy mse_loss",
    "pooling": "max_pool2d adaptive_avg_pool2d",
    "embedding": "functional.embedding functional.embedding_bag",
    "ordering": "sort topk",
    "linalg": "cholesky linalg.qr svd",
    "recurrent": "lstm gru",
    "backends": "cudnn_convolution_relu mkldnn_linear",
    "distance": "cdist pairwise_distance",
    "sparse": "smm sampled_addmm",
}
"""What stands for a family in its table; the first is the one explained."""


def families() -> str:
    """What is counted for one function of each family, and how many are priced, free or uncountable."""
    import calprof.ops  # noqa: F401
    from calprof.ops.registry import catalogue

    ops = catalogue()
    states = Counter(op.state for op in ops.values())
    priced: dict[str, list[str]] = {}
    for name, op in ops.items():
        if op.state == "priced":
            priced.setdefault(op.family, []).append(name)
    rows = ["| family | priced | such as | counted for the first |", "|---|---:|---|---|"]
    for family, names in sorted(priced.items(), key=lambda item: (-len(item[1]), item[0])):
        shown = SHOWN.get(family, "").split() or sorted(names, key=lambda name: name.startswith("_"))[:2]
        spelled = ", ".join(f"`{name.removeprefix('functional.')}`" for name in shown)
        rows.append(f"| {family} | {len(names)} | {spelled} | {ops[shown[0]].reason} |")
    head = (
        f"{states['priced']} names are priced, {states['free']} are free (they move, create or inspect data) and "
        f"{states['uncountable']} are uncountable, each with its reason. A name stands for every spelling of an op: "
        "function, method, operator, in-place and reflected forms, `torch.ops.aten`.\n\n"
    )
    return head + "\n".join(rows)


def measured(name: str, table: Callable[[dict[str, Any]], str]) -> str:
    """A table of a saved result."""
    if not (RESULTS / f"{name}.json").exists():
        return f"Not measured yet: `python benchmarks/{name}.py`."
    return table(load(name))


BLOCKS: dict[str, Callable[[], str]] = {
    "quickstart": lambda: example(QUICKSTART),
    "tree": lambda: command("resnet50", "--depth", "1"),
    "views": lambda: example(VIEWS, "from calprof import profile"),
    "name": lambda: command("llama-3.1-8b", "--seq", "8192", "--depth", "1"),
    "training": lambda: example(TRAINING),
    "time": lambda: command(
        *shlex.split("train-time --params 124337664 --tokens 300e9 --device a100 --count 8 --mfu 0.3 --price 2")
    ),
    "compare": lambda: command("llama-3.1-8b", "--seq", "8192", "--convention", "matmul", "--compare", lines=24),
    "palm": lambda: command(
        *shlex.split("formula palm --params 540.35B --layers 118 --heads 48 --head-size 256 --seq 2048")
    ),
    "accuracy": lambda: measured("accuracy", tables.accuracy),
    "overhead": lambda: measured("overhead", tables.overhead),
    "calls": lambda: measured("calls", tables.calls),
    "scaling": lambda: measured("scaling", tables.scaling),
    "conventions": conventions,
    "families": families,
    "zoo": lambda: measured("zoo", tables.zoo),
    "coverage": lambda: measured("op_coverage", tables.coverage),
}


def rendered(text: str, blocks: dict[str, Callable[[], str]]) -> str:
    """Returns `text` with the generated blocks filled in."""
    for name, make in blocks.items():
        pattern = re.compile(rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"README.md has no block {name!r}")
        body = make()
        text = pattern.sub(lambda match, body=body: f"{match[1]}{body}\n{match[2]}", text)
    return text


def main() -> None:
    """Rewrites or checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    old = README.read_text()
    new = rendered(old, BLOCKS)
    if not options.check:
        README.write_text(new)
    elif new != old:
        sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), "README.md", "now"))
        raise SystemExit(1)


if __name__ == "__main__":
    main()
