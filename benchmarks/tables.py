"""The README's tables, from the results in `results/`."""

from __future__ import annotations

from typing import Any

from zoo_results import UNRUN

EXACT = "**1**"
DISPATCHER = "the dispatcher's count"


def accuracy(result: dict[str, Any]) -> str:
    """How many cases each profiler gets exactly right; folded below it every case.

    A case's row has its MACs and each profiler's in proportion; exact ones are bold, failures numbered below.
    """
    cases = result["cases"]
    names = list(result["figures"])
    reasons: dict[str, int] = {}
    head = f"| {' | '.join(names)} |"
    exact = " | ".join(str(_exact(cases, name)) for name in names)
    rows = [f"| exact, of {len(cases)} {head}", "|:--|" + "--:|" * len(names), f"| cases | {exact} |", ""]
    apart = [name for name in (cases[0]["peers"] if cases else ()) if name not in names]
    if apart:
        told = " and ".join(f"{_exact(cases, name)} of {name.removesuffix(', products')}'s" for name in apart)
        rows += [f"Of their products alone, elementwise work left out of the total, {told} are exact.", ""]
    rows += ["<details><summary>Every case</summary>", "", f"| case | MACs {head}", "|:--|--:|" + "--:|" * len(names)]
    for case in cases:
        cells = [_ratio(case["macs"], case["peers"][name], reasons) for name in names]
        rows.append(f"| {case['name']} | {case['macs']:,} | {' | '.join(cells)} |")
    forms = [f"- {case['name']}: {case['basis']}" for case in cases if case["basis"] != DISPATCHER]
    rows += ["", "**1** is exact, 1.000 is not. Not the dispatcher's count as it is, but:", "", *forms]
    if reasons:
        rows += ["", *(f"{number}. {reason}" for reason, number in reasons.items())]
    return "\n".join([*rows, "", _made(result), "", "</details>"])


def overhead(result: dict[str, Any]) -> str:
    """One row a model: the plain forward's time, and each profiler's in forwards."""
    models = result["models"]
    names = list(models[0]["ratios"]) if models else []
    reasons: dict[str, int] = {}
    rows = [f"| model | forward | {' | '.join(names)} |", "|:--|--:|" + "--:|" * len(names)]
    for model in models:
        cells = [_times(model["ratios"][name], reasons) for name in names]
        rows.append(f"| {model['name']} | {_time(model['forward'])} | {' | '.join(cells)} |")
    if reasons:
        rows += ["", *(f"{number}. {reason}" for reason, number in reasons.items())]
    return "\n".join([*rows, "", _made(result)])


def calls(result: dict[str, Any]) -> str:
    """One row a call: what it takes, what PyTorch's interception adds, and what recording adds to that."""
    rows = ["| one call of | is | takes | a function mode adds | recording adds |", "|:--|:--|--:|--:|--:|"]
    for call in result["calls"]:
        taken = [call["plain"], call["passed on"] - call["plain"], call["recorded"] - call["passed on"]]
        cells = " | ".join(f"{max(each, 0) * 1e6:.2f} µs" for each in taken)
        rows.append(f"| {call['name']} | {call['kind']} | {cells} |")
    starts = ", ".join(f"{name}: {_time(seconds)}" for name, seconds in result["starts"].items())
    return "\n".join([*rows, "", f"{starts}.", "", _made(result)])


def scaling(result: dict[str, Any]) -> str:
    """One row an axis: from where to where, the times, and the slope."""
    rows = ["| against | from | to | takes | to | slope |", "|:--|--:|--:|--:|--:|--:|"]
    for axis in result["axes"]:
        first, last = axis["points"][0], axis["points"][-1]
        rows.append(
            f"| {axis['name']} | {_short(first['at'])} | {_short(last['at'])} | {_time(first['seconds'])} "
            f"| {_time(last['seconds'])} | {axis['slope']:.2f} |"
        )
    told = ["A slope of 1 is linear, of 0 flat. At its peak,"]
    told += [
        f"a recording of {each['calls']:,} "
        f"{'equal calls' if each['alike'] else 'calls no two of which are equal'} holds "
        f"{each['traced'] / 1e6:.1f} MB{',' if each['alike'] else '.'}"
        for each in result["memory"]
    ]
    return "\n".join([*rows, "", " ".join(told), "", _made(result)])


def zoo(result: dict[str, Any]) -> str:
    """One row a zoo: how many models run by themselves, are profiled, and have the dispatcher's MACs."""
    rows = [
        "| zoo | models | run without calprof | profiled | MACs equal the dispatcher's | with uncounted ops |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for group in result["groups"]:
        profiled = _share(group["profiled"], group["able"])
        exact = _share(group["exact"], group["profiled"])
        head = f"| {group['name']} | {group['models']:,} | {group['able']:,}"
        rows.append(f"{head} | {profiled} | {exact} | {group['uncounted']} |")
    if "remarks" in result:
        rows += ["", "<details><summary>Every model that fails, differs or has uncounted ops</summary>", ""]
        told = [line.replace("<", "‹") for line in result["remarks"] if UNRUN not in line]
        unrun = [line.partition(":")[2].partition(" (")[0] for line in result["remarks"] if UNRUN in line]
        rows += [*told, f"- {len(unrun)} types of transformers: {UNRUN}{', '.join(unrun)}"]
        rows += ["", "</details>", "", _made(result)]
    return "\n".join(rows)


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else "0"


def coverage(result: dict[str, Any]) -> str:
    """How many functions are classified and samples run, and where the dispatcher's counter sees other MACs."""
    states, ops = result["functions"], result["ops"]
    run = [op for op in ops if op.get("samples")]
    seen = [op for op in ops if op.get("products")]
    exact = [op for op in seen if not op["reasons"]]
    raised = sum(len(op["raised"]) for op in ops)
    products, different = (sum(op.get(key, 0) for op in ops) for key in ("products", "different"))
    found = {state: f"{states.get(state, 0):,}" for state in ("priced", "free", "uncountable", "unknown")}
    told = (
        f"Of the {sum(states.values()):,} functions that PyTorch {result['versions']['torch']} lists as overridable, "
        f"with torchvision's ops and the quantised layers, {found['priced']} are priced, {found['free']} free, "
        f"{found['uncountable']} uncountable with a reason, {found['unknown']} unknown. Of PyTorch's own sample inputs "
        f"{sum(op['samples'] for op in run):,} of {len(run):,} ops ran; {raised or 'no'} formula raised. "
        f"PyTorch's counter sees products in {products:,} of these samples: the MACs are equal in all but {different:,}"
        f". Of the {len(seen):,} ops it sees products in, {len(exact):,} are equal in every sample."
    )
    because: dict[str, list[str]] = {}
    for op in ops:
        for reason in op["reasons"]:
            apart = f"{op.get('different', 0) + op.get('blind', 0)} of {op['compared']}"
            because.setdefault(reason, []).append(f"`{op['name']}` ({apart})")
    if not because:
        return told
    rows = ["| MACs differ because | in (samples) |", "|:--|:--|"]
    return "\n".join([told, "", *rows, *(f"| {reason} | {', '.join(names)} |" for reason, names in because.items())])


def _ratio(truth: int, found: dict[str, Any], reasons: dict[str, int]) -> str:
    if "failed" in found:
        return _reason(found["failed"], reasons)
    if found["macs"] == truth:
        return EXACT
    return f"{found['macs'] / truth:.3f}"


def _exact(cases: list[dict[str, Any]], name: str) -> int:
    return sum(case["peers"][name].get("macs") == case["macs"] for case in cases)


def _times(found: dict[str, Any], reasons: dict[str, int]) -> str:
    return _reason(found["failed"], reasons) if "failed" in found else f"{found['median']:.2f}"


def _reason(text: str, reasons: dict[str, int]) -> str:
    return f"fails ({reasons.setdefault(text.replace('|', '/').replace('<', '‹'), len(reasons) + 1)})"


def _time(seconds: float) -> str:
    for size, unit in ((1, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _short(number: float) -> str:
    for size, unit in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " K")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:g}"


def _made(result: dict[str, Any]) -> str:
    machine = result["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} thread; {packages}."
