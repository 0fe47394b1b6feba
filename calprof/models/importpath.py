"""The user's own model, by the dotted path of the class or function that builds it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calprof.models.blueprint import Blueprint, Sizes, called

if TYPE_CHECKING:
    import torch

    from calprof.inputs.arguments import Inputs


def blueprint(path: str, sizes: Sizes, options: Mapping[str, Any]) -> Blueprint:
    """Returns how to build the model behind `package.module:name`.

    The name is a class, a function that returns a model, or a model; the module is looked for in the current
    folder too. Importing runs the module, as any import does.

    Args:
        path: The module's dotted path, a colon, and the name in it; further dots go into attributes.
        sizes: The input: the whole shape, or for a Hugging Face model its own sizes.
        options: Keyword arguments of the class or function.

    Raises:
        ValueError: No such module or name, or what it names makes no `torch.nn.Module`.
    """
    import torch

    found = _named(path)
    existing = isinstance(found, torch.nn.Module)
    if existing and options:
        raise ValueError(f"{path} is a model that is built already: it takes no options")
    if not existing and not callable(found):
        raise ValueError(f"{path} is {type(found).__name__}; expected a model, or a function or class that makes one")

    def construct() -> torch.nn.Module:
        model = found if existing else called(found, path, options)
        if not isinstance(model, torch.nn.Module):
            raise ValueError(f"{path} returned {type(model).__name__}, not a torch.nn.Module")
        return model

    def inputs(model: torch.nn.Module) -> Inputs:
        from calprof.inputs.traits import is_hugging_face

        if sizes.shape is not None:
            from calprof.inputs.shapes import from_shape

            return from_shape(model, sizes.shape)
        if is_hugging_face(model):
            from calprof.models.huggingface import configured_inputs

            return configured_inputs(model, sizes)
        raise ValueError(f"nothing is known of the input of {path}: give its shape, as --shape 1,3,224,224")

    return Blueprint(path, construct, inputs, existing)


def _named(path: str) -> Any:
    module_name, _, name = path.partition(":")
    if not module_name or module_name.startswith(".") or not name:
        raise ValueError(
            f"{path!r} is no path of a model: give its module, a colon and its name, as package.module:Net"
        )
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if not module_name.startswith(error.name or "?"):
            raise
        raise ValueError(f"there is no module {module_name!r}: looked in {here} and the installed packages") from error
    finally:
        sys.path.remove(here)
    for part in name.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), n=3, cutoff=0.4)
            raise ValueError(f"{module_name!r} has no {name!r}; the closest names are {', '.join(near) or 'none'}")
        found = getattr(found, part)
    return found
