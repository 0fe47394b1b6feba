"""Python callables that never reach PyTorch's function protocol, such as a kernel package's entry point.

Each is exchanged for a wrapper while recording, wherever a loaded module has it under some name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from types import ModuleType
from typing import Any

import torch

from calprof.ops.registry import Op, shipped_kernels, your_kernels
from calprof.recording.interception import Interception
from calprof.recording.patching import patched
from calprof.recording.regions import hidden_batch, listening, muted


@contextmanager
def opaque(mode: Interception, model: torch.nn.Module | None, notes: dict[str, None]) -> Iterator[None]:
    """Notes the calls of every opaque callable that has a formula.

    Args:
        mode: Where calls are noted.
        model: A model whose modules may hold such a callable.
        notes: Is told of packages that were loaded too late to be seen.

    Raises:
        ValueError: A dotted path of yours whose package is installed but has no such callable.
    """
    wrappers: dict[int, Callable[..., Any]] = {}
    absent: set[str] = set()
    with ExitStack() as stack:
        for path, op in _in_use(absent):
            place = _find(path, op)
            if place is None:
                if path.partition(".")[0] not in sys.modules:
                    absent.add(path.partition(".")[0])
                continue
            owner, name = place
            original = getattr(owner, name)
            if id(original) in wrappers:
                continue
            wrapper = _noted(mode, op, original)
            if isinstance(owner, type):
                stack.enter_context(patched(owner, name, staticmethod(wrapper)))
            else:
                wrappers[id(original)] = wrapper
        if wrappers:
            for owner, name, wrapper in list(_bindings(wrappers, model)):
                stack.enter_context(patched(owner, name, wrapper))
        try:
            yield
        finally:
            for package in sorted(absent & sys.modules.keys()):
                notes[f"{package} was loaded during the run, so its kernels are not counted; profile once more"] = None


def _in_use(absent: set[str]) -> list[tuple[str, Op]]:
    """Returns your formulas, and the shipped ones of packages that are loaded; the others' names go to `absent`."""
    mine = your_kernels()
    found = list(mine.items())
    for package, kernels in _by_package(len(shipped_kernels())).items():
        if package in sys.modules:
            found += [(path, op) for path, op in kernels if path not in mine]
        else:
            absent.add(package)
    return found


@cache
def _by_package(number: int) -> Mapping[str, Sequence[tuple[str, Op]]]:
    """The shipped formulas by package, kept because every run asks; `number` is how many there are."""
    packages: dict[str, list[tuple[str, Op]]] = {}
    for path, op in shipped_kernels().items():
        packages.setdefault(path.partition(".")[0], []).append((path, op))
    return packages


def _find(path: str, op: Op) -> tuple[Any, str] | None:
    """Returns what holds the callable and its name there, or `None` where its package is not in use."""
    parts = path.split(".")
    yours = path in your_kernels()
    if yours:
        _load(parts)
    depth = max((d for d in range(1, len(parts)) if ".".join(parts[:d]) in sys.modules), default=0)
    if not depth:
        return None
    owner: Any = sys.modules[".".join(parts[:depth])]
    for name in parts[depth:-1]:
        owner = getattr(owner, name, None)
    if callable(getattr(owner, parts[-1], None)):
        return owner, parts[-1]
    if yours:
        raise ValueError(f"the formula for {path!r} names no callable: {parts[0]!r} is installed but has none there")
    return None  # another version of the package


def _load(parts: list[str]) -> None:
    """Imports the module of a path, as far as the path names modules that are installed."""
    for depth in range(1, len(parts)):
        name = ".".join(parts[:depth])
        if name in sys.modules:
            continue
        parent = sys.modules.get(".".join(parts[: depth - 1]))
        inside = parent is None or (hasattr(parent, "__path__") and not hasattr(parent, parts[depth - 1]))
        if not inside or find_spec(name) is None:
            return
        try:
            import_module(name)
        except ImportError:
            return  # a package that does not load here cannot be called either


def _noted(mode: Interception, op: Op, original: Callable[..., Any]) -> Callable[..., Any]:
    names = tuple(signature(op.formula).parameters) if op.values and op.formula else ()

    @wraps(original, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        if not listening(mode):
            return original(*args, **kwargs)
        with muted(mode):
            out = original(*args, **kwargs)
            seen, named = _read(op, names, args, kwargs) if names else (args, kwargs)
            mode.note(op, seen, named, out, hidden_batch(mode, (args, kwargs, out)))
        return out

    return call


def _read(
    op: Op, names: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Exchanges the tensors whose values matter for lists of numbers; fake ones have none and stay."""
    return (
        [_numbers(arg) if name in op.values else arg for name, arg in zip(names, args, strict=False)]
        + list(args[len(names) :]),
        {name: _numbers(arg) if name in op.values else arg for name, arg in kwargs.items()},
    )


def _numbers(value: Any) -> Any:
    return value.tolist() if type(value) is torch.Tensor and value.device.type != "meta" else value


def _bindings(
    wrappers: Mapping[int, Callable[..., Any]], model: torch.nn.Module | None
) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Yields every name under which a loaded module, or a module of the model, holds a callable to be patched."""
    holders: list[Any] = [each for each in list(sys.modules.values()) if isinstance(each, ModuleType)]
    if model is not None:
        holders += model.modules()
    for holder in holders:
        for name, value in list(vars(holder).items()):
            wrapper = wrappers.get(id(value))
            if wrapper is not None:
                yield holder, name, wrapper
