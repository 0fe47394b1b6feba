"""What stands above the tree: the model, the input, the convention and the totals."""

from __future__ import annotations

from calprof.cost.training import Training
from calprof.profiles import Profile
from calprof.report.numbers import format_count, format_duration, format_exact, format_factor
from calprof.work import Work

_MASKED = ("masked_mac", "masked_softmax")


def summarise(profile: Profile, training: Training | None = None) -> list[tuple[str, str]]:
    """Returns the header as pairs of a label and a line.

    Example:
        >>> summarise(prof)[0]
        ('model', 'ResNet')
    """
    convention = profile.convention
    lines = [
        ("model", profile.root.kind or profile.kind or "-"),
        ("input", profile.input or "-"),
        (
            "convention",
            f"{convention.name}: {convention.description}" if convention.description else convention.name,
        ),
    ]
    causal = causal_note(profile)
    if causal:
        lines.append(("causal", causal))
    if convention.unit != "MACs":
        lines.append((convention.unit, _total(profile.flops, convention.unit)))
    lines += [("MACs", _total(profile.macs, "MACs")), ("params", _params(profile))]
    if training is not None:
        lines += [
            ("training", training.basis),
            ("", phases_line(training, convention.unit)),
            ("", f"= {step_line(training, convention.unit)}"),
        ]
    if profile.recording.seconds:
        lines.append(("recorded in", format_duration(profile.recording.seconds)))
    return [pair for pair in lines if pair[1]]


def causal_note(profile: Profile) -> str:
    """Returns whether attention above the diagonal is charged, or nothing if no attention is causal."""
    masked = Work(**{kind: profile.work[kind] for kind in _MASKED})
    if not masked:
        return ""
    amount = format_count(masked["masked_mac"], "MACs")
    verb = "charged" if profile.convention.charges_masked else "not charged"
    return f"attention above the diagonal {verb} ({amount} that a causal kernel may skip)"


def phases_line(training: Training, unit: str = "FLOPs") -> str:
    """Returns the phases of a training step.

    Example:
        >>> phases_line(prof.training())
        '8.22 GFLOPs forward + 16.44 GFLOPs backward'
    """
    phases = [("forward", training.forward), ("backward", training.backward)]
    if training.recompute.flops or training.recompute.macs:
        phases.append(("recompute", training.recompute))
    return " + ".join(f"{format_count(phase.flops, unit)} {name}" for name, phase in phases)


def step_line(training: Training, unit: str = "FLOPs") -> str:
    """Returns the total of a training step.

    Example:
        >>> step_line(prof.training())
        '24.66 GFLOPs (24,655,000,000), x3 of the forward; 12.27 GMACs'
    """
    total, forward = training.total, training.forward.flops
    factor = format_factor(total.flops / forward) if forward else "x0"
    return f"{_total(total.flops, unit)}, {factor} of the forward; {format_count(total.macs, 'MACs')}"


def one_line(profile: Profile, training: Training | None = None) -> str:
    """Returns the totals in one line.

    Example:
        >>> one_line(prof)
        'ResNet: 8.22 GFLOPs, 4.09 GMACs, 25.56 M params (arithmetic, 1x3x224x224)'
    """
    convention = profile.convention
    flops, macs = profile.flops, profile.macs
    if training is not None:
        flops, macs = training.total.flops, training.total.macs
    counts = [] if convention.unit == "MACs" else [format_count(flops, convention.unit)]
    counts += [format_count(macs, "MACs"), format_count(profile.params, "params")]
    under = ", ".join(
        part for part in (convention.name, training.basis if training else "forward", profile.input) if part
    )
    return f"{profile.root.kind or profile.kind or 'model'}: {', '.join(counts)} ({under})"


def _total(value: int, unit: str) -> str:
    short = format_count(value, unit)
    return short if value < 1000 else f"{short} ({format_exact(value)})"


def _params(profile: Profile) -> str:
    params, trainable = profile.params, profile.trainable_params
    if not params:
        return "0"
    short = f"{format_count(params, '')} ({format_exact(params)})" if params >= 1000 else str(params)
    if trainable == params:
        return f"{short}, all trainable"
    return f"{short}, {format_count(trainable, '')} trainable" if trainable else f"{short}, none trainable"
