"""The README's tables, from the results in `results/`."""

from __future__ import annotations

from typing import Any

EXACT = "**1**"


def accuracy(result: dict[str, Any]) -> str:
    """One row a case: its MACs, and each profiler's in proportion; exact ones bold, failures numbered below."""
    cases = result["cases"]
    names = [name for name in result["figures"] if cases]
    reasons: dict[str, int] = {}
    rows = [f"| case | MACs | {' | '.join(names)} |", "|:--|--:|" + "--:|" * len(names)]
    for case in cases:
        cells = [_ratio(case["macs"], case["peers"][name], reasons) for name in names]
        rows.append(f"| {case['name']} | {case['macs']:,} | {' | '.join(cells)} |")
    exact = [str(_exact(cases, name)) for name in names]
    rows.append(f"| **exact, of {len(cases)}** | | {' | '.join(exact)} |")
    apart = [name for name in (cases[0]["peers"] if cases else ()) if name not in names]
    if apart:
        told = " and ".join(f"{_exact(cases, name)} of {name.removesuffix(', products')}'s" for name in apart)
        rows += ["", f"Of their products alone, elementwise work left out of the total, {told} are exact."]
    if reasons:
        rows += ["", *(f"{number}. {reason}" for reason, number in reasons.items())]
    return "\n".join([*rows, "", _made(result)])


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


def scaling(result: dict[str, Any]) -> str:
    """One row an axis: from where to where, the times, and the slope."""
    rows = ["| against | from | to | takes | to | slope |", "|:--|--:|--:|--:|--:|--:|"]
    for axis in result["axes"]:
        first, last = axis["points"][0], axis["points"][-1]
        rows.append(
            f"| {axis['name']} | {_short(first['at'])} | {_short(last['at'])} | {_time(first['seconds'])} "
            f"| {_time(last['seconds'])} | {axis['slope']:.2f} |"
        )
    memory = result["memory"]
    told = (
        f"A slope of 1 is linear, of 0 flat. {memory['calls']:,} recorded calls, {memory['distinct']:,} of them distinct, "
        f"hold {memory['traced'] / 1e6:.1f} MB at the peak."
    )
    return "\n".join([*rows, "", told, "", _made(result)])


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
