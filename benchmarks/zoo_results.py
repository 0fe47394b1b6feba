"""What sweeps over zoos came to: figures for each group, and a remark on every model that is not exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

EXACT, DIFFERENT, FAILED = "exact", "different", "failed"
REFUSED = "refused"
"""No small configuration was found that the model's own forward accepts."""
NO_MODEL = "no model"
"""A configuration that no model class belongs to."""

UNRUN = "no small configuration that its own forward accepts was found: "

Row = dict[str, Any]


def collected(rows: Sequence[Row]) -> list[Row]:
    """Returns one row a group: its models, and how many run at all, are profiled, are exact, have uncounted ops."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["status"] != NO_MODEL:
            found.setdefault(label(row), []).append(row)
    return [{"name": name, **figures(group)} for name, group in found.items()]


def label(row: Row) -> str:
    """Returns the group a row belongs to, as the table calls it."""
    if row["variant"] == "small":
        return f"{row['source']}, every type, small"
    named = f"{row['source']} {row['group']}".strip()
    return named if row["variant"] == "default" else f"{named}, {row['variant']}"


def figures(rows: Iterable[Row]) -> Row:
    """Returns the counts of one group."""
    rows = list(rows)
    able = [row for row in rows if row["status"] != REFUSED and not row.get("refused by itself")]
    run = [row for row in able if row["status"] != FAILED]
    return {
        "models": len(rows),
        "able": len(able),
        "profiled": len(run),
        "exact": sum(row["status"] == EXACT for row in run),
        "uncounted": sum(bool(row["uncounted"]) for row in run),
    }


def remarks(rows: Iterable[Row]) -> list[str]:
    """Returns a line for every failure, every difference and every model with uncounted ops."""
    lines = []
    for row in rows:
        name = f"{row['source']}:{row['name']}" + (f" ({row['variant']})" if row["variant"] != "default" else "")
        if row["status"] == FAILED:
            own = " (its own forward refuses the input too)" if row.get("refused by itself") else ""
            lines.append(f"- {name}: {row['reason']}: {row.get('detail', '')}{own}")
        elif row["status"] == REFUSED:
            lines.append(f"- {name}: {UNRUN}{first(row['tried'])}")
        elif row["status"] == DIFFERENT:
            lines.append(f"- {name}: {row['macs']:,} MACs, the dispatcher sees {row['dispatcher']:,}")
        if row.get("uncounted"):
            lines.append(f"- {name}: uncounted {', '.join(row['uncounted'])}")
    return lines


def first(tried: dict[str, str]) -> str:
    """Returns what the first, and smallest, configuration that was tried came to."""
    return next(iter(tried.values()), "none could be made")


def renewed(before: Row, rows: Sequence[Row]) -> Row:
    """Returns groups and remarks: those of new sweeps, and from `before` those of sources not swept again."""
    groups = {group["name"]: group for group in (*before.get("groups", ()), *collected(rows))}
    swept = {(row["source"], row["variant"]) for row in rows}
    kept = [line for line in before.get("remarks", ()) if _swept_in(line) not in swept]
    return {"groups": list(groups.values()), "remarks": kept + remarks(rows)}


def _swept_in(remark: str) -> tuple[str, str]:
    """The source and the variant that a remark is of."""
    head = remark.removeprefix("- ").partition(": ")[0]
    source, _, name = head.partition(":")
    return source, name.rpartition(" (")[2].removesuffix(")") if name.endswith(")") else "default"
