from __future__ import annotations

import sys
from pathlib import Path

import pytest
import transformers as hf

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from tiny_configs import small
from tiny_repairs import repaired


def test_a_field_that_the_model_misses_is_set_in_the_part_that_lacks_it() -> None:
    config = hf.DbrxConfig()
    assert repaired(config, AttributeError("'DbrxAttentionConfig' object has no attribute 'rope_theta'"))
    assert config.attn_config.rope_theta == 10000.0
    assert not repaired(config, AttributeError("'DbrxAttentionConfig' object has no attribute 'rope_theta'"))
    assert not repaired(config, AttributeError("'DbrxConfig' object has no attribute 'colour'"))
    assert not repaired(config, ValueError("a shape"))


def test_each_kind_of_layer_gets_rotary_settings_where_they_are_looked_up_by_kind() -> None:
    config = hf.CONFIG_MAPPING["cohere_compass_text"](num_hidden_layers=2)
    assert repaired(config, KeyError("full_attention"))
    assert set(config.rope_parameters) == {"full_attention"}
    assert not repaired(config, KeyError("full_attention"))


@pytest.mark.parametrize(
    ("kind", "field", "value"), [("inkling_vision", "num_hidden_layers", 4), ("hgnet_v2", "stem_channels", [3, 32, 6])]
)
def test_small_configurations_rename_and_join_fields(kind: str, field: str, value: object) -> None:
    assert getattr(small(hf.CONFIG_MAPPING[kind]()), field) == value
