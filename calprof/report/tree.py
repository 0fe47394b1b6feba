"""The tree of modules, with what each costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from calprof.cost.training import Training
from calprof.profiles import Profile
from calprof.report.layout import WIDTH, Column, Glyphs, clean, cut_off, elide, glyphs, label_width, table
from calprof.report.numbers import format_cell, format_factor, format_share
from calprof.report.rows import Figures, Row, build_rows, cut, deepest_that_fits


@dataclass(frozen=True)
class Tree:
    """A rich renderable: one line per module or per run of equal modules, at most 100 characters wide.

    In each column, the lines directly below a module add up to it. A run of equal modules is one line with
    the sum, and a line `each` with one module's share of it, which is not part of any sum.
    """

    root: Row
    unit: str = "FLOPs"
    training: Training | None = None
    hidden: int = 0
    """Levels that are not shown."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, WIDTH)
        columns, gap = self.columns(), 1 if self.training else 2
        marks = glyphs(options)
        room = label_width(columns, width, gap)
        yield table("module", columns, self.lines(room, marks), width, gap)
        if self.hidden:
            levels = "level" if self.hidden == 1 else "levels"
            yield Text(f"{self.hidden} more {levels} below; --depth or depth= shows more", style="dim")

    def columns(self) -> list[Column]:
        """Returns the columns of figures."""
        share = Column("share", 6)
        if self.training is None:
            both = [Column("MACs")] if self.unit == "MACs" else [Column("MACs"), Column(self.unit)]
            return [Column("params"), *both, share]
        step = self.training
        columns = [
            Column("params"),
            Column("MACs\nforward"),
            Column(f"{self.unit}\nforward"),
            Column(f"backward\n{_factor(step, step.backward.flops)}"),
        ]
        if step.recompute.flops:
            columns.append(Column(f"recompute\n{_factor(step, step.recompute.flops)}"))
        return [*columns, Column(f"total\n{_factor(step, step.total.flops)}"), share]

    def cells(self, figures: Figures) -> list[str]:
        """Returns a row's figures as text, in the order of `columns`."""
        shown = [figures.params, figures.macs]
        if self.training is not None:
            shown += [figures.flops, figures.backward]
            if self.training.recompute.flops:
                shown.append(figures.recompute)
            shown.append(figures.total)
        elif self.unit != "MACs":
            shown.append(figures.flops)
        return [
            *(format_cell(value) for value in shown),
            format_share(figures.total, self.root.figures.total),
        ]

    def lines(self, room: int, marks: Glyphs) -> Iterator[tuple[Text, Sequence[str], str]]:
        """Yields label, cells and style of every line."""
        yield _label(self.root, "", room, marks), self.cells(self.root.figures), "bold"
        yield from self._below(self.root, "", room, marks)

    def _below(self, parent: Row, indent: str, room: int, marks: Glyphs) -> Iterator[tuple[Text, Sequence[str], str]]:
        for row in parent.children:
            last = row is parent.children[-1]
            lead, inner = (marks.last, marks.blank) if last else (marks.branch, marks.bar)
            style = "" if row.figures and row.role == "module" else "dim"
            yield _label(row, indent + lead, room, marks), self.cells(row.figures), style
            if has_each(row, parent):
                text = Text(f"{indent}{inner}each of the {row.modules}")
                yield text, self.cells(one_of(row)), "dim italic"
            yield from self._below(row, indent + inner, room, marks)


def render(
    profile: Profile,
    *,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
    training: Training | None = None,
    fold: bool = True,
    limit: int | None = None,
) -> Tree:
    """Returns the tree as something rich can print.

    Args:
        profile: What to show.
        depth: Levels below the model; all by default.
        sort: `flops`, `macs` or `params`, largest first; registration order by default.
        top: The largest children to keep per level; the rest are added up in one line.
        training: A training step of the same profile, for columns of its phases.
        fold: Whether equal sibling subtrees become one line.
        limit: Without a `depth`, as many levels as fit in this number of lines.

    Raises:
        ValueError: A negative depth, a `top` below one, or another sort.

    Example:
        >>> rich.print(render(prof, depth=2, sort="flops", top=5))
    """
    root = build_rows(profile, depth=depth, sort=sort, top=top, training=training, fold=fold)
    hidden = 0
    if limit is not None and depth is None:
        fits = deepest_that_fits(root, limit)
        hidden = root.height() - fits
        root = cut(root, fits)
    return Tree(root, profile.convention.unit, training, hidden)


def has_each(row: Row, parent: Row) -> bool:
    """Returns whether a line for one module of a run says more than the line of the run."""
    run = row.role == "module" and row.modules > parent.modules
    return run and bool(row.figures) and (bool(row.children) or row.modules > 2)


def one_of(row: Row) -> Figures:
    """Returns the figures of one module of a run."""
    whole, count = row.figures, row.modules
    return Figures(*(
        value // count for value in (whole.params, whole.macs, whole.flops, whole.backward, whole.recompute)
    ))  # fmt: skip


def describe(row: Row) -> tuple[str, str]:
    """Returns the name of a row, and what stands beside it.

    Example:
        `("0-31", "(32x LlamaDecoderLayer)")`, `("fc", "(Linear) x2")`, `("(own)", "add, mul")`.
    """
    if row.role == "more":
        return f"{row.modules} more", ""
    if row.role == "own":
        return "(own)", clean(row.detail)
    many = f"{row.modules}x " if row.modules > 1 else ""
    kind = f"({many}{clean(row.detail)})" if row.detail and row.path else many.strip()
    calls = f"x{row.calls}" if row.calls > 1 else ""
    return clean(row.name), " ".join(part for part in (kind, calls, row.remark) if part)


def _label(row: Row, guides: str, room: int, marks: Glyphs) -> Text:
    name, detail = describe(row)
    if row.role == "more":
        name = f"{marks.ellipsis} {name}"
    room = max(room - len(guides), 8)
    left = room - cell_len(name) - 1
    if left >= 8:
        # The name is what a reader looks for: its class gives way first.
        shorten = cut_off if row.role == "own" else elide
        return Text.assemble((guides, "dim"), name, " ", (shorten(detail, left, marks.ellipsis), "dim"))
    return Text.assemble((guides, "dim"), elide(f"{name} {detail}".rstrip(), room, marks.ellipsis))


def _factor(step: Training, flops: int) -> str:
    return format_factor(flops / step.forward.flops) if step.forward.flops else "x0"
