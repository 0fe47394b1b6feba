from __future__ import annotations

import pytest
import torch
import transformers as hf
from inputs import tiny
from inputs.tokenizers_offline import llama_like, wordpiece
from torch import nn

from calprof.inputs.processors import from_processor


def test_image_processor() -> None:
    processor = hf.ViTImageProcessor(size={"height": 20, "width": 20})
    model = tiny.vit()
    made = from_processor(model, processor, batch=2, image_size=(33, 47))
    assert made.kwargs["pixel_values"].shape == (2, 3, 20, 20)
    assert tiny.run(model, made).logits.shape[0] == 2


def test_image_processor_for_a_model_that_is_not_hugging_faces() -> None:
    processor = hf.ViTImageProcessor(size={"height": 20, "width": 20})
    made = from_processor(nn.Conv2d(3, 5, 3), processor)
    assert made.args[0].shape == (1, 3, 20, 20)
    assert made.description == "float32 1x3x20x20"


def test_the_models_dtype() -> None:
    processor = hf.ViTImageProcessor(size={"height": 20, "width": 20})
    made = from_processor(tiny.vit().to(torch.bfloat16), processor)
    assert made.kwargs["pixel_values"].dtype == torch.bfloat16


def test_feature_extractor_of_raw_samples() -> None:
    extractor = hf.Wav2Vec2FeatureExtractor(sampling_rate=8000)
    model = tiny.wav2vec2()
    made = from_processor(model, extractor, batch=2, seconds=0.5)
    assert made.kwargs["input_values"].shape == (2, 4000)
    assert tiny.run(model, made).logits.shape[0] == 2


def test_feature_extractor_of_mel_frames() -> None:
    extractor = hf.WhisperFeatureExtractor(feature_size=7, chunk_length=1, hop_length=727, n_fft=800)
    model = tiny.whisper()
    made = from_processor(model, extractor, batch=2, seq=5)
    assert made.kwargs["input_features"].shape == (2, 7, 22)
    assert made.kwargs["decoder_input_ids"].shape == (2, 5)
    assert tiny.run(model, made).logits.shape == (2, 5, 301)


def test_a_tokenizer_is_a_processor_too() -> None:
    made = from_processor(tiny.bert(), wordpiece(), batch=2, seq=13)
    assert made.kwargs["input_ids"].shape == (2, 13)


def test_image_and_text_side_by_side() -> None:
    images = hf.CLIPImageProcessor(size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20})
    processor = hf.CLIPProcessor(image_processor=images, tokenizer=wordpiece())
    model = tiny.clip()
    made = from_processor(model, processor, batch=2, seq=11)
    assert made.kwargs["pixel_values"].shape == (2, 3, 20, 20)
    assert made.kwargs["input_ids"].shape == (2, 11)
    assert tiny.run(model, made).logits_per_image.shape == (2, 2)


def test_image_inside_the_text() -> None:
    images = hf.CLIPImageProcessor(size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20})
    processor = hf.LlavaProcessor(
        image_processor=images, tokenizer=llama_like(), patch_size=5,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    model = tiny.llava()
    made = from_processor(model, processor, batch=2, seq=11)
    assert (made.kwargs["input_ids"] == 3).sum(1).tolist() == [16, 16]
    assert made.kwargs["input_ids"].shape == (2, 1 + 16 + 11)
    assert made.kwargs["attention_mask"].all()
    assert tiny.run(model, made).logits.shape == (2, 28, 300)


def test_not_a_processor() -> None:
    with pytest.raises(TypeError, match="str"):
        from_processor(tiny.vit(), "vit")
    with pytest.raises(ValueError, match="batch is 0"):
        from_processor(tiny.vit(), hf.ViTImageProcessor(), batch=0)
