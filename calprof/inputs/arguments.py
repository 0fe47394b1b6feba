"""What a forward is called with: the inputs as data, and the way they reach the model's device."""

from __future__ import annotations

import copy
import dataclasses
from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence


@dataclass(frozen=True)
class Inputs:
    """The arguments of one forward, and one line that says what they are.

    >>> Inputs((torch.zeros(1, 3, 32, 32),), {}, "float32 1x3x32x32").description
    'float32 1x3x32x32'
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    description: str = "nothing"


def from_arguments(args: Any, kwargs: Mapping[str, Any] | None, device: torch.device | str | None = None) -> Inputs:
    """The caller's own arguments, with their tensors on `device`; `None` leaves them where they are.

    Args:
        args: a tuple or list of positional arguments; a lone tensor stands for a tuple of one.
        kwargs: keyword arguments, or `None`.
        device: where the model's parameters are.

    Raises:
        TypeError: `args` is neither a tensor, a tuple nor a list, or `kwargs` is not a mapping of names.
    """
    if isinstance(args, torch.Tensor):
        args = (args,)
    if not isinstance(args, (tuple, list)):
        raise TypeError(f"args is {type(args).__name__}; expected a tuple or list of positional arguments.")
    kwargs = {} if kwargs is None else kwargs
    if not isinstance(kwargs, (Mapping, UserDict)):
        raise TypeError(f"kwargs is {type(kwargs).__name__}; expected a dict of keyword arguments.")
    unnamed = [key for key in kwargs if not isinstance(key, str)]
    if unnamed:
        raise TypeError(f"kwargs has the key {unnamed[0]!r}; expected the names of the forward's parameters.")
    moved_args = tuple(move(value, device) for value in args)
    moved_kwargs = {name: move(value, device) for name, value in kwargs.items()}
    return Inputs(moved_args, moved_kwargs, describe(moved_args, moved_kwargs))


def move(value: Any, device: torch.device | str | None) -> Any:
    """`value` with every tensor in it on `device`; what holds no tensor is the same object as before.

    Goes into lists, tuples, named tuples, dicts and their kin (`BatchEncoding`, `ModelOutput`),
    dataclasses and packed sequences. A container is copied when something in it moved, and never changed.
    A Hugging Face cache is always copied, because a forward appends to the one it is given.
    """
    if isinstance(value, torch.Tensor):
        return value if device is None else value.to(device)
    if isinstance(value, PackedSequence):
        packed: Any = value
        return packed if device is None else packed.to(device)
    if _is_cache(value):
        return copy.deepcopy(value)
    if isinstance(value, (list, tuple)):
        return _move_sequence(value, device)
    if isinstance(value, (dict, UserDict)):
        return _move_mapping(value, device)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _move_dataclass(value, device)
    return value


def _move_sequence(value: Any, device: torch.device | str | None) -> Any:
    items = [move(item, device) for item in value]
    if all(new is old for new, old in zip(items, value, strict=True)):
        return value
    if hasattr(value, "_make"):
        return value._make(items)
    if isinstance(value, list):
        changed = copy.copy(value)
        changed[:] = items
        return changed
    return tuple(items) if type(value) is tuple else type(value)(items)


def _move_mapping(value: Any, device: torch.device | str | None) -> Any:
    changes = {key: new for key, old in value.items() if (new := move(old, device)) is not old}
    if not changes:
        return value
    changed = copy.copy(value)
    for key, new in changes.items():
        changed[key] = new
    return changed


def _move_dataclass(value: Any, device: torch.device | str | None) -> Any:
    held = {entry.name: getattr(value, entry.name) for entry in dataclasses.fields(value)}
    changes = {name: new for name, old in held.items() if (new := move(old, device)) is not old}
    if not changes:
        return value
    changed = copy.copy(value)
    for name, new in changes.items():
        # `dataclasses.replace` would run `__post_init__` again and refuses fields that are not in `__init__`.
        object.__setattr__(changed, name, new)
    return changed


def _is_cache(value: Any) -> bool:
    return any(base.__name__ == "Cache" and base.__module__.startswith("transformers.") for base in type(value).__mro__)


def describe(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """One line for the arguments: dtype and shape of each tensor, names of the keyword ones.

    >>> describe((torch.zeros(1, 3),), {"mask": torch.zeros(1, dtype=torch.bool), "scale": 2})
    'float32 1x3, mask bool 1, scale int'
    """
    parts = [phrase(value) for value in args]
    parts += [f"{name} {phrase(value)}" for name, value in kwargs.items() if value is not None]
    return ", ".join(parts) or "nothing"


def phrase(value: Any) -> str:
    """Dtype and shape of a tensor; what and how many for a container; the class of anything else."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {'x'.join(map(str, value.shape)) or 'scalar'}"
    if isinstance(value, PackedSequence):
        return f"packed {phrase(value.data)}"
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], torch.Tensor):
        return f"{len(value)} of {phrase(value[0])}"
    return type(value).__name__
