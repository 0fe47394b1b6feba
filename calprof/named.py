"""The front doors for a model that is only a name: `profile_by_name` and `calculate_flops_hf`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from calprof.api import calculated, profile
from calprof.conventions import Convention, find_convention
from calprof.inputs.trials import unlogged
from calprof.models.blueprint import Blueprint, Sizes, is_ours
from calprof.models.copying import fake_copy
from calprof.models.fake import ShapesOnly, build
from calprof.models.memory import require_memory
from calprof.models.progress import bar, module_bar, wanted
from calprof.models.resolve import resolve
from calprof.models.values import ValueNeeded, running
from calprof.recording.recorder import IgnoreRule
from calprof.recording.state import same_random_state
from calprof.result import Profile

__all__ = ["calculate_flops_hf", "profile_by_name"]

_SMALL = 200_000_000
"""Parameters up to which a model whose forward asks for values is run for real without being told to."""


def profile_by_name(
    name: str,
    input_shape: Sequence[int] | None = None,
    *,
    batch: int | None = None,
    seq: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    seconds: float | None = None,
    frames: int | None = None,
    head: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    processor: Any = None,
    dtype: str | torch.dtype | None = None,
    real: bool | None = None,
    token: str | None = None,
    trust_remote_code: bool = False,
    forward_mode: str = "forward",
    ignore_modules: Collection[IgnoreRule] | IgnoreRule | None = None,
    convention: str | Convention = "arithmetic",
    train_mode: bool = False,
    training: str | None = None,
    verify: bool = False,
    progress: bool | None = None,
) -> Profile:
    """Builds a model by name without weights, runs one forward on shapes alone, and returns what it cost.

    Nothing is downloaded but a hub model's configuration, nothing is stored and nothing computed, so that a
    model of any size is profiled on any machine.

    Args:
        name: `resnet50`, `torchvision:NAME`, `timm:NAME`, `hf:ORG/NAME`, `hf:FOLDER-OR-config.json`, `hf:TYPE`
            for a model type's defaults, a name of the catalogue as `llama-3.1-405b`, or `package.module:callable`.
        input_shape: All sizes of the input, batch first; `(batch, tokens)` where the model reads tokens.
        batch: Samples.
        seq: Text tokens of each sample, by default 128.
        image_size: Height and width in pixels, one number for both.
        seconds: Length of the sound.
        frames: Frames of a video.
        head: The head of a transformers model: `causal-lm`, `seq2seq`, `masked-lm`, `classification`, … or a class
            name; by default what its configuration names.
        overrides: Fields of a transformers configuration, or keyword arguments of another builder.
        processor: A tokenizer, image processor, feature extractor or processor that makes the inputs.
        dtype: The parameters' dtype, by default PyTorch's default; counts do not depend on it.
        real: Whether to run with random weights instead. By default a small model whose forward asks for
            values is run that way, which its notes say; `False` raises instead.
        token: The hub's access token, by default `HF_TOKEN`.
        trust_remote_code: Whether code from a hub repository may be run.
        forward_mode: As in `profile`.
        ignore_modules: As in `profile`.
        convention: As in `profile`.
        train_mode: As in `profile`.
        training: As in `profile`.
        verify: As in `profile`.
        progress: Whether to show progress bars; by default on a terminal.

    Raises:
        ValueError: Nothing of that name (with the closest ones), a hub model that cannot be had, a
            configuration that cannot be built, sizes that do not fit, or a forward that asks for a value.

    Example:
        >>> profile_by_name("llama-3.1-405b", seq=8192).params
        405853388800
    """
    find_convention(convention)  # refused before anything is built
    sizes = Sizes(None if input_shape is None else tuple(input_shape), batch, seq, image_size, seconds, frames)
    options = {"head": head, "options": overrides, "token": token, "processor": processor}
    blueprint = resolve(name, sizes, trust_remote_code=trust_remote_code, **options)
    shown = wanted(progress)
    run = {
        "forward_mode": forward_mode, "ignore_modules": ignore_modules, "convention": convention,
        "train_mode": train_mode, "training": training, "verify": verify,
    }  # fmt: skip
    kind = _dtype(dtype)
    with bar(f"Building {blueprint.label}", None, shown):
        model, asked = _built(blueprint, kind)
    if asked is None and not real:
        try:
            return _profiled(blueprint, model, run, shown)
        except ValueNeeded as question:
            asked = question
    if asked is not None and not real and (real is False or not 0 < _size(model) <= _SMALL):
        raise asked
    require_memory(name, model)
    with bar(f"Building {blueprint.label} with weights", None, shown):
        model = _with_weights(blueprint, kind)
    asks = "" if asked is None else f"run for real, with random weights, because {asked.place} asks for a value"
    notes = (asks,) if asks and not real else ()
    return _profiled(blueprint, model, run, shown, notes)


def calculate_flops_hf(
    model_name: str,
    input_shape: Sequence[int] | None = None,
    library_name: str = "transformers",
    trust_remote_code: bool = False,
    access_token: str = "",
    forward_mode: str = "forward",
    include_backPropagation: bool = False,
    compute_bp_factor: float = 2.0,
    print_results: bool = True,
    print_detailed: bool = True,
    output_as_string: bool = True,
    output_precision: int = 2,
    output_unit: str | None = None,
    ignore_modules: Collection[IgnoreRule] | IgnoreRule | None = None,
    return_results: bool = False,
    *,
    token: str | None = None,
    head: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    include_recompute: bool = False,
    convention: str | Convention = "arithmetic",
) -> tuple[Any, ...]:
    """Returns the FLOPs, MACs and parameters of a Hugging Face model by name, without its weights.

    The arguments are those of calflops; what fails is raised, and code from the hub is not run unless asked.

    Args:
        model_name: A hub repository, a folder or file with a configuration, a model type or a name of the catalogue.
        input_shape: `(batch, tokens)`, by default one sequence of 128; other modalities the sizes of their input.
        library_name: `"transformers"`, or `"timm"`.
        trust_remote_code: Whether code from the repository may be run.
        access_token: The hub's token; `token` is its other name.
        forward_mode: `"forward"` or `"generate"`.
        include_backPropagation: Whether to add the backward pass.
        compute_bp_factor: The backward's cost in forwards.
        print_results: Whether to print the totals.
        print_detailed: Whether to print the tree and the tables too.
        output_as_string: Whether to return strings with units instead of integers.
        output_precision: Digits after the decimal point of the strings.
        output_unit: `"K"`, `"M"`, `"G"`, `"T"` … to force the strings' prefix.
        ignore_modules: Module classes, class names or dotted paths whose work is left out.
        return_results: Whether to return the report's text as a fourth value.
        token: The hub's token.
        head: As in `profile_by_name`.
        overrides: As in `profile_by_name`.
        include_recompute: Whether to add one forward of recomputation.
        convention: The price list of the FLOPs.

    Raises:
        ValueError: As `profile_by_name`, or an unknown unit or library.

    Example:
        >>> calculate_flops_hf("llama-2-7b", (1, 128), print_results=False)[1]
        '850.00 GMACs'
    """
    prefix = {"transformers": "hf", "timm": "timm"}.get(library_name)
    if prefix is None:
        raise ValueError(f"library_name must be 'transformers' or 'timm', not {library_name!r}")

    def run() -> Profile:
        return profile_by_name(
            f"{prefix}:{model_name}", input_shape, token=token or access_token or None, head=head,
            overrides=overrides, trust_remote_code=trust_remote_code, forward_mode=forward_mode,
            ignore_modules=ignore_modules, convention=convention,
        )  # fmt: skip

    passes = (compute_bp_factor if include_backPropagation else 0, 1 if include_recompute else 0)
    printing = (print_results, print_detailed, output_as_string, output_precision, output_unit)
    results, prof = calculated(run, passes, *printing)
    return (*results, str(prof)) if return_results else results


def _built(blueprint: Blueprint, dtype: torch.dtype) -> tuple[torch.nn.Module, ValueNeeded | None]:
    """The model without storage; where its constructor asks for a value, its sizes only, and the question."""
    mode = ShapesOnly()
    if blueprint.existing:
        return fake_copy(blueprint.construct(), mode), None
    try:
        with running(mode), _default_dtype(dtype):
            return build(blueprint.construct, mode), None
    except ValueNeeded as question:
        # The meta device asks for values in fewer places; what it builds is for knowing the size.
        try:
            with torch.device("meta"), _default_dtype(dtype):
                return blueprint.construct(), question
        except Exception as error:  # of whatever type: the question came first, and is what can be answered
            raise question from error
    except Exception as error:  # a library's constructor raises what it likes
        if is_ours(error) or not blueprint.remedy:
            raise
        raise ValueError(f"{blueprint.label} cannot be built ({_told(error)}): {blueprint.remedy}") from error


def _profiled(
    blueprint: Blueprint, model: torch.nn.Module, run: Mapping[str, Any], shown: bool, notes: tuple[str, ...] = ()
) -> Profile:
    with unlogged():
        inputs = blueprint.inputs(model)
        try:
            with module_bar(f"Profiling {blueprint.label}", model, shown):
                prof = profile(model, args=inputs.args, kwargs=inputs.kwargs, **run)
        except Exception as error:  # a library's forward raises what it likes
            if is_ours(error) or not blueprint.remedy:
                raise
            told = f"the forward of {blueprint.label} refuses {inputs.description} ({_told(error)})"
            raise ValueError(f"{told}: change the input or {blueprint.remedy}") from error
    recording = prof.recording.with_notes((*blueprint.notes, *notes))
    return replace(prof, recording=recording, input=inputs.description)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _with_weights(blueprint: Blueprint, dtype: torch.dtype) -> torch.nn.Module:
    with same_random_state(), _default_dtype(dtype):
        torch.manual_seed(0)
        return blueprint.construct().eval()


def _size(model: torch.nn.Module) -> int:
    return sum(each.numel() for each in model.parameters())


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype:
    if dtype is None:
        return torch.get_default_dtype()
    short = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
    found: Any = getattr(torch, short.get(dtype, dtype), None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"dtype must be a floating-point dtype such as 'bfloat16', not {dtype!r}")
    return found


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
