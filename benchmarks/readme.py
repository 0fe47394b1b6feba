"""Writes the generated blocks of README.md, or checks that they are current.

    python benchmarks/readme.py           # rewrite the blocks
    python benchmarks/readme.py --check   # exit with status 1 and a diff when one is stale
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

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


def command(*arguments: str) -> str:
    """What a command line prints, without the line that holds a time."""
    done = subprocess.run([sys.executable, "-m", "calprof", *arguments], capture_output=True, text=True, check=True)
    lines = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith("recorded in")]
    return "```text\n$ calprof " + " ".join(arguments) + "\n" + "\n".join(lines).rstrip() + "\n```"


def conventions() -> str:
    """The price of every kind of work under every convention."""
    from calprof.conventions import CONVENTIONS
    from calprof.work import KINDS

    rows = [f"| kind of work | {' | '.join(CONVENTIONS)} | one step is |", "|---|" + "---:|" * len(CONVENTIONS) + "---|"]
    for kind, meaning in KINDS.items():
        prices = " | ".join(str(each.price_of(kind)) for each in CONVENTIONS.values())
        rows.append(f"| `{kind}` | {prices} | {meaning} |")
    return "\n".join(rows)


def families() -> str:
    """How many functions of each family are priced, free or uncountable."""
    import calprof.ops  # noqa: F401
    from calprof.ops.registry import catalogue

    priced: Counter[str] = Counter()
    names: dict[str, list[str]] = {}
    states: Counter[str] = Counter()
    for key, op in catalogue().items():
        states[op.state] += 1
        if op.state == "priced":
            priced[op.family] += 1
            names.setdefault(op.family, []).append(key)
    rows = ["| family | priced | such as |", "|---|---:|---|"]
    for family, count in sorted(priced.items(), key=lambda item: -item[1]):
        shown = [name for name in names[family] if not name.startswith("_") and "." not in name][:6]
        rows.append(f"| {family} | {count} | {', '.join(f'`{name}`' for name in shown or names[family][:4])} |")
    head = (
        f"{states['priced']} names are priced, {states['free']} are free (they move, create or inspect data) and "
        f"{states['uncountable']} are uncountable, each with its reason. A name stands for every spelling of an op: "
        "function, method, operator, in-place and reflected forms, `torch.ops.aten`.\n\n"
    )
    return head + "\n".join(rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "quickstart": lambda: example(QUICKSTART),
    "tree": lambda: command("resnet50", "--depth", "1"),
    "views": lambda: example(VIEWS, "from calprof import profile"),
    "conventions": conventions,
    "families": families,
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
