"""torchvision's models by name, with random weights and the input they are usually quoted for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from calprof.models.blueprint import REMEDY, Blueprint, Sizes, called

if TYPE_CHECKING:
    import torch

    from calprof.inputs.arguments import Inputs

_IMAGE = (1, 3, 224, 224)
_SHAPES = {
    "inception_v3": (1, 3, 299, 299),
    "torchvision.models.video.resnet": (1, 3, 16, 112, 112),
    "torchvision.models.video.s3d": (1, 3, 16, 224, 224),
    "torchvision.models.video.mvit": (1, 3, 16, 224, 224),
    "torchvision.models.video.swin_transformer": (1, 3, 16, 224, 224),
    "torchvision.models.optical_flow.raft": (1, 3, 520, 960),
    "torchvision.models.detection.ssd": (1, 3, 300, 300),
    "torchvision.models.detection.ssdlite": (1, 3, 320, 320),
    "torchvision.models.detection": (1, 3, 800, 800),
}
"""Sizes by name, or else by the module the model is built in, or else by its package."""


def names() -> list[str]:
    """Returns the name of every torchvision model.

    Raises:
        ValueError: torchvision is not installed.
    """
    return list(_library().list_models())


def load_model(name: str, **options: Any) -> torch.nn.Module:
    """Returns the torchvision model of that name with random weights; nothing is downloaded.

    Args:
        name: The model's name in torchvision's registry.
        options: Other keyword arguments of its builder, as `num_classes`.

    Raises:
        ValueError: No model has this name (the three closest are named), its builder has no such option, or
            torchvision is not installed.

    Example:
        >>> type(load_model("resnet50")).__name__
        'ResNet'
    """
    builder = _builder(name)
    given: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        given["weights_backbone"] = None
    if name.removeprefix("quantized_") in ("googlenet", "inception_v3"):
        # Their own initialisation draws from a truncated normal distribution, which takes seconds.
        given["init_weights"] = False
    model: torch.nn.Module = called(builder, name, {**given, **options})
    return model


def blueprint(name: str, sizes: Sizes, options: Mapping[str, Any]) -> Blueprint:
    """Returns how to build a torchvision model and what to feed it.

    Args:
        name: The model's name in torchvision's registry.
        sizes: The batch, image size and frames, or the whole shape.
        options: Keyword arguments of the model's builder.

    Raises:
        ValueError: No model has this name, or torchvision is not installed.
    """
    builder = _builder(name)
    sizes.refuse(name, "images", "seq", "seconds")
    shape = _resized(name, default_shape(name), sizes)
    options = dict(options)
    if "vision_transformer" in builder.__module__ and shape[-1] != _IMAGE[-1]:
        # Its learned positions are made for one size of image.
        options.setdefault("image_size", shape[-1])

    def construct() -> torch.nn.Module:
        return load_model(name, **options)

    def made(model: torch.nn.Module) -> Inputs:
        from calprof.inputs.arguments import from_arguments
        from calprof.inputs.shapes import from_shape

        given = inputs(name, shape)
        return from_arguments(given["args"], None) if "args" in given else from_shape(model, shape)

    return Blueprint(f"torchvision {name}", construct, made, remedy=REMEDY)


def _resized(name: str, shape: tuple[int, ...], sizes: Sizes) -> tuple[int, ...]:
    if sizes.shape is not None:
        return sizes.shape
    sizes_of = list(shape)
    sizes_of[0] = sizes.batch or shape[0]
    sizes_of[-2:] = sizes.edges() or shape[-2:]
    if len(shape) == 5:
        sizes_of[2] = sizes.frames or shape[2]
    else:
        sizes.refuse(name, "single images", "frames")
    return tuple(sizes_of)


def default_shape(name: str) -> tuple[int, ...]:
    """Returns the sizes of the input a model is usually quoted for, batch 1.

    Images are 3x224x224 (Inception 299, SSD 300, SSDlite 320, other detectors 800), clips 16 frames.

    Raises:
        ValueError: No model has this name, or torchvision is not installed.

    Example:
        >>> default_shape("inception_v3")
        (1, 3, 299, 299)
    """
    home = _builder(name).__module__
    for place in (name.removeprefix("quantized_"), home, home.rpartition(".")[0]):
        if place in _SHAPES:
            return _SHAPES[place]
    return _IMAGE


def inputs(name: str, shape: tuple[int, ...] | None = None) -> dict[str, Any]:
    """Returns the arguments of `profile` that give a model its input.

    Optical flow takes two images, everything else one tensor of the given shape.

    Raises:
        ValueError: No model has this name, or torchvision is not installed.
    """
    shape = shape or default_shape(name)
    if "optical_flow" not in _builder(name).__module__:
        return {"input_shape": shape}
    import torch

    return {"args": (torch.zeros(shape), torch.zeros(shape))}


def _builder(name: str) -> Any:
    library = _library()
    known = library.list_models()
    if name not in known:
        close = get_close_matches(name, known, n=3, cutoff=0.0)
        raise ValueError(
            f"no model is called {name!r}; the closest of torchvision's {len(known)} names are {', '.join(close)}"
        )
    return library.get_model_builder(name)


def _library() -> Any:
    try:
        import torchvision.models
    except ImportError as error:
        raise ValueError(
            "models by name come from torchvision, which is not installed: pip install 'calprof[models]'"
        ) from error
    return torchvision.models
