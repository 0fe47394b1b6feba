"""`calprof MODEL`: profile a model by name and print or write the report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calprof.cli.options import build_options, model_options, training_options
from calprof.cli.types import ALL_LEVELS
from calprof.cli.types import depth as levels

if TYPE_CHECKING:
    from calprof.comparison.entries import Comparison
    from calprof.cost.training import Training
    from calprof.result import Profile

_FILES = ("json_file", "html_file", "csv_file", "ops_file")
_ROWS = 120
"""Lines of the tree that are shown without being asked for more."""


@click.command("profile")
@model_options
@build_options
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
@click.option("--sort", type=click.Choice(["flops", "macs", "params"]), help="Largest first; by default as registered.")
@click.option("--no-fold", is_flag=True, help="One line for each module, also where modules are equal.")
@click.option("--json", "json_file", metavar="FILE", help="Write everything as JSON; - is standard output.")
@click.option("--html", "html_file", metavar="FILE", help="Write a self-contained HTML page.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write one line per module as CSV.")
@click.option("--ops-csv", "ops_file", metavar="FILE", help="Write one line per op as CSV.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@click.option("--quiet", is_flag=True, help="Print the totals in one line.")
@click.option("--verify", is_flag=True, help="Run once more under PyTorch's own counter and say where it differs.")
@click.option("--compare", is_flag=True, help="Print published formulas beside what ran, and why they differ.")
def command(
    model: str,
    shape: tuple[int, ...] | None,
    convention: str,
    ignore: tuple[str, ...],
    train: bool,
    recompute: bool,
    exact: bool,
    depth: int | None,
    top: int | None,
    sort: str | None,
    no_fold: bool,
    markdown: bool,
    quiet: bool,
    compare: bool,
    **others: Any,
) -> None:
    """Profile MODEL: FLOPs, MACs and parameters, per module and per op."""
    files: dict[str, str | None] = {name: others.pop(name) for name in _FILES}
    for path in files.values():
        if path not in (None, "-") and not Path(path).parent.is_dir():
            raise click.BadParameter(f"{path!r} is in a folder that does not exist")
    prof = run(model, shape, convention, ignore, training="exact" if exact else None, **others)
    training = prof.training(recompute=recompute, exact=exact) if train or recompute or exact else None
    comparison = prof.compare() if compare else None
    if write(prof, training, files, comparison):
        return
    from calprof.comparison.text import print_comparison
    from calprof.report import print_report, to_markdown
    from calprof.report.summary import one_line

    if comparison is not None:
        print_comparison(comparison)
    elif quiet:
        click.echo(one_line(prof, training))
        if prof.verification is not None:
            click.echo(str(prof.verification))
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


def run(
    model: str,
    shape: tuple[int, ...] | None,
    convention: str,
    ignore: tuple[str, ...],
    overrides: Sequence[tuple[str, Any]] = (),
    **build: Any,
) -> Profile:
    """Builds a model by name and profiles one forward of it; `build` is that of `profile_by_name`.

    Raises:
        ValueError: An unknown model or convention, an `ignore` that matches nothing, or what `profile_by_name` refuses.
    """
    from calprof.named import profile_by_name

    return profile_by_name(
        model, shape, ignore_modules=ignore or None, convention=convention, overrides=dict(overrides), **build
    )


def write(
    prof: Profile, training: Training | None, files: dict[str, str | None], comparison: Comparison | None = None
) -> bool:
    """Writes the files asked for, and returns whether standard output was one of them.

    A comparison is in the JSON under a key of that name.
    """
    from calprof.report import report_html, to_csv, to_dict

    def data() -> str:
        compared = {} if comparison is None else {"comparison": comparison.to_dict()}
        return json.dumps({**to_dict(prof, training), **compared}, indent=2, ensure_ascii=False)

    writers: dict[str, Callable[[], str]] = {
        "json_file": lambda: data() + "\n",
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
