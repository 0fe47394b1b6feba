"""`calprof formula`: published formulas on plain numbers, for people without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from calprof.analytical import Formula

_PREFIXES = {"K": 3, "M": 6, "B": 9, "G": 9, "T": 12}

_MOST = Decimal(10) ** 30
"""More than there is of anything; products of a few such numbers still print."""

_MEANINGS = {
    "params": "Parameters that the formula counts.",
    "embedding_params": "Parameters of the tables that are looked up.",
    "layers": "Blocks.",
    "hidden": "Width of the model.",
    "heads": "Query heads.",
    "kv_heads": "Key and value heads.",
    "head_size": "Width of one head.",
    "head_sizes": "Width of one head's query and of its value, added.",
    "ffn": "Inner width of the MLP.",
    "attention": "Summed width of the heads.",
    "vocabulary": "Rows of the output layer.",
    "embedding": "Width of the embedding table.",
    "gated": "Whether the MLP is gated.",
    "seq": "Tokens of a sequence.",
    "batch": "Sequences.",
}
_USUAL = {
    "kv_heads": "as many as heads",
    "head_size": "hidden / heads",
    "ffn": "4 x hidden",
    "attention": "hidden",
    "embedding": "hidden",
    "heads": "hidden / 64",
}
"""What a size of 0 stands for."""


class Formulas(click.Group):
    """A group with one command per formula of the catalogue, made when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns `list` and the names of all formulas."""
        from calprof.analytical import FORMULAS

        return ["list", *FORMULAS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns `list`, or the command of a formula with an option for each number it takes.

        Raises:
            UsageError: No formula has this name.
        """
        from calprof.analytical import FORMULAS

        if cmd_name == "list":
            return listing
        if cmd_name not in FORMULAS:
            near = get_close_matches(cmd_name, FORMULAS, n=3, cutoff=0.3) or [*FORMULAS][:3]
            raise click.UsageError(f"no formula is called {cmd_name!r}; the closest ones are {', '.join(near)}", ctx)
        return formula_command(FORMULAS[cmd_name])


_HELP = """Evaluate a published formula on plain numbers.

\b
calprof formula list
calprof formula palm --params 540.35B --layers 118 --heads 48 --head-size 256 --seq 2048
"""


@click.group(
    "formula",
    cls=Formulas,
    help=_HELP,
    short_help="Evaluate a published formula on plain numbers.",
    invoke_without_command=True,
    subcommand_metavar="list|NAME [OPTIONS]",
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Shows the help where no formula is named."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@click.command("list")
def listing() -> None:
    """List the formulas: what each counts, and where it is from."""
    from rich.table import Table
    from rich.text import Text

    from calprof.analytical import FORMULAS
    from calprof.report.text import show

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("name", no_wrap=True)
    grid.add_column("of", no_wrap=True)
    for title in ("formula and what it counts", "source"):
        grid.add_column(title, overflow="fold")
    for entry in FORMULAS.values():
        passes = "training" if entry.scope.training else "forward"
        grid.add_row(*map(Text, (entry.name, passes, f"{entry.title}\n{entry.note}", entry.source)))
    show(grid)


def formula_command(formula: Formula) -> click.Command:
    """Returns the command of one formula, whose options are the parameters of its closed form."""

    def run(**given: Any) -> None:
        for line in evaluated(formula, given):
            click.echo(line)

    options: list[click.Parameter] = [_option(name, default) for name, default in formula.parameters.items()]
    text = f"{formula.title}.\n\n{formula.note}\n\nSource: {formula.source}"
    return click.Command(formula.name, params=options, callback=run, help=text, short_help=formula.title)


def evaluated(formula: Formula, given: Mapping[str, Any]) -> list[str]:
    """Returns a formula's value on plain numbers, in total and per token, as lines.

    Raises:
        ValueError: Numbers that do not fit each other.
    """
    from calprof.report.numbers import format_count, format_exact

    value = formula.plain(**given)
    tokens = given["seq"] * given["batch"]
    step = "training step" if formula.scope.training else "forward"
    return [
        f"{formula.title} ({formula.source})",
        f"{format_count(value, 'FLOPs')} ({format_exact(value)}) per {step} of {format_exact(tokens, 'tokens')}",
        f"{format_count(value / tokens, 'FLOPs')} per token",
    ]


def _option(name: str, default: Any) -> click.Option:
    flag = name.replace("_", "-")
    if isinstance(default, bool):
        return click.Option([f"--{flag}/--no-{flag}"], default=default, show_default=True, help=_MEANINGS[name])
    meaning, kind = _MEANINGS[name], count(0 if default == 0 else 1)
    if default is ...:
        return click.Option([f"--{flag}"], type=kind, required=True, metavar="N", help=meaning)
    if default == 0:
        meaning = f"{meaning.rstrip('.')}; by default {_USUAL[name]}."
    return click.Option([f"--{flag}"], type=kind, default=default, show_default=default != 0, metavar="N", help=meaning)


def count(least: int) -> Callable[[str], int]:
    """Returns what reads a whole number of at least `least`: digits, with K, M, B, G or T behind them, or 6.7e9.

    Example:
        >>> count(1)("540.35B")
        540350000000
    """

    def read(word: str) -> int:
        digits = str(word).replace(",", "").replace("_", "")
        prefix = digits[-1:].upper()
        try:
            number = Decimal(digits[:-1] if prefix in _PREFIXES else digits).scaleb(_PREFIXES.get(prefix, 0))
        except InvalidOperation:
            raise click.BadParameter(f"{word!r} is no number: give one such as 4096, 6.7B or 1e9") from None
        if not number.is_finite() or not least <= number <= _MOST or number != int(number):
            raise click.BadParameter(f"{word!r} is no whole number from {least} to {_MOST:.0e}")
        return int(number)

    return read
