"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from calprof.cli.types import shape

F = TypeVar("F", bound=Callable[..., Any])

_SHAPE = "Sizes of the input, batch first; by default what the model is quoted for."
_CONVENTION = (
    "Price list of the FLOPs: arithmetic, matmul, calflops, electra; -causal after it leaves out what "
    "a causal kernel may skip."
)
_IGNORE = "Class or dotted path of modules whose work is left out; may be repeated."
_TRAIN = "Show a training step: the backward pass is twice the forward."
_RECOMPUTE = "A training step that recomputes every activation: one forward more."


def model_options(function: F) -> F:
    """Adds the model, its input and what is left out of it."""
    decorators = (
        click.argument("model"),
        click.option("--shape", type=shape, metavar="N,N,...", help=_SHAPE),
        click.option(
            "--convention", default="arithmetic", show_default=True, metavar="NAME", help=_CONVENTION
        ),
        click.option("--ignore", multiple=True, metavar="MODULE", help=_IGNORE),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def training_options(function: F) -> F:
    """Adds the passes of a training step."""
    decorators = (
        click.option("--train", is_flag=True, help=_TRAIN),
        click.option("--recompute", is_flag=True, help=_RECOMPUTE),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function
