"""What a run leaves behind for a closed form: the configuration and the sizes of the input, unread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Described:
    """A model with a configuration and its input, as they were when it ran; read when a closed form is asked for.

    Attributes:
        config: A copy of the configuration, whose attributes are the same objects.
        kind: Class name of the model.
        tied: Whether the output layer shares the embedding's table; None where the model does not say.
        sizes: Sizes of its inputs by name.
    """

    config: Any
    kind: str
    tied: bool | None
    sizes: Mapping[str, tuple[int, ...]]


def described(model: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Described | None:
    """Returns what a closed form needs of a model with a Hugging Face configuration; None for any other model.

    Nothing is read but attributes of the configuration and sizes of the arguments.

    Args:
        model: The model that ran, outside any wrapper.
        args: Positional arguments of its forward.
        kwargs: Its keyword arguments.
    """
    config = getattr(model, "config", None)
    if not hasattr(config, "model_type"):
        return None
    return Described(_snapshot(config), type(model).__name__, _tied(model), _sizes(args, kwargs or {}))


def _snapshot(config: Any) -> Any:
    """A copy that later settings of the original's attributes do not reach, made without asking its class."""
    if not hasattr(config, "__dict__"):
        return config
    copied = object.__new__(type(config))
    copied.__dict__.update(config.__dict__)
    return copied


def _tied(model: Any) -> bool | None:
    """Whether the output layer shares the embedding's table; None where the model does not say."""
    found = []
    for getter in ("get_input_embeddings", "get_output_embeddings"):
        try:
            found.append(getattr(getattr(model, getter)(), "weight", None))
        except (AttributeError, NotImplementedError):
            return None
    table, output = found
    return None if table is None or output is None else table is output


def _sizes(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Sizes of the tensors by the names they have; the embeddings' last size, which is no length, left out."""
    found = dict(_named_sizes(kwargs))
    if args and "input_ids" not in found:
        for size in _shape_of(args[0]):
            found["pixel_values" if len(size) == 4 else "inputs_embeds" if len(size) == 3 else "input_ids"] = size
    return {name: size[:-1] if name.endswith("inputs_embeds") else size for name, size in found.items() if size}


def _named_sizes(kwargs: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, value in kwargs.items():
        for size in _shape_of(value):
            yield name, size


def _shape_of(value: Any) -> list[tuple[int, ...]]:
    shape = getattr(value, "shape", None)
    return [tuple(int(size) for size in shape)] if isinstance(shape, tuple) else []
