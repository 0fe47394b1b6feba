"""Images in the layout that the encoder inside a model runs with, where nothing else tells which."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from calprof.inputs.placeholders import method_of
from calprof.inputs.request import Request
from calprof.inputs.trials import accepted, needed


def arranged(request: Request, named: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inputs with `pixel_values` in the first layout that the model's own encoder of images accepts."""
    values = named.get("pixel_values")
    if values is None or not isinstance(request.model, nn.Module):
        return named
    encode = request.model.forward if "grid_thw" in named else method_of(request.model, "get_image_features")
    if encode is None:
        return named
    taken = inspect.signature(encode).parameters
    given = {name: value for name, value in named.items() if name in taken}
    if "pixel_values" not in given or any(name not in given for name in needed(encode)):
        return named
    layouts = _of_patches(values) if "grid_thw" in " ".join(named) else _of_images(values, request)
    tries = [given | {"pixel_values": one} for one in layouts]
    return named | {"pixel_values": accepted(request.model, encode, tries)["pixel_values"]}


def _of_patches(values: torch.Tensor) -> Iterator[torch.Tensor]:
    """As they are; small images as rows; small images of one sample."""
    yield values
    if values.dim() == 4:
        yield values.flatten(1)
        yield values.unsqueeze(0)


def _of_images(values: torch.Tensor, request: Request) -> Iterator[torch.Tensor]:
    """As they are; with an axis for the images of a sample, or without it; cut into rows of patches."""
    yield values
    if values.dim() == 5 and values.shape[1] == 1:
        yield values.squeeze(1)
    if values.dim() != 4:
        return
    yield values.unsqueeze(1)
    patch = request.vision("patch_size")
    if isinstance(patch, int) and min(values.shape[-2:]) >= patch:
        yield nn.functional.unfold(values, patch, stride=patch).transpose(1, 2).flatten(0, 1)


def first_accepted(request: Request, layouts: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The first layout that the model's encoder of images runs with; the first of all if it runs with none."""
    encode = _encoder(request)
    if encode is None or not isinstance(request.model, nn.Module):
        return layouts[0]
    if any(name not in layouts[0] for name in needed(encode)):
        return layouts[0]  # there is nobody to ask
    return accepted(request.model, encode, layouts)


def _encoder(request: Request) -> Any:
    """What turns images into vectors: a method of a model that also reads text, or the model itself."""
    if not isinstance(request.model, nn.Module):
        return None
    return method_of(request.model, "get_image_features") if "input_ids" in request.taken else request.model.forward
