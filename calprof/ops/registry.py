"""Which ops are priced, which are free, which cannot be counted: the catalogue's mechanism.

A formula is a pure function of shapes. It is called with the arguments of the intercepted call, every
tensor replaced by its `Shape` and lists of tensors by lists of shapes, plus the keyword `out`: the shape
of the result (a tuple of them where the op returns several). It returns `Work`, or a `Cost` when its
gradient needs products of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from calprof.ops.names import Identity, identify
from calprof.work import Cost, Work

Formula = Callable[..., "Work | Cost"]
State = Literal["priced", "free", "uncountable", "unknown"]
F = TypeVar("F", bound=Formula)


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One entry of the catalogue. Compared by identity: an op is its entry.

    Attributes:
        name: The normalised name, with its namespace where that matters.
        state: `priced`, `free` (moves, creates or inspects data), `uncountable` (its cost depends on
            values, see `reason`) or `unknown` (not in the catalogue).
        family: The group of like ops it belongs to.
        formula: What computes the work, for a priced op.
        reason: Why it is free or cannot be counted; for a priced op the sentence of its formula.
        kinds: The kinds of work a table entry emits; empty where the formula decides.
        reflected: Whether the operands arrive swapped.
        setting: Reads a setting of PyTorch's that the formula depends on beside the shapes.
        values: Names of tensor arguments whose values the formula needs, of an opaque callable.
        entered: Whether the recorder looks into each call, and so is asked about every one.
    """

    name: str
    state: State
    family: str = ""
    formula: Formula | None = None
    reason: str = ""
    kinds: tuple[str, ...] = ()
    reflected: bool = False
    setting: Callable[[], object] | None = None
    values: tuple[str, ...] = ()
    entered: bool = False


class DuplicateFormula(ValueError):
    """A second entry for one target."""


class Uncountable(Exception):
    """Raised by a formula for a call whose cost the shapes do not tell; the message is the reason reported."""


_BY_NAME: dict[str, Op] = {}
_BY_OBJECT: dict[Any, Op] = {}
_OPAQUE: dict[Any, Op] = {}
_KERNELS: dict[str, Op] = {}
_RESOLVED: dict[Any, Op | None] = {}
"""Callable to what the recorder does with it: an op to record, or `None` to let it pass."""


def _first_sentence(function: Formula) -> str:
    return " ".join((function.__doc__ or "").split("\n\n")[0].split())


def add(key: str, op: Op) -> None:
    """Registers an entry of the catalogue under a normalised name.

    Raises:
        DuplicateFormula: A name that already has an entry.
    """
    if key in _BY_NAME:
        raise DuplicateFormula(f"{key!r} already has an entry: {_BY_NAME[key].state}")
    _BY_NAME[key] = op
    _RESOLVED.clear()


def define(family: str, *names: str, setting: Callable[[], object] | None = None) -> Callable[[F], F]:
    """Registers a shipped formula under normalised names, such as `matmul` or `functional.embedding`.

    Args:
        family: The group of like ops it belongs to.
        *names: The names it answers to.
        setting: See `Op.setting`.

    Raises:
        DuplicateFormula: A name that already has an entry.
    """

    def register(function: F) -> F:
        for name in names:
            add(name, Op(name, "priced", family, function, _first_sentence(function), setting=setting))
        return function

    return register


def _words(names: tuple[str, ...]) -> list[str]:
    return " ".join(names).split()


def free(reason: str, *names: str, entered: bool = False) -> None:
    """Registers ops that move, create or inspect data; a string may hold a list of names."""
    for name in _words(names):
        add(name, Op(name, "free", "movement", reason=reason, entered=entered))


def uncountable(reason: str, *names: str, family: str = "data-dependent") -> None:
    """Registers ops whose cost the shapes do not tell, with the reason a report gives."""
    for name in _words(names):
        add(name, Op(name, "uncountable", family, reason=reason))


def kernel(family: str, *paths: str, values: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Registers a shipped formula for opaque callables of other packages, by dotted path.

    The formula has the callable's own parameters. Nothing is imported: a callable is patched while a profile
    records, if its module is loaded by then.

    Args:
        family: The group of like ops it belongs to.
        *paths: Dotted paths, such as `package.module.function` or `package.module.Class.apply`.
        values: Parameters that arrive as a list of their numbers instead of a shape, such as sequence lengths.

    Raises:
        DuplicateFormula: A path that already has an entry.
    """

    def register(function: F) -> F:
        for path in paths:
            if path in _KERNELS:
                raise DuplicateFormula(f"{path!r} already has an entry")
            sentence = _first_sentence(function)
            _KERNELS[path] = Op(_target_name(path), "priced", family, function, sentence, values=values)
        return function

    return register


def formula(*targets: Callable[..., Any] | str) -> Callable[[F], F]:
    """Registers your own formula for a torch function, a `torch.ops` op or an opaque Python callable.

    The formula receives the call's arguments with tensors as `Shape`s, and `out`, the shape of the result.
    A target given as a dotted path (`"package.module.function"`) that is not a torch function is patched
    while a profile records, and restored afterwards.

    Args:
        *targets: Torch functions, `torch.ops` ops, or dotted paths.

    Raises:
        DuplicateFormula: A target for which you registered a formula already.
        TypeError: A target that is neither callable nor a dotted path.

    Example:
        >>> @formula(torch.ops.mylib.fused_mlp)
        ... def fused_mlp(x, up, down, *, out):
        ...     return Work(mac=x.numel() * up[0] + out.numel() * down[1])
    """

    def register(function: F) -> F:
        for given in targets:
            target = _overridable(given)
            op = Op(_target_name(target), "priced", "user", function, _first_sentence(function))
            registry = _registry_of(target)
            if target in registry:
                raise DuplicateFormula(f"{op.name!r} already has a formula of yours")
            registry[target] = op
        _RESOLVED.clear()
        return function

    for target in targets:
        if not callable(target) and not (isinstance(target, str) and "." in target):
            raise TypeError(f"formula() takes callables or dotted paths, not {target!r}")
    return register


def unregister(*targets: Callable[..., Any] | str) -> None:
    """Takes back formulas registered with `formula`.

    Raises:
        KeyError: A target without a formula of yours.
    """
    for target in map(_overridable, targets):
        del _registry_of(target)[target]
    _RESOLVED.clear()


def _registry_of(target: Callable[..., Any] | str) -> dict[Any, Op]:
    return _OPAQUE if isinstance(target, str) else _BY_OBJECT


def _overridable(target: Callable[..., Any] | str) -> Callable[..., Any] | str:
    """Returns the torch function or op that a dotted path names, any other target as it is."""
    if not isinstance(target, str) or not target.startswith("torch."):
        return target
    import torch

    found: Any = torch
    for name in target.split(".")[1:]:
        found = getattr(found, name, None)
    packets = (torch._ops.OpOverload, torch._ops.OpOverloadPacket, torch._ops.HigherOrderOperator)
    if isinstance(found, packets) or found in torch.overrides.get_testing_overrides():
        return found  # type: ignore[no-any-return]
    return target


def _target_name(target: Callable[..., Any] | str) -> str:
    if isinstance(target, str):
        owner, _, name = target.rpartition(".")
        # A class's `apply` or `forward` is known by the class.
        return owner.rpartition(".")[2] if owner.rpartition(".")[2][:1].isupper() else name
    identity = identify(target)
    return identity.name if identity.namespace in ("torch", "tensor", "functional", "aten") else identity.qualified


def opaque_formulas() -> Mapping[str, Op]:
    """Returns the formulas of opaque callables by dotted path: the shipped ones and yours, which take precedence."""
    return {**_KERNELS, **_OPAQUE}


def shipped_kernels() -> Mapping[str, Op]:
    """Returns the shipped formulas of other packages' callables by dotted path."""
    return _KERNELS


def your_kernels() -> Mapping[str, Op]:
    """Returns your formulas of opaque callables by dotted path."""
    return _OPAQUE


def catalogue() -> Mapping[str, Op]:
    """Returns the shipped entries by key."""
    return _BY_NAME


def find(identity: Identity) -> Op:
    """Returns the entry of an op, or one whose state is `unknown`."""
    if identity.attribute:
        return Op(identity.name, "free", "movement", reason="reads or sets an attribute")
    for key in identity.keys:
        op = _BY_NAME.get(key)
        if op is not None:
            if identity.reflected and op.formula is not None:
                return replace(op, reflected=True)
            return op
    return Op(identity.qualified, "unknown", reason="calprof has no formula for it")


def classify(func: Callable[..., Any]) -> Op:
    """Returns the entry of a callable: yours by identity first, then the shipped ones by name."""
    own = _BY_OBJECT.get(func) or _BY_OBJECT.get(getattr(func, "_overloadpacket", None))
    return own or find(identify(func))


def resolve(func: Callable[..., Any]) -> Op | None:
    """Returns the op to record for `func`, or `None` when the call is free; remembered per callable."""
    op = classify(func)
    action = None if op.state == "free" else op
    if not op.entered:
        _RESOLVED[func] = action
    return action


def resolutions() -> dict[Any, Op | None]:
    """Returns the live table of resolved callables, for the recorder's one lookup per call."""
    return _RESOLVED
