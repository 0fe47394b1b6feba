"""The report on a terminal, or as plain text."""

from __future__ import annotations

import sys
from io import BytesIO, TextIOWrapper

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from calprof.cost.training import Training
from calprof.profiles import Profile
from calprof.report.layout import WIDTH, clean
from calprof.report.summary import summarise
from calprof.report.tables import notes_of, op_table, uncounted_table
from calprof.report.tree import render


def report(
    profile: Profile,
    *,
    training: Training | None = None,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
    fold: bool = True,
    limit: int | None = None,
    ops: int | None = 20,
    detailed: bool = True,
) -> RenderableType:
    """Returns the whole report: header, tree, ops, what is not counted, notes.

    Args:
        profile: What to show.
        training: A training step of the same profile, shown beside the forward.
        depth: Levels of the tree below the model; all by default.
        sort: `flops`, `macs` or `params`, largest first; registration order by default.
        top: The largest children to keep per level of the tree.
        fold: Whether equal sibling subtrees become one line.
        limit: Without a `depth`, as many levels as fit in this number of lines.
        ops: How many ops to list; `None` for all.
        detailed: Whether to show tree and op table; without, header, uncounted calls and notes remain.

    Raises:
        ValueError: A negative depth, a `top` or `ops` below one, or another sort.
    """
    parts: list[RenderableType] = [_header(profile, training)]
    if detailed:
        tree = render(profile, depth=depth, sort=sort, top=top, training=training, fold=fold, limit=limit)
        parts += [Text(), tree]
        if profile.recording.calls:
            parts += [Text(), op_table(profile, ops)]
    uncounted = uncounted_table(profile)
    if uncounted is not None:
        calls = sum(each.count for each in profile.uncounted)
        title = f"not counted: {calls:,} call{'s' if calls > 1 else ''}"
        parts += [Text(), Text(title, style="bold yellow"), uncounted]
    notes = notes_of(profile)
    if notes:
        parts += [Text(), *(Text(f"note: {note}") for note in notes)]
    return Group(*parts)


def _header(profile: Profile, training: Training | None) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, line in summarise(profile, training):
        grid.add_row(Text(label), Text(clean(line)))
    return grid


def print_report(
    profile: Profile,
    console: Console | None = None,
    *,
    training: Training | None = None,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
    fold: bool = True,
    limit: int | None = None,
    ops: int | None = 20,
    detailed: bool = True,
) -> None:
    """Prints the report; the options are those of `report`.

    Example:
        >>> print_report(prof, training=prof.training(), depth=2, sort="flops")
    """
    whole = report(
        profile, training=training, depth=depth, sort=sort, top=top, fold=fold, limit=limit, ops=ops,
        detailed=detailed,
    )  # fmt: skip
    show(whole, console)


def show(renderable: RenderableType, console: Console | None = None) -> None:
    """Prints on a console; by default on standard output, plain and 100 characters wide when piped."""
    console = console or Console(highlight=False, markup=False)
    if console.is_terminal or console.is_jupyter or console.file is not sys.stdout:
        console.print(renderable)
    else:
        sys.stdout.write(to_text(renderable, encoding=console.encoding) + "\n")


def report_text(
    profile: Profile,
    *,
    training: Training | None = None,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
    fold: bool = True,
    limit: int | None = None,
    ops: int | None = 20,
    detailed: bool = True,
) -> str:
    """Returns the report as plain text, 100 characters wide; the options are those of `report`.

    Example:
        >>> print(report_text(prof, depth=1))
    """
    whole = report(
        profile, training=training, depth=depth, sort=sort, top=top, fold=fold, limit=limit, ops=ops,
        detailed=detailed,
    )  # fmt: skip
    return to_text(whole)


def to_text(renderable: RenderableType, width: int = WIDTH, encoding: str = "utf-8") -> str:
    """Returns what rich prints for `renderable`, without colours and trailing blanks.

    Args:
        renderable: What to print.
        width: Characters a line.
        encoding: What the text will be written in; one that is not Unicode gets guides of plain ASCII.
    """
    stream = TextIOWrapper(BytesIO(), encoding=encoding, errors="replace", newline="\n")
    console = Console(
        file=stream,
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
        highlight=False,
        markup=False,
    )
    console.print(renderable)
    stream.seek(0)
    return "\n".join(line.rstrip() for line in stream.read().splitlines())
