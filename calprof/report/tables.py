"""The tables below the tree: ops, what is not counted, what never ran, notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from calprof.profiles import OpRow, Profile
from calprof.report.layout import WIDTH, Column, clean, elide, glyphs, label_width, table
from calprof.report.numbers import format_cell, format_exact, format_share

_INDEX = re.compile(r"\d+(?=\.|\Z)")
"""The number a part of a dotted path ends in: what sets equal layers apart."""


@dataclass(frozen=True)
class OpTable:
    """A rich renderable: one line per op, the most expensive first.

    Attributes:
        rows: The ops shown.
        rest: The sum of those that are not, with how many they are in `op`.
        total: FLOPs of all.
        unit: The convention's unit.
    """

    rows: tuple[OpRow, ...]
    rest: tuple[OpRow, ...]
    total: int
    unit: str = "FLOPs"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, WIDTH)
        both = [Column("MACs")] if self.unit == "MACs" else [Column("MACs"), Column(self.unit)]
        columns = [Column("family", 13, "left"), Column("calls", 9), *both, Column("share", 6)]
        room = label_width(columns, width, 2)
        yield table("op", columns, self.lines(room, glyphs(options).ellipsis), width, 2)

    def lines(self, room: int, ellipsis: str) -> Iterator[tuple[Text, list[str], str]]:
        """Yields label, cells and style of every line."""
        for row in self.rows:
            yield Text(elide(clean(row.op), room, ellipsis)), self._cells([row], row.family), ""
        if self.rest:
            yield Text(f"{ellipsis} {len(self.rest)} more"), self._cells(self.rest, ""), "dim"

    def _cells(self, rows: Iterable[OpRow], family: str) -> list[str]:
        rows = list(rows)
        calls, macs, flops = (sum(getattr(row, name) for row in rows) for name in ("calls", "macs", "flops"))
        both = [macs] if self.unit == "MACs" else [macs, flops]
        return [family, format_exact(calls), *map(format_cell, both), format_share(flops, self.total)]


def op_table(profile: Profile, top: int | None = None) -> OpTable:
    """Returns the per-op table; ops beyond the `top` most expensive, or without FLOPs, are one line.

    Without a `top` every op has its line.

    Raises:
        ValueError: A `top` below one.
    """
    if top is not None and (type(top) is not int or top < 1):
        raise ValueError(f"top must be a number of ops >= 1, not {top!r}")
    rows = profile.by_op()
    keep = len(rows)
    if top is not None:
        keep = min(top, sum(1 for row in rows if row.flops or row.macs))
    if keep == len(rows) - 1:
        keep += 1
    return OpTable(tuple(rows[:keep]), tuple(rows[keep:]), profile.flops, profile.convention.unit)


@dataclass(frozen=True)
class UncountedRow:
    """Uncounted calls of one op for one reason.

    Attributes:
        module: Their module; an index in which several modules differ is `*`.
        modules: How many modules that is.
        op: Name of the function.
        calls: How many calls.
        reason: Why they are not counted.
    """

    module: str
    modules: int
    op: str
    calls: int
    reason: str


def group_uncounted(profile: Profile) -> list[UncountedRow]:
    """Returns the uncounted calls, modules that differ in an index together, in the order they came up."""
    paths: dict[tuple[str, str, str], dict[str, int]] = {}
    for each in profile.uncounted:
        place = (_INDEX.sub("*", each.module), each.op, each.reason)
        calls = paths.setdefault(place, {})
        calls[each.module] = calls.get(each.module, 0) + each.count
    return [
        UncountedRow(next(iter(calls)) if len(calls) == 1 else path, len(calls), op, sum(calls.values()), reason)
        for (path, op, reason), calls in paths.items()
    ]


def uncounted_table(profile: Profile) -> RichTable | None:
    """Returns the uncounted calls as a table, or `None` when everything is counted."""
    rows = group_uncounted(profile)
    if not rows:
        return None
    grid = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("module", overflow="fold")
    grid.add_column("modules", justify="right")
    grid.add_column("op", overflow="fold")
    grid.add_column("calls", justify="right")
    grid.add_column("reason", min_width=28, overflow="fold")
    for row in rows:
        counts = format_exact(row.modules), format_exact(row.calls)
        cells = (clean(row.module or "(model)"), counts[0], clean(row.op), counts[1], clean(row.reason))
        grid.add_row(*(Text(cell) for cell in cells))
    return grid


def uncalled_line(profile: Profile, names: int = 6) -> str:
    """Returns one line naming the modules with parameters that never ran, or nothing."""
    records = profile.uncalled
    if not records:
        return ""
    groups: dict[str, list[str]] = {}
    for record in records:
        groups.setdefault(f"{_INDEX.sub('*', record.path)} ({record.kind})", []).append(record.path)
    labels = [
        f"{paths[0]}{label[label.rindex(' (') :]}" if len(paths) == 1 else f"{len(paths)}x {label}"
        for label, paths in groups.items()
    ]
    more = f" and {len(labels) - names} more" if len(labels) > names else ""
    params = format_cell(sum(record.params for record in records)).strip()
    modules = "1 module" if len(records) == 1 else f"{len(records)} modules"
    listed = ", ".join(map(clean, labels[:names]))
    return f"{modules} never called, with {params} params that others may use: {listed}{more}"


def shared_line(profile: Profile) -> str:
    """Returns one line saying that modules share parameters, or nothing."""
    shared = [
        node.path or "the model"
        for node in profile.root.walk()
        if node.children and sum(child.params for child in node.children) > node.params
    ]
    if not shared:
        return ""
    return "parameters shared between modules are counted once in what holds them both: " + ", ".join(shared[:4])


def notes_of(profile: Profile) -> list[str]:
    """Returns everything a reader must know to read the numbers, each once."""
    notes = [*profile.notes, *profile.recording.notes, uncalled_line(profile), shared_line(profile)]
    notes += str(getattr(profile, "verification", None) or "").splitlines()
    return [clean(note) for note in dict.fromkeys(notes) if note]
