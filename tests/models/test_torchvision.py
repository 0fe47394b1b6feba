"""torchvision's models by name: every name has an input, nothing is downloaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from calprof.models.torchvision import default_shape, inputs, load_model, names


def test_every_name_has_a_shape_of_its_kind() -> None:
    shapes = {name: default_shape(name) for name in names()}
    assert len(shapes) > 100
    assert shapes["resnet50"] == shapes["vit_b_16"] == shapes["fcn_resnet50"] == (1, 3, 224, 224)
    assert shapes["inception_v3"] == shapes["quantized_inception_v3"] == (1, 3, 299, 299)
    assert shapes["r3d_18"] == shapes["mc3_18"] == (1, 3, 16, 112, 112)
    assert shapes["swin3d_t"] == shapes["mvit_v2_s"] == shapes["s3d"] == (1, 3, 16, 224, 224)
    assert shapes["fasterrcnn_resnet50_fpn"] == (1, 3, 800, 800)
    assert shapes["ssd300_vgg16"] == (1, 3, 300, 300)
    assert shapes["ssdlite320_mobilenet_v3_large"] == (1, 3, 320, 320)
    assert {len(shape) for shape in shapes.values()} == {4, 5}


@pytest.mark.parametrize(
    ("name", "kind", "parameters"),
    [
        # The parameter counts that torchvision's documentation states.
        ("mobilenet_v3_small", "MobileNetV3", 2_542_856),
        ("googlenet", "GoogLeNet", None),
        ("lraspp_mobilenet_v3_large", "LRASPP", 3_221_538),
        ("ssdlite320_mobilenet_v3_large", "SSD", 3_440_060),
        ("raft_small", "RAFT", 990_162),
        ("quantized_shufflenet_v2_x0_5", "QuantizableShuffleNetV2", 1_366_792),
    ],
)
def test_models_are_built_without_downloads(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: str, parameters: int | None
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    model = load_model(name)
    assert type(model).__name__ == kind
    if parameters is not None:
        assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_optical_flow_takes_two_images() -> None:
    given = inputs("raft_small", (1, 3, 128, 136))
    assert [tuple(image.shape) for image in given["args"]] == [(1, 3, 128, 136)] * 2
    assert inputs("resnet18") == {"input_shape": (1, 3, 224, 224)}
    assert inputs("resnet18", (2, 3, 64, 64)) == {"input_shape": (2, 3, 64, 64)}


@pytest.mark.parametrize("function", [load_model, default_shape, inputs])
def test_an_unknown_name_gets_the_three_closest(function: Any) -> None:
    with pytest.raises(ValueError, match=r"'efficientnet_b9'.*torchvision.*(efficientnet_b\d(, )?){3}$"):
        function("efficientnet_b9")
