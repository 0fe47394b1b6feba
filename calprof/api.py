"""The front doors that run one forward: `profile` and `calculate_flops`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

import calprof.ops  # noqa: F401 - registers the catalogue
from calprof.comparison.described import described
from calprof.conventions import Convention, find_convention
from calprof.cost.training import Passes, Training, training_by_factor
from calprof.inputs.arguments import Inputs, from_arguments
from calprof.inputs.traits import placement, unwrapped
from calprof.models.fake import ShapesOnly, fake_inputs, mode_of
from calprof.models.values import running
from calprof.profiler import check_model, is_exact
from calprof.randomness import kept_random
from calprof.recording.recorder import IgnoreRule, Recorder
from calprof.recording.recording import Recording
from calprof.recording.state import undisturbed
from calprof.recording.walking import survey
from calprof.result import Profile

if TYPE_CHECKING:
    from calprof.verification import Verification

__all__ = ["calculate_flops", "profile"]


def profile(
    model: torch.nn.Module,
    input_shape: Sequence[int] | None = None,
    *,
    tokenizer: Any = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    forward_mode: str = "forward",
    ignore_modules: Collection[IgnoreRule] | IgnoreRule | None = None,
    convention: str | Convention = "arithmetic",
    train_mode: bool = False,
    grad: bool = False,
    training: str | None = None,
    fake: bool = False,
    verify: bool = False,
) -> Profile:
    """Runs one forward of `model` and returns what it cost.

    The forward runs in eval mode under `torch.no_grad()` unless asked otherwise. The model is given back as
    it was: modes, buffers, gradients, random state and hooks.

    Args:
        model: Any `nn.Module`.
        input_shape: Sizes of one tensor input, batch included; with a tokenizer `(batch, length)`.
        tokenizer: A Hugging Face tokenizer to make the input from.
        args: Positional arguments of the forward, of any nesting; tensors are moved to the model's device.
        kwargs: Keyword arguments of the forward, likewise.
        forward_mode: `"forward"`, `"generate"`, or the name of another method.
        ignore_modules: Module classes, class names or dotted paths whose work is left out.
        convention: The price list of the FLOP figures: `arithmetic`, `matmul`, `calflops`, `electra`, one of these with
            `-causal`, or a `Convention` of your own.
        train_mode: Whether to run in train mode, with dropout and batch statistics.
        grad: Whether to run with autograd on.
        training: `"exact"` to note which operands require a gradient, for `Profile.training(exact=True)`.
        fake: Whether to run on a copy of the model without storage: shapes are inferred, nothing is computed. A
            model that was built without storage is run that way by itself.
        verify: Whether to run once more under PyTorch's own counter and compare, for `Profile.verification`.

    Raises:
        ValueError: No input or two; an unknown convention; an `ignore_modules` entry that matches nothing; a
            forward without storage that asks for a value, with the line that does.
        TypeError: A model that is no module, or an input shape that is not integers.

    Example:
        >>> profile(torch.nn.Linear(3, 5), input_shape=(2, 3)).macs
        30
    """
    check_model(model, required=True)
    mode = mode_of(model) or (ShapesOnly() if fake else None)
    if mode is not None and fake:
        from calprof.models.copying import fake_copy

        model = fake_copy(model, mode)
    run = _method(model, forward_mode)
    inputs = _inputs(model, input_shape, tokenizer, args, kwargs)
    given = (inputs.args, inputs.kwargs) if mode is None else fake_inputs((inputs.args, inputs.kwargs), mode)
    prices, surveyed = find_convention(convention), survey(model)
    recorder = Recorder(model, grads=is_exact(training), ignore=ignore_modules or (), seen=surveyed)
    grad_mode = torch.enable_grad() if grad or training else torch.no_grad()
    # The dispatcher's counter takes its time to import: only who asks for it waits.
    spare = _copied(given) if verify else given
    with undisturbed(model, train_mode, surveyed), grad_mode, running(mode), recorder:
        recorder.differentiate(run(*given[0], **given[1]))
    recording = recorder.recording().with_notes(mode.assumed if mode is not None else ())
    verification = None
    if verify:
        with undisturbed(model, train_mode), grad_mode, running(mode):
            verification = _verified(recording, lambda: run(*spare[0], **spare[1]), model)
    seen = described(unwrapped(model), inputs.args, inputs.kwargs) if forward_mode == "forward" else None
    kind = type(model).__name__
    return Profile(recording, prices, kind, inputs.description, seen=seen, verification=verification)


@kept_random()
def calculate_flops(
    model: torch.nn.Module,
    input_shape: Sequence[int] | None = None,
    transformer_tokenizer: Any = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    forward_mode: str = "forward",
    include_backPropagation: bool = False,
    compute_bp_factor: float = 2.0,
    print_results: bool = True,
    print_detailed: bool = True,
    output_as_string: bool = True,
    output_precision: int = 2,
    output_unit: str | None = None,
    ignore_modules: Collection[IgnoreRule] | IgnoreRule | None = None,
    *,
    include_recompute: bool = False,
    convention: str | Convention = "arithmetic",
) -> tuple[int | str, int | str, int | str]:
    """Returns the FLOPs, MACs and parameters of a model, and prints them.

    Args:
        model: Any `nn.Module`.
        input_shape: Sizes of one tensor input, batch included; with a tokenizer `(batch, length)`.
        transformer_tokenizer: A Hugging Face tokenizer to make the input from.
        args: Positional arguments of the forward.
        kwargs: Keyword arguments of the forward.
        forward_mode: `"forward"` or `"generate"`.
        include_backPropagation: Whether to add the backward pass.
        compute_bp_factor: The backward's cost in forwards.
        print_results: Whether to print the totals.
        print_detailed: Whether to print the tree and the tables too.
        output_as_string: Whether to return strings with units instead of integers.
        output_precision: Digits after the decimal point of the strings.
        output_unit: `"K"`, `"M"`, `"G"`, `"T"` … to force the strings' prefix.
        ignore_modules: Module classes, class names or dotted paths whose work is left out.
        include_recompute: Whether to add one forward of recomputation: the backward then counts three times.
        convention: The price list of the FLOPs.

    Raises:
        ValueError: As `profile`, or an unknown unit.
        TypeError: As `profile`.

    Example:
        >>> calculate_flops(torch.nn.Linear(3, 5), (2, 3), print_results=False, output_as_string=False)
        (70, 30, 20)
    """

    def run() -> Profile:
        return profile(
            model,
            input_shape,
            tokenizer=transformer_tokenizer,
            args=args,
            kwargs=kwargs,
            forward_mode=forward_mode,
            ignore_modules=ignore_modules,
            convention=convention,
        )

    passes = (compute_bp_factor if include_backPropagation else 0, 1 if include_recompute else 0)
    return calculated(run, passes, print_results, print_detailed, output_as_string, output_precision, output_unit)[0]


def calculated(
    run: Callable[[], Profile],
    passes: tuple[float, float],
    print_results: bool,
    print_detailed: bool,
    output_as_string: bool,
    output_precision: int,
    output_unit: str | None,
) -> tuple[tuple[int | str, int | str, int | str], Profile]:
    """Returns the three figures of `calculate_flops` for the profile that `run` makes, and that profile.

    `passes` is what the backward and the recomputation cost, in forwards. A wrong unit or precision is
    refused before anything runs.
    """
    from calprof.report import format_count, print_report

    strings = [format_count(0, unit, output_precision, output_unit) for unit in ("FLOPs", "MACs")]
    assert all(strings)
    factors = Passes(backward=passes[0], recompute=passes[1])
    prof = run()
    training: Training | None = None
    flops, macs = prof.flops, prof.macs
    if any(passes):
        training = training_by_factor(prof, factors)
        flops, macs = training.total.flops, training.total.macs
    if print_results:
        print_report(prof, training=training, detailed=print_detailed)
    if not output_as_string:
        return (flops, macs, prof.params), prof
    figures = (
        format_count(flops, "FLOPs", output_precision, output_unit),
        format_count(macs, "MACs", output_precision, output_unit),
        format_count(prof.params, "", output_precision, output_unit),
    )
    return figures, prof


def _inputs(
    model: torch.nn.Module,
    input_shape: Sequence[int] | None,
    tokenizer: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
) -> Inputs:
    if args is None or isinstance(args, (str, bytes, torch.Tensor, Mapping)):
        raise TypeError(f"args must be a list or tuple of positional arguments, not {type(args).__name__}")
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise TypeError(f"kwargs must be a dict of keyword arguments, not {type(kwargs).__name__}")
    given = len(args) > 0 or bool(kwargs)
    if given and (input_shape is not None or tokenizer is not None):
        other = "input_shape" if input_shape is not None else "tokenizer"
        raise ValueError(f"give either {other} or args/kwargs, not both: {other} makes the input by itself")
    if given:
        return from_arguments(args, kwargs or {}, placement(model)[1])
    if tokenizer is not None:
        from calprof.inputs.tokens import from_tokenizer

        return from_tokenizer(model, tokenizer, input_shape)
    if input_shape is not None:
        from calprof.inputs.shapes import from_shape

        return from_shape(model, input_shape)
    raise ValueError("nothing to run the model on: give input_shape=, tokenizer=, args= or kwargs=")


def _copied(given: Any) -> Any:
    from calprof.verification import copied

    return copied(given)


def _verified(recording: Recording, run: Callable[[], Any], model: torch.nn.Module) -> Verification:
    from calprof.verification import verify

    return verify(recording, run, model)


def _method(model: torch.nn.Module, forward_mode: str) -> Any:
    if forward_mode == "forward":
        return model
    method = getattr(model, forward_mode, None) if isinstance(forward_mode, str) else None
    if not callable(method):
        kind = type(model).__name__
        raise ValueError(f"forward_mode {forward_mode!r} is no method of {kind}; try 'forward' or 'generate'")
    return method
