"""What a model takes, read off the model: names of arguments, dtype, device, vocabulary, positions."""

from __future__ import annotations

import inspect
from itertools import chain
from typing import Any

import torch
from torch import nn

POSITION_NAMES = ("position", "wpe", "pos_emb")


def placement(model: nn.Module) -> tuple[torch.dtype, torch.device]:
    """Dtype and device of the first floating-point parameter; float32 on the CPU if there is none.

    Parameters of 8 bits or less hold quantised weights; their activations have another dtype, so those
    give the device only.
    """
    device = None
    for tensor in chain(model.parameters(), model.buffers()):
        device = tensor.device if device is None else device
        if tensor.is_floating_point() and tensor.dtype.itemsize >= 2:
            return tensor.dtype, tensor.device
    return torch.float32, device or torch.device("cpu")


def unwrapped(model: Any) -> Any:
    """The model inside `DataParallel`, `torch.compile` and PEFT wrappers."""
    while True:
        for name in ("_orig_mod", "module"):
            inner = getattr(model, name, None)
            if isinstance(inner, nn.Module):
                break
        else:
            base = getattr(model, "get_base_model", None)
            inner = base() if callable(base) else None
        if not isinstance(inner, nn.Module) or inner is model:
            return model
        model = inner


def class_name(model: Any) -> str:
    """Name of the class of a model, or of a class, wrappers looked through."""
    inner = unwrapped(model)
    return inner.__name__ if isinstance(inner, type) else type(inner).__name__


def forward_parameters(model: Any) -> dict[str, inspect.Parameter]:
    """The named parameters of the forward of a model or model class, those of a wrapped model included."""
    forward = model.forward
    parameters = dict(inspect.signature(forward).parameters)
    if isinstance(model, type):
        parameters.pop("self", None)
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    named = {name: one for name, one in parameters.items() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
    inner = unwrapped(model)
    if open_ended and inner is not model:
        named = {**forward_parameters(inner), **named}
    return named


def takes_anything(model: Any) -> bool:
    """Whether the forward names no argument at all and takes any by keyword."""
    kinds = [one.kind for one in inspect.signature(model.forward).parameters.values()]
    return not forward_parameters(model) and inspect.Parameter.VAR_KEYWORD in kinds


def is_hugging_face(model: Any) -> bool:
    """Whether the model, or the one it wraps, is a transformers model."""
    inner = unwrapped(model)
    return hasattr(inner, "main_input_name") and hasattr(inner, "config")


def main_input(model: Any) -> str | None:
    """Name of the argument a Hugging Face model is mainly fed with; `None` for other models."""
    if not is_hugging_face(model):
        return None
    inner = unwrapped(model)
    name = inner.main_input_name
    name = str(name[0] if isinstance(name, (list, tuple)) else name)
    names = forward_parameters(model)
    # Some heads inherit the name from a base class whose forward takes something else.
    return name if name in names else next(iter(names), name)


def first_layer(model: Any) -> nn.Module | None:
    """The module a built model starts with: its first, in registration order, that has parameters itself."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    return next((one for one in modules if next(one.parameters(recurse=False), None) is not None), None)


def first_embedding(model: nn.Module) -> nn.Module | None:
    """The embedding the model starts with, if it starts with one."""
    module = first_layer(model)
    return module if isinstance(module, (nn.Embedding, nn.EmbeddingBag)) else None


def is_table(module: nn.Module) -> bool:
    """Whether a module embeds by rows of its own: PyTorch's embedding, or one of that name with a weight."""
    named = "Embedding" in type(module).__name__ and isinstance(getattr(module, "weight", None), torch.Tensor)
    return named or isinstance(module, nn.Embedding)


def config_of(model: Any) -> Any:
    """The configuration of a Hugging Face model; `None` for other models."""
    return unwrapped(model).config if is_hugging_face(model) else None


def vocabulary(model: nn.Module) -> int | None:
    """How many token ids the model's input embedding has rows for; `None` if it has no such table."""
    inner = unwrapped(model)
    if is_hugging_face(inner):
        try:
            table = inner.get_input_embeddings()
        except (NotImplementedError, AttributeError):
            table = None
        rows = getattr(table, "num_embeddings", None)
        return rows if isinstance(rows, int) else config_vocabulary(inner.config)
    for module in inner.modules():
        if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
            return int(module.num_embeddings)
    return None


def config_vocabulary(config: Any) -> int | None:
    """How many token ids a configuration, or the text part of it, states."""
    for part in (text_config(config), config, getattr(config, "encoder", None)):
        size = getattr(part, "vocab_size", None)
        if isinstance(size, int):
            return size
    return None


def text_config(config: Any) -> Any:
    """The part of a Hugging Face configuration that describes its text model; the whole if it is one."""
    get = getattr(config, "get_text_config", None)
    if not callable(get):
        return config
    try:
        return get()
    except ValueError:  # several text models inside (an encoder and a decoder): the outer one speaks
        return config


def positions(model: nn.Module) -> int | None:
    """The longest sequence a model with a learned position table takes; `None` where any length runs."""
    if not is_hugging_face(model):
        return None
    inner = unwrapped(model)
    config = text_config(inner.config)
    longest = getattr(config, "max_target_positions", getattr(config, "max_position_embeddings", None))
    if not isinstance(longest, int):
        return None
    # Tables of some models hold up to two rows more, for an offset or for padding.
    learned = any(
        isinstance(module, nn.Embedding)
        and any(part in name for part in POSITION_NAMES)
        and longest <= module.num_embeddings <= longest + 2
        for name, module in inner.named_modules()
    )
    return longest if learned else None


def check_length(model: nn.Module, length: int) -> None:
    """Refuse a sequence that the model's learned positions cannot hold.

    On fake tensors an index past the table raises nothing, so the model itself would not notice.

    Raises:
        ValueError: `length` exceeds the table.
    """
    longest = positions(model)
    if longest is not None and length > longest:
        name = type(unwrapped(model)).__name__
        raise ValueError(
            f"The sequence length {length} exceeds the {longest} positions of {name}; "
            f"expected a length of at most {longest}."
        )


def codes_a_step(model: nn.Module) -> tuple[int, ...]:
    """How many codes each step of a decoder of sound takes, if it keeps the rows of all codebooks in one table."""
    config = config_of(model)
    books, rows = getattr(config, "num_channels", None), getattr(config, "vocab_size", None)
    if not isinstance(books, int) or not isinstance(rows, int):
        return ()
    tables = {one.num_embeddings for one in model.modules() if isinstance(one, nn.Embedding)}
    return (books,) if books > 1 and books * rows in tables else ()


def tables_of_codes(model: nn.Module) -> int:
    """How many rows of token ids make one sample: a decoder of sound has a table, and a row, for each codebook."""
    found = [module for name, module in model.named_modules() if name.rpartition(".")[2] == "embed_tokens"]
    lists = [module for module in found if isinstance(module, nn.ModuleList)]
    return len(lists[0]) if lists and len(lists) == len(found) else 1


def reads_vectors(model: Any) -> bool:
    """Whether a model has token tables only in lists, one for each step, so that it is given embedded tokens."""
    if not isinstance(model, nn.Module) or not is_hugging_face(model):
        return False
    tables = [name for name, module in model.named_modules() if isinstance(module, nn.Embedding)]
    lists = [name for name, module in model.named_children() if isinstance(module, nn.ModuleList)]
    inside = all(name.rpartition(".")[0] in lists for name in tables)
    return bool(tables) and inside and not hasattr(model, "embed_tokens")


def crosses(model: Any) -> bool:
    """Whether a built model has layers that attend to what an encoder hands on."""
    kinds = {type(module).__name__ for module in model.modules()} if isinstance(model, nn.Module) else set()
    return any("Cross" in kind or "Merged" in kind for kind in kinds)
