"""The report as one HTML page that asks no other server for anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from calprof.cost.training import Training
from calprof.profiles import OpRow, Profile
from calprof.report.layout import clean
from calprof.report.numbers import format_cell, format_count, format_exact, format_share
from calprof.report.rows import Figures, Row, build_rows, deepest_that_fits
from calprof.report.style import PAGE, SCRIPT, STYLE
from calprof.report.summary import summarise
from calprof.report.tables import group_uncounted, notes_of
from calprof.report.tree import describe, has_each, one_of

_OPEN_ROWS = 60
"""Rows of the tree that may be unfolded when the page opens."""


def report_html(profile: Profile, training: Training | None = None, *, page: bool = True) -> str:
    """Returns totals, tree, ops and uncounted calls as HTML, light or dark as the reader's system is.

    Args:
        profile: What to show.
        training: A training step of the same profile, for columns of its phases.
        page: Whether to return a whole page; otherwise an element to put into one, as notebooks do.

    Example:
        >>> Path("report.html").write_text(report_html(prof))
    """
    title = profile.root.kind or profile.kind or "model"
    inside = "\n".join(_sections(profile, training, clean(title)))
    body = f'<div class="calprof"><style>{STYLE}</style>\n{inside}\n</div>'
    return PAGE.format(title=escape(clean(title)), body=body, script=SCRIPT) if page else body


def _sections(profile: Profile, training: Training | None, title: str) -> Iterator[str]:
    lines = [(label, line) for label, line in summarise(profile, training) if label != "model"]
    yield f"<header><h1>{escape(title)}</h1>{_cards(profile, training)}</header>"
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{escape(clean(line))}</dd>" for label, line in lines)
    yield f'<dl class="facts">{facts}</dl>'
    yield _tree(profile, training)
    yield _ops(profile)
    yield _uncounted(profile)
    notes = "".join(f"<li>{escape(note)}</li>" for note in notes_of(profile))
    if notes:
        yield f"<h2>Notes</h2><ul>{notes}</ul>"


def _cards(profile: Profile, training: Training | None) -> str:
    unit = profile.convention.unit
    cards = [] if unit == "MACs" else [("forward", format_count(profile.flops, unit))]
    cards += [
        ("forward", format_count(profile.macs, "MACs")),
        ("parameters", format_count(profile.params, "")),
    ]
    if training is not None:
        cards.append(("training step", format_count(training.total.flops, unit)))
    inside = "".join(f"<div><b>{escape(value)}</b><span>{escape(label)}</span></div>" for label, value in cards)
    return f'<div class="cards">{inside}</div>'


def _tree(profile: Profile, training: Training | None) -> str:
    root = build_rows(profile, training=training)
    unit = profile.convention.unit
    titles = ["params", "MACs", *([] if unit == "MACs" else [unit])]
    if training is not None:
        titles += ["backward", *(["recompute"] if training.recompute.flops else []), "total"]
    heads = "".join(f"<span>{escape(title)}</span>" for title in [*titles, "share"])
    table = _Tree(root, training, unit)
    head = f'<div class="row head"><span class="name">module</span>{heads}</div>'
    return (
        '<h2>Modules <button data-open="1">unfold all</button><button data-open="">fold all</button></h2>'
        f'<div class="tree" style="--columns:{len(titles) + 1}">{head}{table.html(root, None, 0)}</div>'
    )


class _Tree:
    def __init__(self, root: Row, training: Training | None, unit: str) -> None:
        self.root = root
        self.training = training
        self.unit = unit
        self.opened = deepest_that_fits(root, _OPEN_ROWS)

    def html(self, row: Row, parent: Row | None, level: int) -> str:
        each = ""
        if parent is not None and has_each(row, parent):
            name = f'<span class="name" style="--level:{level + 1}"><i>each of the {row.modules}</i></span>'
            each = f'<div class="row each">{name}{self.cells(one_of(row))}</div>'
        below = each + "".join(self.html(child, row, level + 1) for child in row.children)
        line = self.label(row, level) + self.cells(row.figures)
        share = f"--share:{100 * row.figures.total / (self.root.figures.total or 1):.2f}%"
        kind = f"row {row.role}" + ("" if row.figures else " nothing")
        if not below:
            return f'<div class="{kind}" style="{share}">{line}</div>'
        opened = " open" if level < self.opened else ""
        return f'<details{opened}><summary class="{kind}" style="{share}">{line}</summary>{below}</details>'

    def label(self, row: Row, level: int) -> str:
        name, detail = describe(row)
        if row.role == "more":
            name = f"… {name}"
        tip = f' title="{escape(clean(row.path))}"' if row.path else ""
        return f'<span class="name" style="--level:{level}"{tip}>{escape(name)} <i>{escape(detail)}</i></span>'

    def cells(self, figures: Figures) -> str:
        counts = [(figures.params, "params"), (figures.macs, "MACs")]
        if self.unit != "MACs":
            counts.append((figures.flops, self.unit))
        if self.training is not None:
            counts.append((figures.backward, self.unit))
            if self.training.recompute.flops:
                counts.append((figures.recompute, self.unit))
            counts.append((figures.total, self.unit))
        cells = "".join(
            f'<span title="{format_exact(count)} {escape(unit)}">{format_cell(count).strip()}</span>'
            for count, unit in counts
        )
        return f"{cells}<span>{format_share(figures.total, self.root.figures.total)}</span>"


def _ops(profile: Profile) -> str:
    def figures(row: OpRow) -> list[str]:
        counts = [format_cell(row.macs).strip(), format_cell(row.flops).strip()]
        return [format_exact(row.calls), *counts, format_share(row.flops, profile.flops)]

    rows = [([row.op, row.family], figures(row), row.flops / (profile.flops or 1)) for row in profile.by_op()]
    if not rows:
        return ""
    titles = ["calls", "MACs", profile.convention.unit, "share"]
    return "<h2>Ops</h2>" + _table(["op", "family"], titles, rows)


def _uncounted(profile: Profile) -> str:
    rows = [
        (
            [row.module or "(model)", row.op, row.reason],
            [format_exact(row.modules), format_exact(row.calls)],
            0.0,
        )
        for row in group_uncounted(profile)
    ]
    if not rows:
        return '<h2>Not counted</h2><p class="good">Nothing: every call is counted or moves data only.</p>'
    return '<h2 class="warn">Not counted</h2>' + _table(["module", "op", "reason"], ["modules", "calls"], rows)


def _table(
    words: Sequence[str], figures: Sequence[str], rows: Sequence[tuple[Sequence[str], Sequence[str], float]]
) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in words)
    head += "".join(f'<th class="figure">{escape(title)}</th>' for title in figures)
    body = ""
    for names, counts, share in rows:
        cells = "".join(f"<td>{escape(clean(name))}</td>" for name in names)
        cells += "".join(f'<td class="figure">{escape(count)}</td>' for count in counts)
        body += f'<tr style="--share:{100 * share:.2f}%">{cells}</tr>'
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
