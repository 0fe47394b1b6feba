"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from calprof.cli.types import edges, setting, shape

F = TypeVar("F", bound=Callable[..., Any])

_SHAPE = "Sizes of the input, batch first; by default what the model is quoted for."
_CONVENTION = (
    "Price list of the FLOPs: arithmetic, matmul, calflops, electra; -causal after it leaves out what "
    "a causal kernel may skip."
)
_IGNORE = "Class or dotted path of modules whose work is left out; may be repeated."
_TRAIN = "Show a training step: the backward pass is twice the forward."
_SET = (
    "A field of a transformers configuration, or an argument of another builder, such as num_hidden_layers=4; "
    "may be repeated."
)
_HEAD = "Head of a transformers model, such as causal-lm or classification, or the name of its class."
_SECONDS = click.FloatRange(min=0, min_open=True)
_DTYPE = "Dtype of the parameters, such as bfloat16; counts stay the same."
_REAL = "Run with random weights instead of shapes alone."
_TRUST = "Run the code of a hub repository that brings its own."
_EXACT = "A training step whose backward is counted from what needs a gradient, in place of twice the forward."
_RECOMPUTE = "A training step that recomputes every activation: one forward more."


def model_options(function: F) -> F:
    """Adds the model, its input and what is left out of it."""
    decorators = (
        click.argument("model"),
        click.option("--shape", type=shape, metavar="N,N,...", help=_SHAPE),
        click.option("--convention", default="arithmetic", show_default=True, metavar="NAME", help=_CONVENTION),
        click.option("--ignore", multiple=True, metavar="MODULE", help=_IGNORE),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def build_options(function: F) -> F:
    """Adds how a model is built by name, and the sizes of its input; the names are those of `profile_by_name`."""
    decorators = (
        click.option("--set", "overrides", multiple=True, type=setting, metavar="KEY=VALUE", help=_SET),
        click.option("--head", metavar="NAME", help=_HEAD),
        click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Samples."),
        click.option("--seq", type=click.IntRange(min=1), metavar="N", help="Text tokens of each sample."),
        click.option("--image-size", type=edges, metavar="N|HxW", help="Height and width in pixels."),
        click.option("--seconds", type=_SECONDS, metavar="S", help="Length of the sound."),
        click.option("--frames", type=click.IntRange(min=1), metavar="N", help="Frames of a video."),
        click.option("--dtype", metavar="NAME", help=_DTYPE),
        click.option("--real", is_flag=True, default=None, help=_REAL),
        click.option("--trust-remote-code", is_flag=True, help=_TRUST),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def training_options(function: F) -> F:
    """Adds the passes of a training step."""
    decorators = (
        click.option("--train", is_flag=True, help=_TRAIN),
        click.option("--recompute", is_flag=True, help=_RECOMPUTE),
        click.option("--exact", is_flag=True, help=_EXACT),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function
