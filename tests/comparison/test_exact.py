"""The term-by-term count against the recording of real architectures at full size, to the integer."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers")

from calprof import profile_by_name
from calprof.analytical import Shape, flops
from calprof.comparison.recorded import ROTARY
from calprof.models.configs import build_config

QUICK = {
    "gpt2": (1, 37),
    "llama-3.1-8b": (2, 19),
    "mistral-7b-v0.1": (1, 37),
    "qwen2-0.5b": (3, 11),
    "qwen3-0.6b": (1, 37),
    "gemma-2-2b": (1, 37),
    "gemma-3-1b": (1, 37),
    "mixtral-8x7b": (1, 37),
    "bert-base-uncased": (2, 37),
    "t5-small": (2, 37),
    "vit-base-patch16-224": (2, None),
}
LARGE = (
    "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "llama-2-7b", "llama-2-70b", "llama-3.1-8b", "llama-3.1-405b",
    "mistral-7b-v0.1", "mistral-7b-v0.3", "qwen2-7b", "qwen2.5-0.5b", "qwen2.5-72b", "qwen3-0.6b", "qwen3-30b-a3b",
    "gemma-2b", "gemma-7b", "gemma-2-2b", "gemma-2-27b", "gemma-3-270m", "gemma-3-1b", "mixtral-8x7b",
    "mixtral-8x22b", "deepseek-v3", "bert-base-uncased", "bert-large-uncased", "t5-base", "t5-11b",
)  # fmt: skip
LENGTHS = (1, 128, 509, 1021)
IMAGES = ("vit-base-patch16-224", "vit-base-patch32-384", "vit-large-patch16-224", "vit-huge-patch14-224-in21k")


def check(name: str, batch: int, seq: int | None, **overrides: int) -> None:
    """The totals are equal, and so is every row that module names and ops tell apart."""
    prof = profile_by_name(name, batch=batch, seq=seq, overrides=overrides, convention="matmul", real=False)
    assert not prof.uncounted
    shape = Shape.from_config(build_config(name, **overrides))
    assert flops(shape, batch, seq) == prof.flops == 2 * prof.macs
    comparison = prof.compare()
    assert comparison.shape == shape
    assert (comparison.batch, comparison.seq) == (batch, seq or shape.patches.tokens)
    assert not comparison.notes
    assert comparison["exact"].differences == {}
    rows = comparison.terms("exact")
    assert [row.name for row in rows if row.difference] == []
    assert sum(row.recorded for row in rows) == prof.flops
    assert ROTARY not in comparison.recorded


@pytest.mark.parametrize("name", QUICK)
def test_the_closed_form_is_what_ran(name: str) -> None:
    check(name, *QUICK[name])


def test_latent_attention_with_dense_and_expert_layers() -> None:
    check("deepseek-v3", 2, 11, num_hidden_layers=5)


@pytest.mark.slow
@pytest.mark.parametrize("seq", LENGTHS)
@pytest.mark.parametrize("name", LARGE)
def test_the_closed_form_is_what_ran_at_any_length(name: str, seq: int) -> None:
    # BERT has 512 learned positions.
    check(name, 1, min(seq, 512) if name.startswith("bert") else seq)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", IMAGES)
def test_the_closed_form_is_what_ran_on_images(name: str, batch: int) -> None:
    check(name, batch, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama-3.1-8b", "deepseek-v3", "gemma-2-2b"])
def test_at_a_long_context(name: str) -> None:
    check(name, 1, 8192)
