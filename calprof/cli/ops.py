"""`calprof ops`: the catalogue of functions, what each costs and why."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from calprof.ops.registry import Op


@click.command("ops")
@click.option("--family", metavar="NAME", help="Only this family, such as matmul or pooling.")
@click.option("--free", is_flag=True, help="What moves, creates or inspects data and costs nothing.")
@click.option("--uncountable", is_flag=True, help="What shapes alone do not price, with the reason.")
@click.option("--markdown", is_flag=True, help="Print a Markdown table.")
def command(family: str | None, free: bool, uncountable: bool, markdown: bool) -> None:
    """List the functions calprof prices, with the derivation of each."""
    states = {state for state, asked in (("free", free), ("uncountable", uncountable)) if asked} or {"priced"}
    rows = listing(family, states)
    if markdown:
        for cells in (("function", "family", "kinds of work", "derivation"), (":--",) * 4, *rows):
            click.echo("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return
    _show(rows)


def listing(family: str | None, states: set[str]) -> list[tuple[str, str, str, str]]:
    """Returns function, family, kinds of work and derivation of each entry, by family and name.

    The kernels of other packages are among them, by their dotted paths.

    Raises:
        ValueError: No entry of the catalogue is of this family.
    """
    import calprof.ops  # noqa: F401 - registers every family
    from calprof.ops.registry import catalogue, shipped_kernels

    entries = {**catalogue(), **shipped_kernels()}
    families = sorted({op.family for op in entries.values()})
    if family is not None and family not in families:
        raise ValueError(f"unknown family {family!r}; the catalogue has {', '.join(families)}")
    chosen = [(key, op) for key, op in entries.items() if op.state in states and family in (None, op.family)]
    return [
        (key, op.family, ", ".join(kinds_of(op)), " ".join(op.reason.split()))
        for key, op in sorted(chosen, key=lambda pair: (pair[1].family, pair[0]))
    ]


def kinds_of(op: Op) -> tuple[str, ...]:
    """Returns the kinds of work an entry can emit, in the glossary's order.

    A table entry states them. For a formula they are read off its code: the keywords of the `Work` that it,
    or a function of the catalogue that it calls, makes.
    """
    from calprof.work import KINDS

    found = set(op.kinds)
    seen: set[int] = set()
    queue: list[Any] = [op.formula]
    while queue:
        each = queue.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Mapping):
            found.update(key for key in each if key in KINDS)
            queue += each.values()
        elif isinstance(each, FunctionType) and each.__module__.startswith("calprof.ops"):
            queue += [cell.cell_contents for cell in each.__closure__ or ()]
            for code in _codes(each.__code__):
                found.update(*(_named(const, KINDS) for const in code.co_consts))
                queue += _used(code.co_names, each.__globals__)
    return tuple(kind for kind in KINDS if kind in found)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yields a function's code and that of what is defined inside it, such as generators."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _named(const: Any, kinds: Collection[str]) -> tuple[str, ...]:
    """Returns the kinds a constant names: a compiled call keeps the names of its keywords as one tuple."""
    if isinstance(const, tuple) and all(isinstance(each, str) and each in kinds for each in const):
        return const
    # A lone word may as well be the name of an argument; these two are.
    return (const,) if isinstance(const, str) and const in kinds and const not in ("bias", "dropout") else ()


def _used(names: Sequence[str], scope: Mapping[str, Any]) -> list[Any]:
    """Returns what a function's names stand for, directly or as attributes of a module."""
    direct = [scope.get(name) for name in names]
    return direct + [vars(each).get(name) for each in direct if isinstance(each, ModuleType) for name in names]


def _show(rows: list[tuple[str, str, str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from calprof.report.text import show

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title, width in (("function", 30), ("family", 13), ("kinds of work", 18)):
        table.add_column(title, max_width=width, overflow="fold")
    table.add_column("derivation", min_width=30, overflow="fold")
    for cells in rows:
        table.add_row(*map(Text, cells))
    show(table)
    sys.stdout.write(f"\n{len(rows)} functions\n")
