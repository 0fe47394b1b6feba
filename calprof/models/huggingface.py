"""transformers models by name: from the catalogue, the hub, a file or a model type's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calprof.models.blueprint import Blueprint, Sizes
from calprof.models.configs import build_config, untie_head
from calprof.models.heads import model_class
from calprof.models.known import find_known

if TYPE_CHECKING:
    import torch

    from calprof.inputs.arguments import Inputs

_LOCAL = (".", "/", "~")
_EXPERTS = "grouped_mm"
"""The experts' path whose shapes do not depend on the routing: all chosen rows, sorted by expert."""

_REMEDY = "change the fields of its configuration (--set KEY=VALUE, overrides=)"


def types() -> list[str]:
    """Returns the model types of transformers; none if it is not installed."""
    try:
        from transformers import CONFIG_MAPPING
    except ModuleNotFoundError:
        return []
    return list(CONFIG_MAPPING)


def blueprint(
    name: str,
    sizes: Sizes,
    options: Mapping[str, Any],
    head: str | None = None,
    token: str | None = None,
    trust_remote_code: bool = False,
    processor: Any = None,
) -> Blueprint:
    """Returns how to build a transformers model and what to feed it.

    Args:
        name: A name of the catalogue, a model type, a folder or file, or a hub repository.
        sizes: Sizes of the input.
        options: Fields of the configuration that are set to other values.
        head: The model's head; by default the one its configuration names.
        token: The hub's access token.
        trust_remote_code: Whether code from the repository may be run.
        processor: A tokenizer, image processor, feature extractor or processor that makes the inputs.

    Raises:
        ValueError: Nothing of that name, or no such field or head.
    """
    known = find_known(name)
    config = _config(name, _with_image_size(sizes, options), options, token, trust_remote_code)
    remote = trust_remote_code and type(config).__module__.startswith("transformers_modules")
    build = _remote_builder(config) if remote else model_class(config, head)

    def construct() -> torch.nn.Module:
        try:
            model: torch.nn.Module = build(config)
        except ImportError as error:
            raise ValueError(f"{name!r} needs a package that is not installed: {_first_line(error)}") from error
        if known is not None and known.separate_head:
            untie_head(model)
        _choose_experts(model)
        return model

    def inputs(model: torch.nn.Module) -> Inputs:
        if processor is not None:
            from calprof.inputs.processors import from_processor

            return from_processor(model, processor, sizes.batch or 1, sizes.seq, sizes.image_size, sizes.seconds)
        return configured_inputs(model, sizes)

    notes = (known.note,) if known is not None and known.note else ()
    return Blueprint(f"transformers {name}", construct, inputs, notes=notes, remedy=_REMEDY)


def configured_inputs(model: torch.nn.Module, sizes: Sizes) -> Inputs:
    """Returns the inputs a transformers model's configuration asks for, in the sizes that were chosen.

    A shape of two sizes is `(batch, tokens)` where the model reads tokens; any other is its main input's.
    """
    from calprof.inputs.configs import from_config
    from calprof.inputs.shapes import from_shape
    from calprof.inputs.traits import main_input

    batch, seq = sizes.batch or 1, sizes.seq
    if sizes.shape is not None:
        if main_input(model) != "input_ids" or len(sizes.shape) != 2:
            return from_shape(model, sizes.shape)
        batch, seq = sizes.shape
    return from_config(model, batch, seq, sizes.image_size, sizes.seconds, sizes.frames)


def _config(
    name: str, sized: Mapping[str, Any], options: Mapping[str, Any], token: str | None, trust_remote_code: bool
) -> Any:
    local = name.startswith(_LOCAL) or name.endswith(".json") or (Path(name) / "config.json").is_file()

    def make(**fields: Any) -> Any:
        if "/" in name and not local:
            from calprof.models.hub import hub_config

            return hub_config(name, fields, token, trust_remote_code)
        return build_config(name, **fields)

    if sized and "image_size" in make().to_dict():
        return make(**sized, **options)
    return make(**options)


def _with_image_size(sizes: Sizes, options: Mapping[str, Any]) -> dict[str, Any]:
    """The image size as a field of the configuration: a model with learned positions is built for one size."""
    edges = sizes.edges()
    if edges is None or "image_size" in options:
        return {}
    return {"image_size": edges[0] if edges[0] == edges[1] else list(edges)}


def _choose_experts(model: Any) -> None:
    """Switches a mixture of experts to its shape-static path where the class has several."""
    can = getattr(model, "_can_set_experts_implementation", None)
    if can is not None and can():
        model.set_experts_implementation(_EXPERTS)


def _remote_builder(config: Any) -> Any:
    import transformers

    for auto in config.auto_map:
        if auto.startswith("AutoModel"):
            return lambda given: getattr(transformers, auto).from_config(given, trust_remote_code=True)
    raise ValueError(f"the code of {type(config).__name__} names no model class")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
