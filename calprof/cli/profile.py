"""`calprof MODEL`: profile a model by name and print or write the report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calprof.cli.options import model_options, training_options
from calprof.cli.types import ALL_LEVELS
from calprof.cli.types import depth as levels

if TYPE_CHECKING:
    from calprof.cost.training import Training
    from calprof.result import Profile

_ROWS = 120
"""Lines of the tree that are shown without being asked for more."""


@click.command("profile")
@model_options
@training_options
@click.option(
    "--depth",
    type=levels,
    metavar="N|all",
    help=f"Levels of modules to show; by default what fits in {_ROWS} lines.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="K",
    help="The largest K modules per level; the rest in one line.",
)
@click.option(
    "--sort", type=click.Choice(["flops", "macs", "params"]), help="Largest first; by default as registered."
)
@click.option("--no-fold", is_flag=True, help="One line for each module, also where modules are equal.")
@click.option("--json", "json_file", metavar="FILE", help="Write everything as JSON; - is standard output.")
@click.option("--html", "html_file", metavar="FILE", help="Write a self-contained HTML page.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write one line per module as CSV.")
@click.option("--ops-csv", "ops_file", metavar="FILE", help="Write one line per op as CSV.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@click.option("--quiet", is_flag=True, help="Print the totals in one line.")
def command(
    model: str,
    shape: tuple[int, ...] | None,
    convention: str,
    ignore: tuple[str, ...],
    train: bool,
    recompute: bool,
    depth: int | None,
    top: int | None,
    sort: str | None,
    no_fold: bool,
    markdown: bool,
    quiet: bool,
    **files: str | None,
) -> None:
    """Profile MODEL: FLOPs, MACs and parameters, per module and per op."""
    for path in files.values():
        if path not in (None, "-") and not Path(path).parent.is_dir():
            raise click.BadParameter(f"{path!r} is in a folder that does not exist")
    prof = run(model, shape, convention, ignore)
    training = prof.training(recompute=recompute) if train or recompute else None
    if write(prof, training, files):
        return
    from calprof.report import print_report, to_markdown
    from calprof.report.summary import one_line

    if quiet:
        click.echo(one_line(prof, training))
    elif markdown:
        click.echo(to_markdown(prof, training, depth=depth, sort=sort, top=top), nl=False)
    else:
        limit = _ROWS if depth is None else None
        print_report(
            prof,
            training=training,
            depth=None if depth == ALL_LEVELS else depth,
            sort=sort,
            top=top,
            fold=not no_fold,
            limit=limit,
        )


def run(model: str, shape: tuple[int, ...] | None, convention: str, ignore: tuple[str, ...]) -> Profile:
    """Builds a model by name and profiles one forward of it.

    Raises:
        ValueError: An unknown model or convention, or an `ignore` that matches nothing.
    """
    from calprof.conventions import find_convention
    from calprof.models.torchvision import inputs, load_model

    prices = find_convention(convention)
    given = inputs(model, shape)
    net = load_model(model)
    from calprof.api import profile

    return profile(net, ignore_modules=ignore or None, convention=prices, **given)


def write(prof: Profile, training: Training | None, files: dict[str, str | None]) -> bool:
    """Writes the files asked for, and returns whether standard output was one of them."""
    from calprof.report import report_html, to_csv, to_json

    writers: dict[str, Callable[[], str]] = {
        "json_file": lambda: to_json(prof, training) + "\n",
        "html_file": lambda: report_html(prof, training),
        "csv_file": lambda: to_csv(prof, training),
        "ops_file": lambda: to_csv(prof, training, "ops"),
    }
    asked: list[tuple[Any, str]] = [(writers[name], path) for name, path in files.items() if path is not None]
    for writer, path in asked:
        if path == "-":
            sys.stdout.write(writer())
        else:
            Path(path).write_text(writer(), encoding="utf-8", newline="\n")
    return any(path == "-" for _, path in asked)
