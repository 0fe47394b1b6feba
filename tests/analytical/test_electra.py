"""ELECTRA's table, to the last digit, and what its missing factor is worth."""

from __future__ import annotations

import pytest

from calprof.analytical.electra import MODEL_FLOPS, TransformerHparams, electra_train_flops, model_flops

# Printed by the published script under CPython's float arithmetic.
PUBLISHED = {
    "elmo": 3.4114394716164127e18,
    "xlnet": 3.856582065028608e21,
    "gpt": 3.968752230785352e19,
    "bert_small": 1.4187399146496e18,
    "bert_base": 6.428335104e19,
    "bert_large": 1.91720905883648e20,
    "electra_small": 1.293743798272e18,
    "electra_base": 6.424541834277683e19,
    "electra_400k": 7.117606040895488e20,
    "electra_1.75M": 3.113952642891776e21,
    "roberta": 3.187221435776e21,
    "albert": 3.113923955392512e22,
    "t5_11b": 4.581900124212429e22,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_table(name: str) -> None:
    assert repr(MODEL_FLOPS[name]) == repr(PUBLISHED[name])


def test_order_of_the_table() -> None:
    assert list(MODEL_FLOPS) == list(PUBLISHED)


def test_block_by_hand() -> None:
    hparams = TransformerHparams(h=64, l=3, s=16, v=101, heads=4, i=256)
    # kqv, bias, scores, softmax + dropout + scale, weighted, output, bias + dropout + residual, norm
    attention = 6 * 64**2 + 3 * 64 + 2 * 64 * 16 + (5 + 4 + 1) * 16 * 4 + 2 * 64 * 16 + 2 * 64**2 + 6 * 64 + 5
    mlp = 4 * 64 * 256 + 9 * 256 + 64 + 4 * 64 + 64 + 5 * 64
    assert hparams.get_block_flops() == 16 * (attention + mlp)
    decoder = TransformerHparams(h=64, l=3, s=16, v=101, heads=4, i=256, decoder=True)
    assert decoder.get_block_flops() == 16 * (2 * attention + mlp)


def test_the_missing_factor_is_five_times_h_minus_one() -> None:
    sizes = {"h": 64, "l": 3, "s": 16, "v": 101}
    published, corrected = TransformerHparams(**sizes), TransformerHparams(**sizes, corrected=True)
    assert corrected.get_block_flops() - published.get_block_flops() == 16 * 5 * (64 - 1)
    steps = 2 * 7 * 3
    assert corrected.get_train_flops(7, 3) - published.get_train_flops(7, 3) == steps * 3 * 16 * 5 * 63


def test_corrected_table_differs_where_the_script_was_used() -> None:
    corrected = model_flops(corrected=True)
    for name, count in MODEL_FLOPS.items():
        if name in ("elmo", "xlnet"):  # counts of another profiler
            assert corrected[name] == count
        else:
            assert count < corrected[name] < 1.002 * count


def test_embedding_by_hand() -> None:
    hparams = TransformerHparams(h=8, l=1, s=4, v=11, e=6)
    # table, types and positions, addition, norm, dropout, projection and bias
    entering = 2 * 6 * 11 + 2 * 6 * (4 + 2) + 2 * 6 + 5 * 6 + 4 * 6 + 2 * 8 * 6 + 8
    assert hparams.get_embedding_flops() == 4 * entering
    sparse = TransformerHparams(h=8, l=1, s=4, v=11, e=6, sparse_embed_lookup=True)
    assert sparse.get_embedding_flops() == 4 * (entering - 2 * 6 * 11)
    leaving = 2 * 6 * 11 + 2 * 8 * 6 + 6 + 8 * 6 + 5 * 6 + 5 * 11 + 2 * 11
    assert hparams.get_embedding_flops(output=True) == 0.15625 * leaving * 4
    classifier = 2 * 64 + 8 + 8 * 8 + 2 * 8
    assert hparams.get_binary_classification_flops() == 4 * classifier
    assert hparams.get_infer_flops() == hparams.get_block_flops() + 4 * (entering + classifier)


def test_generator_shares_the_embedding_only_when_tied() -> None:
    tied = electra_train_flops(128, 2, 64, 2, 3, 5, True, s=16)
    own = electra_train_flops(128, 2, 64, 2, 3, 5, False, s=16)
    assert tied > own
    discriminator = TransformerHparams(128, 2, s=16, e=128).get_train_flops(3, 5, True)
    assert own - discriminator == TransformerHparams(64, 2, s=16).get_train_flops(3, 5)


def test_bad_sizes() -> None:
    with pytest.raises(ValueError, match="needs the number of heads"):
        TransformerHparams(64, 2, head_size=8)
    with pytest.raises(ValueError, match="at least 1"):
        TransformerHparams(0, 2)
