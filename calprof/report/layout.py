"""Columns, guides and elision: how rows of text become a table of a given width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len, chop_cells
from rich.console import ConsoleOptions
from rich.table import Table
from rich.text import Text

WIDTH = 100
"""Columns of text a report is wide, unless the terminal is narrower."""


@dataclass(frozen=True)
class Glyphs:
    """The characters beyond letters that a report draws with."""

    branch: str
    last: str
    bar: str
    ellipsis: str
    blank: str = "   "


UNICODE = Glyphs("├─ ", "└─ ", "│  ", "…")
ASCII = Glyphs("|- ", "`- ", "|  ", "...")


@dataclass(frozen=True)
class Column:
    """A column beside the label.

    Attributes:
        title: Its header, of one or two lines.
        width: Characters its cells need.
        justify: `right` for figures.
    """

    title: str
    width: int = 8
    justify: Literal["left", "right"] = "right"

    @property
    def needed(self) -> int:
        """Characters the header and the cells need."""
        return max(self.width, *(len(line) for line in self.title.split("\n")))


def glyphs(options: ConsoleOptions) -> Glyphs:
    """Returns what the console's encoding can show."""
    return ASCII if options.ascii_only else UNICODE


def clean(name: str) -> str:
    """Returns a name on one line: control characters, which a terminal would obey, become `?`."""
    return "".join(each if each.isprintable() else "?" for each in name)


def elide(text: str, width: int, ellipsis: str = "…") -> str:
    """Returns `text` in at most `width` cells, its middle left out when it is longer.

    Example:
        >>> elide("encoder_layer_0 (EncoderBlock)", 20)
        'encoder_la…derBlock)'
    """
    if cell_len(text) <= width:
        return text
    room = max(width - cell_len(ellipsis), 0)
    tail = room // 2
    start = chop_cells(text, room - tail)[0] if room - tail else ""
    end = chop_cells(text[::-1], tail)[0][::-1] if tail else ""
    return start + ellipsis + end


def cut_off(text: str, width: int, ellipsis: str = "…") -> str:
    """Returns `text` in at most `width` cells, its end left out when it is longer.

    Example:
        >>> cut_off("scaled_dot_product_attention", 12)
        'scaled_dot_…'
    """
    if cell_len(text) <= width:
        return text
    room = width - cell_len(ellipsis)
    return (chop_cells(text, room)[0] if room > 0 else "") + ellipsis


def label_width(columns: Sequence[Column], width: int, gap: int) -> int:
    """Returns the room the columns leave for the label before them."""
    return max(width - sum(column.needed + gap for column in columns), 12)


def table(
    label: str,
    columns: Sequence[Column],
    rows: Iterable[tuple[Text, Sequence[str], str]],
    width: int,
    gap: int,
) -> Table:
    """Returns a table of exactly `width` characters: a label, then figures.

    Args:
        label: Header of the first column.
        columns: The others.
        rows: Label, cells and style of each row.
        width: Total width.
        gap: Blanks before each column.
    """
    grid = Table(box=None, pad_edge=False, padding=(0, 0, 0, gap), header_style="bold", show_edge=False)
    room = label_width(columns, width, gap)
    grid.add_column(label, width=room, no_wrap=True, vertical="bottom", overflow="ellipsis")
    for column in columns:
        title = Text(column.title, justify=column.justify)
        grid.add_column(title, width=column.needed, no_wrap=True, justify=column.justify, vertical="bottom")
    for text, cells, style in rows:
        grid.add_row(text, *(Text(cell) for cell in cells), style=style)
    return grid
