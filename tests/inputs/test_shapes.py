from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from inputs import tiny
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from calprof.inputs.shapes import from_shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_dtype_and_device_of_the_first_floating_parameter(dtype: torch.dtype) -> None:
    made = from_shape(nn.Linear(3, 5, dtype=dtype, device="meta"), (2, 3)).args[0]
    assert (made.dtype, made.device.type, made.shape) == (dtype, "meta", (2, 3))


def test_a_model_without_parameters_gets_float32_on_the_cpu() -> None:
    made = from_shape(nn.ReLU(), (2, 3))
    assert (made.args[0].dtype, made.args[0].device.type) == (torch.float32, "cpu")
    assert made.description == "float32 2x3"


def test_the_default_dtype_is_not_asked() -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert from_shape(nn.ReLU(), (2, 3)).args[0].dtype == torch.float32
    finally:
        torch.set_default_dtype(before)


def test_int8_weights_do_not_set_the_dtype() -> None:
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros(3, 5, dtype=torch.int8), requires_grad=False)
    assert from_shape(model, (2, 3)).args[0].dtype == torch.float32
    model.scale = nn.Parameter(torch.zeros(3, dtype=torch.float16))
    assert from_shape(model, (2, 3)).args[0].dtype == torch.float16


@pytest.mark.filterwarnings("ignore")
def test_a_dynamically_quantised_model_runs() -> None:
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 5)), {nn.Linear})
    assert model(*from_shape(model, (2, 3)).args).shape == (2, 5)


def test_an_embedding_first_means_token_ids() -> None:
    model = nn.Sequential(nn.Identity(), nn.Embedding(7, 5), nn.Linear(5, 3))
    made = from_shape(model, (11, 13)).args[0]
    assert made.dtype == torch.int64
    assert made.min() >= 0 and made.max() == 6
    assert model(made).shape == (11, 13, 3)


def test_an_embedding_bag_first_means_token_ids() -> None:
    model = nn.Sequential(nn.EmbeddingBag(7, 5), nn.Linear(5, 3))
    assert model(*from_shape(model, (2, 11)).args).shape == (2, 3)


def test_an_embedding_later_does_not() -> None:
    model = nn.ModuleList([nn.Linear(3, 5), nn.Embedding(7, 5)])
    assert from_shape(model, (2, 3)).args[0].is_floating_point()


@pytest.mark.parametrize("build", [tiny.bert, tiny.gpt2, tiny.llama, tiny.t5, tiny.bart])
def test_hugging_face_text_models_run(build: Any) -> None:
    model = build()
    made = from_shape(model, (2, 11))
    assert made.kwargs["input_ids"].shape == (2, 11)
    assert tiny.run(model, made).logits.shape[0] == 2


def test_encoder_decoder_ids_start_with_the_start_token() -> None:
    made = from_shape(tiny.t5(), (2, 11))
    assert made.kwargs["decoder_input_ids"].shape == (2, 11)
    assert made.kwargs["decoder_input_ids"][:, 0].tolist() == [0, 0]
    assert made.description == "2x11 tokens (input_ids, decoder_input_ids)"


def test_vision_and_sound_models_get_their_main_input_by_name() -> None:
    assert tiny.run(tiny.vit(), (vit := from_shape(tiny.vit(), (2, 3, 20, 20)))).logits.shape[0] == 2
    assert list(vit.kwargs) == ["pixel_values"]
    whisper = from_shape(tiny.whisper(), (2, 7, 22))
    assert whisper.kwargs["decoder_input_ids"].shape == (2, 1)
    assert tiny.run(tiny.whisper(), whisper).logits.shape == (2, 1, 301)


def test_more_tokens_than_learned_positions() -> None:
    assert from_shape(tiny.gpt2(positions=17), (1, 17))
    with pytest.raises(ValueError, match=r"18 exceeds the 17 positions of GPT2LMHeadModel"):
        from_shape(tiny.gpt2(positions=17), (1, 18))
    assert from_shape(tiny.llama(), (1, 37)), "rotary positions have no end"


def test_inside_a_fake_mode_the_inputs_are_fake() -> None:
    with FakeTensorMode():
        model = tiny.gpt2()
        made = from_shape(model, (2, 11))
        assert isinstance(made.kwargs["input_ids"], FakeTensor)
        assert tiny.run(model, made).logits.shape == (2, 11, 257)


def test_the_same_values_every_time_and_the_global_generator_untouched() -> None:
    model = nn.Linear(3, 5)
    before = torch.get_rng_state()
    first, second = (from_shape(model, (2, 3)).args[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_sizes_of_any_integer_type() -> None:
    assert from_shape(nn.Linear(3, 5), [np.int64(2), 3]).args[0].shape == (2, 3)
    assert from_shape(nn.Linear(3, 5), torch.Size([2, 3])).args[0].shape == (2, 3)


@pytest.mark.parametrize(
    ("shape", "error", "named"),
    [
        ((1, True), TypeError, r"\(1, True\).*bool"),
        ((1.0, 2), TypeError, r"\(1\.0, 2\).*float"),
        ("1,3", TypeError, "'1,3'"),
        (5, TypeError, "is 5"),
        (None, TypeError, "None"),
        ((1, "3"), TypeError, "str"),
        ((), ValueError, "empty"),
        ((1, 0), ValueError, r"\(1, 0\)"),
        ((1, -3), ValueError, r"\(1, -3\)"),
    ],
)
def test_bad_shapes_are_named(shape: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        from_shape(nn.Linear(3, 5), shape)


@pytest.mark.parametrize("shape", [(2, 11), (2, 3, 20, 20)])
def test_a_model_of_images_and_text_gets_both(shape: tuple[int, ...]) -> None:
    made = from_shape(tiny.clip(), shape)
    assert made.kwargs["pixel_values"].shape == (2, 3, 20, 20)
    assert made.kwargs["input_ids"].shape == (2, 11 if len(shape) == 2 else 23)
    assert tiny.run(tiny.clip(), made).logits_per_image.shape == (2, 2)


def test_a_text_without_placeholders_needs_no_image() -> None:
    made = from_shape(tiny.llava(), (2, 11))
    assert list(made.kwargs) == ["input_ids"]
    assert not (made.kwargs["input_ids"] == 3).any()
    assert tiny.run(tiny.llava(), made).logits.shape == (2, 11, 300)
