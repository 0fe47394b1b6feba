"""timm's architectures by name, with random weights and the input of their pretrained configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calprof.models.blueprint import REMEDY, Blueprint, Sizes, called

if TYPE_CHECKING:
    import torch

    from calprof.inputs.arguments import Inputs


def names() -> list[str]:
    """Returns the name of every timm architecture.

    Raises:
        ValueError: timm is not installed.
    """
    return list(_library().list_models())


def has(name: str) -> bool:
    """Returns whether timm is installed and has an architecture of this name, with or without a tag."""
    try:
        return bool(_library().is_model(name))
    except ValueError:
        return False


def blueprint(name: str, sizes: Sizes, options: Mapping[str, Any]) -> Blueprint:
    """Returns how to build a timm model and what to feed it.

    Args:
        name: An architecture, with or without the tag of its weights, as `vit_base_patch16_224.augreg_in21k`.
        sizes: The batch and the image size, or the whole shape.
        options: Keyword arguments of `timm.create_model`.

    Raises:
        ValueError: timm is not installed, or has no such architecture.
    """
    timm = _library()
    if not timm.is_model(name):
        from calprof.models.resolve import unknown

        raise unknown(name, {"timm": names()})
    sizes.refuse(name, "images", "seq", "seconds", "frames")
    edges = sizes.edges() or (sizes.shape[-2:] if sizes.shape and len(sizes.shape) == 4 else None)

    sized = {} if edges is None or "img_size" in options else {"img_size": edges}

    def create(**given: Any) -> torch.nn.Module:
        model: torch.nn.Module
        try:
            model = timm.create_model(name, pretrained=False, **sized, **given)
        except TypeError as error:
            # Models with learned positions are built for one size; the others take any and refuse the option.
            if not sized or "'img_size'" not in str(error):
                raise
            model = timm.create_model(name, pretrained=False, **given)
        return model

    def construct() -> torch.nn.Module:
        model: torch.nn.Module = called(create, name, options)
        return model

    def inputs(model: torch.nn.Module) -> Inputs:
        from calprof.inputs.shapes import from_shape

        if sizes.shape is not None:
            return from_shape(model, sizes.shape)
        configured = getattr(model, "pretrained_cfg", None) or {}
        channels, *own = configured.get("input_size", (3, 224, 224))
        channels = options.get("in_chans", channels)
        return from_shape(model, (sizes.batch or 1, channels, *(edges or own)))

    return Blueprint(f"timm {name}", construct, inputs, remedy=REMEDY)


def _library() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ValueError("timm's models need timm, which is not installed: pip install 'calprof[models]'") from error
    return timm
