"""Progress on a terminal, and silence everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def wanted(progress: bool | None = None) -> bool:
    """Returns whether to show progress: as asked, or by default where standard error is a terminal."""
    return sys.stderr.isatty() if progress is None else progress


@contextmanager
def bar(text: str, total: int | None, show: bool) -> Iterator[Callable[[], Any]]:
    """Shows a bar on standard error while a block runs, and removes it afterwards.

    Yields:
        A function to call for every step; without a `total` the bar only moves to and fro.
    """
    if not show:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns: list[Any] = [TextColumn("{task.description}"), BarColumn()]
    columns += [MofNCompleteColumn()] if total else []
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(text, total=total)
        yield lambda: shown.advance(task)


@contextmanager
def module_bar(text: str, model: Any, show: bool) -> Iterator[None]:
    """Shows how many of the model's modules have run while a block runs its forward."""
    if not show:
        yield
        return
    from torch.nn.modules.module import register_module_forward_hook

    seen: set[int] = set()
    with bar(text, sum(1 for _ in model.modules()), show) as advance:

        def ran(module: Any, inputs: Any, output: Any) -> None:
            if id(module) not in seen:
                seen.add(id(module))
                advance()

        handle = register_module_forward_hook(ran)
        try:
            yield
        finally:
            handle.remove()
