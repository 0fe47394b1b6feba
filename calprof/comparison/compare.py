"""Holding every applicable formula beside a profile."""

from __future__ import annotations

from typing import Any

from calprof.analytical import Formula, Shape, applicable, grouped, known, params
from calprof.analytical.terms import add, scale
from calprof.comparison.causes import exact_terms, formula_gaps, profile_gaps, unpriced
from calprof.comparison.entries import Comparison, Entry
from calprof.comparison.recorded import recorded_rows
from calprof.comparison.subject import Subject
from calprof.profiles import Profile

__all__ = ["compare"]


def compare(
    profile: Profile,
    subject: Subject | None = None,
    *,
    config: Any = None,
    shape: Shape | None = None,
    batch: int | None = None,
    seq: int | None = None,
) -> Comparison:
    """Returns every formula that applies beside a profile of one forward, with named differences.

    Args:
        profile: What ran; formulas are held beside its FLOPs under its convention.
        subject: What is known of the model and its input.
        config: A Hugging Face configuration, object or dict, in place of the model's own.
        shape: The model as numbers, in place of any configuration.
        batch: Sequences, where the input does not tell.
        seq: Tokens of each, where the input does not tell.

    Raises:
        ValueError: No shape, batch or length is known, both `config` and `shape` are given, or the profile's
            convention charges other than 2 FLOPs per MAC.

    Example:
        >>> compare(prof, shape=Shape(layers=2, hidden=8, heads=2, vocabulary=11), batch=1, seq=5).closest.name
        'exact'
    """
    subject = subject or Subject()
    model, notes = _shape(subject, config, shape)
    batch, seq = _sizes(model, subject, batch, seq)
    length = None if model.patches else seq
    target = subject.target if model.decoder_layers and subject.target not in (None, seq) else None
    rows = recorded_rows(profile.recording)
    extra = unpriced(profile.work, profile.convention)
    run = profile_gaps(rows, grouped(exact_terms(model, batch, length, target)))
    entries = []
    for formula in applicable(model):
        passes = 3 if formula.scope.training else 1
        beside = scale(add([run, extra]), passes)
        if formula.scope.attention == "none":
            # Of a core that is not counted at all, no half is counted either.
            beside = {("attention core" if cause == "causal half" else cause): gap for cause, gap in beside.items()}
        gaps = add([formula_gaps(formula, model, batch, length, target), beside])
        entries.append(_entry(formula, formula(model, batch, length), passes, profile.flops, gaps))
    if params(model) != profile.params:
        notes += (
            f"the shape has {params(model):,} parameters and the model {profile.params:,}: formulas made of "
            "parameters are of the shape",
        )
    if any(gap for cause, gap in run.items() if cause.startswith("run: ")):
        notes += ("the run did other products than the shape describes: see the causes that begin with run",)
    return Comparison(
        model, batch, seq, profile.root.kind or profile.kind, profile.convention.name, profile.flops, rows,
        {cause: -gap for cause, gap in extra.items()}, tuple(entries), notes,
    )  # fmt: skip


def _entry(formula: Formula, value: int, passes: int, flops: int, gaps: dict[str, int]) -> Entry:
    named = {cause: gap for cause, gap in gaps.items() if gap}
    return Entry(formula, value, passes, passes * flops, named)


def _shape(subject: Subject, config: Any, shape: Shape | None) -> tuple[Shape, tuple[str, ...]]:
    """The shape to compare with, and what a reader must know of where it is from."""
    if shape is not None and config is not None:
        raise ValueError("give either config or shape to compare with, not both")
    if shape is not None:
        if not isinstance(shape, Shape):
            raise TypeError(f"shape must be a calprof.analytical.Shape, not {type(shape).__name__}")
        return shape, ()
    if config is not None:
        family = str(config.get("model_type", "") if isinstance(config, dict) else getattr(config, "model_type", ""))
        return Shape.from_config(config), _doubts(family, known(config))
    if subject.shape is None:
        reason = subject.reason or "the model has no Hugging Face configuration"
        raise ValueError(f"{reason}; give config= or shape= to compare it with formulas")
    return subject.shape, _doubts(subject.family, subject.known)


def _doubts(family: str, established: bool) -> tuple[str, ...]:
    if established:
        return ()
    return (f"the family {family!r} is not among those whose count is established: its shape is read by attributes",)


def _sizes(shape: Shape, subject: Subject, batch: int | None, seq: int | None) -> tuple[int, int]:
    batch = subject.batch if batch is None else batch
    seq = subject.seq if seq is None else seq
    if shape.patches is not None:
        seq = shape.patches.tokens
    for name, value in (("batch", batch), ("seq", seq)):
        if value is None:
            raise ValueError(f"the input does not tell the {name} to compare at: give {name}=")
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
    assert batch is not None and seq is not None
    return batch, seq
