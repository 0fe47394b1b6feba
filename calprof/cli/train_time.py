"""`calprof train-time`: how long a training run takes, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from calprof.cost.schedule import TrainingTime

_RECOMPUTE = (
    "Every activation is computed again; with --mfu this changes the hardware's utilization, with --hfu the time."
)
_DEVICE = "Accelerator, such as a100 or h100-sxm, or its peak in FLOP/s."


@click.command("train-time")
@click.argument("model", required=False)
@click.option("--params", type=float, metavar="N", help="Parameters, such as 124e6, in place of a model.")
@click.option("--tokens", type=float, required=True, metavar="N", help="Tokens trained on, in all, such as 300e9.")
@click.option("--device", required=True, metavar="NAME", help=_DEVICE)
@click.option("--count", type=int, default=1, show_default=True, metavar="N", help="How many devices.")
@click.option("--mfu", type=float, metavar="X", help="Model FLOPs utilization, such as 0.3.")
@click.option("--hfu", type=float, metavar="X", help="Hardware FLOPs utilization, in place of --mfu.")
@click.option("--dtype", default="bf16", show_default=True, metavar="NAME", help="Dtype of the products.")
@click.option("--recompute", is_flag=True, help=_RECOMPUTE)
@click.option("--price", type=float, metavar="X", help="Money per device and hour, in any currency.")
@click.option("--seq", type=click.IntRange(min=1), default=2048, show_default=True, metavar="N",
              help="Tokens of each sequence, for a model.")  # fmt: skip
def command(model: str | None, params: float | None, device: str, seq: int, **run: Any) -> None:
    r"""Print how long training MODEL, or a model of --params parameters, takes, and what it costs.

    \b
    calprof train-time --params 124e6 --tokens 300e9 --device a100 --count 8 --mfu 0.3
    calprof train-time llama-3.1-8b --seq 8192 --tokens 15e12 --device h100 --count 16384 --mfu 0.38 --price 2
    """
    if (model is None) == (params is None):
        raise click.UsageError("give a model or --params, one of the two")
    from calprof.cost.schedule import training_time

    run["device"] = _device(device)
    columns: dict[str, TrainingTime] = {}
    if model is None:
        title = f"{params:,.0f} parameters"
        columns["6ND"] = training_time(params=params, **run)
    else:
        size, per_token = _profiled(model, seq)
        title = f"{model}, {size:,} parameters, sequences of {seq:,} tokens"
        columns["6ND"] = training_time(params=size, **run)
        columns["profiled"] = training_time(flops_per_token=per_token, **run)
    _print(columns, title)


def _device(word: str) -> str | float:
    try:
        return float(word)
    except ValueError:
        return word


def _profiled(model: str, seq: int) -> tuple[int, float]:
    """Returns a model's parameters, and the FLOPs of forward and exact backward per token at 2 per MAC."""
    from calprof.named import profile_by_name

    prof = profile_by_name(model, batch=1, seq=seq, convention="matmul", training="exact")
    step = prof.training(exact=True)
    return prof.params, step.total.flops / seq


def _print(columns: dict[str, TrainingTime], title: str) -> None:
    rows: list[tuple[str, list[str]]] = [
        ("", list(columns)),
        ("model FLOPs", [f"{time.flops:.4g}" for time in columns.values()]),
        ("FLOPs with recomputation", [f"{time.hardware_flops:.4g}" for time in columns.values()]),
        ("days", [f"{time.days:,.2f}" for time in columns.values()]),
        ("device hours", [f"{time.device_hours:,.0f}" for time in columns.values()]),
        ("tokens/s", [f"{time.tokens_per_second:,.0f}" for time in columns.values()]),
        ("MFU", [f"{time.mfu:.2%}" for time in columns.values()]),
        ("HFU", [f"{time.hfu:.2%}" for time in columns.values()]),
    ]
    if any(time.cost is not None for time in columns.values()):
        rows.append(("cost", [f"{time.cost:,.0f}" for time in columns.values()]))
    if all(time.flops == time.hardware_flops for time in columns.values()):
        del rows[2]
    wide = max(len(label) for label, _ in rows)
    width = max(len(cell) for _, cells in rows for cell in cells)
    click.echo(title)
    for label, cells in rows:
        click.echo(f"  {label:<{wide}}" + "".join(f"  {cell:>{width}}" for cell in cells))
    for name, time in columns.items():
        click.echo(f"{name}: {time.assumptions[0]}")
    for line in next(iter(columns.values())).assumptions[1:]:
        click.echo(line)
