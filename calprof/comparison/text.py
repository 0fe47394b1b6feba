"""A comparison on a terminal or as plain text: formulas with their differences, then the terms of the closest."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from calprof.analytical import Shape
from calprof.comparison.entries import Comparison, Entry
from calprof.report.layout import WIDTH, clean
from calprof.report.numbers import format_cell, format_count, format_exact, format_share
from calprof.report.text import show, to_text

_FIGURES = 35
"""Characters of the columns between a formula's name and its differences."""


def comparison_report(comparison: Comparison) -> RenderableType:
    """Returns the comparison: what ran, every formula with its differences, the closest ones term by term."""
    parts: list[RenderableType] = [_header(comparison), Text(), _formulas(comparison)]
    entries = dict.fromkeys((comparison.closest.name, comparison.closest_published.name))
    for name in entries:
        parts += [Text(), _terms(comparison, comparison[name])]
    parts += [Text(f"note: {clean(note)}") for note in comparison.notes]
    return Group(*parts)


def comparison_text(comparison: Comparison) -> str:
    """Returns the comparison as plain text, 100 characters wide."""
    return to_text(comparison_report(comparison))


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Prints the comparison; by default on standard output, plain and 100 characters wide when piped."""
    show(comparison_report(comparison), console)


def describe_shape(shape: Shape) -> str:
    """Returns a shape in one line.

    Example:
        >>> describe_shape(Shape(layers=32, hidden=4096, heads=32, kv_heads=8, ffn=14336, gated=True))
        '32 layers of 4096, 32 heads of 128 (8 key and value heads), gated MLP of 14336'
    """
    stacks = f"{shape.layers} + {shape.decoder_layers}" if shape.decoder_layers else str(shape.layers)
    heads = f"{shape.heads} heads of {shape.head_size}"
    if shape.kv_heads != shape.heads:
        heads += f" ({shape.kv_heads} key and value heads)"
    if shape.latent is not None:
        heads += f" (latent of {shape.latent.kv_rank})"
    parts = [f"{stacks} layers of {shape.hidden}", heads, f"{'gated ' if shape.gated else ''}MLP of {shape.ffn}"]
    if shape.experts is not None:
        experts = shape.experts
        parts.append(f"{experts.top_k} of {experts.count} experts of {experts.ffn} in {len(experts.layers)} layers")
    if shape.vocabulary:
        parts.append(f"vocabulary {shape.vocabulary}{', tied' if shape.tied else ''}")
    return ", ".join(parts)


def _header(comparison: Comparison) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    sequences = f"{comparison.batch} x {comparison.seq} tokens"
    products = sum(comparison.recorded.values())
    lines = [
        ("model", clean(comparison.model or "-")),
        ("shape", describe_shape(comparison.shape)),
        ("input", sequences),
        ("profile", f"{format_count(comparison.flops, 'FLOPs')} forward ({comparison.convention})"),
        ("", f"= {format_count(products, 'FLOPs')} products {_signed(comparison.extra, ' ')}".rstrip()),
    ]
    for label, line in lines:
        grid.add_row(Text(label), Text(line))
    return grid


def _formulas(comparison: Comparison) -> Table:
    """One row per formula; below its title what it counts that the profile does not (+) and the reverse (-)."""
    room = WIDTH - max(len(entry.name) for entry in comparison.entries) - _FIGURES
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("formula", no_wrap=True)
    grid.add_column("FLOPs", justify="right", no_wrap=True)
    grid.add_column("beside", justify="right", no_wrap=True)
    grid.add_column("ratio", justify="right", no_wrap=True)
    grid.add_column("counts more (+) and less (-) than the profile", overflow="fold")
    for entry in comparison.entries:
        beside = "forward" if entry.passes == 1 else f"{entry.passes}x"
        cells = (entry.name, format_cell(entry.value), beside, f"{entry.ratio:.4f}", _why(entry, room))
        grid.add_row(*(Text(cell) for cell in cells))
    return grid


def _why(entry: Entry, room: int) -> str:
    """The differences, the largest first, in lines that break between them."""
    largest = sorted(entry.differences.items(), key=lambda pair: -abs(pair[1]))
    lines = [""]
    for phrase in _signed(dict(largest), "\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(phrase) + 3 > room:
            lines[-1] += ","
            lines.append(phrase)
        else:
            lines[-1] += f", {phrase}" if lines[-1] else phrase
    return "\n".join(lines) if largest else "nothing"


def _signed(amounts: Mapping[str, int], between: str) -> str:
    return between.join(
        f"{'+' if amount > 0 else '-'}{format_cell(abs(amount)).strip()} {cause}" for cause, amount in amounts.items()
    )


def _terms(comparison: Comparison, entry: Entry) -> Group:
    """The products of one formula beside those recorded, row by row."""
    rows = comparison.terms(entry.name)
    recorded = sum(row.recorded for row in rows)
    beside = "recorded" if entry.passes == 1 else f"recorded x{entry.passes}"
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("term", no_wrap=True)
    for title in (entry.name, beside, "share", "difference"):
        grid.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        counts = format_exact(row.formula), format_exact(row.recorded), format_share(row.recorded, recorded)
        grid.add_row(row.name, *counts, f"{row.difference:+,}" if row.difference else "0")
    total = sum(row.formula for row in rows)
    grid.add_row(
        "products", format_exact(total), format_exact(recorded), format_share(recorded, recorded),
        f"{total - recorded:+,}" if total != recorded else "0", style="bold",
    )  # fmt: skip
    heading = Text(f"{entry.formula.title} ({entry.formula.source}), FLOPs of products", style="bold")
    return Group(heading, Padding(grid, (0, 0, 0, 2)))
