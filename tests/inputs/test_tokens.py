from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf
from inputs import tiny
from inputs.tokenizers_offline import byte_level_bpe, llama_like, slow_bytes, unigram, wordpiece
from torch import nn

from calprof.inputs.tokens import from_tokenizer, special_frame

PAIRS = [
    (tiny.bert, wordpiece, [2], [3], ["input_ids", "token_type_ids", "attention_mask"]),
    (tiny.gpt2, byte_level_bpe, [], [], ["input_ids", "attention_mask"]),
    (tiny.llama, llama_like, [0], [], ["input_ids", "attention_mask"]),
    (tiny.t5, unigram, [], [1], ["input_ids", "attention_mask", "decoder_input_ids"]),
    (tiny.t5, slow_bytes, [], [1], ["input_ids", "attention_mask", "decoder_input_ids"]),
]


@pytest.mark.parametrize(("build", "make", "before", "after", "names"), PAIRS)
@pytest.mark.parametrize("shape", [(2, 13), (1, 3), (3, 31)])
def test_exact_shape_frame_and_names(
    build: Any, make: Any, before: list[int], after: list[int], names: list[str], shape: tuple[int, int]
) -> None:
    model, tokenizer = build(), make()
    made = from_tokenizer(model, tokenizer, shape)
    ids = made.kwargs["input_ids"]
    assert list(made.kwargs) == names
    assert all(value.shape == shape for value in made.kwargs.values())
    assert made.description == f"{shape[0]}x{shape[1]} tokens ({', '.join(names)})"
    for row in ids.tolist():
        middle = row[len(before) : len(row) - len(after)]
        assert row[: len(before)] == before
        assert row[len(row) - len(after) :] == after
        assert not set(middle) & set(tokenizer.all_special_ids)
    assert tiny.run(model, made).logits.shape[:2] == shape


@pytest.mark.parametrize(("build", "make", "before", "after", "names"), PAIRS)
def test_special_tokens_are_where_the_tokenizer_puts_them(
    build: Any, make: Any, before: list[int], after: list[int], names: list[str]
) -> None:
    assert special_frame(make()) == (before, after)


def test_tokens_are_random_and_the_same_every_time() -> None:
    model, tokenizer = tiny.gpt2(), byte_level_bpe()
    before = torch.get_rng_state()
    first, second = (from_tokenizer(model, tokenizer, (2, 41)).kwargs["input_ids"] for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)
    assert len(set(first[0].tolist())) > 20
    assert not torch.equal(first[0], first[1])


def test_masks_are_all_ones_and_types_all_zeros() -> None:
    made = from_tokenizer(tiny.bert(), wordpiece(), (2, 13)).kwargs
    assert made["attention_mask"].sum() == 26
    assert made["token_type_ids"].sum() == 0


def test_decoder_starts_with_its_start_token() -> None:
    made = from_tokenizer(tiny.t5(), unigram(), (2, 13)).kwargs
    assert made["decoder_input_ids"][:, 0].tolist() == [0, 0]
    assert torch.equal(made["decoder_input_ids"][:, 1:], made["input_ids"][:, :-1])


def test_an_encoder_alone_gets_no_decoder_ids() -> None:
    model = tiny.t5(hf.T5EncoderModel)
    made = from_tokenizer(model, unigram(), (2, 13))
    assert "decoder_input_ids" not in made.kwargs
    assert tiny.run(model, made).last_hidden_state.shape == (2, 13, 12)


def test_ids_fit_a_vocabulary_smaller_than_the_tokenizers() -> None:
    model = tiny.gpt2(vocab=37)
    made = from_tokenizer(model, byte_level_bpe(), (2, 13))
    assert made.kwargs["input_ids"].max() < 37
    assert tiny.run(model, made).logits.shape == (2, 13, 37)


def test_default_shape() -> None:
    assert from_tokenizer(tiny.llama(), llama_like()).kwargs["input_ids"].shape == (1, 128)
    assert from_tokenizer(tiny.gpt2(positions=64), byte_level_bpe()).kwargs["input_ids"].shape == (1, 64)


def test_ids_come_first_for_a_model_that_names_them_differently() -> None:
    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(40, 5)

        def forward(self, words: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.table(words) * attention_mask[..., None]

    made = from_tokenizer(Bag(), wordpiece(), (2, 13))
    assert list(made.kwargs) == ["attention_mask"]
    assert tiny.run(Bag(), made).shape == (2, 13, 5)


def test_a_wrapped_model_gets_what_the_inner_one_takes() -> None:
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(tiny.bert(), peft.LoraConfig(r=2, target_modules=["query"])).eval()
    made = from_tokenizer(model, wordpiece(), (2, 13))
    assert sorted(made.kwargs) == ["attention_mask", "input_ids", "token_type_ids"]
    assert tiny.run(model, made).logits.shape == (2, 13, 300)


def test_a_vocabulary_without_the_probed_letters() -> None:
    from tokenizers import Tokenizer, models

    raw = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "ü": 2, "ö": 3}, unk_token=None))
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    made = from_tokenizer(tiny.llama(), tokenizer, (2, 13))
    assert set(made.kwargs["input_ids"].flatten().tolist()) == {2, 3}


def test_the_tokenizers_padding_and_truncation_stay() -> None:
    tokenizer = wordpiece()
    tokenizer.backend_tokenizer.enable_padding(length=17)
    tokenizer.backend_tokenizer.enable_truncation(max_length=5)
    before = (tokenizer.backend_tokenizer.padding, tokenizer.backend_tokenizer.truncation)
    made = from_tokenizer(tiny.bert(), tokenizer, (2, 13))
    assert made.kwargs["input_ids"].shape == (2, 13)
    assert 0 not in made.kwargs["input_ids"]
    assert (tokenizer.backend_tokenizer.padding, tokenizer.backend_tokenizer.truncation) == before


@pytest.mark.parametrize(
    ("shape", "error", "named"),
    [
        ((1, 3, 224), ValueError, r"\(1, 3, 224\).*3 dimensions.*\(batch, length\)"),
        ((5,), ValueError, r"\(5,\)"),
        ((1, 2), ValueError, "2 special tokens; expected a length of at least 3"),
        ((1, 65), ValueError, "65 exceeds the 64 positions of BertForMaskedLM"),
        ((1, 2.5), TypeError, "float"),
        ((0, 5), ValueError, r"\(0, 5\)"),
    ],
)
def test_bad_shapes_are_named(shape: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        from_tokenizer(tiny.bert(), wordpiece(), shape)


def test_not_a_tokenizer() -> None:
    with pytest.raises(TypeError, match="str"):
        from_tokenizer(tiny.bert(), "bert-base-uncased", (1, 5))


def test_a_model_that_reads_no_tokens() -> None:
    with pytest.raises(ValueError, match="WhisperForConditionalGeneration reads input_features"):
        from_tokenizer(tiny.whisper(), unigram(), (1, 5))
